"""What does a sweep cost beyond the bare compiled loop, does its memory grow, and do two processes halve its time?

Claims: overhead at most 5 % at 10^5 points of N = 100; peak memory flat from 10^4 to 10^6 points; two processes at
least 1.7 times as fast as one where two cores are free. Each process is bound to a core of its own, as SLURM and Open
MPI bind them; unbound, one process alone takes some of the second core, so `unbound` gains less.

The other side is the loop one would write: one compiled `jax.lax.map` over all times, its result in memory only. Both
run once to compile (programs are kept on disk, as the command line does), then are timed in turns. Memory is the
largest resident set of a process of its own. `--quick` takes a hundredth of the points and writes nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import jax
import numpy as np
import record

jax.config.update("jax_enable_x64", True)

import jaxent  # noqa: E402

CHILD = """
import json, sys, time
import jax
jax.config.update("jax_enable_x64", True)
import jaxent
n_atoms, points, folder, process, n_processes = (*map(int, sys.argv[1:3]), sys.argv[3], *map(int, sys.argv[4:6]))
sweep = jaxent.Sweep("entropy", n_atoms, jaxent.Span(0.1, 3.0, points))
print("ready", flush=True)
sys.stdin.readline()
start = time.perf_counter()
jaxent.run_sweep(sweep, folder, process=process, n_processes=n_processes)
seconds = time.perf_counter() - start
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([seconds, peak / 2**10]), flush=True)
"""


def children(n_atoms: int, points: int, n_processes: int, cores: list[int] | None = None) -> list[list[float]]:
    """Seconds and peak MiB of each process of a sweep, each on its own of the cores; all start at once."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            subprocess.Popen(
                [sys.executable, "-c", CHILD, str(n_atoms), str(points), folder, str(index), str(n_processes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for index in range(n_processes)
        ]
        for run, core in zip(runs, cores or (), strict=False):
            os.sched_setaffinity(run.pid, {core})
        for run in runs:
            assert run.stdout.readline() == "ready\n"
        for run in runs:
            run.stdin.write("\n")
            run.stdin.flush()
        return [json.loads(run.communicate()[0]) for run in runs]


def overhead(n_atoms: int, points: int) -> dict:
    chain, times = jaxent.Chain(3, n_atoms), np.linspace(0.1, 3.0, points)
    sweep = jaxent.Sweep("entropy", n_atoms, jaxent.Span(0.1, 3.0, points))
    batch = jaxent.sweep.plan_sweep(sweep).groups[0].batch
    bare = jax.jit(lambda t: jax.lax.map(lambda one: jaxent.end_to_end_entropy(chain, one), t, batch_size=batch))
    np.asarray(bare(times))
    with tempfile.TemporaryDirectory() as folder:
        jaxent.run_sweep(sweep, folder)
    seconds = {"bare": [], "sweep": []}
    for _ in range(2):
        start = time.perf_counter()
        expected = np.asarray(bare(times))
        seconds["bare"].append(time.perf_counter() - start)
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            jaxent.run_sweep(sweep, folder)
            seconds["sweep"].append(time.perf_counter() - start)
            difference = float(abs(jaxent.open_sweep(folder).entropy.values - expected).max())
    best = {name: min(values) for name, values in seconds.items()}
    return {
        "n_atoms": n_atoms,
        "points": points,
        "bare_seconds": best["bare"],
        "sweep_seconds": best["sweep"],
        "overhead": best["sweep"] / best["bare"] - 1,
        "largest_difference_bits": difference,
    }


def processes(n_atoms: int, points: int) -> dict:
    """Seconds of one process and of the slower of two, best of two runs each, after one that compiles."""
    found = {}
    for name, cores in (("bound", sorted(os.sched_getaffinity(0))[:2]), ("unbound", None)):
        seconds = {1: [], 2: []}
        for _ in range(3):
            for count, each in seconds.items():
                each.append(max(one for one, _ in children(n_atoms, points, count, cores)))
        one, two = (min(each[1:]) for each in seconds.values())
        found[name] = {"one": one, "two": two, "ratio": one / two}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the points, nothing written")
    quick = parser.parse_args().quick
    share = 100 if quick else 1
    programs = tempfile.TemporaryDirectory()
    os.environ |= {"JAX_COMPILATION_CACHE_DIR": programs.name, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    jax.config.update("jax_compilation_cache_dir", programs.name)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    results = {"overhead": overhead(100, 10**5 // share)}
    print(results["overhead"], flush=True)
    results["memory"] = []
    for points in (10**4 // share, 10**5 // share, 10**6 // share):
        ((seconds, peak),) = children(10, points, 1)
        results["memory"].append({"n_atoms": 10, "points": points, "seconds": seconds, "peak_mib": peak})
        print(results["memory"][-1], flush=True)
    results["processes"] = {"n_atoms": 100, "points": 4 * 10**4 // share, **processes(100, 4 * 10**4 // share)}
    print(results["processes"], flush=True)
    if not quick:
        record.save("sweep", results)


if __name__ == "__main__":
    main()
