"""The command line and the tests compile without XLA's fusion emitters; processes of users do as they choose."""

import importlib.metadata
import os
import subprocess
import sys

import pytest

from jaxent.runtime.code_generation import prefer_quick_compilation

WITHOUT = "--xla_cpu_use_fusion_emitters=false"


@pytest.mark.parametrize(
    ("given", "version", "expected"),
    [
        (None, "0.7.0", WITHOUT),
        ("", "0.10.2", WITHOUT),
        ("--xla_dump_to=x", "0.12.0.1", f"--xla_dump_to=x {WITHOUT}"),
        (WITHOUT.replace("false", "true"), "0.10.2", WITHOUT.replace("false", "true")),
        ("--xla_dump_to=x", "0.6.9", "--xla_dump_to=x"),
        (None, "0.13.0", None),
        (None, "1.0.0.dev20270101", None),
    ],
)
def test_the_option_is_added_where_it_is_known_and_not_chosen(given, version, expected):
    environ = {} if given is None else {"XLA_FLAGS": given}
    assert prefer_quick_compilation(environ, version) == (expected != given)
    assert environ.get("XLA_FLAGS") == expected


def flags_after(code):
    """What XLA_FLAGS holds at the end of a new process, in which it is not set at first."""
    environ = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    code += "\nimport os\nprint(os.environ.get('XLA_FLAGS'))"
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_the_command_line_computes_with_the_option():
    command = ["jaxent", "entropy", "1.0", "-n", "6"]
    assert (
        flags_after(
            f"import contextlib, sys\nsys.argv = {command}\nfrom jaxent.__main__ import main\n"
            "with contextlib.suppress(SystemExit):\n    main()"
        )
        == WITHOUT
    )


def test_a_process_that_imports_jaxent_keeps_its_own():
    assert flags_after("import jaxent; jaxent.Chain(3, 4)") == "None"


def test_the_installed_version_is_the_default():
    installed, known = {}, {}
    prefer_quick_compilation(installed)
    prefer_quick_compilation(known, importlib.metadata.version("jaxlib"))
    assert installed == known
