"""The command that draws entanglement against time, and writes pictures, tables and datasets of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from jaxent import time_texts
from jaxent.cli import console

__all__ = ["curve"]

_MOST_DENSE_STATES = 100  # of an end, as of the command negativity
_AT_ONCE = 16  # times between two reports


def curve(
    *,
    n_atoms: Annotated[
        list[int],
        Parameter(name=["--n-atoms", "-n", "-N"], consume_multiple=True, negative="", converter=console.whole_numbers),
    ],
    n_ensembles: console.Ensembles = 3,
    window: console.Number | None = None,
    start: str = "0",
    stop: str = "pi",
    times: console.WholeNumber = 500,
    measurement: console.DetectorOptions = console.PERFECT,
    dephasing_rate: Annotated[
        list[float] | None,
        Parameter(name=["--dephasing-rate", "-g"], consume_multiple=True, negative="", converter=console.numbers),
    ] = None,
    out: Annotated[tuple[Path, ...], Parameter(negative="")] = (Path("curve.png"),),
    width: console.Width = "page",
    dpi: console.Dpi = 300,
) -> None:
    """Draw the entanglement of the two ends against time, down to the dips between the times.

    Parameters
    ----------
    n_atoms
        Atoms per ensemble, N; a curve for each where there are several.
    n_ensembles
        Ensembles in the chain, M.
    window
        Dicke states kept, in standard deviations c; all by default.
    start
        First time: a number, or an exact multiple of π such as pi/3.
    stop
        Last time.
    times
        Evenly spaced times, none of them magic; the magic time of the smallest r is added between each two.
    dephasing_rate
        Dephasing rate γ in units of the coupling; one for all ensembles, or one for each. With it, or with detectors
        that are not perfect, the log negativity is drawn.
    out
        PNG, PDF or SVG file, or CSV or netCDF (.nc) file of the numbers; may be repeated.
    """
    for path in out:
        console.output_file("out", path, (".png", ".pdf", ".svg", ".csv", ".nc"))
    jaxent = console.library()
    from jaxent.conversion import whole_number
    from jaxent.paper.claims import GOLDEN
    from jaxent.sweep import save

    console.alone("n_atoms", n_atoms)
    first, last = (time_texts.time_number(text) for text in (start, stop))
    if not first < last:
        raise ValueError(f"Argument `stop` must be later than `start` = {start}, but is {stop}.")
    times = whole_number("times", times, 2)
    step = (last - first) / times
    edges = (first + GOLDEN * step, last - (1 - GOLDEN) * step)  # no evenly spaced time is a magic time of small r
    chains = [jaxent.Chain(n_ensembles, n, window) for n in n_atoms]
    noise = _noise(jaxent, dephasing_rate, measurement)
    curves = []
    with console.progress_by_share() as report:
        for number, chain in enumerate(chains):
            share = lambda part, done=number: report((done + part) / len(chains))  # noqa: E731
            outcomes, offsets = measurement.checked(chain.n_atoms)
            if noise is None and outcomes is None and not offsets:
                curves.append(jaxent.entropy_curve(chain, *edges, times, report=share))
            else:
                curves.append(_curve_of(jaxent, chain, edges, times, (outcomes, offsets, noise), share))
    quantity = "log negativity" if noise else "entropy"
    title = ", ".join([f"M = {n_ensembles}", *_words(window, measurement, dephasing_rate)])
    writers = {".csv": _write_table, ".nc": _write_dataset}
    for path in out:
        write = writers.get(path.suffix.lower())
        if write:
            save(path, lambda beside, write=write: write(beside, n_atoms, curves, quantity, title))
        else:
            from jaxent.plot.figures import draw_curves
            from jaxent.plot.sheet import SIZES, printer

            label = "log negativity of the ends (bits)" if noise else None
            drawing = draw_curves(curves, n_atoms, title, (first, last), SIZES[width], label)
            save(path, printer(drawing, path.suffix.lower()[1:], dpi, title))
        print(f"wrote {path}")


def _noise(jaxent, dephasing_rate: list[float] | None, measurement: console.DetectorOptions) -> dict[str, Any] | None:
    """Give rate and measurement as functions of jaxent take them; None without either."""
    if dephasing_rate is None and not measurement.given:
        return None
    rate = 0.0 if dephasing_rate is None else console.alone("dephasing_rate", dephasing_rate)
    detectors = {"measurement": jaxent.Measurement(**measurement.given)} if measurement.given else {}
    return {"rate": jaxent.EnsembleRates(rate) if isinstance(rate, list) else rate, "detectors": detectors}


def _curve_of(jaxent, chain, edges: tuple[float, float], times: int, asked: tuple, report: Callable[[float], None]):
    """Compute a curve for outcomes, offsets or noise at the times of `jaxent.entropy_curve`."""
    import numpy as np

    from jaxent.protocol.curve import checked_points

    points = checked_points(chain, *edges, times)
    magic = points.exact[: len(points.magic)] if points.fractions else []
    parts = [(points.even, times), (magic, len(magic))]
    found: list[tuple[np.ndarray, np.ndarray]] = []
    done, total = 0, sum(count for _, count in parts)
    for kind, count in parts:
        values, errors = np.zeros(count), np.zeros(count)
        for place in range(0, count, _AT_ONCE):
            tile = slice(place, min(place + _AT_ONCE, count))
            # the last tile is filled up, so that all share a compiled program
            where = np.minimum(np.arange(place, place + min(_AT_ONCE, count)), count - 1)
            value, error = _values(jaxent, chain, kind[where], *asked)
            values[tile], errors[tile] = value[: tile.stop - place], error[: tile.stop - place]
            report((done + tile.stop) / total)
        done += count
        found.append((values, errors))
    distances = points.ordered(points.even, points.magic)
    entropy, error = (points.ordered(even, dips) for even, dips in zip(*found, strict=True))
    return jaxent.EntropyCurve(points.centre + distances, distances, entropy, points.levels, error)


def _values(jaxent, chain, times: Any, outcomes: Any, offsets: Any, noise: dict[str, Any] | None) -> tuple[Any, Any]:
    """Compute entanglement and its error at several times, with the engines that single points use."""
    import numpy as np

    if noise is None:
        found = jaxent.entropy_with_errors(chain, times, outcomes, offsets)
        return np.asarray(found.entropy), np.asarray(found.total)
    arguments = (chain, times, noise["rate"], outcomes, offsets)
    if chain.n_ensembles == 3 and chain.dimension > _MOST_DENSE_STATES:
        found = jaxent.log_negativity_with_errors(*arguments, **noise["detectors"])
        return np.asarray(found.value), np.asarray(found.error)
    from jaxent.noise.log_negativity import DENSE_ERROR

    value = np.asarray(jaxent.end_to_end_log_negativity(*arguments, **noise["detectors"]))
    return value, np.full(value.shape, DENSE_ERROR if chain.window is None else np.nan)  # the window's is not known


def _words(window: float | None, measurement: console.DetectorOptions, rate: list[float] | None) -> list[str]:
    """Write the parameters that all curves share, for a title."""
    given = {"c": window, "q": measurement.outcomes, "φ": measurement.phase_offset, "γ": rate} | measurement.given
    texts = {name: value if isinstance(value, list) else [value] for name, value in given.items() if value is not None}
    return [
        f"{name.replace('_', ' ')} = {' '.join(one if isinstance(one, str) else f'{one:.6g}' for one in values)}"
        for name, values in texts.items()
    ]


def _write_table(path: Path, n_atoms: list[int], curves: list, quantity: str, title: str) -> None:
    lines = [f"n_atoms,time,{quantity.replace(' ', '_')}_bits,error_bits,levels"]
    for n, one in zip(n_atoms, curves, strict=True):
        columns = (one.time.tolist(), one.entropy.tolist(), one.error.tolist(), one.levels.tolist())
        lines += [f"{n},{t!r},{value!r},{error!r},{r}" for t, value, error, r in zip(*columns, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_dataset(path: Path, n_atoms: list[int], curves: list, quantity: str, title: str) -> None:
    """Write one dataset of all curves; the points of a curve are numbered, as each has times of its own."""
    import xarray as xr

    each = [one.to_xarray().drop_indexes("time").rename_dims(time="point").reset_coords("time") for one in curves]
    each = [one.assign_coords(point=range(one.sizes["point"])) for one in each]
    numbers = xr.Variable("n_atoms", n_atoms, {"units": "1", "long_name": "atoms per ensemble N"})
    whole = xr.concat(each, numbers, join="outer", data_vars="all", fill_value={"levels": 0})
    whole = (
        whole.set_coords("time").rename(entropy=quantity.replace(" ", "_")).assign_attrs(title=f"jaxent curve, {title}")
    )
    if quantity != "entropy":
        whole["log_negativity"].attrs["long_name"] = "log negativity of the ends"
    whole.to_netcdf(path, engine="h5netcdf")
