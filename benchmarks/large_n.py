"""What does E(t) cost at large N, by the band engine and by what one would use instead?

Claims, on two cores, c = 3, random times: at N = 10^6 at least 100 times faster than the dense matrix in NumPy and 5
times faster than jaxent's own dense route; N = 10^8 within 2 s and N = 10^10 within 30 s per time, in 4 GiB; the cost
grows as N^0.6 or less. `--device` times 1024 times at N = 10^6 at once, for a GPU.

The other sides: the paper's Method II in NumPy (ρ = A A†, eigvalsh); jaxent with tolerance=0 (parity halves); LAPACK's
banded eigenvalues (scipy.linalg.eigvals_banded) of the very bands the engine factorizes. Each goes as far as it can;
where a time takes seconds, fewer are taken. Compilation is reported apart: as what the first grid takes longer than the
second, and as the programs that later grids add where these have paid for them (the grid is repeated until then). The
memory is that of the process when only the engine has run. `--quick` stops at N = 10^5 and writes nothing.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import record
import scipy.linalg
from entropy import method_two

jax.config.update("jax_enable_x64", True)

import jaxent  # noqa: E402
from jaxent import band  # noqa: E402
from jaxent.band import engine  # noqa: E402

ATOMS = (10**4, 10**5, 10**6, 10**7, 10**8, 10**9, 10**10)
WINDOW, N_TIMES = 3.0, 64
TIMES = np.random.default_rng(11).uniform(0, math.pi, N_TIMES)
MOST_GRIDS, SETTLING_SECONDS = 40, 10.0
FEWER = {  # times for the sides that are slow; 0: not tried
    "numpy": {10**4: 20, 10**5: 10, 10**6: 2},
    "dense": {10**4: 64, 10**5: 32, 10**6: 10},
    "lapack": {10**4: 64, 10**5: 32, 10**6: 8, 10**7: 2, 10**8: 1},
}


def peak_memory_gib() -> float:
    """Largest resident memory of this process; getrusage would start from that of the process that made it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def engine_seconds(n_atoms: int, count: int) -> dict:
    """Of all times through the engine, whatever the dense route would take; planning included."""
    chain, times = jaxent.Chain(3, n_atoms, WINDOW), TIMES[:count]

    def run():
        return band.entropies(band.make_plans(chain, times, None, None, 1e-8)).entropy

    grids = []  # seconds of each
    while len(grids) < 2 or (len(grids) < MOST_GRIDS and sum(grids[1:]) < SETTLING_SECONDS):
        start = time.perf_counter()
        values = run()
        grids.append(time.perf_counter() - start)
    seconds = record.seconds_of(run)
    start = time.perf_counter()
    plans = band.make_plans(chain, times, None, None, 1e-8)
    return {
        "engine_seconds_per_time": seconds / count,
        "engine_planning_seconds_per_time": (time.perf_counter() - start) / count,
        "engine_first_grid_seconds": grids[0],
        "engine_compilation_seconds": max(0.0, grids[0] - grids[1]),
        "engine_second_grid_seconds_per_time": grids[1] / count,
        "engine_shapes": len({(plan.n_states, plan.half_bandwidth) for plan in plans}),
        "engine_times": count,
        "largest_half_bandwidth": max(plan.half_bandwidth for plan in plans),
        "median_half_bandwidth": float(np.median([plan.half_bandwidth for plan in plans])),
        "memory_gib": peak_memory_gib(),
        "entropies": np.asarray(values).tolist(),
    }


def numpy_seconds(n_atoms: int, times: np.ndarray) -> tuple[float, np.ndarray]:
    chain = jaxent.Chain(3, n_atoms, WINDOW)
    root = np.exp(np.asarray(jaxent.dicke.log_weights(n_atoms, WINDOW)) / 2)
    start = time.perf_counter()
    values = method_two(n_atoms, chain.states, root, times)
    return (time.perf_counter() - start) / len(times), values


def dense_seconds(n_atoms: int, times: np.ndarray) -> tuple[float, np.ndarray]:
    chain = jaxent.Chain(3, n_atoms, WINDOW)
    values = np.asarray(jaxent.end_to_end_entropy(chain, times, tolerance=0))
    return record.seconds_of(lambda: jaxent.end_to_end_entropy(chain, times, tolerance=0)) / len(times), values


def lapack_seconds(n_atoms: int, times: np.ndarray) -> tuple[float, np.ndarray]:
    """Eigenvalues of the same bands; building them is not counted."""
    plans = band.make_plans(jaxent.Chain(3, n_atoms, WINDOW), times, None, None, 1e-8)
    bands = [np.asarray(engine.band_columns(plan)) for plan in plans]
    start = time.perf_counter()
    values = [np.concatenate([scipy.linalg.eigvals_banded(sector.T) for sector in columns]) for columns in bands]
    seconds = time.perf_counter() - start
    shares = [v[v > 0] ** 2 / np.sum(v**2) for v in values]
    return seconds / len(times), np.array([-np.sum(p * np.log2(p)) for p in shares])


def engine_alone(n_atoms: int) -> dict:
    """`engine_seconds` in a process of its own, which shows its memory."""
    count = {10**8: 16, 10**9: 8, 10**10: 4}.get(n_atoms, N_TIMES)
    done = subprocess.run(
        [sys.executable, __file__, "--engine", str(n_atoms), str(count)], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def many_at_once() -> dict:
    chain = jaxent.Chain(3, 10**6, WINDOW)
    times = np.random.default_rng(12).uniform(0, math.pi, 1024)
    compilation, seconds = record.compiled(lambda: jaxent.end_to_end_entropy(chain, times))
    return {"n_times": len(times), "seconds": seconds, "compilation_seconds": compilation}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to N = 10^5, nothing written")
    parser.add_argument("--device", action="store_true", help="1024 times at N = 10^6 at once, too")
    parser.add_argument("--engine", nargs=2, type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.engine:
        print(json.dumps(engine_seconds(*asked.engine)))
        return
    rows = []
    sides = {"numpy": numpy_seconds, "dense": dense_seconds, "lapack": lapack_seconds}
    print("seconds per time:  N     engine      NumPy      dense     LAPACK   memory GiB   b   largest difference")
    for n_atoms in ATOMS[:2] if asked.quick else ATOMS:
        row = {"n_atoms": n_atoms, **engine_alone(n_atoms)}
        values, difference = np.array(row.pop("entropies")), 0.0
        for name, side in sides.items():
            count = FEWER[name].get(n_atoms, 0)
            if count:
                seconds, others = side(n_atoms, TIMES[:count])
                row[f"{name}_seconds_per_time"] = seconds
                row[f"{name}_over_engine"] = seconds / row["engine_seconds_per_time"]
                shared = min(count, len(values))
                difference = max(difference, float(abs(others[:shared] - values[:shared]).max()))
        row["largest_difference_bits"] = difference
        rows.append(row)
        shown = [row.get(f"{name}_seconds_per_time", math.nan) for name in sides]
        print(
            f"{n_atoms:20.0e} {row['engine_seconds_per_time']:10.2e}"
            f"{shown[0]:11.2e}{shown[1]:11.2e}{shown[2]:11.2e}"
            f"{row['memory_gib']:10.2f} {row['median_half_bandwidth']:5.0f} {difference:12.1e}",
            flush=True,
        )
    sizes = np.array([row["n_atoms"] for row in rows])
    costs = [row["engine_seconds_per_time"] for row in rows]
    exponent = float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])
    print(f"cost grows as N^{exponent:.2f}")
    results = {"window": WINDOW, "n_times": N_TIMES, "rows": rows, "exponent": exponent}
    if asked.device:
        results["many_at_once"] = many_at_once()
        print(results["many_at_once"])
    if not asked.quick:
        record.save("large_n", results)


if __name__ == "__main__":
    main()
