"""Is the entropy over a grid of 200 times faster than what one would write in NumPy, at every N?

Claim: at least 10 times at N = 10^6, never slower at any N; and the predecessor paper's largest run (M = 6, N = 27, 301
times; 4 h 38 min in its authors' log) takes less than a second.

The other side is the paper's Method II in plain NumPy: the complex amplitude matrix, ρ = A A†, eigvalsh, a Python loop
over the times. Where 200 times take it longer than a minute it is timed on fewer, and both sides are given per time.
Compilation is reported apart. `--quick` stops at N = 1000.
"""

import argparse
import math

import jax
import numpy as np
import record

jax.config.update("jax_enable_x64", True)

import jaxent  # noqa: E402

ATOMS = (10, 30, 100, 300, 10**3, 10**4, 10**5, 10**6)
N_TIMES = 200


def method_two(n_atoms: int, states: np.ndarray, root: np.ndarray, times: np.ndarray) -> np.ndarray:
    entropies = []
    for t in times:
        alpha = (states[:, None] - states) * t
        amplitudes = root[:, None] * np.exp(0.5j * n_atoms * alpha) * np.cos(alpha / 2) ** n_atoms * root
        rho = amplitudes @ amplitudes.conj().T
        values = np.linalg.eigvalsh(rho / np.trace(rho).real)
        values = values[values > 0]
        entropies.append(-np.sum(values * np.log2(values)))
    return np.array(entropies)


def compare(n_atoms: int) -> dict:
    chain = jaxent.Chain(3, n_atoms, None if n_atoms <= 100 else 3.0)
    states = chain.states
    root = np.exp(np.asarray(jaxent.dicke.log_weights(n_atoms, chain.window)) / 2)
    times = math.pi * (np.arange(N_TIMES) + (math.sqrt(5) - 1) / 2) / N_TIMES
    n_numpy = {10**6: 3, 10**5: 20}.get(n_atoms, N_TIMES)
    some = times[:: N_TIMES // n_numpy][:n_numpy]
    seconds_numpy = record.seconds_of(lambda: method_two(n_atoms, states, root, some)) / n_numpy
    compilation, total = record.compiled(lambda: jaxent.end_to_end_entropy(chain, times))
    ours = np.asarray(jaxent.end_to_end_entropy(chain, some))
    return {
        "n_atoms": n_atoms,
        "window": chain.window,
        "dimension": chain.dimension,
        "numpy_seconds_per_time": seconds_numpy,
        "jaxent_seconds_per_time": total / N_TIMES,
        "ratio": seconds_numpy / (total / N_TIMES),
        "jaxent_compilation_seconds": compilation,
        "largest_difference_bits": float(abs(ours - method_two(n_atoms, states, root, some)).max()),
    }


def predecessors_run() -> dict:
    chain = jaxent.Chain(6, 27)
    times = np.linspace(0.0, math.pi, 301)
    compilation, total = record.compiled(lambda: jaxent.end_to_end_entropy(chain, times))
    return {"seconds": total, "compilation_seconds": compilation, "authors_log_seconds": 4 * 3600 + 38 * 60}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to N = 1000 only, nothing written")
    quick = parser.parse_args().quick
    rows = []
    print("       N      D   NumPy s/time  jaxent s/time   ratio   compile s   difference")
    for n_atoms in ATOMS:
        if quick and n_atoms > 1000:
            break
        row = compare(n_atoms)
        rows.append(row)
        print(
            f"{n_atoms:8d} {row['dimension']:6d} {row['numpy_seconds_per_time']:14.3e} "
            f"{row['jaxent_seconds_per_time']:14.3e} {row['ratio']:7.1f} {row['jaxent_compilation_seconds']:11.2f} "
            f"{row['largest_difference_bits']:12.1e}",
            flush=True,
        )
    chain_of_six = predecessors_run()
    print(f"M = 6, N = 27, 301 times: {chain_of_six['seconds']:.3f} s (+ {chain_of_six['compilation_seconds']:.1f} s)")
    if not quick:
        record.save("entropy", {"n_times": N_TIMES, "entropy": rows, "chain_of_six": chain_of_six})


if __name__ == "__main__":
    main()
