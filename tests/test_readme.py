"""The README's example runs and prints what the README says."""

import re
import subprocess
import sys
from pathlib import Path

import jaxent

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_example_prints_what_is_shown():
    example, shown = re.search(r"```python\n(.*?)```\s+```text\n(.*?)```", README, re.DOTALL).groups()
    run = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True, timeout=120)
    printed = [float(number) for number in re.findall(r"-?\d+\.\d+", run.stdout)]
    expected = [float(number) for number in re.findall(r"-?\d+\.\d+", shown)]
    assert len(printed) == len(expected) == 8
    assert all(abs(a - b) <= 1e-7 for a, b in zip(printed, expected, strict=True))


def test_the_grid_is_one_that_can_be_asked(tmp_path):
    (tmp_path / "grid.toml").write_text(re.search(r"```toml\n(.*?)```", README, re.DOTALL)[1], encoding="utf-8")
    assert jaxent.read_sweep(tmp_path / "grid.toml").n_points == 2000


def test_files_that_are_linked_exist():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert len(links) >= 3
    assert [link for link in links if not (Path(__file__).parents[1] / link).exists()] == []
