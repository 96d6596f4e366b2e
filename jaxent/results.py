"""How results speak: one line for a terminal, a table for a notebook, axes of Matplotlib, a dataset of xarray.

A class of results describes itself by a method `_account`, and takes the four from here:

    __repr__ = results.line
    _repr_html_ = results.table
    plot = results.plot
    to_xarray = results.to_xarray

Values that are traced, or that JAX put in the place of numbers, are shown by the `repr` that Python would give.
Matplotlib and xarray are imported when they are used.
"""

import dataclasses
import html
import importlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.core import Tracer

from jaxent.exact_times import PiFraction
from jaxent.messages import shown

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = [
    "ALONE",
    "ERROR",
    "STYLE",
    "TIME_LABEL",
    "Account",
    "Column",
    "Marks",
    "line",
    "plot",
    "plot_dataset",
    "table",
    "to_xarray",
]

STYLE: Any = {
    "font.size": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 0.9,
    "legend.frameon": False,
    "figure.dpi": 300,  # stored in the figure; `savefig.dpi` would be read only when the figure is saved
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "pdf.fonttype": 42,
}
TIME_LABEL = "interaction time t (π/coupling)"
ALONE, ERROR = "·", "±"  # symbols of a value that needs none, and of the error of the column before
_ON_SCREEN = {name: value for name, value in STYLE.items() if name != "figure.dpi"} | {"font.size": 9}
_SIZE = (5.0, 3.2)  # inches
_MOST_ROWS = 12  # of a table
_ROUNDING = 1e-12  # of the largest value: what is smaller reads 0
_MOST_LINES = 8  # of a sweep
_MOST_NAMED = 12  # points with a text beside them
_UNITS = {"1": "", "bit": " bits", "1/coupling": " /coupling", "coupling": " × coupling"}


@dataclasses.dataclass(frozen=True)
class Column:
    """Hold the values of one name: an array along an axis, or a single number, text or exact time.

    Attributes:
        values: array, number, text or `PiFraction`.
        units: as attributes of datasets give them; "1" for none.
        meaning: in words, for labels.
        symbol: in the line of a terminal, such as "E"; `ALONE` for the value without one, `ERROR` for the error of the
            column before; "": not there.
    """

    values: Any
    units: str = "1"
    meaning: str = ""
    symbol: str = ""


@dataclasses.dataclass(frozen=True)
class Marks:
    """Describe one curve, or set of points, of a plot.

    Attributes:
        name: column along y.
        style: of the line or the markers, as Matplotlib writes it.
        where: mask of the points drawn; None: all.
        label: in the legend; "": none.
        texts: beside each point drawn; shown where there are few.
    """

    name: str
    style: str = "-"
    where: Any = None
    label: str = ""
    texts: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Account:
    """Describe a result.

    Attributes:
        counted: what there is many of, after their number: "points"; "" for a single value.
        columns: by name, the axis first where there are many.
        marks: what a plot shows over the first column.
        matrix: name of a square column that is drawn as a map instead; "": none.
        dimensions: of the columns that have not the axis of the others, by name.
        labels: of the places along these dimensions.
    """

    counted: str
    columns: Mapping[str, Column]
    marks: Sequence[Marks] = ()
    matrix: str = ""
    dimensions: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)


def _account(result: Any) -> Account | None:
    """Give the account of a result whose values are known, or None."""
    leaves = jax.tree.leaves([getattr(result, name) for name in _names(result)])
    if not all(isinstance(one, str | bool | int | float | np.ndarray | np.generic | jax.Array) for one in leaves):
        return None
    if any(isinstance(one, Tracer) for one in leaves):
        return None
    try:
        return result._account()
    except (IndexError, TypeError, ValueError):  # of other shapes than functions return, as under `jax.tree.map`
        return None


# --------------------------------------------------------------------------- one line


def line(self) -> str:
    """Write the result in one line: how many values there are, their range, units and error."""
    account = _account(self)
    name = type(self).__name__
    if account is None:
        return _as_python_would(self)
    parts: list[str] = []
    for column in account.columns.values():
        if column.symbol == ERROR:
            _append_error(parts, column, single=not account.counted)
        elif column.symbol:
            text = _range(column.values) + _words(column.units)
            equals = "" if column.symbol.endswith("≥") else "= "
            parts.append(text if column.symbol == ALONE else f"{column.symbol} {equals}{text}")
    if account.counted:
        parts.insert(0, f"{_length(next(iter(account.columns.values())).values)} {account.counted}")
    return f"<{name}: {', '.join(parts)}>"


def _append_error(parts: list[str], column: Column, single: bool) -> None:
    largest, units = np.max(np.nan_to_num(np.asarray(column.values, float), nan=0.0), initial=0.0), _words(column.units)
    if largest > 0:
        words = " ± " if single and "…" not in parts[-1] else ", error up to "
        parts[-1] = f"{parts[-1].removesuffix(units) if words == ' ± ' else parts[-1]}{words}{largest:.2g}{units}"


def _as_python_would(result: Any) -> str:
    return f"{type(result).__name__}({', '.join(f'{name}={getattr(result, name)!r}' for name in _names(result))})"


def _names(result: Any) -> Sequence[str]:
    """List the names of a named tuple or of a dataclass."""
    return getattr(result, "_fields", None) or [field.name for field in dataclasses.fields(result)]


def _words(units: str) -> str:
    return _UNITS.get(units, f" {units}")


def _length(values: Any) -> int:
    return int(np.prod(np.shape(values.numerator if isinstance(values, PiFraction) else values)))


def _range(values: Any) -> str:
    """Write a value, or the least and the largest of several."""
    if isinstance(values, str):
        return values
    if isinstance(values, PiFraction):
        one = values if not values.shape else None
        return str(one if one is not None else f"{values[0]} … {values[-1]}" if len(values) else "none")
    array = np.asarray(values)
    finite = array[np.isfinite(array)]
    if not finite.size:
        return "NaN" if array.size else "none"
    if array.size == 1:
        return _number(finite[0], 7)
    ends = np.array([finite.min(), finite.max()])
    low, high = (_number(one, 5) for one in np.where(abs(ends) < _ROUNDING * abs(ends).max(), 0, ends))
    return low if low == high else f"{low} … {high}"


def _number(value: Any, digits: int) -> str:
    """Write some digits of a number; of an integer all, up to a million."""
    if isinstance(value, int | np.integer) and abs(value) < 10**6:
        return str(value)
    return f"{value:.{digits}g}"


# --------------------------------------------------------------------------- a table


def table(self) -> str:
    """Write the result as a table of HTML, as notebooks show it; of many rows the first ones."""
    account = _account(self)
    if account is None:
        return f"<pre>{html.escape(repr(self))}</pre>"
    many, single = _split(account)
    heads = "".join(f"<th>{html.escape(_label(name, one))}</th>" for name, one in many.items())
    rows = []
    if many:
        count = min(_MOST_ROWS, _length(next(iter(many.values())).values))
        for index in range(count):
            cells = [_cell(one.values, index) for one in many.values()]
            rows.append("".join(f"<td>{html.escape(text)}</td>" for text in cells))
    body = f"<thead><tr>{heads}</tr></thead>" if many else ""
    body += "".join(f"<tr>{row}</tr>" for row in rows)
    if many and _length(next(iter(many.values())).values) > _MOST_ROWS:
        body += f'<tr><td colspan="{len(many)}">…</td></tr>'
    if account.matrix:
        labels = account.labels[account.dimensions[account.matrix][0]]
        body += _matrix_rows(np.asarray(account.columns[account.matrix].values), labels)
    facts = [
        f"<tr><th>{html.escape(_label(name, one))}</th><td>{html.escape(_range(one.values))}</td></tr>"
        for name, one in single.items()
    ]
    tables = "".join(f"<table>{part}</table>" for part in ("".join(facts), body) if part)
    return f"<div><strong>{html.escape(line(self).strip('<>'))}</strong>{tables}</div>"


def _matrix_rows(matrix: np.ndarray, labels: Sequence[str]) -> str:
    heads = "".join(f"<th>{html.escape(label)}</th>" for label in labels)
    matrix = np.where(abs(matrix) < _ROUNDING * abs(matrix).max(), 0.0, matrix)
    rows = [
        f"<tr><th>{html.escape(label)}</th>{''.join(f'<td>{value:.4g}</td>' for value in row)}</tr>"
        for label, row in zip(labels, matrix, strict=True)
    ]
    return f"<tr><th></th>{heads}</tr>{''.join(rows)}"


def _split(account: Account) -> tuple[dict[str, Column], dict[str, Column]]:
    """Separate the columns along the axis from single values; leave out what has other dimensions."""
    own = {name: one for name, one in account.columns.items() if name not in account.dimensions}
    many = {name: one for name, one in own.items() if _is_axis(one)}
    return many, {name: one for name, one in own.items() if name not in many and not _is_words(one)}


def _is_words(column: Column) -> bool:
    """Tell whether a column is there for the line only."""
    return isinstance(column.values, str) and not column.meaning


def _is_axis(column: Column) -> bool:
    values = column.values
    return bool(values.shape if isinstance(values, PiFraction) else not isinstance(values, str) and np.ndim(values))


def _cell(values: Any, index: int) -> str:
    if isinstance(values, PiFraction):
        return str(values[index])
    one = np.ravel(np.asarray(values))[index]
    return str(bool(one)) if one.dtype.kind == "b" else _number(one, 7)


def _label(name: str, column: Column) -> str:
    words = column.meaning or name.replace("_", " ")
    return words if column.units == "1" else f"{words} ({_words(column.units).strip()})"


# --------------------------------------------------------------------------- a plot


def plot(self: Any, ax: "Axes | None" = None, **style: Any) -> "Axes":  # noqa: D417
    """Draw the result with labels and units.

    Args:
        ax: axes of Matplotlib to draw in; None: those of a new figure.
        **style: properties of the lines, such as color or label.

    Returns:
        matplotlib.axes.Axes: to be refined, saved (`ax.figure.savefig`) or shown.
    """
    account = _known(self)
    mpl = _module("matplotlib")
    with mpl.rc_context(_ON_SCREEN):
        axes = ax or _module("matplotlib.pyplot").subplots(figsize=_SIZE, layout="constrained")[1]
        if account.matrix:
            _draw_matrix(axes, account)
        else:
            _draw_marks(axes, account, style)
    return axes


def _draw_marks(ax: Any, account: Account, style: dict[str, Any]) -> None:
    (axis_name, axis), *_ = account.columns.items()
    is_time = axis_name == "time"
    x = np.asarray(axis.values, float) / (np.pi if is_time else 1.0)
    for number, marks in enumerate(account.marks):
        y = np.asarray(account.columns[marks.name].values, float)
        where = np.full(len(x), True) if marks.where is None else np.asarray(marks.where)
        about = {"markersize": 4} | ({"label": marks.label} if marks.label else {})
        about |= style if number == 0 else {name: style[name] for name in ("color", "alpha") if name in style}
        drawn = ax.plot(x[where], y[where], marks.style, **about)
        if len(drawn) == 1:
            style = {"color": drawn[0].get_color()} | style
        if where.sum() <= _MOST_NAMED:
            for text, index in zip(marks.texts, np.flatnonzero(where), strict=False):
                is_dip = y[index] <= min(y[max(index - 1, 0)], y[min(index + 1, len(y) - 1)])
                place = {"xytext": (0, -5 if is_dip else 5), "va": "top" if is_dip else "bottom"}  # off the line
                ax.annotate(text, (x[index], y[index]), **place, textcoords="offset points", ha="center", fontsize=7)
    first = account.marks[0].name
    ax.set(xlabel=TIME_LABEL if is_time else _label(axis_name, axis), ylabel=_label(first, account.columns[first]))
    if len(ax.get_legend_handles_labels()[0]) > 1:
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, fontsize=7)
    if not is_time and axis.units == "1":
        ax.xaxis.get_major_locator().set_params(integer=True)
    if any(marks.texts for marks in account.marks):
        ax.margins(y=0.1)


def plot_dataset(
    dataset: "xr.Dataset", quantity: str | None = None, x: str | None = None, ax: "Axes | None" = None, **style: Any
) -> "Axes":
    """Draw a quantity of the dataset of a sweep over its longest axis, a line for each value of the next.

    Args:
        dataset: of `jaxent.open_sweep`.
        quantity: its name; None: the first one.
        x: the axis along x; None: the time where there are several, else the longest.
        ax: axes of Matplotlib to draw in; None: those of a new figure.
        **style: properties of the lines.

    Returns:
        matplotlib.axes.Axes: the title names what is drawn at the first of several values only.

    Raises:
        ValueError: when the quantity or the axis is not there, is not real, or there is no axis of several values.
    """
    names = [str(name) for name in dataset.data_vars]
    if quantity is not None and quantity not in names:
        raise ValueError(f"Argument `quantity` must be one of {', '.join(names)}, but is {shown(quantity)}.")
    array = dataset[quantity or names[0]]
    if array.dtype.kind not in "fiu":
        raise ValueError(f"Argument `quantity` must be of real numbers, but {array.name} is of {array.dtype}.")
    axes = sorted((str(name) for name in array.dims if array.sizes[name] > 1), key=lambda name: -array.sizes[name])
    if not axes or (x is not None and x not in axes):
        there = f"one of {', '.join(axes)}" if axes else "an axis of several values, of which there are none"
        raise ValueError(f"Argument `x` must be {there}, but is {shown(x)}.")
    along = x or ("time" if "time" in axes else axes[0])
    others = [name for name in axes if name != along]
    fixed = {str(name): 0 for name in array.dims if name != along and name not in others[:1]}
    lines = array.isel(fixed).transpose(along, ...)
    chosen = np.unique(np.linspace(0, lines.sizes[others[0]] - 1, _MOST_LINES).astype(int)) if others else [0]
    values = np.reshape(np.asarray(lines.values, float), (lines.sizes[along], -1))
    places = np.asarray(lines[along].values if along in lines.coords else np.arange(lines.sizes[along]))
    labels = [f"{others[0]} = {lines[others[0]].values[one]}" if others else None for one in chosen]
    with _module("matplotlib").rc_context(_ON_SCREEN):
        found = ax or _module("matplotlib.pyplot").subplots(figsize=_SIZE, layout="constrained")[1]
        for one, label in zip(chosen, labels, strict=True):
            about: dict[str, Any] = {"label": label} | style
            found.plot(places / np.pi if along == "time" else places, values[:, one], **about)
        xlabel = TIME_LABEL if along == "time" else _described(lines[along])
        found.set(xlabel=xlabel, ylabel=_described(array))
        first = [
            f"{name} = {array[name].values[0]}" for name in fixed if array.sizes[name] > 1 and name in array.coords
        ]
        found.set_title(", ".join(first), loc="left", fontsize=8)
        if others:
            found.legend(fontsize=7)
    return found


def _described(array: Any) -> str:
    return _label(str(array.name), Column(0, array.attrs.get("units", "1"), array.attrs.get("long_name", "")))


def _draw_matrix(ax: Any, account: Account) -> None:
    name = account.matrix
    column, labels = account.columns[name], account.labels[account.dimensions[name][0]]
    values = np.asarray(column.values, float)
    most = abs(values).max() or 1.0
    image = ax.imshow(values, cmap="RdBu_r", vmin=-most, vmax=most)
    places, labels = np.arange(len(labels)), [re.sub(r"_(\w+)", r"_{\1}", f"${label}$") for label in labels]
    ax.set_xticks(places, labels)
    ax.set_yticks(places, labels)
    ax.figure.colorbar(image, ax=ax, label=_label(name, column))


# --------------------------------------------------------------------------- a dataset


def to_xarray(self) -> "xr.Dataset":
    """Give the result as a dataset with units and meanings; exact times have numerator and denominator beside them.

    Returns:
        xarray.Dataset: its first dimension is the axis of the result; single numbers are variables without one.

    Raises:
        ImportError: when xarray is not installed.
    """
    account = _known(self)
    xr = _module("xarray")
    many, _ = _split(account)
    axis = next(iter(many), "")
    variables, coordinates = {}, {}
    for name, column in account.columns.items():
        if _is_words(column):
            continue
        about = {"units": column.units, "long_name": column.meaning or name.replace("_", " ")}
        values, where = column.values, coordinates if name == axis else variables
        dims = account.dimensions.get(name, (axis,) if name in many else ())
        if isinstance(values, PiFraction):
            for part, letter in (("numerator", "p"), ("denominator", "r")):
                meaning = {"units": "1", "long_name": f"{part} {letter} of the exact time π p/r"}
                coordinates[f"{name}_{part}"] = xr.Variable(dims, np.asarray(getattr(values, part)), meaning)
            values = values.value
        where[name] = xr.Variable(dims, np.asarray(values), about)
    for dimension, labels in account.labels.items():
        coordinates[dimension] = xr.Variable((dimension,), list(labels))
    return xr.Dataset(variables, coordinates, {"title": f"jaxent {type(self).__name__}"})


def _known(result: Any) -> Account:
    account = _account(result)
    if account is None:
        raise ValueError(
            f"The values of {type(result).__name__} must be known, but are traced; leave jit, vmap or grad."
        )
    return account


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise ImportError(
            f"The package {package} is not installed, which this needs; run: pip install {package}."
        ) from None
