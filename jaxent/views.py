"""A look at labelled results: which of their axes is drawn along what."""

import dataclasses
import difflib
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jaxent.sweep import open_sweep

__all__ = ["Axis", "View", "cells", "make_view", "open_results"]

_MOST_LINES = 8  # that an eye tells apart
_MOST_PANELS = 6
_LOG_SPAN = 20.0  # ratio of the ends from which evenly spaced ratios are drawn on a logarithmic axis


@dataclasses.dataclass(frozen=True)
class Axis:
    """Values along an axis of a picture.

    Attributes:
        name: of the dimension.
        label: with units.
        values: numbers, or texts.
        texts: one for each value, as a legend shows it.
        logarithmic: whether ratios are even.
    """

    name: str
    label: str
    values: np.ndarray
    texts: list[str]
    logarithmic: bool


@dataclasses.dataclass(frozen=True)
class View:
    """What is drawn.

    Attributes:
        kind: "curves", "map" or "panels".
        title: what is the same for all of it.
        label: of the quantity, with units.
        values: array of shape (panels, lines, x); for a map (1, y, x).
        x: axis along x.
        lines: axis of the lines, or along y of a map; None: one line.
        panels: axis of the panels; None: one.
    """

    kind: str
    title: str
    label: str
    values: np.ndarray
    x: Axis
    lines: Axis | None
    panels: Axis | None


def open_results(results: Path) -> xr.Dataset:
    """Open the folder of a sweep, or what was exported from one.

    Raises:
        ValueError: when it is neither.
    """
    if not results.exists():
        raise ValueError(
            f"Argument `results` must be a folder of a sweep, a .nc or a .zarr, but {str(results)!r} is not there."
        )
    if results.suffix == ".zarr":
        return xr.open_zarr(results, consolidated=False, chunks=None)
    if results.is_dir():
        return open_sweep(results)
    try:
        return xr.open_dataset(results, engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"Argument `results` must be a folder of a sweep, a .nc or a .zarr, but {str(results)!r} is none of them."
        ) from error


def make_view(
    dataset: xr.Dataset,
    kind: str = "curves",
    quantity: str | None = None,
    x: str | None = None,
    lines: str | None = None,
    panels: str | None = None,
    at: Sequence[str] = (),
) -> View:
    """Choose what is drawn along what.

    Args:
        dataset: labelled results.
        kind: "curves", "map" (`lines` is then the axis along y) or "panels".
        quantity: variable; None: the first.
        x: axis; None: time where there is one with many values, else the longest.
        lines: axis; None: the longest of the rest, if any.
        panels: axis; None: the longest of the rest; for kind "panels" only.
        at: "name=value" for the other axes, of which the first value is taken otherwise.

    Returns:
        View: the values, thinned where there are more lines or panels than an eye tells apart.
    """
    names = [str(name) for name in dataset.data_vars]
    array = dataset[_known("quantity", quantity or names[0], names)]
    if np.iscomplexobj(array) or array.dtype.kind not in "fiu":
        raise ValueError(
            f"Argument `quantity` must be of real numbers to be plotted, but {array.name} is {array.dtype}."
        )
    chosen = dict(_choice(array, text) for text in at)
    array = array.isel(chosen)
    free = sorted((str(name) for name in array.dims if array.sizes[name] > 1), key=lambda name: -array.sizes[name])
    # an axis that is asked for is not taken for another
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
    array = array.isel({name: 0 for name in array.dims if name not in (x, lines, panels)})
    if lines and kind != "map":
        array = array.isel({lines: _some(array.sizes[lines], _MOST_LINES)})
    if panels:
        array = array.isel({panels: _some(array.sizes[panels], _MOST_PANELS)})
    for name in (x, lines) if kind == "map" else (x,):
        if name in array.coords and array[name].dtype.kind in "fiu":
            array = array.sortby(name)
    ordered = array.transpose(*[name for name in (panels, lines, x) if name])
    along, others = _axis(ordered, x), [_axis(ordered, name) if name else None for name in (panels, lines)]
    shape = [len(axis.values) if axis else 1 for axis in others] + [len(along.values)]
    return View(kind, _title(array), _label(array), np.reshape(ordered.values, shape), along, others[1], others[0])


def _known(argument: str, name: str, names: Sequence[str]) -> str:
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}." if names else "there is none."
    raise ValueError(f"Argument `{argument}` must name what the results have, but is {name!r}; {hint}")


def _choice(array: xr.DataArray, text: str) -> tuple[str, int]:
    """The index of the value that "name=value" names: the same text, or the nearest number."""
    from jaxent.console import parse_time

    name, _, value = text.partition("=")
    _known("at", name, [str(one) for one in array.dims])
    labels = array[name].values if name in array.coords else np.arange(array.sizes[name])
    if labels.dtype.kind in "UO":
        return name, [str(label) for label in labels].index(_known("at", value, [str(label) for label in labels]))
    try:
        parsed: Any = parse_time(value)
    except ValueError:
        raise ValueError(f"Argument `at` must give {name} a number, but gives {value!r}.") from None
    number = float(getattr(parsed, "value", parsed))
    with np.errstate(invalid="ignore"):
        distance = np.where(labels == number, 0.0, abs(labels - number))
    index = int(np.argmin(distance))
    spacing = np.min(np.abs(np.diff(labels))) if len(labels) > 1 else 0.0
    if distance[index] > max(spacing, 1e-9 * abs(number)):
        raise ValueError(f"Argument `at` must give {name} a value of its axis, but {value} is beyond it.")
    return name, index


def _some(size: int, most: int) -> np.ndarray:
    return np.unique(np.round(np.linspace(0, size - 1, min(size, most))).astype(int))


def _label(array: xr.DataArray) -> str:
    name, units = array.attrs.get("long_name", array.name), array.attrs.get("units", "1")
    return f"{name} ({units})".replace("(bit)", "(bits)") if units != "1" else str(name)


def _axis(array: xr.DataArray, name: str) -> Axis:
    if name not in array.coords:
        values = np.arange(array.sizes[name])
        return Axis(name, name.replace("_", " "), values, [str(one) for one in values], False)
    coordinate = array[name]
    values, label = coordinate.values, _label(coordinate)
    if name == "time":
        values, label = values / math.pi, f"{coordinate.attrs.get('long_name', 'time')} (π / coupling)"
    texts = [_text(name, one) for one in coordinate.values]
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        values = np.array(texts)  # the full basis has no place among windows but beside them
    return Axis(name, label, values, texts, _is_logarithmic(values))


def _is_logarithmic(values: np.ndarray) -> bool:
    if values.dtype.kind not in "fiu":
        return False
    positive = values[values > 0]
    if len(positive) < 3 or len(positive) < len(values) - 1 or not np.isfinite(positive).all():
        return False
    ratios = np.diff(np.log(np.sort(positive)))
    return bool(positive.max() / positive.min() >= _LOG_SPAN and ratios.max() < 5 * ratios.min())


def cells(axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the cells of a map along an axis, one more than there are values, and which values have a cell."""
    values = np.arange(len(axis.values)) if axis.values.dtype.kind not in "fiu" else axis.values.astype(float)
    keep = values > 0 if axis.logarithmic else np.full(len(values), True)
    inner = np.log(values[keep]) if axis.logarithmic else values[keep]
    middles = (inner[1:] + inner[:-1]) / 2
    edges = np.concatenate([[2 * inner[0] - middles[0]], middles, [2 * inner[-1] - middles[-1]]])
    return np.exp(edges) if axis.logarithmic else edges, keep


_SYMBOLS = {
    "n_ensembles": "M",
    "n_atoms": "N",
    "window": "c",
    "outcomes": "q",
    "phase_offset": "φ",
    "dephasing_rate": "γ",
    "collective_rate": "Γ",
    "time": "t",
}


def _text(name: str, value: Any) -> str:
    """One value as "symbol = value"."""
    symbol = _SYMBOLS.get(name, name.replace("_", " "))
    if isinstance(value, str):
        return f"{symbol} = {value}"
    if name == "window" and math.isinf(value):
        return "full basis"
    if name == "time":
        return f"t = {_multiple_of_pi(value / math.pi)}"
    return f"{symbol} = {value:.4g}" if abs(value) < 10**5 else f"{symbol} = {value:.2g}"


def _multiple_of_pi(turns: float) -> str:
    near = Fraction(turns).limit_denominator(100)
    if abs(float(near) - turns) > 1e-12 * abs(turns) or not near:
        return f"{turns:.4g} π" if turns else "0"
    numerator = "" if near.numerator == 1 else str(near.numerator)
    return f"{numerator}π" + ("" if near.denominator == 1 else f"/{near.denominator}")


def _title(array: xr.DataArray) -> str:
    """The values of the scalar coordinates that matter."""
    unset = {"phase_offset": 0.0, "collective_rate": 0.0, "window": math.inf, "outcomes": "N"}
    parts = []
    for name in _SYMBOLS:
        if name in array.coords and not array[name].dims:
            value = array[name].item()
            if name not in unset or value != unset[name]:
                parts.append(_text(name, value))
    return ", ".join(parts)
