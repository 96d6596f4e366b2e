"""Magic times: enumeration, widths, robustness."""

import math

import jax
import numpy as np
import oracles
import pytest

import jaxent

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.mark.parametrize("most", [2, 5, 9])
def test_all_magic_times_up_to_r_come_once_and_in_order(most):
    found = jaxent.magic_times(100, most)
    expected = sorted((2 * p / r, r) for r in range(2, most + 1) for p in range(1, r // 2 + 1) if math.gcd(p, r) == 1)
    assert [int(r) for r in found.levels] == [r for _, r in expected]
    np.testing.assert_allclose(found.time.value, [np.pi * t for t, _ in expected], rtol=1e-15)
    np.testing.assert_allclose(found.limit, [np.log2(r) for _, r in expected], rtol=1e-15)


def test_the_useful_range_ends_at_the_root_of_n():
    assert max(jaxent.magic_times(99).levels) == 9
    assert max(jaxent.magic_times(100).levels) == 10
    assert list(jaxent.magic_times(1).levels) == [2]


def test_entanglement_tends_to_the_limit():
    times, _, limit = jaxent.magic_times(3000, 5)
    found = jaxent.end_to_end_entropy(jaxent.Chain(3, 3000, 4.0), times)
    np.testing.assert_allclose(found, limit, atol=1e-4)


@pytest.mark.parametrize(
    ("n_ensembles", "level"), [(2, 0.30), (3, 1.18), (4, 2.03), (5, 2.85), (6, 3.64), (7, 4.42), (8, 5.19)]
)
def test_half_widths_are_the_tabulated_levels_over_n(n_ensembles, level):
    assert 50 * jaxent.half_width(jaxent.Chain(n_ensembles, 50)) == pytest.approx(level, abs=0.02)


def test_a_half_width_is_where_the_oracle_has_changed_by_so_much():
    width = jaxent.half_width(jaxent.Chain(3, 12), levels=2, change=0.1)
    bottom, beside = (oracles.entropy_mp(12, t, 12) for t in (math.pi, math.pi - width))
    assert abs(beside - bottom) == pytest.approx(0.1, abs=1e-8)


def test_all_dips_have_the_width_of_the_first_rise():
    chain = jaxent.Chain(3, 400, 5.0)
    first = jaxent.half_width(chain)
    for levels, numerator in ((2, 1), (3, 1), (5, 2)):
        assert jaxent.half_width(chain, levels, numerator) == pytest.approx(first, rel=2e-3)


def test_the_robustness_table_holds_the_oracle_values_and_slopes():
    rates, levels = [0.0, 0.02], [2, 3]
    shares = []
    table = jaxent.robustness_table([3, 4], [3], rates, levels, report=shares.append)
    assert shares == [0.5, 1.0]
    assert dict(table.sizes) == {"n_ensembles": 2, "n_atoms": 1, "levels": 2, "dephasing_rate": 2}

    def noisy(m, n, time, rate):
        rho = oracles.dephased_state(m, n, time, rate, [n] * (m - 2))
        return oracles.state_log_negativity_bits(rho / np.einsum("abab->", rho).real)

    def pure(m, n, time):
        return oracles.entropy_bits(oracles.end_to_end_stepwise(m, n, time, [n] * (m - 2)))

    for m, n, r in ((3, 3, 2), (3, 3, 3), (4, 3, 3)):
        here, time = table.sel(n_ensembles=m, n_atoms=n, levels=r), 2 * np.pi / r
        at_rates = [noisy(m, n, time, g) for g in rates]
        np.testing.assert_allclose(here.log_negativity, at_rates, atol=1e-10)
        np.testing.assert_allclose(here.kept, np.array(at_rates) / at_rates[0], atol=1e-10)
        step = 1e-5
        difference = (noisy(m, n, time, 0.02 + step) - noisy(m, n, time, 0.02 - step)) / (2 * step)
        assert float(here.slope.sel(dephasing_rate=0.02)) == pytest.approx(difference, rel=1e-5, abs=1e-8)
        zero, one, two = (noisy(m, n, time, s * step) for s in (0, 1, 2))
        sided = (-3 * zero + 4 * one - two) / (2 * step)
        assert float(here.slope.sel(dephasing_rate=0.0)) == pytest.approx(sided, rel=1e-3, abs=1e-5)
        assert float(here.entropy) == pytest.approx(pure(m, n, time), abs=1e-10)
        in_atoms = (pure(m, n + 1, time) - pure(m, n - 1, time)) / 2
        assert float(here.slope_in_atoms) == pytest.approx(in_atoms, abs=1e-10)
    assert np.isfinite(table.half_width.sel(n_ensembles=3, n_atoms=3, levels=2))


def test_the_robustness_table_of_few_atoms_is_the_same_within_a_tolerance():
    table = jaxent.robustness_table([3], [3], [0.02], [2], tolerance=1e-3).squeeze()
    value, slope = jax.value_and_grad(lambda g: jaxent.end_to_end_log_negativity(jaxent.Chain(3, 3), np.pi, g))(0.02)
    assert float(table.log_negativity) == pytest.approx(float(value), abs=1e-10)
    assert float(table.slope) == pytest.approx(float(slope), abs=1e-9)
    assert float(slope) < -1


def test_the_robustness_table_of_many_atoms_is_within_a_tolerance():
    table = jaxent.robustness_table([3], [10**5], [0.0, 0.05], [2], tolerance=1e-2).squeeze()
    chain, time = jaxent.Chain(3, 10**5), jaxent.pi_fraction(1)
    found = [jaxent.log_negativity_with_errors(chain, time, g, tolerance=1e-2) for g in (0.0, 0.05)]
    np.testing.assert_allclose(table.log_negativity, [one.value for one in found], atol=1e-12)
    np.testing.assert_allclose(table.kept, [1.0, found[1].value / found[0].value], atol=1e-12)
    step = 1e-4
    beside = [float(jaxent.end_to_end_log_negativity(chain, time, 0.05 + x, tolerance=1e-2)) for x in (-step, step)]
    assert np.isnan(table.slope[0])
    assert float(table.slope[1]) == pytest.approx((beside[1] - beside[0]) / (2 * step), rel=1e-4)
    assert float(table.entropy) == pytest.approx(1.0, abs=1e-4)
    assert 0 < float(table.half_width) < 10 / 10**5


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jaxent.robustness_table([3], [4], [0.0], [2], tolerance=0.0), "`tolerance` must be positive"),
        (lambda: jaxent.magic_times(0), "`n_atoms` must be an integer of at least 1, but is 0"),
        (lambda: jaxent.magic_times(10, 1), "`max_levels` must be an integer of at least 2, but is 1"),
        (lambda: jaxent.half_width(jaxent.Chain(3, 9), 0), "`levels` must be"),
        (lambda: jaxent.half_width(jaxent.Chain(3, 9), 4, 2), "`numerator` must be an integer prime to levels = 4"),
        (lambda: jaxent.half_width(jaxent.Chain(3, 9), change=-1.0), "`change` must be positive"),
        (lambda: jaxent.half_width(jaxent.Chain(3, 9), change=5.0), "`change` = 5.0 bits is not reached"),
        (lambda: jaxent.robustness_table([3], [], [0.0], [2]), "`n_atoms` must hold at least one value"),
        (lambda: jaxent.robustness_table([3], [4], [0.0], [1]), "`levels` must be an integer of at least 2, but is 1"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()
