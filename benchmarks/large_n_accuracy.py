"""Does the band engine keep its tolerance of 1e-8 bits, at random times and close to rational ones?

Claim: against the dense matrix (parity halves, float64) at N = 10^4, 10^5, 10^6 and c = 6, for 200 random times and 200
times beside 2πp/r, r ≤ 20, at distances of 1e-8 to 1e-1, no entropy is off by more than 1e-8; and the error the engine
reports is never smaller than the true one. At N = 10^8 and five times, against the eigenvalues of the band by LAPACK.

All times go through the engine, also those for which the dense matrix would be cheaper. `--quick` takes ten times of
each kind at N = 10^4 and writes nothing.
"""

import argparse
import math

import jax
import numpy as np
import record
import scipy.linalg

jax.config.update("jax_enable_x64", True)

import jaxent  # noqa: E402
from jaxent import band  # noqa: E402
from jaxent.band import engine  # noqa: E402

WINDOW, TOLERANCE = 6.0, 1e-8
LAPACK_TIMES = (1.0, 2.345, 0.777, 2 * math.pi / 7 + 1e-2, 1e-3)


def times(count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    levels = rng.integers(1, 21, count)
    numerators = np.array([rng.choice([p for p in range(r) if math.gcd(p, r) == 1] or [0]) for r in levels])
    offsets = 10 ** rng.uniform(-8, -1, count) * rng.choice([-1, 1], count)
    return {"random": rng.uniform(0, math.pi, count), "beside rational": 2 * math.pi * numerators / levels + offsets}


def compare(n_atoms: int, kind: str, at: np.ndarray) -> dict:
    chain = jaxent.Chain(3, n_atoms, WINDOW)
    plans = band.make_plans(chain, at, None, None, TOLERANCE)
    found = band.entropies(plans)
    dense = np.asarray(jaxent.end_to_end_entropy(chain, at, tolerance=0))
    error = abs(found.entropy - dense)
    reported = found.quadrature_error + [p.band_error + p.coarse_error for p in plans]
    coarse = np.array([float(p.coarse_error) > 0 for p in plans])
    return {
        "n_atoms": n_atoms,
        "times": kind,
        "n_times": len(at),
        "n_coarse": int(coarse.sum()),
        "largest_error_bits": float(error.max()),
        "median_error_bits": float(np.median(error)),
        "largest_error_without_coarse_graining_bits": float(error[~coarse].max(initial=0.0)),
        "largest_reported_error_bits": float(reported.max()),
        "n_above_reported": int((error > reported).sum()),
        "half_bandwidths": {
            int(b): int((np.array([p.half_bandwidth for p in plans]) == b).sum())
            for b in sorted({p.half_bandwidth for p in plans})
        },
    }


def against_lapack(n_atoms: int, window: float, time: float) -> dict:
    """E from all eigenvalues of a band that is good to 1e-11, by scipy.linalg.eigvals_banded."""
    chain = jaxent.Chain(3, n_atoms, window)
    (plan,) = band.make_plans(chain, time, None, None, TOLERANCE)
    found = band.entropies([plan])
    (fine,) = band.make_plans(chain, time, None, None, 1e-11)
    columns = np.asarray(engine.band_columns(fine))
    values = np.concatenate([scipy.linalg.eigvals_banded(sector.T) for sector in columns])
    share = values**2 / np.sum(values**2)
    share = share[share > 0]
    exact = -np.sum(share * np.log2(share))
    return {"n_atoms": n_atoms, "time": time, "entropy": exact, "error_bits": float(found.entropy[0] - exact)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten times of each kind at N = 10^4, nothing written")
    quick = parser.parse_args().quick
    rows, lapack = [], []
    for n_atoms in (10**4,) if quick else (10**4, 10**5, 10**6):
        for kind, at in times(10 if quick else 200).items():
            rows.append(compare(n_atoms, kind, at))
            print(rows[-1], flush=True)
    if quick:
        return
    for time in LAPACK_TIMES:
        lapack.append(against_lapack(10**8, 3.0, time))
        print(lapack[-1], flush=True)
    record.save("large_n_accuracy", {"window": WINDOW, "tolerance": TOLERANCE, "dense": rows, "lapack": lapack})


if __name__ == "__main__":
    main()
