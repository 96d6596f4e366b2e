"""Write pages of results that can be zoomed: one self-contained HTML file that needs no network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.embed import file_html
from bokeh.layouts import gridplot
from bokeh.models import ColorBar, HoverTool, LinearColorMapper, Range1d
from bokeh.palettes import Viridis256
from bokeh.plotting import figure
from bokeh.resources import INLINE

from jaxent.plot.views import Axis, View, cells, placed, title_lines, value_range, x_range

__all__ = ["drawing", "page"]

_TITLE_WIDTH = 120  # characters of a line of the title
_TEMPLATE = """{% block contents %}
<p style="font: 14px sans-serif">{% for line in lines %}{{ line | escape }}<br>{% endfor %}</p>
{{ super() }}
{% endblock %}"""
_TOOLS = "pan,box_zoom,wheel_zoom,reset,save"
_DASHES = ("solid", "dashed", "dotdash", "dotted")


def page(view: View) -> str:
    """Write a view as HTML: drag or turn the wheel to zoom, point to read values, click the legend to hide a line."""
    return file_html(
        drawing(view),
        INLINE,
        title=f"{view.label}: {view.title}",
        template=_TEMPLATE,
        template_variables={"lines": title_lines(view, _TITLE_WIDTH)},
    )


def drawing(view: View) -> Any:
    """Build the plots of a page as a Bokeh model."""
    if view.kind == "map":
        return _map(view)
    count = len(view.panels.values) if view.panels else 1
    columns = min(2, count)
    plots = [_curves(view, index, -(-count // columns)) for index in range(count)]
    for plot in plots[1:]:
        plot.x_range, plot.y_range = plots[0].x_range, plots[0].y_range
    rows: Any = [plots[start : start + columns] for start in range(0, count, columns)]
    return plots[0] if count == 1 else gridplot(rows, merge_tools=True, sizing_mode="stretch_width")


def _tell(plot: Any, *rows: tuple[str, str]) -> None:
    """Show values at the pointer, to ten digits."""
    plot.add_tools(HoverTool(tooltips=list(rows), formatters={f"@{name}": "printf" for name in "xyz"}))


def _told(axis: Axis) -> np.ndarray:
    return axis.values if axis.values.dtype.kind in "fiu" else np.array(axis.texts)


def _value(name: str, axis: Axis) -> str:
    return f"@{name}{{%.10g}}" if axis.values.dtype.kind in "fiu" else f"@{name}"


def _ends(limits: Sequence[float]) -> dict[str, Any]:
    return {"start": limits[0], "end": limits[1]}


def _scale(axis: Axis) -> Any:
    return "log" if axis.logarithmic else "linear"


def _size(rows: int) -> dict[str, Any]:
    """Let plots be as wide as the window, and as high as leaves room for its title; more than two rows scroll."""
    return {"sizing_mode": "stretch_width", "min_height": 240, "styles": {"height": f"{84 // min(rows, 2)}vh"}}


def _curves(view: View, panel: int, rows: int):
    numbers = view.x.values.dtype.kind in "fiu"
    settings: dict[str, Any] = {
        "x_range": Range1d(**_ends(x_range(view))) if numbers else view.x.texts,
        "y_range": Range1d(**_ends(value_range(view))),
    }
    plot = figure(
        title=view.panels.texts[panel] if view.panels else None,
        tools=_TOOLS,
        active_scroll="wheel_zoom",
        active_drag="box_zoom",
        **_size(rows),
        x_axis_label=view.x.label,
        y_axis_label=view.label,
        x_axis_type=_scale(view.x),
        **settings,
    )
    _tell(plot, (view.x.label, _value("x", view.x)), (view.label, "@y{%.10g}"), ("", "$name"))
    lines = len(view.lines.values) if view.lines else 1
    for index in range(lines):
        values = view.values[panel, index]
        x = view.x.values if numbers else np.array(view.x.texts)
        keep = placed(view.x)
        text = view.lines.texts[index] if view.lines else view.label
        legend: dict[str, Any] = {"legend_label": text} if view.lines else {}
        plot.line(
            x="x",
            y="y",
            source={"x": x[keep], "y": values[keep]},
            name=text,
            line_width=1.5,
            line_dash=_DASHES[index % 4],
            line_color=_colour(index, lines),
            **legend,
        )
    if view.lines:
        plot.legend.click_policy = "hide"
        plot.add_layout(plot.legend[0], "right")
    return plot


def _map(view: View):
    assert view.lines is not None
    plot = figure(
        tools=_TOOLS,
        active_scroll="wheel_zoom",
        active_drag="box_zoom",
        **_size(1),
        x_axis_label=view.x.label,
        y_axis_label=view.lines.label,
        x_axis_type=_scale(view.x),
        y_axis_type=_scale(view.lines),
    )
    along = (view.x.label, _value("x", view.x)), (view.lines.label, _value("y", view.lines))
    _tell(plot, *along, (view.label, "@z{%.10g}"))
    x_edges, x_kept = cells(view.x)
    y_edges, y_kept = cells(view.lines)
    values = view.values[0][np.ix_(y_kept, x_kept)]
    rows, columns = values.shape
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    mapper = LinearColorMapper(palette=list(Viridis256), low=low, high=high, nan_color="#bbbbbb")
    source = {
        "left": np.tile(x_edges[:-1], rows),
        "right": np.tile(x_edges[1:], rows),
        "bottom": np.repeat(y_edges[:-1], columns),
        "top": np.repeat(y_edges[1:], columns),
        "x": np.tile(_told(view.x)[x_kept], rows),
        "y": np.repeat(_told(view.lines)[y_kept], columns),
        "z": values.ravel(),
    }
    colour: Any = {"field": "z", "transform": mapper}
    plot.quad("left", "right", "top", "bottom", source=source, line_color=colour, fill_color=colour)
    for axis, ticks in ((view.x, plot.xaxis), (view.lines, plot.yaxis)):
        if axis.values.dtype.kind not in "fiu":
            ticks.ticker = list(range(len(axis.values)))
            ticks.major_label_overrides = dict(enumerate(axis.texts))
    plot.add_layout(ColorBar(color_mapper=mapper, title=view.label), "right")
    return plot


def _colour(index: int, count: int) -> str:
    """Choose a colour of a scale that colour-blind readers can order, without its pale end."""
    return Viridis256[round(205 * index / max(1, count - 1))]
