"""The figures of dephasing beyond the paper: their points against other routes, their findings, and their drawing."""

import math

import numpy as np
import pytest
import xarray as xr

import jaxent
from jaxent.paper import macroscopic_noise
from jaxent.plot import noise_figures


def test_the_figure_of_saturation_holds_log_negativities(monkeypatch):
    monkeypatch.setattr(macroscopic_noise, "QUICK_ATOMS", (10,))
    monkeypatch.setattr(macroscopic_noise, "QUICK_RATES", (0.1,))
    monkeypatch.setattr(macroscopic_noise, "MAGIC", {"2π/3": (jaxent.pi_fraction(2, 3), 3)})
    reported = []
    data = macroscopic_noise.figure_saturation(True, reported.append)
    assert sum(reported) == pytest.approx(macroscopic_noise.seconds(("saturation",), True))
    assert macroscopic_noise.seconds(("1", "2"), True) == 0
    times = data.time.values
    dense = jaxent.end_to_end_log_negativity(jaxent.Chain(3, 10), times[[0, 1, 0, 0]], np.array([0.01, 0.01, 0.003, 0]))
    found = [*data.log_negativity[:, 0], data.weaker[0], data.pure[0]]
    np.testing.assert_allclose(found, dense, atol=1e-8)
    many = jaxent.end_to_end_log_negativity(jaxent.Chain(3, 40_000), times[0], 0.1, tolerance=5e-3)
    assert float(data.limit[0, 0]) == pytest.approx(float(many), abs=5e-3)


def four_limit(off: float) -> dict[str, xr.Dataset]:
    rates, levels = np.array([1e-2, 1e-1]), np.log2([6.0, 4.0, 3.0, 2.0])
    limit = np.outer(levels, [1.0, 0.5])
    data = xr.Dataset(
        {name: (("magic_time", rate), limit) for name, rate in (("limit", "dephasing_rate"), ("few", "few_rate"))},
        {"dephasing_rate": rates, "few_rate": rates, "many_rate": rates, "magic_time": np.arange(4)},
        {"few_atoms": 30, "many_atoms": 10**6, "tolerance_bits": 5e-3},
    )
    return {"4-limit": data.assign(many=(("magic_time", "many_rate"), limit + off))}


@pytest.mark.parametrize(("off", "holds"), [(1e-3, True), (-1e-3, True), (0.02, False), (-0.02, False)])
def test_many_atoms_show_the_limit_if_they_are_close_to_it(off, holds):
    (found,) = macroscopic_noise.findings(four_limit(off))
    assert found.holds == holds
    drawing = noise_figures.draw_four_limit(four_limit(off)["4-limit"])
    assert [axes.get_title("left")[-3:].strip() for axes in drawing.axes] == ["π/3", "π/2", "π/3", "= π"]


def test_no_time_is_farther_from_magic_times_than_the_generic_one():
    """The golden angle keeps |t/2π - p/r| r² near 1/√5 or above; t = 1 is next to 2π · 113/710."""
    r = np.arange(1, 1000)

    def distance(time: float) -> np.ndarray:
        return abs(time / (2 * math.pi) * r - np.round(time / (2 * math.pi) * r)) * r

    assert distance(macroscopic_noise.GENERIC).min() > 0.38
    assert distance(1.0).min() < 0.01


def made_up(grows: float = 0.0, kept: float = 1.0, bent: float = 0.0) -> dict[str, xr.Dataset]:
    """Curves that follow the laws, but for what is added at the last N, lost at magic times, or bent."""
    atoms, rates, times = np.array([10, 100, 10**7]), np.array([1e-3, 1e-2, 1e-1]), np.array([2.4, 1.6, 2.1])
    levels = np.array([0, 4, 3])
    law = -np.log2(np.outer(times[:1], rates)) / 2 - 0.57 + bent * np.arange(3)
    limit = np.concatenate([law, kept * np.repeat(np.log2(levels[1:])[:, None], 3, axis=1)])
    noisy = limit[:, [1]] + np.array([-0.5, -0.1, 0.0]) + grows * np.array([0, 0, 1])
    over = ("time_name", "n_atoms")
    return {
        "saturation": xr.Dataset(
            {
                "log_negativity": (over, noisy),
                "weaker": ("n_atoms", noisy[0] + 0.8),
                "pure": ("n_atoms", np.log2(atoms) / 2 + 0.6),
                "limit": (("time_name", "dephasing_rate"), limit),
                "time": ("time_name", times),
                "levels": ("time_name", levels),
            },
            {"time_name": ["generic", "π/2", "2π/3"], "n_atoms": atoms, "dephasing_rate": rates},
            {"rate_against_n_atoms": 1e-2, "weaker_rate": 1e-3, "tolerance_bits": 5e-3},
        )
    }


@pytest.mark.parametrize(
    ("changes", "answers"),
    [
        ({}, [True, True, True]),
        ({"grows": 0.02}, [False, True, True]),
        ({"grows": -0.02}, [False, False, True]),
        ({"kept": 0.98}, [True, False, True]),
        ({"bent": 0.05}, [True, True, False]),
    ],
)
def test_findings_hold_for_the_numbers_that_support_them_only(changes, answers):
    found = macroscopic_noise.findings(made_up(**changes))
    assert [finding.holds for finding in found] == answers
    assert macroscopic_noise.findings({}) == []


def test_the_drawing_of_saturation_names_every_curve():
    drawing = noise_figures.draw_saturation(made_up()["saturation"])
    words = [text.get_text() for text in drawing.legends[0].get_texts()]
    assert words[:3] == ["t = 2π/ϕ²", "t = π/2", "t = 2π/3"]
    assert {"limit N → ∞", "N = 1/(γt)", "t = 2π/ϕ², γ = 0"} < set(words)
    assert [axes.get_ylabel() for axes in drawing.axes] == ["log negativity (bits)"] * 2


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.2])
def test_at_short_times_the_ends_are_in_a_gaussian_state(rate):
    times = np.array([0.05, 0.1, 0.2])
    dense = jaxent.end_to_end_log_negativity(jaxent.Chain(3, 30), times, rate)
    np.testing.assert_allclose(macroscopic_noise.short_time(30, times, rate), dense, atol=0.011)
    limit = macroscopic_noise.short_time(math.inf, 0.0, max(rate, 1e-3))
    np.testing.assert_allclose(macroscopic_noise.short_time(1e12, 1e-4, max(rate, 1e-3)), limit, atol=1e-4)


@pytest.mark.thorough
def test_the_figure_of_best_times_holds_log_negativities(monkeypatch):
    for name, value in {"QUICK_BEST_RATES": (0.1,), "QUICK_LEVELS": (3,), "MANY_LEVELS": (3,), "MANY": 10**5}.items():
        monkeypatch.setattr(macroscopic_noise, name, value)
    monkeypatch.setattr(macroscopic_noise, "MANY_RATES", (0.1,))
    reported = []
    data = macroscopic_noise.figure_best_time(True, reported.append)
    assert sum(reported) == pytest.approx(macroscopic_noise.seconds(("best-time",), True))
    chain, time = jaxent.Chain(3, 30), float(data.few_time[1])
    dense = jaxent.end_to_end_log_negativity(chain, time, float(data.few_rate[1]))
    assert float(data.few[1]) == pytest.approx(float(dense), abs=1e-9)
    for moved in (0.97 * time, 1.03 * time):
        assert jaxent.end_to_end_log_negativity(chain, moved, float(data.few_rate[1])) < dense + 1e-3
    assert float(data.beside[0, 0]) < float(data.magic[0, 0]) < float(data.many[0]) <= float(data.short[0]) + 5e-3


def best_time(beyond: float = 0.0, disorder: float = 0.0) -> dict[str, xr.Dataset]:
    """Numbers that follow the laws, but for what magic times have beyond short ones, or beside what the law says."""
    rates, levels = np.array([3e-3, 1e-2, 0.1]), np.array([2, 3, 12, 32])
    short = macroscopic_noise.short_time(math.inf, 0.0, rates)
    magic = np.minimum(np.log2(levels)[:, None], short - 0.05 / levels[:, None])
    scale = 2 * math.pi * np.outer(levels, rates)
    beside = magic - 0.04 * np.log(scale / 0.45)
    beside[0, 0] -= disorder
    beside = np.minimum(beside, short)
    magic[-1, -1] += beyond
    over = ("levels", "dephasing_rate")
    variables = {"magic": (over, magic), "beside": (over, beside), "short": ("dephasing_rate", short)}
    variables |= {"few": ("few_rate", short / 2), "few_time": ("few_rate", [2 * math.pi / 9, 1.0, 1.5])}
    variables |= {"many": ("many_rate", short[1:]), "many_time": ("many_rate", [1e-3, math.pi / 6])}
    coordinates = {"levels": levels, "dephasing_rate": rates, "few_rate": rates, "many_rate": rates[1:]}
    about = {"few_atoms": 30, "many_atoms": 10**6, "tolerance_bits": 5e-3, "crossing": 0.45}
    return {"best-time": xr.Dataset(variables, coordinates, about)}


@pytest.mark.parametrize(
    ("changes", "answers"),
    [({}, [True, True, True]), ({"beyond": 0.1}, [False, True, True]), ({"disorder": 0.5}, [True, True, False])],
)
def test_best_times_are_told_from_the_numbers(changes, answers):
    assert [one.holds for one in macroscopic_noise.findings(best_time(**changes))] == answers


def test_the_drawing_of_best_times_names_times():
    drawing = noise_figures.draw_best_time(best_time()["best-time"])
    words = [text.get_text() for text in drawing.axes[0].texts]
    assert words == ["r = 2", "r = 3", "r = 12", "t = 2π/9", "t = 0.001", "t = 2π/12"]
    marked = [len(line.get_xdata()) for line in drawing.axes[1].lines[:3]]
    assert sum(marked) == 12
    assert [axes.get_ylabel() for axes in drawing.axes] == ["log negativity (bits)", "time t (1/coupling)"]


@pytest.mark.thorough
def test_the_figure_of_times_in_the_limit_holds_log_negativities(monkeypatch):
    monkeypatch.setattr(macroscopic_noise, "THREE_RATES", (0.1,))
    monkeypatch.setattr(macroscopic_noise, "_MANY_ATOMS", (40, 10**5))
    reported = []
    data = macroscopic_noise.figure_three_limit(True, reported.append)
    assert sum(reported) == pytest.approx(macroscopic_noise.seconds(("3-limit",), True))
    dense = jaxent.end_to_end_log_negativity(jaxent.Chain(3, 40), data.magic_time.values, 0.1)
    np.testing.assert_allclose(data.many[0, 0, 1:], dense[1:], atol=5e-3)
    assert np.isnan(data.many[0, 0, 0])  # γtN is too small for the bands
    np.testing.assert_allclose(data.limit_magic_time / np.pi, [2 / 3, 1])
    np.testing.assert_allclose(data.at_magic[0], data.many[1, 0, 2:], atol=5e-3)
    assert (np.diff(data.limit[0]) < 0).all()


def three_limit(off: float = 0.0, narrow: float = 0.0) -> dict[str, xr.Dataset]:
    times = np.pi * np.array([0.5, 0.65, 0.68, 0.9])
    limit = np.array([[2.0, math.log2(3) + narrow, math.log2(3), 1.5], [0.8, 0.7, 0.7, 0.6]])
    magic = np.array([[1.995, 1.58, 1.0], [0.78, 0.73, 0.49]])
    many = np.stack([np.pad(magic, ((0, 0), (1, 0)), constant_values=np.nan)] * 2)
    many[1] += off
    variables = {
        "limit": (("dephasing_rate", "time"), limit),
        "few": (("dephasing_rate", "few_time"), limit),
        "at_magic": (("dephasing_rate", "limit_magic_time"), magic),
        "many": (("many_atoms", "dephasing_rate", "magic_time"), many),
    }
    coordinates = {
        "dephasing_rate": [1e-2, 1e-1],
        "time": times,
        "few_time": times,
        "magic_time": np.pi / np.array([3, 2, 1.5, 1]),
        "limit_magic_time": np.pi / np.array([2, 1.5, 1]),
        "many_atoms": [1000, 10**6],
    }
    return {"3-limit": xr.Dataset(variables, coordinates, {"few_atoms": 30, "tolerance_bits": 5e-3})}


@pytest.mark.parametrize(
    ("changes", "answers"),
    [
        ({}, [True, True]),
        ({"off": 0.02}, [False, True]),
        ({"off": -0.02}, [False, True]),
        ({"narrow": 0.1}, [True, False]),
    ],
)
def test_the_limit_of_figure_three_is_told_from_the_numbers(changes, answers):
    data = three_limit(**changes)
    assert [one.holds for one in macroscopic_noise.findings(data)] == answers
    words = [
        text.get_text() for text in noise_figures.draw_three_limit(data["3-limit"]).axes[0].get_legend().get_texts()
    ]
    assert words[-3:] == ["N = $10^{3}$, at 2πp/r", "N = $10^{6}$, at 2πp/r", "N = 30"]
