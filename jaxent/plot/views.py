"""Assign the axes of labelled results to x, lines and panels of a figure."""

import dataclasses
import difflib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from jaxent.messages import shown
from jaxent.plot.labels import SYMBOLS, index_of, some_of, symbol, texts
from jaxent.sweep import open_export, open_sweep

__all__ = [
    "Axis",
    "Cut",
    "View",
    "cells",
    "make_view",
    "open_results",
    "placed",
    "title_lines",
    "value_range",
    "x_range",
]

_MOST_LINES = 8  # lines that are easily distinguished
_MOST_PANELS = 6
_ROWS = "bond_times_text"  # coordinate with the texts of the rows of bond times
_LOG_SPAN = 20.0  # least ratio of the ends at which values of even ratios are drawn on a logarithmic axis


@dataclasses.dataclass(frozen=True)
class Axis:
    """Hold the values along an axis of a figure.

    Attributes:
        name: name of the dimension.
        label: label with units.
        values: numbers, or texts.
        texts: one for each value, as a legend shows it.
        logarithmic: whether the axis is logarithmic, because the ratios of values are about even.
    """

    name: str
    label: str
    values: np.ndarray
    texts: list[str]
    logarithmic: bool


class Cut(NamedTuple):
    """Describe an axis drawn at its first value by default: its name, the value as in the title, and its length."""

    name: str
    text: str
    count: int


class _Roles(NamedTuple):
    """Hold the names of the axes along x, of the lines (along y of a map) and of the panels."""

    x: str
    lines: str | None
    panels: str | None


@dataclasses.dataclass(frozen=True)
class View:
    """Describe what is drawn.

    Attributes:
        kind: "curves", "map" or "panels".
        title: every value that is common to the whole figure.
        notes: remarks on results that are not drawn.
        unasked: the axes drawn at their first value, because `at` gives none.
        label: label of the quantity, with units.
        values: array of shape (panels, lines, x); for a map (1, y, x).
        x: axis along x.
        lines: axis of the lines, or along y of a map; None: one line.
        panels: axis of the panels; None: one.
    """

    kind: str
    title: str
    notes: list[str]
    unasked: list[Cut]
    label: str
    values: np.ndarray
    x: Axis
    lines: Axis | None
    panels: Axis | None


def open_results(results: Path) -> xr.Dataset:
    """Open the folder of a sweep, or an export of one.

    Raises:
        FileNotFoundError: when the path does not exist.
        ValueError: when the path is neither.
    """
    must = "Argument `results` must be a folder of a sweep, a .nc or a .zarr, but "
    if not results.exists():
        raise FileNotFoundError(f"{must}{shown(str(results))} is not there.")
    if results.is_dir() and results.suffix != ".zarr":
        return open_sweep(results)
    try:
        return open_export(results)
    except ValueError as error:
        reason = re.sub(r"^Argument `path` must be .*?, but ", "", str(error))
        raise ValueError(f"{must}{reason.replace(' is none.', ' is none of them.')}") from error


def make_view(
    dataset: xr.Dataset,
    kind: str = "curves",
    quantity: str | None = None,
    x: str | None = None,
    lines: str | None = None,
    panels: str | None = None,
    at: Sequence[str] = (),
) -> View:
    """Choose the quantity, the axes and the values of a figure.

    Args:
        dataset: labelled results.
        kind: "curves", "map" (`lines` is then the axis along y) or "panels".
        quantity: variable; None: the first.
        x: axis; None: time where there is one with many values, else the longest.
        lines: axis; None: the longest of the rest, if any.
        panels: axis; None: the longest of the rest; for kind "panels" only.
        at: "name=value" for the other axes, whose first value is taken otherwise.

    Returns:
        View: the values, with at most 8 lines (a map has all) and 6 panels, evenly chosen.

    Raises:
        ValueError: where the results have no such quantity, axis or value.
    """
    names = [str(name) for name in dataset.data_vars]
    whole = dataset[_known("quantity", quantity or names[0], names)]
    if np.iscomplexobj(whole) or whole.dtype.kind not in "fiu":
        raise ValueError(
            f"Argument `quantity` must be of real numbers to be plotted, but {whole.name} is {whole.dtype}."
        )
    whole = _with_bond_times(whole, dataset)
    chosen = _chosen(whole, at)
    roles = _roles(whole.isel(chosen), kind, x, lines, panels)
    first = [str(name) for name in whole.dims if name not in chosen and name not in roles]
    cut = chosen | dict.fromkeys(first, 0)
    unasked = [Cut(name, _words(whole, name)[0], whole.sizes[name]) for name in first if whole.sizes[name] > 1]
    array, notes = _thinned(whole.isel(cut), kind, roles)
    for name in roles[:2] if kind == "map" else roles[:1]:
        if name in array.coords and array[name].dtype.kind in "fiu":
            array = array.sortby(name)
    ordered = array.transpose(*[name for name in (roles.panels, roles.lines, roles.x) if name])
    along, lines_axis, panels_axis = (_axis(ordered, name) if name else None for name in roles)
    assert along is not None
    shape = [len(axis.values) if axis else 1 for axis in (panels_axis, lines_axis, along)]
    values = np.reshape(ordered.values.astype(float), shape)
    if array.dtype.kind in "iu":  # among integers, results that are missing are -1
        values[values == -1] = np.nan
    if missing := int((~np.isfinite(values)).sum()):
        notes.append(f"{missing} of {values.size} values missing or infinite")
    for axis in (along, lines_axis) if kind == "map" else (along,):
        notes += _off_scale(axis)
    return View(kind, _title(whole, cut), notes, unasked, _label(array), values, along, lines_axis, panels_axis)


def _thinned(array: xr.DataArray, kind: str, roles: _Roles) -> tuple[xr.DataArray, list[str]]:
    """Select at most 8 lines and 6 panels, evenly chosen, and write notes on the others."""
    kept, notes = {}, []
    for name, most in ((roles.lines if kind != "map" else None, _MOST_LINES), (roles.panels, _MOST_PANELS)):
        if name and array.sizes[name] > most:
            notes.append(f"{most} of the {array.sizes[name]} values of {symbol(name)} drawn")
            kept[name] = np.unique(np.round(np.linspace(0, array.sizes[name] - 1, most)).astype(int))
    return array.isel(kept), notes


def _roles(array: xr.DataArray, kind: str, x: str | None, lines: str | None, panels: str | None) -> _Roles:
    """Assign axes to their roles; those that are not named are chosen by their length."""
    free = sorted((str(name) for name in array.dims if array.sizes[name] > 1), key=lambda name: -array.sizes[name])
    # an axis named for one role is not used for another
    left = [name for name in free if name not in (lines, panels)] or free
    if x is None:
        x = "time" if "time" in left and kind == "curves" else left[0] if left else None
    if x is None:
        raise ValueError("Argument `results` must have an axis with several values to be plotted along, but has none.")
    _known("x", x, [str(name) for name in array.dims])
    rest = [name for name in free if name != x]
    if kind == "panels":
        left = [name for name in rest if name != lines]
        default = "time" if "time" in left else left[0] if left else ""
        panels = _known("panels", panels or default, rest)
        rest.remove(panels)
    elif panels is not None:
        raise ValueError('Argument `panels` must come with kind = "panels".')
    if kind == "map" and not rest:
        raise ValueError("Argument `results` must have two axes with several values for a map, but has one.")
    if lines is not None:
        _known("y" if kind == "map" else "lines", lines, rest)
    elif rest:
        lines = rest[0]
    return _Roles(x, lines, panels)


def _known(argument: str, name: str, names: Sequence[str]) -> str:
    if name in names:
        return name
    near = difflib.get_close_matches(name[:100], names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {some_of(names)}." if names else "there is none."
    raise ValueError(f"Argument `{argument}` must name what the results have, but is {shown(name)}; {hint}")


def _chosen(array: xr.DataArray, at: Sequence[str]) -> dict[str, int]:
    """Find the index along each axis that "name=value" names."""
    chosen: dict[str, int] = {}
    for text in at:
        name, equals, value = text.partition("=")
        _known("at", name, [str(one) for one in array.dims])
        if not equals or name in chosen:
            must = "must give one value for each axis" if equals else "must be name=value"
            raise ValueError(f"Argument `at` {must}, but is {shown(' '.join(at))}.")
        chosen[name] = index_of(name, _values(array, name), value)
    return chosen


def _values(array: xr.DataArray, name: str) -> np.ndarray:
    return array[name].values if name in array.coords else np.arange(array.sizes[name])


def _with_bond_times(array: xr.DataArray, dataset: xr.Dataset) -> xr.DataArray:
    """Add times that differ from bond to bond as a coordinate: one text per row of times, or one for all points."""
    if "bond_times" not in dataset.coords:
        return array
    times = dataset["bond_times"].transpose(..., "bond").values
    each = [one.removeprefix("t = ").replace(" π", "π") for one in texts("time", times.ravel())]
    rows = [" ".join(row) for row in np.reshape(each, (-1, times.shape[-1]))]
    if times.ndim == 1:
        return array.assign_coords(time=rows[0])
    return array.assign_coords({_ROWS: ("time", [f"{row} (row {number})" for number, row in enumerate(rows)])})


def _words(array: xr.DataArray, name: str) -> list[str]:
    """Write the values of an axis as in a legend."""
    return texts(name, _values(array, _ROWS if name == "time" and _ROWS in array.coords else name))


def _label(array: xr.DataArray) -> str:
    name, units = array.attrs.get("long_name", array.name), array.attrs.get("units", "1")
    return f"{name} ({units})".replace("(bit)", "(bits)") if units != "1" else str(name)


def _axis(array: xr.DataArray, name: str) -> Axis:
    values, words = _values(array, name), _words(array, name)
    label = _label(array[name]) if name in array.coords else name.replace("_", " ")
    if name == "time" and _ROWS not in array.coords:
        values, label = values / math.pi, f"{array[name].attrs.get('long_name', 'time')} (π / coupling)"
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        values = np.array(words)  # an infinite window, the full basis, makes the axis one of texts
    elif values.dtype.kind not in "fiu":
        values = np.array([str(one) for one in values])
    return Axis(name, label, values, words, _is_logarithmic(values))


def _off_scale(axis: Axis | None) -> list[str]:
    """Write a note on each value that has no place on a logarithmic axis."""
    if axis is None:
        return []
    left_out = [text for text, kept in zip(axis.texts, placed(axis), strict=True) if not kept]
    return [f"{text} left out: no place on a logarithmic axis" for text in left_out]


def _is_logarithmic(values: np.ndarray) -> bool:
    if values.dtype.kind not in "fiu":
        return False
    positive = values[values > 0]
    if len(positive) < 3 or len(positive) < len(values) - 1 or not np.isfinite(positive).all():
        return False
    ratios = np.diff(np.log(np.sort(positive)))
    return bool(positive.max() / positive.min() >= _LOG_SPAN and ratios.max() < 5 * ratios.min())


def title_lines(view: View, width: int) -> list[str]:
    """Break the title, and the notes below it, into lines of at most `width` characters; longer parts stand alone."""
    lines: list[str] = []
    for separator, parts in ((", ", view.title.split(", ")), ("; ", view.notes)):
        start = len(lines)
        for part in parts:
            if len(lines) > start and len(lines[-1]) + len(part) + 2 <= width:
                lines[-1] += separator + part
            else:
                lines.append(part)
    return [line for line in lines if line]


def placed(axis: Axis) -> np.ndarray:
    """Mark the values with a place on an axis: on a logarithmic one, those above 0."""
    return axis.values > 0 if axis.logarithmic else np.full(len(axis.values), True)


def x_range(view: View) -> tuple[float, float]:
    """Compute the limits of the x axis."""
    values = view.x.values[placed(view.x)]
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def value_range(view: View) -> tuple[float, float]:
    """Compute the limits of an axis that shows all values of all panels, from 0 if none is negative."""
    values = view.values[np.isfinite(view.values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if low >= 0:
        return 0.0, 1.05 * high or 1.0
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def cells(axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    """Compute the edges of the cells of a map along an axis, and a mask of the values that have a cell."""
    values = np.arange(len(axis.values)) if axis.values.dtype.kind not in "fiu" else axis.values.astype(float)
    keep = placed(axis)
    inner = np.log(values[keep]) if axis.logarithmic else values[keep]
    if len(inner) == 1:
        return inner[0] + np.array([-0.5, 0.5]), keep
    middles = (inner[1:] + inner[:-1]) / 2
    edges = np.concatenate([[2 * inner[0] - middles[0]], middles, [2 * inner[-1] - middles[-1]]])
    return np.exp(edges) if axis.logarithmic else edges, keep


def _title(array: xr.DataArray, cut: dict[str, int]) -> str:
    """Write every value common to the whole figure: of axes cut at one value, and of single coordinates."""
    others = [name for name in cut if name not in SYMBOLS]
    parts = []
    for name in [*SYMBOLS, *others]:
        if name in cut:
            parts.append(_words(array, name)[cut[name]])
        elif name in array.coords and not array[name].dims:
            parts += texts(name, [array[name].item()])
    return ", ".join(parts)
