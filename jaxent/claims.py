"""A statement of the paper held against numbers, and what all of its figures share."""

import dataclasses
import math

from jaxent.sweep import versions

__all__ = ["GOLDEN", "Claim", "attributes", "claims_table", "power", "silent"]

GOLDEN = (math.sqrt(5) - 1) / 2
"""Shifts evenly spaced times off the rational multiples of π, all of which are dips of E(t)."""


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement of the paper, what was computed about it, and whether it holds."""

    statement: str
    computed: str
    holds: bool


def claims_table(claims: list[Claim]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the table of claims."""
    rows = [[claim.statement, claim.computed, "yes" if claim.holds else "NO"] for claim in claims]
    return ["the paper's claim", "computed", "holds"], rows


def silent(seconds: float) -> None:
    """Report no progress."""


def attributes(title: str) -> dict:
    """Attributes of a figure's dataset."""
    return {
        "title": title,
        "n_ensembles": 3,
        "outcomes": "all N",
        "phase_offset": 0.0,
        "reference": "arXiv:2603.06085",
    } | versions()


def power(n: int) -> str:
    """A number of atoms in words: 100, 10^4."""
    exponent = round(math.log10(n))
    return f"10^{exponent}" if n >= 1000 and n == 10**exponent else str(n)
