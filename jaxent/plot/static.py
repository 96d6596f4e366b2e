"""Draw views of labelled results as static figures, for print."""

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from jaxent.plot.sheet import PAGE, STYLES, Sheet, Size, colours, sheet
from jaxent.plot.views import View, cells, placed, title_lines, value_range, x_range

__all__ = ["draw_view"]

_TITLE_WIDTH = 90  # characters of a line of the title, on a page


def draw_view(view: View, size: Size = PAGE) -> Figure:
    """Draw results of a sweep as curves, a heat map or panels; the title has every value common to all of it."""
    with sheet(size) as page:
        return _draw_map(page, view) if view.kind == "map" else _draw_panels(page, view)


def _draw_panels(page: Sheet, view: View) -> Figure:
    count = view.values.shape[0]
    columns = 1 if page.narrow else 2 if count in (2, 4) else min(count, 3)
    rows = -(-count // columns)
    panels = page.panels(rows, columns, 3.4 if rows == 1 else 2.4 * rows, sharex=True, sharey=True)
    for number, axes in enumerate(panels[:count]):
        _draw_lines(axes, view, view.values[number])
        if number + columns >= count:
            axes.set_xlabel(view.x.label)
            axes.tick_params(labelbottom=True)
        if number % columns == 0:
            axes.set_ylabel(view.label)
    if view.panels:
        page.letters(panels[:count], view.panels.texts)
    for axes in panels[count:]:
        axes.remove()
    panels[0].set_ylim(value_range(view))  # the panels share this axis
    if view.lines:
        place = "outside lower center" if page.narrow else "outside right upper"
        page.legend(*panels[0].get_legend_handles_labels(), place=place)
    _entitle(page, view)
    return page.figure


def _entitle(page: Sheet, view: View) -> None:
    lines = title_lines(view, int(_TITLE_WIDTH * page.width / 7.0))
    page.figure.suptitle("\n".join(lines), fontsize=8 * page.scale, x=0.01, ha="left")


def _draw_lines(axes, view: View, values: np.ndarray) -> None:
    numbers = view.x.values.dtype.kind in "fiu"
    x = view.x.values if numbers else np.array(view.x.texts)
    keep = placed(view.x)
    mark = "." if keep.sum() <= 40 else None
    for index, (colour, line) in enumerate(zip(colours(len(values)), values, strict=True)):
        label = view.lines.texts[index] if view.lines else None
        axes.plot(x[keep], line[keep], STYLES[index % 4], color=colour, marker=mark, label=label)
    if view.x.logarithmic:
        axes.set_xscale("log")
    if numbers:
        axes.set_xlim(x_range(view))


def _draw_map(page: Sheet, view: View) -> Figure:
    assert view.lines is not None
    (axes,) = page.panels(1, 1, 4.2 * min(1.0, page.width / 5.0))
    (x_edges, x_kept), (y_edges, y_kept) = cells(view.x), cells(view.lines)
    values = np.ma.masked_invalid(view.values[0][np.ix_(y_kept, x_kept)])
    shades = mpl.colormaps["viridis"].with_extremes(bad="0.75")
    mesh = axes.pcolormesh(x_edges, y_edges, values, cmap=shades, rasterized=True)
    for axis, name in ((view.x, "x"), (view.lines, "y")):
        if axis.logarithmic:
            getattr(axes, f"set_{name}scale")("log")
        if axis.values.dtype.kind not in "fiu":
            getattr(axes, f"set_{name}ticks")(np.arange(len(axis.values)), axis.texts)
    page.figure.colorbar(mesh, label=view.label)
    axes.set(xlabel=view.x.label, ylabel=view.lines.label)
    axes.spines[:].set_visible(True)
    _entitle(page, view)
    return page.figure
