"""The first second: what is imported before there is anything to compute."""

import subprocess
import sys

import pytest

HEAVY = {"jax", "jaxlib", "numpy", "scipy", "pandas", "xarray", "matplotlib", "bokeh", "diffrax", "optax", "h5py"}
COMMANDS = ["entropy", "negativity", "magic", "curve", "optimize", "sweep", "plot", "export", "explore", "devices"]
COMMANDS += ["reproduce", "check", "units"]


def run(code, *arguments):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def helped():
    """Each command's help, and which heavy packages have been imported after it."""
    code = f"""if True:
        import sys, jaxent.cli.main
        for words in {[[], *[[command] for command in COMMANDS]]}:
            try:
                jaxent.cli.main.main([*words, "--help"])
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
    from jaxent.cli import main

    assert sorted(COMMANDS) == sorted(name for name in main.app if not name.startswith("-"))


def test_importing_the_package_imports_nothing_heavy():
    done = run(f"import sys, jaxent; print(sorted({HEAVY} & set(sys.modules)), jaxent.Chain(3, 5).dimension)")
    assert done.stdout == "[] 6\n"


@pytest.fixture
def tab(tmp_path, monkeypatch):
    """Install completion for bash in a home of its own; gives what the Tab key completes words to."""
    from jaxent.cli import main

    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SystemExit) as stopped:
        main.main(["--install-completion", "--shell", "bash"])
    assert not stopped.value.code
    code = """
        source "$HOME/.bashrc"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        $(complete -p jaxent | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        printf '%s\\n' "${COMPREPLY[@]}"
    """

    def press(*words):
        done = subprocess.run(["bash", "-c", code, "bash", *words], capture_output=True, text=True, timeout=60)
        assert done.stderr == ""
        return done.stdout.split()

    return press


@pytest.mark.skipif(sys.platform == "win32", reason="there is no bash")
def test_tab_completes_commands_options_and_choices_in_bash(tab):
    assert tab("jaxent", "ent") == ["entropy"]
    assert {"--n-atoms", "--n-ensembles"} == set(tab("jaxent", "entropy", "--n-"))
    assert "average_entropy" in tab("jaxent", "optimize", "pi", "--objective", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_know_every_command(shell):
    from jaxent.cli import main

    script = main.app.generate_completion(shell=shell)
    assert [command for command in COMMANDS if command not in script] == []
    assert "n-atoms" in script
