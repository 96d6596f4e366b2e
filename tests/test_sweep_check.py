"""One folder, one version, one process at a time; `check` tells what is in it."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

import jaxent
from jaxent import Span, Sweep, check_sweep, open_sweep, run_sweep, sweep
from jaxent.cli import main
from jaxent.sweep import lock, owners

QUESTION = Sweep("outcome_probability", [3, 4], Span(0.1, 3.0, 6))


def rewrite_line(folder, number, change):
    """Change the record of one line and give it its checksum anew."""
    path = folder / "tiles-0.jsonl"
    lines = path.read_text().splitlines()
    record = json.loads(lines[number])["record"]
    change(record)
    text = json.dumps(record, sort_keys=True)
    lines[number] = json.dumps({"check": hashlib.sha256(text.encode()).hexdigest()[:16], "record": record})
    path.write_text("\n".join(lines) + "\n")


# -------------------------------------------------------------------------- versions


def test_another_version_is_not_mixed_in_silently(copied, monkeypatch):
    (copied / "tile-000001.nc").unlink()
    older = sweep.run.versions()["jaxent_version"]
    monkeypatch.setattr(sweep.run, "versions", lambda: {"jaxent_version": "9.8.7"})
    before = sorted((path.name, path.stat().st_mtime_ns) for path in copied.iterdir())
    with pytest.raises(ValueError, match=rf"tiles computed by 'jaxent {older}.*, but this is jaxent 9\.8\.7"):
        run_sweep(QUESTION, copied)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in copied.iterdir()) == before
    assert run_sweep(QUESTION, copied, mix_versions=True).n_computed == 3
    by = open_sweep(copied).computed_by
    assert by.dims == ("n_atoms", "time")
    words = dict(one.split(": ") for one in by.attrs["meaning"].split("; "))
    named = np.vectorize(lambda number: words[str(number)].split(" (")[0])(by.values)
    expected = np.full((2, 6), f"jaxent {older}", object)
    expected[0, 3:] = "jaxent 9.8.7"
    np.testing.assert_array_equal(named, expected)
    assert run_sweep(QUESTION, copied).n_computed == 0  # nothing to mix


def test_one_version_is_one_label_and_is_exported(copied, tmp_path):
    by = open_sweep(copied).computed_by
    assert by.shape == ()
    assert by.attrs["meaning"].startswith("0: jaxent ")
    jaxent.sweep.export_sweep(copied, tmp_path / "all.nc")
    exported = sweep.open_export(tmp_path / "all.nc")
    assert exported.computed_by.attrs["meaning"] == by.attrs["meaning"]
    exported.close()


def test_another_commit_is_another_version(copied, monkeypatch):
    (copied / "tile-000001.nc").unlink()
    monkeypatch.setattr(sweep.run, "commit", lambda: "0123456789abcdef with changes")
    with pytest.raises(ValueError, match=r"\(0123456789ab with changes\); choose another folder, or"):
        run_sweep(QUESTION, copied)


@pytest.mark.parametrize("part", ["layout", "question", "line"])
def test_files_of_a_newer_jaxent_are_told(copied, part):
    if part == "line":
        rewrite_line(copied, 2, lambda record: record.update(format=2, novelty=[1]))
    else:
        path = copied / "sweep.json"
        found = json.loads(path.read_text())
        if part == "layout":
            found["format"] = 2
        else:
            found["question"]["format"] = "jaxent sweep 2"
            found["key"] = sweep.spec.key_of(found["question"])
        path.write_text(json.dumps(found))
    for act in (open_sweep, check_sweep, lambda folder: run_sweep(QUESTION, folder)):
        with pytest.raises(ValueError, match=r"was written by a newer jaxent \(format 2, this one reads 1\); update"):
            act(copied)


def test_folders_without_format_numbers_are_read(copied, whole):
    """As they were written before there were any."""
    found = json.loads((copied / "sweep.json").read_text())
    del found["format"]
    (copied / "sweep.json").write_text(json.dumps(found))
    for number in range(4):
        rewrite_line(copied, number, lambda record: record.pop("format"))
    assert run_sweep(QUESTION, copied).n_computed == 0
    assert open_sweep(copied).identical(open_sweep(whole))


# ------------------------------------------------------------------------------ lock


def hold(folder, **changes):
    """Let the folder be held by some process."""
    owner = owners.this_process()._replace(**changes.pop("owner", {}))
    record = owner._asdict() | {"process": 0, "n_processes": 1} | changes
    (folder / f"running-{record['process']}.json").write_text(json.dumps(record))


def test_two_processes_without_numbers_do_not_compute_the_same(copied):
    (copied / "tile-000001.nc").unlink()
    hold(copied)
    sentence = rf"is computed into by process {os.getpid()} on .*; wait for it, choose another folder, or let processes"
    with pytest.raises(ValueError, match=sentence):
        run_sweep(QUESTION, copied)
    assert check_sweep(copied).rerun == "A rerun would be refused while another process computes here."
    (copied / "running-0.json").unlink()
    assert run_sweep(QUESTION, copied).n_computed == 3
    assert not list(copied.glob("running-*"))


def test_the_lock_is_held_while_tiles_are_computed_and_then_let_go(tmp_path):
    seen = []
    run_sweep(QUESTION, tmp_path, tile_points=6, report=lambda progress: seen.extend(lock.holders(tmp_path)))
    assert [(one.owner.pid, one.share) for one in seen] == [(os.getpid(), lock.Share())] * 2
    assert lock.holders(tmp_path) == []


def set_the_clock(monkeypatch, seconds):
    """Let the system tell all start times by another clock, as Linux does after its clock was set."""
    before = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: before(process) + seconds)


@pytest.mark.skipif(not Path("/proc/sys/kernel/random/boot_id").exists(), reason="no count of ticks since the boot")
@pytest.mark.parametrize("seconds", [-1000, -3, 3, 1000])
def test_a_lock_holds_although_the_clock_was_set(copied, monkeypatch, seconds):
    (copied / "tile-000001.nc").unlink()
    hold(copied)
    set_the_clock(monkeypatch, seconds)
    with pytest.raises(ValueError, match=r"is computed into by process"):
        run_sweep(QUESTION, copied)


def test_a_lock_without_ticks_holds_by_the_start_time(copied):
    """As older versions wrote it, and systems that do not count them."""
    (copied / "tile-000001.nc").unlink()
    hold(copied, owner={"started": int(psutil.Process().create_time())})  # now: the clock may have been set since
    record = json.loads((copied / "running-0.json").read_text())
    del record["born"]
    (copied / "running-0.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"is computed into by process"):
        run_sweep(QUESTION, copied)


def test_a_system_without_ticks_tells_start_times(monkeypatch, tmp_path):
    monkeypatch.setattr(owners, "_PROC", tmp_path)
    here = owners._process.__wrapped__(os.getpid())
    assert here.born == str(here.started)
    assert owners.runs(here.pid, here.born, here.place)
    set_the_clock(monkeypatch, 1000)  # of a process that has the number now
    assert not owners.runs(here.pid, here.born, here.place)


OTHERS = [{"born": "b01234567"}, {"born": str(owners.this_process().started - 1000)}]


@pytest.mark.parametrize(
    ("how", "other"), [("ended", {}), ("damaged", {}), *[("of the same number", one) for one in OTHERS]]
)
def test_a_stale_lock_is_taken_over(copied, how, other):
    (copied / "tile-000001.nc").unlink()
    if how == "ended":
        with subprocess.Popen([sys.executable, "-c", ""]) as process:
            process.wait()
        hold(copied, owner={"pid": process.pid})
    elif how == "damaged":
        (copied / "running-0.json").write_text("{")
    else:
        hold(copied, owner=other)
    assert run_sweep(QUESTION, copied).n_computed == 3
    assert not list(copied.glob("running-*"))


def test_a_process_of_another_host_is_named_with_what_to_do(copied):
    (copied / "tile-000001.nc").unlink()
    hold(copied, owner={"host": "node7", "place": "01234567", "pid": 7})
    with pytest.raises(ValueError, match=r"by process 7 on node7 .*; if that has ended, delete running-0.json there"):
        run_sweep(QUESTION, copied)
    assert run_sweep(QUESTION, copied, process=0, n_processes=2).n_computed == 0  # a cluster restarts anywhere


@pytest.mark.parametrize(
    ("process", "n_processes", "meets"), [(1, 2, False), (0, 2, True), (2, 4, True), (3, 4, False), (0, 1, True)]
)
def test_processes_with_numbers_share_a_folder(copied, process, n_processes, meets):
    """Beside process 0 of 2: all whose tiles are others."""
    hold(copied, process=0, n_processes=2)
    if meets:
        with pytest.raises(ValueError, match=r"is computed into by process"):
            run_sweep(QUESTION, copied, process=process, n_processes=n_processes)
    else:
        run_sweep(QUESTION, copied, process=process, n_processes=n_processes)
    own = set(range(process, 60, n_processes))
    assert bool(own & set(range(0, 60, 2))) == meets


# ----------------------------------------------------------------------------- check


def test_a_sound_folder(copied):
    found = check_sweep(copied)
    assert found.is_sound
    assert (found.n_points, found.n_finished, found.n_failed) == (12, 12, 0)
    assert (found.problems, found.leftovers, found.running) == ([], [], [])
    assert list(found.versions.values()) == [12]
    assert found.rerun == "A rerun would compute nothing: every tile is there."


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_what_a_rerun_would_do_is_what_it_does(copied, monkeypatch, whole):
    flip(copied / "tile-000000.nc")
    (copied / "tile-000002.nc").unlink()
    (copied / ".tile-000002.jaxent-1-2-01234567-89abcdef.nc").write_bytes(b"half")
    with (copied / "tiles-0.jsonl").open("ab") as file:
        file.write(b'{"check": "0')
    before = sorted((path.name, path.stat().st_mtime_ns) for path in copied.iterdir())
    found = check_sweep(copied)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in copied.iterdir()) == before
    assert not found.is_sound
    assert found.problems == [
        "'tile-000000.nc' is damaged: its points 0 to 2 are lost.",
        "'tile-000002.nc' is missing: its points 0 to 2 are lost.",
    ]
    assert found.leftovers == [".tile-000002.jaxent-1-2-01234567-89abcdef.nc", "tiles-0.jsonl: 1 damaged lines"]
    assert found.n_finished == 6
    assert found.rerun == "A rerun would compute 2 of 4 tiles, 6 points."
    assert run_sweep(QUESTION, copied).n_computed == 6
    again = check_sweep(copied)
    assert (again.is_sound, again.leftovers) == (True, ["tiles-0.jsonl: 1 damaged lines"])
    np.testing.assert_array_equal(open_sweep(copied).outcome_probability, open_sweep(whole).outcome_probability)


def test_a_file_of_another_shape_is_damaged_whatever_its_checksum(copied):
    """A tile of another length, with a line that bears its checksum."""
    run_sweep(QUESTION, copied / "other", tile_points=2)
    data = (copied / "other" / "tile-000000.nc").read_bytes()
    (copied / "tile-000000.nc").write_bytes(data)
    rewrite_line(copied, 0, lambda record: record.update(sha256=hashlib.sha256(data).hexdigest()))
    assert check_sweep(copied).problems == ["'tile-000000.nc' is damaged: its points 0 to 2 are lost."]
    with pytest.raises(ValueError, match=r"tile-000000.nc is damaged or missing"):
        open_sweep(copied).load()
    assert run_sweep(QUESTION, copied).n_computed == 3
    assert check_sweep(copied).is_sound


def test_the_command_tells_it_by_its_exit_code(copied, capsys):
    codes = []
    for words in (["check", str(copied)], ["check", str(copied), "--json"]):
        with pytest.raises(SystemExit) as stopped:
            main.main(words)
        codes.append(stopped.value.code or 0)
    out, err = capsys.readouterr()
    assert (codes, err) == ([0, 0], "")
    assert "A rerun would compute nothing" in out
    assert json.loads(out.splitlines()[-1])["sound"] is True
    flip(copied / "tile-000003.nc")
    with pytest.raises(SystemExit) as stopped:
        main.main(["check", str(copied)])
    assert stopped.value.code == 4
    assert "'tile-000003.nc' is damaged" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main.main(["check", str(copied / "none")])
    assert stopped.value.code == 2
    assert "is not there" in capsys.readouterr().err
