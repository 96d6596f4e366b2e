"""Does what a guard counts agree with the memory that a function takes?

Claim: for every public function that allocates with its size, what its guard compares with the free memory is within a
factor of 1.5 of the measured growth of the process.

Each case runs in a process of its own: once to compile and to fill caches, then again with the high-water mark of its
memory (VmHWM of /proc/self/status) set back before. The growth of the second call is that of the call without
compilation; what the first takes beyond it is given apart. Cases are so large (from about 100 MiB) that the threads and
buffers of the libraries, some MiB, do not matter. Linux only.

Rows are written as they come, so that a run that is cut off keeps them. `--only PATTERN` measures the cases of some
functions again and leaves the rows of the others as they are; each row has its commit.
"""

import argparse
import ctypes
import fnmatch
import gc
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

MIB = 2**20
N_TIMES = 100
MOST_SECONDS = 180
RESULTS = Path(__file__).with_name("memory.json")

# public functions without a row, and why; tests/test_memory.py holds that there are no others
WITHOUT_ROWS = {
    "band.banded_seconds": "a number",
    "band.dense_seconds": "a number",
    "band.is_certain": "a truth value",
    "band.obstacle": "a text",
    "band.worth_planning": "a truth value",
    "collective_spin_moments": "some dozens of vectors of 17 √N numbers: less than 1 GiB up to 10^10 atoms",
    "check_sweep": "reads one tile of at most 64 MiB at a time",
    "dicke.window_half_width": "a number",
    "keep_compiled_programs": "sets options",
    "open_sweep": "opens files, whose values are read when they are asked for",
    "pi_fraction": "keeps the arrays that it is given",
    "best_ebit_rate": "calls ebit_rate, one time and offset after the other",
    "cover_distance": "calls ebit_rate, one number of ensembles after the other",
    "ebit_rate": "calls modular_coherent_information, one outcome after the other; other M: 100 MiB",
    "reached_times": "calls end_to_end_log_negativity, one time after the other",
    "read_sweep": "a file of at most 64 MiB",
    "textbook_offset": "a number",
    "tangent_plane": "elementwise, of arrays that it is given",
    "to_xarray": "keeps the array that it is given",
    "witnesses": "matrices of six rows",
}


def cases() -> dict:
    """Name of a function, with a variant of it after a colon → function of a size that returns the call, and sizes."""
    return {**cases_of_chains(), **cases_of_outcomes(), **cases_of_arrays(), **cases_of_searches()}


def of_size(simple: dict) -> dict:
    return {name: (lambda n, f=function: lambda: f(n), sizes) for name, (function, sizes) in simple.items()}


def cases_of_chains() -> dict:
    """Functions of the ends of a chain, with and without dephasing."""
    import jax
    import numpy as np

    import jaxent
    from jaxent import Chain, band

    time, rate, key = 0.7, 0.01, jax.random.key(0)
    times = np.linspace(0.1, 1.0, N_TIMES)
    rates = jaxent.EnsembleRates(np.array([0.01, 0.02, 0.03]))

    def bonds(n_ensembles):
        return jaxent.BondTimes(np.linspace(0.3, 0.9, n_ensembles - 1))

    def plans(n):
        return [jaxent.plan_entropy(Chain(3, n), one) for one in times[:10]]

    def of_plans(function):
        def prepare(n):
            made = plans(n)
            return lambda: function(made)

        return prepare

    amplitudes, entropy = jaxent.end_to_end_amplitudes, jaxent.end_to_end_entropy
    negativity, probability = jaxent.end_to_end_log_negativity, jaxent.log_outcome_probability
    return of_size(
        {
            "end_to_end_amplitudes: M = 3": (lambda n: amplitudes(Chain(3, n), time), (3000,)),
            "end_to_end_amplitudes: M = 5, bond times": (lambda n: amplitudes(Chain(5, n), bonds(5)), (1500,)),
            "end_to_end_amplitudes: M = 3, 100 times": (lambda n: amplitudes(Chain(3, n), times), (200,)),
            "end_to_end_amplitudes: M = 4, 100 times": (lambda n: amplitudes(Chain(4, n), times), (200,)),
            "end_to_end_entropy: M = 3": (lambda n: entropy(Chain(3, n), time, tolerance=0), (60_000,)),
            "end_to_end_entropy: M = 3, outcome": (
                lambda n: entropy(Chain(3, n), time, n - 1, 0.1, tolerance=0),
                (2500,),
            ),
            "end_to_end_entropy: M = 4, outcomes": (
                lambda n: entropy(Chain(4, n), time, n - 1, 0.1, tolerance=0),
                (1200,),
            ),
            "end_to_end_entropy: M = 5, outcomes": (
                lambda n: entropy(Chain(5, n), time, n - 1, 0.1, tolerance=0),
                (1200,),
            ),
            "end_to_end_entropy: M = 3, 100 times": (lambda n: entropy(Chain(3, n), times), (450,)),
            "end_to_end_entropy: band": (lambda n: entropy(Chain(3, n), times[:10]), (10**6,)),
            "end_to_end_entropy: band, M = 5": (lambda n: entropy(Chain(5, n), times[:10]), (10**6,)),
            "entropy_with_errors": (lambda n: jaxent.entropy_with_errors(Chain(3, n), times, tolerance=0), (450,)),
            "entropy_error_estimate": (lambda n: jaxent.entropy_error_estimate(Chain(4, n, 5.0), times), (5000,)),
            "entropy_error_bound": (lambda n: jaxent.entropy_error_bound(Chain(3, n, 3.0), times), (10**10,)),
            "chain_for_tolerance": (lambda n: jaxent.chain_for_tolerance(n, times, 1e-6), (10**8,)),
            "end_to_end_renyi_entropy: M = 4": (
                lambda n: jaxent.end_to_end_renyi_entropy(Chain(4, n), time, 2.0, tolerance=0),
                (40_000,),
            ),
            "end_to_end_schmidt_coefficients: M = 4": (
                lambda n: jaxent.end_to_end_schmidt_coefficients(Chain(4, n), time),
                (40_000,),
            ),
            "log_outcome_probability: M = 4": (lambda n: probability(Chain(4, n), time), (1500,)),
            "outcome_probability: M = 4": (lambda n: jaxent.outcome_probability(Chain(4, n), time), (1500,)),
            "entropy_curve": (lambda n: jaxent.entropy_curve(Chain(3, 100), 0.0, 1.0, n).entropy, (1000,)),
            "end_to_end_log_negativity: M = 3": (lambda n: negativity(Chain(3, n), time, rate), (60,)),
            "end_to_end_log_negativity: offset": (
                lambda n: negativity(Chain(3, n), time, rate, n - 1, 0.1),
                (50,),
            ),
            "end_to_end_log_negativity: three rates": (lambda n: negativity(Chain(3, n), time, rates), (50,)),
            "end_to_end_log_negativity: shared noise": (
                lambda n: negativity(Chain(3, n), time, rate, collective_rate=0.1),
                (36,),
            ),
            "end_to_end_log_negativity: M = 2": (lambda n: negativity(Chain(2, n), time, rate), (40,)),
            "end_to_end_log_negativity: M = 4": (lambda n: negativity(Chain(4, n), time, rate), (32,)),
            "end_to_end_log_negativity: M = 5": (lambda n: negativity(Chain(5, n), time, rate), (32,)),
            "end_to_end_log_negativity: 100 times": (lambda n: negativity(Chain(3, n), times, rate), (30,)),
            "end_to_end_log_negativity: tolerance": (
                lambda n: negativity(Chain(3, n), time, 0.001, tolerance=1e-3),
                (10**6,),
            ),
            "log_negativity_with_errors": (
                lambda n: jaxent.log_negativity_with_errors(Chain(3, n), time, 0.001).value,
                (10**6,),
            ),
            "fluctuating_log_negativity": (
                lambda n: jaxent.fluctuating_log_negativity(
                    jaxent.AtomNumbers.normal(n, 1.0), time, rate, known="none"
                ),
                (40,),
            ),
            "macroscopic_log_negativity": (lambda n: jaxent.macroscopic_log_negativity(time, 1 / n), (1000,)),
            "end_to_end_coherent_information": (
                lambda n: jaxent.end_to_end_coherent_information(Chain(3, n), time, rate),
                (60,),
            ),
            "modular_coherent_information": (
                lambda n: jaxent.modular_coherent_information(Chain(3, 10**6), jaxent.pi_fraction(2, n), 0.01),
                (16,),
            ),
            "modular_witness": (
                lambda n: jaxent.modular_witness(Chain(3, 10**6), jaxent.pi_fraction(2, n), 0.01),
                (16,),
            ),
            "teleportation_fidelity": (
                lambda n: jaxent.teleportation_fidelity(Chain(3, 10**6), jaxent.pi_fraction(2, n), 0.01),
                (16,),
            ),
            "dephased_log_probability": (  # by pairs of Dicke states
                lambda n: jaxent.dephased_log_probability(Chain(3, n), 0.003, 0.0, n - 100),
                (1500,),
            ),
            "dephased_log_probability: by coherences": (
                lambda n: jaxent.dephased_log_probability(Chain(3, n, 6.0), time, rate),
                (10**8,),
            ),
            "end_to_end_state: M = 3": (lambda n: jaxent.end_to_end_state(Chain(3, n), time, rate), (50,)),
            "end_to_end_state: M = 4": (lambda n: jaxent.end_to_end_state(Chain(4, n), time, rate), (40,)),
            "end_to_end_husimi: marginal": (
                lambda n: jaxent.end_to_end_husimi(Chain(3, n), time, np.ones(2), np.ones(2)),
                (1500,),
            ),
            "end_to_end_husimi: noisy": (
                lambda n: jaxent.end_to_end_husimi(Chain(3, n, 6.0), time, np.ones(2), np.ones(2), rate / 100),
                (10**6,),
            ),
            "estimate_log_negativity": (
                lambda n: jaxent.estimate_log_negativity(key, Chain(3, n), time, rate, n_probes=8, depth=40),
                (100,),
            ),
            "evolve_density: steps": (lambda n: jaxent.evolve_density(Chain(3, n), time, rate, n_steps=2), (10,)),
            "evolve_density: jumps": (
                lambda n: jaxent.evolve_density(
                    Chain(3, n), time, rate, drive=0.1, decay_rate=0.1, jump_x_rate=0.1, jump_y_rate=0.1, n_steps=2
                ),
                (9,),
            ),
            "evolve_density: adaptive": (
                lambda n: jaxent.evolve_density(Chain(3, n), 0.01, rate, rtol=1e-3, atol=1e-3),
                (10,),
            ),
        }
    ) | {
        "plan_entropy": (lambda n: lambda: jaxent.plan_entropy(Chain(3, n), time), (10**10,)),
        "planned_entropy": (of_plans(lambda made: jaxent.planned_entropy(made[0])), (10**7,)),
        "band.make_plans": (
            lambda n: lambda: band.make_plans(Chain(3, n), np.array([time]), None, None, 1e-8),
            (10**10,),
        ),
        "band.entropies": (of_plans(band.entropies), (10**6,)),
        "band.entropies_and_slopes": (of_plans(band.entropies_and_slopes), (10**6,)),
        "band.evaluate": (of_plans(lambda made: band.evaluate(made[0])), (10**7,)),
    }


def cases_of_outcomes() -> dict:
    """Functions of many outcomes, and of what they announce."""
    import jax
    import numpy as np

    import jaxent
    from jaxent import Chain

    time, rate, key = 0.7, 0.01, jax.random.key(0)
    return of_size(
        {
            "average_entropy: M = 3": (lambda n: jaxent.average_entropy(Chain(3, n), time), (200,)),
            "average_entropy: draws": (lambda n: jaxent.average_entropy(Chain(5, n), time, 0.1, key, 20), (300,)),
            "average_log_negativity": (
                lambda n: jaxent.average_log_negativity(Chain(3, n), time, rate, outcomes=np.arange(n - 3, n + 1)),
                (40,),
            ),
            "average_decoded_fidelity": (lambda n: jaxent.average_decoded_fidelity(Chain(3, n), 3), (200,)),
            "outcome_probabilities: M = 3": (lambda n: jaxent.outcome_probabilities(Chain(3, n), time), (3000,)),
            "outcome_probabilities: M = 4": (lambda n: jaxent.outcome_probabilities(Chain(4, n), time), (100,)),
            "sample_outcomes: M = 4": (lambda n: jaxent.sample_outcomes(key, Chain(4, n), time), (2500,)),
            "sample_outcomes: M = 5": (lambda n: jaxent.sample_outcomes(key, Chain(5, n), time), (2500,)),
            "decode_outcomes": (lambda n: jaxent.decode_outcomes(Chain(5, 10), 3, n), (2 * 10**6,)),
            "decoded_fidelity": (lambda n: jaxent.decoded_fidelity(Chain(3, n), n // 2, 3), (2000,)),
            "decoded_target: M = 3": (lambda n: jaxent.decoded_target(Chain(3, n), n // 2, 3), (3000,)),
            "decoded_target: M = 4": (lambda n: jaxent.decoded_target(Chain(4, n), n // 2, 3), (3000,)),
        }
    )


def cases_of_arrays() -> dict:
    """Measures of matrices, state tensors, operators, grids."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    import jaxent
    from jaxent import Chain, dicke
    from jaxent import chain as steps

    def given(make, function):
        """A case whose argument is there before."""

        def prepare(n):
            value = jax.block_until_ready(make(n))
            return lambda: function(value)

        return prepare

    def matrix(n):
        return jnp.asarray(np.random.default_rng(0).normal(size=(n, n)))

    def density(n):
        found = matrix(n)
        return (found @ found.T).astype(complex)

    def coherent(n):
        return jnp.exp(dicke.log_weights(n - 1) / 2)

    def state(n):
        return density(n * n).reshape(n, n, n, n)

    def of_tensor(function):
        def prepare(n):
            chain = Chain(4, n)
            psi = jax.block_until_ready(steps.initial_state(chain))
            return lambda: function(chain, psi)

        return prepare

    def labelled(n):
        return jaxent.to_xarray(np.ones((n + 1, n + 1), complex), Chain(3, n))

    def measured(rho):
        return jaxent.measure_density(Chain(3, rho.shape[0] - 1), rho)

    def angles(n):
        return jnp.linspace(0.0, 1.0, n)

    found = of_size(
        {
            "dicke.spin_x": (dicke.spin_x, (4000,)),
            "dicke.spin_y": (dicke.spin_y, (3000,)),
            "dicke.spin_z": (dicke.spin_z, (4000,)),
            "dicke.spin_raising": (dicke.spin_raising, (4000,)),
            "dicke.number_operator": (dicke.number_operator, (4000,)),
            "dicke.x_basis": (lambda n: dicke.x_basis(n, n // 2), (3 * 10**6,)),
            "dicke.log_weights": (dicke.log_weights, (3 * 10**6,)),
            "dicke.window_states": (dicke.window_states, (3 * 10**7,)),
            "dicke.coherent_state": (lambda n: dicke.coherent_state(n, 0.6, 0.8), (3 * 10**6,)),
            "chain.initial_state": (lambda n: steps.initial_state(Chain(4, n)), (60,)),
            "uniform_grid": (lambda n: jaxent.uniform_grid(0, 1, n), (2 * 10**7,)),
            "crevasse_grid": (lambda n: jaxent.crevasse_grid(n), (2 * 10**5,)),
            "pi_fractions_up_to": (jaxent.pi_fractions_up_to, (5000,)),
            "magic_times": (lambda n: jaxent.magic_times(10, n), (5000,)),
        }
    )
    real = ("schmidt_coefficients", "entanglement_entropy", "log_negativity", "negativity")
    for name in real:
        found[name] = (given(matrix, getattr(jaxent, name)), (2000,))
    found["entanglement_entropy: host"] = (
        given(lambda n: np.asarray(matrix(n)), jaxent.entanglement_entropy),
        (2000,),
    )
    found["renyi_entropy"] = (given(lambda n: matrix(n) + 0j, lambda a: jaxent.renyi_entropy(a, 2.0)), (1500,))
    for name in ("von_neumann_entropy", "purity"):
        found[name] = (given(density, getattr(jaxent, name)), (1500,))
    found["state_renyi_entropy"] = (given(density, lambda rho: jaxent.state_renyi_entropy(rho, 2.0)), (1500,))
    for name in ("log_negativity_dm", "state_negativity", "coherent_information"):
        found[name] = (given(state, getattr(jaxent, name)), (38,))
    found["state_fidelity"] = (given(state, lambda rho: jaxent.state_fidelity(rho, jnp.ones(rho.shape[:2]))), (45,))
    found["husimi"] = (given(density, lambda rho: jaxent.husimi(rho, jnp.ones(2), jnp.ones(2))), (1500,))
    found["spin_wigner"] = (given(density, lambda rho: jaxent.spin_wigner(rho, jnp.ones(2), jnp.ones(2))), (1000,))
    planar = lambda state: jaxent.planar_wigner(state, jnp.ones(2), jnp.ones(2))  # noqa: E731
    found["planar_wigner"] = (given(lambda n: jnp.outer(coherent(n), coherent(n)), planar), (1500,))
    found["planar_wigner: vector"] = (given(coherent, planar), (3 * 10**6,))
    return found | {
        "normalized_entropy": (given(angles, lambda x: jaxent.normalized_entropy(x, 10)), (2 * 10**7,)),
        "dicke.x_overlap": (given(angles, lambda x: dicke.x_overlap(100, 40, x)), (2 * 10**6,)),
        "dicke.cos_power": (given(angles, lambda x: dicke.cos_power(100, x)), (3 * 10**6,)),
        "chain.evolve": (of_tensor(lambda chain, psi: steps.evolve(chain, psi, 0.7)), (60,)),
        "chain.apply_phase_offset": (of_tensor(lambda chain, psi: steps.apply_phase_offset(chain, psi, 0.1)), (60,)),
        "chain.project_outcomes": (of_tensor(steps.project_outcomes), (80,)),
        "chain.reduced_density_matrix": (
            of_tensor(lambda chain, psi: steps.reduced_density_matrix(chain, psi, 2)),
            (60,),
        ),
        "measure_density": (given(lambda n: jnp.ones((n + 1,) * 6, complex), measured), (15,)),
        "to_qutip": (given(state, jaxent.to_qutip), (50,)),
        "from_qutip": (given(lambda n: jaxent.to_qutip(np.ones((n, n), complex)), jaxent.from_qutip), (2500,)),
        "from_xarray": (given(labelled, lambda data: jaxent.from_xarray(data).state), (2500,)),
    }


def cases_of_searches() -> dict:
    """Functions that call others many times."""

    import jaxent
    from jaxent import Chain, Span, Sweep

    def swept(*quantities, **knobs):
        def run(n):
            with tempfile.TemporaryDirectory() as folder:
                jaxent.run_sweep(Sweep([*quantities], [n], Span(0.1, 1.0, 40), **knobs), folder, tile_points=40)

        return run

    entropy, negativity = jaxent.end_to_end_entropy, jaxent.end_to_end_log_negativity
    return of_size(
        {
            "sensitivities: entropy": (lambda n: jaxent.sensitivities(entropy, Chain(3, n), 0.7), (1000,)),
            "sensitivities: log negativity": (
                lambda n: jaxent.sensitivities(negativity, Chain(3, n), 0.7, dephasing_rate=0.01),
                (44,),
            ),
            "maximize": (
                lambda n: jaxent.maximize(
                    "average_entropy", Chain(3, n), jaxent.pi_fraction(1, 2), n_steps=1, n_starts=1
                ),
                (200,),
            ),
            "find_extrema": (lambda n: jaxent.find_extrema(Chain(3, n), 0.7, 0.9), (120,)),
            "half_width": (lambda n: jaxent.half_width(Chain(3, n, 30.0), 3), (3000,)),
            "robustness_table": (lambda n: jaxent.robustness_table([3], [n], [0.01], [2]), (30,)),
            "run_sweep: amplitudes": (swept("amplitudes"), (400,)),
            "run_sweep: log negativity": (swept("log_negativity", dephasing_rate=0.01), (36,)),
            "run_sweep: M = 4": (swept("entropy", n_ensembles=4, outcomes="N-1"), (250,)),
        }
    )


def memory_of(field: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


def one_case(name: str, size: int) -> dict:
    """Counted and measured bytes of one call, in this process."""
    import time

    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    from jaxent.runtime import memory

    counted = []
    memory.check_memory = lambda needed, what, instead, on_host=False: counted.append(needed)
    prepare, _ = cases()[name]
    run = prepare(size)

    def growth() -> int:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # sets the high-water mark back
        before = memory_of("VmRSS")
        counted.clear()
        jax.block_until_ready(run())
        return memory_of("VmHWM") - before

    first = growth()
    start = time.perf_counter()
    again = growth()
    needed = max(counted, default=0)
    return {
        "case": name,
        "size": size,
        "counted_mib": round(needed / MIB, 1),
        "measured_mib": round(again / MIB, 1),
        "ratio": round(needed / again, 3),
        "compilation_mib": round(max(0, first - again) / MIB, 1),
        "seconds": round(time.perf_counter() - start, 1),
    }


def in_a_process(name: str, size: int, cache: str) -> dict:
    # without the first the C library keeps freed buffers, of which the next call grows nothing; by the second functions
    # that compile anew at each call find their programs
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "JAX_COMPILATION_CACHE_DIR": cache}
    command = [sys.executable, __file__, "--case", name, "--size", str(size)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{name}, {size}: longer than {MOST_SECONDS} s") from None
    if done.returncode:
        raise RuntimeError(f"{name}, {size}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def write(rows: list[dict]) -> None:
    import record

    order = {name: number for number, name in enumerate(cases())}
    rows = sorted(rows, key=lambda row: (order[row["case"]], row["size"]))
    ratios = [row["ratio"] for row in rows]
    record.save("memory", {"ratios": {"smallest": min(ratios), "largest": max(ratios)}, "cases": rows}, quiet=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="PATTERN", default="*", help="the cases of some functions")
    parser.add_argument("--cache", metavar="FOLDER", help="keeps compiled programs for the next run")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.case:
        print(json.dumps(one_case(chosen.case, chosen.size)))
        return
    import jax

    jax.config.update("jax_enable_x64", True)  # as the cases do: it is recorded
    from jaxent.sweep.devices import commit

    known = cases()
    names = [name for name in known if fnmatch.fnmatch(name, chosen.only)]
    before = json.loads(RESULTS.read_text())["cases"] if RESULTS.exists() else []
    wanted = {(name, size) for name, (_, sizes) in known.items() for size in sizes}
    rows = {(row["case"], row["size"]): row for row in before}
    print("case                                         size     counted MiB  measured MiB   ratio   compilation MiB")
    with tempfile.TemporaryDirectory() as cache:
        for name, size in [(one, size) for one in names for size in known[one][1]]:
            try:
                row = in_a_process(name, size, chosen.cache or cache) | {"commit": commit()}
            except RuntimeError as error:
                print(error, flush=True)
                continue
            rows[name, size] = row
            write([row for key, row in rows.items() if key in wanted])
            print(
                f"{name:42s} {size:14d} {row['counted_mib']:10.1f} {row['measured_mib']:13.1f} {row['ratio']:8.3f} "
                f"{row['compilation_mib']:13.1f} {row['seconds']:6.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
