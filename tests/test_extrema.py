"""The finder of peaks and dips against dense grids of plain NumPy and `scipy.signal`."""

import math
import re

import jax
import numpy as np
import oracles
import pytest
import scipy.signal

import jaxent
from jaxent import Chain
from jaxent.analysis import extrema
from jaxent.protocol import dispatch

pytestmark = pytest.mark.usefixtures("quick_compilation")


def entropy(chain, time, outcomes, offset):
    """E by the oracle that sums ensemble after ensemble."""
    m, n = chain.n_ensembles, chain.n_atoms
    matrix = oracles.end_to_end_stepwise(m, n, time, outcomes or [n] * (m - 2), offset)
    return oracles.entropy_bits(matrix)


def check_against_a_dense_grid(chain, start, stop, outcomes=None, offset=0.0, min_prominence=0.05, points=3001):
    """Same extrema, not one more or less, with the same values and prominences, as on a grid 100 times as fine."""
    found = jaxent.find_extrema(chain, start, stop, outcomes, offset, min_prominence=min_prominence)
    times, step = np.linspace(start, stop, points, retstep=True)
    curve = np.array([entropy(chain, t, outcomes, offset) for t in times])
    slack = 4 * (chain.n_atoms * step) ** 2 + 1e-9  # what a grid misses of a rounded top
    index, is_peak, prominence = [], [], []
    for sign in (1, -1):
        peaks = scipy.signal.find_peaks(sign * curve)[0]
        index += peaks.tolist()
        is_peak += [sign > 0] * len(peaks)
        prominence += scipy.signal.peak_prominences(sign * curve, peaks)[0].tolist()
    order = np.argsort(index)
    index, is_peak, prominence = (np.array(x)[order] for x in (index, is_peak, prominence))
    certain, possible = prominence > min_prominence + slack, prominence > min_prominence - slack
    inside = (found.time > start + step) & (found.time < stop - step)  # scipy's are never on an end
    nearest = [int(np.argmin(abs(found.time - times[i]))) for i in index[certain]]
    np.testing.assert_allclose(found.time[nearest], times[index[certain]], atol=1.5 * step)
    np.testing.assert_array_equal(found.is_peak[nearest], is_peak[certain])
    np.testing.assert_allclose(found.prominence[nearest], prominence[certain], atol=slack)
    assert certain.sum() <= inside.sum() <= possible.sum()
    for time, value, peak in zip(found.time, found.entropy, found.is_peak, strict=True):
        here = entropy(chain, time, outcomes, offset)
        assert value == pytest.approx(here, abs=1e-9)
        around = curve[abs(times - time) < 1.5 * step]
        assert ((around <= here + 1e-10) if peak else (around >= here - 1e-10)).all()
    return found


def test_a_shallow_dip_by_a_slope_is_no_deeper_than_its_lower_shore():
    found = check_against_a_dense_grid(Chain(4, 6), 0.2, 3.0, min_prominence=0.01)
    dip = np.argmin(abs(found.time - 1.869274815))
    assert found.prominence[dip] == pytest.approx(0.01735, abs=1e-4)


def test_of_two_close_dips_the_deeper_one_is_found():
    found = check_against_a_dense_grid(Chain(3, 12), 1.4, 1.75, points=1001)
    assert found.time[~found.is_peak] == pytest.approx([1.5572894833], abs=1e-9)


@pytest.mark.parametrize(
    ("chain", "start", "stop", "outcomes", "offset"),
    [
        (Chain(3, 11), 1.8, 2.4, [7], 0.4),
        pytest.param(Chain(2, 14), 0.3, 1.1, None, 0.0, marks=pytest.mark.thorough),
        pytest.param(Chain(3, 14), 0.05, 1.0, [3], 0.1, marks=pytest.mark.thorough),
        pytest.param(Chain(4, 6), 0.2, 3.0, [6, 0], 0.3, marks=pytest.mark.thorough),
        pytest.param(Chain(4, 9), 0.3, 1.5, [7, 2], [0.2, -0.1], marks=pytest.mark.thorough),
    ],
)
def test_extrema_are_those_of_a_dense_grid(chain, start, stop, outcomes, offset):
    check_against_a_dense_grid(chain, start, stop, outcomes, offset)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(12))
def test_extrema_of_random_chains_are_those_of_a_dense_grid(seed):
    rng = np.random.default_rng(seed)
    chain = Chain(int(rng.integers(2, 5)), int(rng.integers(2, 15)))
    outcomes = rng.integers(chain.n_atoms // 2, chain.n_atoms + 1, chain.n_ensembles - 2).tolist() or None
    offset = rng.uniform(-0.5, 0.5, chain.n_ensembles - 2) if outcomes else 0.0
    start = rng.uniform(0, 2)
    check_against_a_dense_grid(chain, start, start + rng.uniform(0.5, 1.1), outcomes, offset, 0.02)


def test_the_prominence_of_a_peak_is_over_the_higher_saddle():
    """A curve drawn by hand: time, E, dE/dt of its turning points."""
    curve = extrema._Curve(
        np.arange(7.0), np.array([[0.0, 3.0, 2.0, 4.0, 1.0, 2.0, 1.5]] + 3 * [[0.0] * 7]), *np.zeros((3, 6))
    )
    inner = slice(1, 6)
    is_peak = np.array([True, False, True, False, True])
    found = extrema._Found(curve.time[:5], curve.time[2:], curve.time[inner], curve.sample[0, inner], is_peak)
    assert extrema._prominences(found, curve, (0.0, 6.0)).tolist() == [1.0, 1.0, 3.0, 1.0, 0.5]


@pytest.mark.parametrize("end", ["start", "stop"])
def test_an_extremum_on_an_end_counts_over_its_one_side(end):
    ends = {"start": (math.pi, 3.6), "stop": (2.7, math.pi)}[end]
    found = jaxent.find_extrema(Chain(3, 12), *ends)
    times = np.linspace(*ends, 401)
    curve = [entropy(Chain(3, 12), t, None, 0.0) for t in times]
    at_end = int(np.argmin(abs(found.time - math.pi)))
    assert found.time[at_end] == pytest.approx(math.pi, abs=1e-10)
    assert (found.levels[at_end], found.is_peak[at_end]) == (2, False)
    assert found.prominence[at_end] == pytest.approx(max(curve) - 1.0, abs=1e-3)


def test_where_the_outcomes_cannot_occur_the_curve_has_a_gap():
    found = jaxent.find_extrema(Chain(3, 11), 0.0, 0.4, [10])
    assert np.isfinite(found.entropy).all()
    with pytest.raises(ValueError, match=r"`outcomes` cannot occur at any time"):
        jaxent.find_extrema(Chain(3, 11), 0.0, 1e-200, [10])


def test_where_the_digits_of_the_slope_are_lost_the_interval_is_refused(monkeypatch):
    """Where E itself is computed in more digits, and where that would take too long."""
    words = r"`outcomes` = \[6, 0\] can hardly occur at times from (\S+) to (0\.\d+), where .* `start` and `stop`"
    chain = Chain(4, 6)
    for most in (0, dispatch._MOST_OPERATIONS):
        monkeypatch.setattr(dispatch, "_MOST_OPERATIONS", most)
        with pytest.raises(ValueError, match=words) as error:
            jaxent.find_extrema(chain, 0.0, 0.2, [6, 0], points_per_dip=40.0)
    first, last = map(float, re.search(words, str(error.value)).groups())
    assert 0 < first < last < 0.2
    slope = jax.jit(jax.grad(lambda t: jaxent.end_to_end_entropy(chain, t, [6, 0])))
    assert np.isnan([slope(first), slope(last)]).all()
    assert np.isfinite(slope(2 * last))


def test_roots_are_found_to_the_last_digits():
    wanted = np.array([0.1, 0.5, 0.9])
    found = extrema._roots(
        lambda t: (t - wanted) ** 3 + 1e-3 * (t - wanted), np.zeros(3), np.ones(3), lambda share: None
    )
    np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.thorough
def test_large_ensembles_are_searched_by_the_band_engine():
    n = 10**5
    found = jaxent.find_extrema(Chain(3, n), math.pi - 3 / n, math.pi + 3 / n, min_prominence=0.2)
    dip = found.levels == 2
    assert found.time[dip] == pytest.approx([math.pi], abs=1e-10)
    assert found.entropy[dip] == pytest.approx([1.0], abs=1e-8)


@pytest.mark.thorough
def test_the_finder_recovers_all_magic_times_up_to_eight_unaided():
    shares = []
    found = jaxent.find_extrema(jaxent.Chain(3, 400, 6.0), report=shares.append)
    dips, expected = found.time[~found.is_peak], jaxent.magic_times(400, 8)
    distance = abs(dips[:, None] - np.asarray(expected.time.value))
    assert distance.min(axis=0).max() < 1e-10
    np.testing.assert_array_equal(found.levels[~found.is_peak][distance.argmin(axis=0)], expected.levels)
    np.testing.assert_allclose(found.entropy[~found.is_peak][distance.argmin(axis=0)], expected.limit, atol=0.02)
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


@pytest.mark.parametrize(("n_atoms", "levels"), [(6, 2), (7, 2), (40, 3)])
def test_flat_bottoms_are_found_as_sharply(n_atoms, levels):
    """For few atoms dE/dt is below rounding for 1e-7 around a magic time."""
    time = 2 * np.pi / levels
    found = jaxent.find_extrema(jaxent.Chain(3, n_atoms), time - 0.1, min(time + 0.1, np.pi), min_prominence=1e-3)
    assert abs(found.time[found.levels == levels] - time).min() < 1e-10


@pytest.mark.thorough
@pytest.mark.parametrize("levels", [2, 4])
def test_flat_bottoms_of_many_atoms_are_found_as_sharply(levels):
    test_flat_bottoms_are_found_as_sharply(40, levels)


@pytest.mark.thorough
def test_between_peaks_there_are_dips():
    found = jaxent.find_extrema(jaxent.Chain(3, 60), 0.5, 2.0, min_prominence=1e-3)
    assert (found.is_peak[1:] != found.is_peak[:-1]).all()
    fewer = jaxent.find_extrema(jaxent.Chain(3, 60), 0.5, 2.0, min_prominence=0.3)
    assert 0 < len(fewer.time) < len(found.time)
    assert set(np.round(fewer.time, 9)) <= set(np.round(found.time, 9))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jaxent.find_extrema(jaxent.Chain(3, 9), 1.0, 0.5), "`stop` must be greater than start = 1.0"),
        (lambda: jaxent.find_extrema(jaxent.Chain(3, 9), float("nan")), "`start` must be a finite number"),
        (lambda: jaxent.find_extrema(jaxent.Chain(3, 9), min_prominence=0), "`min_prominence` must be positive"),
        (lambda: jaxent.find_extrema(jaxent.Chain(3, 10**8, 1.0)), "give a shorter interval"),
        (
            lambda: jaxent.find_extrema(jaxent.Chain(3, 10**10), 1.0, 1.0 + 1e-9),
            "beyond 10\\^9 atoms .* jaxent.half_width",
        ),
        (lambda: jaxent.find_extrema(jaxent.Chain(3, 9), outcomes=12), "`outcomes`"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()
