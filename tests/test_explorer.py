"""The explorer without a browser: what is asked, which times are seen, and the numbers that are shown."""

import dataclasses
import fractions
import itertools
import math
import re
import subprocess
import sys

import numpy as np
import oracles
import pytest

import jaxent
from jaxent.explorer.curve import passes, refined
from jaxent.explorer.export import python_lines, table
from jaxent.explorer.point import look_at, outcome_bins
from jaxent.explorer.question import Question, asked, parse_count
from jaxent.explorer.viewport import WHOLE, View, asked_view

FIELDS = {
    "quantity": "entropy",
    "n_ensembles": "3",
    "n_atoms": "100",
    "window": "auto",
    "outcomes": "N",
    "phase_offset": "0",
    "dephasing_rate": "0",
}
QUARTER = fractions.Fraction(1, 4)


def exact_value(question: Question, t: float) -> float:
    m, n = question.n_ensembles, question.n_atoms
    outcomes = [n if question.outcomes is None else question.outcomes] * (m - 2)
    if question.quantity == "entropy":
        return oracles.entropy_bits(oracles.end_to_end(m, n, t, outcomes, [question.phase_offset] * (m - 2)))
    state = oracles.dephased_state(m, n, t, [question.dephasing_rate] * m, outcomes, [question.phase_offset] * (m - 2))
    return oracles.state_log_negativity_bits(state)


def test_fields_are_understood():
    assert asked(FIELDS) == Question()
    fields = FIELDS | {"n_atoms": "10^6", "n_ensembles": "5", "outcomes": "N-1, 7 N", "phase_offset": "pi/8"}
    question = asked(fields | {"window": "0.1"})
    assert question == Question("entropy", 5, 10**6, 0.1, (10**6 - 1, 7, 10**6), math.pi / 8)
    assert [parse_count("N", text, 1, 10**10) for text in ("17", "1e3", "2.5e4", "3·10^2")] == [17, 1000, 25000, 300]
    assert asked(FIELDS | {"outcomes": "N - 100"}).outcomes == 0
    assert asked(FIELDS | {"n_ensembles": "2", "outcomes": "3"}).outcomes is None  # nothing is measured


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("n_atoms", "abc", ["N must be a whole number", "'abc'"]),
        ("n_atoms", "10.5", ["N must be", "'10.5'"]),
        ("n_atoms", "1e11", ["N must be", "10^10"]),
        ("n_atoms", "9" * 5000, ["N must be"]),
        ("n_atoms", "0", ["N must be", "from 1"]),
        ("n_ensembles", "1", ["M must be", "from 2"]),
        ("window", "wide", ["Window c must be a positive number", "'wide'"]),
        ("window", "-1", ["Window c", "'-1'"]),
        ("window", "50", ["window", "50.0"]),
        ("phase_offset", "pi/0", ["Offset φ", "'pi/0'"]),
        ("phase_offset", "inf", ["Offset φ", "'inf'"]),
        ("outcomes", "101", ["Outcome q must lie in 0…100", "'101'"]),
        ("outcomes", "N-101", ["Outcome q", "'N-101'"]),
        ("outcomes", "3 4", ["one number for all inner ensembles or 1 of them", "'3 4'"]),
        ("outcomes", "", ["Outcome q", "''"]),
        ("dephasing_rate", "-0.1", ["Rate γ must be a number of at least 0", "'-0.1'"]),
        ("dephasing_rate", "0.1", ["Rate γ = 0.1", "log negativity"]),
        ("quantity", "color", ["Quantity", "'color'"]),
    ],
)
def test_bad_fields_are_one_sentence(field, text, words):
    with pytest.raises(ValueError, match=re.escape(words[0])) as refusal:
        list(refined(asked(FIELDS | {field: text}), WHOLE, lambda: False))
    sentence = str(refusal.value)
    assert all(word in sentence for word in words), sentence
    assert "\n" not in sentence


def test_what_would_take_too_long_is_refused_before_it_starts():
    with pytest.raises(ValueError, match=r"N = 1000000.* s a point .* or all outcomes N and φ = 0"):
        asked(FIELDS | {"n_atoms": "1e6", "n_ensembles": "5", "phase_offset": "0.1"})
    with pytest.raises(ValueError, match="fewer atoms or a narrower window"):
        asked(FIELDS | {"quantity": "log_negativity", "dephasing_rate": "0.1", "n_atoms": "1000", "window": "30"})


@pytest.mark.parametrize(
    "question",
    [
        Question(n_atoms=12),
        Question(n_atoms=12, outcomes=11, phase_offset=0.2),
        Question(n_atoms=3, n_ensembles=5, outcomes=2),
        Question("log_negativity", n_atoms=4, dephasing_rate=0.05, phase_offset=0.1),
    ],
    ids=["plain", "outcome and offset", "five ensembles", "dephased"],
)
def test_every_point_is_the_value_at_its_time(question):
    view = View(QUARTER, -0.02, 0.6)
    first = next(refined(question, view))
    expected = [exact_value(question, math.pi / 2 + x) for x in first.distance]
    np.testing.assert_allclose(first.value, expected, atol=1e-9)
    assert (np.diff(first.distance) > 0).all()
    assert (first.error <= 1e-9).all()
    assert (first.levels == 3).sum() == (question.n_atoms >= 9)  # at 2π/3
    for x, r in zip(first.distance, first.levels, strict=True):
        turns = (math.pi / 2 + x) / (2 * math.pi)
        assert r == 0 or abs(turns * r - round(turns * r)) < 1e-12


def test_passes_refine_and_end_when_nobody_looks():
    question = Question(n_atoms=12)
    curves = list(refined(question, WHOLE))
    assert [curve.share for curve in curves] == sorted(curve.share for curve in curves)
    assert curves[-1].share == 1.0
    assert len(curves) == sum(passes(question))
    for before, after in zip(curves[:20:5], curves[5::5], strict=False):
        gaps = abs(before.distance[:, None] - after.distance).min(axis=1)
        assert gaps.max() < 1e-9 * math.pi
        assert len(after.distance) > len(before.distance)
    count = iter(range(100))
    assert len(list(refined(question, WHOLE, lambda: next(count) < 3))) == 3


def test_impossible_outcomes_are_gaps():
    curve = next(refined(Question(n_atoms=6, outcomes=5), WHOLE))
    impossible = abs(curve.distance % math.pi) < 1e-9  # at t = 0 only q = N can occur, at π only 0 and N
    assert impossible.sum() == 2
    np.testing.assert_array_equal(np.isnan(curve.value), impossible)
    curve = next(refined(Question("log_negativity", n_atoms=6, outcomes=5, dephasing_rate=0.01), WHOLE))
    assert np.isnan(curve.value[0])
    assert np.isfinite(curve.value[1:]).all()  # noise makes it possible


def test_a_deep_view_is_laid_around_its_simplest_time():
    middle = math.pi / 3
    seen = View(fractions.Fraction(0), middle - 1e-7, middle + 2e-7).recentred()
    assert seen.centre == fractions.Fraction(1, 6)
    assert (seen.start, seen.stop) == (pytest.approx(-1e-7, abs=1e-15), pytest.approx(2e-7, abs=1e-15))
    assert seen.label == "t − π/3 (1/coupling)"
    assert seen.recentred() is seen
    assert seen.text_of(0.0, 100) == "π/3, r = 6"
    assert seen.text_of(1e-9, 100) == "π/3 + 1e-09, r = 6"
    wide = dataclasses.replace(seen, start=-1.0, stop=2.0).recentred()
    assert wide.centre == 0
    assert wide.clipped().start == pytest.approx(middle - 1.0)
    below_zero = dataclasses.replace(seen, start=-3.0).clipped()
    assert below_zero.start == -2 * math.pi / 6
    with pytest.raises(ValueError, match="between 0 and 1000"):
        View(fractions.Fraction(0), -2.0, -1.0).clipped()


def test_marks_are_the_simplest_magic_times():
    marks = WHOLE.marks(100)
    assert [r for _, r, _ in marks[:5]] == [2, 3, 4, 5, 5]
    for x, r, name in marks:
        assert abs(x * r / (2 * math.pi) - round(x * r / (2 * math.pi))) < 1e-12
        assert name.endswith(f"/{r}") or 2 * int((name + "/1").split("/")[1]) == r
    assert [r for _, r, _ in WHOLE.marks(9)] == [2, 3]


@pytest.mark.parametrize(
    ("centre", "width", "words"),
    [("left", "1", "Centre"), ("-1", "1", "Centre"), ("2000", "1", "Centre"), ("1", "0", "Width"), ("1", "x", "Width")],
)
def test_places_that_cannot_be_gone_to(centre, width, words):
    with pytest.raises(ValueError, match=words):
        asked_view(centre, width)


def test_places_are_gone_to():
    assert asked_view("pi/2", "1e-5") == View(QUARTER, -5e-6, 5e-6)
    assert asked_view("1.0", "0.5").clipped() == View(fractions.Fraction(0), 0.75, 1.25)


@pytest.mark.parametrize(("n_ensembles", "phase_offset", "rate"), [(3, 0.3, 0.0), (4, 0.0, 0.0), (3, 0.2, 0.05)])
def test_outcomes_have_their_probabilities(n_ensembles, phase_offset, rate):
    quantity = "log_negativity" if rate else "entropy"
    question = Question(quantity, n_ensembles, 3, phase_offset=phase_offset, dephasing_rate=rate)
    t = 0.4
    edges, found = outcome_bins(question, View(fractions.Fraction(0), 0.0, 1.0), t)
    np.testing.assert_array_equal(edges, [0, 1, 2, 3, 4])
    expected = np.zeros(4)
    for rest in np.ndindex(*[4] * (n_ensembles - 3)):
        for q in range(4):
            outcomes = [q, *rest]
            if rate:
                state = oracles.dephased_state(n_ensembles, 3, t, [rate] * n_ensembles, outcomes, [phase_offset])
                expected[q] += np.einsum("abab->", state).real
            else:
                offsets = [phase_offset] * (n_ensembles - 2)
                expected[q] += oracles.probability(oracles.end_to_end(n_ensembles, 3, t, outcomes, offsets))
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_bins_of_many_atoms_hold_what_single_outcomes_sum_to():
    question = Question(n_atoms=1000, phase_offset=0.05)
    view = View(QUARTER, -0.1, 0.1)
    edges, found = outcome_bins(question, view, 1e-3)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)
    t = math.pi / 2 + 1e-3
    single = np.asarray(jaxent.outcome_probabilities(jaxent.Chain(3, 1000, window=8.0), t, 0.05))
    expected = [single[int(low) : int(high)].sum() for low, high in itertools.pairwise(edges)]
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_a_look_shows_the_spectrum():
    view = View(QUARTER, -0.1, 0.1)
    look = look_at(Question(n_atoms=60), view, 0.0)
    np.testing.assert_allclose(look.spectrum[:4], 0.25, atol=1e-4)
    assert look.spectrum[:4].sum() == pytest.approx(1.0, abs=1e-12)
    noisy = Question("log_negativity", n_atoms=3, dephasing_rate=0.1)
    state = oracles.dephased_state(3, 3, math.pi / 2, [0.1] * 3, [3], [0.0]).reshape(16, 16)
    values = np.linalg.eigvalsh(state / np.trace(state))[::-1]
    np.testing.assert_allclose(look_at(noisy, view, 0.0).spectrum, np.maximum(values, 0.0), atol=1e-12)
    assert look_at(Question(n_atoms=10**9), view, 0.0).spectrum_note.startswith("Schmidt coefficients: shown up to")
    assert look_at(Question(n_ensembles=2, n_atoms=5), view, 0.0).outcome_note == "M = 2: nothing is measured"


@pytest.mark.parametrize(
    "question",
    [Question(n_atoms=12), Question("log_negativity", n_atoms=3, dephasing_rate=0.05, outcomes=2, phase_offset=0.1)],
    ids=["plain", "dephased"],
)
def test_the_exported_lines_compute_the_exported_numbers(question, tmp_path):
    view = View(QUARTER, -0.02, 0.3)
    *_, curve = refined(question, view)
    lines = table(question, view, curve).splitlines()
    saved = np.array([[float(word) for word in line.split(",")] for line in lines[4:]])
    np.testing.assert_array_equal(saved[:, :2], np.column_stack([curve.distance, curve.value]))
    program = tmp_path / "curve.py"
    program.write_text(python_lines(question, view), encoding="utf-8")
    subprocess.run([sys.executable, str(program)], cwd=tmp_path, check=True, timeout=200)
    computed = np.loadtxt(tmp_path / "curve.csv", delimiter=",")
    assert len(computed) > 200
    nearest = abs(saved[:, 0][:, None] - computed[:, 0]).argmin(axis=0)
    np.testing.assert_allclose(saved[nearest, 0], computed[:, 0], atol=1e-12)
    np.testing.assert_allclose(saved[nearest, 1], computed[:, 1], atol=1e-9)
