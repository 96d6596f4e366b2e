"""Check that every file and line in the folder of a sweep is intact, and predict what a rerun would do."""

import dataclasses
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

from jaxent.messages import shown
from jaxent.sweep.devices import commit, versions
from jaxent.sweep.lock import holders
from jaxent.sweep.plan import Tiles, cut, points_of_group
from jaxent.sweep.spec import Sweep, asked
from jaxent.sweep.store import (
    Finished,
    computed_by,
    file_name,
    finished_tiles,
    folder_layout,
    read_tile,
    tile_key,
    tile_lines,
)

__all__ = ["SweepCheck", "check_sweep"]

_TILE = re.compile(r"tile-(\d{6,7})\.nc")
_HALF_WRITTEN = re.compile(r"\.(tile-|sweep\.|running-)")


@dataclasses.dataclass(frozen=True)
class SweepCheck:
    """Describe the contents of the folder of a sweep.

    Attributes:
        folder: the folder.
        n_points: points of the whole grid.
        n_finished: points of intact tiles, including failed points.
        n_failed: points without a value, for which a reason is recorded.
        versions: points by the version of jaxent that computed them.
        problems: one sentence for each tile whose file is missing or damaged.
        leftovers: leftovers of interrupted runs: half-written files and lines, and files without a line.
        running: processes that compute into the folder.
        rerun: one sentence on what running the sweep again here would do.
    """

    folder: Path
    n_points: int
    n_finished: int
    n_failed: int
    versions: dict[str, int]
    problems: list[str]
    leftovers: list[str]
    running: list[str]
    rerun: str

    @property
    def is_sound(self) -> bool:
        """True if no file of a recorded tile is missing or damaged."""
        return not self.problems

    @property
    def rows(self) -> list[tuple[str, Any]]:
        """Names and numbers for a table."""
        left = "; ".join(self.leftovers[:5]) + "; …" * (len(self.leftovers) > 5)
        return [
            ("points", self.n_points),
            ("finished", self.n_finished),
            ("failed", self.n_failed),
            *((name, f"{count} points") for name, count in self.versions.items()),
            (
                "left by interrupted runs",
                left or "nothing",
            ),
            ("running", "; ".join(self.running) or "nothing"),
            ("damaged or missing files", len(self.problems)),
        ]

    @property
    def record(self) -> dict[str, Any]:
        """All attributes as plain data."""
        return dataclasses.asdict(self) | {"folder": str(self.folder), "sound": self.is_sound}


def check_sweep(path: str | os.PathLike) -> SweepCheck:
    """Check every file in the folder of a sweep, without changing any: checksums, shapes, versions and lists.

    Args:
        path: the folder of the sweep.

    Returns:
        SweepCheck: the finished tiles, the damaged ones, and what running the sweep again would do.

    Raises:
        FileNotFoundError: when there is no such folder.
        ValueError: when it holds no sweep, one of a newer jaxent, or a damaged sweep.json.

    Example:
        >>> import tempfile
        >>> import jaxent
        >>> sweep = jaxent.Sweep(["entropy"], n_atoms=8, time=[0.5, 1.0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = jaxent.run_sweep(sweep, folder)
        ...     print(jaxent.check_sweep(folder).n_points)
        2
    """
    folder = Path(path)
    layout = folder_layout(folder)
    sweep, key = asked(layout["question"]), layout["key"]
    tiles = cut(points_of_group(sweep), layout["tile_points"])
    told = finished_tiles(folder, key, tiles)
    problems = []
    intact: dict[int, Finished] = {}
    for number, one in sorted(told.items()):
        try:
            read_tile(folder, sweep, one)
            intact[number] = one
        except ValueError:
            reason = "is damaged" if os.path.lexists(folder / one.file) else "is missing"
            problems.append(f"{shown(one.file)} {reason}: its points {one.tile.start} to {one.tile.stop - 1} are lost.")
    counted: Counter[str] = Counter()
    for one in intact.values():
        counted[computed_by(one.about)] += one.tile.stop - one.tile.start
    running = [str(one.owner) for one in holders(folder) if one.still_runs is not False]
    return SweepCheck(
        folder,
        sweep.n_points,
        sum(counted.values()),
        sum(failure.n_points for one in intact.values() for failure in one.failures),
        dict(sorted(counted.items())),
        problems,
        _leftovers(folder, told, key),
        running,
        _rerun(sweep, layout["question"]["precision"], tiles, intact, set(counted), running),
    )


def _leftovers(folder: Path, told: dict[int, Finished], key: str) -> list[str]:
    found = []
    for entry in os.scandir(folder):
        match = _TILE.fullmatch(entry.name)
        unknown = match and (int(match[1]) not in told or file_name(int(match[1])) != entry.name)
        if unknown or _HALF_WRITTEN.match(entry.name):
            found.append(entry.name)
    for path in folder.glob("tiles-*.jsonl"):
        keys = [tile_key(line) for line in tile_lines(path) if line.strip()]
        damaged, others = keys.count(None), sum(one not in (None, key) for one in keys)
        found += [f"{path.name}: {damaged} damaged lines"] * (damaged > 0)
        found += [f"{path.name}: {others} lines of another sweep"] * (others > 0)
    return sorted(found)


def _rerun(
    sweep: Sweep, precision: str, tiles: Tiles, intact: dict[int, Finished], found: set[str], running: list[str]
) -> str:
    missing = len(tiles) - len(intact)
    if precision != sweep.question["precision"]:
        return f"A rerun would be refused unless JAX computes in {shown(precision)}, as in this folder."
    if running:
        return "A rerun would be refused while another process computes here."
    if not missing:
        return "A rerun would compute nothing: every tile is there."
    n_points = sweep.n_points - sum(one.tile.stop - one.tile.start for one in intact.values())
    work = f"compute {missing} of {len(tiles)} tiles, {n_points} points"
    here = computed_by(versions() | {"commit": commit()})
    if found - {here}:
        return f"A rerun by {here} would be refused unless it is given mix_versions; it would then {work}."
    return f"A rerun would {work}."
