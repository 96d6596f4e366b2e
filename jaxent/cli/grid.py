"""Commands about grids: run a sweep, plot its results, export them."""

import contextlib
import dataclasses
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from jaxent.cli import console
from jaxent.messages import shown
from jaxent.runtime import interrupts

if TYPE_CHECKING:
    from jaxent.plot.views import View

__all__ = ["check", "export", "plot", "sweep"]

_SOME_FAILED = 3  # exit code: finished, but some points have no value
_DAMAGED = 4  # exit code: some files are not as they were written
_MOST_LINES = 20  # about damaged files


def sweep(
    file: Path,
    *,
    out: Path | None = None,
    dry_run: console.Switch = False,
    tile_points: console.WholeNumber | None = None,
    retry_failed: console.Switch = False,
    mix_versions: console.Switch = False,
    log_json: console.Switch = False,
    cpu_devices: console.WholeNumber | None = None,
    distributed: console.Switch = False,
    coordinator: str | None = None,
    processes: console.WholeNumber | None = None,
    process: console.WholeNumber | None = None,
    tiles: str | None = None,
) -> None:
    """Compute a grid that a TOML file describes, tile by tile; the same command goes on where it was stopped.

    Exit code 0: every point has its value; 3: some points failed, and are told; 2: nothing was started or written on;
    130: interrupted by Ctrl-C, what was finished is kept.

    Parameters
    ----------
    file
        The sweep, as TOML; its keys are the arguments of jaxent.Sweep.
    out
        Folder of the results; grid.results for grid.toml by default.
    dry_run
        Only show points, tiles, bytes, memory and a rough time.
    tile_points
        Points of a tile; by default what takes a few seconds and fits in memory.
    retry_failed
        Compute tiles with failed points again.
    mix_versions
        Go on in a folder that another version of jaxent has computed into; the results tell which computed each point.
    log_json
        Print a line of JSON for each tile instead of a progress bar.
    cpu_devices
        Devices that the processor is divided into; each works on its share of a tile.
    distributed
        Share the sweep with other processes, found through SLURM, Open MPI or Kubernetes unless given below.
    coordinator
        Address (host:port) at which the processes meet.
    processes
        How many there are.
    process
        Number of this one, from 0.
    tiles
        Range of tiles to compute, such as 0:100, for job arrays; the others are left to other jobs.
    """
    from jaxent.sweep.toml_file import read_sweep

    question = read_sweep(file)  # before any process waits for another
    if cpu_devices is not None and cpu_devices < 1:
        raise ValueError(f"Argument `cpu_devices` must be at least 1, but is {cpu_devices}.")
    given = [one is not None for one in (coordinator, processes, process)]
    if any(given) and not (distributed and all(given)):
        raise ValueError("Arguments `coordinator`, `processes` and `process` must come together, with `distributed`.")
    if tiles is not None and distributed:
        raise ValueError("Arguments `tiles` and `distributed` exclude each other: each names the tiles of a process.")
    ends = None if tiles is None else _ends(tiles)
    console.divide_processor(cpu_devices)
    index, count = 0, 1
    if distributed and not dry_run:
        from jaxent.sweep.devices import join_processes

        index, count = join_processes(coordinator, processes, process)
    console.library()
    from jaxent.sweep import plan_sweep, run_sweep

    if dry_run:
        _show_plan(question, plan_sweep(question, tile_points))
        return
    folder = out or file.with_name(_without(file.name, ".toml") + ".results")
    watch = _logged if log_json else console.points_progress
    with _going_on(folder, index, log_json) as note, watch() as report:

        def told(progress) -> None:
            note(progress)
            report(progress)

        done = run_sweep(
            question,
            folder,
            tile_points=tile_points,
            retry_failed=retry_failed,
            mix_versions=mix_versions,
            report=told,
            process=index,
            n_processes=count,
            tiles=ends,
        )
    n_failed = sum(failure.n_points for _, failure in done.failures)
    if log_json:
        summary = {"event": "end", "process": index, "folder": str(folder), "points": done.n_points}
        summary |= {"computed": done.n_computed, "failed": n_failed, "impossible": done.n_impossible}
        print(json.dumps(summary), flush=True)
    else:
        print(f"{folder}: {done.n_points} points, {done.n_computed} of them computed now")
        if done.n_impossible:
            print(f"{done.n_impossible} points have outcomes that cannot occur: NaN")
    for chain, failure in done.failures[:10]:
        print(f"jaxent: {chain}, points {failure.start} to {failure.stop - 1}: {failure.error}", file=sys.stderr)
    if n_failed:
        print(f"jaxent: {n_failed} points failed; their values are NaN", file=sys.stderr)
        sys.exit(_SOME_FAILED)


def _ends(text: str) -> tuple[int, int]:
    """Read a range of tiles."""
    match = re.fullmatch(r"(\d{1,7}):(\d{1,7})", text)
    if not match or not int(match[1]) < int(match[2]):
        raise ValueError(f"Argument `tiles` must be a range such as 0:100, but is {shown(text)}.")
    return int(match[1]), int(match[2])


def _show_plan(question, plan) -> None:
    axes = " × ".join(f"{count} {name}" for name, count in question.axes.items()) or "one point"
    minutes, hours = plan.seconds / 60, plan.seconds / 3600
    rough = f"{plan.seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if hours < 2 else f"{hours:.1f} h"
    rows = [
        ["quantities", ", ".join(question.quantities)],
        ["points", f"{question.n_points} ({axes})"],
        ["tiles", f"{plan.n_tiles}, of {max(group.tile_points for group in plan.groups)} points at most"],
        ["results", _size(plan.n_bytes)],
        ["memory of a tile", f"about {_size(plan.tile_bytes)}"],
        ["time on two CPU cores", f"about {rough}"],
        ["key", question.key[:12]],
    ]
    console.print_table("the sweep", ["", ""], rows)


def _size(n_bytes: float) -> str:
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while n_bytes >= 1024 and len(units) > 1:
        n_bytes, units = n_bytes / 1024, units[1:]
    return f"{n_bytes:.3g} {units[0]}"


@contextlib.contextmanager
def _logged() -> Iterator[Callable]:
    """Print a line of JSON on standard output for each tile."""
    yield lambda progress: print(json.dumps({"event": "tile"} | dataclasses.asdict(progress)), flush=True)


@contextlib.contextmanager
def _going_on(folder: Path, process: int, log_json: bool) -> Iterator[Callable]:
    """Answer an interrupt by what is kept and how to go on; give the function that takes a `jaxent.sweep.Progress`."""
    done: dict[str, int] = {}

    def note(progress) -> None:
        done.update(points_done=progress.points_done, n_points=progress.n_points)

    def words() -> tuple[str, str]:
        kept = f"{done['points_done']} of {done['n_points']} points" if done else "the tiles finished before"
        event = {"event": "interrupted", "process": process, "folder": str(folder)} | done
        sentence = f"{kept} are kept in {folder}: the same command goes on from there."
        return sentence, json.dumps(event) if log_json else ""

    with interrupts.farewell(words):
        yield note


def check(results: Path, *, as_json: console.AsJson = False) -> None:
    """Check every file of a sweep's folder, and say what running it again would do; nothing is changed.

    Exit code 0: all that is there is as it was written, finished or not; 4: some of it is not.

    Parameters
    ----------
    results
        Folder of the sweep.
    """
    console.library()
    from jaxent.sweep import check_sweep

    found = check_sweep(results)
    if as_json:
        print(json.dumps(found.record))
    else:
        console.print_table(str(results), ["", ""], [[name, str(value)] for name, value in found.rows])
        for line in [*found.problems[:_MOST_LINES], found.rerun]:
            print(line)
        if len(found.problems) > _MOST_LINES:
            print(f"… and {len(found.problems) - _MOST_LINES} more; --json has them all")
    if found.problems:
        sys.exit(_DAMAGED)


def export(results: Path, to: Path) -> None:
    """Write the results of a sweep as one netCDF file (.nc), Zarr store (.zarr) or table (.csv, .parquet).

    Parameters
    ----------
    results
        Folder of the sweep.
    to
        File or store to write.
    """
    from jaxent.sweep.exports import export_sweep

    print(f"wrote {export_sweep(results, to)}")


def plot(
    results: Path,
    *,
    out: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    kind: Literal["curves", "map", "panels"] = "curves",
    quantity: str | None = None,
    x: str | None = None,
    y: str | None = None,
    lines: str | None = None,
    panels: str | None = None,
    at: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    width: console.Width = "page",
    dpi: console.Dpi = 300,
) -> None:
    """Plot results: curves, a heat map, or a panel for each value of an axis; say what of them is not drawn.

    Parameters
    ----------
    results
        Folder of a sweep, or a netCDF file or Zarr store exported from one.
    out
        PNG, PDF or SVG file, or an HTML page that can be zoomed; may be repeated. By default a PNG file here, named
        after the results.
    kind
        curves: a line for each value of one axis; map: colours over two axes; panels: curves in several panels.
    quantity
        Variable to plot; the first by default.
    x
        Axis along x; the longest by default.
    y
        Axis along y of a map; the longest of the rest by default.
    lines
        Axis whose values are lines; the longest of the rest by default.
    panels
        Axis whose values are panels; the longest of the rest by default.
    at
        Choice of a value of another axis, as name=value, such as n_atoms=100, time=2pi/3, outcomes=N-1 or
        window=full; may be repeated. The first by default.
    """
    stem = _without(results.resolve().name, ".results", ".nc", ".zarr") or "results"
    chosen = out or (Path(f"{stem}.png"),)
    for path in chosen:
        console.output_file("out", path, (".png", ".pdf", ".svg", ".html"))
    if y is not None and kind != "map":
        raise ValueError("Argument `y` must come with kind = map; curves have lines.")
    from jaxent.plot.views import make_view, open_results
    from jaxent.sweep import save

    with open_results(results) as dataset:
        view = make_view(dataset, kind, quantity, x, y if kind == "map" else lines, panels, at)
    _tell(view)
    for path in chosen:
        if path.suffix.lower() == ".html":
            from jaxent.plot.html import page

            save(path, lambda beside: beside.write_text(page(view), encoding="utf-8"))
        else:
            from jaxent.plot.sheet import SIZES, printer
            from jaxent.plot.static import draw_view

            ending = path.suffix.lower()[1:]
            save(path, printer(draw_view(view, SIZES[width]), ending, dpi, view.title))
        print(f"wrote {path}")


def _tell(view: "View") -> None:
    """Say what of the results is not drawn."""
    for cut in view.unasked:
        print(f"{cut.text}, the first of {cut.count} values; --at {cut.name}=VALUE draws another")
    for note in view.notes:
        print(note)


def _without(name: str, *endings: str) -> str:
    """Remove the given endings from a file's name; what else follows a dot is part of it, as in gamma0.01."""
    for ending in endings:
        name = name.removesuffix(ending)
    return name
