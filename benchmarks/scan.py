"""What does a scan cost the person who waits: import, compilation and all?

Claim: 50 numbers of atoms N = 10…500 at 200 times each take a third of the time of the paper's method in plain NumPy or
less, each as a whole process without a cache of compiled programs. A scan over 50 N compiles at most 12 programs, and
1000 different N add at most 400 MiB.

Every row is one process on each side, which starts, imports what it needs, and ends. `--quick` runs a tenth of it, and
writes nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import record

COMMON = """
import json, sys
import numpy as np
step, n_times = json.loads(sys.argv[1])
times = np.pi * (np.arange(n_times) + (5**0.5 - 1) / 2) / n_times
sizes = range(10, 501, step)
"""
JAXENT = """
import jax
jax.config.update("jax_enable_x64", True)
import jaxent
programs = []
jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: programs.append(name))
"""
# the predecessor paper's Method II: a complex matrix of the ends for each time, rho = A A†, eigvalsh
NUMPY = """
def weights(n):
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    return np.exp(logs[n] - logs - logs[::-1] - n * np.log(2))
def probabilities(n, time, m=3):
    w, k = weights(n), np.arange(n + 1)
    alpha = (k[:, None] - k) * time
    kernel = np.exp(0.5j * n * alpha) * np.cos(alpha / 2) ** n
    matrix = np.diag(np.sqrt(w)).astype(complex)
    for _ in range((m - 1) // 2):
        matrix = matrix @ kernel * w
    matrix = matrix / np.sqrt(w) if m % 2 else matrix @ (np.exp(1j * np.outer(k, k) * time) * np.sqrt(w))
    rho = matrix @ matrix.conj().T
    return np.clip(np.linalg.eigvalsh(rho / np.trace(rho).real), 0.0, 1.0)
def bits(p):
    p = p[p > 0]
    return -np.sum(p * np.log2(p))
"""
END = """
print(json.dumps([total, sum("backend_compile" in name for name in globals().get("programs", []))]))
"""
CASES = {
    "50 sizes N = 10…500": (
        "total = sum(float(np.sum(jaxent.end_to_end_entropy(jaxent.Chain(3, n), times))) for n in sizes)",
        "total = sum(bits(probabilities(n, t)) for n in sizes for t in times)",
    ),
    "20 Rényi orders, N = 100": (
        "chain = jaxent.Chain(3, 100)\n"
        "total = sum(float(np.sum(jaxent.end_to_end_renyi_entropy(chain, times, a))) for a in 1 + np.arange(20) / 4)",
        # the matrices anew for each order, as in the other side
        "orders = 1 + np.arange(20) / 4\n"
        "def order(p, a):\n"
        "    p = p[p > 0]\n"
        "    return bits(p) if a == 1 else np.log2(np.sum(p**a)) / (1 - a)\n"
        "total = sum(order(probabilities(100, t), a) for a in orders for t in times)",
    ),
    "chains of M = 2…12, N = 100": (
        "total = sum(float(np.sum(jaxent.end_to_end_entropy(jaxent.Chain(m, 100), times))) for m in range(2, 13))",
        "total = sum(bits(probabilities(100, t, m)) for m in range(2, 13) for t in times)",
    ),
}
MEMORY = """
import psutil
process = psutil.Process()
jaxent.end_to_end_entropy(jaxent.Chain(3, 10), 1.0)
before = process.memory_info().rss
for n in range(10, 10 + sizes_count):
    jaxent.end_to_end_entropy(jaxent.Chain(3, n), 1.0)
print(json.dumps((process.memory_info().rss - before) / 2**20))
"""


def run(script: str, *argument) -> tuple[float, list]:
    """Seconds of a whole process, without any cache of programs, and what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "HOME": folder, "XDG_CACHE_HOME": folder, "JAX_COMPILATION_CACHE_DIR": ""}
        start = time.perf_counter()
        command = [sys.executable, "-c", script, json.dumps(argument)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return time.perf_counter() - start, json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes, nothing written")
    quick = parser.parse_args().quick
    step, n_times = (100, 20) if quick else (10, 200)
    rows = []
    print("case                          jaxent s   NumPy s   ratio   programs   difference a point")
    for name, (ours, theirs) in CASES.items():
        seconds, (value, programs) = run(COMMON + JAXENT + ours + END, step, n_times)
        seconds_numpy, (expected, _) = run(COMMON + NUMPY + theirs + END, step, n_times)
        points = n_times * {"5": len(range(10, 501, step)), "2": 20, "c": 11}[name[0]]
        row = {
            "case": name,
            "jaxent_seconds": seconds,
            "numpy_seconds": seconds_numpy,
            "ratio": seconds_numpy / seconds,
            "programs": programs,
            "mean_difference_bits": abs(value - expected) / points,
        }
        rows.append(row)
        print(
            f"{name:28} {seconds:9.2f} {seconds_numpy:9.2f} {row['ratio']:7.2f} {programs:10d} "
            f"{row['mean_difference_bits']:12.1e}",
            flush=True,
        )
    count = 50 if quick else 1000
    _, grown = run(COMMON + JAXENT + MEMORY.replace("sizes_count", str(count)), step, n_times)
    print(f"{count} different N add {grown:.0f} MiB")
    if not quick:
        record.save("scan", {"n_times": n_times, "scans": rows, "numbers_of_atoms": count, "added_mib": grown})


if __name__ == "__main__":
    main()
