"""Outcomes as texts: N, N-3 (three atoms fewer) or digits. Nothing heavy is imported here.

>>> outcome_of("N-3", 100)
97
>>> outcome_text(3)
'N-3'
"""

import re

from jaxent.messages import shown
from jaxent.time_texts import MOST_CHARACTERS

__all__ = ["atoms_below", "outcome_of", "outcome_text"]

_FROM_TOP = re.compile(r"N(?:-(?P<below>\d+))?")


def atoms_below(text: str) -> int | None:
    """Read how many atoms an outcome "N" or "N-3" is below N; None for any other text."""
    match = _FROM_TOP.fullmatch(text) if len(text) <= MOST_CHARACTERS else None
    return int(match["below"] or 0) if match else None


def outcome_text(below: int) -> str:
    """Write the outcome that is so many atoms below N."""
    return f"N-{below}" if below else "N"


def outcome_of(outcome: int | float | str, n_atoms: int) -> int | float:
    """Read an outcome of `n_atoms` atoms: an integer, digits, or a text that counts from N such as "N-3".

    Raises:
        ValueError: when a text is none of these.
    """
    if not isinstance(outcome, str):
        return outcome
    below = atoms_below(outcome)
    if below is not None:
        return n_atoms - below
    if not outcome.isdecimal() or len(outcome) > MOST_CHARACTERS:
        raise ValueError(f"Argument `outcomes` must be N, N-3 or a whole number, but is {shown(outcome)}.")
    return int(outcome)
