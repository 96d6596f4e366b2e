"""The figure of best offsets: its points against scans of the oracle, its findings, and its drawing."""

import numpy as np
import oracles
import pytest
import xarray as xr

from jaxent.paper import best_offsets
from jaxent.plot import figures


def test_a_point_gains_what_a_scan_of_the_oracle_gains():
    best_offset, textbook_offset, best, textbook, error = best_offsets._compare("n_atoms", 4, True)
    assert textbook_offset == pytest.approx(np.pi / 8)
    assert error == 0.0
    assert textbook == pytest.approx(oracles.average_entropy(3, 4, np.pi / 2, np.pi / 8), abs=1e-10)
    assert best == pytest.approx(oracles.average_entropy(3, 4, np.pi / 2, best_offset), abs=1e-10)
    nearby = [oracles.average_entropy(3, 4, np.pi / 2, x) for x in np.linspace(0.2, 0.6, 41)]
    assert best >= max(nearby)
    assert best > textbook + 1e-3


@pytest.mark.parametrize("offset", [0.3, -0.3, np.pi - 0.3, 2 * np.pi + 0.3, np.pi + 0.3])
def test_equivalent_offsets_are_told_as_one(offset):
    assert best_offsets._folded(offset) == pytest.approx(0.3, abs=1e-12)
    here, there = (oracles.average_entropy(3, 3, 1.1, x) for x in (offset, 0.3))
    assert here == pytest.approx(there, abs=1e-10)


def made_up() -> xr.Dataset:
    data, coords = {}, {"n_atoms": [4, 40], "n_ensembles": [3, 8], "dephasing_rate": [1e-3, 1e-1], "time": [1.2, 2.0]}
    for direction in coords:
        gains = np.array([0.0, 0.02])
        data[f"best_offset_{direction}"] = ((direction,), [0.4, 0.1])
        data[f"textbook_offset_{direction}"] = ((direction,), [0.39, 0.39])
        data[f"textbook_{direction}"] = ((direction,), [1.0, 1.0])
        data[f"best_{direction}"] = ((direction,), 1.0 + gains)
        data[f"error_{direction}"] = ((direction,), np.array([0.0, 0.01 if direction == "n_ensembles" else 0.0]))
    return xr.Dataset(data, coords)


def test_a_gain_within_its_error_decides_nothing():
    verdicts = [finding.holds for finding in best_offsets.findings({"offsets": made_up()})]
    assert verdicts == [False, True, False, False]
    assert best_offsets.findings({}) == []


def test_the_drawing_shows_all_four_directions():
    drawing = figures.draw_offsets(made_up())
    assert len(drawing.axes) == 8
    labels = [axes.get_xlabel() for axes in drawing.axes[4:]]
    assert labels == ["atoms per ensemble N", "ensembles M", "rate γ (coupling)", "time t (1/coupling)"]
