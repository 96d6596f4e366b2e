"""The first second: what is imported before there is anything to compute."""

import subprocess
import sys

import pytest

HEAVY = {"jax", "jaxlib", "numpy", "scipy", "pandas", "xarray", "matplotlib", "bokeh", "diffrax", "optax", "h5py"}
COMMANDS = ["entropy", "negativity", "magic", "optimize", "sweep", "plot", "export", "devices", "reproduce"]


def run(code, *arguments):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def helped():
    """Each command's help, and which heavy packages have been imported after it."""
    code = f"""if True:
        import sys, jaxent.cli
        for words in {[[], *[[command] for command in COMMANDS]]}:
            try:
                jaxent.cli.main([*words, "--help"])
            except SystemExit as stopped:
                print("exit", *words, stopped.code, sorted({HEAVY} & set(sys.modules)))
        """
    done = run(code)
    assert done.stderr == ""
    return done.stdout


def test_help_imports_nothing_heavy(helped):
    lines = [line for line in helped.splitlines() if line.startswith("exit")]
    assert lines == ["exit 0 []", *[f"exit {command} 0 []" for command in COMMANDS]]


def test_help_names_every_command_and_its_arguments(helped):
    first = helped.split("exit 0")[0]
    assert [command for command in COMMANDS if command not in first] == []
    assert "Atoms per ensemble, N." in helped


def test_every_command_is_tried():
    from jaxent import cli

    assert sorted(COMMANDS) == sorted(name for name in cli.app if not name.startswith("-"))


def test_importing_the_package_imports_nothing_heavy():
    done = run(f"import sys, jaxent; print(sorted({HEAVY} & set(sys.modules)), jaxent.Chain(3, 5).dimension)")
    assert done.stdout == "[] 6\n"
