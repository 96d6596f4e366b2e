"""Noise of single atoms beside collective dephasing: the matching of their rates, points, verdicts and the drawing."""

import math

import numpy as np
import pytest
import scipy.linalg
import xarray as xr

import jaxent
from jaxent.paper import single_atoms
from jaxent.paper.claims import Verdict
from jaxent.plot import noise_figures


def mean_spin(jumps: list[np.ndarray], spin: np.ndarray, state: np.ndarray, time: float) -> float:
    """⟨S_x⟩ after a time of dρ/dt = Σ LρL† - ½{L†L, ρ}, by the exponential of the whole generator."""
    one = np.eye(len(spin))
    generator = sum(
        np.kron(jump, jump.conj()) - (np.kron(jump.T @ jump, one) + np.kron(one, jump.T @ jump)) / 2 for jump in jumps
    )
    density = np.outer(state, state).ravel()
    return float(np.trace(spin @ (scipy.linalg.expm(generator * time) @ density).reshape(spin.shape)))


def test_rates_are_matched_by_the_decay_of_the_mean_spin():
    """Two atoms of three levels, |0⟩, |1⟩ and lost: γ, γ_1 = γ and Γ = 2γ damp ⟨S_x⟩ alike, as e^(-2γt)."""
    rate, time, zero = 0.3, 0.7, np.zeros((3, 3))
    sigma_z, sigma_x = np.diag([-1.0, 1.0, 0.0]), zero.copy()
    sigma_x[0, 1] = sigma_x[1, 0] = 1.0
    lost = [zero.copy(), zero.copy()]
    lost[0][2, 0] = lost[1][2, 1] = 1.0

    def of_each(one: np.ndarray) -> list[np.ndarray]:
        return [np.kron(one, np.eye(3)), np.kron(np.eye(3), one)]

    spin = np.sum(of_each(sigma_x), axis=0)
    plus = np.array([1.0, 1.0, 0.0]) / math.sqrt(2)
    models = {
        "collective": [math.sqrt(rate) * sum(of_each(sigma_z))],  # (γ/2)[S_z²ρ - 2S_zρS_z + ρS_z²]
        "dephasing": [math.sqrt(rate) * one for one in of_each(sigma_z)],
        "loss": [math.sqrt(2 * rate) * one for jump in lost for one in of_each(jump)],
    }
    assert tuple(models) == single_atoms.SOURCES
    found = [mean_spin(jumps, spin, np.kron(plus, plus), time) for jumps in models.values()]
    np.testing.assert_allclose(found, 2 * math.exp(-2 * rate * time), atol=1e-12)


def test_the_figure_holds_log_negativities(monkeypatch):
    monkeypatch.setattr(single_atoms, "QUICK_ATOMS", (4,))
    monkeypatch.setattr(single_atoms, "QUICK_RATES", (0.0, 0.1))
    monkeypatch.setattr(single_atoms, "WINDOWS", {4: None})
    reported = []
    data = single_atoms.figure_single_atom(True, reported.append)
    assert sum(reported) == pytest.approx(single_atoms.seconds(("single-atom",), True))
    assert single_atoms.seconds(("1", "2"), True) == 0
    chain, times = jaxent.Chain(3, 4), data.magic_time.values
    for name in ("dephasing", "loss"):
        np.testing.assert_allclose(data[name][:, :, 0], data.collective[:, :, 0], atol=1e-12)
    ends = single_atoms.ENDS_RATE
    whole = jaxent.end_to_end_log_negativity(chain, times, jaxent.EnsembleRates((ends, 0.1, ends)))
    np.testing.assert_allclose(data.collective_all_n[0, :, 1], whole, atol=1e-8)
    # t = π, r = 2: mean counts 2 (1 + e^(-0.2π) cos π/4) = 2.754 under dephasing, 2 e^(-0.2π) (1 + cos π/4) with loss
    offset, rates, fade = math.pi / 4, jaxent.EnsembleRates((ends, 0, ends)), math.exp(-0.2 * math.pi)
    means = {"dephasing": 2 * (1 + fade * math.cos(offset)), "loss": 2 * fade * (1 + math.cos(offset))}
    noises = {"dephasing": jaxent.Measurement(0.0, 0.1), "loss": jaxent.Measurement(0.0, 0.0, 0.2)}
    for name, mean in means.items():
        low, high = (
            float(jaxent.end_to_end_log_negativity(chain, math.pi, rates, count, offset, measurement=noises[name]))
            for count in (math.floor(mean), math.ceil(mean))
        )
        expected = low + (mean - math.floor(mean)) * (high - low)
        assert float(data[name][0, 3, 1]) == pytest.approx(expected, abs=1e-8)


def test_the_mean_count_follows_the_noise():
    mean = single_atoms.mean_count
    assert mean(10, 1.0, 0.0, "loss", 2) == pytest.approx(5 + 5 * math.sqrt(0.5))
    assert mean(10, 1.0, 50.0, "dephasing", 2) == mean(10, 1.0, 50.0, "collective", 2) == pytest.approx(5)
    assert mean(10, 1.0, 50.0, "loss", 2) == pytest.approx(0)


@pytest.mark.parametrize(
    ("values", "rate"),
    [([2.0, 2.0, 1.7, 1.0], 0.0464), ([2.0, 1.5, 1.0, 0.0], 0.01), ([2.0, 2.0, 1.9, 1.81], math.inf)],
)
def test_the_rate_at_which_a_tenth_is_lost(values, rate):
    found = single_atoms.rate_of_loss(np.array([0.0, 0.01, 0.1, 1.0]), np.array(values))
    assert found == pytest.approx(rate, rel=1e-3)


RATES = np.array([0.0, *np.geomspace(1e-3, 10.0, 81)])


def made_up(dephasing: float, loss: float, many: float = 1.0) -> dict[str, xr.Dataset]:
    """Curves that fall with γ; single atoms lose at γ what collective noise does at γ · factor."""
    collective = np.array([[r * np.exp(-RATES) for r in (6, 4, 3, 2)]] * 2)
    single = np.array([[[r * np.exp(-factor * RATES) for r in (6, 4, 3, 2)] for factor in (one, one * many)]
                       for one in (dephasing, loss)])  # fmt: skip
    over = ("n_atoms", "magic_time", "dephasing_rate")
    single[1][1] = math.nan  # loss is not computed for the most atoms
    names = ("collective", "dephasing", "loss", "collective_all_n", "dephasing_all_n")
    curves = (collective, *single, collective, single[0])
    return {
        "single-atom": xr.Dataset(
            {name: (over, one) for name, one in zip(names, curves, strict=True)},
            {"n_atoms": [10, 1000], "magic_time": np.arange(4), "dephasing_rate": RATES},
            {"tolerance_bits": 0.02},
        )
    }


@pytest.mark.parametrize(
    ("factors", "verdict", "answers"),
    [
        ((1.0, 1.0), Verdict.YES, [True, True]),
        ((0.8, 1.9), Verdict.PARTLY, [False, True]),
        ((0.3, 0.7), Verdict.PARTLY, [True, True]),
        ((0.3, 0.0), Verdict.NO, [True, True]),
        ((3.0, 3.0), Verdict.NO, [False, True]),
        ((0.3, 0.3, 3.0), Verdict.PARTLY, [True, False]),
    ],
)
def test_collective_dephasing_captures_what_costs_as_much(factors, verdict, answers):
    data = made_up(*factors)
    if factors == (0.8, 1.9):
        data["single-atom"].loss[0, 0] *= np.exp(-2 * RATES)
    (claim,) = single_atoms.claims(data)
    assert claim.verdict == verdict
    assert [finding.holds for finding in single_atoms.findings(data)] == answers
    assert single_atoms.claims({}) == single_atoms.findings({}) == []


def test_the_drawing_tells_noises_and_sizes_apart():
    drawing = noise_figures.draw_single_atom(made_up(0.3, 0.3)["single-atom"])
    assert [axes.get_title("left")[-3:].strip() for axes in drawing.axes] == ["π/3", "π/2", "π/3", "= π"]
    assert [text.get_text() for text in drawing.legends[0].get_texts()] == ["N = 10", "N = $10^{3}$"]
    legend = drawing.axes[3].get_legend()
    assert legend is not None
    words = [text.get_text().partition(",")[0] for text in legend.get_texts()]
    assert words == ["collective dephasing", "single atoms: dephasing", "single atoms: loss"]
