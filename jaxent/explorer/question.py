"""What is asked in the explorer: the fields as they are typed, checked, as one frozen object."""

import dataclasses
import math
import re
from typing import Any

from jaxent import band
from jaxent.chain import Chain
from jaxent.console import time_number
from jaxent.sweep.quantities import QUANTITIES, Settings

__all__ = ["MOST_ATOMS", "Question", "asked", "parse_count", "parse_number"]

MOST_ATOMS = 10**10
TOLERANCE = 1e-6  # bits: far below a line's width
_MOST_STATES = 498  # kept by default up to _MOST_DENSE_ATOMS: one program of a dense matrix for every zoom
_MOST_DENSE_ATOMS = 10**4
_NOISY_STATES = 60  # a log negativity of so many takes about a third of a second
_WIDEST = 8.0  # standard deviations: beyond, the weights are below rounding
_MOST_SECONDS = 60.0  # of one point
_LABELS = {"entropy": "end-to-end entanglement E (bits)", "log_negativity": "log negativity (bits)"}
_COUNT = re.compile(r"\s*(?:(\d+)\s*[·*x]\s*)?10\s*\^\s*(\d+)\s*|\s*(\d+(?:\.\d+)?)[eE]\+?(\d+)\s*|\s*(\d+)\s*")


@dataclasses.dataclass(frozen=True)
class Question:
    """A curve over time, all its other knobs fixed.

    Attributes:
        quantity: "entropy" or "log_negativity".
        n_ensembles: M.
        n_atoms: N.
        window: c in standard deviations; None: chosen, see `chain`.
        outcomes: of the inner ensembles, one number for all or one for each; None: all N.
        phase_offset: φ in radians.
        dephasing_rate: γ of each ensemble, for the log negativity.
    """

    quantity: str = "entropy"
    n_ensembles: int = 3
    n_atoms: int = 100
    window: float | None = None
    outcomes: int | tuple[int, ...] | None = None
    phase_offset: float = 0.0
    dephasing_rate: float = 0.0

    @property
    def chain(self) -> Chain:
        """The chain; without a window of its own one that keeps a zoom quick.

        All states up to N = 498, 498 states up to N = 10^4, and beyond what the band engine needs for its tolerance; 60
        states for the log negativity.
        """
        window = self.window
        if window is None and self.quantity == "log_negativity" and self.n_atoms >= _NOISY_STATES:
            window = min(_WIDEST, _NOISY_STATES / math.sqrt(self.n_atoms))
        elif window is None and _MOST_STATES < self.n_atoms <= _MOST_DENSE_ATOMS:
            window = min(_WIDEST, _MOST_STATES / math.sqrt(self.n_atoms))
        return Chain(self.n_ensembles, self.n_atoms, window)

    @property
    def label(self) -> str:
        """The quantity with its unit, for an axis."""
        return _LABELS[self.quantity]

    @property
    def method(self) -> str:
        """How it is computed, in a few words."""
        if self.is_banded:
            return f"band engine, to {TOLERANCE:.0e} bits"
        return f"{self.chain.dimension} of {self.n_atoms + 1} Dicke states per ensemble"

    @property
    def is_plain(self) -> bool:
        """Whether it is the entropy for all outcomes N without an offset, which `jaxent.entropy_curve` takes."""
        return self.quantity == "entropy" and self.outcomes is None and self.phase_offset == 0.0

    @property
    def is_banded(self) -> bool:
        """Whether the band engine computes it."""
        facts = band.Facts(self.outcomes is None, self.phase_offset == 0.0)
        return self.quantity == "entropy" and band.worth_planning(self.chain, facts, TOLERANCE)

    @property
    def point_seconds(self) -> float:
        """Rough time of one point."""
        if self.quantity == "entropy" and not self.is_banded:
            return 2e-5 + band.dense_seconds(self.chain.dimension, not self.is_plain) * (self.n_ensembles - 2 or 1)
        return QUANTITIES[self.quantity].seconds(self.chain, Settings(TOLERANCE, 1.0, None, 0))

    def check_cost(self) -> None:
        """Refuse what would not show a point within a minute.

        Raises:
            ValueError: with what to change.
        """
        if self.point_seconds > _MOST_SECONDS:
            raise ValueError(
                f"N = {self.n_atoms} with these settings takes about {self.point_seconds:.0f} s a point "
                f"({self.chain.dimension} states per end); use fewer atoms or a narrower window"
                + ("." if self.is_plain or self.quantity != "entropy" else ", or all outcomes N and φ = 0.")
            )


def asked(fields: dict[str, str]) -> Question:
    """The question that the fields of the page ask.

    Args:
        fields: texts by name: quantity, n_ensembles, n_atoms, window, outcomes, phase_offset, dephasing_rate.

    Returns:
        Question.

    Raises:
        ValueError: one sentence that names the field, its value and what would be right.
    """
    quantity = fields["quantity"]
    if quantity not in _LABELS:
        raise ValueError(f"Quantity must be one of {', '.join(_LABELS)}, but is {quantity!r}.")
    n_ensembles = parse_count("M", fields["n_ensembles"], 2, 1000)
    n_atoms = parse_count("N", fields["n_atoms"], 1, MOST_ATOMS)
    window = None
    if fields["window"].strip() not in ("", "auto"):
        window = parse_number("Window c", fields["window"], above=0.0)
    question = Question(
        quantity,
        n_ensembles,
        n_atoms,
        window,
        _outcomes(fields["outcomes"], n_ensembles, n_atoms),
        parse_number("Offset φ", fields["phase_offset"]),
        parse_number("Rate γ", fields["dephasing_rate"], above=-math.ulp(0.0)),
    )
    if question.dephasing_rate and quantity == "entropy":
        raise ValueError(
            f"Rate γ = {question.dephasing_rate:g} makes the state mixed, of which E is no measure: choose the log "
            "negativity, or γ = 0."
        )
    question.check_cost()
    return question


def parse_count(name: str, text: str, least: int, most: int) -> int:
    """A whole number: digits, 1e6 or 10^6.

    Raises:
        ValueError: when it is none, or out of range.
    """
    match = _COUNT.fullmatch(text)
    value: Any = None
    if match and len(text) < 40:
        factor, power, mantissa, exponent, digits = match.groups()
        if digits:
            value = int(digits)
        elif max(int(power or 0), int(exponent or 0)) < 20:
            value = int(factor or 1) * 10 ** int(power) if power else float(mantissa) * 10 ** int(exponent)
    if value is None or value != int(value) or not least <= value <= most:
        top = f"{most}" if most < 10**5 else f"10^{math.log10(most):.0f}"
        raise ValueError(f"{name} must be a whole number from {least} to {top}, but is {text.strip()!r}.")
    return int(value)


def parse_number(name: str, text: str, above: float = -math.inf) -> float:
    """A finite number or a multiple of π, greater than `above`.

    Raises:
        ValueError: when it is none.
    """
    try:
        number = time_number(text)
    except (ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number > above):
        what = "a number" if above == -math.inf else "a positive number" if above >= 0 else "a number of at least 0"
        raise ValueError(f"{name} must be {what}, as 0.1 or pi/8, but is {text.strip()!r}.")
    return number


def _outcomes(text: str, n_ensembles: int, n_atoms: int) -> int | tuple[int, ...] | None:
    """Outcomes as "N", "N-2" or "17", one for all inner ensembles or one for each; None where all are N."""
    words = re.sub(r"\s*-\s*", "-", text.strip()).replace(",", " ").split()
    inner = n_ensembles - 2
    values = []
    for word in words:
        match = re.fullmatch(r"(?:(N)(?:-(\d{1,12}))?)|(\d{1,12})", word)
        value = -1
        if match:
            value = n_atoms - int(match[2] or 0) if match[1] else int(match[3])
        if not 0 <= value <= n_atoms:
            raise ValueError(f"Outcome q must lie in 0…{n_atoms}, as N, N-1 or {n_atoms // 2}, but is {word!r}.")
        values.append(value)
    if len(values) not in (1, inner) or (len(values) > 1 and inner == 0):
        raise ValueError(
            f"Outcome q must be one number for all inner ensembles or {inner} of them for M = {n_ensembles}, "
            f"but is {text.strip()!r}."
        )
    if all(value == n_atoms for value in values) or inner == 0:
        return None
    return values[0] if len(values) == 1 else tuple(values)
