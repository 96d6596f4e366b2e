"""Compare statements of the paper with numbers, report our own findings, and share code of all figures."""

import dataclasses
import enum
import math
from collections.abc import Sequence

from jaxent.sweep import versions

__all__ = [
    "GOLDEN",
    "Claim",
    "Finding",
    "Verdict",
    "attributes",
    "claims_page",
    "claims_table",
    "findings_table",
    "graded",
    "power",
    "silent",
]

GOLDEN = (math.sqrt(5) - 1) / 2
"""Shifts evenly spaced times off the rational multiples of π, all of which are dips of E(t)."""


class Verdict(enum.StrEnum):
    """Grade a statement: confirmed in every case it covers, in some, in none, or left to the reader's judgement."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"
    JUDGEMENT = "judgement"


@dataclasses.dataclass(frozen=True)
class Claim:
    """Hold a statement of the paper and the verdict of the numbers.

    Attributes:
        where: section and figure.
        quotation: the words of the paper.
        criterion: condition on the numbers, and its reason.
        computed: the numbers.
        verdict: the answer.
    """

    where: str
    quotation: str
    criterion: str
    computed: str
    verdict: Verdict


@dataclasses.dataclass(frozen=True)
class Finding:
    """Hold a question that the paper does not ask, and its answer.

    Attributes:
        question: a question to be answered by yes or no.
        computed: the numbers.
        holds: whether the answer is yes.
    """

    question: str
    computed: str
    holds: bool


def graded(cases: Sequence[bool]) -> Verdict:
    """Grade a statement: yes if it holds in all cases that it covers, partly if in some, no if in none."""
    return Verdict.YES if all(cases) else Verdict.PARTLY if any(cases) else Verdict.NO


def claims_table(claims: list[Claim]) -> tuple[list[str], list[list[str]]]:
    """Build heads and rows of the table of statements of the paper, for a terminal."""
    rows = [[f"“{claim.quotation}” ({claim.where})", claim.computed, str(claim.verdict)] for claim in claims]
    return ["the paper says", "computed", "verdict"], rows


def findings_table(findings: list[Finding]) -> tuple[list[str], list[list[str]]]:
    """Build heads and rows of the table of our own questions."""
    rows = [[finding.question, finding.computed, "yes" if finding.holds else "no"] for finding in findings]
    return ["question", "computed", "answer"], rows


def claims_page(claims: list[Claim], findings: list[Finding]) -> str:
    """Write both tables as Markdown, with the criterion of each verdict."""
    heads = ["where", "the paper says", "criterion", "computed", "verdict"]
    rows = [[one.where, f"“{one.quotation}”", one.criterion, one.computed, str(one.verdict)] for one in claims]
    parts = ["# The paper's statements\n\n" + _INTRODUCTION + _markdown(heads, rows)] if claims else []
    if findings:
        parts.append(
            f"# Findings of our own\n\nThe paper does not speak of these.\n\n{_markdown(*findings_table(findings))}"
        )
    return "\n".join(parts)


_INTRODUCTION = """\
S. Li et al., arXiv:2603.06085. Verdicts are computed from the data beside this file: *yes*, in every case that the
words cover; *partly*, in some of them; *no*, in none; *judgement*, where the words leave it to the reader, who has the
numbers here.

"""


def _markdown(heads: list[str], rows: list[list[str]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [heads, ["---"] * len(heads), *escaped]) + "\n"


def silent(seconds: float) -> None:
    """Report no progress."""


def attributes(title: str) -> dict:
    """Build the attributes of the dataset of a figure."""
    return {
        "title": title,
        "n_ensembles": 3,
        "outcomes": "all N",
        "phase_offset": 0.0,
        "reference": "arXiv:2603.06085",
    } | versions()


def power(n: int) -> str:
    """Write a number of atoms as 100 or 10^4."""
    exponent = round(math.log10(n))
    return f"10^{exponent}" if n >= 1000 and n == 10**exponent else str(n)
