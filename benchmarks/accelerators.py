"""Does every public function compile for GPUs and TPUs, and what would a call cost there?

Claim: each compiles ahead of time for an H100 and for TPU v5e and v6e, without any of them at hand; and the H100 takes
no longer than two cores of a processor.

Nothing is run: XLA compiles for the description of a device, and the compiled text tells kernels, loops and bytes (see
`compiled_text`). From these a model predicts seconds on an H100: every kernel takes its launch, its bytes or its
operations, whichever is longest. What decompositions by cuSOLVER take is an assumption, not a measurement, and so is
how often a loop runs that ends on convergence. Rows count their loops by how often these run, such ones under "0".

`make accelerators` makes the environment that this needs: the newest JAX, libtpu, and the CUDA plug-in. Rows are
written as they come; `--only PATTERN` and `--target` do some of them again, each row has its commit. `--quick` compiles
ten programs and writes nothing. Status 1 when one does not compile.
"""

import argparse
import fnmatch
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("accelerators.json")
PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "accelerators_table.inc"
QUICK = (
    "entropy, N = 50, 8 times",
    "entropy, N = 50, gradient",
    "entropy, outcome and offset, N = 50",
    "entropy, M = 4, N = 20",
    "entropy, M = 5, N = 20",
    "log probability, N = 50",
    "entropy, band, N = 10^4",
    "log negativity, N = 8",
    "master equation, N = 2",
    "exact time, N = 50",
)
# lists of times, files, and conversions: nothing of them runs on an accelerator but the functions above
ON_THE_HOST = (
    *("check_sweep", "keep_compiled_programs", "open_sweep", "read_sweep", "run_sweep"),
    *("from_qutip", "from_xarray", "to_qutip", "to_xarray"),
    *("BestEbitRate", "EbitRate", "Experiment", "best_ebit_rate", "ebit_rate", "reached_times"),
    *("Coverage", "cover_distance"),
    *("crevasse_grid", "magic_times", "pi_fraction", "pi_fractions_up_to", "uniform_grid", "normalized_entropy"),
)
# published figures: https://www.nvidia.com/en-us/data-center/h100/ (SXM); launch and iteration as commonly measured
LAUNCH_SECONDS = 4e-6
ITERATION_SECONDS = 15e-6
BYTES_PER_SECOND = 3.35e12
OPERATIONS_PER_SECOND = 34e12
SOLVER_SECONDS_PER_ROW = 25e-6  # of one decomposition of small matrices by cuSOLVER: assumed
LARGEST_BATCHED = 32  # up to here cuSOLVER decomposes a batch in one call
UNKNOWN_TRIPS = 8  # assumed of loops that end on convergence: Jacobi's sweeps, 6 for the matrices of N = 100

# what XLA must know of an H100 SXM; figures from NVIDIA's H100 data sheet and CUDA's deviceQuery
H100 = """
gpu_device_info {
  cuda_compute_capability { major: 9 }
  threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  shared_memory_per_block: 49152 shared_memory_per_block_optin: 232448 shared_memory_per_core: 233472
  registers_per_block_limit: 65536 registers_per_core_limit: 65536
  core_count: 132 fpus_per_core: 128 clock_rate_ghz: 1.98
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 device_memory_size: 84942979072
}
platform_name: "CUDA"
runtime_version { major: 12 minor: 8 }
dnn_version_info { major: 9 minor: 8 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""
TARGETS = {"H100": "cuda", "TPU v5e": "v5e", "TPU v6e": "v6e"}
WITHOUT_A_TPU = {
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # no process keeps another from compiling
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
}


class Program(NamedTuple):
    """A function of float64 arrays of the given shapes; `public` names what it stands for.

    Where several `devices` share the first axis of the arrays, `run` takes their mesh and returns the function.
    """

    run: object
    shapes: tuple
    public: tuple
    devices: int = 1


@functools.cache
def programs() -> dict[str, Program]:
    """Every public numerical function, at small and at large sizes."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    import jaxent
    from jaxent import Chain, bloch, dicke
    from jaxent import chain as steps
    from jaxent.noise.atom_numbers import averaged_block

    key = jax.random.key(0)
    found: dict[str, Program] = {}

    def add(name, run, *shapes, public, devices=1):
        found[name] = Program(run, shapes, tuple(public.split()), devices)

    def entropy(n_ensembles, n_atoms, *rest):
        return lambda t: jaxent.end_to_end_entropy(Chain(n_ensembles, n_atoms), t, *rest, tolerance=0)

    def dephased(function, n_ensembles, n_atoms, *rest):
        return lambda t, g: function(Chain(n_ensembles, n_atoms), t, g, *rest)

    def tensor(t):
        chain = Chain(4, 4)
        psi = steps.apply_phase_offset(chain, steps.evolve(chain, steps.initial_state(chain), t), 0.1)
        return steps.reduced_density_matrix(chain, steps.project_outcomes(chain, psi, np.array([2, 3])), 4)

    # ---- the ideal protocol
    public = "end_to_end_entropy"
    add("entropy, N = 50, 8 times", entropy(3, 50), (8,), public=public)
    add("entropy, N = 100, 200 times", entropy(3, 100), (200,), public=public)
    add("entropy, N = 1000", entropy(3, 1000), (), public=public)
    add("entropy, N = 50, gradient", jax.grad(entropy(3, 50)), (), public=public)
    add("entropy, N = 100, gradients at 200 times", jax.vmap(jax.grad(entropy(3, 100))), (200,), public=public)
    add("exact time, N = 50", lambda x: x + entropy(3, 50)(jaxent.pi_fraction(2, 3)), (), public=public)
    add("entropy, outcome and offset, N = 50", lambda t, x: entropy(3, 50, 40, x)(t), (), (), public=public)
    add(
        "entropy, outcome and offset, N = 50, gradient",
        jax.grad(lambda t, x: entropy(3, 50, 40, x)(t), argnums=(0, 1)),
        (),
        (),
        public=public,
    )
    add("entropy, M = 4, N = 20", lambda t, x: entropy(4, 20, [10, 11], x)(t), (), (), public=public)
    add("entropy, M = 4, N = 20, outcomes N", entropy(4, 20), (), public=public)
    add("entropy, M = 5, N = 20", entropy(5, 20), (), public=public)
    add(
        "entropy, M = 5, bond times, N = 20",
        lambda t: jaxent.end_to_end_entropy(Chain(5, 20), jaxent.BondTimes(t), 10, 0.1),
        (4,),
        public="end_to_end_entropy BondTimes",
    )
    simple = {
        "amplitudes": jaxent.end_to_end_amplitudes,
        "Schmidt coefficients": jaxent.end_to_end_schmidt_coefficients,
        "probability": jaxent.outcome_probability,
        "log probability": jaxent.log_outcome_probability,
    }
    for name, function in simple.items():
        add(
            f"{name}, N = 50",
            lambda t, x, function=function: function(Chain(3, 50), t, 40, x),
            (),
            (),
            public=function.__name__,
        )
    add(
        "Rényi entropy, N = 50",
        lambda t, x: jaxent.end_to_end_renyi_entropy(Chain(3, 50), t, 2.0, 40, x),
        (),
        (),
        public="end_to_end_renyi_entropy",
    )
    public = "planned_entropy plan_entropy entropy_curve entropy_with_errors"
    for exponent, tolerance in ((4, 1e-9), (6, 1e-6)):
        plan = jaxent.plan_entropy(Chain(3, 10**exponent), 0.7, tolerance=tolerance)
        planned = functools.partial(jaxent.planned_entropy, plan)
        add(f"entropy, band, N = 10^{exponent}", planned, (), public=public)
        add(f"entropy, band, N = 10^{exponent}, 1024 times", jax.vmap(planned), (1024,), public=public)
        if exponent == 4:
            add("entropy, band, N = 10^4, gradient", jax.grad(planned), (), public=public)
    add(
        "sensitivities, N = 50",
        jax.hessian(lambda t, x: entropy(3, 50, 50, x)(t), argnums=(0, 1)),
        (),
        (),
        public="sensitivities maximize textbook_offset half_width find_extrema",
    )
    add(
        "error bound",
        lambda t: jaxent.entropy_error_bound(Chain(3, 50, 3.0), t),
        (),
        public="entropy_error_bound chain_for_tolerance",
    )
    add(
        "error estimate",
        lambda t: jaxent.entropy_error_estimate(Chain(3, 50, 3.0), t),
        (),
        public="entropy_error_estimate",
    )
    # ---- outcomes
    add(
        "all probabilities, N = 20",
        lambda t: jaxent.outcome_probabilities(Chain(3, 20), t),
        (),
        public="outcome_probabilities",
    )
    add(
        "average entropy, N = 20", lambda t: jaxent.average_entropy(Chain(3, 20), t).value, (), public="average_entropy"
    )
    add(
        "average log negativity, N = 4",
        lambda t, g: jaxent.average_log_negativity(Chain(3, 4), t, g).value,
        (),
        (),
        public="average_log_negativity robustness_table",
    )
    add(
        "average fidelity, N = 20",
        lambda t: jaxent.average_decoded_fidelity(Chain(3, 20), 2, 1, t).value,
        (),
        public="average_decoded_fidelity",
    )
    add("samples, N = 20", lambda t: jaxent.sample_outcomes(key, Chain(5, 20), t), (), public="sample_outcomes")
    add(
        "decoding, N = 20",
        lambda t: (
            jaxent.decoded_fidelity(Chain(3, 20), 7, 2, 1, t),
            jaxent.decoded_target(Chain(3, 20), 7, 2) * t,
        ),
        (),
        public="decoded_fidelity decoded_target decode_outcomes",
    )
    # ---- noise
    for name, function in (
        ("log negativity", jaxent.end_to_end_log_negativity),
        ("coherent information", jaxent.end_to_end_coherent_information),
        ("dephased state", jaxent.end_to_end_state),
        ("dephased log probability", jaxent.dephased_log_probability),
    ):
        add(f"{name}, N = 8", dephased(function, 3, 8), (), (), public=function.__name__)
    negativity = jaxent.end_to_end_log_negativity
    add("log negativity, N = 30", dephased(negativity, 3, 30), (), (), public="end_to_end_log_negativity")
    add("log negativity, N = 8, 100 times", dephased(negativity, 3, 8), (100,), (), public="end_to_end_log_negativity")
    add(
        "log negativity, N = 8, gradient",
        jax.grad(dephased(negativity, 3, 8), (0, 1)),
        (),
        (),
        public="end_to_end_log_negativity",
    )
    add("log negativity, M = 4, N = 6", dephased(negativity, 4, 6, [3, 4]), (), (), public="end_to_end_log_negativity")
    add(
        "log negativity, three rates, N = 8",
        lambda t, g: negativity(Chain(3, 8), t, jaxent.EnsembleRates(g), 7, 0.1),
        (),
        (3,),
        public="end_to_end_log_negativity EnsembleRates",
    )
    add(
        "log negativity, imperfect measurement, N = 8",
        lambda x: negativity(Chain(3, 8), 0.7, 0.01, x[0], 0.1, measurement=jaxent.Measurement(x[1], x[2], x[3])),
        (4,),
        public="end_to_end_log_negativity Measurement",
    )
    add(
        "log negativity, jitter of each bond, N = 4",
        lambda x: negativity(Chain(3, 4), 0.7, 0.01, 3, 0.1, jitter=jaxent.Jitter(x[0], x[1])),
        (2,),
        public="end_to_end_log_negativity Jitter",
    )
    numbers, ones = np.arange(5, 9), np.ones((9, 9))
    add(
        "log negativity, numbers unknown, N = 8",
        lambda t, g: averaged_block(17, "number", 0, numbers, np.full(4, 0.25), -16, ones, ones, t, g, 0.1)[0],
        (),
        (3,),
        public="fluctuating_log_negativity AtomNumbers",
    )
    for name, at, public in (
        ("by a band", 1.0, "log_negativity_with_errors end_to_end_log_negativity"),
        ("by blocks", np.pi / 2, "log_negativity_with_errors end_to_end_log_negativity macroscopic_log_negativity"),
    ):
        asked = bloch.Question(10**6, 10**6, at, np.full(3, 0.02), 0.0)
        add(f"log negativity {name}, N = 1e6", bloch.traceable(asked, 1e-3), (), (3,), (), public=public)
    add(
        "modular coherent information, r = 4, N = 1e6",
        lambda g: jaxent.modular_coherent_information(Chain(3, 10**6), jaxent.pi_fraction(1, 2), g),
        (),
        public="modular_coherent_information",
    )
    add(
        "collective spins and witnesses, N = 1000",
        lambda t, g: [
            (one.value, one.violated)
            for one in jaxent.witnesses(jaxent.collective_spin_moments(Chain(3, 1000), t, g, 990, 0.1))
        ],
        (),
        (),
        public="collective_spin_moments CollectiveSpinMoments witnesses Witness",
    )
    add(
        "modular witness, r = 4, N = 1e6",
        lambda g: jaxent.modular_witness(Chain(3, 10**6), jaxent.pi_fraction(1, 2), g),
        (),
        public="modular_witness ModularWitness teleportation_fidelity",
    )
    add(
        "estimated log negativity, N = 20",
        lambda t, g: jaxent.estimate_log_negativity(key, Chain(3, 20), t, g, n_probes=8, depth=10).value,
        (),
        (),
        public="estimate_log_negativity",
    )
    add(
        "master equation, N = 2",
        lambda t, g: (
            jaxent.measure_density(
                Chain(3, 2), jaxent.evolve_density(Chain(3, 2), t, g, drive=0.1, decay_rate=0.1, n_steps=20)
            ).state
        ),
        (),
        (),
        public="evolve_density measure_density",
    )
    # ---- one end on its sphere
    angles = np.linspace(0.1, 3.0, 8)
    grid = angles[:, None], angles[None, :]
    add(
        "Husimi function of an end, N = 20",
        lambda t: jaxent.end_to_end_husimi(Chain(3, 20), t, *grid, last_state=9),
        (),
        public="end_to_end_husimi",
    )
    add(
        "Husimi function of a noisy end, N = 20",
        lambda t, g: jaxent.end_to_end_husimi(Chain(3, 20), t, *grid, g, last_state=9),
        (),
        (),
        public="end_to_end_husimi",
    )
    add(
        "Husimi and Wigner functions, N = 20",
        lambda a: (
            jaxent.husimi(a @ a.T, *grid),
            jaxent.spin_wigner(a[0], *grid),
            jaxent.planar_wigner(a[0], *grid),
            jaxent.planar_wigner(a @ a.T, *grid),
            jaxent.spin_wigner(a @ a.T, *jaxent.tangent_plane(20, a[0] / 10, a[1])),
        ),
        (21, 21),
        public="husimi spin_wigner planar_wigner tangent_plane",
    )
    # ---- states and matrices
    size = 24
    pure = {
        "entanglement_entropy": jaxent.entanglement_entropy,
        "renyi_entropy": lambda a: jaxent.renyi_entropy(a, 2.0),
        "log_negativity": jaxent.log_negativity,
        "negativity": jaxent.negativity,
        "schmidt_coefficients": jaxent.schmidt_coefficients,
    }
    mixed = {
        "von_neumann_entropy": jaxent.von_neumann_entropy,
        "state_renyi_entropy": lambda r: jaxent.state_renyi_entropy(r, 2.0),
        "purity": jaxent.purity,
    }
    for name, function in pure.items():
        add(name, lambda a, b, function=function: function(a + 1j * b), (size, size), (size, size), public=name)
    for name, function in mixed.items():
        add(name, lambda a, function=function: function(a @ a.T), (size, size), public=name)
    for name in ("log_negativity_dm", "state_negativity", "coherent_information"):
        add(
            name,
            lambda a, name=name: getattr(jaxent, name)((a @ a.T).reshape(5, 5, 5, 5)),
            (25, 25),
            public=name,
        )
    add(
        "state_fidelity",
        lambda a: jaxent.state_fidelity((a @ a.T).reshape(5, 5, 5, 5), jnp.ones((5, 5))),
        (25, 25),
        public="state_fidelity",
    )
    add("state tensor, M = 4, N = 4", tensor, (), public="chain")
    add(
        "coherent state, operators",
        lambda x: (
            dicke.coherent_state(20, jnp.cos(x), jnp.sin(x)),
            dicke.x_basis(20, 7) * x,
            dicke.spin_x(20) * x,
        ),
        (),
        public="dicke",
    )
    # ---- tiles of sweeps, shared out to several devices
    for devices in (4, 8):
        for title, quantity, rate in (("entropy", "entropy", None), ("log negativity", "log_negativity", 0.01)):
            add(
                f"sweep of {title}, N = 6, {devices} devices",
                tile_of(jaxent.Sweep(quantity, 6, [0.7, 0.8], dephasing_rate=rate)),
                (4 * devices,),
                public="run_sweep",
                devices=devices,
            )

    return found


def tile_of(question):
    """The program of a tile of one quantity over times, for a mesh of devices."""
    import jax.numpy as jnp

    from jaxent.sweep.evaluate import over_devices
    from jaxent.sweep.quantities import QUANTITIES, Point

    (name,), (chain,) = question.quantities, question.chains
    nothing = Point(*[None] * len(Point._fields))
    rate = None if question.dephasing_rate is None else float(question.dephasing_rate)
    fixed = nothing._replace(phase_offset=0.0, dephasing_rate=rate, collective_rate=0.0)

    def for_mesh(mesh):
        tile = over_devices(question, chain, {name: QUANTITIES[name].at}, fixed, 2, mesh)
        return lambda times: tile(nothing._replace(time=times, index=jnp.zeros(times.shape, int)))

    return for_mesh


# ------------------------------------------------------------------- one target


def compile_for(target: str, patterns: list[str]) -> None:
    """Compile all programs for one target, in this process; prints a JSON row for each."""
    for name, program in programs().items():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            devices = described(target, program.devices)
            print(json.dumps({"program": name, "target": target, **_compiled(program, devices)}), flush=True)


@functools.cache
def described(target: str, count: int) -> list:
    """Devices that need not be there."""
    from jax.experimental import topologies

    kind = TARGETS[target]
    if kind == "cuda":
        description = {"platform": "cuda", "target_config": H100, "topology": f"1x1x{count}"}
    else:
        description = {"platform": "tpu", "topology_name": f"{kind}:{'2x4' if count == 8 else '2x2'}"}
    return list(topologies.get_topology_desc(**description).devices[:count])


def _compiled(program: Program, devices: list) -> dict:
    import jax
    import jax.numpy as jnp
    import numpy as np
    from compiled_text import read
    from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

    run, sharding = program.run, SingleDeviceSharding(devices[0])
    if program.devices > 1:
        mesh = Mesh(np.array(devices), ("points",))
        run, sharding = program.run(mesh), NamedSharding(mesh, PartitionSpec("points"))
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float64, sharding=sharding) for shape in program.shapes]
    start = time.perf_counter()
    try:
        lowered = jax.jit(run).lower(*arguments)
        middle = time.perf_counter()
        compiled = lowered.compile()
    except Exception as error:
        return {"compiles": False, "error": " ".join(str(error).split())[:400]}
    done = time.perf_counter()
    work = read(compiled.as_text(), UNKNOWN_TRIPS)
    memory = compiled.memory_analysis()
    return {
        "compiles": True,
        "lowering_s": round(middle - start, 2),
        "compilation_s": round(done - middle, 2),
        "kernels": work.kernels,
        "custom_calls": work.custom_calls,
        "solvers": work.solvers,
        "loops": {str(trips): work.loops.count(trips) for trips in sorted(set(work.loops))},
        "iterations": work.iterations,
        "collectives": work.collectives,
        "temporary_mib": round(memory.temp_size_in_bytes / 2**20, 2),
        "operations": work.operations,
        "bytes": work.bytes,
        "predicted_s": predicted_seconds(work),
    }


def predicted_seconds(work) -> float:
    """Seconds of a call on an H100 by the model above."""
    kernels = sum(
        times * max(LAUNCH_SECONDS, moved / BYTES_PER_SECOND, operations / OPERATIONS_PER_SECOND)
        for times, operations, moved in work.kernel_work
    )
    solvers = sum(
        times * (1 if size <= LARGEST_BATCHED else matrices) * size * SOLVER_SECONDS_PER_ROW
        for times, matrices, size in work.solvers
    )
    return kernels + solvers + work.iterations * ITERATION_SECONDS


# ------------------------------------------------------------------- all targets


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten programs, H100 and TPU v5e; writes nothing")
    parser.add_argument("--only", metavar="PATTERN", nargs="+", default=["*"], help="some programs")
    parser.add_argument("--target", choices=TARGETS, help="one target alone")
    parser.add_argument("--worker", choices=TARGETS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    os.environ |= {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "true"} | WITHOUT_A_TPU
    patterns = list(QUICK) if chosen.quick else chosen.only
    if chosen.worker:
        compile_for(chosen.worker, patterns)
        return 0
    targets = [chosen.target] if chosen.target else list(TARGETS)[: 2 if chosen.quick else None]
    rows = []
    for target in targets:
        for row in rows_of(target, ["--quick"] if chosen.quick else ["--only", *patterns]):
            rows.append(row)
            show(row)
            if not chosen.quick:
                keep(row)
    failed = [row for row in rows if failure(row)]
    for row in failed:
        print(f"{row['target']}, {row['program']}: {failure(row)}", file=sys.stderr)
    print(f"{len(rows) - len(failed)} of {len(rows)} compile as they should.")
    return 1 if failed or not rows else 0


def rows_of(target: str, options: list[str]) -> Iterator[dict]:
    """The rows of one target as they come, from a process of its own."""
    command = [sys.executable, __file__, "--worker", target, *options]
    count = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("{"):
                count += 1
                yield json.loads(line)
    if process.returncode:
        error = f"the process ended with status {process.returncode} after {count} programs"
        yield {"program": "all", "target": target, "compiles": False, "error": error}


def failure(row: dict) -> str:
    """What is wrong with a row, "" if nothing."""
    if not row["compiles"]:
        return f"does not compile: {row['error']}"
    return f"devices talk to each other {row['collectives']} times" if row["collectives"] else ""


def show(row: dict) -> None:
    numbers = (
        f"FAILS: {failure(row)[:100]}"
        if failure(row)
        else (
            f"{row['compilation_s']:7.1f} s  {row['kernels']:7} kernels {row['custom_calls']:5} calls "
            f"{row['iterations']:7} iterations  {row['temporary_mib']:9.2f} MiB  {row['predicted_s']:.2g} s predicted"
        )
    )
    print(f"{row['target']:8} {row['program']:48} {numbers}", flush=True)


def keep(row: dict) -> None:
    """Put a row in the place of the last one of its program and target on file, and say what changed."""
    from record import save

    from jaxent.sweep.devices import commit

    kept = json.loads(FILE.read_text())["rows"] if FILE.exists() else []
    rows = {(one["target"], one["program"]): one for one in kept}
    place = row["target"], row["program"]
    compare(rows.get(place), row)
    rows[place] = row | {"commit": commit()}
    order = [(target, program) for target in TARGETS for program in programs()]
    model = {
        "launch_s": LAUNCH_SECONDS,
        "iteration_s": ITERATION_SECONDS,
        "bytes_per_s": BYTES_PER_SECOND,
        "operations_per_s": OPERATIONS_PER_SECOND,
        "solver_s_per_row": SOLVER_SECONDS_PER_ROW,
        "largest_batched": LARGEST_BATCHED,
        "unknown_trips": UNKNOWN_TRIPS,
    }
    results = {"model_of_the_h100": model, "rows": [rows[one] for one in order if one in rows]}
    save("accelerators", results, quiet=True)
    PAGE.write_text(table(results["rows"]))


def table(rows: list[dict]) -> str:
    """The table of the documentation: a line for each program."""
    found: dict[str, dict[str, dict]] = {}
    for row in rows:
        found.setdefault(row["program"], {})[row["target"]] = row
    heads = ["program", "s", "kernels", "loops", "MiB", *(target.removeprefix("TPU ") for target in TARGETS)]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for program, by_target in found.items():
        gpu = by_target.get("H100")
        cells = (
            ["—"] * 4
            if gpu is None or not gpu["compiles"]
            else [
                f"{gpu['predicted_s']:.2g}",
                str(gpu["kernels"]),
                str(gpu["iterations"]),
                f"{gpu['temporary_mib']:.3g}",
            ]
        )
        lines.append([program, *cells, *(_seconds(by_target.get(target)) for target in TARGETS)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _seconds(row: dict | None) -> str:
    if row is None:
        return "—"
    return f"{row['compilation_s']:.0f}" if row["compiles"] else "fails"


def compare(before: dict | None, row: dict) -> None:
    if before is None or not (before["compiles"] and row["compiles"]):
        return
    for what in ("kernels", "custom_calls", "iterations", "temporary_mib", "predicted_s"):
        if abs(row[what] - before[what]) > 0.05 * abs(before[what]):
            print(f"{row['target']}, {row['program']}: {what} {before[what]:.4g} → {row[what]:.4g}")


if __name__ == "__main__":
    sys.exit(main())
