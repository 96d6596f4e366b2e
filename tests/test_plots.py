"""What a person reads off a plot of results: every value drawn, every value named, and nothing left out unsaid."""

import dataclasses
import itertools
import math
import struct

import hypothesis
import numpy as np
import pytest
import xarray as xr
from hypothesis import strategies

from jaxent.cli import main
from jaxent.plot import html, labels, sheet, static, views

KNOBS = {
    "n_atoms": ("N", [3, 6]),
    "window": ("c", [math.inf, 1.5]),
    "outcomes": ("q", ["N", "N-1"]),
    "phase_offset": ("φ", [0.0, 0.1234567]),
    "time": ("t", [math.pi / 2, math.pi / 5, 2 * math.pi / 3]),
}


def made_up(n_atoms: float, window: float, outcomes: str, phase_offset: float, time: float) -> float:
    """A value that tells all knobs."""
    return n_atoms + 0.3 * (outcomes == "N") + math.sin(3 * phase_offset) + math.cos(time) + 1 / window


def dataset_of(values, **coordinates) -> xr.Dataset:
    return xr.Dataset({"value": (tuple(coordinates), np.asarray(values))}, coordinates)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results over five axes, as a sweep has them, in a file whose name has a dot."""
    axes = {name: values for name, (_, values) in KNOBS.items()}
    values = np.array([made_up(*each) for each in itertools.product(*axes.values())])
    data = dataset_of(values.reshape([len(each) for each in axes.values()]), **axes).assign_coords(n_ensembles=3)
    path = tmp_path_factory.mktemp("plots") / "gamma0.01"
    data.to_netcdf(path, engine="h5netcdf")
    return path


@pytest.fixture
def plot(capsys, tmp_path, monkeypatch):
    """Run `jaxent plot` in an empty folder; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        with pytest.raises(SystemExit) as stopped:
            main.main(["plot", *map(str, words)])
        captured = capsys.readouterr()
        return stopped.value.code or 0, captured.out, captured.err

    return run


def rising(kind: str = "curves", **sizes: int) -> views.View:
    """A view of results that rise by one from value to value, over axes of these sizes."""
    values = np.arange(float(math.prod(sizes.values()))).reshape(tuple(sizes.values()))
    return views.make_view(dataset_of(values, **{name: np.arange(size) + 3 for name, size in sizes.items()}), kind)


def as_read(texts: list[str], time: float) -> float:
    """The value for what a title and a legend say."""
    values = {"c": "inf"} | dict(text.split(" = ") for text in texts if text != "full basis")
    assert values["M"] == "3"
    assert ("full basis" in texts) == (values["c"] == "inf")
    return made_up(int(values["N"]), float(values["c"]), values["q"], float(values["φ"]), time)


@pytest.mark.parametrize("at", [[], ["window=full", "outcomes=N-1"], ["window=1.5", "phase_offset=0.1234567"]])
def test_what_is_read_off_a_figure_and_a_page_is_what_the_results_hold(results, at):
    view = views.make_view(views.open_results(results), "curves", x="time", lines="n_atoms", at=at)
    figure = static.draw_view(view)
    title = figure.get_suptitle().split("\n")[0].split(", ")
    axes = figure.axes[0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["N = 3", "N = 6"]
    glyphs = html.drawing(view).renderers
    for line, glyph in zip(axes.lines, glyphs, strict=True):
        assert line.get_label() == glyph.name
        np.testing.assert_array_equal(line.get_xdata(), glyph.data_source.data["x"])
        np.testing.assert_array_equal(line.get_ydata(), glyph.data_source.data["y"])
        expected = [as_read([*title, str(line.get_label())], math.pi * x) for x in line.get_xdata()]
        np.testing.assert_allclose(line.get_ydata(), expected, atol=3 * 0.5e-4)  # the title gives φ to four digits
    assert f'<p style="font: 14px sans-serif">{", ".join(title)}<br>' in html.page(view)


def test_a_map_has_each_value_in_its_place(results):
    data = views.open_results(results)
    view = views.make_view(data, "map", x="time", lines="n_atoms", at=["window=1.5"])
    figure = static.draw_view(view)
    mesh = figure.axes[0].collections[0]
    cut = data.value.isel(outcomes=0, phase_offset=0).sel(window=1.5).sortby("time")
    np.testing.assert_array_equal(mesh.get_array(), cut.transpose("n_atoms", "time"))
    cells = html.drawing(view).renderers[0].data_source.data
    read = dict(zip(zip(cells["y"], cells["x"], strict=True), cells["z"], strict=True))
    for n_atoms in (3, 6):
        for time in data.time.values:
            assert read[n_atoms, time / math.pi] == float(cut.sel(n_atoms=n_atoms, time=time))
    assert figure.get_suptitle() == "M = 3, c = 1.5, q = N, φ = 0"


@pytest.mark.parametrize("kind", ["curves", "map", "panels"])
def test_every_axis_is_drawn_or_stands_in_the_title(results, kind, plot):
    code, out, err = plot(results, "--kind", kind)
    assert (code, err) == (0, "")
    view = views.make_view(views.open_results(results), kind)
    drawn = {axis.name for axis in (view.x, view.lines, view.panels) if axis}
    names = {"n_atoms": "N = ", "outcomes": "q = ", "phase_offset": "φ = ", "window": "full basis", "time": "t = "}
    for name, start in names.items():
        assert (start in view.title) == (name not in drawn)
        assert (f"--at {name}=VALUE draws another" in out) == (name not in drawn)
    assert out.endswith("wrote gamma0.01.png\n")


def test_a_dimension_without_values_is_numbered_in_the_title():
    data = xr.Dataset({"probability": (("k", "time"), np.ones((3, 4)))}, {"time": np.arange(4.0)})
    assert views.make_view(data, x="time", at=["k=2"]).title == "k = 2"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("n_atoms=5", "n_atoms a value that the results have, but gives '5'; there are 3 and 6."),
        ("n_atoms=6.0001", "n_atoms a value that the results have, but gives '6.0001'; there are 3 and 6."),
        ("window=2", "gives '2'; there are full and 1.5."),
        ("window=ful", "gives 'ful'; there are full and 1.5."),
        ("outcomes=N-2", "gives 'N-2'; there are N and N-1."),
        ("phase_offset=0.12", "gives '0.12'; there are 0 and 0.1235."),
        ("time=pi", "gives 'pi'; there are pi/2, pi/5 and 2pi/3."),
        ("n_ensembles=3", "`at` must name what the results have, but is 'n_ensembles'"),
        ("n_atoms", "`at` must be name=value, but is 'n_atoms'."),
        ("n_atoms=" + "9" * 5000, "there are 3 and 6."),
    ],
)
def test_a_value_that_is_not_there_is_refused_with_those_that_are(results, plot, words, sentence):
    code, out, err = plot(results, "--at", words)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
    assert len(err) < 300


def test_of_many_values_the_ends_and_the_nearest_are_told():
    many = dataset_of(np.zeros((500, 2)), time=np.linspace(0.0, 3.0, 500), n_atoms=[3, 4])
    with pytest.raises(ValueError, match=r"there are 500 from 0 to 3, the nearest 1\.497 and 1\.503\.$"):
        views.make_view(many, at=["time=1.5"])
    assert views.make_view(many, at=["time=1.503"]).title == f"t = {np.linspace(0, 3, 500)[250] / math.pi:.4f} π"
    with pytest.raises(ValueError, match=r"`at` must give one value for each axis, but is 'n_atoms=3 n_atoms=4'"):
        views.make_view(many, at=["n_atoms=3", "n_atoms=4"])


@hypothesis.given(
    strategies.sampled_from(["time", "phase_offset", "dephasing_rate"]),
    strategies.lists(strategies.floats(1e-6, 1e3), min_size=1, max_size=6, unique=True),
    strategies.sampled_from([0.0, 1e-5, 1e-9]),
)
def test_different_values_read_differently_and_what_is_read_can_be_typed(name, values, closeness):
    """However close they are, and however many digits that takes."""
    values = np.unique(values[0] * (1 + closeness * np.array(values)) if closeness else np.array(values))
    hypothesis.assume((np.diff(values) > 1e-12 * values[1:]).all())  # nearer ones are told apart by `repr` alone
    words = labels.texts(name, values)
    assert len(set(words)) == len(values)
    for index, word in enumerate(words):
        typed = word.split(" = ")[1].replace(" π", "pi")
        assert labels.index_of(name, values, typed) == index


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("n_atoms", [20, 123456, 10**6, 10**6 + 1], ["N = 20", "N = 123456", "N = 10⁶", "N = 1000001"]),
        ("window", [math.inf, 1.5], ["full basis", "c = 1.5"]),
        ("time", [0.0, -math.pi, 2 * math.pi / 3, 18.0], ["t = 0", "t = −π", "t = 2π/3", "t = 5.730 π"]),
        ("phase_offset", [0.1 * 3, 1e-3], ["φ = 0.3", "φ = 0.001"]),
        ("dephasing_rate", ["0.01 0.02 0", "0.1"], ["γ = 0.01 0.02 0", "γ = 0.1"]),
    ],
)
def test_values_are_written_as_they_are(name, values, words):
    assert labels.texts(name, np.array(values)) == words


def test_values_that_are_nearer_than_a_float_tells_from_rounding_are_found_by_all_their_digits():
    values = 1.5 * (1 + 1e-15 * np.arange(3))
    found = [labels.index_of("phase_offset", values, repr(float(value))) for value in values]
    assert values[found].tolist() == values.tolist()


# ------------------------------------------------------------------------ nothing left out unsaid


def limits_hold_all(axes) -> bool:
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    for line in axes.lines:
        x, y = (np.asarray(values, float) for values in line.get_data())
        inside = np.isfinite(x) & np.isfinite(y)
        if not ((x[inside] >= left) & (x[inside] <= right) & (y[inside] >= low) & (y[inside] <= high)).all():
            return False
    return True


@pytest.mark.parametrize("shift", [0.0, -3.0, -1000.0])
def test_panels_show_all_values_of_all_of_them(shift):
    values = 10.0 ** np.arange(12).reshape(3, 4) + shift
    data = dataset_of(values, n_atoms=[3, 4, 5], time=[0.1, 0.2, 0.3, 0.4])
    view = views.make_view(data, "panels", x="time", panels="n_atoms")
    figure = static.draw_view(view)
    assert len(figure.axes) == 3
    assert all(limits_hold_all(axes) for axes in figure.axes)
    for panel, _, _ in html.drawing(view).children:
        for glyph in panel.renderers:
            drawn = glyph.data_source.data["y"]
            assert panel.y_range.start <= drawn.min() <= drawn.max() <= panel.y_range.end
    low, high = views.value_range(view)
    assert low == (0.0 if shift == 0 else pytest.approx(1 + shift - 0.05 * (1e11 - 1)))
    assert high == pytest.approx(1.05e11, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "sizes", "notes"),
    [
        ("curves", {"n_atoms": 8, "time": 10}, []),
        ("curves", {"n_atoms": 9, "time": 10}, ["8 of the 9 values of N drawn"]),
        ("map", {"n_atoms": 9, "time": 10}, []),
        (
            "panels",
            {"window": 9, "time": 7, "outcomes": 10},
            ["8 of the 9 values of c drawn", "6 of the 7 values of t drawn"],
        ),
    ],
)
def test_lines_and_panels_that_are_left_out_are_said(kind, sizes, notes):
    view = rising(kind, **sizes)
    assert view.notes == notes
    said = static.draw_view(view).get_suptitle()
    text = html.page(view)
    for note in notes:
        assert note in said
        assert note in text


def test_points_without_a_place_or_a_value_are_said(plot, tmp_path):
    values = np.arange(10.0).reshape(2, 5)
    values[1, 3:] = np.nan, np.inf
    data = dataset_of(values, n_atoms=[3, 4], dephasing_rate=[0.0, 1e-3, 1e-2, 1e-1, 1.0])
    data.to_netcdf(tmp_path / "noise.nc", engine="h5netcdf")
    notes = ["2 of 10 values missing or infinite", "γ = 0 left out: no place on a logarithmic axis"]
    assert plot("noise.nc") == (0, "\n".join([*notes, "wrote noise.png\n"]), "")
    view = views.make_view(data)
    assert static.draw_view(view).get_suptitle() == "; ".join(notes)
    assert views.value_range(view) == (0.0, 1.05 * 7)


def test_missing_integers_are_no_values():
    view = views.make_view(dataset_of(np.array([[3, -1], [0, 2]]), n_atoms=[3, 4], time=[0.1, 0.2]))
    assert view.notes == ["1 of 4 values missing or infinite"]
    np.testing.assert_array_equal(view.values[0], [[3, np.nan], [0, 2]])


@pytest.mark.parametrize("kind", ["curves", "map"])
@pytest.mark.filterwarnings("error")
def test_an_axis_of_one_value_is_drawn_when_asked_for(kind):
    view = views.make_view(dataset_of([[2.0, 3.0, 4.0]], n_atoms=[7], time=[0.1, 0.2, 0.3]), kind, x="n_atoms")
    assert static.draw_view(view).axes[0].get_xlim() == (6.5, 7.5)


def test_a_long_title_is_divided_between_its_values():
    texts = [f"name{index} = {index}" for index in range(20)]
    view = dataclasses.replace(rising(n_atoms=2, time=3), title=", ".join(texts), notes=["a note"])
    lines = views.title_lines(view, 90)
    assert max(map(len, lines)) <= 90
    assert ", ".join(lines[:-1]).split(", ") == texts
    assert lines[-1] == "a note"


# ------------------------------------------------------------------------ files


@pytest.mark.parametrize(
    ("name", "picture"),
    [("gamma0.01", "gamma0.01.png"), ("run1.2.results", "run1.2.png"), ("v1.5.nc", "v1.5.png")],
)
def test_a_picture_is_named_after_all_of_the_results_name(plot, tmp_path, name, picture):
    dataset_of([1.0, 2.0], time=[0.1, 0.2]).to_netcdf(tmp_path / name, engine="h5netcdf")
    code, out, _ = plot(name)
    assert (code, out) == (0, f"wrote {picture}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, picture])


def test_the_results_of_a_sweep_are_named_after_all_of_its_files_name(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gamma0.01").write_text('quantities = ["outcome_probability"]\nn_atoms = 3\ntime = 0.1\n')
    with pytest.raises(SystemExit) as stopped:
        main.main(["sweep", "gamma0.01"])
    assert not stopped.value.code
    assert capsys.readouterr().out.startswith("gamma0.01.results: ")


def test_an_ending_in_capitals_is_an_ending(plot, results, tmp_path):
    code, _, err = plot(results, "--out", "A.HTML", "--out", "A.PNG")
    assert (code, err) == (0, "")
    assert "<html" in (tmp_path / "A.HTML").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["curves", "map", "panels"])
def test_pictures_are_saved_at_300_dots_per_inch(tmp_path, kind):
    static.draw_view(rising(kind, n_atoms=3, time=4)).savefig(tmp_path / "a.png")
    width = struct.unpack(">I", (tmp_path / "a.png").read_bytes()[16:20])[0]
    assert width == 300 * sheet.PAGE.width


@pytest.mark.parametrize("kind", ["curves", "map", "panels"])
def test_a_page_is_as_wide_and_as_high_as_its_window(kind):
    drawing = html.drawing(rising(kind, n_atoms=3, dephasing_rate=2, time=4))
    plots = [drawing] if kind != "panels" else [plot for plot, _, _ in drawing.children]
    assert {plot.sizing_mode for plot in [drawing, *plots]} == {"stretch_width"}
    assert {plot.styles["height"] for plot in plots} == {"42vh" if kind == "panels" else "84vh"}
