"""Whatever is typed, a command answers: exit code 0, or one sentence and code 2."""

import contextlib
import io
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxent.cli import main

# what a command is given; small enough that a valid line takes well under a second once it is compiled
NUMBERS = [
    "1",
    "0.5",
    "-1",
    "0",
    "nan",
    "inf",
    "1e400",
    "1e-320",
    "9" * 30,
    "1_0",
    "1__0",
    "١",
    "",
    " ",
    "--",
    "-",
    "a\tb",
]
TIMES = ["pi/2", "2pi/3", "π", "-pi/3", "pi/0", "pi/", "pi/99999999999", "1e6", "1e7", ".pi", "*pi", "9" * 101]
SIZES = ["1", "2", "3", "4", "1e1", "-5", "1e30", "1e99", "1.5", "N", "3,4"]
WORDS = st.sampled_from([*NUMBERS, *TIMES, *SIZES, "full", "None", "true", "{}", "\u2028", "é" * 200]) | st.text(
    max_size=9
)
OPTIONS = [
    "--window",
    "--tolerance",
    "--outcomes",
    "--phase-offset",
    "--json",
    "-g",
    "--collective-rate",
    "--max-levels",
]
OPTIONS += ["--find", "--wndow", "--help", "--n-atoms", "-m"]


@st.composite
def command_lines(draw):
    """A command with a time and sizes, most of them right, and options that are right or not."""
    command = draw(st.sampled_from(["entropy", "negativity", "magic", "entropy", "negativity", "entrpy", ""]))
    line = [command] if command else []
    if command != "magic":
        line.append(draw(st.sampled_from(["1", "pi/2"]) | WORDS))
    line += ["-n", draw(st.sampled_from(["2", "3"]) | st.sampled_from(SIZES))]
    for option in draw(st.lists(st.sampled_from(OPTIONS), max_size=3)):
        line.append(option)
        line += draw(st.lists(WORDS, max_size=2))
    return line


def answer(words):
    """Exit code, standard output and standard error of a command run in this process, and its seconds."""
    out, err, start = io.StringIO(), io.StringIO(), time.perf_counter()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main.main(words)
            code = 0
        except SystemExit as stopped:
            code = stopped.code or 0
    return code, out.getvalue(), err.getvalue(), time.perf_counter() - start


def check(words):
    code, out, err, seconds = answer(words)
    assert code in (0, 2), (words, err)
    if code == 2:
        assert out == "", words
        assert err.startswith("jaxent: "), (words, err)
        assert err.endswith("\n"), (words, err)
        assert err.count("\n") == 1, (words, err)
        assert len(err) <= 450, (words, err)
    assert seconds < 60, words


@pytest.mark.thorough
@settings(max_examples=300, derandomize=False, deadline=None, suppress_health_check=list(HealthCheck))
@given(command_lines())
def test_three_hundred_command_lines_are_answered(words):
    check(words)


@settings(max_examples=25, deadline=None)
@given(command_lines().filter(lambda words: "2" not in words[:4] and "3" not in words[:4]))
def test_command_lines_are_answered(words):
    check(words)


LONG = {"digits": "9" * 20000, "letters": "x" * 10**5, "blanks": " " * 1000, "digits and pi": "1" * 20000 + "p"}


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize(
    "line",
    """entropy @ -n 5
    entropy --time=@ -n 5
    entropy 1 -n @
    entropy 1 -n 5 --outcomes @
    entropy 1 -n 5 --window @
    entropy 1 -n 5 --phase-offset @
    entropy 1 @ -n 5
    entropy 1 -n 5 --@ 3
    entropy 1 -n 5 --json=@
    @
    -@
    negativity 1 -n 5 -g @
    curve -n 5 --stop @
    curve -n 5 --out @
    reproduce --figure @
    optimize 1 -n 5 --objective @
    units -n 5 --coupling @
    units -n 5 --coupling 2Hz --t2=@
    magic -n @""".splitlines(),
)
def test_long_words_are_answered_at_once_in_a_short_sentence(line, kind):
    words = [word.replace("@", LONG[kind]) for word in line.strip().split(" ")]
    code, out, err, seconds = answer(words)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert len(err) <= 410
    assert seconds < 5.0  # 27 s and more where a number is read by a pattern that starts anew at each digit
