"""Folders and files changed at random or by a hostile hand: one sentence, or the right values; never another error."""

import hashlib
import json
import os
import random
import secrets
import shutil
import sys
import time

import h5py
import numpy as np
import pytest

import jaxent
from jaxent import Span, Sweep, check_sweep, open_sweep, read_sweep, run_sweep, sweep

QUESTION = Sweep(["outcome_probability", "sampled_outcomes"], 3, Span(0.1, 3.0, 6), phase_offset=[0.0, 0.2])
GRID = (
    'quantities = ["outcome_probability", "sampled_outcomes"]\nn_atoms = 3\nphase_offset = [0.0, 0.2]\n'
    "time = { start = 0.1, stop = 3.0, count = 6 }\n"
)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="no pipes and devices in folders")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run_sweep(QUESTION, folder, tile_points=3)
    (folder / "grid.toml").write_text(GRID)
    return folder


@pytest.fixture(scope="module")
def values(whole):
    return open_sweep(whole).load()


@pytest.fixture
def copied(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "results")


def signed(record):
    """A line with the checksum of its record."""
    text = json.dumps(record, sort_keys=True)
    return json.dumps({"check": hashlib.sha256(text.encode()).hexdigest()[:16], "record": record}) + "\n"


def records(folder):
    return [json.loads(line)["record"] for line in (folder / "tiles-0.jsonl").read_text().splitlines()]


def assert_right_or_absent(folder, values):
    """Every value is the right one or missing, or the refusal is a sentence."""
    try:
        check_sweep(folder)
        found = open_sweep(folder)
        assert found.sizes == values.sizes
        for name in values.data_vars:
            each, right = found[name].values, values[name].values
            absent = each == -1 if each.dtype.kind == "i" else np.isnan(each)
            assert ((each == right) | absent).all()
        return "read"
    except (ValueError, OSError) as error:
        sentence = str(error)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return "refused"


def assert_understood_or_refused(path):
    try:
        json.dumps(read_sweep(path).question, allow_nan=False)
        sentence = f"{path}: understood"
    except ValueError as error:
        sentence = str(error)
    assert sentence.startswith(f"{path}: ")
    assert "\n" not in sentence


# --------------------------------------------------------------------------- at random


def mutate(rng, folder):
    """Change a file of a folder; half of the changed lines are given their checksum anew."""
    path = rng.choice(sorted(folder.iterdir()))
    data = bytearray(path.read_bytes())
    if path.suffix == ".jsonl" and rng.random() < 0.5:
        lines = records(folder)
        record = rng.choice(lines)
        strange = [None, -1, 2**70, 1.5, "x", [], {}, [1, 2], True, float("nan"), "../../etc/passwd", "0" * 64]
        record[rng.choice(sorted(record))] = rng.choice(strange)
        path.write_text("".join(map(signed, lines)))
        return
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data))
        length = rng.choice([0, 1, 1, 8, len(data)])
        data[at : at + length] = rng.choice([b"", b"\x00", b"\xff" * 8, b"9", b"}", b"[", b"\n", bytes(data[:50])])
        if not data:
            break
    path.write_bytes(data)


def fuzz(whole, values, tmp_path, seed, count):
    outcomes = []
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        folder = shutil.copytree(whole, tmp_path / str(number))
        mutate(rng, folder)
        start = time.monotonic()
        try:
            outcomes.append(assert_right_or_absent(folder, values))
            assert_understood_or_refused(folder / "grid.toml")
            assert time.monotonic() - start < 20
        except BaseException:
            print(f"seed {seed!r}, file {number}")
            raise
        shutil.rmtree(folder)
    return outcomes


def test_changed_files_are_right_or_refused(whole, values, tmp_path):
    outcomes = fuzz(whole, values, tmp_path, "fixed", 40)
    assert 4 < outcomes.count("read") < 40


@pytest.mark.thorough
def test_three_hundred_changed_files_are_right_or_refused(whole, values, tmp_path):
    outcomes = fuzz(whole, values, tmp_path, secrets.token_hex(8), 300)
    assert 30 < outcomes.count("read") < 300


# ---------------------------------------------------------------------- by a hostile hand


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("file", 5),
        ("file", "../other.nc"),
        ("tile", ["a", 0, 0, 3]),
        ("tile", [0, 0, 0]),
        ("tile", [0.0, 0, 0, 3]),
        ("tile", [10**30, 0, 0, 3]),
        ("failures", [{"start": "x", "stop": 1, "error": ""}]),
        ("failures", [{"start": 0, "stop": 10**12, "error": ""}]),
        ("failures", 3),
        ("n_impossible", "many"),
        ("n_impossible", 10**9),
        ("about", ["jax"]),
        ("about", {"commit": 3}),
        ("run", "2"),
        ("run", None),
        ("sha256", 7),
        ("format", "x"),
    ],
)
def test_a_line_of_the_wrong_types_is_as_if_it_were_not_there(copied, values, key, value):
    lines = records(copied)
    lines[1][key] = value
    (copied / "tiles-0.jsonl").write_text("".join(map(signed, lines)))
    assert assert_right_or_absent(copied, values) == "read"
    assert check_sweep(copied).n_finished == (12 if key == "format" else 9)


@POSIX
@pytest.mark.parametrize("name", ["sweep.json", "tiles-0.jsonl", "tile-000001.nc", "running-0.json"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_regular_file_is_not_read(copied, values, name, kind):
    path = copied / name
    path.unlink(missing_ok=True)
    {"pipe": os.mkfifo, "device": lambda path: os.symlink("/dev/zero", path), "folder": os.mkdir}[kind](path)
    start = time.monotonic()
    expected = "read" if name == "running-0.json" else "refused"
    assert assert_right_or_absent(copied, values) == expected
    if name == "tile-000001.nc":
        assert check_sweep(copied).problems == ["'tile-000001.nc' is damaged: its points 3 to 5 are lost."]
    assert time.monotonic() - start < 20


def put_tile(folder, write):
    """Replace a tile's file by another, with a line that bears its checksum."""
    path = folder / "tile-000001.nc"
    path.unlink()
    with h5py.File(path, "w") as file:
        write(file)
    lines = records(folder)
    lines[1]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "tiles-0.jsonl").write_text("".join(map(signed, lines)))


def huge(file):
    """Sixteen GiB of one value in a few kilobytes."""
    file.create_dataset("outcome_probability", (2**31,), float, chunks=(2**20,), compression="gzip", fillvalue=0.5)


def compressed(file):
    file.create_dataset("outcome_probability", (3,), float, chunks=(3,), compression="gzip", data=[0.1, 0.2, 0.3])


def never_written(file):
    file.create_dataset("outcome_probability", (3,), float, fillvalue=0.5)


def elsewhere(file):
    file["outcome_probability"] = h5py.ExternalLink("/etc/passwd", "/")


def external(file):
    file.create_dataset("outcome_probability", (3,), float, external=[("/etc/passwd", 0, 24)])


def narrower(file):
    file["outcome_probability"] = np.zeros(3, np.float32)


def objects(file):
    file.create_dataset("outcome_probability", data=["a", "b", "c"])


@pytest.mark.parametrize("write", [huge, compressed, never_written, elsewhere, external, narrower, objects])
def test_a_tile_that_is_not_plainly_written_is_not_read(copied, values, write):
    def all_of_it(file):
        write(file)
        file["sampled_outcomes"] = np.zeros((3, 1, 1), np.int64)

    put_tile(copied, all_of_it)
    assert check_sweep(copied).problems == ["'tile-000001.nc' is damaged: its points 3 to 5 are lost."]
    with pytest.raises(ValueError, match=r"tile-000001.nc is damaged or missing"):
        open_sweep(copied).outcome_probability.load()


def test_a_hundred_million_tiles_are_refused_at_once(copied):
    asked = Sweep("outcome_probability", 3, Span(0.1, 3.0, 10**7), phase_offset=Span(0.0, 0.1, 10))
    with pytest.raises(ValueError, match=r"`tile_points` must make at most 10\^6 tiles, .* makes 100000000"):
        jaxent.sweep.plan_sweep(asked, tile_points=1)
    layout = {"key": asked.key, "question": asked.question, "tile_points": [1]}
    (copied / "sweep.json").write_text(json.dumps(layout))
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"sweep.json is damaged"):
        open_sweep(copied)
    assert time.monotonic() - start < 10


def test_tiles_are_listed_as_they_were():
    tiles = sweep.plan.Tiles(7, [3, 7, 2])
    listed, number = [], 0
    for group, size in enumerate([3, 7, 2]):
        for start in range(0, 7, size):
            listed.append((number, group, start, min(start + size, 7)))
            number += 1
    assert [tuple(tile) for tile in tiles] == listed
    assert [tuple(tile) for tile in tiles[1::3]] == listed[1::3]
    assert tiles[1::3].numbered(4) == listed[4]
    assert tiles[1::3].numbered(5) is None
    assert tiles.numbered(len(listed)) is None
