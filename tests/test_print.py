"""Figures as they are printed: sizes of text and paper, lines only where points resolve, captions with parameters."""

import importlib

import matplotlib.image
import numpy as np
import pytest
import test_best_offsets
import test_macroscopic_noise
import test_resolution
import test_single_atoms
import test_witness_figure
import xarray as xr
from matplotlib.text import Text

import jaxent
from jaxent.paper import captions, registry
from jaxent.plot import figures, sheet

MADE_UP = {
    "offsets": test_best_offsets.made_up,
    "saturation": lambda: test_macroscopic_noise.made_up()["saturation"],
    "4-limit": lambda: test_macroscopic_noise.four_limit(1e-3)["4-limit"],
    "best-time": lambda: test_macroscopic_noise.best_time()["best-time"],
    "resolution": test_resolution.made_up,
    "single-atom": lambda: test_single_atoms.made_up(0.3, 0.3)["single-atom"],
    "witness": test_witness_figure.made_up,
}


@pytest.mark.parametrize("name", sheet.SIZES)
@pytest.mark.parametrize("number", MADE_UP)
def test_all_text_is_as_large_as_the_size_says(number, name):
    size = sheet.SIZES[name]
    drawing = registry.FIGURES[number].draw(MADE_UP[number](), size)
    drawing.draw_without_rendering()
    assert drawing.get_size_inches()[0] == pytest.approx(size.width)
    texts = [text for text in drawing.findobj(Text) if text.get_visible() and text.get_text()]
    assert {text.get_fontsize() for text in texts} == {size.text}
    assert len(texts) > 10


@pytest.mark.parametrize("number", MADE_UP)
def test_panels_stand_one_above_the_other_in_a_column(number):
    drawing = registry.FIGURES[number].draw(MADE_UP[number](), sheet.SIZES["column"])
    left = {round(axes.get_position().x0, 2) for axes in drawing.axes}
    assert len(left) <= (2 if number == "offsets" else 1)


def curves(step: float) -> xr.Dataset:
    """Make up Figure 1 for two N, at times `step` apart."""
    time = np.arange(step, 3.0, step)
    over = ("n_atoms", "point")
    return xr.Dataset(
        {
            "time": (over, [time, time]),
            "entropy": (over, np.ones((2, len(time)))),
            "dimension": ("n_atoms", [101, 101]),
        },
        {"n_atoms": [100, 10**4]},
    )


@pytest.mark.parametrize(("step", "joined"), [(0.1, []), (0.015, [100]), (1.5e-4, [100, 10**4])])
def test_no_line_is_drawn_through_times_that_do_not_resolve_the_dips(step, joined):
    drawing = figures.draw_figure_one(curves(step))
    lines = [line for line in drawing.axes[0].lines if len(line.get_xdata()) > 1]
    found = [n_atoms for n_atoms, line in zip((100, 10**4), lines, strict=True) if line.get_linestyle() == "-"]
    assert found == joined


def test_magic_times_are_named_above_the_panel():
    drawing = figures.draw_figure_one(curves(0.1))
    above = drawing.axes[0].child_axes[0]
    named = {
        round(float(x), 6): text.get_text() for x, text in zip(above.get_xticks(), above.get_xticklabels(), strict=True)
    }
    assert named == {
        1.0: "r = 2",
        0.666667: "3",
        0.5: "4",
        0.4: "5",
        0.8: "5",
        0.333333: "6",
    }


def test_every_figure_has_a_caption():
    assert set(captions._TEXTS) == set(registry.FIGURES)


def test_a_caption_has_the_parameters_of_the_data():
    data = xr.Dataset(
        coords={"n_atoms": [30, 10**6], "magic_time": [np.pi / 3, 1.0], "rate": np.arange(50.0), "share": [1.0]}
        | {"dip_atoms": [25, 50], "few_rate": [0.1]},
        attrs={"n_ensembles": 3, "outcomes": "all N", "phase_offset": 0.0, "tolerance_bits": 0.005}
        | {"jaxent_version": "1.2", "jax_version": "3.4", "precision": "float64", "platform": "cpu", "device": "cpu"}
        | {"reference": "arXiv:2603.06085", "title": "t"},
    )
    text = captions.caption("4-limit", data)
    assert text.startswith("Figure 4-limit. Logarithmic negativity")
    parameters = (
        "M = 3; outcomes = all N; φ = 0; N = 30, 10^6; magic time = π/3, 1; few: γ = 0.1; tolerance (bits) = 0.005"
    )
    origin = "Computed by jaxent 1.2 (JAX 3.4, float64, cpu). Reference: S. Li et al., arXiv:2603.06085."
    assert f"Parameters: {parameters}. {origin}" in text


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_files_hold_their_caption(tmp_path, kind):
    drawing = MADE_UP["4-limit"]()
    path = tmp_path / f"a.{kind}"
    picture = registry.FIGURES["4-limit"].draw(drawing, sheet.SIZES["column"])
    sheet.printer(picture, kind, 100, "of many atoms")(path)
    assert b"of many atoms" in path.read_bytes()
    if kind == "png":
        assert matplotlib.image.imread(path).shape[1] == 340


def test_a_drawing_leaves_the_style_of_others_alone():
    before = dict(importlib.import_module("matplotlib").rcParams)
    registry.FIGURES["4-limit"].draw(MADE_UP["4-limit"](), sheet.SIZES["slide"])
    assert dict(importlib.import_module("matplotlib").rcParams) == before


@pytest.mark.parametrize(("n_atoms", "joined"), [(20, True), (10**4, False)])
def test_the_command_s_curves_join_only_what_they_resolve(n_atoms, joined):
    time = np.linspace(0.1, 3.0, 100)
    curve = jaxent.EntropyCurve(time, time, np.ones(100), np.where(np.arange(100) == 50, 4, 0), np.zeros(100))
    drawing = figures.draw_curves([curve], [n_atoms], "M = 3", (0.0, 3.1), sheet.SIZES["column"])
    even = drawing.axes[0].lines[0]
    assert (even.get_linestyle() == "-") is joined
    assert len(even.get_xdata()) == 99


@pytest.mark.parametrize("name", sheet.SIZES)
def test_the_legend_of_curves_leaves_them_most_of_the_width(name):
    time = np.linspace(0.1, 3.0, 100)
    curve = jaxent.EntropyCurve(time, time, np.ones(100), np.zeros(100, int), np.zeros(100))
    drawing = figures.draw_curves([curve] * 4, [10, 20, 30, 10**6], "M = 3", (0.0, 3.1), sheet.SIZES[name])
    drawing.draw_without_rendering()
    assert drawing.axes[0].get_position().width > 0.6
