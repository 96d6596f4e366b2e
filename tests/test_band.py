"""The band engine against dense matrices, LAPACK and its own promises."""

import math

import chex
import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import scipy.linalg

import jaxent
from jaxent import Chain, band, pi_fraction
from jaxent.band import engine
from jaxent.band.phases import reduced
from jaxent.band.thinning import discrete_gauss
from jaxent.noise import dephasing
from jaxent.protocol.dispatch import Problem

TOLERANCE = 1e-8
# generic; a plain magic time; close to magic times, where members of the residue classes are left out; a short time
TIMES = [1.0, 2.345, 2 * math.pi / 3, 2 * math.pi / 5 + 1e-4, math.pi - 3e-3, 1e-3]


def by_band(chain, times, outcomes=None, offset=None, tolerance=TOLERANCE, order=1.0):
    """Entropies through the engine even where a dense matrix would be cheaper, and the errors it reports."""
    outcomes = None if outcomes is None else np.array([outcomes])
    offset = None if offset is None else np.array([offset])
    plans = band.make_plans(chain, times, outcomes, offset, tolerance)
    found = band.entropies(plans, order)
    planned = [float(plan.band_error + plan.coarse_error + plan.window_error) for plan in plans]
    return found, found.quadrature_error + np.array(planned), plans


@pytest.fixture
def also_few(monkeypatch):
    """Let the engine be considered for matrices of any size."""
    monkeypatch.setattr(band.batches, "_LEAST_STATES", 1)


# ---------------------------------------------------------------------- the entropy


@pytest.mark.parametrize("n_atoms", [2500, 2501])
def test_agrees_with_the_dense_method_within_the_error_it_reports(n_atoms):
    found, reported, plans = by_band(Chain(3, n_atoms, 6.0), TIMES)
    exact = [oracles.method_two_entropy(n_atoms, 6.0, t) for t in TIMES]
    assert (abs(found.entropy - exact) <= reported).all()
    assert (reported <= TOLERANCE).all()
    assert 0 < sum(float(plan.coarse_error) > 0 for plan in plans) < len(plans)


def test_classes_are_thinned_no_further_than_weights_and_kernel_allow_together():
    chain, times = Chain(3, 10**5, 6.0), [1.256616314646449, 0.89757866614084]
    found, _, plans = by_band(chain, times)
    assert all(plan.coarse_error > 0 for plan in plans)
    dense = np.asarray(jaxent.end_to_end_entropy(chain, times, tolerance=0))
    assert (abs(found.entropy - dense) <= 2e-9).all()


@pytest.mark.parametrize(("n_atoms", "window"), [(2500, 2.0), (2501, 3.0)])
def test_a_narrow_window_is_kept_to_its_edge(n_atoms, window):
    found, reported, plans = by_band(Chain(3, n_atoms, window), TIMES)
    exact = [oracles.method_two_entropy(n_atoms, window, t) for t in TIMES]
    assert (abs(found.entropy - exact) <= reported).all()
    thinned = [float(plan.coarse_error) > 0 for plan in plans]
    assert 0 < sum(thinned) < len(plans)


@pytest.mark.parametrize(("outcome", "offset"), [(8000, -1e-3), (7998, 2e-3)])
def test_narrow_windows_of_other_outcomes_are_thinned_alike(outcome, offset):
    chain, times = Chain(3, 8000, 2.0), [1e-4, math.pi + 1e-5]
    found, reported, plans = by_band(chain, times, outcome, offset)
    exact = np.asarray(jaxent.end_to_end_entropy(chain, times, outcome, offset, tolerance=0))
    assert (abs(found.entropy - exact) <= reported).all()
    assert all(plan.coarse_error > 0 for plan in plans)
    assert all(plan.n_states < chain.dimension / 2 for plan in plans)


@pytest.mark.parametrize(("count", "nodes"), [(7, 3), (1001, 40), (600, 599)])
def test_nodes_of_a_sum_are_exact_for_polynomials(count, nodes):
    """Of degree 2n - 1, by Legendre polynomials, which stay small; and for a degree more only where n = L."""
    places, weights = discrete_gauss(count, nodes)
    assert (np.diff(places) > 0).all()
    assert (weights > 0).all()
    for degree in {0, 1, nodes, 2 * nodes - 1}:
        polynomial = np.polynomial.legendre.Legendre.basis(degree, [0, count - 1])
        assert abs(weights @ polynomial(places) - polynomial(np.arange(count)).sum()) < 1e-10 * count
    if nodes < 10:
        polynomial = np.polynomial.legendre.Legendre.basis(2 * nodes, [0, count - 1])
        assert abs(weights @ polynomial(places) - polynomial(np.arange(count)).sum()) > 1e-3


def test_without_a_window_the_full_basis_is_reached():
    found, reported, plans = by_band(Chain(3, 2500), TIMES)
    exact = [oracles.method_two_entropy(2500, 12.0, t) for t in TIMES]
    assert (abs(found.entropy - exact) <= reported).all()
    assert all(plan.window_error > 0 for plan in plans)


def test_probabilities_come_with_the_entropies():
    chain = Chain(3, 2500, 6.0)
    found, _, plans = by_band(chain, TIMES)
    exact = np.array([float(jaxent.log_outcome_probability(chain, t)) for t in TIMES])
    fine = np.array([plan.coarse_error == 0 for plan in plans])
    np.testing.assert_allclose(found.log_probability[fine], exact[fine], atol=1e-11, rtol=0)
    np.testing.assert_allclose(found.log_probability, exact, atol=1e-8, rtol=0)  # of the full basis where coarse


@pytest.mark.parametrize("n_ensembles", [2, 4, 5, 6])
def test_chains_of_any_length_are_powers_of_the_same_band(n_ensembles):
    times = [1.0, 2.345, 2 * math.pi / 3]
    chain = Chain(n_ensembles, 900, 7.0)
    found, reported, _ = by_band(chain, times)
    exact = np.asarray(jaxent.end_to_end_entropy(chain, times, tolerance=0))
    assert (abs(found.entropy - exact) <= reported + 1e-9).all()
    assert (found.quadrature_error <= TOLERANCE / 4).all()  # its share, beyond which dense matrices are taken
    exact_p = np.asarray(jaxent.log_outcome_probability(chain, times))
    np.testing.assert_allclose(found.log_probability, exact_p, atol=1e-8)


def test_a_chain_too_long_for_its_quadrature_is_refused_and_nan_under_a_transformation():
    plan = jaxent.plan_entropy(Chain(11, 900), 0.7)
    with pytest.raises(
        ValueError, match=r"right to \de-08 bits only, not to a quarter of the plan's tolerance of 1e-08"
    ):
        jaxent.planned_entropy(plan)
    value, slope = jax.jit(jax.value_and_grad(lambda t: jaxent.planned_entropy(plan, t)))(0.7)
    assert np.isnan(value)
    assert np.isnan(slope)


@pytest.mark.parametrize(("outcome", "offset"), [(900, 0.3), (900, -1e-3), (899, 0.0), (897, 0.2), (880, 0.0)])
def test_offsets_and_other_outcomes(outcome, offset):
    times = [1.0, 2 * math.pi / 3 + 1e-3]
    chain = Chain(3, 900, 6.0)
    found, reported, plans = by_band(chain, times, outcome, offset)
    exact = np.asarray(jaxent.end_to_end_entropy(chain, times, outcome, offset, tolerance=0))
    assert (abs(found.entropy - exact) <= reported).all()
    assert (reported <= TOLERANCE).all()
    assert all(plan.reversed_columns for plan in plans)
    log_p = jaxent.log_outcome_probability(chain, times, outcome, offset)
    np.testing.assert_allclose(found.log_probability, log_p, atol=1e-8)


@pytest.mark.parametrize("offset", [None, 0.2])
@pytest.mark.parametrize("order", [0.5, 0.8, 0.999, 1 + 1e-9, 1.4, 2.0, 3.0])
def test_renyi_entropies_come_from_the_same_determinants(order, offset):
    chain = Chain(3, 900, 6.0)
    found, _, _ = by_band(chain, [1.0], offset=offset, order=order)
    exact = float(jaxent.end_to_end_renyi_entropy(chain, 1.0, order, None, offset or 0.0, tolerance=0))
    assert abs(found.entropy[0] - exact) <= found.quadrature_error[0] + 1e-8
    assert found.quadrature_error[0] < 1e-8 or order == 0.5  # where offsets make it a square root


@pytest.mark.parametrize("n_ensembles", [3, 4, 5])
@pytest.mark.parametrize("order", [0.5, 2.0, 1.0, math.inf])
def test_renyi_entropies_of_the_dense_route_agree_with_plain_numpy(n_ensembles, order):
    for outcomes, offset in ((None, 0.0), ([2, 1, 3][: n_ensembles - 2], 0.3)):
        numbers = outcomes or [4] * (n_ensembles - 2)
        matrix = oracles.end_to_end(n_ensembles, 4, 0.7, numbers, offset)
        found = jaxent.end_to_end_renyi_entropy(Chain(n_ensembles, 4), 0.7, order, outcomes, offset)
        assert float(found) == pytest.approx(oracles.renyi_bits(matrix, order), abs=1e-11)


def test_a_hundred_million_atoms_agree_with_lapack():
    (plan,) = band.make_plans(Chain(3, 10**8, 1.0), 2.345, None, None, TOLERANCE)
    columns = np.asarray(engine.band_columns(plan))
    values = np.concatenate([scipy.linalg.eigvals_banded(sector.T) for sector in columns])
    shares = values[values > 0] ** 2 / np.sum(values**2)
    assert abs(float(engine.evaluate(plan).entropy) + np.sum(shares * np.log2(shares))) <= 1e-9


def test_the_tabulated_entropies_of_many_atoms():
    assert abs(float(jaxent.end_to_end_entropy(Chain(3, 10**6, 3.0), 1.0)) - 9.471671) <= 1e-6
    for levels in (1, 2, 3, 7):
        time = pi_fraction(2, levels)
        assert abs(float(jaxent.end_to_end_entropy(Chain(3, 10**9), time)) - math.log2(levels)) <= 1e-8


def test_time_is_exact_at_ten_billion_atoms():
    # t and 2π - t, t + 2π have the same entropy; their phases are reduced from different numbers
    chain, exact = Chain(3, 10**10, 0.3), pi_fraction(3, 10**4 + 7)
    mirrored = pi_fraction(2 * (10**4 + 7) - 3, 10**4 + 7)
    one, two = (float(jaxent.end_to_end_entropy(chain, t)) for t in (exact, mirrored))
    assert abs(one - two) <= 1e-9
    assert one > 2


# --------------------------------------------------------------------- plans and routes


def test_a_plan_serves_traced_times_and_offsets():
    chain = Chain(3, 900, 6.0)
    plan = jaxent.plan_entropy(chain, 1.0, None, 0.3)
    near = np.array([[1.0, 0.3], [1.0 + 2e-5, 0.3], [1.0, 0.301], [1.0 - 1e-5, 0.2995]])
    planned = jax.jit(jax.vmap(lambda x: jaxent.planned_entropy(plan, x[0], x[1])))(near)
    dense = [float(jaxent.end_to_end_entropy(chain, t, None, x, tolerance=0)) for t, x in near]
    np.testing.assert_allclose(planned, dense, atol=TOLERANCE)


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_a_plan_lowers_for_every_platform(platform, offset):
    plan = jaxent.plan_entropy(Chain(3, 900, 6.0), 1.0, None, offset)
    lowered = jax.export.export(jax.jit(lambda t: jaxent.planned_entropy(plan, t)), platforms=[platform])(1.0)
    assert lowered.platforms == (platform,)


def test_derivatives_agree_with_the_dense_route():
    chain = Chain(3, 900, 6.0)
    plan = jaxent.plan_entropy(chain, 1.0)
    for transform in (jax.grad, jax.jacfwd):
        slope = jax.jit(transform(lambda t: jaxent.planned_entropy(plan, t)))(1.0)
        assert float(slope) == pytest.approx(
            float(jax.jit(jax.grad(lambda t: jaxent.end_to_end_entropy(chain, t)))(1.0)), rel=1e-7
        )
    offset = jaxent.plan_entropy(chain, 1.0, None, 0.3)
    slopes = jax.jit(jax.grad(lambda x: jaxent.planned_entropy(offset, x[0], x[1])))(jnp.array([1.0, 0.3]))
    dense = jax.jit(jax.grad(lambda x: jaxent.end_to_end_entropy(chain, x[0], None, x[1])))(jnp.array([1.0, 0.3]))
    np.testing.assert_allclose(slopes, dense, rtol=1e-6)


@pytest.mark.usefixtures("quick_compilation")
def test_slopes_of_many_times_agree_with_the_dense_route():
    chain, times = Chain(3, 400, 6.0), np.array([1.0, 1.01, 2.1])
    found, slopes = band.entropies_and_slopes(band.make_plans(chain, times, None, None, TOLERANCE))
    dense = Problem.of(chain, times, None, 0.0).entropies(None, 0.0, slopes=True)
    np.testing.assert_allclose(found.entropy, dense.entropy, atol=TOLERANCE)
    np.testing.assert_allclose(slopes.entropy, dense.slope, rtol=1e-6)
    np.testing.assert_allclose(slopes.log_probability, dense.log_probability_slope, rtol=1e-6)
    step = 1e-5
    beside = [jaxent.log_outcome_probability(chain, times + s * step) for s in (1, -1)]
    np.testing.assert_allclose(dense.log_probability_slope, (beside[0] - beside[1]) / (2 * step), rtol=1e-4)


@pytest.mark.usefixtures("quick_compilation")
def test_derivatives_at_a_magic_time_and_at_no_time():
    chain = Chain(3, 100, 7.0)
    dense = jax.jit(jax.grad(lambda t: jaxent.end_to_end_entropy(Chain(3, 100), t)))
    for time in (2 * math.pi / 3, 0.0):
        plan = jaxent.plan_entropy(chain, time)
        slope = jax.jit(jax.grad(lambda t, plan=plan: jaxent.planned_entropy(plan, t)))
        assert abs(float(slope(time))) <= 1e-12  # the curve is even about it
        assert float(slope(time + 1e-3)) == pytest.approx(float(dense(time + 1e-3)), rel=1e-6)
        assert abs(float(slope(time + 1e-3))) >= 0.03


@pytest.mark.usefixtures("quick_compilation")
def test_second_derivatives_agree_with_the_dense_route():
    chain = Chain(3, 400, 6.0)
    plan = jaxent.plan_entropy(chain, 1.0)
    second = jax.jit(jax.jacfwd(jax.grad(lambda t: jaxent.planned_entropy(plan, t))))(1.0)
    dense = jax.jit(jax.jacfwd(jax.grad(lambda t: jaxent.end_to_end_entropy(chain, t))))(1.0)
    assert float(second) == pytest.approx(float(dense), rel=1e-5)


@pytest.mark.usefixtures("quick_compilation", "also_few")
def test_a_grid_of_times_compiles_a_handful_of_programs(monkeypatch):
    chain = Chain(3, 2500, 6.0)
    monkeypatch.setattr(band, "dense_seconds", lambda chain, reversed_columns: math.inf)
    rng = np.random.default_rng(2)
    counted = chex.assert_max_traces(band.batches._evaluate_all.__wrapped__, 6)
    monkeypatch.setattr(band.batches, "_evaluate_all", jax.jit(counted))
    jaxent.end_to_end_entropy(chain, rng.uniform(0, math.pi, 60))
    jaxent.end_to_end_entropy(chain, rng.uniform(0, math.pi, 60))


@pytest.mark.parametrize("missing", [None, 3])
def test_other_numbers_of_atoms_and_outcomes_compile_nothing(missing):
    def plan(n_atoms, lost):
        outcomes, offset = (None, None) if lost is None else ([n_atoms - lost], [0.1])
        return band.make_plans(Chain(3, n_atoms, 3.0), 1.0, outcomes, offset, TOLERANCE)[0]

    band.entropies([plan(10**4, missing)])
    known = band.batches._evaluate_all._cache_size()
    other = plan(10**4 + 3, missing and missing + 2)
    found = band.entropies([other])
    assert band.batches._evaluate_all._cache_size() == known
    assert found.entropy[0] == pytest.approx(float(band.evaluate(other).entropy), abs=1e-11)
    assert found.log_probability[0] == pytest.approx(float(band.evaluate(other).log_probability), abs=1e-9)


def test_a_program_of_its_own_must_pay(monkeypatch):
    seconds = {8: 1.0, 16: 3.0, 32: 9.0}
    monkeypatch.setattr(band.batches, "banded_seconds", lambda plan, order: seconds[plan.half_bandwidth] / 10)
    monkeypatch.setattr(band.batches, "_ran", {})
    monkeypatch.setattr(band.batches, "_COMPILATION_SECONDS", 1.5)
    plan = band.make_plans(Chain(3, 10**4, 3.0), 1.0, None, None, TOLERANCE)[0]
    size = plan.n_states
    of = {width: plan.enlarged(size, width) for width in (8, 16, 32)}

    def groups(*widths):
        return {shape[1]: found for shape, found in band.batches._grouped([of[width] for width in widths], 1.0)}

    assert groups(8, 32, 8, 16) == {32: [1, 3], 8: [0, 2]}  # 16 wastes 0.6 s, two of 8 would waste 1.6 s
    assert groups(16) == {32: [0]}  # the program of 32 is there; wasted 1.2 s
    assert groups(16, 16) == {32: [0, 1]}  # 2.4 s, less than two compilations
    assert groups(16, 8) == {16: [0], 8: [1]}  # 3.0 s: it has paid for its own
    assert groups(8, 16, 32) == {8: [0], 16: [1], 32: [2]}  # what ran before costs nothing


@pytest.mark.usefixtures("also_few")
def test_the_route_is_chosen_by_cost_time_by_time(monkeypatch):
    chain = Chain(3, 900, 6.0)
    times = np.array([1.0, math.pi - 3e-3, 2.345, 0.02])
    dense = np.asarray(jaxent.end_to_end_entropy(chain, times, tolerance=0))
    np.testing.assert_allclose(jaxent.end_to_end_entropy(chain, times), dense, atol=TOLERANCE)
    costs = iter([0.0, math.inf, 0.0, math.inf] + 100 * [0.0])
    monkeypatch.setattr(band, "banded_seconds", lambda plan, order: next(costs))
    found = np.asarray(jaxent.end_to_end_entropy(chain, times.reshape(2, 2)))
    assert found.shape == (2, 2)
    np.testing.assert_allclose(found.ravel()[[1, 3]], dense[[1, 3]], atol=1e-13, rtol=0)  # dense, to rounding
    assert 0 < abs(found.ravel()[[0, 2]] - dense[[0, 2]]).max() < TOLERANCE


def test_no_plans_have_no_entropies():
    assert [np.shape(field) for field in band.entropies([])] == [(0,)] * 3
    assert [np.shape(field) for fields in band.entropies_and_slopes([]) for field in fields] == [(0,)] * 6


def test_few_atoms_keep_to_the_dense_route():
    assert not band.worth_planning(Chain(3, 100), band.Facts(), TOLERANCE)
    assert band.worth_planning(Chain(3, 10**4, 6.0), band.Facts(), TOLERANCE)


def test_a_known_value_is_a_known_fact():
    n, chain = 700, Chain(4, 700)
    known = [n, np.int32(n), np.array([n, n]), jnp.array([n, n]), [n, jnp.array(n)], None]
    for outcomes in known:
        for offset in (0.0, 0, np.zeros(2), jnp.zeros(2), jnp.array(0.0)):
            assert Problem.of(chain, 1.0, outcomes, offset).facts == band.Facts()
    assert not Problem.of(chain, 1.0, [n, n - 1], 0.0).all_outcomes_n
    assert not Problem.of(chain, 1.0, None, [0.0, 0.1]).no_offset
    for outcomes, offset in ((n, 0.0), (n, 0.1), (n - 1, jnp.zeros(2))):
        static = dephasing.Problem.of(Chain(4, n), 1.0, 0.1, outcomes, offset, 0.0, dense=False).static
        assert (static.all_outcomes_n, static.no_offset) == (outcomes == n, not np.any(offset))


def test_traced_outcomes_and_offsets_share_one_program():
    facts = []

    @jax.jit
    def entropy(outcome, offset):
        facts.append(Problem.of(Chain(3, 5), 1.0, outcome, offset).facts)
        return jaxent.end_to_end_entropy(Chain(3, 5), 1.0, outcome, offset)

    swept = [float(entropy(q, x)) for q, x in ((5, 0.0), (4, 0.0), (5, 0.3))]
    assert facts == [band.Facts(all_outcomes_n=False, no_offset=False, known=False)]
    for value, outcome, offset in zip(swept, (5, 4, 5), (0.0, 0.0, 0.3), strict=True):
        exact = oracles.entropy_bits(oracles.end_to_end(3, 5, 1.0, [outcome], offset))
        assert value == pytest.approx(exact, abs=1e-11)


@pytest.mark.parametrize(("n_atoms", "outcome"), [(10**9, 5), (10**10, 5 * 10**9)])
def test_outcomes_far_from_n_of_very_many_atoms_are_refused_at_once(n_atoms, outcome, monkeypatch):
    monkeypatch.setattr(band.plan._Order, "of", lambda *arguments: pytest.fail("states were put in order"))
    with pytest.raises(ValueError, match=r"`outcomes` = \d+ is too far from n_atoms = \d+ for the band engine: .*\.$"):
        jaxent.end_to_end_entropy(Chain(3, n_atoms), 0.7, [outcome], 0.1)


@pytest.mark.parametrize(("outcome", "offset", "window"), [(100, 0.3, None), (98, -0.4, 2.0), (60, 0.0, 1.0)])
def test_plans_know_the_log_probability_roughly(outcome, offset, window):
    chain = Chain(3, 100, window)
    found = band.batches._log_probabilities(chain, [reduced(0.7)], outcome, offset)
    assert found[0] == pytest.approx(float(jaxent.log_outcome_probability(chain, 0.7, outcome, offset)), abs=0.3)


def test_what_the_engine_cannot_certify_goes_to_the_dense_route():
    chain = Chain(12, 10**4, 7.0)  # y^11: no rule of the family is good to 1e-10
    found = float(jaxent.end_to_end_entropy(chain, 1.0))
    assert found == pytest.approx(float(jaxent.end_to_end_entropy(chain, 1.0, tolerance=0)), abs=1e-12)


@pytest.mark.usefixtures("also_few")
def test_traced_times_take_the_dense_route():
    chain = Chain(3, 900, 6.0)
    traced = float(jax.jit(lambda t: jaxent.end_to_end_entropy(chain, t))(1.0))
    assert traced == pytest.approx(float(jaxent.end_to_end_entropy(chain, 1.0, tolerance=0)), abs=1e-12)


def test_a_trillion_atoms_are_planned_with_their_cost():
    plan = jaxent.plan_entropy(Chain(3, 10**12, 1.0), 1.0)
    assert 1e7 < plan.operations < 1e9
    assert plan.n_states == 5 * 10**5 + 1


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((Chain(3, 900, 6.0), [1.0, 2.0]), {}, r"`time` must be one time, but has shape \(2,\)"),
        ((Chain(3, 900, 6.0), 1.0), {"tolerance": 0.0}, r"`tolerance` must be positive and finite, but is 0\.0"),
        ((Chain(5, 900, 6.0), 1.0, 3), {}, r"n_ensembles = 5 needs all outcomes N and no offset"),
        ((Chain(4, 900, 3.0), 1.0), {}, r"window = 3\.0 is too narrow"),
        ((Chain(3, 900, 6.0), jaxent.BondTimes([1.0, 2.0])), {}, "one time for all bonds"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_one_sentence(arguments, keywords, message):
    with pytest.raises(ValueError, match=message):
        jaxent.plan_entropy(*arguments, **keywords)


def test_other_arguments_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match=r"`tolerance` must be at least 0, but is -1"):
        jaxent.end_to_end_entropy(Chain(3, 10), 1.0, tolerance=-1)
    with pytest.raises(ValueError, match=r"`phase_offset` needs a plan that was made with an offset"):
        jaxent.planned_entropy(jaxent.plan_entropy(Chain(3, 900, 6.0), 1.0), 1.0, 0.1)
    plan = jaxent.plan_entropy(Chain(2, 900), 1.0)
    with pytest.raises(ValueError, match=r"`plan` and `alpha` = 0\.5 need a quadrature of 1e-10, which no rule"):
        jaxent.planned_entropy(plan, alpha=0.5)
    with pytest.raises(ValueError, match=r"`alpha` must be a number of at least 0, but is -1"):
        jaxent.end_to_end_renyi_entropy(Chain(3, 10), 1.0, -1)
    with pytest.raises(ValueError, match=r"phases of n_atoms = 1e\+14 lose too many digits"):
        jaxent.plan_entropy(Chain(3, 10**14, 6.0), 1.0)


def test_a_band_that_does_not_fit_is_refused_with_its_cost(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 2**22}))
    with pytest.raises(ValueError, match=r"n_atoms = 10000000 .* s per time\) needs .* GiB are free; use a narrower"):
        jaxent.end_to_end_entropy(Chain(3, 10**7, 3.0), 1.0)


@pytest.mark.usefixtures("float32")
def test_the_engine_stays_out_of_float32():
    assert band.obstacle(Chain(3, 100), band.Facts(), TOLERANCE) == "it needs float64"
    (plan,) = band.make_plans(Chain(3, 100), 1.0, None, None, TOLERANCE)
    with pytest.raises(ValueError, match=r"`plan` needs float64"):
        jaxent.planned_entropy(plan)


# ------------------------------------------------------------------- small chains too


@pytest.mark.parametrize("n_atoms", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("time", [0.0, 1.0, math.pi / 2])
def test_a_few_atoms_agree_too(n_atoms, time):
    found, _, _ = by_band(Chain(3, n_atoms), time)
    exact = oracles.entropy_bits(oracles.end_to_end(3, n_atoms, time, [n_atoms], [0.0], None))
    assert abs(found.entropy[0] - exact) <= 1e-8
