"""Are the Bloch bands right at 10^5 and 10^6 atoms, where no dense matrix fits?

Claim: they agree with an estimate by random vectors, whose products apply the hops of the partial transpose as a
stencil and share no code with the bands, within three standard errors, of at most 2e-3 bits, and its depth error: at
six points of 10^5 atoms and at one of 10^6, which is saved as soon as it is there. Beside that, how long both take.

It takes about half an hour. `--quick` computes one point of 10^4 atoms and writes nothing.
"""

import argparse
import math
import time as time_of_day

import jax
import numpy as np
import record

jax.config.update("jax_enable_x64", True)

import jaxent  # noqa: E402

POINTS = ((1.0, 0.03), (1.0, 0.01), (2.0, 0.02), (math.pi / 2, 0.05), (2 * math.pi / 3, 0.05), (math.pi, 0.05))
WINDOW, PROBES, DEPTH = 5.0, 8, 300


def compared(n_atoms: int, time: float, rate: float) -> dict:
    """Compute one point both ways."""
    bands = lambda: jaxent.log_negativity_with_errors(jaxent.Chain(3, n_atoms), time, rate)  # noqa: E731
    _, seconds = record.compiled(lambda: bands().value)
    start = time_of_day.perf_counter()
    estimated = jaxent.estimate_log_negativity(
        jax.random.key(1), jaxent.Chain(3, n_atoms, WINDOW), time, rate, n_probes=PROBES, depth=DEPTH
    )
    value, error, depth_error = (float(np.asarray(x)) for x in estimated[:3])
    found = bands()
    difference = abs(found.value - value)
    return {
        "n_atoms": n_atoms,
        "time": time,
        "dephasing_rate": rate,
        "bands_seconds": seconds,
        "estimate_seconds_with_compilation": time_of_day.perf_counter() - start,
        "log_negativity_bits": found.value,
        "stated_error_bits": found.error,
        "estimate_bits": value,
        "standard_error_bits": error,
        "depth_error_bits": depth_error,
        "difference_bits": difference,
        "standard_errors": difference / error,
        "agrees": bool(difference <= 3 * error + depth_error + found.error),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    asked = [(10**4, *POINTS[0])] if quick else [(10**5, *point) for point in POINTS] + [(10**6, *POINTS[0])]
    rows = []
    for point in asked:
        rows.append(compared(*point))
        print(rows[-1], flush=True)
        if len(rows) in (len(POINTS), len(asked)) and not quick:  # of 10^5 atoms, and all
            record.save("stencil", {"window": WINDOW, "n_probes": PROBES, "depth": DEPTH, "points": rows})


if __name__ == "__main__":
    main()
