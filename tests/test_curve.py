"""The curve E(t) at every depth, and the parts of an entropy's error."""

import fractions
import math

import numpy as np
import oracles
import pytest

import jaxent
from jaxent import Chain, band, entropy_curve, pi_fraction
from jaxent.protocol.turn_fractions import simplest_between


def test_points_are_the_entropies_of_their_times():
    curve = entropy_curve(Chain(3, 20), 0.1, 3.0, 7)
    assert (np.diff(curve.time) > 0).all()
    np.testing.assert_allclose(curve.time[curve.levels == 0], np.linspace(0.1, 3.0, 7), atol=1e-15)
    np.testing.assert_array_equal(curve.distance, curve.time)
    exact = [oracles.entropy_bits(oracles.end_to_end(3, 20, t, [20], 0.0)) for t in curve.time]
    np.testing.assert_allclose(curve.entropy, exact, atol=1e-10)


def test_between_two_times_lies_the_deepest_dip():
    chain = Chain(3, 60)
    curve = entropy_curve(chain, 1.0, 2.0, 4)
    edges = np.linspace(1.0, 2.0, 4)
    deep = curve.levels > 0
    assert deep.sum() == 3
    for time, entropy, low, high in zip(curve.time[deep], curve.entropy[deep], edges[:-1], edges[1:], strict=True):
        assert low < time < high
        inside = np.asarray(jaxent.end_to_end_entropy(chain, np.linspace(low, high, 402)))
        is_dip = (inside[1:-1] < inside[:-2]) & (inside[1:-1] < inside[2:])  # the curve may fall towards an edge
        assert -1e-6 <= inside[1:-1][is_dip].min() - entropy <= 0.02  # the bottom lies a little beside, N being finite


@pytest.mark.parametrize(("chain", "outcome"), [(Chain(3, 10**6), None), (Chain(3, 60), 57), (Chain(4, 9), None)])
def test_the_probability_comes_with_the_entropy(chain, outcome):
    found = jaxent.entropy_with_errors(chain, 0.7, outcome)
    expected = jaxent.log_outcome_probability(chain, 0.7, outcome)
    assert float(found.log_probability) == pytest.approx(float(expected), abs=1e-11)


def test_simplest_fractions_agree_with_a_search():
    rng = np.random.default_rng(3)
    for _ in range(100):
        low = fractions.Fraction(rng.uniform(-2, 3))
        high = low + fractions.Fraction(rng.uniform(0.001, 0.3))
        found = simplest_between(low, high, 200)
        brute = next(
            (
                fractions.Fraction(p, r)
                for r in range(1, 201)
                for p in range(math.floor(low * r), math.ceil(high * r) + 1)
                if low < fractions.Fraction(p, r) < high
            ),
            None,
        )
        assert (found is None) == (brute is None)
        assert found is None or found.denominator == brute.denominator
    assert simplest_between(fractions.Fraction(1, 3), fractions.Fraction(2, 5), 7) is None  # 3/8 is the first inside


def test_the_dip_is_followed_below_the_resolution_of_floats():
    # the dip at π/2 of 10^10 atoms is 1e-10 wide; its shape in N δ is that of fewer atoms
    small, large = 10**6, 10**10
    depths = [3.0, 0.3]
    for depth in depths:
        near, far = (
            entropy_curve(Chain(3, n, 7.0), -depth / n, depth / n, 3, around=pi_fraction(1, 2)) for n in (small, large)
        )
        np.testing.assert_allclose(near.entropy, far.entropy, atol=2e-5)
        assert near.levels.tolist() == [0, 4, 0]
        np.testing.assert_allclose(far.distance * large, near.distance * small, rtol=1e-12)
    assert far.entropy[0] - far.entropy[1] > 1e-6
    assert abs((far.time[0] - far.time[1]) / far.distance[0] - 1) > 1e-8  # floats cannot tell these times apart as well


def test_large_ensembles_agree_with_the_dense_route():
    chain = Chain(3, 10**4, 6.0)
    curve = entropy_curve(chain, 1.55, 1.6, 8)
    assert curve.levels[curve.levels > 0].tolist() == [77, 4, 75, 55]
    dense = np.asarray(jaxent.end_to_end_entropy(chain, curve.time, tolerance=0))
    np.testing.assert_allclose(curve.entropy, dense, atol=1e-8)


def test_a_curve_and_its_times_take_one_way_to_their_numbers():
    chain = Chain(3, 10**4, 6.0)
    curve = entropy_curve(chain, 1.55, 1.6, 8)
    found = jaxent.entropy_with_errors(chain, curve.time)
    np.testing.assert_allclose(curve.entropy, found.entropy, atol=1e-10)
    np.testing.assert_allclose(curve.error, found.total, rtol=1e-3)


@pytest.mark.usefixtures("quick_compilation")
def test_a_quadrature_that_misses_its_share_is_replaced_by_dense_matrices(monkeypatch):
    """The engine's numbers are made wrong, and its measured error says so: neither may reach the reader."""
    chain, times = Chain(3, 20), np.linspace(1.0, 2.0, 3)
    right = [oracles.entropy_bits(oracles.end_to_end(3, 20, t, [20])) for t in times]
    monkeypatch.setattr(band.batches, "_LEAST_STATES", 1)
    monkeypatch.setattr(band, "dense_seconds", lambda chain, reversed_columns: math.inf)

    def wrong(plans, order=1.0):
        return band.BandedEntropy(*np.full((2, len(plans)), 0.3), np.full(len(plans), 1e-3))

    monkeypatch.setattr(band, "entropies", wrong)
    np.testing.assert_allclose(jaxent.end_to_end_entropy(chain, times), right, atol=1e-11)
    curve = entropy_curve(chain, 1.0, 2.0, 3)
    np.testing.assert_allclose(curve.entropy[curve.levels == 0], right, atol=1e-11)
    assert (curve.error == 0).all()


def test_times_before_zero_and_beyond_a_period():
    curve = entropy_curve(Chain(3, 30), -7.0, 20.0, 5)
    mirrored = entropy_curve(Chain(3, 30), -20.0, 7.0, 5)
    np.testing.assert_allclose(curve.entropy, mirrored.entropy[::-1], atol=1e-9)
    assert (curve.levels > 0).sum() == 4


def test_progress_is_reported(monkeypatch):
    shares = []
    monkeypatch.setattr(band.batches, "_LEAST_STATES", 1)
    entropy_curve(Chain(3, 100, 6.0), 1.0, 2.0, 60, report=shares.append)
    assert len(shares) > 1
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((0.0, math.nan, 5), {}, r"`t_max` must be a finite number, but is nan"),
        ((1.0, 1.0, 5), {}, r"`t_max` must be greater than t_min = 1\.0, but is 1\.0"),
        ((0.0, 1.0, 1), {}, r"`n_times` must be an integer of at least 2, but is 1"),
        ((0.0, 1.0, 5), {"around": pi_fraction(np.array([1, 2]), 3)}, r"`around` must be one time"),
        ((0.0, 1.0, 5), {"around": math.inf}, r"`time` must be finite"),
        ((0.0, 1.0, 5), {"max_levels": 0}, r"`max_levels` must be an integer of at least 1, but is 0"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(arguments, keywords, message):
    with pytest.raises(ValueError, match=message):
        entropy_curve(Chain(3, 10), *arguments, **keywords)


# ------------------------------------------------------------------- parts of an error


def test_the_error_of_an_entropy_is_the_sum_of_its_parts():
    chain, times = Chain(3, 10**4, 6.0), [1.0, 2 * math.pi / 3]
    found = jaxent.entropy_with_errors(chain, times)
    np.testing.assert_allclose(found.window, jaxent.entropy_error_bound(chain, times), rtol=1e-12)
    assert (found.band > 0).all()
    assert found.coarse_graining[0] == 0 < found.coarse_graining[1]
    parts = found.band + found.coarse_graining + found.quadrature
    assert (parts <= 1e-8).all()
    np.testing.assert_allclose(found.total, parts + found.window, rtol=1e-12)
    exact = jaxent.end_to_end_entropy(chain, times, tolerance=0)
    assert (abs(found.entropy - exact) <= parts).all()


def test_without_a_window_the_chosen_one_is_part_of_the_error():
    found = jaxent.entropy_with_errors(Chain(3, 10**4), 1.0)
    assert 0 < found.window < found.total <= 1e-8
    wide = float(jaxent.end_to_end_entropy(Chain(3, 10**4, 9.0), 1.0, tolerance=0))
    assert abs(float(found.entropy) - wide) <= float(found.total)


def test_a_dense_matrix_has_the_error_of_its_window_alone():
    found = jaxent.entropy_with_errors(Chain(4, 30, 3.0), 1.0)
    assert float(found.total) == float(jaxent.entropy_error_estimate(Chain(4, 30, 3.0), 1.0)) > 0
