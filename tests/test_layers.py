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
    "swapping",
    "sampling",
    "decoding",
    "truncation",
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
    "section_five",
    "offsets",
    "figures",
    "paper",
    "searches",
    "cli",
]
FOLDER = Path(jaxent.__file__).parent


def imported_modules(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found |= {module} | {f"{module}.{name.name}" for name in node.names}
    return {name.split(".")[1] for name in found if name.startswith("jaxent.") and name.split(".")[1] in LAYERS}


def test_every_module_has_its_layer():
    assert {path.stem for path in FOLDER.glob("*.py")} == {*LAYERS, "__init__", "__main__"}


@pytest.mark.parametrize("module", LAYERS)
def test_imports_point_up(module):
    below = set(LAYERS[LAYERS.index(module) :])
    assert imported_modules(FOLDER / f"{module}.py") & below == set()


@pytest.mark.parametrize("module", LAYERS)
def test_modules_stay_short(module):
    lines = (FOLDER / f"{module}.py").read_text(encoding="utf-8").count("\n")
    assert 0 < lines <= 400


def test_public_names_are_sorted_and_exist():
    assert jaxent.__all__ == sorted(jaxent.__all__)
    assert [name for name in jaxent.__all__ if not hasattr(jaxent, name)] == []
