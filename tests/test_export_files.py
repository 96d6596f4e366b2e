"""What is written is whole or absent, whenever it is killed; what is opened is what is written here."""

import json
import os
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
import xarray as xr

import jaxent
from jaxent import Sweep, run_sweep
from jaxent.cli import main
from jaxent.plot import views
from jaxent.sweep import export_sweep, files, open_export, owners

QUESTION = Sweep("outcome_probability", [3, 4], [0.1, 0.2, 0.3], outcomes=["N", "N-1"])


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    run_sweep(QUESTION, folder)
    return folder


# ---------------------------------------------------------------------------- killed


def killed_at(step, act):
    """Do something in a child process that is killed when it renames, removes or syncs for the n-th time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX warns of its threads, which the child does not use
        child = os.fork()
    if child == 0:
        count = 0

        def counted(function):
            def call(*arguments, **keywords):
                nonlocal count
                count += 1
                if count == step:
                    os._exit(9)
                return function(*arguments, **keywords)

            return call

        for module, name in [(os, "rename"), (os, "replace"), (os, "fsync"), (os, "unlink"), (shutil, "rmtree")]:
            setattr(module, name, counted(getattr(module, name)))
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def write_folder(text):
    def write(path):
        (path / "inner").mkdir(parents=True)
        for name in ("a", "inner/b"):
            (path / name).write_text(text)

    return write


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a child process")
def test_a_folder_killed_at_any_step_is_the_old_or_the_new_one(tmp_path):
    path, outcomes = tmp_path / "all.zarr", []
    for step in range(1, 40):
        files.save_folder(path, write_folder("old"))
        code = killed_at(step, lambda: files.save_folder(path, write_folder("new")))
        there = {name: (path / name).read_text() for name in ("a", "inner/b") if path.exists()}
        outcomes.append("".join(sorted(set(there.values()))) or "absent")
        assert len(set(there.values())) == (len(there) == 2)
        files.clear_leftovers(path)
        assert os.listdir(tmp_path) == ["all.zarr"]
        assert (path / "a").read_text() == (path / "inner/b").read_text()  # what was set aside is put back
        if code == 0:
            break
    assert code == 0
    assert outcomes.count("absent") == 1  # between two renames
    assert outcomes[0] == "old"
    assert outcomes[-2:] == ["new", "new"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a child process")
def test_a_file_killed_at_any_step_is_the_old_or_the_new_one(tmp_path):
    path, outcomes = tmp_path / "all.nc", []
    for step in range(1, 20):
        files.save(path, lambda beside: beside.write_text("old"))
        code = killed_at(step, lambda: files.save(path, lambda beside: beside.write_text("new")))
        outcomes.append(path.read_text())
        files.clear_leftovers(path)
        assert os.listdir(tmp_path) == ["all.nc"]
        if code == 0:
            break
    assert code == 0
    assert outcomes == sorted(outcomes, reverse=True)
    assert set(outcomes) == {"old", "new"}


def test_only_leftovers_of_processes_that_have_ended_are_removed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    here = owners.this_process()
    gone, living = here._replace(pid=process.pid).tag, here.tag
    elsewhere = here._replace(place="01234567").tag
    kept = [
        f".all.jaxent-{living}-01234567.nc",
        f".all.jaxent-{elsewhere}-01234567.nc",
        f".all.jaxent-{gone}-01234567.txt",
        f".all.jaxent-{gone}-mine.nc",
        f".else.jaxent-{gone}-01234567.nc",
        ".all-abcdefgh.nc",
        "all.nc.old",
    ]
    for name in [*kept, f".all.jaxent-{gone}-01234567.nc"]:
        (tmp_path / name).write_text("")
    files.save(tmp_path / "all.nc", lambda beside: beside.write_text("new"))
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, "all.nc"])


def test_an_export_that_fails_leaves_the_old_one(results, tmp_path, monkeypatch):
    for name in ("all.nc", "all.zarr"):
        export_sweep(results, tmp_path / name)

    def fail(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fail)
    monkeypatch.setattr(xr.Dataset, "to_zarr", fail)
    for name in ("all.nc", "all.zarr"):
        with pytest.raises(OSError, match=r"No space left"):
            export_sweep(results, tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["all.nc", "all.zarr"]
    for name in ("all.nc", "all.zarr"):
        assert open_export(tmp_path / name).load().equals(jaxent.open_sweep(results).load())


@pytest.mark.parametrize("name", ["all.nc", "all.zarr"])
def test_an_export_replaces_an_earlier_one_and_opens_as_it_was(results, tmp_path, name):
    for _ in range(2):
        export_sweep(results, tmp_path / name)
        assert os.listdir(tmp_path) == [name]
    with open_export(tmp_path / name) as found:
        whole = jaxent.open_sweep(results).load()
        assert found.load().equals(whole)
        assert found.attrs["key"] == whole.attrs["key"]


# -------------------------------------------------------------------------- hostile


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def pickled(store, path):
    import numcodecs

    data = numcodecs.Pickle().encode(np.array([Touch(str(path))], object))
    (store / "entropy").mkdir()
    record = {"shape": [1], "chunks": [1], "dtype": "|O", "fill_value": None, "order": "C", "compressor": None}
    record |= {"filters": [{"id": "pickle", "protocol": 5}], "zarr_format": 2}
    (store / "entropy" / ".zarray").write_text(json.dumps(record))
    (store / "entropy" / ".zattrs").write_text(json.dumps({"_ARRAY_DIMENSIONS": ["x"]}))
    (store / "entropy" / "0").write_bytes(data)


def changed(name, **entries):
    """Change the metadata of one array of an export."""

    def change(store, path):
        file = store / name / ".zarray"
        file.write_text(json.dumps(json.loads(file.read_text()) | entries))

    return change


def third_format(**entries):
    """An array of Zarr's third format beside the others, in a folder of its own."""

    def change(store, path):
        (store / "time" / "deep").mkdir()
        record = {"zarr_format": 3, "node_type": "array", "shape": [1], "data_type": "float64", "codecs": []} | entries
        (store / "time" / "deep" / "zarr.json").write_text(json.dumps(record))

    return change


def pipe(store, path):
    os.mkfifo(store / "time" / "1")


def device(store, path):
    (store / "time" / "0").unlink()
    os.symlink("/dev/zero", store / "time" / "0")


HARM = {
    "pickle": (pickled, "values of type '|O', which are neither numbers nor texts"),
    "objects": (changed("time", dtype="|O"), "values of type '|O'"),
    "structured": (changed("time", dtype=[["a", "|O"]]), "values of type [['a', '|O']]"),
    "compressor": (changed("time", compressor={"id": "pickle"}), "is coded by 'pickle'"),
    "filter": (changed("time", filters=[{"id": "vlen-utf8"}]), "is coded by 'vlen-utf8'"),
    "codec": (third_format(codecs=[{"name": "numcodecs.pickle"}]), "is coded by 'numcodecs.pickle'"),
    "nested codec": (third_format(codecs=[{"name": "sharding_indexed"}]), "is coded by 'sharding_indexed'"),
    "type": (third_format(data_type={"name": "numpy.object"}), "values of type {'name': 'numpy.object'}"),
    "codec of no kind": (third_format(codecs=[7]), "is coded by 7"),
    "no table": (lambda store, path: (store / ".zattrs").write_text("[]"), "has metadata that are no table"),
    "half": (lambda store, path: (store / "time" / ".zarray").write_text("{"), "is none"),
    "pipe": (pipe, "holds '1', which is no regular file"),
    "device": (device, "holds '0', which is no regular file"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders")
@pytest.mark.parametrize("harm", HARM)
def test_a_store_of_anything_else_is_refused_before_it_is_opened(results, tmp_path, harm, monkeypatch):
    import zarr

    store = export_sweep(results, tmp_path / "all.zarr")
    change, words = HARM[harm]
    change(store, tmp_path / "executed")

    def opened(*arguments, **keywords):
        raise AssertionError("zarr has opened it")

    monkeypatch.setattr(xr, "open_zarr", opened)
    monkeypatch.setattr(zarr, "open_group", opened)
    with pytest.raises(ValueError, match=r"`path` must be a netCDF file or a Zarr store that was exported") as refused:
        open_export(store)
    assert words in str(refused.value)
    with pytest.raises(ValueError, match=r"`results` must be a folder of a sweep, a .nc or a .zarr, but") as refused:
        views.open_results(store)
    assert words in str(refused.value)
    assert not (tmp_path / "executed").exists()


def test_the_third_format_of_zarr_is_opened_too(results, tmp_path):
    whole = jaxent.open_sweep(results).load().drop_vars("outcomes")
    whole.to_zarr(tmp_path / "third.zarr", zarr_format=3, consolidated=False)
    with open_export(tmp_path / "third.zarr") as found:
        assert found.load().equals(whole)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path, capsys):
    for name in ("a.nc", "a.toml"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=r"but '.*a.nc' is none"):
        open_export(tmp_path / "a.nc")
    with pytest.raises(ValueError, match=r"cannot be read: it must be a regular file"):
        jaxent.read_sweep(tmp_path / "a.toml")
    with pytest.raises(SystemExit):
        main.main(["plot", str(tmp_path / "a.nc"), "--out", str(tmp_path / "a.png")])
    assert "is none of them" in capsys.readouterr().err


def test_a_missing_file_is_a_missing_file(tmp_path):
    for act in (open_export, jaxent.open_sweep, jaxent.read_sweep, jaxent.check_sweep, views.open_results):
        with pytest.raises(FileNotFoundError, match=r"none") as missing:
            act(tmp_path / "none")
        assert str(missing.value).endswith(".")


# ----------------------------------------------------------------------------- tables


def test_a_table_has_a_row_for_each_point(results, tmp_path):
    table = export_sweep(results, tmp_path / "all.csv")
    names, *rows = [line.split(",") for line in table.read_text().splitlines()]
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    assert len(rows) == 12
    for n_atoms, outcome, time, value in zip(
        *(columns[name] for name in ("n_atoms", "outcomes", "time", "outcome_probability")), strict=True
    ):
        q = int(n_atoms) - (outcome == "N-1")
        wanted = jaxent.outcome_probability(jaxent.Chain(3, int(n_atoms)), float(time), q)
        assert float(value) == pytest.approx(float(wanted), rel=1e-12)


def test_tables_that_cannot_be_written_are_refused_in_one_sentence(results, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"all\.parquet' needs the package pyarrow; run: pip install pyarrow"):
        export_sweep(results, tmp_path / "all.parquet")
    run_sweep(Sweep("amplitudes", 2, [0.1, 0.2]), tmp_path / "amplitudes")
    with pytest.raises(ValueError, match="one row for each point, but amplitudes has the axis first, last at each"):
        export_sweep(tmp_path / "amplitudes", tmp_path / "all.csv")
    assert not list(tmp_path.glob("all.*"))
