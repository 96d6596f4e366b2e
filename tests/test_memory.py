"""Guards: what is free, what a call takes, and the refusal of what does not fit."""

import gc
import importlib.util
import inspect
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxent
from jaxent import Chain, dicke
from jaxent import chain as steps
from jaxent.runtime import memory, threads

MIB = 2**20


def group(folder: Path, version: int, limit: str, usage: int, cache: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{'total_' if version == 1 else ''}inactive_file {cache}\n")


@pytest.fixture
def groups(tmp_path):
    """A control-group tree in place of the machine's: its root, how to enter a group, and how to ask what is free."""
    process, root = tmp_path / "process", tmp_path / "groups"
    return root, process.write_text, lambda: memory.host_bytes(process, root)


def test_the_tightest_group_above_the_process_counts(groups):
    root, enter, free = groups
    enter("0::/batch/job/step\n")
    group(root / "batch", 2, str(900 * MIB), 700 * MIB)
    group(root / "batch/job", 2, "max", 600 * MIB)
    group(root / "batch/job/step", 2, str(800 * MIB), 500 * MIB)
    group(root / "batch/other", 2, str(MIB), 0)
    assert free() == 200 * MIB


def test_groups_of_version_one_count_as_well(groups):
    root, enter, free = groups
    enter("9:name=systemd:/job\n4:memory:/job\n0::/\n")
    group(root / "memory/job", 1, str(300 * MIB), 200 * MIB)
    group(root / "memory", 1, str(2**63 - 4096), 0)
    assert free() == 100 * MIB


def test_a_container_sees_its_limit_at_the_root(groups):
    root, enter, free = groups
    enter("0::/system.slice/docker-1.scope\n")  # a path of the host, which is not mounted here
    group(root, 2, str(300 * MIB), 250 * MIB)
    assert free() == 50 * MIB


def test_cached_files_are_free(groups):
    root, enter, free = groups
    enter("0::/\n")
    group(root, 2, str(300 * MIB), 250 * MIB, cache=100 * MIB)
    assert free() == 150 * MIB


def test_a_group_beyond_its_limit_leaves_nothing(groups):
    root, enter, free = groups
    enter("0::/\n")
    group(root, 2, str(100 * MIB), 101 * MIB)
    assert free() == 0


def test_calls_at_once_share_half_the_free_memory(monkeypatch):
    monkeypatch.setattr(threads, "processors", lambda: 4)
    monkeypatch.setattr(memory, "free_bytes", lambda: pytest.fail("measured"))
    assert [memory.calls_at_once(needed) for needed in (0, 1, 2**25)] == [4, 4, 4]
    monkeypatch.setattr(memory, "free_bytes", lambda: 2**30)
    assert [memory.calls_at_once(needed) for needed in (2**25 + 1, 2**27, 2**28, 2**29, 2**40)] == [15, 4, 2, 1, 1]


def test_without_groups_the_machine_counts(groups, monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 123}))
    _, enter, free = groups
    assert free() == 123  # no such file: not Linux
    enter("0::/somewhere\n")
    assert free() == 123


# ------------------------------------------------------------------- what a call takes

TIMES = np.linspace(0.1, 1.0, 100)
PSI = steps.initial_state(Chain(4, 40))
MATRIX = jnp.asarray(np.random.default_rng(0).normal(size=(1500, 1500)))

# from 30 to 200 MiB each, and none that takes long; benchmarks/memory.py has all functions
CALLS = {
    "amplitudes at many times": lambda: jaxent.end_to_end_amplitudes(Chain(3, 150), TIMES),
    "entropy": lambda: jaxent.end_to_end_entropy(Chain(4, 700), 0.7, 699, 0.1, tolerance=0),
    "log negativity": lambda: jaxent.end_to_end_log_negativity(Chain(3, 44), 0.7, 0.01),
    "state": lambda: jaxent.end_to_end_state(Chain(3, 36), 0.7, 0.01),
    "evolution of the tensor": lambda: steps.evolve(Chain(4, 40), PSI, 0.7),
    "fidelity": lambda: jaxent.decoded_fidelity(Chain(3, 1000), 500, 3),
    "spin operator": lambda: dicke.spin_y(1500),
    "measure of a matrix": lambda: jaxent.negativity(MATRIX),
    "states of many atoms": lambda: dicke.log_weights(600_000),
}


def high_water_mark() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


@pytest.fixture
def counted(monkeypatch):
    """Bytes that guards have been asked for."""
    asked = []
    monkeypatch.setattr(memory, "check_memory", lambda needed, *_, **__: asked.append(needed))
    return asked


@pytest.mark.parametrize("name", CALLS)
def test_a_guard_counts_what_a_call_takes(name, counted):
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pytest.skip("the peak of a process can be set back on Linux only")
    jax.block_until_ready(CALLS[name]())  # compiles
    growths = []
    for _ in range(3):  # what threads of earlier tests take meanwhile is not of this call
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        before = high_water_mark()
        counted.clear()
        result = jax.block_until_ready(CALLS[name]())
        growths.append(high_water_mark() - before)
    assert max(counted) > 20 * MIB
    # freed memory of other tests may serve this one, and buffers of the libraries some MiB
    assert min(growths) <= 1.5 * max(counted) + 16 * MIB
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(result)) <= max(counted)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_just_fits_runs_and_a_byte_less_is_refused(name, counted, monkeypatch):
    CALLS[name]()
    needed = max(counted)
    monkeypatch.undo()
    monkeypatch.setattr(memory, "free_bytes", lambda: needed)
    CALLS[name]()
    monkeypatch.setattr(memory, "free_bytes", lambda: needed - 1)
    with pytest.raises(ValueError, match=r"needs .* GiB, but .* GiB are free; use "):
        CALLS[name]()


def test_a_batch_of_results_is_refused_before_it_is_allocated():
    with pytest.raises(ValueError, match=r"at 1000000 times needs .* GiB are free; .* fewer times at once"):
        jaxent.end_to_end_amplitudes(Chain(3, 1000), np.linspace(0, 1, 10**6))


def test_a_known_call_inside_a_program_belongs_to_it(counted):
    value = jax.jit(lambda x: x + jaxent.end_to_end_entropy(Chain(3, 6), 0.7))(1.0)
    assert float(value) == pytest.approx(1 + float(jaxent.end_to_end_entropy(Chain(3, 6), 0.7)), abs=1e-14)


# ------------------------------------------------------------------- functions that were not guarded


@pytest.mark.parametrize(
    "call",
    [
        lambda: jaxent.uniform_grid(0, 1, 10**6),
        lambda: jaxent.crevasse_grid(10**5),
        lambda: jaxent.pi_fractions_up_to(1000),
        lambda: jaxent.normalized_entropy(np.ones(10**6), 10),
        lambda: jaxent.decode_outcomes(Chain(3, 10), 3, 10**5),
        lambda: jaxent.from_xarray(jaxent.to_xarray(np.ones((301, 301)), Chain(3, 300))),
        lambda: dicke.window_states(10**6),
        lambda: dicke.x_overlap(10, 4, jnp.ones(10**5)),
        lambda: dicke.cos_power(10, jnp.ones(10**5)),
    ],
)
def test_what_is_large_is_refused_by_its_size(call, monkeypatch):
    for name in ("free_bytes", "host_bytes"):
        monkeypatch.setattr(memory, name, lambda: 10**6)
    monkeypatch.setattr(memory, "_NO_MATTER", 0)
    with pytest.raises(ValueError, match=r"needs .* GiB, but .* GiB are free; (use|pass) "):
        call()


def test_derivatives_count_more_than_their_value(counted):
    jaxent.sensitivities(jaxent.end_to_end_entropy, Chain(3, 60), 0.7)
    derivatives = max(counted)
    counted.clear()
    jaxent.end_to_end_entropy(Chain(3, 60), 0.7)
    assert derivatives > 2 * max(counted)


def test_a_probability_under_dephasing_is_not_refused_for_a_matrix_that_it_does_not_form(counted):
    jaxent.dephased_log_probability(Chain(3, 100), 0.7, 0.1)
    assert max(counted) < 1000 * 101**2


def test_a_program_is_forgotten_with_its_memory():
    program = jax.jit(lambda x: x + 1)
    assert memory.needed_by(program, 1.0) > 0
    assert program in memory._needed
    known = len(memory._needed)
    del program
    gc.collect()
    assert len(memory._needed) < known


# ------------------------------------------------------------------- the benchmark's rows


def benchmark():
    path = Path(__file__).parents[1] / "benchmarks" / "memory.py"
    spec = importlib.util.spec_from_file_location("memory_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, json.loads(path.with_suffix(".json").read_text())["cases"]


def test_every_public_function_is_measured_or_allocates_nothing():
    module, rows = benchmark()
    public = {name for name in jaxent.__all__ if inspect.isfunction(inspect.unwrap(getattr(jaxent, name)))}
    for part in (jaxent.band, jaxent.chain, jaxent.dicke):
        names = [name for name in part.__all__ if callable(getattr(part, name)) and name[0].islower()]
        public |= {f"{part.__name__.removeprefix('jaxent.')}.{name}" for name in names}
    measured = {row["case"].split(":")[0] for row in rows}
    assert public == measured | set(module.WITHOUT_ROWS)


def test_every_guard_is_within_a_factor_of_what_was_measured():
    _, rows = benchmark()
    assert [row["case"] for row in rows if not 1 / 1.5 <= row["ratio"] <= 1.5] == []
