"""How long does a person wait for the first number, with an empty cache of compiled programs and with a full one?

Claim: import jaxent 0.2 s; a first entropy, the package and JAX imported before, 1.5 s cold and 0.6 s warm; the next N
nothing; a first optimum of N = 50 four seconds; the command line 1.5 s warm.

Every row is a process of its own; cold, its cache is an empty folder, warm, the one that it filled before.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import record

SCRIPT = """
import json, time
clock, marks = time.perf_counter, {}
def mark(name, since):
    marks[name] = clock() - since
start = clock()
import jax
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
mark("import_jax_seconds", start)
start = clock(); import jaxent; mark("import_jaxent_seconds", start)
"""
STEPS = {
    "entropy": "float(jaxent.end_to_end_entropy(jaxent.Chain(3, 100), 1.0))",
    "next_size": "float(jaxent.end_to_end_entropy(jaxent.Chain(3, 98), 1.0))",
    "grid": "jaxent.end_to_end_entropy(jaxent.Chain(3, 100), np.linspace(0, 3, 200)).block_until_ready()",
    "log_negativity": "float(jaxent.end_to_end_log_negativity(jaxent.Chain(3, 20), 1.0, 0.1))",
    "optimum": "jaxent.maximize('average_entropy', jaxent.Chain(3, 50), 1.0)",
}


def environment(folder: str) -> dict[str, str]:
    return {**os.environ, "HOME": folder, "XDG_CACHE_HOME": folder}


def library(steps: list[str], folder: str) -> dict[str, float]:
    """Seconds of each step in one process."""
    lines = [SCRIPT, "import numpy as np"]
    lines += [f"start = clock(); {STEPS[name]}; mark('{name}_seconds', start)" for name in steps]
    command = [sys.executable, "-c", "\n".join([*lines, "print(json.dumps(marks))"])]
    about = environment(folder) | {"JAX_COMPILATION_CACHE_DIR": folder}
    return json.loads(subprocess.run(command, env=about, capture_output=True, text=True, check=True).stdout)


def command_line(folder: str) -> float:
    """Seconds of the whole command."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "jaxent", "entropy", "1.0", "-n", "100"]
    subprocess.run(command, env=environment(folder), capture_output=True, check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the first entropy only, nothing written")
    quick = parser.parse_args().quick
    found = {}
    for steps in [["entropy", "next_size", "grid"]] + ([] if quick else [["log_negativity"], ["optimum"]]):
        with tempfile.TemporaryDirectory() as folder:
            for state in ("cold", "warm"):
                for name, seconds in library(steps, folder).items():
                    found.setdefault(name, {}).setdefault(f"{state}_seconds", seconds)
    with tempfile.TemporaryDirectory() as folder:
        found["command_line"] = {f"{state}_seconds": command_line(folder) for state in ("cold", "warm")}
    print(f"{'':24} {'cold s':>8} {'warm s':>8}")
    for name, row in found.items():
        print(f"{name.removesuffix('_seconds'):24} {row['cold_seconds']:8.2f} {row['warm_seconds']:8.2f}")
    if not quick:
        record.save("first_number", found)


if __name__ == "__main__":
    main()
