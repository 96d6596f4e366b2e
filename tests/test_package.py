"""The wheel and the source archive: built, installed into an environment of their own, and tried from there."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
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


# ------------------------------------------------------------------- packages of others


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_conda_recipe_wants_what_the_project_wants():
    text = (ROOT / "packaging" / "recipe.yaml").read_text(encoding="utf-8")
    run_part = text.partition("  run:\n")[2].partition("\ntests:")[0]
    wanted = dict(re.fullmatch(r"    - ([\w-]+) ?(.*)", line).groups() for line in run_part.splitlines() if line)
    assert wanted.pop("python") == ">=${{ python_min }}"
    assert wanted.pop("h5py") == ""  # an extra of h5netcdf
    wanted["matplotlib"] = wanted.pop("matplotlib-base")  # without Qt
    expected = dict(re.fullmatch(r"([\w-]+)(?:\[\w+\])?(>=[\d.]+)", one).groups() for one in project()["dependencies"])
    assert wanted == expected
    assert f'version: "{project()["version"]}"' in text
    assert f'python_min: "{project()["requires-python"].removeprefix(">=")}"' in text
    assert f"- jaxent = {project()['scripts']['jaxent']}" in text
    assert f"summary: {project()['description']}" in text


def test_the_dockerfile_installs_from_what_it_copies(tmp_path):
    text = (ROOT / "packaging" / "Dockerfile").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (.+)$", text, re.M):
        *sources, target = line.split()
        for name in sources:
            place = tmp_path / target.removeprefix("/")
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place.mkdir(exist_ok=True)
                shutil.copy(ROOT / name, place)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", tmp_path / "source", cwd=tmp_path)
    with zipfile.ZipFile(next((tmp_path / "source" / "dist").glob("*.whl"))) as wheel:
        assert "jaxent/explorer/frame.html" in wheel.namelist()
    assert set(re.findall(r"EXTRA=(\w+)", text)) <= set(project()["optional-dependencies"])
    version = tuple(map(int, re.search(r"^FROM python:([\d.]+)", text, re.M)[1].split(".")))
    assert version >= tuple(map(int, project()["requires-python"].removeprefix(">=").split(".")))
