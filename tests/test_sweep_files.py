"""Sweep files: what is wrong is told in one sentence with file and key, before anything starts."""

import json
import random

import pytest

import jaxent
from jaxent.cli import main

GOOD = 'quantities = ["entropy"]\nn_atoms = [3, 4]\ntime = { start = 0, stop = "pi", count = 5 }\n'
NOISY = 'quantities = ["log_negativity"]\nn_atoms = 3\ntime = [0.5]\n'

# text, the key (or part of the reason, where no key is to blame)
MALFORMED = [
    ("", "`quantities` is missing"),
    ("quantities = [", "must be TOML"),
    ("\x00", "must be TOML"),
    ("a = " + "[" * 2000, "sweep file must be TOML"),
    ('quantities = ["entropy"]\n', "`n_atoms` is missing"),
    ('quantities = ["entropy"]\nn_atoms = 3\n', "`time` is missing"),
    (GOOD + "n_atoms = 3\n", "must be TOML"),
    (GOOD + "tmie = 3\n", "`tmie` is not known; did you mean `time`?"),
    (GOOD + "[grid]\nn_atoms = 3\n", "`grid` is not known"),
    (GOOD + "format = 1\n", "`format` is not known"),
    (GOOD.replace('["entropy"]', "[]"), "`quantities` must be a list of names"),
    (GOOD.replace('["entropy"]', "3"), "`quantities` must be a list of names"),
    (GOOD.replace('["entropy"]', "[3]"), "`quantities` must be a list of names"),
    (GOOD.replace('"entropy"', '"entropie"'), "`quantities` must name quantities, but holds 'entropie'; did you mean"),
    (GOOD.replace('["entropy"]', '["entropy", "entropy"]'), "`quantities` must not hold a name twice"),
    (GOOD.replace('"entropy"', "\"__import__('os')\""), "`quantities` must name quantities"),
    (GOOD.replace('"entropy"', '"amplitudes"'), "`quantities` must not hold amplitudes with several values"),
    (GOOD.replace('"entropy"', '"log_negativity"'), "`dephasing_rate` must be given for log_negativity"),
    (GOOD.replace("[3, 4]", "0"), "`n_atoms` must be at least 1, but is 0"),
    (GOOD.replace("[3, 4]", "-5"), "`n_atoms` must be at least 1"),
    (GOOD.replace("[3, 4]", "3.5"), "`n_atoms` must be an integer, but is 3.5"),
    (GOOD.replace("[3, 4]", '"3"'), "`n_atoms` must be an integer, but is '3'"),
    (GOOD.replace("[3, 4]", "true"), "`n_atoms` must be an integer, but is True"),
    (GOOD.replace("[3, 4]", "[]"), "`n_atoms` must have at least one value"),
    (GOOD.replace("[3, 4]", "[3, 3]"), "`n_atoms` must not hold a value twice"),
    (GOOD.replace("[3, 4]", "[[3]]"), "`n_atoms` must be a flat list"),
    (GOOD.replace("[3, 4]", "{ start = 1, stop = 5, count = 5 }"), "`n_atoms` must be values, not a span"),
    (GOOD.replace("[3, 4]", "1979-05-27"), "`n_atoms` must be an integer"),
    (GOOD + "n_ensembles = 1\n", "`n_ensembles` must be at least 2"),
    (GOOD + "window = 0\n", "`window` must be a positive number"),
    (GOOD + "window = nan\n", "`window` must be a finite number, but is nan"),
    (GOOD + "window = 9\n", "`window` = 9.0 spans"),
    (GOOD + 'window = "wide"\n', "`window` must be a finite number, but is 'wide'"),
    (GOOD.replace("count = 5", "count = 1"), "`time` must have a `count` from 2"),
    (GOOD.replace("count = 5", "count = 1.5"), "`time` must be an integer"),
    (GOOD.replace(", count = 5", ""), "`time` must be a table of start, stop, count and perhaps spacing, but lacks"),
    (GOOD.replace("count = 5", "count = 5, step = 1"), "`time` must be a table of start, stop, count"),
    (GOOD.replace("count = 5", 'count = 5, spacing = "even"'), '`time` must have a `spacing` of "linear" or "log"'),
    (GOOD.replace("count = 5", 'count = 5, spacing = "log"'), "`time` must have ends above 0"),
    (GOOD.replace('"pi"', "0"), "`time` must have different ends"),
    (GOOD.replace('"pi"', '"soon"'), "`time` must be a number or a multiple of π like 2pi/3, but is 'soon'"),
    (GOOD.replace('"pi"', '"pi/0"'), "`time` must"),
    (GOOD.replace('"pi"', "inf"), "`time` must be a finite number, but is inf"),
    (GOOD.replace('"pi"', "1e9"), "`time` must be at most 1e+06"),
    (GOOD.replace('{ start = 0, stop = "pi", count = 5 }', '[1.0, "pi"]'), "`time` must hold either numbers or"),
    (GOOD.replace('{ start = 0, stop = "pi", count = 5 }', "{ magic_up_to = 1 }"), "`time` must have a `magic_up_to`"),
    (GOOD.replace('{ start = 0, stop = "pi", count = 5 }', '[0, "0pi", "pi"]'), "`time` must not hold a value twice"),
    (GOOD.replace('"pi"', "1" + "0" * 400), "`time` must be a finite number, but is an integer beyond"),
    (GOOD.replace('"pi"', f'"{10**20}pi"'), "0pi'; multiples have numerators up to 2^62 and denominators from 1"),
    (
        GOOD.replace('{ start = 0, stop = "pi", count = 5 }', "[[0.1, 0.2]]"),
        "`time` must be a flat list of values, but holds [0.1, 0.2]; a time for each bond is given by BondTimes, in a",
    ),
    (GOOD.replace('{ start = 0, stop = "pi", count = 5 }', "{ bonds = [0.1] }"), "`time` must hold 2 times, one for"),
    (GOOD + "phase_offset.bonds = [0.1, 0.2]\n", "`phase_offset` must be a table of start, stop, count and perhaps"),
    (GOOD + 'outcomes = ["N", "N-0"]\n', "`outcomes` must not hold a value twice"),
    (GOOD + "outcomes = 5\n", "`outcomes` must lie in 0…3 for n_atoms = 3, but holds 5"),
    (GOOD + 'outcomes = "N-9"\n', "`outcomes` must lie in 0…3"),
    (GOOD + 'outcomes = "M"\n', "`outcomes` must be integers, or texts"),
    (GOOD + f'outcomes = "N-{"9" * 5000}"\n', "`outcomes` must be integers, or texts"),
    (GOOD + "outcomes = 1.5\n", "`outcomes` must be an integer"),
    (GOOD + "outcomes = [[1, 2]]\n", "`outcomes` must hold lists of 1 values"),
    (GOOD + "outcomes = [1, [2]]\n", "`outcomes` must hold either numbers or lists"),
    (GOOD + 'phase_offset = "a"\n', "`phase_offset` must be a number or a multiple of π"),
    (GOOD + "phase_offset = [[0.1, 0.2]]\n", "`phase_offset` must hold lists of 1 values"),
    (GOOD + "dephasing_rate = 0.1\n", "`dephasing_rate` must not be given for entropy"),
    (GOOD + "tolerance = -1\n", "`tolerance` must be at least 0"),
    (GOOD + "alpha = [1, 2]\n", "`alpha` must be a finite number"),
    (GOOD + "n_samples = 1\n", "`n_samples` must be at least 2"),
    (GOOD + "seed = 0.5\n", "`seed` must be an integer"),
    (
        GOOD.replace("entropy", "sampled_outcomes").replace("[3, 4]", "3") + "n_ensembles = 2\n",
        "`n_ensembles` must be at least 3 for sampled_outcomes",
    ),
    (NOISY, "`dephasing_rate` must be given"),
    (NOISY + "dephasing_rate = -0.1\n", "`dephasing_rate` must be at least 0"),
    (NOISY + "dephasing_rate = [[0.1, 0.2]]\n", "`dephasing_rate` must hold lists of 3 values"),
    (NOISY.replace("0.5", "-0.5") + "dephasing_rate = 0.1\n", "`time` must be at least 0 for log_negativity"),
]


@pytest.fixture
def refused(tmp_path, capsys):
    """Run a sweep file that must be refused; gives the sentence on standard error."""

    def run(data: bytes):
        path = tmp_path / "grid.toml"
        path.write_bytes(data)
        with pytest.raises(SystemExit) as stopped:
            main.main(["sweep", str(path)])
        out, err = capsys.readouterr()
        assert stopped.value.code == 2
        assert out == ""
        assert err.startswith(f"jaxent: {path}: ")
        assert err.count("\n") == 1
        assert [one.name for one in tmp_path.iterdir()] == ["grid.toml"]  # nothing was started
        return err

    return run


@pytest.mark.parametrize(("text", "words"), MALFORMED)
def test_malformed_files_are_refused_in_one_sentence(refused, text, words):
    assert words in refused(text.encode())


def test_a_file_that_is_no_text_or_not_there_is_told(refused, tmp_path, capsys):
    assert "must be UTF-8 text, but has other bytes at 2" in refused(b"a \xff\xfe")
    with pytest.raises(SystemExit):
        main.main(["sweep", str(tmp_path / "none.toml")])
    assert "none.toml: the sweep file cannot be read: No such file" in capsys.readouterr().err


def test_what_is_repeated_is_short():
    for name, value in [
        ("n_atoms", "9" * 10**6),
        ("window", "x" * 10**6),
        ("quantities", [10**3000]),
        ("seed", 10**400),
    ]:
        with pytest.raises(jaxent.sweep.QuestionError) as refused:
            jaxent.Sweep(**({"quantities": "entropy", "n_atoms": 3, "time": 0.5, "phase_offset": "a"} | {name: value}))
        assert len(str(refused.value)) < 400


def test_every_change_of_a_good_file_is_understood_or_refused(tmp_path):
    """Bytes changed, dropped and doubled at random: never another error, and never a question that is not asked."""
    rng, outcomes = random.Random(11), {"read": 0, "refused": 0}
    good = (GOOD + 'outcomes = ["N", "N-1"]\nphase_offset = [0.0, 0.25]\ntolerance = 1e-8\n').encode()
    path = tmp_path / "grid.toml"
    for _ in range(400):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(data))
            data[at : at + rng.randrange(2)] = rng.choice([b"", b"9", b"-", b'"', b"[", b"x", b"\n", bytes([data[at]])])
        path.write_bytes(data)
        try:
            question = jaxent.read_sweep(path)
        except ValueError as error:
            outcomes["refused"] += 1
            sentence = str(error)
        else:
            sentence = f"{path}: understood"
            outcomes["read"] += 1
            json.dumps(question.question, allow_nan=False)
            assert question.n_points >= 1
        assert sentence.startswith(f"{path}: ")
        assert "\n" not in sentence
    assert min(outcomes.values()) > 20


def test_a_file_asks_what_the_object_asks(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(
        'quantities = "log_negativity"\nn_atoms = 3\nn_ensembles = [3, 4]\nwindow = "full"\noutcomes = ["N", "N-1"]\n'
        'time = { magic_up_to = 3 }\ndephasing_rate = { start = 1e-3, stop = 0.1, count = 3, spacing = "log" }\n'
    )
    same = jaxent.Sweep(
        ["log_negativity"],
        3,
        ["2pi/3", "pi"],
        n_ensembles=[3, 4],
        outcomes=["N", "N-1"],
        dephasing_rate=jaxent.Span(1e-3, 0.1, 3, "log"),
    )
    assert jaxent.read_sweep(path) == same
    assert same.axes == {"n_ensembles": 2, "outcomes": 2, "dephasing_rate": 3, "time": 2}
