"""The folder of a sweep: the question, one file for each tile, and the lists of finished tiles.

    sweep.json         the question, its key, and how it is cut into tiles
    tiles-0.jsonl      one line for each tile that process 0 has finished: file, checksum, failures, versions, device
    tile-000000.nc     the tile's points and variables (netCDF), whole or absent

A tile counts only if its line is intact, bears the key of the question and names a file whose checksum is the recorded
one: half files, damaged files and files from elsewhere are as if they were not there. Files are parsed, never executed.
"""

import dataclasses
import hashlib
import io
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from jaxent.chain import Chain
from jaxent.sweep.evaluate import Answer, Failure
from jaxent.sweep.files import append_line, write_whole
from jaxent.sweep.plan import Tile
from jaxent.sweep.quantities import QUANTITIES
from jaxent.sweep.question import CHAIN_AXES, Sweep, differences, key_of

__all__ = ["Finished", "Store", "finished_tiles", "folder_layout", "question_text", "read_tile"]

_LONGEST_ATTRIBUTE = 16_000  # HDF5 takes 64 KiB
_SETTLE_SECONDS = 300.0  # that a process waits for the first to lay out the folder


@dataclasses.dataclass(frozen=True)
class Finished:
    """The line of a finished tile; of several lines that of the highest `run` counts."""

    tile: Tile
    file: str
    sha256: str
    failures: list[Failure]
    n_impossible: int
    about: dict[str, str]
    run: int = 0


class Store:
    """The folder of one sweep.

    Args:
        folder: an existing folder.
        sweep: the question.
        tile_points: points of a tile for each chain; those of an earlier run of the same question take precedence.
        process: number of this process; the first lays out the folder.

    Raises:
        ValueError: when the folder holds another question, with the difference; OSError when it cannot be written.
    """

    def __init__(self, folder: Path, sweep: Sweep, tile_points: list[int], process: int = 0):
        self.folder, self.sweep, self.process = folder, sweep, process
        self.key, self._chains = sweep.key, sweep.chains
        found = _settled(folder) if process else _intact(folder / "sweep.json")
        if found is not None and found["key"] != self.key:
            lines = "; ".join(differences(sweep.question, found["question"]))
            raise ValueError(
                f"Folder {str(folder)!r} holds the results of another sweep, which differs in {lines}; "
                "choose another folder, or ask the same again."
            )
        if found is None:
            found = {"key": self.key, "question": sweep.question, "tile_points": tile_points}
            path = folder / "sweep.json"
            if path.exists():  # damaged: it is kept beside, the tiles are told by their own key
                os.replace(path, folder / "sweep.json.damaged")
            write_whole(path, json.dumps(found, indent=1, ensure_ascii=False).encode())
        self.tile_points: list[int] = found["tile_points"]
        self._run = 1

    def keep(self, tile: Tile, answer: Answer, about: dict[str, str]) -> Finished:
        """Write the file of a tile, then its line."""
        data = _encoded(self.sweep, self._chains[tile.group], tile, answer, self.key, about)
        finished = Finished(
            tile,
            f"tile-{tile.number:06d}.nc",
            hashlib.sha256(data).hexdigest(),
            answer.failures,
            answer.n_impossible,
            about,
            self._run,
        )
        write_whole(self.folder / finished.file, data)
        append_line(self.folder / f"tiles-{self.process}.jsonl", _line(self.key, finished))
        return finished

    def finished(self, tiles: list[Tile]) -> dict[int, Finished]:
        """Finished tiles by number, those whose files are intact; what is kept from now on supersedes their lines."""
        found = finished_tiles(self.folder, self.key, tiles)
        self._run = 1 + max((one.run for one in found.values()), default=0)
        return {number: one for number, one in found.items() if _bytes(self.folder, one) is not None}


def finished_tiles(folder: Path, key: str, tiles: list[Tile]) -> dict[int, Finished]:
    """By number, the tiles that the intact lines of a question tell of, each as its last run left it.

    The lists do not tell which of them is younger: a tile may have been computed again by another process.
    """
    known: dict[int, Tile] = {tile.number: tile for tile in tiles}
    found: dict[int, Finished] = {}
    for path in sorted(folder.glob("tiles-*.jsonl")):
        for line in path.read_bytes().splitlines():
            one = _parsed(line, key)
            if one is None or known.get(one.tile.number) != one.tile:
                continue
            if one.tile.number not in found or one.run >= found[one.tile.number].run:
                found[one.tile.number] = one
    return found


def folder_layout(folder: Path) -> dict[str, Any]:
    """What `sweep.json` of a folder holds.

    Raises:
        ValueError: when there is none, or it is damaged.
    """
    if not (folder / "sweep.json").is_file():
        raise ValueError(
            "Argument `path` must be a folder with the results of a sweep, which `jaxent sweep` writes, but "
            f"{str(folder)!r} {'has none' if folder.exists() else 'is not there'}."
        )
    found = _intact(folder / "sweep.json")
    if found is None:
        raise ValueError(f"{folder / 'sweep.json'} is damaged; run the sweep again into this folder to mend it.")
    return found


def read_tile(folder: Path, finished: Finished) -> dict[str, np.ndarray]:
    """Variables of a tile, flat over its points.

    Raises:
        ValueError: when its file is missing or damaged.
    """
    import xarray as xr

    data = _bytes(folder, finished)
    if data is None:
        raise ValueError(
            f"{folder / finished.file} is damaged or missing; run the sweep again into this folder to compute it anew."
        )
    with xr.open_dataset(io.BytesIO(data), engine="h5netcdf") as dataset:
        return {str(name): variable.values for name, variable in dataset.data_vars.items()}


def question_text(question: dict[str, Any]) -> str:
    """A question as an attribute of results, or where to find it."""
    text = json.dumps(question, ensure_ascii=False)
    return text if len(text) < _LONGEST_ATTRIBUTE else "see sweep.json"


# ---------------------------------------------------------------------------- files


def _intact(path: Path) -> dict[str, Any] | None:
    """The layout of a folder, or None where it is missing or damaged."""
    try:
        found = json.loads(path.read_bytes())
        points = found["tile_points"]
        whole = found["key"] == key_of(found["question"])
        axes = [found["question"][name] for name in CHAIN_AXES]
        n_chains = math.prod(len(axis) if isinstance(axis, list) else 1 for axis in axes)
        fits = len(points) == n_chains and all(type(one) is int and one > 0 for one in points)
        return found if whole and fits else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _settled(folder: Path) -> dict[str, Any]:
    """The layout, as soon as the first process has written it."""
    end = time.monotonic() + _SETTLE_SECONDS
    while (found := _intact(folder / "sweep.json")) is None:
        if time.monotonic() > end:
            raise ValueError(
                f"Folder {str(folder)!r} has no sweep.json after {_SETTLE_SECONDS:.0f} s; "
                "all processes must see the folder that process 0 writes."
            )
        time.sleep(0.05)
    return found


def _line(key: str, one: Finished) -> str:
    record = dataclasses.asdict(one) | {"key": key, "tile": list(one.tile)}
    text = json.dumps(record, sort_keys=True)
    return json.dumps({"check": hashlib.sha256(text.encode()).hexdigest()[:16], "record": record}, sort_keys=True)


def _parsed(line: bytes, key: str) -> Finished | None:
    try:
        outer = json.loads(line)
        record = outer["record"]
        text = json.dumps(record, sort_keys=True)
        if outer["check"] != hashlib.sha256(text.encode()).hexdigest()[:16] or record.pop("key") != key:
            return None
        failures = [Failure(**failure) for failure in record.pop("failures")]
        return Finished(tile=Tile(*record.pop("tile")), failures=failures, **record)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _bytes(folder: Path, one: Finished) -> bytes | None:
    """Bytes of a tile's file, or None where they are not what was written."""
    try:
        data = (folder / Path(one.file).name).read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == one.sha256 else None


def _encoded(sweep: Sweep, chain: Chain, tile: Tile, answer: Answer, key: str, about: dict[str, str]) -> bytes:
    """A tile as netCDF, readable by itself."""
    import xarray as xr

    variables = {}
    for name in sweep.quantities:
        for variable, kind in QUANTITIES[name].variables.items():
            dimensions = ["point", *kind.dimensions(chain, sweep.settings)]
            attributes = {"units": kind.units, "long_name": kind.long_name}
            variables[variable] = (dimensions, answer.values[variable], attributes)
    window = np.inf if chain.window is None else chain.window
    attributes = about | {
        "question": question_text(sweep.question),
        "key": key,
        "n_ensembles": chain.n_ensembles,
        "n_atoms": chain.n_atoms,
        "window": window,
        "first_point": tile.start,
    }
    dataset = xr.Dataset(variables, attrs=attributes)
    buffer = io.BytesIO()
    dataset.to_netcdf(buffer, engine="h5netcdf")
    return buffer.getvalue()
