"""Read and write the folder of a sweep: the question, one file for each tile, and the lists of finished tiles.

    sweep.json         the question, its key, and how it is cut into tiles
    tiles-0.jsonl      one line for each tile that process 0 has finished: file, checksum, failures, versions, device
    tile-000000.nc     the tile's points and variables (netCDF), complete or absent
    running-0.json     process that computes now (`jaxent.sweep.lock`)

A tile counts only if its line is intact, has the key of the question and names a file with the recorded checksum:
incomplete, damaged and foreign files are ignored. Files are parsed, never executed, and only regular files are read, up
to the size that the plan implies.
"""

import dataclasses
import hashlib
import json
import math
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxent.messages import shown
from jaxent.sweep.evaluate import Answer, Failure
from jaxent.sweep.files import append_line, open_regular, read_regular, write_whole
from jaxent.sweep.lock import alone
from jaxent.sweep.plan import MOST_TILES, Tile, Tiles, points_of_group
from jaxent.sweep.spec import CHAIN_AXES, FORMAT, Sweep, asked, differences, format_of, key_of
from jaxent.sweep.tiles import decoded, encoded, most_bytes

__all__ = [
    "Finished",
    "Store",
    "computed_by",
    "file_name",
    "finished_tiles",
    "folder_layout",
    "parsed",
    "read_tile",
    "tile_key",
    "tile_lines",
]

_MOST_LAYOUT_BYTES = 2**28  # of sweep.json, enough for an axis of ten million values
_LONGEST_LINE = 2**26
_CHECKSUM = re.compile(r"[0-9a-f]{64}")
_WRONG = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)  # errors of parsing
_SETTLE_SECONDS = 300.0  # longest wait for process 0 to lay out the folder


@dataclasses.dataclass(frozen=True)
class Finished:
    """Hold the line of a finished tile; of several lines for one tile, that of the highest `run` counts."""

    tile: Tile
    file: str
    sha256: str
    failures: list[Failure]
    n_impossible: int
    about: dict[str, str]
    run: int = 0


def computed_by(about: dict[str, str]) -> str:
    """Write the version and commit of jaxent, from the versions recorded with a tile."""
    head, _, changed = about.get("commit", "").partition(" ")
    commit = f" ({head[:12]}{' ' + changed if changed else ''})" if head else ""
    return f"jaxent {about.get('jaxent_version', 'of an unknown version')}{commit}"


class Store:
    """Manage the folder of one sweep.

    Args:
        folder: an existing folder.
        sweep: the question.
        tile_points: points of a tile for each chain; those of an earlier run of the same question take precedence.
        process: number of this process, in the names of its files.
        waits: whether another process, number 0, lays out the folder.

    Raises:
        ValueError: when the folder holds another sweep, with the differences.
        OSError: when the folder cannot be written.
    """

    def __init__(self, folder: Path, sweep: Sweep, tile_points: list[int], process: int = 0, waits: bool = False):
        self.folder, self.sweep, self.process = folder, sweep, process
        self.key, self._chains = sweep.key, sweep.chains
        if waits:
            found = _settled(folder)
        else:
            with alone(folder):  # processes that share by ranges may all come first
                found = _intact(folder) or self._lay_out(tile_points)
        if found["key"] != self.key:
            lines = "; ".join(differences(sweep.question, found["question"]))
            raise ValueError(
                f"Folder {shown(str(folder))} holds the results of another sweep, which differs in {lines}; "
                "choose another folder, or ask the same again."
            )
        self.tile_points: list[int] = found["tile_points"]
        self._n_points = points_of_group(sweep)
        self._run = 1

    def _lay_out(self, tile_points: list[int]) -> dict[str, Any]:
        """Write the question, its key, and how it is cut into tiles."""
        found = {"format": FORMAT, "key": self.key, "question": self.sweep.question, "tile_points": tile_points}
        path, data = self.folder / "sweep.json", json.dumps(found, indent=1, ensure_ascii=False).encode()
        if len(data) > _MOST_LAYOUT_BYTES:
            raise ValueError(f"Argument `sweep` must fit in 256 MiB as text, but takes {len(data) // 2**20} MiB.")
        if os.path.lexists(path):  # damaged: keep it as a copy; tiles are recognized by their own key
            os.replace(path, self.folder / "sweep.json.damaged")
        write_whole(path, data)
        return found

    def keep(self, tile: Tile, answer: Answer, about: dict[str, str]) -> Finished:
        """Write the file of a tile, then its line."""
        data = encoded(self.sweep, self._chains[tile.group], tile, answer.values, self.key, about)
        finished = Finished(
            tile,
            file_name(tile.number),
            hashlib.sha256(data).hexdigest(),
            answer.failures,
            answer.n_impossible,
            about,
            self._run,
        )
        write_whole(self.folder / finished.file, data)
        append_line(self.folder / f"tiles-{self.process}.jsonl", _line(self.key, finished))
        return finished

    def finished(self, tiles: Tiles) -> dict[int, Finished]:
        """Return finished tiles with intact files, by number; tiles kept from now on supersede their lines."""
        found = finished_tiles(self.folder, self.key, tiles)
        self._run = 1 + max((one.run for one in found.values()), default=0)
        return {number: one for number, one in found.items() if _values(self.folder, self.sweep, one) is not None}


def finished_tiles(folder: Path, key: str, tiles: Tiles) -> dict[int, Finished]:
    """Collect the finished tiles of a question from its intact lines, by number, each from its last run.

    The order of the lists does not matter: a tile may have been computed again by another process.

    Raises:
        ValueError: when a list is not a regular file, or holds lines of a newer jaxent.
    """
    found: dict[int, Finished] = {}
    for path in sorted(folder.glob("tiles-*.jsonl")):
        for line in tile_lines(path):
            one = parsed(line, key, path)
            if one is None or tiles.numbered(one.tile.number) != one.tile:
                continue
            if one.tile.number not in found or one.run >= found[one.tile.number].run:
                found[one.tile.number] = one
    return found


def tile_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a list of tiles; longer lines than jaxent writes are cut, and so count as damaged.

    Raises:
        ValueError: when the list is not a regular file, or cannot be read.
    """
    try:
        with open_regular(path) as file:
            while line := file.readline(_LONGEST_LINE):
                yield line
    except OSError as error:
        reason = error.strerror or "it is no regular file"
        raise ValueError(
            f"File {shown(str(path))} must be a list of tiles that can be read, but {reason}; delete it and run the "
            "sweep again to compute its tiles anew."
        ) from error


def folder_layout(folder: Path) -> dict[str, Any]:
    """Read `sweep.json` of a folder.

    Raises:
        FileNotFoundError: when there is no such folder.
        ValueError: when the folder holds no sweep, one of a newer jaxent, or a damaged one.
    """
    must = "Argument `path` must be a folder with the results of a sweep, which `jaxent sweep` writes, but "
    if not folder.exists():
        raise FileNotFoundError(f"{must}{shown(str(folder))} is not there.")
    if not os.path.lexists(folder / "sweep.json"):
        raise ValueError(f"{must}{shown(str(folder))} has none.")
    found = _intact(folder)
    if found is None:
        raise ValueError(f"{folder / 'sweep.json'} is damaged; run the sweep again into this folder to mend it.")
    return found


def read_tile(folder: Path, sweep: Sweep, finished: Finished) -> dict[str, np.ndarray]:
    """Read the variables of a tile, flat over its points.

    Raises:
        ValueError: when the file is missing, damaged, or has other variables than the sweep.
    """
    values = _values(folder, sweep, finished)
    if values is None:
        raise ValueError(
            f"{folder / finished.file} is damaged or missing; run the sweep again into this folder to compute it anew."
        )
    return values


# ---------------------------------------------------------------------------- files


def _intact(folder: Path) -> dict[str, Any] | None:
    """Read the layout of a folder, or return None if it is missing or damaged.

    Raises:
        ValueError: when a newer jaxent wrote the layout.
    """
    try:
        found = json.loads(read_regular(folder / "sweep.json", _MOST_LAYOUT_BYTES))
        question, points = found["question"], found["tile_points"]
        if found["key"] != key_of(question):
            return None
        newest = max(_whole(found.get("format", 1)), format_of(question))
    except (OSError, *_WRONG):
        return None
    _check_format(newest, folder)
    try:
        axes = [question[name] for name in CHAIN_AXES]
        n_chains = math.prod(len(axis) if isinstance(axis, list) else 1 for axis in axes)
        if len(points) != n_chains or not all(type(one) is int and one > 0 for one in points):
            return None
        return found if len(Tiles(points_of_group(asked(question)), points)) <= MOST_TILES else None
    except _WRONG:
        return None


def _check_format(number: int, where: Path) -> None:
    if number > FORMAT:
        raise ValueError(
            f"{where} was written by a newer jaxent (format {shown(number)}, this one reads {FORMAT}); update jaxent."
        )


def _whole(value: Any, least: int = 0) -> int:
    if type(value) is not int or not least <= value < 2**53:
        raise ValueError(f"{value!r} is no whole number of at least {least}")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"{value!r} is no text")
    return value


def _settled(folder: Path) -> dict[str, Any]:
    """Wait for the layout that process 0 writes, and return it."""
    end = time.monotonic() + _SETTLE_SECONDS
    while (found := _intact(folder)) is None:
        if time.monotonic() > end:
            raise ValueError(
                f"Folder {shown(str(folder))} has no sweep.json after {_SETTLE_SECONDS:.0f} s; "
                "all processes must see the folder that process 0 writes."
            )
        time.sleep(0.05)
    return found


def _line(key: str, one: Finished) -> str:
    record = dataclasses.asdict(one) | {"format": FORMAT, "key": key, "tile": list(one.tile)}
    text = json.dumps(record, sort_keys=True)
    return json.dumps({"check": hashlib.sha256(text.encode()).hexdigest()[:16], "record": record}, sort_keys=True)


def _record(line: bytes) -> dict[str, Any] | None:
    """Read the record of a line, or return None if it is damaged."""
    try:
        outer = json.loads(line)
        text = json.dumps(outer["record"], sort_keys=True)
        intact = outer["check"] == hashlib.sha256(text.encode()).hexdigest()[:16]
        return outer["record"] if intact and isinstance(outer["record"], dict) else None
    except _WRONG:
        return None


def tile_key(line: bytes) -> str | None:
    """Read the key of the question of a line, or return None if it is damaged."""
    record = _record(line)
    try:
        return None if record is None or _finished(record) is None else _text(record["key"])
    except _WRONG:
        return None


def parsed(line: bytes, key: str, path: Path) -> Finished | None:
    """Parse a line, or return None if it is damaged, of another question, or of unexpected types.

    Raises:
        ValueError: when a newer jaxent wrote the line.
    """
    record = _record(line)
    if record is None or record.get("key") != key:
        return None
    if type(record.get("format")) is int:
        _check_format(record["format"], path)
    try:
        return _finished(record)
    except _WRONG:
        return None


def _finished(record: dict[str, Any]) -> Finished:
    number, group, start, stop = (_whole(one) for one in record["tile"])
    failures = [
        Failure(_whole(one["start"], start), _whole(one["stop"], start + 1), _text(one["error"]))
        for one in record["failures"]
    ]
    if any(not one.start < one.stop <= stop for one in failures) or not _CHECKSUM.fullmatch(record["sha256"]):
        raise ValueError("points outside the tile, or no checksum")
    if record["file"] != file_name(number) or not 0 <= _whole(record["n_impossible"]) <= stop - start:
        raise ValueError("another file, or more points than the tile has")
    about = {_text(name): _text(value) for name, value in record["about"].items()}
    return Finished(
        Tile(number, group, start, stop),
        record["file"],
        record["sha256"],
        failures,
        record["n_impossible"],
        about,
        _whole(record.get("run", 0)),
    )


def file_name(number: int) -> str:
    """Return the file name of a tile."""
    return f"tile-{number:06d}.nc"


def _values(folder: Path, sweep: Sweep, one: Finished) -> dict[str, np.ndarray] | None:
    """Read the variables of the file of a tile, or return None if it is missing or changed."""
    try:
        data = read_regular(folder / one.file, most_bytes(sweep, one.tile))
    except OSError:
        return None
    return decoded(data, sweep, one.tile) if hashlib.sha256(data).hexdigest() == one.sha256 else None
