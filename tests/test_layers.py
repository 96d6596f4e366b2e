"""The layers of the package: imports point up this list only, and no module grows beyond reading."""

import ast
from pathlib import Path

import pytest

import jaxent

LAYERS = [
    "times",
    "console",
    "arguments",
    "dicke",
    "spectral",
    "entanglement",
    "chain",
    "product",
    "band",
    "routes",
    "swapping",
    "sampling",
    "decoding",
    "truncation",
    "curves",
    "symmetry",
    "pairs",
    "dephasing",
    "averages",
    "stochastic",
    "master",
    "derivatives",
    "magic",
    "optimize",
    "sweep",
    "claims",
    "section_four",
    "crevasse",
    "section_five",
    "offsets",
    "figures",
    "paper",
    "searches",
    "cli",
]
BAND_LAYERS = ["phases", "quadrature", "factor", "plan", "engine", "batches"]
FOLDER = Path(jaxent.__file__).parent


def files_of(module: str) -> list[Path]:
    """The file of a module, or all files of a package."""
    return sorted((FOLDER / module).glob("*.py")) or [FOLDER / f"{module}.py"]


def imported_names(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found |= {module} | {f"{module}.{name.name}" for name in node.names}
    return found


def imported_modules(path: Path) -> set[str]:
    found = imported_names(path)
    return {name.split(".")[1] for name in found if name.startswith("jaxent.") and name.split(".")[1] in LAYERS}


def test_every_module_has_its_layer():
    packages = {path.parent.name for path in FOLDER.glob("*/__init__.py")}
    assert {path.stem for path in FOLDER.glob("*.py")} | packages == {*LAYERS, "__init__", "__main__"}
    assert {path.stem for path in FOLDER.glob("band/*.py")} == {*BAND_LAYERS, "__init__"}


@pytest.mark.parametrize("module", LAYERS)
def test_imports_point_up(module):
    is_package = (FOLDER / module).is_dir()
    below = set(LAYERS[LAYERS.index(module) + is_package :])
    assert [path.name for path in files_of(module) if imported_modules(path) & below] == []


@pytest.mark.parametrize("module", BAND_LAYERS)
def test_imports_inside_the_band_package_point_up(module):
    below = {f"jaxent.band.{name}" for name in BAND_LAYERS[BAND_LAYERS.index(module) :]}
    assert imported_names(FOLDER / "band" / f"{module}.py") & (below | {"jaxent.band"}) == set()


@pytest.mark.parametrize("module", LAYERS)
def test_modules_stay_short(module):
    lines = [path.read_text(encoding="utf-8").count("\n") for path in files_of(module)]
    assert min(lines) > 0
    assert max(lines) <= 400


def test_public_names_are_sorted_and_exist():
    assert jaxent.__all__ == sorted(jaxent.__all__)
    assert [name for name in jaxent.__all__ if not hasattr(jaxent, name)] == []
