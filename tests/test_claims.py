"""Verdicts on the paper's statements: computed from the data, and able to come out each way."""

import numpy as np
import pytest
import xarray as xr

from jaxent.paper import claims, claims_five, claims_four, registry
from jaxent.paper.claims import Claim, Finding, Verdict, graded

YES, PARTLY, NO, JUDGEMENT = Verdict.YES, Verdict.PARTLY, Verdict.NO, Verdict.JUDGEMENT
RATES = np.array([0.0, 1e-4, 1e-3, 1e-2, 1e-1])
ATOMS = np.array([3, 10, 20, 30])


def verdict(found: list[Claim], words: str) -> Verdict:
    (one,) = [claim for claim in found if words in claim.quotation]
    return one.verdict


@pytest.mark.parametrize(("cases", "answer"), [([True, True], YES), ([True, False], PARTLY), ([False], NO)])
def test_partly_is_an_answer(cases, answer):
    assert graded(cases) == answer


def figure_three(kept, left, wiggle=(5.0, 4.0, 3.0, 2.0, 1.0)) -> dict[str, xr.Dataset]:
    """Curves that rise from 0 and waver by `wiggle`, of which each rate keeps a share; a share at the magic times."""
    ripple = np.where(np.arange(40) % 2, 0.01, -0.01) * (np.arange(40) > 0)
    shape = np.minimum(np.arange(40) / 10, 1.0)
    curves = [shape * share + ripple * w for share, w in zip(kept, wiggle, strict=True)]
    magic = np.outer([1.0, 1.0, 1.0, 1.0, 1.0], np.ones(4))
    magic[3], magic[4] = left
    return {
        "3": xr.Dataset(
            {
                "log_negativity": (("dephasing_rate", "time"), np.array(curves)),
                "log_negativity_at_magic_times": (("dephasing_rate", "magic_time"), magic),
            },
            {"dephasing_rate": RATES},
        )
    }


@pytest.mark.parametrize(
    ("kept", "left", "wiggle", "answers"),
    [
        ((1, 1, 0.99, 0.98, 0.1), ([0.99] * 4, [0.3] * 4), (5, 4, 3, 2, 1), (YES, YES, YES, YES)),
        ((1, 1, 0.99, 0.8, 0.1), ([0.99, 0.5] * 2, [0.3, 0.7] * 2), (5, 4, 3, 2, 9), (PARTLY, PARTLY, PARTLY, PARTLY)),
        ((1, 0.9, 0.9, 0.8, 0.1), ([0.5] * 4, [0.7] * 4), (1, 2, 9, 20, 40), (NO, NO, NO, NO)),
    ],
)
def test_verdicts_on_figure_three(kept, left, wiggle, answers):
    found = claims_five.claims(figure_three(kept, left, wiggle))
    words = ("overall degradation", "largely intact", "With strong dephasing", "smoothed out")
    assert tuple(verdict(found, one) for one in words) == answers


def test_a_loss_where_nothing_is_to_be_lost_is_no_degradation():
    """At t → 0 a curve of 1e-9 that goes to 0 has lost all of nothing."""
    data = figure_three((1, 1, 1, 1, 1), ([1.0] * 4, [0.3] * 4))
    data["3"].log_negativity[3, 0] = 0.0
    data["3"].log_negativity[0, 0] = 1e-9
    assert verdict(claims_five.claims(data), "overall degradation") == YES


def figure_four(values) -> dict[str, xr.Dataset]:
    """values: function of N (column) and share (row) → log negativity at the four times, by rate."""
    rates = np.concatenate([RATES, [1.0]])
    table = np.array([[[values(n, i, g) for g in rates] for i in range(4)] for n in range(4)])
    return {
        "4": xr.Dataset(
            {
                "dephasing_rate": (("n_atoms", "point"), np.tile(rates, (4, 1))),
                "log_negativity": (("n_atoms", "magic_time", "point"), table),
            },
            {"n_atoms": ATOMS},
        )
    }


NORMS = np.log2(ATOMS + 1.0)
WORDS = (
    "essentially unchanged",
    "almost plateaus",
    "significantly suppressed",
    "curves compress",
    "larger atomic numbers",
    "reduced sensitivity",
    "slightly larger",
    "minimal dependence",
    "decreases systematically",
)


CASES = [
    # E falls with time and γ; at π/3 all N agree; larger N lose less
    (
        lambda n, i, g: (
            (3 - 0.5 * i) * (1 - (0.05 if i else 0.01) * n) * np.exp(-g * (10 - n * (i > 0)) / (1.0 + (g < 0.02) * 9))
        ),
        (YES, YES, YES, YES, YES, NO, YES, PARTLY, YES),
    ),
    # smaller N lose less, some of them much; E rises with time, larger N have the larger E / log2(N+1); γ = 0.1 spreads
    (
        lambda n, i, g: (1 + 0.5 * i) * NORMS[n] * (1 + n) * (1 - min(0.9, 6 * g * (1 + n) / (1 + 2 * i))),
        (PARTLY, YES, PARTLY, YES, NO, YES, NO, YES, PARTLY),
    ),
    # nothing is lost at 0.1 and all of it gained below
    (
        lambda n, i, g: (
            (1 + i) * (4 - n if i == 0 else 1.0) * NORMS[n] / (1 + n) ** (i == 3) * (1 + 10 * g + 40 * g * (i == 3))
        ),
        (YES, PARTLY, NO, NO, NO, NO, PARTLY, NO, NO),
    ),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_verdicts_on_figure_four(case):
    values, answers = CASES[case]
    found = claims_five.claims(figure_four(values))
    assert [str(verdict(found, one)) for one in WORDS] == [str(one) for one in answers]


def figure_two(scale: float, magic: float) -> dict[str, xr.Dataset]:
    windows, errors = [1.0, 1.5, 3.0], np.array([1e-1, 5e-3, 1e-3])
    spread = np.geomspace(0.5, 2.0, 20)
    error = scale * errors[:, None] * spread
    at_magic = np.full((3, 4), 1e-6)
    at_magic[2, :2] = magic
    return {
        "2": xr.Dataset(
            {
                "error": (("window", "time"), error),
                "error_bound": (("window", "time"), error * 2),
                "exact_entropy": ("time", np.full(20, 4.0)),
                "error_at_magic_times": (("window", "magic_time"), at_magic),
            },
            {"window": windows},
        )
    }


@pytest.mark.parametrize(
    ("scale", "magic", "answers"),
    [(1.0, 1e-6, (YES, YES, YES)), (12.0, 1e-3, (PARTLY, PARTLY, PARTLY)), (1e3, 1e-3, (NO, NO, PARTLY))],
)
def test_verdicts_on_figure_two(scale, magic, answers):
    found = claims_four.claims(figure_two(scale, magic))
    words = ("of 3 standard", "of one standard", "magic times")
    assert tuple(verdict(found, one) for one in words) == answers
    by_eye = [claim for claim in found if "by eye" in claim.quotation]
    assert [claim.verdict for claim in by_eye] == [JUDGEMENT, JUDGEMENT]
    assert [("above" in claim.computed) for claim in by_eye] == [scale > 10, scale > 1]


def test_verdicts_on_figure_one():
    def one(claim: Claim) -> Verdict:
        return claim.verdict

    steady, rooted = {100: 5.0, 10**4: 5.2}, {100: 20.0, 10**4: 200.0}
    assert [one(claims_four._onset(a, b)) for a in (steady, rooted) for b in (steady, rooted)] == [
        YES,
        PARTLY,
        PARTLY,
        NO,
    ]
    assert [one(claims_four._spacing({25: x / 25, 100: x / 100**p})) for x, p in ((3, 1), (3, 0.5), (90, 1))] == [
        YES,
        NO,
        PARTLY,
    ]
    below = np.full(5, 2.0)
    assert [one(claims_four._dips(below, below + x)) for x in (2.0, np.array([2, 0, 0, 0, 0]), 0.5)] == [
        YES,
        PARTLY,
        NO,
    ]
    assert [one(claim) for claim in claims_four._symmetries(1e-12, 1e-3)] == [YES, NO]


@pytest.mark.parametrize(
    ("shares", "answers"), [((0.5,) * 3, (YES,) * 4), ((0.2, 0.5, 0.5), (PARTLY, NO, PARTLY, YES))]
)
def test_verdicts_on_the_ceiling(shares, answers):
    atoms = np.array([100, 1000, 10**6])
    entropy = np.outer(np.array(shares) * np.log2(atoms + 1.0), np.ones(3))
    data = xr.Dataset(
        {"entropy": (("n_atoms", "point"), entropy), "kind": (("n_atoms", "point"), np.zeros((3, 3)))},
        {"n_atoms": atoms},
    )
    assert tuple(claim.verdict for claim in claims_four._ceiling(data)) == answers


def test_the_page_quotes_states_its_criterion_and_keeps_findings_apart():
    claim = Claim("V, Fig. 3", "a | b", "more than 1", "2", PARTLY)
    page = claims.claims_page([claim], [Finding("Is it?", "0.5", False)])
    first, second = page.split("# Findings of our own")
    assert "| V, Fig. 3 | “a \\| b” | more than 1 | 2 | partly |" in first
    assert "| Is it? | 0.5 | no |" in second
    assert claims.claims_page([], []) == ""
    assert registry.claims({}) == registry.findings({}) == []
