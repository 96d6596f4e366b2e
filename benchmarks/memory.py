"""Does what a guard counts agree with the memory that a function takes?

Claim: for every public function that allocates with its size, what its guard compares with the free memory is within a
factor of 1.5 of the measured growth of the process.

Each case runs in a process of its own: once to compile and to fill caches, then again with the high-water mark of its
memory (VmHWM of /proc/self/status) set back before. The growth of the second call is that of the call without
compilation; what the first takes beyond it is given apart. Cases are so large (from about 100 MiB) that the threads and
buffers of the libraries, some MiB, do not matter. Linux only. `--only PATTERN` runs some cases and writes nothing.
"""

import argparse
import ctypes
import fnmatch
import gc
import json
import os
import subprocess
import sys

MIB = 2**20
N_TIMES = 100


def cases() -> dict:
    """Name → function of a size that prepares inputs and returns the call, and sizes."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    import jaxent
    from jaxent import Chain, dicke
    from jaxent import chain as steps

    time, rate, key = 0.7, 0.01, jax.random.key(0)
    times = np.linspace(0.1, 1.0, N_TIMES)
    rates = jaxent.EnsembleRates(np.array([0.01, 0.02, 0.03]))

    def bonds(n_ensembles):
        return jaxent.BondTimes(np.linspace(0.3, 0.9, n_ensembles - 1))

    def of_matrix(function, kind="real"):
        def prepare(n):
            matrix = np.random.default_rng(0).normal(size=(n, n))
            if kind in ("density", "state"):
                matrix = matrix @ matrix.T
            matrix = matrix + (0j if kind != "real" else 0)
            if kind == "state":
                side = round(n**0.5)
                matrix = matrix[: side**2, : side**2].reshape((side,) * 4)
            given = jax.block_until_ready(jnp.asarray(matrix))
            return lambda: function(given)

        return prepare

    def of_tensor(function):
        def prepare(n):
            chain = Chain(4, n)
            psi = jax.block_until_ready(steps.initial_state(chain))
            return lambda: function(chain, psi)

        return prepare

    def measured(n):
        rho = jax.block_until_ready(jnp.ones((n + 1,) * 6, complex))
        return lambda: jaxent.measure_density(Chain(3, n), rho)

    def from_qutip(n):
        given = jaxent.to_qutip(np.ones((n, n), complex))
        return lambda: jaxent.from_qutip(given)

    def of_size(function):
        return lambda n: lambda: function(n)

    entropy, negativity = jaxent.end_to_end_entropy, jaxent.end_to_end_log_negativity
    simple = {
        "amplitudes, M = 3": (lambda n: jaxent.end_to_end_amplitudes(Chain(3, n), time), (2000, 3000)),
        "amplitudes, M = 5, bond times": (lambda n: jaxent.end_to_end_amplitudes(Chain(5, n), bonds(5)), (1500,)),
        "amplitudes, M = 3, 100 times": (lambda n: jaxent.end_to_end_amplitudes(Chain(3, n), times), (100, 300)),
        "amplitudes, M = 4, 100 times": (lambda n: jaxent.end_to_end_amplitudes(Chain(4, n), times), (200,)),
        "entropy, M = 3": (lambda n: entropy(Chain(3, n), time, tolerance=0), (3000, 4000)),
        "entropy, M = 3, outcome": (lambda n: entropy(Chain(3, n), time, n - 1, 0.1, tolerance=0), (2500,)),
        "entropy, M = 4, outcomes": (lambda n: entropy(Chain(4, n), time, n - 1, 0.1, tolerance=0), (1200,)),
        "entropy, M = 5, outcomes": (lambda n: entropy(Chain(5, n), time, n - 1, 0.1, tolerance=0), (1200,)),
        "entropy, M = 3, 100 times": (lambda n: entropy(Chain(3, n), times), (300, 450)),
        "entropy, band": (lambda n: entropy(Chain(3, n), times[:10]), (10**6, 10**8)),
        "entropy, band, M = 5": (lambda n: entropy(Chain(5, n), times[:10]), (10**6,)),
        "Rényi entropy, M = 4": (
            lambda n: jaxent.end_to_end_renyi_entropy(Chain(4, n), time, 2.0, tolerance=0),
            (2500,),
        ),
        "Schmidt coefficients, M = 4": (lambda n: jaxent.end_to_end_schmidt_coefficients(Chain(4, n), time), (2500,)),
        "log probability, M = 3": (lambda n: jaxent.log_outcome_probability(Chain(3, n, 2000.0), time), (10**7,)),
        "log probability, M = 4": (lambda n: jaxent.log_outcome_probability(Chain(4, n), time), (1500,)),
        "log negativity": (lambda n: negativity(Chain(3, n), time, rate), (60, 80)),
        "log negativity, offset": (lambda n: negativity(Chain(3, n), time, rate, n - 1, 0.1), (50, 60)),
        "log negativity, three rates": (lambda n: negativity(Chain(3, n), time, rates), (50, 60)),
        "log negativity, shared noise": (lambda n: negativity(Chain(3, n), time, rate, collective_rate=0.1), (36,)),
        "log negativity, M = 2": (lambda n: negativity(Chain(2, n), time, rate), (40,)),
        "log negativity, M = 5": (lambda n: negativity(Chain(5, n), time, rate), (32,)),
        "log negativity, 100 times": (lambda n: negativity(Chain(3, n), times, rate), (20, 30)),
        "coherent information": (
            lambda n: jaxent.end_to_end_coherent_information(Chain(3, n), time, rate),
            (60, 80),
        ),
        "dephased log probability": (
            lambda n: jaxent.dephased_log_probability(Chain(3, n), time, rate),
            (1500,),
        ),
        "dephased state, M = 3": (lambda n: jaxent.end_to_end_state(Chain(3, n), time, rate), (50, 60)),
        "dephased state, M = 4": (lambda n: jaxent.end_to_end_state(Chain(4, n), time, rate), (32,)),
        "estimated log negativity": (
            lambda n: jaxent.estimate_log_negativity(key, Chain(3, n), time, rate, n_probes=8, depth=40),
            (100,),
        ),
        "state tensor": (lambda n: steps.initial_state(Chain(4, n)), (60, 80)),
        "master equation": (lambda n: jaxent.evolve_density(Chain(3, n), time, rate, n_steps=2), (9, 11)),
        "master equation, jumps": (
            lambda n: jaxent.evolve_density(
                Chain(3, n), time, rate, drive=0.1, decay_rate=0.1, jump_x_rate=0.1, jump_y_rate=0.1, n_steps=2
            ),
            (9,),
        ),
        "master equation, adaptive": (
            lambda n: jaxent.evolve_density(Chain(3, n), 0.01, rate, rtol=1e-3, atol=1e-3),
            (10,),
        ),
        "average entropy": (lambda n: jaxent.average_entropy(Chain(3, n), time), (300,)),
        "average entropy, draws": (lambda n: jaxent.average_entropy(Chain(5, n), time, 0.1, key, 20), (300,)),
        "average log negativity": (
            lambda n: jaxent.average_log_negativity(Chain(3, n), time, rate, outcomes=np.arange(n - 3, n + 1)),
            (40,),
        ),
        "average fidelity": (lambda n: jaxent.average_decoded_fidelity(Chain(3, n), 3), (300,)),
        "all probabilities, M = 4": (lambda n: jaxent.outcome_probabilities(Chain(4, n), time), (120,)),
        "sampled outcomes, M = 4": (lambda n: jaxent.sample_outcomes(key, Chain(4, n), time), (2000,)),
        "sampled outcomes, M = 5": (lambda n: jaxent.sample_outcomes(key, Chain(5, n), time), (2000,)),
        "decoded fidelity": (lambda n: jaxent.decoded_fidelity(Chain(3, n), n // 2, 3), (2000,)),
        "decoded target, M = 3": (lambda n: jaxent.decoded_target(Chain(3, n), n // 2, 3), (3000,)),
        "decoded target, M = 4": (lambda n: jaxent.decoded_target(Chain(4, n), n // 2, 3), (3000,)),
        "error bound": (lambda n: jaxent.entropy_error_bound(Chain(3, n, 3.0), times), (10**10,)),
        "curve": (lambda n: jaxent.entropy_curve(Chain(3, 30), 0.0, 1.0, n).entropy, (2 * 10**4,)),
        "spin_x": (dicke.spin_x, (4000,)),
        "spin_y": (dicke.spin_y, (3000,)),
        "spin_z": (dicke.spin_z, (4000,)),
        "number operator": (dicke.number_operator, (4000,)),
        "x basis": (lambda n: dicke.x_basis(n, n // 2), (3 * 10**6,)),
        "log weights": (dicke.log_weights, (10**7,)),
        "coherent state": (lambda n: dicke.coherent_state(n, 0.6, 0.8), (3 * 10**6,)),
    }
    found = {name: (of_size(function), sizes) for name, (function, sizes) in simple.items()}
    for name in ("schmidt_coefficients", "entanglement_entropy", "log_negativity", "negativity"):
        found[name] = (of_matrix(getattr(jaxent, name)), (2000,))
    found["renyi_entropy"] = (of_matrix(lambda a: jaxent.renyi_entropy(a, 2.0), "complex"), (1500,))
    for name in ("von_neumann_entropy", "purity"):
        found[name] = (of_matrix(getattr(jaxent, name), "density"), (1500,))
    for name in ("state_log_negativity", "coherent_information"):
        found[name] = (of_matrix(getattr(jaxent, name), "state"), (1600,))
    found["state_fidelity"] = (
        of_matrix(lambda rho: jaxent.state_fidelity(rho, jnp.ones(rho.shape[:2])), "state"),
        (2500,),
    )
    found |= {
        "evolve": (of_tensor(lambda chain, psi: steps.evolve(chain, psi, time)), (60, 80)),
        "apply_phase_offset": (of_tensor(lambda chain, psi: steps.apply_phase_offset(chain, psi, 0.1)), (60,)),
        "project_outcomes": (of_tensor(steps.project_outcomes), (60,)),
        "reduced_density_matrix": (of_tensor(lambda chain, psi: steps.reduced_density_matrix(chain, psi, 2)), (60,)),
        "measure_density": (measured, (14,)),
        "to_qutip": (of_matrix(jaxent.to_qutip, "state"), (2500,)),
        "from_qutip": (from_qutip, (2500,)),
    }
    return found


def memory_of(field: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


def one_case(name: str, size: int) -> dict:
    """Counted and measured bytes of one call, in this process."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from jaxent import memory

    counted = []
    memory.check_memory = lambda needed, what, instead: counted.append(needed)
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

    first, again = growth(), growth()
    needed = max(counted, default=0)
    return {
        "case": name,
        "size": size,
        "counted_mib": round(needed / MIB, 1),
        "measured_mib": round(again / MIB, 1),
        "ratio": round(needed / again, 3),
        "compilation_mib": round(max(0, first - again) / MIB, 1),
    }


def in_a_process(name: str, size: int) -> dict:
    # without this the C library keeps freed buffers, of which the next call grows nothing
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, __file__, "--case", name, "--size", str(size)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name}, {size}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="PATTERN", default="*", help="some cases, nothing written")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.case:
        print(json.dumps(one_case(chosen.case, chosen.size)))
        return
    rows = []
    print("case                             size     counted MiB  measured MiB   ratio   compilation MiB")
    for name, (_, sizes) in cases().items():
        for size in sizes if fnmatch.fnmatch(name, chosen.only) else ():
            try:
                row = in_a_process(name, size)
            except RuntimeError as error:
                print(error)
                continue
            rows.append(row)
            print(
                f"{name:30s} {size:9d} {row['counted_mib']:13.1f} {row['measured_mib']:13.1f} {row['ratio']:8.3f} "
                f"{row['compilation_mib']:13.1f}",
                flush=True,
            )
    worst = {"smallest": min(row["ratio"] for row in rows), "largest": max(row["ratio"] for row in rows)}
    print(f"counted / measured: from {worst['smallest']} to {worst['largest']}")
    if chosen.only == "*":
        import record

        record.save("memory", {"ratios": worst, "cases": rows})


if __name__ == "__main__":
    main()
