"""The figures beyond the paper: their points against the dense route, their findings, and their drawing."""

import math

import numpy as np
import pytest
import xarray as xr

import jaxent
from jaxent.paper import large_n
from jaxent.plot import figures


@pytest.fixture
def small(monkeypatch):
    """The same figures of few atoms and few times."""
    monkeypatch.setattr(large_n, "QUICK_ATOMS", {20: 4, 100: 6})
    monkeypatch.setattr(large_n, "ZOOMED_ATOMS", 400)
    monkeypatch.setattr(large_n, "FLOOR_ATOMS", (10**6, 10**10))


def test_the_large_figure_holds_entropies_of_its_times(small):
    reported = []
    data = large_n.figure_large(True, reported.append)
    assert sum(reported) == pytest.approx(large_n.seconds(("1-large",), True))
    for n_atoms in (20, 100):
        curve = data.sel(n_atoms=n_atoms)
        keep = np.isfinite(curve.time.values)
        dense = jaxent.end_to_end_entropy(jaxent.Chain(3, n_atoms), curve.time.values[keep])
        np.testing.assert_allclose(curve.entropy.values[keep], dense, atol=large_n.TOLERANCE)
    drawing = figures.draw_figure_large(data)
    assert [axes.get_ylabel() for axes in drawing.axes] == [
        "end-to-end entanglement E (bits)",
        "$E\\,/\\,\\log_2(N+1)$",
    ]


@pytest.mark.thorough
def test_the_zoom_descends_into_the_dip(small):
    reported = []
    data = large_n.figure_zoom(True, reported.append)
    assert sum(reported) == pytest.approx(large_n.seconds(("zoom",), True))
    for half_width in large_n.HALF_WIDTHS:
        panel = data.sel(half_width=half_width)
        assert float(panel.entropy.where(panel.levels == 4).min()) == pytest.approx(2.0, abs=1e-4)
        assert float(abs(panel.distance).max()) == pytest.approx(half_width)
    assert float(data.floor_entropy.sel(scaled_distance=0.0).max()) == pytest.approx(2.0, abs=1e-4)
    drawing = figures.draw_zoom(data)
    assert [axes.get_xlabel()[:5] for axes in drawing.axes] == ["t − π"] * 3 + ["N (t "]


def made_up(median: float, dip: float, floor: float) -> dict[str, xr.Dataset]:
    atoms = [10**6, 10**10]
    entropy = np.array([[median * math.log2(n + 1), dip] for n in atoms])
    large = xr.Dataset(
        {"entropy": (("n_atoms", "point"), entropy), "levels": (("n_atoms", "point"), [[0, 4], [0, 4]])},
        {"n_atoms": atoms},
    )
    zoom = xr.Dataset({"floor_entropy": (("n_atoms", "x"), [[2.0, 3.0], [2.0, floor]])}, {"n_atoms": atoms})
    return {"1-large": large, "zoom": zoom}


def test_findings_hold_for_the_numbers_that_support_them_only():
    assert [finding.holds for finding in large_n.findings(made_up(0.5, 2.0, 3.0))] == [True, True, True]
    assert [finding.holds for finding in large_n.findings(made_up(0.7, 2.1, 3.1))] == [False, False, False]
    assert large_n.findings({}) == []
