"""The layers of the package: imports point up this list only, and no module grows beyond reading."""

import ast
from pathlib import Path

import pytest

import jaxent

LAYERS = [
    "messages",
    "conversion",
    "interrupts",
    "programs",
    "memory",
    "times",
    "algebra",
    "rounding",
    "console",
    "angles",
    "threads",
    "execution",
    "operators",
    "arguments",
    "binomials",
    "dicke",
    "jacobi",
    "decompositions",
    "spectral",
    "states",
    "renyi",
    "entanglement",
    "chain",
    "reduced",
    "product",
    "extended",
    "band",
    "routes",
    "swapping",
    "sampling",
    "decoding",
    "truncation",
    "rationals",
    "curves",
    "symmetry",
    "measured",
    "pairs",
    "coherence",
    "dephasing",
    "averages",
    "stochastic",
    "master",
    "interop",
    "derivatives",
    "magic",
    "samples",
    "extrema",
    "optimize",
    "sweep",
    "labels",
    "views",
    "claims",
    "section_four",
    "claims_four",
    "crevasse",
    "section_five",
    "claims_five",
    "offsets",
    "figures",
    "view_figures",
    "pages",
    "paper",
    "searches",
    "sweeps",
    "explorer",
    "usage",
    "cli",
]
PACKAGES = {
    "band": ["phases", "thinning", "quadrature", "blocks", "factor", "plan", "engine", "batches"],
    "sweep": [
        "devices",
        "owners",
        "files",
        "lock",
        "grid",
        "quantities",
        "canonical",
        "question",
        "reading",
        "plan",
        "evaluate",
        "tiles",
        "store",
        "check",
        "dataset",
        "exports",
        "run",
    ],
    "explorer": [
        "words",
        "question",
        "reading",
        "viewport",
        "values",
        "curve",
        "drawing",
        "point",
        "export",
        "fields",
        "plots",
        "workers",
        "page",
        "gate",
        "server",
    ],
}
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
    assert {path.parent.name for path in FOLDER.glob("*/__init__.py")} == set(PACKAGES)
    assert {path.stem for path in FOLDER.glob("*.py")} | set(PACKAGES) == {*LAYERS, "__init__", "__main__"}
    for package, layers in PACKAGES.items():
        assert {path.stem for path in (FOLDER / package).glob("*.py")} == {*layers, "__init__"}


@pytest.mark.parametrize("module", LAYERS)
def test_imports_point_up(module):
    is_package = (FOLDER / module).is_dir()
    below = set(LAYERS[LAYERS.index(module) + is_package :])
    assert [path.name for path in files_of(module) if imported_modules(path) & below] == []


@pytest.mark.parametrize(
    ("package", "module"), [(package, module) for package, layers in PACKAGES.items() for module in layers]
)
def test_imports_inside_a_package_point_up(package, module):
    layers = PACKAGES[package]
    below = {f"jaxent.{package}.{name}" for name in layers[layers.index(module) :]}
    assert imported_names(FOLDER / package / f"{module}.py") & (below | {f"jaxent.{package}"}) == set()


@pytest.mark.parametrize("module", LAYERS)
def test_modules_stay_short(module):
    lines = [path.read_text(encoding="utf-8").count("\n") for path in files_of(module)]
    assert min(lines) > 0
    assert max(lines) <= 400


def test_public_names_are_sorted_and_exist():
    assert jaxent.__all__ == sorted(jaxent.__all__)
    assert [name for name in jaxent.__all__ if not hasattr(jaxent, name)] == []


def test_the_stub_lists_the_public_names():
    """`jaxent/__init__.pyi`, from which names are imported when they are first used."""
    tree = ast.parse((FOLDER / "__init__.pyi").read_text(encoding="utf-8"))
    imported = [name.name for node in tree.body if isinstance(node, ast.ImportFrom) for name in node.names]
    (listed,) = [ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)]
    assert sorted(imported) == listed == jaxent.__all__
