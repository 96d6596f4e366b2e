"""The explorer without a browser: what is asked, which times are seen, and the numbers that are shown."""

import dataclasses
import fractions
import html
import itertools
import math
import re
import subprocess
import sys
import threading
import time

import numpy as np
import oracles
import pytest
import scipy.stats
from bokeh.document import Document
from bokeh.models import Legend

import jaxent
from jaxent.explorer.curve import Curve, passes, refined
from jaxent.explorer.drawing import band, height, prepared
from jaxent.explorer.export import python_lines, table
from jaxent.explorer.fields import FAULTY
from jaxent.explorer.page import Page
from jaxent.explorer.point import look_at, outcome_bins
from jaxent.explorer.question import Question
from jaxent.explorer.reading import asked, parse_count
from jaxent.explorer.values import values_at
from jaxent.explorer.viewport import WHOLE, View, asked_view
from jaxent.explorer.words import sentence
from jaxent.explorer.workers import Workers

FIELDS = {
    "quantity": "entropy",
    "n_ensembles": "3",
    "n_atoms": "100",
    "window": "auto",
    "outcomes": "N",
    "phase_offset": "0",
    "dephasing_rate": "0",
    "resolution": "0",
}
QUARTER = fractions.Fraction(1, 4)


def exact_value(question: Question, t: float) -> float:
    m, n = question.n_ensembles, question.n_atoms
    outcomes = [n if question.outcomes is None else question.outcomes] * (m - 2)
    if question.quantity == "entropy":
        return oracles.entropy_bits(oracles.end_to_end(m, n, t, outcomes, [question.phase_offset] * (m - 2)))
    if question.resolution:
        # what a Gaussian detector has read leaves a mixture of what every count leaves
        (read,) = outcomes
        left = [oracles.end_to_end(m, n, t, [q], [question.phase_offset]) for q in range(n + 1)]
        weights = np.exp(-((read - np.arange(n + 1)) ** 2) / (2 * question.resolution**2))
        state = sum(w * np.multiply.outer(psi, psi.conj()) for w, psi in zip(weights, left, strict=True))
        return oracles.state_log_negativity_bits(state)
    if not question.dephasing_rate:
        values = np.linalg.svd(
            oracles.end_to_end(m, n, t, outcomes, [question.phase_offset] * (m - 2)), compute_uv=False
        )
        return 2 * math.log2(values.sum() / math.sqrt(values @ values))
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
    with pytest.raises(ValueError, match=r"Offset φ = 0.3 is that of measured ensembles, and M = 2 has none: choose φ"):
        asked(FIELDS | {"n_ensembles": "2", "phase_offset": "0.3"})


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("n_atoms", "abc", ["N must be a whole number", "'abc'"]),
        ("n_atoms", "10.5", ["N must be", "'10.5'"]),
        ("n_atoms", "1e11", ["N must be", "10^10"]),
        ("n_atoms", "9" * 5000, ["N must have at most 60 characters, but has 5000."]),
        ("outcomes", "N" + " " * 20000, ["Outcome q must have at most 14000 characters, but has 20001."]),
        ("outcomes", "7" * 5000, ["Outcome q must lie in 0…100", "…"]),
        ("phase_offset", "1" * 20000 + "x", ["Offset φ must have at most 60 characters, but has 20001."]),
        ("dephasing_rate", "1" + " " * 1000, ["Rate γ must have at most 60 characters"]),
        ("window", "." * 1000, ["Window c must have at most 60 characters"]),
        ("quantity", "q" * 20000, ["Quantity must be one of", "…"]),
        ("n_atoms", "0", ["N must be", "from 1"]),
        ("n_ensembles", "1", ["M must be", "from 2"]),
        ("window", "wide", ["Window c must be a positive number", "'wide'"]),
        ("window", "-1", ["Window c", "'-1'"]),
        ("window", "50", ["Window c = 50 is wider than all 101 Dicke states"]),
        ("phase_offset", "pi/0", ["Offset φ", "'pi/0'"]),
        ("phase_offset", "inf", ["Offset φ", "'inf'"]),
        ("phase_offset", "1e12", ["Offset φ must be a number from -1000 to 1000", "'1e12'"]),
        ("outcomes", "101", ["Outcome q must lie in 0…100", "'101'"]),
        ("outcomes", "N-101", ["Outcome q", "'N-101'"]),
        ("outcomes", "3 4", ["one number for all inner ensembles or 1 of them", "'3 4'"]),
        ("outcomes", "", ["Outcome q", "''"]),
        ("dephasing_rate", "-0.1", ["Rate γ must be a number from 0 to 1000", "'-0.1'"]),
        ("dephasing_rate", "0.1", ["Rate γ = 0.1", "log negativity"]),
        ("resolution", "-1", ["Detector σ must be a number from 0 to 1e+09", "'-1'"]),
        ("resolution", "2", ["Detector σ = 2", "log negativity"]),
        ("quantity", "color", ["Quantity", "'color'"]),
    ],
)
def test_bad_fields_are_one_sentence(field, text, words):
    start = time.perf_counter()
    with pytest.raises(ValueError, match=re.escape(words[0])) as refusal:
        list(refined(asked(FIELDS | {field: text}), WHOLE, lambda: False))
    said = str(refusal.value)
    assert all(word in said for word in words), said
    assert "\n" not in said
    assert len(said) < 300
    assert time.perf_counter() - start < 1.0


def test_what_would_take_too_long_is_refused_before_it_starts():
    with pytest.raises(ValueError, match=r"N = 1000000.* more than a year a point .* or all outcomes N and φ = 0"):
        asked(FIELDS | {"n_atoms": "1e6", "n_ensembles": "5", "phase_offset": "0.1"})
    noisy = FIELDS | {"quantity": "log_negativity", "dephasing_rate": "0.1"}
    four = noisy | {"n_ensembles": "4"}
    for n_atoms in ("1e4", "1e8"):
        with pytest.raises(ValueError, match=r"more than a year a point .* fewer atoms, or γ = 0\.$"):
            asked(four | {"n_atoms": n_atoms})
    with pytest.raises(ValueError, match=r"or a window up to c = 3\.\d, whose error is estimated") as refusal:
        asked(four | {"n_atoms": "300"})
    widest = re.search(r"c = ([\d.]+)", str(refusal.value))[1]
    assert asked(four | {"n_atoms": "300", "window": widest}).is_windowed
    with pytest.raises(ValueError, match=r"or γ > 0 and window auto, or γ = 0 and σ = 0\.$"):
        asked(noisy | {"n_atoms": "1e5", "dephasing_rate": "0", "resolution": "2"})
    with pytest.raises(ValueError, match=r"^Detector σ = 2 is that of measured ensembles, and M = 2 has none"):
        asked(noisy | {"n_ensembles": "2", "resolution": "2"})
    with pytest.raises(ValueError, match=r"fewer atoms or a narrower window, or γ = 0\.$"):
        asked(four | {"n_atoms": "300", "window": str(float(widest) + 0.1)})
    with pytest.raises(ValueError, match="narrower window, or window auto, or γ = 0"):
        asked(noisy | {"n_atoms": "1000", "window": "5"})
    assert asked(noisy | {"n_atoms": "1e10"}).is_within_tolerance
    assert not asked(noisy | {"n_atoms": "100"}).is_within_tolerance
    with pytest.raises(ValueError, match=r"Window c = 0\.1 keeps 1 of 101 Dicke states, too few"):
        asked(noisy | {"window": "0.1"})


# ----------------------------------------------------------- values and their errors


def log_negativity_of_many(n_atoms: int, t: float) -> float:
    """M = 3, all outcomes N, no offset: the amplitudes are a positive matrix of trace 1, so that it is -log2 p."""
    reach = min(n_atoms, 10 * math.isqrt(n_atoms))
    d = np.arange(-reach, reach + 1)
    weights = scipy.stats.binom.pmf(n_atoms + d, 2 * n_atoms, 0.5)
    return -math.log2(weights @ np.cos(d * t / 2) ** (2 * n_atoms))


@pytest.mark.parametrize(("n_atoms", "rounded"), [(10**3, 5.45), (10**4, 6.63), (10**6, 9.47)])
def test_the_log_negativity_of_many_atoms_is_right_to_its_error(n_atoms, rounded):
    question = asked(FIELDS | {"quantity": "log_negativity", "n_atoms": str(n_atoms)})
    (value,), (error,) = values_at(question, np.array([1.0]))
    assert value == pytest.approx(rounded, abs=0.005)
    assert abs(value - log_negativity_of_many(n_atoms, 1.0)) < min(error, 1e-9)
    assert 0 < error < 1e-6


@pytest.mark.parametrize(
    ("question", "least", "most"),
    [
        (Question(n_atoms=40, window=2.5), 1, 1e4),
        (Question(n_ensembles=4, n_atoms=12, window=2.0), 0.8, 10),
        (Question("log_negativity", n_atoms=40, window=2.0, outcomes=38, phase_offset=0.1), 0.8, 10),
        (Question("log_negativity", n_atoms=12, window=2.4, dephasing_rate=0.03), 1, 100),
    ],
    ids=["bound", "two windows", "two windows of the log negativity", "with noise"],
)
def test_the_error_of_a_window_is_told(question, least, most):
    times = np.array([0.3, 1.0, 2.0])
    values, errors = values_at(question, times)
    true = abs(values - [exact_value(dataclasses.replace(question, window=None), t) for t in times])
    assert (least * true <= errors).all()
    assert (errors <= most * true + 1e-3).all()
    assert (true > 1e-5).all()


def test_no_window_is_chosen_without_a_bound():
    cases = itertools.product(
        ("entropy", "log_negativity"), (2, 3, 4, 5), (3, 100, 10**3, 10**4, 10**6, 10**10), (None, 1), (0.0, 0.1)
    )
    for case in cases:
        for rate in (0.0, 0.1) if case[0] == "log_negativity" else (0.0,):
            question = Question(case[0], case[1], case[2], None, case[3], case[4], rate)
            assert not question.is_windowed or (question.is_bounded and 498 < question.n_atoms <= 10**4)
    (value,), (error,) = values_at(Question(n_atoms=10**4), np.array([1.0]))
    exact = float(jaxent.end_to_end_entropy(jaxent.Chain(3, 10**4), 1.0, tolerance=1e-8))
    assert abs(value - exact) < error < 6e-5


def test_what_a_person_reads_says_window_and_error():
    question = Question(n_atoms=12, window=2.0)
    curve = next(refined(question, WHOLE))
    drawing = prepared(question, WHOLE, curve, {})
    assert drawing.title == "M = 3, N = 12, c = 2, q = N, φ = 0"
    points = f"{len(curve.distance)} points; 7 of 13 Dicke states per ensemble (window c = 2), error at most "
    assert drawing.summary == f"{points}{curve.error.max():.1e} bits"
    assert drawing.points["error"][3] == f"{curve.error[3]:.1e} bits"
    np.testing.assert_array_equal(drawing.points["y"], curve.value)
    gaps = next(refined(Question(n_atoms=6, outcomes=5), WHOLE))
    words = prepared(Question(n_atoms=6, outcomes=5), WHOLE, gaps, {})
    assert ", 2 of them without a state: the outcomes cannot occur there; 7 of 7 Dicke states" in words.summary
    assert words.summary.endswith("exact to rounding")
    assert words.points["error"].count("no state") == 2


# ------------------------------------------------------------------------- the curve


@pytest.mark.parametrize(
    "question",
    [
        Question(n_atoms=12),
        Question(n_atoms=12, outcomes=11, phase_offset=0.2),
        Question(n_atoms=3, n_ensembles=5, outcomes=2),
        Question("log_negativity", n_atoms=4, dephasing_rate=0.05, phase_offset=0.1),
        Question("log_negativity", n_atoms=4, outcomes=3, phase_offset=0.2, resolution=0.8),
    ],
    ids=["plain", "outcome and offset", "five ensembles", "dephased", "detector"],
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
    [
        ("left", "1", "Centre"),
        ("-1", "1", "Centre"),
        ("2000", "1", "Centre"),
        ("1", "0", "Width"),
        ("1", "x", "Width"),
        ("1", "1e300", "Width"),
        ("1" * 20000, "1", "Centre must have at most 60 characters"),
        ("1", " " * 1000, "Width must have"),
    ],
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


@pytest.mark.parametrize(("n_atoms", "rate"), [(40, 0.3), (1000, 1.0), (1000, 1e-6)], ids=["wide", "flat", "narrow"])
def test_noise_spreads_outcomes(n_atoms, rate):
    question, t = Question("log_negativity", n_atoms=n_atoms, dephasing_rate=rate), 1.0
    edges, found = outcome_bins(question, View(fractions.Fraction(0), 0.0, 2.0), t)
    differences = np.arange(-n_atoms, n_atoms + 1)
    weights = scipy.stats.binom.pmf(n_atoms + differences, 2 * n_atoms, 0.5)
    kept = weights > 1e-14
    shifts = np.linspace(-8, 8, 4001)
    each = np.exp(-(shifts**2) / 2)
    expected = np.zeros(len(found))
    for d, weight in zip(differences[kept], weights[kept], strict=True):
        upper = np.cos(d * t / 2 + math.sqrt(rate * t) * shifts) ** 2
        # P(q < edge) of the binomial, by its incomplete beta function
        below = scipy.stats.binom.cdf(edges[:, None] - 1, n_atoms, upper[::8] if n_atoms > 100 else upper)
        share = each[::8] if n_atoms > 100 else each
        expected += weight * np.diff(below @ (share / share.sum()))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_look_shows_the_spectrum():
    view = View(QUARTER, -0.1, 0.1)
    look = look_at(Question(n_atoms=60), view, 0.0)
    np.testing.assert_allclose(look.spectrum[:4], 0.25, atol=1e-4)
    assert look.spectrum.sum() == pytest.approx(1.0, abs=1e-12)
    assert look.spectrum_note == f"Schmidt σ²: {len(look.spectrum)} of 61 (above 1e-18)"
    windowed = look_at(Question(n_atoms=60, window=2.0), view, 0.01)
    told = re.fullmatch(
        r"Schmidt σ²: \d+ of 15.*; window c = 2, each off by up to about (\de-\d\d)", windowed.spectrum_note
    )
    exact = look_at(Question(n_atoms=60), view, 0.01).spectrum[: len(windowed.spectrum)]
    assert abs(windowed.spectrum - exact).max() < float(told[1]) < 100 * abs(windowed.spectrum - exact).max()
    noisy = Question("log_negativity", n_atoms=3, dephasing_rate=0.1)
    state = oracles.dephased_state(3, 3, math.pi / 2, [0.1] * 3, [3], [0.0]).reshape(16, 16)
    values = np.linalg.eigvalsh(state / np.trace(state))[::-1]
    look = look_at(noisy, view, 0.0)
    np.testing.assert_allclose(look.spectrum, values[values > 1e-15], atol=1e-12)
    assert look.spectrum_note == "eigenvalues of ρ: 16 of 16"
    assert look_at(Question(n_atoms=10**9), view, 0.0).spectrum_note.startswith("Schmidt σ²: shown up to 3100 states")
    assert look_at(Question(n_ensembles=2, n_atoms=5), view, 0.0).outcome_note == "M = 2: nothing is measured"


@pytest.mark.parametrize(
    "question",
    [
        Question(n_atoms=12),
        Question("log_negativity", n_atoms=3, dephasing_rate=0.05, outcomes=2, phase_offset=0.1),
        Question("log_negativity", n_atoms=3, outcomes=2, resolution=0.7),
    ],
    ids=["plain", "dephased", "detector"],
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


@pytest.mark.parametrize(
    ("errors", "least", "most"),
    [([0.0, 0.0, 0.0], 1.0, 3.0), ([0.5, 0.2, 1.0], 0.5, 4.0), ([9.0, 0.0, math.inf], -1.0, 5.0)],
)
def test_the_axis_shows_errors_up_to_the_height_of_the_curve(errors, least, most):
    values = np.array([1.0, 2.0, 3.0, np.nan])
    low, high = height(Curve(np.arange(4.0), values, np.array([*errors, np.nan]), np.zeros(4), 1.0))
    assert least - 0.5 < low < least
    assert most < high < most + 1.0


def test_many_atoms_with_noise_are_the_library_s_with_its_error_and_exported_so(tmp_path, monkeypatch):
    question = asked(FIELDS | {"quantity": "log_negativity", "n_atoms": "1e5", "dephasing_rate": "0.05"})
    values, errors = values_at(question, np.array([0.0, 1e-5, 1.0]))
    found = jaxent.log_negativity_with_errors(jaxent.Chain(3, 10**5), 1.0, 0.05)
    assert (values[0], values[2]) == (0.0, found.value)
    assert np.isnan(values[1])  # almost pure
    assert np.isnan(errors[1])
    assert errors[2] == pytest.approx(found.error, abs=1e-9)
    view = View(fractions.Fraction(0), 1e-5, 1.0)
    shown = prepared(question, view, Curve(np.array([1e-5, 1.0]), values[1:], errors[1:], np.zeros(2), 1.0), {})
    assert shown.points["error"] == ["no state", f"{errors[2]:.1e} bits"]
    assert "1 of them without a value: the state is almost pure" in shown.summary
    assert f"Bloch bands, blocks at magic times, error about {errors[2]:.1e} bits" in shown.summary
    lines, count = re.subn(r"(?<=linspace\(1e-05, 1.0, )\d+", "2", python_lines(question, view))
    assert count == 1
    monkeypatch.chdir(tmp_path)
    exec(compile(lines, "curve.py", "exec"), {})
    np.testing.assert_allclose(np.loadtxt("curve.csv", delimiter=",")[:, 1], values[1:], atol=1e-15)


# ------------------------------------------------------------ what goes wrong, and who computes


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("Argument `x` must be 1,\nbut is 2."), "Argument `x` must be 1, but is 2."),
        (MemoryError(), "Not computed: it needs more memory than there is; use fewer atoms or a narrower window."),
        (
            RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes."),
            "Not computed: it needs more memory than there is; use fewer atoms or a narrower window.",
        ),
        (KeyError("x" * 1000), "Not computed, because of an error that the explorer does not know: KeyError "),
        (ValueError("v" * 10**6), "vvvv"),
    ],
    ids=["refusal", "memory", "memory of a device", "unknown", "long"],
)
def test_an_exception_is_one_sentence(error, said):
    text = sentence(error)
    assert text.startswith(said)
    assert "\n" not in text
    assert len(text) <= 500


class Immediately(Workers):
    """Workers that do at once what they are given, and the callbacks of the page after it."""

    def __init__(self, document: Document):
        super().__init__(0)
        self.document = document

    def add(self, owner, steps) -> None:
        for _ in steps:
            pass
        for callback in list(self.document.session_callbacks):
            self.document.remove_next_tick_callback(callback)
            callback.callback()


@pytest.fixture
def tab(monkeypatch):
    """A page without a browser, and what it shows: fields and status by name."""
    document = Document()
    first = Question(n_atoms=3)
    monkeypatch.setattr("jaxent.explorer.page.Question", lambda: first)
    monkeypatch.setattr(
        "jaxent.explorer.page.refined", lambda *asked: itertools.islice(refined(*asked), 1)
    )  # is enough
    page = Page(document, Immediately(document))
    named = {name: document.get_model_by_name(name) for name in ("n_atoms", "status", "curve", "dephasing_rate")}
    return page, named


def seen(named):
    plot = named["curve"]
    return plot.title.text, list(plot.renderers[2].data_source.data["x"]), plot.renderers[2].glyph.line_alpha


def test_what_is_drawn_arrives_before_the_title_that_names_it(tab):
    page, named = tab
    told = []
    drawn = {page._plot.figure: page._plot.curve, page._looks.spectrum: page._looks.levels}
    drawn[page._looks.outcome] = page._looks.bins

    def remember(event):
        told.append((getattr(event, "model", None), getattr(event, "attr", getattr(event, "column", None))))

    named["curve"].document.on_change(remember)
    named["n_atoms"].value = "4"
    page._looks.draw(look_at(Question(n_atoms=4), WHOLE, 1.0), "t = 1")
    for plot, source in drawn.items():
        titles = [k for k, (model, attr) in enumerate(told) if model is plot.title and attr == "text"]
        data = [k for k, (model, _) in enumerate(told) if model is source]
        assert titles
        assert data
        assert max(data) < max(titles)


@pytest.mark.parametrize("error", [MemoryError(), ValueError("No."), RuntimeError("broken"), KeyError("x")])
def test_a_computation_that_fails_leaves_a_sentence_and_no_curve(tab, monkeypatch, error):
    _, named = tab
    named["n_atoms"].value = "4"
    title, x, alpha = seen(named)
    assert (title, alpha) == ("M = 3, N = 4, q = N, φ = 0", 1.0)
    assert len(x) > 10

    def fail(*_):
        raise error
        yield

    monkeypatch.setattr("jaxent.explorer.page.refined", fail)
    named["n_atoms"].value = "5"
    assert seen(named)[:2] == (" ", [])
    assert "#B00020" in named["status"].text
    assert sentence(error) in html.unescape(named["status"].text)


def test_a_faulty_field_leaves_a_pale_curve_that_says_whose_it_is(tab):
    page, named = tab
    named["n_atoms"].value = "4"
    before = seen(named)
    named["n_atoms"].value = "four"
    assert seen(named) == (*before[:2], 0.25)
    page._look_over(View(fractions.Fraction(0), 0.5, 1.0))  # a zoom does not compute for a question that is not asked
    assert "N must be a whole number" in named["status"].text
    assert seen(named)[2] == 0.25
    named["n_atoms"].value = "6"
    title, x, alpha = seen(named)
    assert (title, min(x), max(x), alpha) == ("M = 3, N = 6, q = N, φ = 0", 0.5, 1.0, 1.0)


def test_an_error_stays_until_it_is_mended_and_its_frame_goes_with_it(tab):
    page, named = tab
    centre = page._document.get_model_by_name("centre")
    centre.value = "left"
    page._places._gone()
    named["n_atoms"].value = "4"  # a curve is computed after the error
    text = html.unescape(named["status"].text)
    assert "Centre must be a number or a multiple of π like pi/2, but is 'left'." in text
    assert " points; 5 of 5 Dicke states" in text
    assert centre.styles == FAULTY
    named["dephasing_rate"].value = "-1"
    assert named["status"].text.count("role='alert'") == 2
    assert named["dephasing_rate"].styles == FAULTY
    named["dephasing_rate"].value = "0"
    assert named["status"].text.count("role='alert'") == 1
    assert named["dephasing_rate"].styles == {}
    centre.value = "1"
    assert named["status"].text.count("role='alert'") == 0
    assert centre.styles == {}


def test_the_band_is_the_error_of_each_point():
    question = Question(n_atoms=12, window=2.0)
    curve = next(refined(question, WHOLE))
    boxes = band(curve)
    exact = np.array([exact_value(Question(n_atoms=12), t) for t in boxes["x"]])
    assert ((boxes["bottom"] <= exact) & (exact <= boxes["top"])).all()
    np.testing.assert_array_equal(boxes["top"], curve.value + curve.error)
    np.testing.assert_array_equal(boxes["right"][:-1], boxes["left"][1:])
    assert ((boxes["left"] <= curve.distance) & (curve.distance <= boxes["right"])).all()
    exact = next(refined(Question(n_atoms=12), WHOLE))
    assert len(band(exact)["top"]) == 0  # errors are too small to be seen
    gaps = next(refined(Question(n_atoms=6, outcomes=5), WHOLE))
    wide = dataclasses.replace(gaps, error=np.full(len(gaps.error), 0.1))
    assert len(band(wide)["top"]) == len(gaps.distance) - 2


def test_a_curve_has_a_band_few_points_have_bars_and_both_fade_with_it(tab):
    page, _ = tab
    plot, question = page._plot, Question(n_atoms=12, window=2.0)
    first, *_, last = refined(question, WHOLE)
    for curve, visible in ((last, (True, False)), (first, (False, True))):
        plot.draw(prepared(question, WHOLE, curve, {}))
        assert (plot._band.visible, plot._bars.visible) == visible
        assert plot._band.data_source.data["top"].max() == (curve.value + curve.error).max()
        (legend,) = [one for one in plot.figure.below if isinstance(one, Legend)]
        texts = {item.label.value: item.renderers for item in legend.items}
        assert list(texts) == ["shaded: the error" if curve is last else "bars: the error"]
        assert texts.popitem()[1] == [plot._band if curve is last else plot._bars]
    plot.fade()
    assert (plot._band.glyph.fill_alpha, plot._bars.glyph.line_alpha) == (0.05, 0.25)
    plot.see(View(QUARTER, -0.1, 0.1), WHOLE)
    np.testing.assert_allclose(plot.errors.data["left"][0], -math.pi / 2, atol=1e-15)
    plot.clear()
    assert len(plot.errors.data["x"]) == 0


def test_few_points_are_dots_and_many_a_line(tab):
    page, named = tab
    named["n_atoms"].value = "4"
    line, dots = named["curve"].renderers[2:4]
    assert len(line.data_source.data["x"]) < 100
    assert (line.visible, dots.visible) == (False, True)
    *_, curve = refined(Question(n_atoms=4), WHOLE)
    page._plot.draw(prepared(Question(n_atoms=4), WHOLE, curve, {}))
    assert len(line.data_source.data["x"]) > 1000
    assert (line.visible, dots.visible) == (True, False)


def test_the_narrowest_view_says_that_it_is(tab):
    page, named = tab
    for centre in ("pi/2", "1.23456789012345"):
        page._look_over(asked_view(centre, "1e-17"))
        assert page._view.width == pytest.approx(1e-15, rel=1e-6)
        assert "The view is 1e-15 wide, which is the narrowest there is." in named["status"].text
        page._look_over(asked_view(centre, "1e-14"))
        assert "narrowest" not in named["status"].text


def test_what_takes_long_tells_how_long_and_can_be_cancelled(tab, monkeypatch):
    page, named = tab
    cancel = page._document.get_model_by_name("cancel")
    jobs = []
    monkeypatch.setattr(page._workers, "add", lambda owner, steps: jobs.append(steps))
    page._fields.write(FIELDS | {"quantity": "log_negativity", "n_atoms": "60", "dephasing_rate": "0.01"})
    page._asked()
    assert re.search(r"computing …, about \d+ s left", named["status"].text)
    assert cancel.visible
    page._cancelled()
    assert "Cancelled at 0%." in named["status"].text
    assert not cancel.visible
    assert [list(job) for job in jobs] == [[], []]  # it computes nothing more, of the curve without noise neither
    monkeypatch.setattr("jaxent.explorer.page.refined", refined)
    page._fields.write(FIELDS | {"n_atoms": "4"})
    page._asked()
    next(jobs[-1])
    (callback,) = page._document.session_callbacks
    callback.callback()
    assert re.search(r"\d+ points; 5 of 5 .*; computing: \d+%", named["status"].text)
    page._cancelled()
    assert re.search(r"Cancelled at [1-9]\d*%: \d+ points; 5 of 5", named["status"].text)


def test_workers_share_their_steps_between_pages():
    done, gate, workers = [], threading.Event(), Workers(1)

    def steps(name, count):
        for index in range(count):
            gate.wait(30)
            done.append(name)
            yield index

    first, second = "first", "second"
    workers.add(first, steps("a", 6))
    workers.add(first, steps("b", 6))
    workers.add(second, steps("c", 3))
    gate.set()
    wait_until(workers.is_idle)
    assert sorted(done) == ["a"] * 6 + ["b"] * 6 + ["c"] * 3
    assert done.index("c") <= 3
    assert len(done) - done[::-1].index("c") <= 10  # the last of three steps, each among one of a and one of b


@pytest.mark.parametrize("opened", [True, False])
def test_while_a_page_opens_finer_curves_wait_for_its_first(opened):
    done, workers = [], Workers(1)

    def steps(name, count):
        for _ in range(count):
            time.sleep(0.01)
            done.append((name, time.monotonic()))
            yield

    workers.add("first", steps("a", 100))
    wait_until(lambda: len(done) > 2)
    start = time.monotonic()
    workers.pause(0.5)
    time.sleep(0.1)
    if opened:
        workers.add("second", steps("b", 3))
    wait_until(workers.is_idle)
    during = [(name, at - start) for name, at in done if at > start + 0.02]  # a step may be under way
    assert sum(name == "a" for name, _ in done) == 100
    if opened:
        assert during[0][0] == "b"
        assert during[1][1] < 0.4  # the pause has ended with it
    else:
        assert during[0][1] > 0.45


def test_at_most_so_many_steps_are_under_way_and_a_page_leaves_room_for_others():
    under_way, most, lock, workers = [], [], threading.Lock(), Workers(2)
    release = threading.Event()

    def steps(name):
        with lock:
            under_way.append(name)
            most.append(sorted(under_way))
        release.wait(30)
        with lock:
            under_way.remove(name)
        yield

    for owner in ("first", "first", "first", "second"):
        workers.add(owner, steps(owner))
        time.sleep(0.01)
    release.set()
    wait_until(workers.is_idle)
    assert max(len(names) for names in most) == 2
    assert len(most) == 4


def test_a_page_that_goes_takes_its_computations_with_it():
    started, release, done, workers = threading.Event(), threading.Event(), [], Workers(1)

    def steps(name):
        for _ in range(100):
            started.set()
            release.wait(30)
            done.append(name)
            yield

    def fail():
        raise MemoryError
        yield

    workers.add("gone", steps("gone"))
    workers.add("gone", steps("gone"))
    assert started.wait(30)
    workers.drop("gone")
    workers.add("here", fail())  # which ends no thread
    workers.add("here", steps("here"))
    release.set()
    wait_until(workers.is_idle)
    assert done == ["gone"] + ["here"] * 100


def wait_until(condition) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it does not end")


def test_a_zoom_is_one_step_back_and_places_are_one_each(tab):
    page, _ = tab
    entries = []
    page._history._written.on_change("data", lambda attr, old, new: entries.append(new["is_new"][0]))
    for half, is_zoom in ((0.2, True), (0.1, True), (0.05, True), (0.04, False), (0.03, False), (0.02, True)):
        page._look_over(View(QUARTER, -half, half), is_zoom)
    assert entries == [True, False, False, True, True, True]
