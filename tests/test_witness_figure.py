"""The figure of the modular witness: its points, where all levels end, its findings, and its drawing."""

import math

import numpy as np
import pytest
import xarray as xr

import jaxent
from jaxent.paper import modular_witness as figure
from jaxent.plot import laboratory_figures


def test_the_figure_holds_what_is_certified(monkeypatch):
    monkeypatch.setattr(figure, "QUICK_ATOMS", 20)
    monkeypatch.setattr(figure, "QUICK_LEVELS", (2,))
    monkeypatch.setattr(figure, "QUICK_SHARES", (0.0, 0.1))
    reported = []
    data = figure.figure_witness(True, reported.append)
    assert sum(reported) == pytest.approx(figure.seconds(("witness",), True))
    assert figure.seconds(("1", "2"), True) == 0
    offset = math.pi / 4
    rho = np.asarray(jaxent.end_to_end_state(jaxent.Chain(3, 20), math.pi, 0.01, 17, offset))
    k = np.arange(21)
    parity = (k + 1) % 2  # cells begin at 9: the middle of the weights is in one
    same = float(np.real(np.einsum("abab->ab", rho))[parity[:, None] == parity[None, :]].sum())
    partner = np.where((k - 9) % 2 == 0, k + 1, k - 1)
    inside = (partner >= 0) & (partner <= 20)
    swapped = sum(rho[a, b, partner[a], partner[b]].real for a in k[inside] for b in k[inside])
    second = (1 + swapped) / 2
    assert float(data.by_rate.sel(dephasing_rate=0.01)[0]) == pytest.approx(2 * (same + second - 1), abs=1e-10)


def test_levels_end_between_two_points():
    places = np.array([0.0, 1.0, 2.0])
    assert figure.last(places, np.array([4.0, 3.5, 2.5]), 4) == pytest.approx(1.5)
    assert figure.last(places, np.array([4.0, 3.5, 3.1]), 4) == math.inf
    assert figure.last(places, np.array([3.0, 2.5, 2.1]), 4) == 0


def made_up(rate: float = 0.01, share: float = 0.1) -> xr.Dataset:
    levels, rates, shares = np.array([2, 4]), np.array([0.0, 0.01, 0.1]), np.array([0.0, 0.1])
    return xr.Dataset(
        {
            "by_rate": (("levels", "dephasing_rate"), np.outer(levels, [1.0, 0.9, 0.2])),
            "by_resolution": (("resolved_levels", "share"), np.outer(levels, [1.0, 0.5])),
            "last_rate": ("levels", [0.05, rate]),
            "last_share": ("resolved_levels", [math.inf, share]),
        },
        {"levels": levels, "resolved_levels": levels, "dephasing_rate": rates, "share": shares},
        {"n_atoms": 10**4, "dephasing_rate_of_resolutions": 0.001},
    )


@pytest.mark.parametrize(
    ("changes", "answers"),
    [({}, [True, True]), ({"rate": 0.0005}, [False, True]), ({"share": 0.004}, [True, False])],
)
def test_findings_hold_for_the_numbers_that_support_them_only(changes, answers):
    found = figure.findings({"witness": made_up(**changes)})
    assert [finding.holds for finding in found] == answers
    assert "more than 0.1 N (r = 2)" in found[1].computed
    assert figure.findings({}) == []


def test_the_drawing_names_levels_and_sizes():
    drawing = laboratory_figures.draw_witness(made_up())
    assert [axes.get_title("left") for axes in drawing.axes[:2]] == [
        "(a)  N = $10^{4}$, t = 2π/r",
        "(b)  the same, γ = 0.001",
    ]
    legends = [legend for axes in drawing.axes if (legend := axes.get_legend())]
    words = [text.get_text() for legend in legends for text in legend.get_texts()]
    assert words == ["r certified up to here"]
    named = {text.get_text() for text in drawing.axes[0].texts}
    assert {"r = 2", "r = 4", "nothing certified below"} == named
    # the right axis is the logarithm of the left one
    marks = dict(
        zip(drawing.axes[2].get_yticks(), (x.get_text() for x in drawing.axes[2].get_yticklabels()), strict=True)
    )
    assert marks[4.0] == "2"
