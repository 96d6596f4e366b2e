"""The commands about grids, from a file to a picture."""

import json
import math
import re

import numpy as np
import oracles
import pytest
import xarray as xr

import jaxent
from jaxent.cli import main
from jaxent.plot import html, static, views
from jaxent.sweep import export_sweep

GRID = 'quantities = ["entropy"]\nn_atoms = [3, 4]\ntime = { start = 0.1, stop = 3, count = 10 }\noutcomes = ["N", 1]\n'
NOISE = (
    'quantities = ["log_negativity"]\nn_atoms = [3, 4]\ntime = ["pi/2", "pi"]\n'
    'dephasing_rate = { start = 1e-3, stop = 1, count = 8, spacing = "log" }\n'
)


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    """Run the command line in an empty folder; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        with pytest.raises(SystemExit) as stopped:
            main.main(list(words))
        captured = capsys.readouterr()
        return stopped.value.code or 0, captured.out, captured.err

    return run


def test_a_dry_run_shows_what_it_would_take_and_starts_nothing(command, tmp_path):
    (tmp_path / "grid.toml").write_text(GRID)
    code, out, err = command("sweep", "grid.toml", "--dry-run")
    assert (code, err) == (0, "")
    for words in ("40 (2 n_atoms × 2 outcomes × 10 time)", "tiles", "B", "memory of a tile", "time on two CPU cores"):
        assert words in out
    assert [path.name for path in tmp_path.iterdir()] == ["grid.toml"]


def test_a_sweep_is_run_resumed_exported_and_quiet(command, tmp_path):
    (tmp_path / "grid.toml").write_text(GRID)
    code, out, err = command("sweep", "grid.toml", "--tile-points", "7")
    assert (code, err) == (0, "")
    assert "grid.results: 40 points, 40 of them computed now" in out
    code, out, err = command("sweep", "grid.toml", "--log-json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "event": "end",
        "process": 0,
        "folder": "grid.results",
        "points": 40,
        "computed": 0,
        "failed": 0,
        "impossible": 0,
    }
    code, out, err = command("sweep", "grid.toml", "--log-json", "--out", "again", "--tile-points", "20")
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == ["tile", "tile", "end"]
    assert events[1]["points_done"] == 40
    code, out, err = command("export", "grid.results", "all.nc")
    assert (code, out, err) == (0, "wrote all.nc\n", "")
    with xr.open_dataset("all.nc") as exported:
        np.testing.assert_array_equal(exported.entropy, jaxent.open_sweep("again").entropy)
    view = views.make_view(jaxent.open_sweep("again"), at=["outcomes=1", "n_atoms=4"])
    assert view.title == "M = 3, N = 4, full basis, q = 1, φ = 0"
    (line,) = static.draw_view(view).axes[0].lines
    times = np.pi * np.asarray(line.get_xdata())
    exact = [oracles.entropy_bits(oracles.end_to_end(3, 4, time, [1])) for time in times]
    np.testing.assert_allclose(line.get_ydata(), exact, atol=1e-11)


def test_failed_points_are_told_by_the_exit_code(command, tmp_path):
    (tmp_path / "grid.toml").write_text("tolerance = 0\n" + NOISE.replace("[3, 4]", "[3, 3000]"))
    code, out, err = command("sweep", "grid.toml", "--tile-points", "16")
    assert code == 3
    assert "32 points, 32 of them computed now" in out
    assert "n_atoms=3000" in err
    assert "16 points failed; their values are NaN" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sweep", "grid.toml", "--cpu-devices", "0"], "`cpu_devices` must be at least 1"),
        (["sweep", "grid.toml", "--process", "1"], "must come together, with `distributed`"),
        (["sweep", "grid.toml", "--tile-points", "0"], "`tile_points` must be at least 1"),
        (["sweep", "grid.toml", "--out", "grid.toml"], "`folder` must be a folder that can be written to"),
        (["plot", "none"], "`results` must be a folder of a sweep"),
        (
            ["plot", "grid.toml"],
            "`results` must be a folder of a sweep, a .nc or a .zarr, but 'grid.toml' is none of them",
        ),
        (["plot", "grid.toml", "--out", "a.txt"], "`out` must end in .png, .pdf, .svg or .html"),
        (["plot", "grid.toml", "--out", "none/a.png"], "`out` must be in a folder that exists"),
        (["plot", "grid.toml", "--y", "time"], "`y` must come with kind = map"),
        (["export", "none", "all.nc"], "must be a folder with the results of a sweep"),
        (["export", "none", "all.txt"], "`to` must end in .nc, .zarr, .csv or .parquet"),
        (["export", "none", "none/all.nc"], "`to` must be in a folder that exists, but 'none' does not"),
    ],
)
def test_bad_words_are_one_sentence(command, tmp_path, words, sentence):
    (tmp_path / "grid.toml").write_text(GRID)
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["results.zarr", "results.nc"])
def test_an_export_does_not_replace_what_is_no_export(tmp_path, name):
    """Such as the folder of the sweep itself."""
    sweep = jaxent.Sweep("outcome_probability", 3, 0.1)
    jaxent.run_sweep(sweep, tmp_path / name)
    with pytest.raises(ValueError, match=r"`to` must be free, or an earlier export"):
        export_sweep(tmp_path / name, tmp_path / name)
    assert jaxent.run_sweep(sweep, tmp_path / name).n_computed == 0


@pytest.fixture(scope="module")
def noisy():
    """Results as a dataset whose values tell where they stand."""
    rates, times = np.array([0.0, 0.01, 0.1, 1.0]), np.pi * np.array([0.5, 1.0])
    values = np.arange(24.0).reshape(3, 4, 2)
    return xr.Dataset(
        {"log_negativity": (("n_atoms", "dephasing_rate", "time"), values, {"units": "bit", "long_name": "E_N"})},
        {"n_atoms": [30, 3, 10], "dephasing_rate": rates, "time": times, "n_ensembles": 3},
    )


def test_axes_are_chosen_and_named(noisy):
    view = views.make_view(noisy, "panels")
    assert (view.x.name, view.lines.name, view.panels.name) == ("dephasing_rate", "n_atoms", "time")
    assert view.x.logarithmic
    assert view.panels.texts == ["t = π/2", "t = π"]
    assert view.lines.texts == ["N = 30", "N = 3", "N = 10"]
    assert view.values[1, 2].tolist() == noisy.log_negativity[2, :, 1].values.tolist()
    assert (view.label, view.title) == ("E_N (bits)", "M = 3")
    view = views.make_view(noisy, "curves", x="n_atoms", lines="dephasing_rate", at=["time=pi"])
    assert view.x.values.tolist() == [3, 10, 30]  # in order along x
    assert view.values[0, 1].tolist() == noisy.log_negativity.isel(n_atoms=[1, 2, 0])[:, 1, 1].values.tolist()
    assert view.title == "M = 3, t = π"
    view = views.make_view(noisy, "panels", lines="time")  # what is asked for is not taken for something else
    assert (view.x.name, view.lines.name, view.panels.name) == ("dephasing_rate", "time", "n_atoms")
    view = views.make_view(noisy, "curves", lines="time")
    assert (view.x.name, view.lines.name) == ("dephasing_rate", "time")
    view = views.make_view(noisy, "map", x="dephasing_rate", lines="n_atoms")
    edges, kept = views.cells(view.x)
    assert kept.tolist() == [False, True, True, True]  # zero has no place on a logarithmic axis
    np.testing.assert_allclose(edges, 10.0 ** np.array([-2.5, -1.5, -0.5, 0.5]))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"quantity": "log_negativty"}, "`quantity` must name what the results have, but is 'log_negativty'; did you"),
        ({"x": "tim"}, "`x` must name what the results have, but is 'tim'; did you mean time?"),
        ({"lines": "time", "x": "time"}, "`lines` must name"),
        (
            {"at": ["time=soon"]},
            "must give time a value that the results have, but gives 'soon'; there are pi/2 and pi.",
        ),
        ({"at": ["time=9pi"]}, "must give time a value that the results have, but gives '9pi'; there are pi/2 and pi."),
        ({"panels": "time"}, '`panels` must come with kind = "panels"'),
        ({"kind": "map", "at": ["time=pi", "n_atoms=3"]}, "must have two axes with several values for a map"),
    ],
)
def test_axes_that_are_not_there_are_told(noisy, arguments, sentence):
    with pytest.raises(ValueError, match=r".") as refused:
        views.make_view(noisy, **arguments)
    assert sentence in str(refused.value)


@pytest.mark.parametrize("kind", ["curves", "map"])
def test_the_full_basis_has_its_place_beside_windows(noisy, tmp_path, kind):
    windows = noisy.rename(dephasing_rate="window").assign_coords(window=[math.inf, 2.0, 3.0, 1.5]) - 30.0
    view = views.make_view(windows, kind, x="window", lines="n_atoms")
    assert view.x.values.tolist() == view.x.texts == ["c = 1.5", "c = 2", "c = 3", "full basis"]
    first = 3 if kind == "map" else 30
    assert view.values[0, 0, -1] == windows.log_negativity.sel(n_atoms=first, window=math.inf)[0]
    static.draw_view(view).savefig(tmp_path / "a.png")
    text = html.page(view)
    assert "full basis" in text
    if kind == "map":  # the scale is that of the values, zero has no part in it
        assert '"low":-30.0,"high":-8.0' in text


@pytest.mark.parametrize("kind", ["curves", "map", "panels"])
def test_pictures_and_pages_are_drawn(command, noisy, tmp_path, kind):
    noisy.to_netcdf(tmp_path / "noise.nc", engine="h5netcdf")
    words = ["plot", "noise.nc", "--kind", kind, "--out", "a.png", "--out", "a.pdf", "--out", "a.html"]
    code, out, err = command(*words)
    assert (code, err) == (0, "")
    assert out.endswith("wrote a.png\nwrote a.pdf\nwrote a.html\n")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "E_N (bits)" in text
    assert '"WheelZoomTool"' in text
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", text)  # complete in itself
