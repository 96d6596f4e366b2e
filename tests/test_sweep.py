"""Sweeps: the question as data, the values at its points, and the labelled results."""

import itertools
import json
import math
import os
import subprocess
import sys

import jax
import numpy as np
import oracles
import pytest
import xarray as xr

import jaxent
from jaxent import Span, Sweep, open_sweep, run_sweep
from jaxent.runtime import memory
from jaxent.sweep import evaluate, export_sweep, plan_sweep
from jaxent.sweep.plan import make_plan

SMALL = {"quantities": ["entropy", "log_outcome_probability"], "n_atoms": [3, 4], "time": [0.4, 1.1, 2.0]}


def test_values_agree_with_brute_force_at_every_point(tmp_path):
    sweep = Sweep(**SMALL, n_ensembles=[3, 4], outcomes=["N", "N-1"], phase_offset=[0.0, 0.3])
    done = run_sweep(sweep, tmp_path)
    assert (done.n_points, done.n_computed, done.failures, done.n_impossible) == (48, 48, [], 0)
    dataset = open_sweep(tmp_path)
    assert dict(dataset.sizes) == {"n_ensembles": 2, "n_atoms": 2, "outcomes": 2, "phase_offset": 2, "time": 3}
    for m, n, q, phi, t in itertools.product([3, 4], [3, 4], [0, 1], [0.0, 0.3], SMALL["time"]):
        amplitudes = oracles.end_to_end(m, n, t, (n - q,) * (m - 2), (phi,) * (m - 2))
        point = dataset.sel(n_ensembles=m, n_atoms=n, phase_offset=phi, time=t).isel(outcomes=q)
        assert float(point.entropy) == pytest.approx(oracles.entropy_bits(amplitudes), abs=1e-11)
        exact = math.log(oracles.probability(amplitudes))
        assert float(point.log_outcome_probability) == pytest.approx(exact, abs=1e-10)


def test_dephased_values_agree_with_brute_force(tmp_path):
    rates = [[0.01, 0.02, 0.03], [0.0, 0.1, 0.0]]
    sweep = Sweep(["log_negativity", "dephased_log_probability"], 3, 0.7, outcomes=[2], dephasing_rate=rates)
    run_sweep(sweep, tmp_path)
    dataset = open_sweep(tmp_path)
    assert dataset.log_negativity.dims == ("outcomes", "dephasing_rate")
    for index, rate in enumerate(rates):
        exact = oracles.state_log_negativity_bits(oracles.dephased_state(3, 3, 0.7, rate, [2]))
        assert float(dataset.log_negativity[0, index]) == pytest.approx(exact, abs=1e-11)


def test_log_negativities_of_many_atoms_are_those_within_a_tolerance(tmp_path):
    sweep = Sweep("log_negativity", [10, 10**5], [1e-5, 1.0], dephasing_rate=0.05)
    one = jax.local_devices()[:1]
    run_sweep(sweep, tmp_path, tile_points=2, devices=one)
    first = open_sweep(tmp_path).log_negativity.values
    (tmp_path / "tile-000001.nc").unlink()
    done = run_sweep(sweep, tmp_path, devices=one)  # goes on with the large chain
    assert done.n_computed == 2
    np.testing.assert_array_equal(open_sweep(tmp_path).log_negativity.values, first)
    (failure,) = [failure for _, failure in done.failures]
    assert (failure.start, failure.stop) == (0, 1)
    assert "must be 0 or at least 3 / (n_atoms · time)" in failure.error
    dataset = open_sweep(tmp_path)
    times = np.array([1e-5, 1.0])
    few = jaxent.end_to_end_log_negativity(jaxent.Chain(3, 10), times, 0.05)
    np.testing.assert_allclose(dataset.log_negativity[0], few, atol=1e-13)
    many = jaxent.end_to_end_log_negativity(jaxent.Chain(3, 10**5), times[1:], 0.05, tolerance=1e-3)
    np.testing.assert_array_equal(dataset.log_negativity[1, 1:], many)
    assert np.isnan(dataset.log_negativity[1, 0])
    assert (dataset.attrs["tolerance"], dataset.attrs["log_negativity_tolerance"]) == (1e-8, 1e-3)


def test_a_tolerance_is_chosen_for_many_atoms_with_noise_and_kept_where_it_is_given():
    few, many = ({"quantities": "log_negativity", "n_atoms": n, "time": 1.0, "dephasing_rate": 0.1} for n in (100, 300))
    assert Sweep(**few) == Sweep(**few, tolerance=1e-8)
    assert Sweep(**many).question["tolerance"] is None
    with jax.enable_x64(False):  # as where the command line reads a file
        assert Sweep(**many).question["tolerance"] is None
    assert Sweep(**many).settings[0:6:5] == (1e-8, 1e-3)
    assert Sweep(**many, tolerance=1e-4).settings.noisy_tolerance == 1e-4
    assert Sweep(**many, collective_rate=0.1).settings.noisy_tolerance == 0.0
    assert plan_sweep(Sweep(**many)).seconds < 10 < plan_sweep(Sweep(**many, tolerance=0)).seconds


def test_complex_and_integer_results_keep_their_kind(tmp_path):
    sweep = Sweep(["amplitudes", "schmidt_coefficients"], 4, [0.5, 1.0], outcomes=3)
    run_sweep(sweep, tmp_path / "complex", tile_points=1)
    dataset = open_sweep(tmp_path / "complex")
    assert dataset.amplitudes.dims == ("time", "first", "last")
    assert dataset.amplitudes.dtype == complex
    np.testing.assert_allclose(dataset.amplitudes[1], oracles.end_to_end(3, 4, 1.0, (3,), (0.0,)), atol=1e-13)
    whole = open_sweep(tmp_path / "complex").amplitudes.load()
    for key in [(slice(None), [2, 0], [1, 4]), ([1], 3, slice(4, 0, -2)), (0, [1, 2], [0, 3, 4])]:
        np.testing.assert_array_equal(dataset.amplitudes[key], whole[key])
    singular = np.linalg.svd(dataset.amplitudes[0].values, compute_uv=False)
    np.testing.assert_allclose(dataset.schmidt_coefficients[0], singular / np.linalg.norm(singular), atol=1e-13)
    sweep = Sweep("sampled_outcomes", 6, ["pi/2", "pi"], n_ensembles=4, n_samples=5, seed=3)
    for points in (1, 2):
        run_sweep(sweep, tmp_path / str(points), tile_points=points)
    drawn = [open_sweep(tmp_path / str(points)).sampled_outcomes for points in (1, 2)]
    assert drawn[0].dims == ("time", "sample", "inner_ensemble")
    assert drawn[0].dtype == np.int64
    np.testing.assert_array_equal(*drawn)  # a point's draws do not depend on its tile
    assert len(np.unique(drawn[0])) > 1
    assert 0 <= drawn[0].values.min() <= drawn[0].values.max() <= 6


def test_averages_are_those_of_the_library(tmp_path):
    run_sweep(Sweep("average_entropy", 5, [0.5, 1.5], phase_offset=[0.0, "pi/8"]), tmp_path)
    dataset = open_sweep(tmp_path)
    for t, phi in itertools.product([0.5, 1.5], [0.0, math.pi / 8]):
        exact = oracles.average_entropy(3, 5, t, phi)
        assert float(dataset.average_entropy.sel(time=t, phase_offset=phi)) == pytest.approx(exact, abs=1e-11)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """One sweep on one device in one tile for each chain: values and the file that asks for it."""
    folder = tmp_path_factory.mktemp("reference")
    (folder / "grid.toml").write_text(
        'quantities = ["entropy", "log_outcome_probability", "amplitudes"]\nn_atoms = [7]\n'
        'time = { start = 0.1, stop = 3.0, count = 6 }\noutcomes = ["N", "N-1"]\nphase_offset = [0.0, 0.2]\n'
    )
    run_sweep(jaxent.read_sweep(folder / "grid.toml"), folder / "results", devices=jax.local_devices()[:1])
    return folder


def assert_same(folder, reference, atol=1e-12):
    found, expected = open_sweep(folder), open_sweep(reference / "results")
    assert found.attrs["points_finished"] == 24
    for name in expected.data_vars:
        np.testing.assert_allclose(found[name].values, expected[name].values, rtol=0, atol=atol)


@pytest.mark.parametrize("points", [1, 8, 7, 100])  # one, a divisor, none, more than there are
def test_results_do_not_depend_on_the_size_of_tiles(reference, tmp_path, points):
    run_sweep(jaxent.read_sweep(reference / "grid.toml"), tmp_path, tile_points=points)
    assert_same(tmp_path, reference)


FOUR_DEVICES = """
import sys, jax
jax.config.update("jax_enable_x64", True)
import jaxent
assert len(jax.local_devices()) == 4
for points in (1, 8, 7, 100):
    jaxent.run_sweep(jaxent.read_sweep(sys.argv[1]), f"{sys.argv[2]}/{points}", tile_points=points)
"""


def test_four_devices_give_what_one_gives(reference, tmp_path):
    command = [sys.executable, "-c", FOUR_DEVICES, str(reference / "grid.toml"), str(tmp_path)]
    run = subprocess.run(
        command, env=os.environ | {"JAX_NUM_CPU_DEVICES": "4"}, capture_output=True, text=True, timeout=200
    )
    assert run.returncode == 0, run.stderr
    for points in (1, 8, 7, 100):
        assert_same(tmp_path / str(points), reference)


TWO_PROCESSES = """
import sys, jax
jax.config.update("jax_enable_x64", True)
import jaxent
from jaxent.sweep.devices import join_processes
process, count = join_processes(sys.argv[3], 2, int(sys.argv[4]))
for points in (1, 8, 7, 100):
    sweep = jaxent.read_sweep(sys.argv[1])
    jaxent.run_sweep(sweep, f"{sys.argv[2]}/{points}", tile_points=points, process=process, n_processes=count)
"""


def test_two_processes_give_what_one_gives(reference, tmp_path, free_port):
    command = [sys.executable, "-c", TWO_PROCESSES, str(reference / "grid.toml"), str(tmp_path)]
    runs = [
        subprocess.Popen([*command, f"localhost:{free_port}", str(process)], stderr=subprocess.PIPE, text=True)
        for process in (0, 1)
    ]
    errors = [run.communicate(timeout=200)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], errors
    for points in (1, 8, 7, 100):
        assert_same(tmp_path / str(points), reference)
    owners = [(tmp_path / "1" / f"tiles-{process}.jsonl").read_text().count("\n") for process in (0, 1)]
    assert owners == [12, 12]


@pytest.mark.usefixtures("quick_compilation")
def test_large_ensembles_go_to_the_band_engine_and_tell_the_error_reached(tmp_path):
    sweep = Sweep("entropy", 10**5, [1.0, 1.3], outcomes=["N", "N-2"])
    done = run_sweep(sweep, tmp_path, tile_points=3)
    assert (done.failures, done.n_impossible) == ([], 0)
    dataset = open_sweep(tmp_path)
    for index, outcome in enumerate([None, 10**5 - 2]):
        direct = jaxent.end_to_end_entropy(jaxent.Chain(3, 10**5), np.array([1.0, 1.3]), outcome)
        np.testing.assert_allclose(dataset.entropy[index], direct, rtol=0, atol=1e-8)
    assert 0 < float(dataset.entropy_error.min()) <= float(dataset.entropy_error.max()) < 1e-8


def test_outcomes_that_cannot_occur_are_nan_and_no_failure(tmp_path):
    sweep = Sweep(["entropy", "log_outcome_probability"], 5, ["0", "pi/2"], outcomes=["N", 2])
    done = run_sweep(sweep, tmp_path)
    assert (done.failures, done.n_impossible) == ([], 1)
    dataset = open_sweep(tmp_path)
    assert np.isnan(dataset.entropy.values).tolist() == [[False, False], [True, False]]
    assert float(dataset.log_outcome_probability[1, 0]) < -60
    assert dataset.attrs["points_impossible"] == 1


def test_results_are_labelled(tmp_path):
    run_sweep(Sweep("entropy", [3, 9], ["pi/2", "2pi/3"], window=[None, 1.5]), tmp_path)
    dataset = open_sweep(tmp_path)
    assert dataset.entropy.dims == ("n_atoms", "window", "time")
    assert dataset.entropy.attrs == {"units": "bit", "long_name": "end-to-end entanglement E"}
    assert dataset.time.attrs["units"] == "1/coupling"
    np.testing.assert_allclose(dataset.time, [math.pi / 2, 2 * math.pi / 3])
    assert dataset.time_numerator.values.tolist() == [1, 2]
    assert dataset.time_denominator.values.tolist() == [2, 3]
    assert dataset.window.values.tolist() == [math.inf, 1.5]
    assert int(dataset.n_ensembles) == 3
    assert "dephasing_rate" not in dataset.coords
    known = {"jaxent_version", "jax_version", "commit", "device", "platform", "tolerance", "key", "question"}
    assert known <= set(dataset.attrs)
    assert dataset.attrs["precision"] == "float64"
    assert json.loads(dataset.attrs["question"])["n_atoms"] == [3, 9]
    with xr.open_dataset(tmp_path / "tile-000001.nc", engine="h5netcdf") as tile:  # readable by itself
        assert tile.entropy.dims == ("point",)
        assert tile.attrs["window"] == 1.5


def test_values_are_read_where_they_are_looked_at(tmp_path):
    run_sweep(Sweep("entropy", [3, 4, 5], Span(0.1, 2.0, 8), outcomes=["N", "N-1"]), tmp_path, tile_points=3)
    dataset = open_sweep(tmp_path)
    whole = open_sweep(tmp_path).entropy.values
    for key in [(1, 0, 2), (slice(None), 1, slice(6, 0, -2)), (0, slice(1, None), -1), ([2, 0], slice(None), [0, 5])]:
        view = dataset.entropy[key]
        index = np.ix_([2, 0], [0, 1], [0, 5]) if isinstance(key[0], list) else key
        np.testing.assert_array_equal(view.values, whole[index])
    for number in range(1, 18):
        (tmp_path / f"tile-{number:06d}.nc").unlink()
    assert open_sweep(tmp_path).entropy[0, 0, :3].values.tolist() == whole[0, 0, :3].tolist()  # one file is enough
    with pytest.raises(ValueError, match=r"tile-000001.nc is damaged or missing; run the sweep again"):
        open_sweep(tmp_path).entropy[0, 0, :4].load()


def test_an_unfinished_sweep_opens_with_nan(tmp_path):
    sweep = Sweep(["entropy", "amplitudes"], 3, [0.1, 0.2, 0.3, 0.4])
    run_sweep(sweep, tmp_path, tile_points=1)
    (tmp_path / "tiles-0.jsonl").write_bytes(b"".join((tmp_path / "tiles-0.jsonl").read_bytes().splitlines(True)[:2]))
    dataset = open_sweep(tmp_path)
    assert dataset.attrs["points_finished"] == 2
    assert np.isnan(dataset.entropy.values).tolist() == [False, False, True, True]
    assert np.isnan(dataset.amplitudes.values).any(axis=(1, 2)).tolist() == [False, False, True, True]


@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_exports_hold_all_of_it(tmp_path, ending):
    run_sweep(Sweep(["entropy", "amplitudes"], 3, [0.1, 0.2], outcomes=["N", "N-1"]), tmp_path / "results")
    target = tmp_path / f"all.{ending}"
    for _ in range(2):  # the second replaces the first
        assert export_sweep(tmp_path / "results", target) == target
    whole = open_sweep(tmp_path / "results").load()
    opened = xr.open_dataset(target) if ending == "nc" else xr.open_zarr(target, consolidated=False, chunks=None)
    with opened:
        xr.testing.assert_identical(opened.load().drop_vars("outcomes"), whole.drop_vars("outcomes"))
        assert [str(one) for one in opened.outcomes.values] == ["N", "N-1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([target.name, "results"])


def test_equal_questions_have_equal_keys():
    one = Sweep("entropy", np.array([10, 20]), jaxent.pi_fraction(1, np.array([2, 4])), phase_offset="pi/4")
    same = Sweep(["entropy"], (10, 20), ["pi/2", "2pi/8"], window="full", phase_offset=math.pi / 4, outcomes="N")
    assert one == same
    assert one.key == same.key
    assert hash(one) == hash(same)
    zero = Sweep("entropy", 10, -0.0, outcomes=["N-0", "N-01"], phase_offset=jax.numpy.array([-0.0, 0.5]))
    assert zero.key == Sweep("entropy", 10, 0.0, outcomes=["N", "N-1"], phase_offset=[jax.numpy.zeros(()), 0.5]).key
    assert one.key != Sweep(["entropy"], (10, 20), ["pi/2", "pi/3"], phase_offset="pi/4").key
    assert one.key != Sweep(["entropy"], (10, 20), ["pi/2", "pi/4"], phase_offset="pi/4", tolerance=1e-9).key


def test_times_that_are_multiples_of_pi_stay_exact():
    sweep = Sweep("entropy", 10, Span(0, "pi", 7))
    times = sweep.values("time", sweep.chains[0])
    assert times.numerator.tolist() == [0, 1, 1, 1, 2, 5, 1]
    assert times.denominator.tolist() == [1, 6, 3, 2, 3, 6, 1]
    logarithmic = Sweep("entropy", 10, Span("pi/100", "pi", 3, "log"))
    np.testing.assert_allclose(logarithmic.values("time", sweep.chains[0]), math.pi * np.array([0.01, 0.1, 1]))


def test_tiles_cover_every_point_once_and_fit_the_budget():
    sweep = Sweep("entropy", [10, 1000], Span(0.0, 3.0, 1001), window=2.0)
    for points in (None, 1, 7, 1001, 5000):
        plan = plan_sweep(sweep, points)
        covered = [(tile.group, point) for tile in plan.tiles() for point in range(tile.start, tile.stop)]
        assert covered == list(itertools.product([0, 1], range(1001)))
    countless = plan_sweep(Sweep("average_entropy", 1000, 1.0, n_ensembles=200))  # 1001^198 outcomes
    assert 1e150 < countless.seconds < math.inf
    many = make_plan(Sweep("entropy", 100, Span(0.0, 3.0, 10**7)))
    assert many.tile_bytes < 2**29
    assert 2 < many.groups[0].n_tiles < 10**5


def test_a_tile_that_does_not_fit_is_halved(tmp_path, monkeypatch):
    """Programs for more than three points run out of memory; the values are the same."""
    program = evaluate._program
    sizes = []

    def limited(*arguments):
        whole = program(*arguments)

        def run(points):
            sizes.append(len(points.index))
            if len(points.index) > 3:
                raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")
            return whole(points)

        return run

    sweep = Sweep("entropy", 4, Span(0.1, 1.0, 10))
    run_sweep(sweep, tmp_path / "whole")
    monkeypatch.setattr(evaluate, "_program", limited)
    done = run_sweep(sweep, tmp_path / "halved", devices=jax.local_devices()[:1])
    assert done.failures == []
    assert sizes[:3] == [10, 5, 3]
    np.testing.assert_allclose(
        open_sweep(tmp_path / "halved").entropy, open_sweep(tmp_path / "whole").entropy, atol=1e-13
    )


def test_what_fails_is_recorded_and_the_rest_goes_on(tmp_path, monkeypatch):
    sweep = Sweep("entropy", [4, 5], Span(0.1, 1.0, 6))
    at = jaxent.sweep.QUANTITIES["entropy"].at

    def broken(chain, point, settings):
        found = at(chain, point, settings)
        bad = (point.index == 2) & (chain.n_atoms == 4)
        return found | {"entropy": jax.numpy.where(bad, jax.numpy.nan, found["entropy"])}

    import dataclasses

    quantity = dataclasses.replace(jaxent.sweep.QUANTITIES["entropy"], at=broken)
    with monkeypatch.context() as patched:
        patched.setitem(jaxent.sweep.QUANTITIES, "entropy", quantity)
        done = run_sweep(sweep, tmp_path)
    assert [(chain, failure.start, failure.stop, failure.error) for chain, failure in done.failures] == [
        (str(jaxent.Chain(3, 4)), 2, 3, "entropy not finite")
    ]
    dataset = open_sweep(tmp_path)
    assert np.isnan(dataset.entropy.values).sum() == 1
    assert dataset.attrs["points_failed"] == 1
    assert dataset.attrs["first_failure"] == "entropy not finite"
    again = run_sweep(sweep, tmp_path)
    assert (again.n_computed, len(again.failures)) == (0, 1)
    again = run_sweep(sweep, tmp_path, retry_failed=True)
    assert (again.n_computed, again.failures) == (6, [])
    assert np.isfinite(open_sweep(tmp_path).entropy.values).all()


def test_a_refusal_of_one_chain_is_told_once(tmp_path):
    sweep = Sweep("log_negativity", [3, 2000], [0.1, 0.2, 0.3], dephasing_rate=0.1, tolerance=0)
    done = run_sweep(sweep, tmp_path, tile_points=3)
    assert [(failure.start, failure.stop) for _, failure in done.failures] == [(0, 3)]
    assert "use a smaller window" in done.failures[0][1].error
    assert np.isfinite(open_sweep(tmp_path).log_negativity.values).tolist() == [[True] * 3, [False] * 3]


def test_what_refuses_does_not_take_other_quantities_with_it_and_is_counted_once(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda: 2**26)
    quantities = ["schmidt_coefficients", "log_outcome_probability", "average_entropy"]
    sweep = Sweep(quantities, 4000, [0.1, 0.2], phase_offset=0.1)
    done = run_sweep(sweep, tmp_path, devices=jax.local_devices()[:1], tile_points=2)
    assert [(failure.start, failure.stop) for _, failure in done.failures] == [(0, 2)]
    dataset = open_sweep(tmp_path)
    assert dataset.attrs["points_failed"] == 2
    assert np.isnan(dataset.schmidt_coefficients).all()
    assert np.isnan(dataset.average_entropy).all()
    exact = jaxent.log_outcome_probability(jaxent.Chain(3, 4000), np.array([0.1, 0.2]), None, 0.1)
    np.testing.assert_allclose(dataset.log_outcome_probability, exact, rtol=1e-12)


def test_a_result_that_does_not_fit_in_memory_is_refused_before_the_start(tmp_path):
    with pytest.raises(ValueError, match=r"The result of one point of Chain.* needs .* GiB, .* use a smaller window"):
        run_sweep(Sweep("amplitudes", 10**7, 0.1), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_progress_tells_rate_and_time_left(tmp_path):
    seen = []
    run_sweep(Sweep("entropy", [3, 4], Span(0.1, 1.0, 10)), tmp_path, tile_points=5, report=seen.append)
    assert [one.points_done for one in seen] == [5, 10, 15, 20]
    assert {one.n_points for one in seen} == {20}
    assert all(one.points_per_second > 0 for one in seen)
    assert seen[-1].seconds_left == pytest.approx(0, abs=1e-9)
    assert seen[0].seconds_left > 0


@pytest.mark.parametrize(
    ("quantity", "n_atoms", "knobs"),
    [
        ("log_outcome_probability", 3000, {"phase_offset": 0.1}),
        ("amplitudes", 200, {}),
        ("dephased_log_probability", 200, {"dephasing_rate": 0.1}),
        ("outcome_probability", 100, {"n_ensembles": 4}),
    ],
)
def test_the_memory_that_is_planned_for_a_tile_is_what_its_program_takes(
    quantity, n_atoms, knobs, tmp_path, monkeypatch
):
    taken = []
    monkeypatch.setattr(memory, "check_memory", lambda needed, what, *_, **_keywords: taken.append((what, needed)))
    sweep, devices = Sweep(quantity, n_atoms, Span(0.1, 1.0, 8), **knobs), jax.local_devices()[:1]
    planned = plan_sweep(sweep, 8, devices).tile_bytes
    run_sweep(sweep, tmp_path, tile_points=8, devices=devices)
    needed = max(needed for what, needed in taken if what.startswith("A tile of"))
    assert planned / 2 < needed < 2 * planned


def test_a_tile_beyond_the_free_memory_is_halved_before_it_runs(tmp_path, monkeypatch):
    sweep = Sweep("amplitudes", 200, Span(0.1, 1.0, 8))
    run_sweep(sweep, tmp_path / "whole", devices=jax.local_devices()[:1])
    refused, check = [], memory.check_memory

    def counted(needed, what, *rest):
        try:
            check(needed, what, *rest)
        except ValueError:
            refused.append(what)
            raise

    monkeypatch.setattr(memory, "check_memory", counted)
    monkeypatch.setattr(memory, "free_bytes", lambda: 6 * 2**20)
    done = run_sweep(sweep, tmp_path / "halved", tile_points=8, devices=jax.local_devices()[:1])
    assert done.failures == []
    assert refused
    np.testing.assert_allclose(
        open_sweep(tmp_path / "halved").amplitudes, open_sweep(tmp_path / "whole").amplitudes, atol=1e-14
    )


def test_exact_times_from_texts_arrays_and_a_file_are_one_question(tmp_path):
    times = jaxent.pi_fractions_up_to(7)
    texts = [f"{p}pi/{r}" for p, r in zip(times.numerator.tolist(), times.denominator.tolist(), strict=True)]
    path = tmp_path / "grid.toml"
    path.write_text('quantities = ["entropy"]\nn_atoms = 5\ntime = { magic_up_to = 7 }\n')
    asked = [Sweep("entropy", 5, times), Sweep("entropy", 5, texts), jaxent.read_sweep(path)]
    assert len({one.key for one in asked}) == 1
    assert asked[0].time[:3] == ("2pi/7", "pi/3", "2pi/5")
    with pytest.raises(ValueError, match="must not hold a value twice"):
        Sweep("entropy", 5, jaxent.PiFraction(np.array([1, 2]), np.array([2, 4])))
