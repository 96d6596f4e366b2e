"""Say below the curve what was computed, and what is wrong until it is mended."""

import html

from bokeh.models import Div

__all__ = ["Status"]


class Status:
    """Hold the words below the curve.

    Attributes:
        div: what the page shows.
    """

    def __init__(self):
        self.div = Div(name="status", text="", sizing_mode="stretch_width", styles={"min-height": "42px"})  # two lines
        self._faults: dict[str, str] = {}
        self._text, self._remark = "", ""

    def say(self, text: str) -> None:
        """Say how the computation stands; faults stay."""
        self._text = text
        self._write()

    def remark(self, text: str) -> None:
        """Add a remark on the view, or remove it with an empty text."""
        self._remark = text
        self._write()

    def complain(self, source: str, text: str) -> None:
        """Say what is wrong, until `mend` is called for the same source."""
        self._faults[source] = text
        self._write()

    def mend(self, source: str) -> None:
        """Remove what a source complained about."""
        if self._faults.pop(source, None) is not None:
            self._write()

    def _write(self) -> None:
        lines = [_span("alert", "#B00020", text) for text in self._faults.values()]
        text = " ".join(part for part in (self._text, self._remark) if part)
        self.div.text = "<br>".join(lines + ([_span("status", "#444444", text)] if text else []))


def _span(role: str, colour: str, text: str) -> str:
    return f"<span role='{role}' style='color:{colour}'>{html.escape(text)}</span>"
