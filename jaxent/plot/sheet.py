"""Lay out figures for print: a width, text of one size in points, panels that stack where the width is a column's.

Text is as large as it says when the file is printed at its own size. Line widths, marks and ticks grow with the text.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from jaxent.results import STYLE

__all__ = [
    "DPI",
    "PAGE",
    "SAFE",
    "SIZES",
    "STYLES",
    "Sheet",
    "Size",
    "colours",
    "count_label",
    "printer",
    "rate_label",
    "resolved",
    "sheet",
]


class Size(NamedTuple):
    """Hold a size in print.

    Attributes:
        width: of the figure, inches.
        text: points.
    """

    width: float
    text: float


SIZES = {"column": Size(3.4, 8.0), "page": Size(7.0, 8.0), "slide": Size(10.0, 14.0)}
PAGE = SIZES["page"]
DPI = STYLE["figure.dpi"]
SAFE = ("#D55E00", "#0072B2", "#009E73", "#CC79A7")  # Okabe and Ito's colour-blind safe set
STYLES = ("-", "--", "-.", ":")  # tell lines apart in grey, too
_LETTER = 0.075  # inches of a letter of 8 points, on average
_HANDLE = 0.55  # inches of a legend's line and the space around it
_NARROW = 4.5  # inches: below, panels stand one above the other
_STEP = 2.0  # of N t between two points, at most, where E(t) is followed


class Sheet:
    """Build a figure of one size.

    Attributes:
        scale: of the text, to 8 points.
        width: inches, if the text were of 8 points.
        figure: the figure, once it has panels.
    """

    def __init__(self, size: Size) -> None:
        self.scale = size.text / 8.0
        self.width = size.width / self.scale
        self.figure = Figure()

    @property
    def narrow(self) -> bool:
        """Return whether panels stand one above the other."""
        return self.width < _NARROW

    def panels(self, rows: int, columns: int, height: float, *, stack: bool = True, **settings: Any) -> np.ndarray:
        """Make panels, row by row.

        Args:
            rows: of panels, where the width is a page's.
            columns: of panels there.
            height: of the figure there, inches of text of 8 points.
            stack: whether they may stand one above the other.
            settings: of `matplotlib.figure.Figure.subplots`.

        Returns:
            the axes, (rows · columns).
        """
        if stack and self.narrow and columns > 1:
            height *= columns * min(1.0, 0.75 * self.width * rows / height)
            rows, columns = rows * columns, 1
        self.figure = Figure(figsize=(self.width * self.scale, height * self.scale), layout="constrained")
        return self.figure.subplots(rows, columns, squeeze=False, **settings).ravel()

    def letters(self, panels: Iterable[Any], titles: Iterable[str]) -> None:
        """Write (a), (b) … above the panels, each with its title."""
        for letter, axes, title in zip("abcdefghijkl", panels, titles, strict=False):
            axes.set_title(f"({letter})  {title}".rstrip(), loc="left", fontweight="bold")

    def legend(self, handles: Sequence[Any], labels: Sequence[str], place: Any = "outside upper center") -> None:
        """Put one legend beside all panels: at their right in one column, else in as many columns as fit."""
        longest = max(len(label.replace("$", "").replace("{", "").replace("}", "")) for label in labels)
        columns = max(1, min(len(labels), int(self.width / (longest * _LETTER + _HANDLE))))
        self.figure.legend(handles, labels, loc=place, ncols=1 if place == "outside right upper" else columns)

    def beside(self, axes: Any, title: str | None = None) -> None:
        """Put the legend of a panel to its right, or above it where the width is a column's."""
        if self.narrow:
            self.legend(*axes.get_legend_handles_labels())
            if title:
                axes.set_title(title.replace("\n", "; "), loc="left")
        else:
            axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), title=title)

    def name(
        self, axes: Any, text: str, point: tuple[float, float], away: str, color: Any = "k", gap: float = 4
    ) -> None:
        """Write a text beside a point: away from it to the left, to the right, up, down, or up and right."""
        shift, ha, va = {
            "left": ((-gap, 0), "right", "center"),
            "right": ((gap, 0), "left", "center"),
            "up": ((0, gap), "center", "bottom"),
            "down": ((0, -gap), "center", "top"),
            "up right": ((gap, gap), "left", "bottom"),
        }[away]
        offset = (shift[0] * self.scale, shift[1] * self.scale)
        axes.annotate(text, point, offset, textcoords="offset points", ha=ha, va=va, color=color)

    def names_at_right(self, axes: Any, marks: Sequence[tuple[float, str, Any]], x: float) -> None:
        """Write the name of each curve at its right end, moved apart where two are close.

        Args:
            axes: the panel.
            marks: (height, name, colour) of each curve.
            x: where the panel ends.
        """
        bottom, top = axes.get_ylim()
        inches = axes.get_window_extent().height / self.figure.dpi
        apart = 13 * self.scale / 72 * (top - bottom) / inches  # labels around the panel will make it lower
        placed = -math.inf
        for height, text, color in sorted(marks, key=lambda mark: mark[0]):
            placed = max(height, placed + apart)
            self.name(axes, text, (x, placed), "right", color)

    def dips(self, axes: Any, most: int = 6) -> None:
        """Name the magic times 2πp/r of (0, π], r up to `most`, above a panel whose x is t/π."""
        found = {2 * p / r: r for r in range(most, 1, -1) for p in range(1, r) if math.gcd(p, r) == 1 and 2 * p <= r}
        above = axes.secondary_xaxis("top")
        above.set_xticks(list(found), [f"r = {r}" if r == 2 else str(r) for r in found.values()])
        above.tick_params(length=2 * self.scale, pad=1 * self.scale, colors="0.35")
        above.spines[:].set_visible(False)


@contextlib.contextmanager
def sheet(size: Size = PAGE) -> Iterator[Sheet]:
    """Draw in the style of print: what is drawn inside has text, lines and marks of a size."""
    scale = size.text / 8.0
    style: Any = STYLE | {
        "font.size": size.text,
        "axes.titlesize": size.text,
        "axes.labelsize": size.text,
        "xtick.labelsize": size.text,
        "ytick.labelsize": size.text,
        "legend.fontsize": size.text,
        "legend.title_fontsize": size.text,
        "axes.linewidth": 0.6 * scale,
        "lines.linewidth": 0.9 * scale,
        "lines.markersize": 3 * scale,
        "lines.markeredgewidth": 0.8 * scale,
        "legend.handlelength": 1.6,
        "legend.columnspacing": 1.2,
    }
    for side in ("xtick", "ytick"):
        for kind, length in (("major", 3.5), ("minor", 2.0)):
            style[f"{side}.{kind}.width"] = 0.6 * scale
            style[f"{side}.{kind}.size"] = length * scale
            style[f"{side}.{kind}.pad"] = 3.0 * scale
    with mpl.rc_context(style):
        yield Sheet(size)


_CAPTION = {"png": "Description", "pdf": "Subject", "svg": "Description"}  # where a kind of file keeps it


def printer(figure: Figure, kind: str, dpi: int = DPI, caption: str = "") -> Callable[[Path], None]:
    """Make a function that writes a figure as PNG, PDF or SVG, with the caption among what the file says of itself."""
    metadata = {_CAPTION[kind]: caption} if caption else None
    return lambda path: figure.savefig(path, format=kind, dpi=dpi, metadata=metadata)


def resolved(time: np.ndarray, n_atoms: int) -> bool:
    """Return whether times are close enough to join E(t) by a line: it changes within a few 1/N beside a dip."""
    return len(time) > 1 and n_atoms * float(np.max(np.diff(time))) <= _STEP


def colours(count: int) -> np.ndarray:
    """Choose colours that grow lighter, in grey as well, without the pale end."""
    return mpl.colormaps["viridis"](np.linspace(0.0, 0.85, count))


def count_label(n_atoms: Any) -> str:
    """Write a number of atoms as 100 or $10^4$."""
    exponent = round(math.log10(n_atoms))
    return f"$10^{{{exponent}}}$" if n_atoms >= 1000 and n_atoms == 10**exponent else str(int(n_atoms))


def rate_label(rate: Any) -> str:
    """Write a rate as 0 or a power of ten."""
    return "0" if rate == 0 else f"$10^{{{round(math.log10(rate))}}}$"
