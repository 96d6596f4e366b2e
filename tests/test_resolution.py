"""The figure of detector resolutions: its points against a direct sum over counts, its findings, and its drawing."""

import math

import numpy as np
import pytest
import xarray as xr

import jaxent
from jaxent.paper import resolution
from jaxent.plot import laboratory_figures


def test_the_figure_holds_mixtures_of_counts(monkeypatch):
    monkeypatch.setattr(resolution, "QUICK_ATOMS", (4,))
    monkeypatch.setattr(resolution, "QUICK_PURE_ATOMS", (4,))
    monkeypatch.setattr(resolution, "QUICK_SHARES", (0.25,))
    monkeypatch.setattr(resolution, "PURE_SHARES", (0.0, 0.5))
    monkeypatch.setattr(resolution, "PURE_WINDOW", None)
    reported = []
    data = resolution.figure_resolution(True, reported.append)
    assert sum(reported) == pytest.approx(resolution.seconds(("resolution",), True))
    assert resolution.seconds(("1", "2"), True) == 0
    np.testing.assert_allclose(data.resolution, [[0.0, 1.0, 2.0]])
    chain = jaxent.Chain(3, 4)
    for name, time in {"2π/3": 2 * math.pi / 3, "π/2": math.pi / 2}.items():
        found = data.log_negativity.sel(time_name=name)[0, 1]
        record = 4 * math.cos(time / 8) ** 2
        assert float(found) == pytest.approx(blurred(chain, time, record, 1.0), abs=1e-9)


def blurred(chain: jaxent.Chain, time: float, record: float, sigma: float) -> float:
    """The log negativity of the states of all counts q, mixed by p_q and their likelihoods."""
    total = 0.0
    for count in range(chain.n_atoms + 1):
        arguments = (chain, time, resolution.RATE, count, time / 4)
        weight = math.exp(jaxent.dephased_log_probability(*arguments) - (record - count) ** 2 / (2 * sigma**2))
        total = total + weight * np.asarray(jaxent.end_to_end_state(*arguments))
    return float(jaxent.log_negativity_dm(total / np.einsum("abab", total)))


def test_half_a_bit_is_lost_between_two_resolutions():
    sigma = np.array([0.0, 1.0, 2.0, np.nan])
    assert resolution.half_bit(sigma, np.array([2.0, 1.75, 1.25, np.nan])) == pytest.approx(1.5)
    assert math.isnan(resolution.half_bit(sigma, np.array([2.0, 1.9, 1.6, np.nan])))


def made_up(power: float = 1.0, at_root: float = 0.0, pure: float = 0.5) -> xr.Dataset:
    atoms, names = np.array([100, 10**4, 10**6]), list(resolution.TIMES)
    half = np.array([0.3 * atoms**power, 0.2 * atoms**power, 0.1 * atoms])
    half[:, -1] = np.nan
    sigma = np.outer(np.sqrt(atoms), [0.0, 1.0, 10.0])
    bits = np.full((3, 3, 3), 2.0)
    bits[:, -1, 1] -= at_root
    few = np.array([32, 100])
    shares = np.array([0.0, 0.5, 1.0])
    return xr.Dataset(
        {
            "log_negativity": (("time_name", "n_atoms", "point"), bits),
            "resolution": (("n_atoms", "point"), sigma),
            "half_bit": (("time_name", "n_atoms"), half),
            "pure": (("pure_atoms", "share"), np.outer([3.0, 4.0], [1.0, 0.9, 0.8])),
            "pure_half_bit": ("pure_atoms", pure * np.sqrt(few)),
        },
        {"time_name": names, "n_atoms": atoms, "pure_atoms": few, "share": shares},
        {"dephasing_rate": 0.003, "tolerance_bits": 0.01},
    )


@pytest.mark.parametrize(
    ("changes", "answers"),
    [
        ({}, [True, True]),
        ({"power": 0.9}, [False, True]),
        ({"power": 1.1}, [False, True]),
        ({"at_root": 0.1}, [False, True]),
        ({"pure": 1.5}, [True, False]),
    ],
)
def test_findings_hold_for_the_numbers_that_support_them_only(changes, answers):
    found = resolution.findings({"resolution": made_up(**changes)})
    assert [finding.holds for finding in found] == answers
    assert resolution.findings({}) == []


def test_the_drawing_names_times_and_sizes():
    drawing = laboratory_figures.draw_resolution(made_up())
    assert [axes.get_title("left") for axes in drawing.axes] == [
        "(a)  t = 2π/3",
        "(b)  t = π/2",
        "(c)  t = 2π/ϕ²",
        "(d)",
    ]
    legends = [legend for axes in drawing.axes if (legend := axes.get_legend())]
    words = [text.get_text() for legend in legends for text in legend.get_texts()]
    assert {"N = 100", "γ = 0, N = 32", "σ = √N/5", "t = 2π/ϕ², γ = 0"} < set(words)
