"""Sweeps over times that differ from bond to bond: one row of times for each point."""

import itertools
import json

import jax
import numpy as np
import oracles
import pytest
import xarray as xr

import jaxent
from jaxent import BondTimes, Chain, Sweep, open_sweep, pi_fraction, run_sweep
from jaxent.plot import views
from jaxent.runtime import memory
from jaxent.sweep import QuestionError, export_sweep, plan_sweep
from jaxent.sweep.quantities import is_planned
from jaxent.sweep.spec import asked

FLOATS = np.array([[0.3, 1.1, 0.7], [0.4, 0.4, 0.4], [0.9, 0.2, 2.0]])
EXACT = pi_fraction(np.array([[1, 2, 0], [1, 1, 1], [1, 3, 1]]), np.array([[2, 3, 1], [3, 3, 3], [5, 7, 4]]))
BRUTE_FORCE = {
    "entropy": oracles.entropy_bits,
    "renyi_entropy": lambda amplitudes: oracles.renyi_bits(amplitudes, 0.5),
    "schmidt_coefficients": oracles.schmidt,
    "amplitudes": np.asarray,
    "log_outcome_probability": lambda amplitudes: np.log(oracles.probability(amplitudes)),
    "outcome_probability": oracles.probability,
}


def test_every_quantity_agrees_with_brute_force(tmp_path):
    sweep = Sweep([*BRUTE_FORCE], 3, BondTimes(FLOATS[:, :2]), outcomes=["N", "N-1"], phase_offset=0.3)
    assert sweep.axes == {"outcomes": 2, "time": 3}
    done = run_sweep(sweep, tmp_path, tile_points=4)
    assert (done.n_computed, done.failures, done.n_impossible) == (6, [], 0)
    results = open_sweep(tmp_path).load()
    for index, row in itertools.product(range(2), range(3)):
        amplitudes = oracles.end_to_end(3, 3, FLOATS[row, :2], [3 - index], 0.3)
        for name, of_amplitudes in BRUTE_FORCE.items():
            found = results[name].isel(outcomes=index).sel(time=row)
            np.testing.assert_allclose(found, of_amplitudes(amplitudes), rtol=0, atol=1e-11)


@pytest.mark.parametrize("times", [FLOATS[:, :2], EXACT[:, :2]], ids=["floats", "exact"])
def test_values_are_those_of_the_librarys_own_functions(tmp_path, times):
    run_sweep(Sweep(["entropy", "amplitudes"], 3, BondTimes(times), outcomes=2), tmp_path)
    results, arguments = open_sweep(tmp_path), (Chain(3, 3), BondTimes(times), 2)
    np.testing.assert_allclose(results.entropy, jaxent.end_to_end_entropy(*arguments), rtol=0, atol=1e-12)
    np.testing.assert_allclose(results.amplitudes, jaxent.end_to_end_amplitudes(*arguments), rtol=0, atol=1e-13)


@pytest.mark.usefixtures("quick_compilation")
def test_averages_agree_with_brute_force(tmp_path):
    run_sweep(Sweep("average_entropy", 3, BondTimes(FLOATS[:, :2])), tmp_path)
    expected = [oracles.average_entropy(3, 3, row[:2]) for row in FLOATS]
    np.testing.assert_allclose(open_sweep(tmp_path).average_entropy, expected, rtol=0, atol=1e-11)


@pytest.mark.usefixtures("quick_compilation")
def test_equal_times_of_all_bonds_draw_what_one_time_draws(tmp_path):
    """A draw depends on the number of its point alone."""
    drawn = []
    for name, times in [("one", [0.3, 1.1]), ("bonds", BondTimes([[0.3, 0.3], [1.1, 1.1]]))]:
        assert run_sweep(Sweep("sampled_outcomes", 3, times, n_samples=20, seed=4), tmp_path / name).failures == []
        drawn.append(open_sweep(tmp_path / name).sampled_outcomes.values)
    np.testing.assert_array_equal(*drawn)
    assert len(np.unique(drawn[0])) > 1


def test_a_chain_of_two_has_rows_of_one_time(tmp_path):
    run_sweep(Sweep("entropy", 3, BondTimes([[0.3], [1.1]]), 2), tmp_path)
    expected = [oracles.entropy_bits(oracles.end_to_end(2, 3, time)) for time in (0.3, 1.1)]
    np.testing.assert_allclose(open_sweep(tmp_path).entropy, expected, rtol=0, atol=1e-11)


@pytest.mark.usefixtures("quick_compilation")
def test_multiples_of_pi_stay_exact_in_evaluation(tmp_path):
    chain, times = Chain(3, 10**6, 0.02), pi_fraction(1, np.array([[3, 7], [5, 9]]))
    run_sweep(Sweep("amplitudes", 10**6, BondTimes(times), window=0.02), tmp_path)
    exact, rounded = (jaxent.end_to_end_amplitudes(chain, BondTimes(one)) for one in (times, times.value))
    np.testing.assert_allclose(open_sweep(tmp_path).amplitudes, exact, rtol=0, atol=1e-12 * float(abs(exact).max()))
    assert abs(rounded - exact).max() > 1e-6 * abs(exact).max()  # phases of 10^12 times a rounding


@pytest.mark.usefixtures("quick_compilation")
def test_many_atoms_take_dense_matrices(tmp_path):
    """The band engine takes one time for all bonds; of a window the error is then unknown."""
    sweep = Sweep("entropy", 520, BondTimes([0.3, 0.4]), window=[None, 3.0])
    assert not is_planned("entropy", sweep.chains[0], sweep.settings, True, True)
    assert run_sweep(sweep, tmp_path).failures == []
    results, times = open_sweep(tmp_path), BondTimes(np.array([0.3, 0.4]))
    assert results.entropy.dims == ("window",)
    for index, window in enumerate([None, 3.0]):
        expected = jaxent.end_to_end_entropy(Chain(3, 520, window), times)
        assert float(results.entropy[index]) == pytest.approx(float(expected), abs=1e-10)
    np.testing.assert_array_equal(results.entropy_error, [0.0, np.nan])


def test_rows_whose_outcomes_cannot_occur_are_nan(tmp_path):
    sweep = Sweep("entropy", 5, BondTimes([[0.0, 0.0], [0.2, 0.5]]), outcomes=2)
    done = run_sweep(sweep, tmp_path)
    assert (done.failures, done.n_impossible) == ([], 1)
    assert np.isnan(open_sweep(tmp_path).entropy).values.tolist() == [True, False]


@pytest.mark.parametrize("quantity", ["entropy", "log_outcome_probability"])
def test_the_memory_that_is_planned_for_a_tile_is_what_its_program_takes(quantity, tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(memory, "check_memory", lambda needed, what, *_, **_keywords: taken.append((what, needed)))
    times = BondTimes(np.linspace(0.1, 1.0, 16).reshape(8, 2))
    sweep, devices = Sweep(quantity, 150, times, phase_offset=0.1), jax.local_devices()[:1]
    planned = plan_sweep(sweep, 8, devices).tile_bytes
    run_sweep(sweep, tmp_path, tile_points=8, devices=devices)
    needed = max(needed for what, needed in taken if what.startswith("A tile of"))
    assert planned / 2 < needed < 2 * planned


# -------------------------------------------------------------------------- questions


def test_equal_questions_have_equal_keys_and_come_back_from_files(tmp_path):
    texts = [["pi/2", "2pi/3", 0], ["pi/3", "2pi/6", "pi/3"], ["pi/5", "3pi/7", "0.25pi"]]
    start = 'quantities = ["entropy"]\nn_atoms = 3\nn_ensembles = 4\n'
    for times, written in [
        (BondTimes(EXACT), f"time.bonds = {json.dumps(texts)}"),
        (BondTimes(EXACT[0]), f"time = {{ bonds = {json.dumps(texts[0])} }}"),
        (BondTimes(jax.numpy.asarray(FLOATS)), f"time.bonds = {FLOATS.tolist()}"),
        (BondTimes(FLOATS[1]), f"time.bonds = {FLOATS[1].tolist()}"),
        (BondTimes([(0.1, -0.0, 1)]), "time.bonds = [[0.1, 0.0, 1.0]]"),
    ]:
        sweep = Sweep("entropy", 3, times, 4)
        (tmp_path / "grid.toml").write_text(start + written)
        read, stored = jaxent.read_sweep(tmp_path / "grid.toml"), asked(json.loads(json.dumps(sweep.question)))
        assert sweep == read == stored
        assert sweep.key == read.key == stored.key
        assert hash(sweep) == hash(read) == hash(stored)
        assert Sweep("entropy", 3, sweep.time, 4) == sweep  # what is canonical stays as it is
    keys = {
        Sweep("entropy", 3, BondTimes(one), 4).key for one in (EXACT, EXACT.value, EXACT[:1], EXACT[0], EXACT[::-1])
    }
    assert len(keys) == 5


@pytest.mark.parametrize(
    ("times", "knobs", "sentence"),
    [
        (FLOATS, {"n_ensembles": 3}, "`time` must hold 2 times, one for each bond of n_ensembles = 3, but holds [0.3"),
        ([[0.1, 0.2], [0.3]], {}, "`time` must hold 2 times, one for each bond of n_ensembles = 3, but holds [0.3]."),
        ([[0.1, 0.2]], {"n_ensembles": [3, 4]}, "`n_ensembles` must be one value where the times are BondTimes, but"),
        ([[0.1, 0.2]], {"quantities": ["entropy", "log_negativity"], "dephasing_rate": 0.1}, "`dephasing_rate` must"),
        (
            [0.1, 0.2],
            {"quantities": "log_negativity", "dephasing_rate": 0.1},
            "`time` must be the same for all bonds for log_negativity, but is BondTimes.",
        ),
        ([[0.1, "pi"]], {}, "`time` must hold either numbers or multiples of π, but holds both"),
        ([[0.1, 0.2], [0.1, 0.2]], {}, "`time` must not hold a value twice."),
        ([[0, "pi"], ["0pi", "pi"]], {}, "`time` must not hold a value twice."),
        ([0.1, [0.2, 0.3]], {}, "`time` must hold either numbers or lists, but holds both."),
        ([[[0.1, 0.2]]], {}, "`time` must be a finite number, but is [0.1, 0.2]."),
        (pi_fraction(np.ones((1, 1, 2), int), 3), {}, "`time` must be a finite number, but is [π/3, π/3]."),
        ([0.1, np.nan], {}, "`time` must be a finite number, but is nan."),
        ([0.1, 2e6], {}, "`time` must be at most 1e+06 in magnitude, but holds 2e+06."),
        ([], {}, "`time` must hold a time for each bond, or rows of them, but holds []."),
        (0.1, {}, "`time` must hold a time for each bond, or rows of them, but holds 0.1."),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_sentence(times, knobs, sentence):
    with pytest.raises(QuestionError) as refused:
        Sweep(**({"quantities": "entropy", "n_atoms": 3, "time": BondTimes(times)} | knobs))
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 250


def test_a_list_in_the_list_of_times_is_pointed_to_its_own_key():
    with pytest.raises(
        QuestionError, match=r"holds \[0\.1, 0\.2\]; a time for each bond is given by BondTimes, in a file"
    ):
        Sweep("entropy", 3, [[0.1, 0.2], [0.3, 0.4]])
    with pytest.raises(QuestionError, match=r"`phase_offset` must be a finite number, but is BondTimes"):
        Sweep("entropy", 3, 0.1, phase_offset=BondTimes([0.1, 0.2]))


def test_an_interrupted_sweep_goes_on_and_another_is_told_apart(tmp_path):
    sweep = Sweep("entropy", 3, BondTimes(EXACT), 4)
    run_sweep(sweep, tmp_path / "whole", tile_points=1)

    def stop(progress):
        if progress.points_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, tmp_path / "stopped", tile_points=1, report=stop)
    part = open_sweep(tmp_path / "stopped")
    assert np.isnan(part.entropy).values.tolist() == [False, False, True]
    assert part.bond_times.shape == (3, 3)
    other = Sweep("entropy", 3, BondTimes(EXACT[[0, 2, 1]]), 4)
    with pytest.raises(ValueError, match=r"another sweep, which differs in time: \{\"bonds\": .*choose another folder"):
        run_sweep(other, tmp_path / "stopped")
    assert run_sweep(sweep, tmp_path / "stopped").n_computed == 1
    found, whole = open_sweep(tmp_path / "stopped"), open_sweep(tmp_path / "whole")
    assert found.entropy.values.tobytes() == whole.entropy.values.tobytes()
    expected = [oracles.entropy_bits(oracles.end_to_end(4, 3, row, [3, 3])) for row in EXACT.value]
    np.testing.assert_allclose(whole.entropy, expected, rtol=0, atol=1e-11)


# ---------------------------------------------------------------------------- results


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results over rows of exact times and two offsets."""
    path = tmp_path_factory.mktemp("bonds") / "rows.results"
    run_sweep(Sweep("outcome_probability", 3, BondTimes(EXACT), 4, phase_offset=[0.0, 0.2]), path)
    return path


def test_results_hold_the_times_of_all_bonds(folder, tmp_path):
    results = open_sweep(folder)
    assert results.outcome_probability.dims == ("phase_offset", "time")
    assert results.time.values.tolist() == [0, 1, 2]
    assert results.time.attrs == {"units": "1", "long_name": "row of the bond times"}
    assert results.bond.values.tolist() == [1, 2, 3]
    assert results.bond_times.dims == ("time", "bond")
    assert results.bond_times.attrs == {"units": "1/coupling", "long_name": "interaction time t"}
    np.testing.assert_array_equal(results.bond_times, EXACT.value)
    np.testing.assert_array_equal(results.bond_times_numerator, EXACT.numerator)
    np.testing.assert_array_equal(results.bond_times_denominator, EXACT.denominator)
    np.testing.assert_array_equal(results.sel(time=2).bond_times, EXACT.value[2])
    late = results.outcome_probability.where(results.bond_times.sel(bond=1) > 1, drop=True)
    assert late.time.values.tolist() == [0, 1]
    for ending in ("nc", "zarr"):
        target = export_sweep(folder, tmp_path / f"all.{ending}")
        with jaxent.sweep.open_export(target) as opened:
            xr.testing.assert_identical(
                opened.load().drop_vars("outcomes"), open_sweep(folder).load().drop_vars("outcomes")
            )


def test_one_row_is_no_axis(tmp_path):
    sweep = Sweep("outcome_probability", 3, BondTimes(["pi/2", "pi/3"]), phase_offset=[0.0, 0.2])
    run_sweep(sweep, tmp_path)
    results = open_sweep(tmp_path)
    assert sweep.axes == dict(results.outcome_probability.sizes) == {"phase_offset": 2}
    assert "time" not in results.coords
    assert results.bond_times.dims == ("bond",)
    assert results.bond_times_denominator.values.tolist() == [2, 3]
    assert views.make_view(results).title == "M = 3, N = 3, full basis, q = N, t = π/2 π/3"


def test_a_plot_draws_rows_by_their_number_and_names_their_times(folder):
    view = views.make_view(open_sweep(folder))
    assert (view.x.name, view.x.label, view.x.logarithmic) == ("time", "row of the bond times", False)
    assert view.x.values.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(view.values[0], open_sweep(folder).outcome_probability)
    lines = views.make_view(open_sweep(folder), x="phase_offset").lines
    assert lines is not None
    assert lines.texts == ["t = π/2 2π/3 0 (row 0)", "t = π/3 π/3 π/3 (row 1)", "t = π/5 3π/7 π/4 (row 2)"]
    one = views.make_view(open_sweep(folder), x="phase_offset", at=["time=2"])
    assert one.title == "M = 4, N = 3, full basis, q = N, t = π/5 3π/7 π/4 (row 2)"
    np.testing.assert_array_equal(one.values[0, 0], open_sweep(folder).outcome_probability[:, 2])
    with pytest.raises(ValueError, match=r"`at` must give time a value .* gives 'pi/5'; there are 0, 1 and 2\.$"):
        views.make_view(open_sweep(folder), at=["time=pi/5"])


def test_close_rows_read_differently():
    times = [[0.3, 0.5], [0.3, 0.500001]]
    data = xr.Dataset(
        {"value": (("n_atoms", "time"), np.ones((2, 2)))},
        {"n_atoms": [3, 4], "time": [0, 1], "bond_times": (("time", "bond"), times)},
    )
    lines = views.make_view(data, x="n_atoms").lines
    assert lines is not None
    assert lines.texts == ["t = 0.0954929659π 0.159154943π (row 0)", "t = 0.0954929659π 0.159155261π (row 1)"]
