"""How fast is the log negativity under dephasing at any number of atoms, and is it right?

Claims: at N = 300 at least 100 times the dense partial transpose (c = 5); N = 10^6 and 10^10 at most 0.5 s a point, the
limit at most 0.1 s, compilation apart, in less than 2 GiB; values within their stated error of dense ones, and within
three standard errors and the depth error of an estimate by random vectors (hops as a stencil, which shares no code with
the bands) at N = 10^4.

Beside them what an imperfect measurement costs at N = 10^6, as a ratio to a perfect one.

`--quick` leaves out N = 1000 and the estimates, and writes nothing.
"""

import argparse
import math
import resource
import time as time_of_day

import jax
import numpy as np
import record

jax.config.update("jax_enable_x64", True)

import jaxent  # noqa: E402
from jaxent import bloch  # noqa: E402

TOLERANCE = 1e-3
RATE = 0.03
POINTS = ((1.0, 0.01), (math.pi / 2, 0.01), (math.pi, 0.01), (2.0, 0.02))
ESTIMATED = ((1.0, 0.03), (1.0, 0.01), (2.0, 0.02), (math.pi / 2, 0.05), (2 * math.pi / 3, 0.05), (math.pi, 0.05))


def question(n_atoms, time: float, rate: float):
    return bloch.Question(n_atoms, n_atoms, time, np.full(3, rate * time), 0.0)


def against_dense(n_atoms: int, time: float) -> dict:
    chain = jaxent.Chain(3, n_atoms, 5.0)
    ours = lambda: bloch.answer(question(n_atoms, time, RATE), TOLERANCE).value  # noqa: E731
    dense = lambda: jaxent.end_to_end_log_negativity(chain, time, RATE)  # noqa: E731
    compilation, seconds = record.compiled(ours)
    if n_atoms < 1000:
        value, dense_seconds = float(dense()), record.seconds_of(dense)
    else:  # minutes, of which compilation is no part to speak of
        start = time_of_day.perf_counter()
        value = float(dense())
        dense_seconds = time_of_day.perf_counter() - start
    found = bloch.answer(question(n_atoms, time, RATE), TOLERANCE)
    return {
        "n_atoms": n_atoms,
        "time": time,
        "dephasing_rate": RATE,
        "seconds": seconds,
        "compilation_seconds": compilation,
        "dense_seconds": dense_seconds,
        "ratio": dense_seconds / seconds,
        "log_negativity_bits": found.value,
        "stated_error_bits": found.error,
        "difference_bits": abs(found.value - value),
    }


def at_any_size(n_atoms, time: float, rate: float) -> dict:
    if n_atoms is None:
        run = lambda: jaxent.macroscopic_log_negativity(time, rate, tolerance=TOLERANCE)  # noqa: E731
    else:
        run = lambda: jaxent.log_negativity_with_errors(jaxent.Chain(3, n_atoms), time, rate).value  # noqa: E731
    compilation, seconds = record.compiled(run)
    found = bloch.answer(question(n_atoms, time, rate), TOLERANCE)
    return {
        "n_atoms": n_atoms,
        "time": time,
        "dephasing_rate": rate,
        "method": found.method,
        "seconds": seconds,
        "compilation_seconds": compilation,
        "log_negativity_bits": found.value,
        "stated_error_bits": found.error,
    }


def of_measurement(time: float, rate: float, measurement: jaxent.Measurement, n_atoms: int = 10**6) -> dict:
    """An imperfect measurement beside a perfect one, at the record N - 20."""
    asked = (jaxent.Chain(3, n_atoms), time, rate, n_atoms - 20, 0.1)
    run = lambda: jaxent.log_negativity_with_errors(*asked, measurement=measurement)  # noqa: E731
    perfect = lambda: jaxent.log_negativity_with_errors(*asked)  # noqa: E731
    compilation, seconds = record.compiled(run)
    _, perfect_seconds = record.compiled(perfect)
    found = run()
    return {
        "n_atoms": n_atoms,
        "time": time,
        "dephasing_rate": rate,
        "resolution": measurement.resolution,
        "atom_dephasing_rate": measurement.atom_dephasing_rate,
        "atom_loss_rate": measurement.atom_loss_rate,
        "seconds": seconds,
        "compilation_seconds": compilation,
        "perfect_seconds": perfect_seconds,
        "ratio": seconds / perfect_seconds,
        "log_negativity_bits": found.value,
        "stated_error_bits": found.error,
    }


def against_estimate(time: float, rate: float, n_atoms: int = 10**4) -> dict:
    chain = jaxent.Chain(3, n_atoms, 5.0)
    estimate = lambda: jaxent.estimate_log_negativity(  # noqa: E731
        jax.random.key(1), chain, time, rate, n_probes=8, depth=300
    )
    seconds = record.seconds_of(estimate)
    estimated, found = estimate(), bloch.answer(question(n_atoms, time, rate), TOLERANCE)
    return {
        "n_atoms": n_atoms,
        "time": time,
        "dephasing_rate": rate,
        "estimate_seconds": seconds,
        "estimate_bits": float(estimated.value),
        "standard_error_bits": float(estimated.standard_error),
        "depth_error_bits": float(estimated.depth_error),
        "log_negativity_bits": found.value,
        "stated_error_bits": found.error,
        "difference_bits": abs(found.value - float(estimated.value)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    results = {"at_any_size": [], "of_measurement": [], "against_dense": [], "against_estimate": []}
    for n_atoms in (10**4, 10**6, 10**10, None):
        for time, rate in POINTS:
            results["at_any_size"].append(at_any_size(n_atoms, time, rate))
            print(results["at_any_size"][-1], flush=True)
    for time, rate in POINTS[:2]:
        for measurement in (jaxent.Measurement(20.0), jaxent.Measurement(20.0, 1e-8, 1e-6)):
            results["of_measurement"].append(of_measurement(time, rate, measurement))
            print(results["of_measurement"][-1], flush=True)
    results["peak_mebibytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for n_atoms in (100, 300) if quick else (100, 300, 1000):
        for time in (1.0, math.pi / 2)[: 1 if n_atoms == 1000 else 2]:
            results["against_dense"].append(against_dense(n_atoms, time))
            print(results["against_dense"][-1], flush=True)
    for time, rate in () if quick else ESTIMATED:
        results["against_estimate"].append(against_estimate(time, rate))
        print(results["against_estimate"][-1], flush=True)
    if not quick:
        record.save("macroscopic_noise", results)


if __name__ == "__main__":
    main()
