"""What `benchmarks/accelerators.py` compiles, and what `compiled_text.py` reads from a compiled program."""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import jaxent

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

# a kernel of 3 · 8 operations on 64 + 64 bytes, a loop of 5 steps of one such kernel, and a batch of decompositions
TEXT = """HloModule jit_f, entry_computation_layout={(f64[8]{0})->f64[8]{0}}

%fused (p: f64[8]) -> f64[8] {
  %p = f64[8]{0} parameter(0)
  %two = f64[8]{0} add(%p, %p)
  %four = f64[8]{0} multiply(%two, %two)
  ROOT %six = f64[8]{0} subtract(%four, %p)
}

%body (c: (s64[], f64[8])) -> (s64[], f64[8]) {
  %c = (s64[], f64[8]{0}) parameter(0)
  %i = s64[] get-tuple-element(%c), index=0
  %x = f64[8]{0} get-tuple-element(%c), index=1
  %y = f64[8]{0} fusion(%x), kind=kLoop, calls=%fused, metadata={op_name="jit(f)/while"}
  ROOT %out = (s64[], f64[8]{0}) tuple(%i, %y)
}

%condition (c.1: (s64[], f64[8])) -> pred[] {
  %c.1 = (s64[], f64[8]{0}) parameter(0)
  ROOT %always = pred[] constant(true)
}

ENTRY %main (a: f64[8]) -> f64[8] {
  %a = f64[8]{0} parameter(0), metadata={op_name="a"}
  %b = f64[8]{0} fusion(%a), kind=kLoop, calls=%fused
  %zero = s64[] constant(0)
  %start = (s64[], f64[8]{0}) tuple(%zero, %b)
  %loop = (s64[], f64[8]{0}) while(%start), condition=%condition, body=%body, config={"known_trip_count":{"n":"5"}}
  %last = f64[8]{0} get-tuple-element(%loop), index=1
  %m = f64[7,20,20]{1,2,0} broadcast(%last), dimensions={}
  %e = (f64[7,20,20]{1,2,0}, f64[7,20]{1,0}, s32[7]{0}) custom-call(%m), custom_call_target="cusolver_syevd_ffi"
  ROOT %r = f64[8]{0} all-reduce(%last), to_apply=%fused
}
"""


# a kernel that takes a row of a large array, and one that writes a row of it in place; a loop without a known end
SLICES = """HloModule jit_g, entry_computation_layout={(f64[100,8]{1,0}, s64[])->f64[100,8]{1,0}}

%take (p: f64[100,8], i: s64[]) -> f64[1,8] {
  %p = f64[100,8]{1,0} parameter(0)
  %i = s64[] parameter(1)
  %zero = s64[] constant(0)
  %row = f64[1,8]{1,0} dynamic-slice(%p, %i, %zero), dynamic_slice_sizes={1,8}
  ROOT %twice = f64[1,8]{1,0} add(%row, %row)
}

%put (p.1: f64[100,8], r: f64[1,8], i.1: s64[]) -> f64[100,8] {
  %p.1 = f64[100,8]{1,0} parameter(0)
  %r = f64[1,8]{1,0} parameter(1)
  %i.1 = s64[] parameter(2)
  %zero.1 = s64[] constant(0)
  ROOT %new = f64[100,8]{1,0} dynamic-update-slice(%p.1, %r, %i.1, %zero.1)
}

%body (c: (f64[100,8], s64[])) -> (f64[100,8], s64[]) {
  %c = (f64[100,8]{1,0}, s64[]) parameter(0)
  %x = f64[100,8]{1,0} get-tuple-element(%c), index=0
  %k = s64[] get-tuple-element(%c), index=1
  %a = f64[1,8]{1,0} fusion(%x, %k), kind=kLoop, calls=%take
  %y = f64[100,8]{1,0} fusion(%x, %a, %k), kind=kLoop, calls=%put
  ROOT %out = (f64[100,8]{1,0}, s64[]) tuple(%y, %k)
}

%condition (c.1: (f64[100,8], s64[])) -> pred[] {
  %c.1 = (f64[100,8]{1,0}, s64[]) parameter(0)
  ROOT %always = pred[] constant(true)
}

ENTRY %main (b: f64[100,8], j: s64[]) -> f64[100,8] {
  %b = f64[100,8]{1,0} parameter(0)
  %j = s64[] parameter(1)
  %start = (f64[100,8]{1,0}, s64[]) tuple(%b, %j)
  %loop = (f64[100,8]{1,0}, s64[]) while(%start), condition=%condition, body=%body
  ROOT %last = f64[100,8]{1,0} get-tuple-element(%loop), index=0
}
"""


@pytest.fixture
def benchmark(monkeypatch):
    """A module of the folder of benchmarks, by name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = set(sys.modules)
    yield __import__
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_kernels_loops_calls_and_bytes_are_counted(benchmark):
    work = benchmark("compiled_text").read(TEXT)
    assert (work.kernels, work.iterations, work.loops) == (1 + 5 + 3, 5, [5])  # the last: broadcast, call, all-reduce
    assert (work.custom_calls, work.solvers, work.collectives) == (1, [(1, 7, 20)], 1)
    assert work.kernel_work[:2] == [(1, 24.0, 128.0), (5, 24.0, 128.0)]


def test_slices_move_what_they_take_and_what_they_change(benchmark):
    work = benchmark("compiled_text").read(SLICES, unknown_trips=7)
    assert (work.loops, work.iterations, work.kernels) == ([0], 7, 14)
    # a row and the index in and a row out; a row and the index in and that row of the large array out
    assert [moved for _, _, moved in work.kernel_work] == [64 + 8 + 64, 64 + 8 + 64]


def test_the_text_of_this_machine_s_compiler_is_read(benchmark):
    def steps(x):
        return jax.lax.fori_loop(0, 9, lambda i, y: jnp.sin(y) @ jnp.cos(y), x)

    work = benchmark("compiled_text").read(jax.jit(steps).lower(jnp.ones((30, 30))).compile().as_text())
    assert work.loops == [9]
    assert work.kernels >= 9
    assert work.bytes >= 9 * 2 * 30 * 30 * 8


def test_a_text_without_an_entry_is_refused(benchmark):
    with pytest.raises(ValueError, match="no entry"):
        benchmark("compiled_text").read("HloModule empty")


def test_seconds_are_those_of_launches_bytes_loops_and_decompositions(benchmark):
    accelerators, work = benchmark("accelerators"), benchmark("compiled_text").read(TEXT)
    launches, loop, matrices = 9 * 4e-6, 5 * 15e-6, 20 * 25e-6  # a batch of small matrices is one call
    assert abs(accelerators.predicted_seconds(work) - launches - loop - matrices) <= 1e-12
    large = [(1, 7, 50)]  # each matrix is a call of its own
    work.solvers = large
    assert abs(accelerators.predicted_seconds(work) - launches - loop - 7 * 50 * 25e-6) <= 1e-12


def test_a_row_tells_its_failure(benchmark):
    failure = benchmark("accelerators").failure
    assert failure({"compiles": True, "collectives": 0}) == ""
    assert failure({"compiles": True, "collectives": 3}) == "devices talk to each other 3 times"
    assert failure({"compiles": False, "error": "UNIMPLEMENTED"}) == "does not compile: UNIMPLEMENTED"


def test_the_program_of_a_tile_is_that_of_the_sweep(benchmark):
    accelerators = benchmark("accelerators")
    program = accelerators.programs()["sweep of entropy, N = 6, 4 devices"]
    mesh = jax.sharding.Mesh(jax.local_devices()[:1], ("points",))
    values = jax.jit(program.run(mesh))(jnp.array([0.7, 0.8, 0.9]))
    wanted = jaxent.end_to_end_entropy(jaxent.Chain(3, 6), jnp.array([0.7, 0.8, 0.9]))
    assert abs(values["entropy"]["entropy"] - wanted).max() <= 1e-13


def test_the_rows_on_file_are_those_of_the_programs_and_the_page_shows_them(benchmark):
    accelerators = benchmark("accelerators")
    rows = json.loads(accelerators.FILE.read_text())["rows"]
    compiled = {target: [row["program"] for row in rows if row["target"] == target] for target in accelerators.TARGETS}
    assert compiled["H100"] == list(accelerators.programs())
    for names in compiled.values():  # a TPU's compiler takes minutes for the largest: those are made one by one
        assert names == [name for name in accelerators.programs() if name in names]
    assert [accelerators.failure(row) for row in rows] == [""] * len(rows)
    assert accelerators.PAGE.read_text() == accelerators.table(rows)


def test_the_table_tells_what_is_missing_and_what_fails(benchmark):
    accelerators = benchmark("accelerators")
    gpu = {"program": "a", "target": "H100", "compiles": True, "predicted_s": 0.0123, "kernels": 7, "iterations": 3}
    gpu |= {"temporary_mib": 1.234, "compilation_s": 2.4}
    tpu = {"program": "a", "target": "TPU v5e", "compiles": False, "error": "UNIMPLEMENTED"}
    assert accelerators.table([gpu, tpu]).splitlines()[-1] == "| a | 0.012 | 7 | 3 | 1.23 | 2 | fails | — |"


def test_all_programs_can_be_traced(benchmark):
    """What `make accelerators` compiles keeps up with the arguments that the library takes."""
    for name, program in benchmark("accelerators").programs().items():
        if program.devices == 1:
            shapes = [jax.ShapeDtypeStruct(shape, jnp.float64) for shape in program.shapes]
            assert jax.tree.leaves(jax.eval_shape(program.run, *shapes)), name


def test_every_public_function_is_compiled_or_runs_on_the_host(benchmark):
    accelerators = benchmark("accelerators")
    programs = accelerators.programs()
    named = {name for program in programs.values() for name in program.public} | set(accelerators.ON_THE_HOST)
    functions = {
        name for name in jaxent.__all__ if name[0].islower() and not isinstance(getattr(jaxent, name), type(jaxent))
    }
    assert functions <= named
    assert named <= set(jaxent.__all__)
    assert set(accelerators.QUICK) <= set(programs)
