"""The wheel and the source archive: built, installed into an environment of their own, and tried from there."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOME_TESTS = ["tests/test_layers.py", "tests/test_start.py", "tests/test_pair_symmetry.py"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the folders of an environment are called otherwise")


def run(*command, cwd):
    """What a command prints; its whole output where it fails."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # not this tree, but the wheel
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=250, cwd=cwd, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The wheel and the source archive, without the network: what builds them is installed already."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


@pytest.fixture(scope="module")
def installed(archives, tmp_path_factory):
    """The folder of an environment with the wheel; what it depends on is borrowed from the one that tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", archives[0], cwd=folder)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n")  # searched after what is installed here
    return folder


@pytest.fixture(scope="module")
def unpacked(archives, tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(archives[1]) as archive:
        archive.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    return top


def test_the_wheel_holds_the_package_alone(archives):
    names = zipfile.ZipFile(archives[0]).namelist()
    (information,) = {name.split("/")[0] for name in names} - {"jaxent"}
    assert information.endswith(".dist-info")
    files = [path for path in (ROOT / "jaxent").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    sources = {str(path.relative_to(ROOT)) for path in files}
    assert {name for name in names if name.startswith("jaxent/")} == sources
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_source_archive_holds_what_the_readme_speaks_of(unpacked):
    assert (unpacked / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()
    for folder in ("jaxent", "tests", "docs", "benchmarks", "notebooks"):
        assert any((unpacked / folder).iterdir())
    assert not list(unpacked.rglob("__pycache__"))


def test_the_installed_command_runs_anywhere(installed, tmp_path):
    where = run(installed / "bin" / "python", "-c", "import jaxent; print(jaxent.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed)
    command = installed / "bin" / "jaxent"
    assert run(command, "--version", cwd=tmp_path).strip() in (ROOT / "pyproject.toml").read_text()
    found = json.loads(run(command, "entropy", "pi/2", "-n", "20", "--json", cwd=tmp_path))
    assert found["entropy_bits"] == pytest.approx(2.0, abs=1e-4)


def test_the_tests_of_the_source_archive_pass_against_the_installed_wheel(installed, unpacked, tmp_path):
    shutil.copytree(unpacked, tmp_path / "source", ignore=shutil.ignore_patterns("jaxent"))
    python = installed / "bin" / "python"
    out = run(python, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *SOME_TESTS, cwd=tmp_path / "source")
    assert "passed" in out
