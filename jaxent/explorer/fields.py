"""Build the input fields of the explorer: for each parameter a text with its exact value, and a slider to set it."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from bokeh.layouts import column
from bokeh.models import CustomJS, Select, Slider, TextInput

from jaxent.explorer.address import INITIAL
from jaxent.explorer.question import Question
from jaxent.explorer.reading import LONGEST, LONGEST_LIST
from jaxent.outcome_texts import outcome_text

__all__ = ["FAULTY", "OPEN_LIST", "Fields"]

_WIDTH = 240
# the browser draws an open list by itself, without the filter that turns the page dark
OPEN_LIST = "@media (prefers-color-scheme: dark) { option { background: #161616; color: #dddddd; } }"
FAULTY: dict[str, str | None] = {"outline": "2px solid #D55E00", "outline-offset": "2px"}


class _Parameter(NamedTuple):
    """Describe a field: label, slider range, text of a slider value, slider value of a question."""

    label: str
    start: float
    stop: float
    step: float
    written: Callable[[float], str]
    read: Callable[[Question], float]


def _atoms(value: float) -> str:
    count = 10**value
    return str(round(count)) if count < 10**5 else f"{count:.2g}".replace("e+0", "e").replace("e+", "e")


_PARAMETERS = {
    "n_ensembles": _Parameter("Ensembles M", 2, 12, 1, lambda x: str(round(x)), lambda q: q.n_ensembles),
    "n_atoms": _Parameter("Atoms N (to 10^10)", 0, 10, 0.1, _atoms, lambda q: math.log10(q.n_atoms)),
    "window": _Parameter(
        "Window c (auto, or standard deviations)", 1, 8, 0.1, "{:.1f}".format, lambda q: q.window or 8.0
    ),
    "phase_offset": _Parameter(
        "Offset φ (radians, or pi/8)", 0, 1.5708, 0.001, "{:.4g}".format, lambda q: q.phase_offset
    ),
    "outcomes": _Parameter(
        "Outcome q (N, N-1, 50; slider: N − q)",
        0,
        50,
        1,
        lambda x: outcome_text(round(x)),
        lambda q: q.n_atoms - q.outcomes if isinstance(q.outcomes, int) else 0,
    ),
    "dephasing_rate": _Parameter(
        "Dephasing rate γ (for the log negativity)",
        -5,
        0,
        0.05,
        lambda x: f"{10**x:.3g}" if x > -5 else "0",
        lambda q: math.log10(max(q.dephasing_rate, 1e-5)),
    ),
    "resolution": _Parameter(
        "Detector σ (atoms, for the log negativity)",
        -1,
        3,
        0.05,
        lambda x: f"{10**x:.3g}" if x > -1 else "0",
        lambda q: math.log10(max(q.resolution, 0.1)),
    ),
}
_SLIDERS = ("M", "N", "c", "φ", "N − q", "γ", "σ")  # as a screen reader says them
_NAMES = {
    "M": "n_ensembles",
    "N": "n_atoms",
    "Window": "window",
    "Offset": "phase_offset",
    "Outcome": "outcomes",
    "Rate": "dephasing_rate",
    "Detector": "resolution",
}


class Fields:
    """Hold all fields of a question.

    Args:
        changed: called when a field has changed.
        at_once: run in the browser before that.
    """

    def __init__(self, changed: Callable[[], None], at_once: CustomJS):
        self._changed, self._writing = changed, False
        self._quantity = Select(
            title="Quantity",
            name="quantity",
            value=INITIAL["quantity"],
            options=[("entropy", "entanglement E"), ("log_negativity", "log negativity")],
            width=_WIDTH,
            stylesheets=[OPEN_LIST],
        )
        self._quantity.js_on_change("value", at_once)
        self._quantity.on_change("value", self._rewritten)
        self._texts: dict[str, TextInput] = {}
        self._sliders: dict[str, Slider] = {}
        for (name, parameter), short in zip(_PARAMETERS.items(), _SLIDERS, strict=True):
            text = TextInput(
                title=parameter.label,
                name=name,
                value=INITIAL[name],
                width=_WIDTH,
                max_length=LONGEST_LIST if name == "outcomes" else LONGEST,
            )
            slider = Slider(
                start=parameter.start,
                end=parameter.stop,
                step=parameter.step,
                value=parameter.start,
                show_value=False,
                width=_WIDTH,
                name=f"{name}_slider",
                tags=[f"slider of {short}"],
            )
            slider.on_change("value_throttled", self._writer(text, parameter))
            text.js_on_change("value", at_once)
            text.on_change("value", self._rewritten)
            self._texts[name], self._sliders[name] = text, slider

    def _rewritten(self, attr: str, old: Any, new: Any) -> None:
        if not self._writing:
            self._changed()

    @staticmethod
    def _writer(text: TextInput, parameter: _Parameter) -> Callable[[str, Any, float], None]:
        def write(attr: str, old: Any, new: float) -> None:
            text.value = parameter.written(new)

        return write

    @property
    def layout(self):
        """All fields, one below the other."""
        rows: list[Any] = [self._quantity]
        for name, text in self._texts.items():
            rows += [text, self._sliders[name]]
        return column(*rows, width=_WIDTH + 20)

    @property
    def sliders(self) -> list[Slider]:
        """All sliders, each with its name for a screen reader in its tags."""
        return list(self._sliders.values())

    def values(self) -> dict[str, str]:
        """Return the texts of all fields by name."""
        return {"quantity": self._quantity.value} | {name: text.value for name, text in self._texts.items()}

    def write(self, texts: dict[str, str]) -> None:
        """Write texts into all fields, which is no change of a person's."""
        self._writing = True
        self._quantity.value = texts["quantity"]
        for name, text in self._texts.items():
            text.value = texts[name]
        self._writing = False

    def show(self, question: Question) -> None:
        """Clear all error marks, and move each slider to the value of its parameter."""
        for name, slider in self._sliders.items():
            self._texts[name].styles = {}
            position = min(max(_PARAMETERS[name].read(question), slider.start), slider.end)
            if not math.isclose(slider.value, position):
                slider.value = position

    def blame(self, sentence: str) -> None:
        """Mark the field whose name begins an error message."""
        name = _NAMES.get(sentence.split()[0])
        for other, text in self._texts.items():
            text.styles = FAULTY if other == name else {}
