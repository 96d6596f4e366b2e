"""Give keys to the curve, and names to controls that Bokeh leaves without, for those who use no mouse or no screen."""

from collections.abc import Callable
from typing import Any

from bokeh.document import Document
from bokeh.models import ColumnDataSource, CustomJS

__all__ = ["Access"]

_KEYS = ("ArrowLeft", "ArrowRight", "Home", "+", "-")
_NAME = """
const view_of = (model) => Bokeh.index.find_one_by_id(model.id)
const name_all = () => {
  for (const slider of sliders) {
    const handle = view_of(slider)?.shadow_el.querySelector(".noUi-handle")
    handle?.setAttribute("aria-label", slider.tags[0])
  }
  for (const plot of plots) {
    const events = view_of(plot)?.canvas_view?.shadow_el.querySelector(".bk-events")
    if (!events) continue
    events.setAttribute("aria-label", plot.tags[0])
    events.setAttribute("role", "group")
    if (plot !== plots[0]) events.tabIndex = -1
    for (const button of view_of(plot).toolbar_panel?.toolbar_view?.tool_button_views ?? []) {
      button.el.setAttribute("role", "button")
      button.el.setAttribute("aria-label", button.el.title)
    }
  }
  const lines = view_of(python)?.el
  if (lines) { lines.tabIndex = 0; lines.setAttribute("role", "region"); lines.setAttribute("aria-label", "Python") }
}
name_all()
const events = view_of(plots[0])?.canvas_view?.shadow_el.querySelector(".bk-events")
events?.addEventListener("keydown", (event) => {
  const key = event.key === "=" ? "+" : event.key
  if (!KEYS.includes(key) || event.ctrlKey || event.altKey || event.metaKey) return
  event.preventDefault()
  pressed.data = {key: [key], shift: [event.shiftKey], time: [performance.now()]}
})
"""


class Access:
    """Hold the keys of one tab.

    Args:
        document: Bokeh document of this tab.
        plots: the plots, that of the curve first, each with its name in its tags.
        sliders: the sliders, each with its name in its tags.
        python: the text of the Python lines, which may be scrolled.
        pressed: called with the key, one of arrow keys, Home, + and -, and whether shift was held.

    Attributes:
        models: models that the page must hold.
    """

    def __init__(
        self,
        document: Document,
        plots: list[Any],
        sliders: list[Any],
        python: Any,
        pressed: Callable[[str, bool], None],
    ):
        keys = ColumnDataSource({"key": [""], "shift": [False], "time": [0.0]}, name="pressed")
        keys.on_change("data", lambda attr, old, new: pressed(str(new["key"][0]), bool(new["shift"][0])))
        args = {"plots": plots, "sliders": sliders, "python": python, "pressed": keys, "KEYS": list(_KEYS)}
        document.js_on_event("document_ready", CustomJS(args=args, code=_NAME))
        self.models = [keys]
