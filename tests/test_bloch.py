"""Bloch bands and blocks against the whole partial transpose, against sums by definition, and against each other."""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

import jaxent
from jaxent import bloch
from jaxent.bloch import engine, envelope, kernel, long_chain, plan, symbol, torus
from jaxent.bloch.symbol import Strengths

DENSE = Path(__file__).parent / "data" / "dense_log_negativity.json"


def question(n_atoms, time, rates, outcome=None, offset=0.0):
    exact = isinstance(time, jaxent.PiFraction)
    value = math.pi * time.numerator / time.denominator if exact else time
    strengths = np.broadcast_to(np.asarray(rates, float), (3,)) * value
    return bloch.Question(n_atoms, n_atoms if outcome is None else outcome, time, strengths, offset)


def coefficients_by_definition(n_atoms, outcome, time, hops, frequencies):
    """R_jν = Σ_μ c_(μ+ν/2) c_(μ-ν/2) cos(μjt), and twice that for ν > 0."""
    k = np.arange(n_atoms + 1)
    c = oracles.x_basis(n_atoms)[outcome] * np.sqrt(oracles.weights(n_atoms, k))
    found = np.zeros((len(hops), len(frequencies)))
    for column, nu in enumerate(frequencies):
        mu = k[nu:] - nu / 2 - n_atoms / 2
        products = c[nu:] * c[: n_atoms + 1 - nu] * (1 if nu == 0 else 2)
        found[:, column] = np.cos(np.outer(hops, mu) * time) @ products
    return found


# ---------------------------------------------------------------- the kernel's coefficients


@pytest.mark.parametrize(
    ("n_atoms", "outcome", "time"),
    [
        (31, 28, 2.1),
        (200, 150, math.pi),
        (1000, 900, 1.0),
        (1500, 1400, math.pi / 2),
        (1501, 1501, 1.0),
        (1501, 30, 2 * math.pi),
    ],
)
def test_coefficients_are_the_sums_over_dicke_states(n_atoms, outcome, time):
    frequencies, hops = np.arange(20), np.arange(40)  # of a thousand atoms in two pieces
    nodes = kernel.nodes(n_atoms, outcome, 20)
    found = kernel.coefficients(n_atoms, outcome, nodes, hops, 64, time, 20)
    np.testing.assert_allclose(
        found, coefficients_by_definition(n_atoms, outcome, time, hops, frequencies), rtol=0, atol=3e-13
    )
    bound = kernel.sizes_of_hops(n_atoms, outcome, nodes, hops, time)
    assert (bound * found[0, 0] >= np.abs(found / np.where(frequencies > 0, 2, 1)).max(axis=1) - 1e-13).all()


def test_coefficients_at_a_resonance_tend_to_signs():
    time, hops = 2 * math.pi / 3, np.array([0, 3, 6])
    found = kernel.coefficients(10**10, 10**10, kernel.nodes(10**10, 10**10, 30), hops, 8, time, 30)
    np.testing.assert_allclose(found / found[0, 0], kernel.limit_coefficients(hops, 8, time, 30), atol=1e-6)


# ------------------------------------------------------------------------ the symbol


def symbol_by_definition(asked, hops, reach, states, roots, theta):
    """X_θ[u, u'] entry by entry; θ in radians."""
    n_atoms, outcome, time, strengths, offset = asked
    frequencies = np.arange(n_atoms + 1)
    table = coefficients_by_definition(n_atoms, outcome, time, hops, frequencies)
    table = table * np.exp(-2 * strengths[1] * frequencies**2)
    found = np.zeros((len(states), len(states)), complex)
    for row, u in enumerate(states):
        for column, other in enumerate(states):
            h, middle = u - other, (u + other) / 2
            if abs(h) > reach:
                continue
            waves = np.cos(frequencies * (middle * time + offset))
            for index, j in enumerate(hops):
                for sign in {1, -1} if j else {1}:
                    if (j - h) % 2 == 0:
                        ends = [(sign * j + h) / 2, (sign * j - h) / 2]
                        decay = math.exp(-2 * (strengths[0] * ends[0] ** 2 + strengths[2] * ends[1] ** 2))
                        found[row, column] += np.exp(1j * sign * j * theta) * decay * (table[index] @ waves)
            found[row, column] *= roots[row] * roots[column]
    return found


@pytest.mark.parametrize("rates", [(0.2, 0.1, 0.2), (0.3, 0.1, 0.15)])
@pytest.mark.parametrize("stride", [1, 2])
def test_bands_and_blocks_are_the_symbol_entry_by_entry(rates, stride):
    asked = question(12, 2 * math.pi / 3, rates, 11, 0.3)
    hops, reach, theta = np.array([0, 1, 3]) if stride == 1 else np.array([0, 2, 6]), 6, 0.4
    states = np.arange(-7, 8)
    shape = long_chain.ChainShape(stride, 18 // stride, reach // stride, 256, rates[0] != rates[2])
    rows = long_chain.rows_of(12, 7, shape)
    table = kernel.coefficients(12, 11, kernel.nodes(12, 11, 13), hops, 8, asked.time, 13)
    strengths = Strengths.of(jnp.asarray(asked.strengths))
    kernels = long_chain.kernels_of(shape, rows, table, asked.time, jnp.asarray(asked.offset), strengths)
    parts = (hops, kernels, strengths, theta / (2 * math.pi))
    found = long_chain.dense_symbol(shape, rows, *parts, 0)
    weights = np.sqrt(np.array([math.comb(24, 12 + u) / 4.0**12 for u in states]))
    expected = symbol_by_definition(asked, hops, reach, states, weights, theta)
    expected = expected if shape.complex else expected.real
    for sector in range(stride):
        here = np.arange(sector, 15, stride)
        np.testing.assert_allclose(
            found[sector][: len(here), : len(here)], expected[np.ix_(here, here)], rtol=0, atol=1e-14
        )
    rule = plan._rule(1e-6, shape)
    norm, error = long_chain.trace_norm(shape, rows, *parts, rule)
    true = np.abs(np.linalg.eigvalsh(expected)).sum()
    assert abs(norm - true) <= error <= 1e-4 * true
    assert abs(norm - true) <= 1e-6 * true


def test_derivatives_of_the_symbol_in_the_bloch_phase():
    strengths = Strengths(jnp.asarray(0.1), jnp.asarray(0.05), jnp.asarray(0.2))

    def factors(theta, order):
        return jnp.stack(symbol.hop_factors(np.array([0, 2, 4, -1]), np.arange(-4, 5), theta, strengths, order))

    for order in (0, 1):
        slope = (factors(0.1 + 1e-6, order) - factors(0.1 - 1e-6, order)) / (2 * math.pi * 2e-6)
        np.testing.assert_allclose(slope, factors(0.1, order + 1), atol=1e-7)


# ------------------------------------------------------------- the envelope's correction


@pytest.mark.parametrize("gapped", [True, False])
def test_the_correction_is_what_an_envelope_changes(gapped):
    """Against eigenvalues of G M G on a lattice, M a random matrix of hops, G = e^(-v²/2N): right to N^-2."""
    rng = np.random.default_rng(4)
    hops = [(m + m.T) * 0.5 ** (j + 1) for j, m in enumerate(rng.normal(size=(3, 3, 3)))]
    if gapped:
        hops[0] = np.diag([3.0, -3.0, 2.5])
    phases = 2 * math.pi * np.arange(800) / 800

    def sums(theta):
        parts = [
            hops[0] * (order == 0) + sum(2 * j**order * hops[j] * trig(j * theta) for j in (1, 2))
            for order, trig in enumerate([np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x)])
        ]
        return envelope.of_symbol(*map(jnp.asarray, parts))

    found = jax.tree.map(np.mean, jax.vmap(lambda x: sums_traced(hops, x))(jnp.asarray(phases)))
    one = sums(phases[3])
    assert float(one.change) == pytest.approx(float(sums_traced(hops, phases[3]).change), abs=1e-12)
    left = []
    for n_atoms in (50, 200):
        v = np.arange(-int(5.5 * n_atoms**0.5), int(5.5 * n_atoms**0.5) + 1)
        g = np.exp(-(v**2) / (2 * n_atoms))
        whole = np.zeros((len(v), 3, len(v), 3))
        for j in (-2, -1, 0, 1, 2):
            for row in range(max(0, j), min(len(v), len(v) + j)):
                whole[row, :, row - j, :] = hops[abs(j)] * g[row] * g[row - j]
        norm = np.abs(np.linalg.eigvalsh(whole.reshape(3 * len(v), -1))).sum() / math.sqrt(math.pi * n_atoms)
        left.append(norm - found.norm - found.change / n_atoms)
        assert abs(left[-1]) < 0.1 * abs(found.change) / n_atoms
    assert abs(left[1]) < 2e-5


def sums_traced(hops, theta):
    parts = [hops[0] + sum(2 * hops[j] * jnp.cos(j * theta) for j in (1, 2))]
    parts.append(sum(-2 * j * hops[j] * jnp.sin(j * theta) for j in (1, 2)))
    parts.append(sum(-2 * j**2 * hops[j] * jnp.cos(j * theta) for j in (1, 2)))
    return envelope.of_symbol(*parts)


# -------------------------------------------------------------------- whole answers


@pytest.mark.parametrize(
    ("n_atoms", "time", "rates", "outcome", "offset"),
    [
        (40, math.pi, 0.1, 40, 0.0),
        (40, 1.0, (0.2, 0.1, 0.3), 37, 0.3),
    ],
)
def test_answers_are_within_their_error_of_the_whole_transpose(n_atoms, time, rates, outcome, offset):
    whole = oracles.dephased_pairs(n_atoms, time, rates, outcome, offset)
    true = math.log2(np.abs(np.linalg.eigvalsh(whole)).sum())
    found = bloch.answer(question(n_atoms, time, rates, outcome, offset), 1e-4)
    assert found.method == "band"
    assert abs(found.value - true) <= found.error < 2e-3


def dense_points():
    return json.loads(DENSE.read_text(encoding="utf-8"))["points"]


@pytest.mark.parametrize(
    "index", [pytest.param(i, marks=pytest.mark.thorough if i % 16 else ()) for i in range(len(dense_points()))]
)
def test_answers_are_within_their_error_of_dense_values(index):
    """Random N, t (a third magic), γ (some unequal), q and φ with γtN ≥ 5; dense values with a window of 5."""
    point = dense_points()[index]
    time = jaxent.pi_fraction(2 * point["p"], point["r"]) if point["r"] else point["t"]
    asked = question(point["N"], time, point["rates"], point["q"], point["phi"])
    found = bloch.answer(asked, 1e-5)
    off = abs(found.value - point["E"])
    assert off <= found.error + WINDOW_OF_FIVE
    if asked.mean * point["N"] >= 10:
        assert off <= 2e-4


WINDOW_OF_FIVE = 1e-6


def test_blocks_at_magic_times_have_the_limit_that_bands_tend_to():
    """The values at N = 3000, 10^4, 4·10^4 of a plain banded eigensolver are .861847, .861952, .861986."""
    limit = bloch.answer(question(None, jaxent.pi_fraction(1), 0.05), 1e-6)
    assert limit.method == "blocks"
    assert limit.value == pytest.approx(0.861997, abs=1e-6)
    assert limit.error < 1e-6
    many = bloch.answer(question(10**10, math.pi, 0.05), 1e-6)
    assert many.value == pytest.approx(limit.value, abs=1e-7)


def test_bands_and_blocks_agree_where_both_hold(monkeypatch):
    asked = question(400, jaxent.pi_fraction(1), 0.2, 396, 0.2)
    blocks = bloch.answer(asked, 1e-4)
    monkeypatch.setattr(engine, "levels_of", lambda _: None)
    bands = bloch.answer(asked, 1e-4)
    assert (blocks.method, bands.method) == ("blocks", "band")
    assert abs(blocks.value - bands.value) <= blocks.error + bands.error < 1e-3


@pytest.mark.parametrize(("n_atoms", "time"), [(300, 1.0), (100, math.pi / 2)])
def test_the_correction_needs_fewer_rows(monkeypatch, n_atoms, time):
    """Its outer rows change it by less than a twentieth of its own error."""
    asked = question(n_atoms, time, 9 / (n_atoms * time))
    few = engine._Job(asked, 1e-3)
    monkeypatch.setattr(engine, "_CURVED_ROWS", 1e-3)
    many = engine._Job(asked, 1e-3)
    assert few.curved.shape.n_rows < many.curved.shape.n_rows
    assert 0 < abs(few.correction.change - many.correction.change) < few.correction.error / 20
    assert few.correction.error == pytest.approx(many.correction.error, rel=0.05)


def test_blocks_are_not_tried_where_their_correction_is_too_rough(monkeypatch):
    """At N = 300, t = π/2 it is right to 0.12/(γtN)²: enough for a tolerance of 1e-2, too little for 1e-4."""
    asked, tried = question(300, math.pi / 2, 0.03), []
    whole = engine.torus_plan
    monkeypatch.setattr(engine, "torus_plan", lambda *args: tried.append(args) or whole(*args))
    rough = bloch.answer(asked, 1e-2)
    assert (rough.method, len(tried)) == ("blocks", 1)
    fine = bloch.answer(asked, 1e-4)
    assert (fine.method, len(tried)) == ("band", 1)
    assert abs(rough.value - fine.value) <= rough.error + fine.error
    monkeypatch.setattr(engine, "_BLOCKS_ERROR", 0.0)
    assert bloch.answer(asked, 1e-4).method == "band"
    assert len(tried) == 2  # in vain


def test_a_narrower_envelope_in_u_gives_what_the_whole_one_gives():
    """With resonances of φ: t is so close to 2π/3 that N_u and N see different phases."""
    asked = question(3000, 2 * math.pi / 3 + 0.012, 0.2)
    whole = bloch.answer(asked, 1e-3)
    hops = plan.hops_of(asked, 1e-3)
    job = engine._Job(asked, 1e-3)
    job.plan = plan.chain_plan(asked, hops, 1e-3, 600)
    assert len(job.plan.offsets) > 1
    trace, _ = job.trace()
    value = math.log2(job.norm().value / trace * (1 + job.correction.change))
    assert abs(value - whole.value) <= whole.error + job.plan.envelope_error < 3e-3
    job.plan = plan.dataclasses.replace(job.plan, offsets=np.zeros(1), harmonics=plan._ONE_HARMONIC)
    alone = math.log2(job.norm().value / trace * (1 + job.correction.change))
    assert abs(alone - whole.value) > 10 * abs(value - whole.value)


def test_hops_left_out_are_counted():
    for asked in (question(1000, 1.0, 0.02), question(200, math.pi / 2, (0.1, 0.2, 0.3), 150, 0.2)):
        hops = plan.hops_of(asked, 1e-3)
        assert 0 < hops.error <= 1e-3
        wider = plan.hops_of(asked, 1e-8)
        assert wider.reach > hops.reach
        assert set(hops.along[hops.along >= 0]) <= set(wider.along)
        rough, fine = (bloch.answer(asked, tolerance) for tolerance in (1e-2, 1e-4))
        assert abs(rough.value - fine.value) <= rough.error + fine.error


@pytest.mark.parametrize(
    ("n_atoms", "time", "rates", "outcome", "offset"),
    [
        (300, 1.0, (0.05, 0.05, 0.05), 300, 0.2),
        (10**6, 1.0, (0.05, 0.05, 0.05), 10**6, 0.2),
        (300, 2 * math.pi / 3, (0.05, 0.03, 0.08), 250, 0.2),
        (2000, math.pi / 2, (0.05, 0.05, 0.05), 2000, 0.1),
        (10**6, math.pi, (0.02, 0.03, 0.02), 10**6, 0.3),
    ],
)
def test_slopes_are_those_of_differences(n_atoms, time, rates, outcome, offset):
    asked = question(n_atoms, time, rates, outcome, offset)
    found = bloch.answer(asked, 1e-6, with_slopes=True).slopes
    assert found is not None
    numbers = np.array([found.time, *found.strengths, found.offset])

    def value(shift):
        moved = asked._replace(strengths=asked.strengths + shift[1:4], offset=asked.offset + shift[4])
        moved = moved if found.time == 0 else moved._replace(time=asked.time + shift[0])
        return bloch.answer(moved, 1e-6).value

    steps = [1e-2 / math.sqrt(n_atoms), *(1e-3 * asked.strengths), 1e-3]
    for direction in range(5):
        if direction == 0 and found.time == 0:
            continue
        unit = steps[direction] * np.eye(5)[direction]
        one, two = (value(k * unit) - value(-k * unit) for k in (1, 2))
        assert (8 * one - two) / (12 * steps[direction]) == pytest.approx(
            numbers[direction], rel=1e-5, abs=1e-5 * np.abs(numbers[1:4]).max()
        )


@pytest.mark.parametrize(
    "asked", [question(10**6, 1.0, 0.02, offset=0.2), question(300, math.pi / 2 + 0.01, (0.2, 0.1, 0.3), 280)]
)
def test_a_planned_answer_can_be_traced(asked):
    bits = bloch.traceable(asked, 1e-3)
    at = (asked.time, jnp.asarray(asked.strengths), jnp.asarray(asked.offset))
    assert jax.jit(bits)(*at) == pytest.approx(bloch.answer(asked, 1e-3).value, abs=1e-10)


def test_what_torus_shapes_do_not_change():
    """Twice the windings and frequencies, and other paddings of the hops, are zeros."""
    asked = question(500, jaxent.pi_fraction(2, 3), 0.2)
    hops = plan.hops_of(asked, 1e-4)
    planned = plan.torus_plan(asked, hops, 3)
    small = planned.shape._replace(n_bloch=16)
    norms = []
    for factor in (1, 2):
        shape = small._replace(windings=factor * small.windings)
        of = engine._TableShape.of(planned)._replace(n_frequencies=factor * hops.n_frequencies)
        nodes = kernel.nodes(500, 500, of.n_frequencies)
        lattice = engine._Lattice(np.append(hops.along, -1), hops.gcd, nodes, 500, 500)
        table = engine._table(of, lattice, asked.time)
        kernels = torus.kernels_of(shape, table, asked.time, 0.0, engine.Strengths.of(jnp.asarray(asked.strengths)))
        found = engine._Hops(lattice.along, lattice.gcd, kernels)
        norms.append(float(engine._on_torus(shape, found, asked.strengths)[0]))
    assert norms[0] == pytest.approx(norms[1], abs=1e-4 * norms[0])
    assert isinstance(small, torus.TorusShape)


def test_slopes_in_time_include_the_phases_that_a_narrower_envelope_averages():
    """Close to a magic time of many atoms they are most of the slope."""
    time = 2 * math.pi / 3 + 0.012

    def job(time: float) -> engine._Job:
        asked = question(3000, time, 0.2)._replace(strengths=np.full(3, 0.2))
        found = engine._Job(asked, 1e-3)
        found.plan = plan.chain_plan(asked, plan.hops_of(asked, 1e-3), 1e-3, 600)
        return found

    def bits(time: float) -> float:
        one = job(time)
        return math.log2(one.norm().value / one.trace()[0])

    here = job(time)
    slope = here.slopes()[0]
    assert slope == pytest.approx((bits(time + 1e-6) - bits(time - 1e-6)) / 2e-6, rel=1e-4)
