"""What `make benchmarks-compare` says of results that changed."""

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "benchmarks" / "compare.py"


@pytest.fixture
def compare():
    spec = importlib.util.spec_from_file_location("compare", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def results(first: float, second: float) -> dict:
    rows = [{"n_atoms": 10, "jaxent_seconds": first, "ratio": 3.0}, {"n_atoms": 20, "jaxent_seconds": second}]
    return {"about": {"device": "CPU", "processors": 2}, "rows": rows}


def test_what_grew_by_more_than_a_twentieth_is_named(compare):
    found = list(compare.slower(results(1.0, 2.0), results(1.04, 2.2)))
    assert found == [("rows[20].jaxent_seconds", 2.0, 2.2)]
    assert list(compare.slower(results(1.0, 2.0), results(0.5, 1.0))) == []
    assert list(compare.slower(results(1e-6, 2.0), results(2e-6, 2.0))) == []  # below what a clock tells


def test_rows_are_compared_by_what_they_are_about(compare):
    swapped = results(1.0, 2.0)
    swapped["rows"].reverse()
    assert list(compare.slower(results(1.0, 2.0), swapped)) == []


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (results(1.3, 2.0), "rows[10].jaxent_seconds"),
        (results(1.0, 2.0) | {"about": {"device": "GPU", "processors": 2}}, "another machine"),
        (results(0.9, 2.0), "nothing of jaxent's got slower"),
    ],
)
def test_results_are_held_against_those_of_a_commit(compare, tmp_path, monkeypatch, capsys, now, words):
    run = lambda *words: subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)  # noqa: E731
    run("init", "--quiet")
    (tmp_path / "entropy.json").write_text(json.dumps(results(1.0, 2.0)))
    run("add", ".")
    run("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "results")
    (tmp_path / "entropy.json").write_text(json.dumps(now))
    monkeypatch.setattr(compare, "FOLDER", tmp_path)
    monkeypatch.setattr("sys.argv", ["compare.py"])
    assert compare.main() == (words.startswith("rows"))
    assert words in capsys.readouterr().out
