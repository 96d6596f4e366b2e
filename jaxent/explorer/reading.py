"""Read the fields of the page as typed: limit their length, check their values, and build a question."""

import math
import re
from typing import Any

from jaxent.explorer.question import Question
from jaxent.messages import shown
from jaxent.outcome_texts import outcome_of
from jaxent.time_texts import time_number

__all__ = ["LONGEST", "MOST_ATOMS", "asked", "bounded", "parse_count", "parse_number"]

MOST_ATOMS = 10**10
LONGEST = 60  # characters of a field
LONGEST_LIST = 14 * 1000  # characters of the outcomes, one for each of a thousand ensembles
_MOST_ENSEMBLES = 1000
_LARGEST = 1000.0  # largest offset in radians, and rate in units of the coupling
_COARSEST = 1e9  # largest resolution, in atoms
_COUNT = re.compile(r"(?:(\d+)\s*[·*x]\s*)?10\s*\^\s*(\d+)|(\d+(?:\.\d+)?)[eE]\+?(\d+)|(\d+)")
_QUANTITIES = ("entropy", "log_negativity")


def asked(fields: dict[str, str]) -> Question:
    """Build the question of the fields of the page.

    Args:
        fields: texts by name: quantity, n_ensembles, n_atoms, window, outcomes, phase_offset, dephasing_rate,
            resolution.

    Returns:
        Question.

    Raises:
        ValueError: one sentence that names the field, its value and what would be right.
    """
    quantity = fields["quantity"]
    if quantity not in _QUANTITIES:
        raise ValueError(f"Quantity must be one of {', '.join(_QUANTITIES)}, but is {shown(quantity)}.")
    n_ensembles = parse_count("M", fields["n_ensembles"], 2, _MOST_ENSEMBLES)
    n_atoms = parse_count("N", fields["n_atoms"], 1, MOST_ATOMS)
    window = None
    if bounded("Window c", fields["window"]) not in ("", "auto"):
        window = parse_number("Window c", fields["window"], above=0.0)
    question = Question(
        quantity,
        n_ensembles,
        n_atoms,
        window,
        _outcomes(fields["outcomes"], n_ensembles, n_atoms),
        parse_number("Offset φ", fields["phase_offset"], most=_LARGEST),
        parse_number("Rate γ", fields["dephasing_rate"], above=-math.ulp(0.0), most=_LARGEST),
        parse_number("Detector σ", fields["resolution"], above=-math.ulp(0.0), most=_COARSEST),
    )
    if n_ensembles == 2 and question.phase_offset:
        raise ValueError(
            f"Offset φ = {question.phase_offset:g} is that of measured ensembles, and M = 2 has none: choose φ = 0."
        )
    if n_ensembles == 2 and question.resolution:
        raise ValueError(
            f"Detector σ = {question.resolution:g} is that of measured ensembles, and M = 2 has none: choose σ = 0."
        )
    try:
        question.chain  # noqa: B018  # checks the window
    except ValueError:
        raise ValueError(
            f"Window c = {window:g} is wider than all {n_atoms + 1} Dicke states: choose a narrower one, or auto."
        ) from None
    if question.dephasing_rate and quantity == "entropy":
        raise ValueError(
            f"Rate γ = {question.dephasing_rate:g} makes the state mixed, of which E is no measure: choose the log "
            "negativity, or γ = 0."
        )
    if question.resolution and quantity == "entropy":
        raise ValueError(
            f"Detector σ = {question.resolution:g} makes the state mixed, of which E is no measure: choose the log "
            "negativity, or σ = 0."
        )
    if question.is_noisy and question.is_windowed and question.narrower.dimension >= question.chain.dimension:
        raise ValueError(
            f"Window c = {window:g} keeps {question.chain.dimension} of {n_atoms + 1} Dicke states, too few to "
            "estimate an error from: choose a wider window."
        )
    question.check_cost()
    return question


def bounded(name: str, text: str, most: int = LONGEST) -> str:
    """Strip the blanks around a text, and refuse one that is too long.

    Raises:
        ValueError: when it is longer than `most` characters.
    """
    if len(text) > most:
        raise ValueError(f"{name} must have at most {most} characters, but has {len(text)}.")
    return text.strip()


def parse_count(name: str, text: str, least: int, most: int) -> int:
    """Read a whole number: digits, 1e6 or 10^6.

    Raises:
        ValueError: when the text is not a whole number, or out of range.
    """
    text = bounded(name, text)
    match = _COUNT.fullmatch(text)
    value: Any = None
    if match:
        factor, power, mantissa, exponent, digits = match.groups()
        if digits:
            value = int(digits)
        elif max(int(power or 0), int(exponent or 0)) < 20:
            value = int(factor or 1) * 10 ** int(power) if power else float(mantissa) * 10 ** int(exponent)
    if value is None or value != int(value) or not least <= value <= most:
        top = f"{most}" if most < 10**5 else f"10^{math.log10(most):.0f}"
        raise ValueError(f"{name} must be a whole number from {least} to {top}, but is {shown(text)}.")
    return int(value)


def parse_number(name: str, text: str, above: float = -math.inf, most: float = math.inf) -> float:
    """Read a finite number or a multiple of π, greater than `above`, of magnitude up to `most`.

    Raises:
        ValueError: when the text is not such a number.
    """
    text = bounded(name, text)
    try:
        number = time_number(text)
    except (ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number > above and abs(number) <= most):
        what = "a positive number" if above == 0 else "a number"
        if most < math.inf:
            what += f" from {-most:g} to {most:g}" if above == -math.inf else f" from 0 to {most:g}"
        raise ValueError(f"{name} must be {what}, as 0.1 or pi/8, but is {shown(text)}.")
    return number


def _outcomes(text: str, n_ensembles: int, n_atoms: int) -> int | tuple[int, ...] | None:
    """Read outcomes as "N", "N-2" or "17", one for all inner ensembles or one for each; return None if all are N."""
    text = " ".join(bounded("Outcome q", text, LONGEST_LIST).replace("-", " - ").replace(",", " ").split())
    words = text.replace(" - ", "-").split()
    inner = n_ensembles - 2
    values = []
    for word in words:
        try:
            value = outcome_of(word, n_atoms)
        except ValueError:
            value = -1
        if not 0 <= value <= n_atoms:
            raise ValueError(f"Outcome q must lie in 0…{n_atoms}, as N, N-1 or {n_atoms // 2}, but is {shown(word)}.")
        values.append(value)
    if len(values) not in (1, inner) or (len(values) > 1 and inner == 0):
        raise ValueError(
            f"Outcome q must be one number for all inner ensembles or {inner} of them for M = {n_ensembles}, "
            f"but is {shown(text)}."
        )
    if all(value == n_atoms for value in values) or inner == 0:
        return None
    return values[0] if len(values) == 1 else tuple(values)
