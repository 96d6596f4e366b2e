"""The figure of Husimi functions: a map against the tensor of the chain, its findings, and its drawing."""

import math

import numpy as np
import oracles
import pytest
import xarray as xr
from scipy.special import comb

from jaxent.paper import pictures
from jaxent.plot import laboratory_figures


def test_the_figure_holds_the_first_end_of_the_tensor(monkeypatch):
    monkeypatch.setattr(pictures, "ATOMS", 6)
    reported = []
    data = pictures.figure_husimi(True, reported.append)
    assert sum(reported) == pytest.approx(pictures.seconds(("husimi",), True))
    assert pictures.seconds(("1",), True) == 0
    amplitudes = oracles.end_to_end(3, 6, 1.0, [6], [0.0])
    ends = {"Dicke state": amplitudes[:, 3], "coherent state": amplitudes @ coherent(math.pi / 2, 3.0).conj()}
    for kind, state in ends.items():
        found = data.husimi.sel(result=kind, time_name="1")
        for theta, phi in ((4, 7), (15, 30), (20, 51)):
            direction = coherent(float(data.theta[theta]), float(data.phi[phi]) - 3.0)
            expected = abs(np.vdot(direction, state)) ** 2 / np.vdot(state, state).real
            assert float(found[theta, phi]) == pytest.approx(expected, abs=1e-12)
    plain, dephased = (data.husimi.sel(result=kind) for kind in ("Dicke state", "Dicke state, dephasing"))
    assert float(dephased.max()) < float(plain.max())


def coherent(theta: float, phi: float) -> np.ndarray:
    k = np.arange(7)
    return np.sqrt(comb(6, k)) * np.cos(theta / 2) ** k * np.sin(theta / 2) ** (6 - k) * np.exp(-1j * k * phi)


def made_up(levels: int = 3, uneven: float = 0.0) -> xr.Dataset:
    phi, theta = np.linspace(-math.pi, math.pi, 61), np.linspace(0.0, math.pi, 5)
    kinds, names = list(pictures.KINDS), list(pictures.TIMES)
    values = np.zeros((3, 3, 5, 61))
    for column, r in enumerate((5, 4, levels)):
        wave = np.maximum(np.cos(r * phi), 0.0) * (1 + uneven * np.cos(phi)) / r
        values[:, column, 2] = wave * np.array([1.0, 1.0, 0.5])[:, None]
    coords = {"result": kinds, "time_name": names, "theta": theta, "phi": phi}
    return xr.Dataset({"husimi": (tuple(coords), values)}, coords, {"dephasing_rate": 0.01})


@pytest.mark.parametrize(("changes", "holds"), [({}, True), ({"levels": 5}, False), ({"uneven": 0.2}, False)])
def test_the_finding_holds_for_equal_lobes_as_many_as_levels_only(changes, holds):
    (finding,) = pictures.findings({"husimi": made_up(**changes)})
    assert finding.holds is holds
    assert "lowers the highest to 0.50 at π/2, 0.50 at 2π/3" in finding.computed
    assert pictures.findings({}) == []


def test_the_drawing_names_times_and_results():
    drawing = laboratory_figures.draw_husimi(made_up())
    titles = [axes.get_title("left") for axes in drawing.axes[:9]]
    assert titles[:3] == ["(a)  t = 1", "(b)  t = π/2", "(c)  t = 2π/3"]
    assert titles[3:] == [f"({letter})" for letter in "defghi"]
    rows = [axes.get_ylabel() for axes in drawing.axes[:9:3]]
    assert rows == ["$S_z = 0$ at the last end", "coherent last end", "$S_z = 0$, γ = 0.01"]
