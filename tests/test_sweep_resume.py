"""Sweeps that are killed, run out of disk, or find damaged files: nothing is lost, nothing is mixed."""

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import jaxent
from jaxent import Span, Sweep, open_sweep, run_sweep, sweep

QUESTION = Sweep(["entropy", "log_outcome_probability"], [3, 4], Span(0.1, 3.0, 6), outcomes=["N", "N-1"])
N_TILES = 8


def assert_identical(folder, expected):
    found, whole = open_sweep(folder).load(), open_sweep(expected).load()
    for name in whole.data_vars:
        assert found[name].values.tobytes() == whole[name].values.tobytes()


# ---------------------------------------------------------------------------- killed

# a process with everything imported that starts the command in a child, so that twenty starts take seconds
LAUNCHER = """
import os, sys, warnings
warnings.simplefilter("ignore")
import h5netcdf, jax, jaxent, xarray
from jaxent.cli import main
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        sys.stdin.close()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        main.main(line.split())
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_twenty_kills_leave_a_result_that_is_bit_identical(tmp_path):
    (tmp_path / "grid.toml").write_text(
        'quantities = ["log_outcome_probability"]\nn_atoms = [3, 4]\n'
        'time = { start = 0.1, stop = 3.0, count = 80 }\noutcomes = ["N", "N-1"]\n'
    )
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "programs")}
    environment |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    with subprocess.Popen(
        [sys.executable, "-c", LAUNCHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as launcher:
        _kill_and_resume(launcher, tmp_path)
    assert launcher.returncode == 0
    assert open_sweep(tmp_path / "killed").attrs["points_finished"] == 320
    assert_identical(tmp_path / "killed", tmp_path / "whole")
    lines = (tmp_path / "killed" / "tiles-0.jsonl").read_text().splitlines()
    numbers = [json.loads(line)["record"]["tile"][0] for line in lines if line.endswith("}}")]
    assert sorted(numbers) == list(range(160))  # no finished tile was computed again
    names = {path.name for path in (tmp_path / "killed").iterdir()}
    assert names == {path.name for path in (tmp_path / "whole").iterdir()}  # no half-written file is left


def _kill_and_resume(launcher, tmp_path):
    def start(folder):
        launcher.stdin.write(f"sweep {tmp_path}/grid.toml --out {folder} --tile-points 2\n")
        launcher.stdin.flush()
        return int(launcher.stdout.readline())

    def exit_code():
        return int(launcher.stdout.readline())

    def n_lines():
        lists = (tmp_path / "killed").glob("tiles-*.jsonl")
        return sum(path.read_bytes().count(b"\n") for path in lists)

    start(tmp_path / "whole")
    assert exit_code() == 0
    moments = random.Random(5)
    finished = []
    for _ in range(20):
        child, before = start(tmp_path / "killed"), n_lines()
        # from the very start of the process to some tiles later
        wanted, end = before + moments.randrange(3), time.monotonic() + 30
        while n_lines() < wanted and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(moments.uniform(0.0, 0.05))
        os.kill(child, signal.SIGKILL)
        assert exit_code() == -signal.SIGKILL
        finished.append(n_lines())
    assert finished == sorted(finished)
    assert len(set(finished)) > 8
    assert finished[-1] < 160  # there was something left to do at every kill
    start(tmp_path / "killed")
    assert exit_code() == 0


# ------------------------------------------------------------------------------ disk

SMALL_DISK = """
set -u
mount -t tmpfs -o size=72k tmpfs "$1"
$2 "$3" --out "$1/results" > /dev/null; echo "full $?"
mount -o remount,size=4m "$1"
cp -r "$1/results" "$4/partial"
mount -o remount,ro "$1"
$2 "$3" --out "$1/results" > /dev/null; echo "read-only $?"
mount -o remount,rw "$1"
$2 "$3" --out "$1/results" > /dev/null; echo "again $?"
cp -r "$1/results" "$4/complete"
"""


def _may_mount():
    try:
        return subprocess.run(["unshare", "-rm", "true"], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.mark.skipif(not _may_mount(), reason="needs leave to mount a small file system")
def test_a_full_disk_and_a_read_only_one_lose_nothing(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "grid.toml").write_text(
        'quantities = ["entropy"]\nn_atoms = 3\ntime = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]\n'
    )
    command = f"{sys.executable} -m jaxent sweep --tile-points 1"
    words = [tmp_path / "disk", command, tmp_path / "grid.toml", tmp_path]
    run = subprocess.run(
        ["unshare", "-rm", "bash", "-c", SMALL_DISK, "sh", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert run.stdout.split("\n")[:3] == ["full 2", "read-only 2", "again 0"], run.stderr
    full, read_only = run.stderr.splitlines()
    assert "cannot be written (No space left on device); the tiles finished before are kept" in full
    assert "`folder` must be a folder that can be written to" in read_only
    partial, complete = open_sweep(tmp_path / "partial"), open_sweep(tmp_path / "complete")
    n_finished = partial.attrs["points_finished"]
    assert 0 < n_finished < 6
    assert np.isfinite(partial.entropy.values).sum() == n_finished
    assert np.isfinite(complete.entropy.values).all()
    assert not [path for path in (tmp_path / "partial").iterdir() if path.name.startswith(".")]


def test_a_failed_write_stops_with_what_is_finished(tmp_path, monkeypatch):
    write, calls = sweep.store.write_whole, []

    def full(path, data):
        calls.append(path.name)
        if len(calls) == 4:  # sweep.json and two tiles were written
            raise OSError(28, "No space left on device")
        write(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(sweep.store, "write_whole", full)
        with pytest.raises(OSError, match=r"tile 2 cannot be written \(No space left on device\); the tiles finished"):
            run_sweep(QUESTION, tmp_path, tile_points=3)
    assert open_sweep(tmp_path).attrs["points_finished"] == 6
    assert run_sweep(QUESTION, tmp_path).n_computed == 18


# --------------------------------------------------------------------------- damaged


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def replace_by_another(path):
    shutil.copy(path.with_name("tile-000005.nc"), path)


def replace_by_code(path):
    path.write_bytes(b"import os; os.system('touch executed')\n")


@pytest.mark.parametrize("harm", [truncate, flip, replace_by_another, replace_by_code, os.unlink])
def test_a_damaged_tile_is_found_and_only_that_computed(copied, whole, harm):
    harm(copied / "tile-000002.nc")
    with pytest.raises(ValueError, match=r"tile-000002.nc is damaged or missing"):
        open_sweep(copied).load()
    before = {path.name: path.stat().st_mtime_ns for path in copied.glob("*.nc")}
    done = run_sweep(QUESTION, copied)
    assert done.n_computed == 3
    changed = [path.name for path in copied.glob("*.nc") if before.get(path.name) != path.stat().st_mtime_ns]
    assert changed == ["tile-000002.nc"]
    assert_identical(copied, whole)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"sha256": "', b'"sha256": "0'),
        (b'"n_impossible": 0', b'"n_impossible": 1'),
        (b'{"check"', b'{"chock"'),
        (b'"failures": []', b'"failures": [{"start": 0, "stop": 1, "error": "forged"}]'),
    ],
)
def test_a_damaged_line_is_as_if_it_were_not_there(copied, whole, old, new):
    path = copied / "tiles-0.jsonl"
    lines = path.read_bytes().splitlines(True)
    assert old in lines[3]
    path.write_bytes(b"".join([*lines[:3], lines[3].replace(old, new, 1), *lines[4:]]))
    assert open_sweep(copied).attrs["points_finished"] == 21
    assert run_sweep(QUESTION, copied).n_computed == 3
    assert_identical(copied, whole)


def test_a_half_written_line_does_not_spoil_the_next(copied, whole):
    path = copied / "tiles-0.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    assert run_sweep(QUESTION, copied).n_computed == 3
    assert run_sweep(QUESTION, copied).n_computed == 0
    assert_identical(copied, whole)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 3}', '{"key": "x", "question": {}, "tile_points": [1]}'])
def test_a_damaged_question_is_mended_by_asking_again(copied, whole, text):
    (copied / "sweep.json").write_text(text)
    with pytest.raises(ValueError, match=r"sweep.json is damaged; run the sweep again"):
        open_sweep(copied)
    assert run_sweep(QUESTION, copied, tile_points=3).n_computed == 0  # the tiles bear the key themselves
    assert (copied / "sweep.json.damaged").read_text() == text
    assert_identical(copied, whole)


def test_a_tile_computed_again_by_another_process_replaces_the_first(tmp_path, monkeypatch):
    """Its line then stands in the list that is read first; versions differ, so the two files do."""
    for process in (0, 1):
        run_sweep(QUESTION, tmp_path, tile_points=6, process=process, n_processes=2)
    damaged = tmp_path / "tile-000003.nc"  # of process 1
    flip(damaged)
    monkeypatch.setattr(sweep.run, "versions", lambda: {"jaxent_version": "another"})
    assert run_sweep(QUESTION, tmp_path, mix_versions=True).n_computed == 6
    assert np.isfinite(open_sweep(tmp_path).entropy.values).all()
    assert run_sweep(QUESTION, tmp_path).n_computed == 0


def test_tiles_of_another_sweep_are_not_taken(whole, copied):
    """Its lists and files are put into the folder of a question with the same tiles."""
    other = dataclasses.replace(QUESTION, time=Span(0.1, 2.9, 6))
    for path in copied.glob("tile*"):
        path.unlink()
    (copied / "sweep.json").unlink()
    run_sweep(other, copied, tile_points=3)
    shutil.copy(whole / "sweep.json", copied)
    assert open_sweep(copied).attrs["points_finished"] == 0
    assert run_sweep(QUESTION, copied).n_computed == 24
    assert_identical(copied, whole)


def test_another_question_is_refused_with_the_difference(copied, whole):
    other = Sweep(
        ["entropy", "log_outcome_probability"], [3, 4], Span(0.1, 3.0, 7), outcomes=["N", "N-1"], tolerance=1e-9
    )
    with pytest.raises(ValueError, match=r"holds the results of another sweep") as refused:
        run_sweep(other, copied)
    assert '"count": 6' in str(refused.value)
    assert '"count": 7' in str(refused.value)
    assert "tolerance: 1e-08 → 1e-09" in str(refused.value)
    assert "n_atoms" not in str(refused.value)
    assert_identical(copied, whole)


def test_float32_answers_are_not_mixed_with_float64(copied, float32):
    with pytest.raises(ValueError, match=r'precision: "float64" → "float32"'):
        run_sweep(QUESTION, copied)


def test_the_size_of_tiles_is_kept(copied):
    with pytest.raises(ValueError, match=r"`tile_points` must be left out, or be as when the folder was begun \(3\)"):
        run_sweep(QUESTION, copied, tile_points=4)
    assert run_sweep(QUESTION, copied).n_computed == 0


def test_an_empty_folder_is_no_sweep(tmp_path):
    with pytest.raises(ValueError, match=r"must be a folder with the results of a sweep"):
        open_sweep(tmp_path)
    with pytest.raises(ValueError, match=r"`process` must lie in 0…1"):
        run_sweep(QUESTION, tmp_path, process=2, n_processes=2)
    with pytest.raises(ValueError, match=r"`tile_points` must be at least 1"):
        run_sweep(QUESTION, tmp_path, tile_points=0)
    assert list(tmp_path.iterdir()) == []
    assert jaxent.sweep.plan_sweep(QUESTION, 3).n_tiles == N_TILES
