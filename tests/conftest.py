import gc
import os
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

import hypothesis
import jax
import pytest
from jaxtyping import install_import_hook

# tests compile what others compiled before: all workers, the commands they start, and the next run share
# their programs, and commands keep none in the folder of the user who tests
PROGRAMS = Path(__file__).parents[1] / ".pytest_cache" / "programs"
MOST_PROGRAMS = 2**30  # bytes, from where on they are forgotten at the start of a run
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    if PROGRAMS.is_dir() and sum(file.stat().st_size for file in PROGRAMS.iterdir()) > MOST_PROGRAMS:
        shutil.rmtree(PROGRAMS)
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(PROGRAMS)
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"] or None)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)  # the many small ones take most of the time

# a worker holds millions of objects of traced programs, which the collector need not go through so often
gc.set_threshold(100_000, 50, 100)

# every call of jaxent checks its arguments and results, shapes included
install_import_hook("jaxent", "typechecker.checked")
jax.config.update("jax_enable_x64", True)

from jaxent.runtime import code_generation  # noqa: E402  # only now: the hook above is there

# as the command line does; and each of two workers has a core, where a program in 32 pieces gains nothing
if code_generation.prefer_quick_compilation():
    os.environ["XLA_FLAGS"] += " --xla_cpu_parallel_codegen_split_count=1"

EVERY = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.function_scoped_fixture]}
hypothesis.settings.register_profile("jaxent", derandomize=True, max_examples=20, **EVERY)
hypothesis.settings.register_profile("fresh", max_examples=40, print_blob=True, **EVERY)  # make test-all: new inputs
hypothesis.settings.register_profile("many", max_examples=500, print_blob=True, **EVERY)  # by hand
hypothesis.settings.load_profile("jaxent")


COLLECTED = pytest.StashKey[set[str]]()  # ids of all tests, before any are chosen


def listed_as_slow(collected: Iterable[str]) -> dict[str, str]:
    """Tests that only `make test-all` runs, each with the smaller one that `make test` runs in place of it.

    The list's lines are ids of tests, of whole functions followed by "->" and the id of the smaller test, and of
    functions followed by "but" and the one set of parameters that runs. In place of a test that is listed with its
    parameters are the other parameters of the same function.
    """
    found, kept = {}, {}
    for line in Path(__file__).with_name("slow.txt").read_text().splitlines():
        if " but [" in line:
            name, _, parameters = line.partition(" but ")
            kept[name] = name + parameters
        elif line and not line.startswith("#"):
            name, _, smaller = line.partition(" -> ")
            found[name] = smaller or name.partition("[")[0]
    functions = {one: one.partition("[")[0] for one in collected}
    return found | {one: name for one, name in functions.items() if name in kept and one != kept[name]}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Mark what is listed, and give the thorough tests their time."""
    slow = listed_as_slow(item.nodeid for item in items)
    for item in items:
        if item.nodeid in slow or item.nodeid.partition("[")[0] in slow:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("thorough") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(3600))
    config.stash[COLLECTED] = {item.nodeid for item in items}


@pytest.fixture(scope="module", autouse=True)
def few_programs():
    """Forget compiled programs before the library does, with a warning: tests compile many without it."""
    yield
    from jaxent.runtime import programs  # only now: the hook above is there

    programs.forget_between(jax)


@pytest.fixture
def float32():
    """Run one test in JAX's default precision."""
    jax.clear_caches()  # what was traced in float64 does not mix with float32
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", True)


@pytest.fixture
def quick_compilation():
    """Compile without most optimizations: for tests of programs that run once, unless JAXENT_OPTIMIZED is set."""
    if os.environ.get("JAXENT_OPTIMIZED"):
        yield
        return
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture
def free_port():
    """A port of this machine that nothing listens at."""
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


@pytest.fixture
def jaxent_command(capsys):
    """Run the command line in this process; gives the exit code, standard output and standard error."""

    from jaxent.cli import main  # only now: the hook above is there

    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main.main(list(arguments))
        captured = capsys.readouterr()
        code = stopped.value.code
        return 0 if code is None else code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def whole(request, tmp_path_factory):
    """A finished sweep of the module's `QUESTION`, three points a tile; not to be changed."""
    import jaxent  # only now: the hook above is there

    folder = tmp_path_factory.mktemp("whole")
    jaxent.run_sweep(request.module.QUESTION, folder, tile_points=3)
    return folder


@pytest.fixture
def copied(whole, tmp_path):
    """A copy of it to change or damage."""
    return shutil.copytree(whole, tmp_path / "results")
