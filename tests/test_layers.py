"""The layers of the package: imports point up these lists only. Each room is a module, or a package of modules."""

import ast
import importlib.metadata
import re
from pathlib import Path

import pytest

import jaxent

LAYERS = [
    "units",
    "deprecation",
    "messages",
    "conversion",
    "runtime",
    "exact_times",
    "results",
    "times",
    "time_texts",
    "outcome_texts",
    "unit_texts",
    "numerics",
    "arguments",
    "measurement",
    "dicke",
    "spectral",
    "entanglement",
    "chain",
    "band",
    "protocol",
    "bloch",
    "noise",
    "phase_space",
    "spins",
    "outcomes",
    "interop",
    "analysis",
    "sweep",
    "plot",
    "paper",
    "explorer",
    "cli",
]
PACKAGES = {
    "runtime": ["programs", "code_generation", "interrupts", "default_device", "threads", "memory", "execution"],
    "numerics": ["algebra", "rounding", "angles", "diagonals", "binomials", "jacobi", "decompositions"],
    "entanglement": ["continuity", "states", "renyi", "measures"],
    "measurement": ["record", "kernel"],
    "band": ["phases", "thinning", "quadrature", "blocks", "factor", "plan", "engine", "batches"],
    "protocol": [
        "sizes",
        "matrix_product",
        "dense",
        "extended_precision",
        "dispatch",
        "ends",
        "window_error",
        "turn_fractions",
        "curve",
    ],
    "bloch": ["kernel", "symbol", "envelope", "long_chain", "torus", "plan", "engine"],
    "noise": [
        "pair_symmetry",
        "measured_ensemble",
        "jitter",
        "density_matrix",
        "coherence_sum",
        "dephasing",
        "atom_numbers",
        "modular",
        "residues",
        "log_negativity",
        "transpose_stencil",
        "stochastic",
        "master_equation",
    ],
    "phase_space": ["directions", "husimi", "wigner", "planar", "banded", "ends"],
    "spins": ["kernel", "moments", "linear_witnesses", "modular_witness", "teleportation"],
    "outcomes": ["sampling", "decoding", "averages"],
    "analysis": [
        "sensitivities",
        "magic_times",
        "entropy_samples",
        "extrema",
        "optimize",
        "experiment",
        "ebits",
        "ebit_rate",
        "covering",
    ],
    "sweep": [
        "devices",
        "owners",
        "files",
        "lock",
        "grid",
        "quantities",
        "validation",
        "spec",
        "toml_file",
        "plan",
        "evaluate",
        "tiles",
        "store",
        "check",
        "accessor",
        "dataset",
        "exports",
        "run",
    ],
    "plot": ["labels", "views", "sheet", "figures", "noise_figures", "laboratory_figures", "static", "html"],
    "paper": [
        "claims",
        "captions",
        "curve_features",
        "section_four",
        "claims_four",
        "large_n",
        "section_five",
        "claims_five",
        "macroscopic_noise",
        "single_atoms",
        "resolution",
        "atom_numbers",
        "modular_witness",
        "best_offsets",
        "pictures",
        "registry",
        "workers",
    ],
    "explorer": [
        "words",
        "question",
        "reading",
        "viewport",
        "address",
        "presets",
        "history",
        "values",
        "curve",
        "drawing",
        "companions",
        "point",
        "export",
        "fields",
        "places",
        "status",
        "ticks",
        "plots",
        "access",
        "workers",
        "picture",
        "page",
        "gate",
        "server",
    ],
    "cli": ["console", "errors", "search", "curve", "experiment", "grid", "main"],
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
    names = imported_names(FOLDER / package / f"{module}.py")
    inside = {name.split(".")[2] for name in names if name.startswith(f"jaxent.{package}.")}
    assert inside <= set(layers[: layers.index(module)])  # and none from the package's own __init__


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_matrices_are_decomposed_in_one_module(path):
    """Elsewhere a batch could be given to LAPACK, which can wait for ever: see `numerics.decompositions`."""
    if path == FOLDER / "numerics" / "decompositions.py":
        return
    names = {ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    found = {name for name in names if re.fullmatch(r"(jnp|jax|lax|jsp)\.(\w+\.)?linalg\.\w+", name)}
    assert found <= {"jnp.linalg.norm"}
    assert not [name for name in imported_names(path) if name.startswith("jax.") and "linalg" in name]


def test_public_names_are_sorted_and_exist():
    assert jaxent.__all__ == sorted(jaxent.__all__)
    assert [name for name in jaxent.__all__ if not hasattr(jaxent, name)] == []


def test_the_stub_lists_the_public_names():
    """`jaxent/__init__.pyi`, from which names are imported when they are first used."""
    tree = ast.parse((FOLDER / "__init__.pyi").read_text(encoding="utf-8"))
    imported = [name.name for node in tree.body if isinstance(node, ast.ImportFrom) for name in node.names]
    (listed,) = [ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)]
    assert sorted(imported) == listed == jaxent.__all__


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(
        AttributeError, match=r"^jaxent has no name end_to_end_entrop; did you mean end_to_end_entropy\?$"
    ):
        jaxent.end_to_end_entrop  # noqa: B018
    with pytest.raises(AttributeError, match=r"^jaxent has no name xyzzy; dir\(jaxent\) lists them all\.$"):
        jaxent.xyzzy  # noqa: B018
    assert not hasattr(jaxent, "__wrapped__")


def test_the_version_is_that_of_the_package():
    assert jaxent.__version__ == importlib.metadata.version("jaxent")
    assert (FOLDER / "py.typed").is_file()  # annotations are for users, too
