"""The pages and the README: their examples run and print what is shown, and everything they name exists."""

import ast
import contextlib
import functools
import importlib
import importlib.util
import inspect
import io
import json
import os
import re
import shlex
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.testing.compare import compare_images

import jaxent
from jaxent.cli.main import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("how-to/*.md"))]
MODULES = ["dicke", "chain", "band", "spectral", "sweep"]  # with public names of their own
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$(?:\s*^```text\n(?P<shown>.*?)^```$)?", re.DOTALL | re.M)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.(?P<decimals>\d*))?(?:e(?P<exponent>[+-]?\d+))?")
_ANOTHER_FONT = 5.0  # root mean square of pixel values
SWEEPS = {"README.md": [2000], "tutorial.md": [402], "sweeps.md": [8, 3]}  # points of each


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """Code of a page in one language, each with the output that is shown right below."""
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [(one["code"], one["shown"] or "") for one in found if one["language"] == language]


def pages_with(language: str) -> list:
    return [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES if blocks(page, language)]


# ----------------------------------------------------------------------------- examples


def same(printed: str, shown: str) -> bool:
    """Equal words, and numbers equal to the last digit shown, or to 1e-7 where that is coarser."""
    if NUMBER.sub("#", printed).split() != NUMBER.sub("#", shown).split():
        return False
    for one, other in zip(NUMBER.finditer(printed), NUMBER.finditer(shown), strict=True):
        value, expected, decimals = float(one[0]), float(other[0]), other["decimals"]
        written = decimals is not None or other["exponent"] is not None  # integers are equal or not
        last_digit = 10.0 ** (int(other["exponent"] or 0) - len(decimals or ""))
        if not abs(value - expected) <= written * max(1.01 * last_digit, 1e-7 * abs(expected)):
            return False
    return True


def test_outputs_are_told_apart():
    assert same("E = 1.58496251 bits, 4e-09 off", "E =  1.58500000 bits,\n5e-09 off") is False
    assert same("E = 1.5850 bits, 4e-09 off", "E =  1.5849 bits,\n5e-09 off")
    assert same("[1.5849624587375466]", "[1.5849624587375121]")
    assert not same("E = 1.5852 bits", "E = 1.5850 bits")
    assert not same("1.0 bits", "1.0 ebits")
    assert not same("4 dips", "5 dips")
    assert not same("2.1e-09", "2.1e-08")
    assert not same("-1.0", "1.0")
    assert not same("1.0", "1.0 1.0")


@pytest.mark.timeout(900)  # a page of many examples, on a busy machine
@pytest.mark.usefixtures("quick_compilation")
@pytest.mark.parametrize("page", pages_with("python"))
def test_examples_print_what_is_shown(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text, _ in blocks(page, "toml"):
        (tmp_path / file_name(text)).write_text(text, encoding="utf-8")
    programs, namespace = blocks(page, "python"), {}
    assert 'jax.config.update("jax_enable_x64", True)' in programs[0][0]  # these tests have it on already
    for program, shown in programs:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(program, page.name, "exec"), namespace)
        assert same(printed.getvalue(), shown), f"{program}\nprints\n{printed.getvalue()}\nbut it says\n{shown}"
    for picture in re.findall(r"!\[[^]]+\]\((\w+\.png)\)", page.read_text(encoding="utf-8")):
        if (tmp_path / picture).exists():  # the example above it draws it
            differs = compare_images(str(page.parent / picture), str(tmp_path / picture), tol=_ANOTHER_FONT)
            assert differs is None, differs
    plt.close("all")


def file_name(text: str) -> str:
    """The name that the first line of a sweep gives it."""
    named = re.match(r"# (\w+\.toml)\n", text)
    return named[1] if named else "grid.toml"


@pytest.mark.parametrize("page", pages_with("toml"))
def test_sweeps_can_be_asked(page, tmp_path):
    points = []
    for text, _ in blocks(page, "toml"):
        (tmp_path / "grid.toml").write_text(text, encoding="utf-8")
        points.append(jaxent.read_sweep(tmp_path / "grid.toml").n_points)
    assert points == SWEEPS[page.name]


def parsed(command: str):
    """The function that a command line would call."""
    words = shlex.split(command, comments=True)
    return app.parse_args(words[words.index("jaxent") + 1 :], exit_on_error=False, print_error=False)[0]


@pytest.mark.parametrize("page", pages_with("sh"))
def test_commands_are_understood(page):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for line in "".join(code for code, _ in blocks(page, "sh")).splitlines():
        if line.startswith("make "):
            assert line.split()[1] in targets
        elif line.startswith("pip install"):
            extras = re.findall(r"\[(\w+)\]", line)
            assert all(f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text(encoding="utf-8") for extra in extras)
        elif line.startswith("python3 -m "):
            assert importlib.util.find_spec(line.split()[2]), line
        else:
            assert callable(parsed(line.split(" | ")[0])), line


def test_commands_that_are_none_are_not_understood():
    assert parsed("srun jaxent sweep grid.toml --distributed").__name__ == "sweep"
    for wrong in ("jaxent entropie 1.0 -n 5", "jaxent entropy 1.0 -n 5 --windows 3", "jaxent entropy 1.0 -n 2.5"):
        with pytest.raises(Exception, match=r"(?i)unknown|unused|whole number"):
            parsed(wrong)


# ------------------------------------------------------------- names, links, equations


def exists(name: str) -> bool:
    """Whether a name, as one writes it after `import jaxent`, can be reached."""
    for module in MODULES:
        importlib.import_module(f"jaxent.{module}")
    try:
        functools.reduce(getattr, name.removeprefix("jaxent.").split("."), jaxent)
    except AttributeError:
        return False
    return True


@functools.cache
def names_of_tests(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def equations() -> dict[int, str]:
    """Sections of the page of equations by their numbers, in its order."""
    _, *parts = re.split(r"^### ", (DOCS / "equations.md").read_text(encoding="utf-8"), flags=re.M)
    numbers = [re.match(r"\((\d+)\) \S", part) for part in parts]
    assert all(numbers)
    assert len({number[1] for number in numbers}) == len(numbers)
    return {int(number[1]): part.split("\n## ")[0] for number, part in zip(numbers, parts, strict=True)}


def test_every_equation_of_the_paper_has_its_place():
    assert list(equations()) == list(range(1, 34))


@pytest.mark.parametrize("number", range(1, 34))
def test_an_equation_names_functions_and_tests_that_exist(number):
    section = equations()[number]
    assert len(re.findall(r"^\$\$\n.+\n\$\$$", section, re.M)) == 1
    computed, checked = re.search(
        r"\nComputed by\n: (.*)\n\nChecked by\n: (.*?)\n(?:\n|$)", section, re.DOTALL
    ).groups()
    functions = re.findall(r"`([^`]+)`", computed)
    assert [name for name in functions if not exists(name)] == []
    assert functions or computed.startswith("not computed")
    named = [re.fullmatch(r"`(\w+\.py)::(\w+)`", one) for one in re.split(r",\s+", checked)]
    assert all(named)
    assert [one[2] for one in named if one[2] not in names_of_tests(one[1])] == []


def own_names() -> list[str]:
    """Names of jaxent itself that are no modules."""
    return [name for name in jaxent.__all__ if not inspect.ismodule(getattr(jaxent, name))]


def public_names() -> list[str]:
    """All public names in full: of jaxent, and of the modules that are documented beside it."""
    names = [f"jaxent.{name}" for name in own_names()]
    for short in MODULES:
        module = importlib.import_module(f"jaxent.{short}")
        names += [f"jaxent.{short}.{name}" for name in module.__all__ if name not in jaxent.__all__]
    return names


def test_every_public_name_is_in_the_reference_once():
    found = []
    for page in sorted((DOCS / "reference").glob("*.rst")):
        module = "jaxent"
        for directive, name in re.findall(r"^\.\. ([\w:]+):: (\S+)", page.read_text(encoding="utf-8"), re.M):
            if directive in ("currentmodule", "automodule"):
                module = name
            elif directive in ("autoclass", "autoexception", "autofunction", "autodata", "py:data"):
                found.append(name if name.startswith("jaxent.") else f"{module}.{name}")
    assert sorted(found) == sorted(public_names())


def test_every_public_function_has_an_example():
    """That it runs and prints what it says is a test of its own (--doctest-modules)."""
    functions = [name for name in own_names() if inspect.isfunction(inspect.unwrap(getattr(jaxent, name)))]
    assert len(functions) > 70
    shown = {name: (getattr(jaxent, name).__doc__ or "").partition(">>> ")[2] for name in functions}
    assert [name for name, text in shown.items() if f"jaxent.{name}" not in text] == []


def test_the_overview_of_the_reference_has_every_name_of_jaxent():
    overview = (DOCS / "reference" / "index.rst").read_text(encoding="utf-8")
    listed = [name for table in re.findall(r":nosignatures:\n\n((?:   \w+\n)+)", overview) for name in table.split()]
    assert sorted(listed) == own_names()


def test_every_quantity_of_a_sweep_is_in_the_reference():
    text = (DOCS / "reference" / "sweeps.rst").read_text(encoding="utf-8")
    assert re.findall(r'^ +\* - ``"(\w+)"``$', text, re.M) == list(jaxent.sweep.QUANTITIES)


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES])
def test_files_that_are_linked_exist(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith("http")]
    assert [link for link in local if not (page.parent / link).exists()] == []


# ------------------------------------------------------------------------ built pages


@pytest.fixture(scope="module")
def check_links():
    """The script that `make docs` ends with."""
    description = importlib.util.spec_from_file_location("check_links", DOCS / "check_links.py")
    module = importlib.util.module_from_spec(description)
    description.loader.exec_module(module)
    return module


def test_broken_links_of_built_pages_are_found(check_links, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "other.html").write_text('<h1 id="there">x</h1><a href="../index.html#here">y</a>')
    (tmp_path / "style.css").write_text(
        "@font-face { src: url('https://fonts.example/a.woff2') } a { b: url(gone.png) }"
    )
    good = """<a id="here" href="#here">a</a> <a href="deep/other.html#there">b</a> <a href="https://arxiv.org/">c</a>
    <link rel="stylesheet" href="style.css?v=1"> <img src="data:image/png;base64,AA">
    <link rel="next" href="deep/other.html">"""
    bad = """<a href="#nowhere">d</a> <a href="deep/other.html#here">e</a> <a href="missing.html">f</a>
    <script src="https://cdn.example/a.js"></script> <p style="background: url(//cdn.example/b.png)">g</p>"""
    (tmp_path / "index.html").write_text(good + bad)
    assert check_links.broken(tmp_path) == [
        "index.html: #nowhere leads to no anchor",
        "index.html: deep/other.html#here leads to no anchor",
        "index.html: missing.html leads to no file",
        "index.html: https://cdn.example/a.js is loaded from a network",
        "index.html: //cdn.example/b.png is loaded from a network",
        "style.css: https://fonts.example/a.woff2 is loaded from a network",
        "style.css: gone.png leads to no file",
    ]


def test_docstrings_become_markup(monkeypatch):
    monkeypatch.syspath_prepend(os.fspath(DOCS / "_extensions"))
    as_markup = importlib.import_module("docstrings").as_markup
    text = """States |k⟩ of `x_basis`, S_- and (D,)*M.

    dρ/dt = -i[H, ρ]

>>> 2 * 3_0
60

Args:
    time: t, as `end_to_end_entropy`.
    numerator: p.

Returns:
    PiFraction: exact.

References:
    C. Loader (2000)."""
    expected = """States \\|k⟩ of ``x_basis``, S\\_- and (D,)\\*M.

.. code-block:: text

    dρ/dt = -i[H, ρ]

>>> 2 * 3_0
60

Args:
    time: t, as ``end_to_end_entropy``.
    numerator: \\p.

Returns:
    ``PiFraction``: exact.

References:
    \\C. Loader (2000)."""
    assert as_markup(text.splitlines()) == expected.splitlines()


def benchmark(name: str) -> dict:
    return json.loads((ROOT / "benchmarks" / f"{name}.json").read_text(encoding="utf-8"))


def test_the_performance_page_quotes_the_benchmarks():
    """Two digits of each figure, in the order of the cells of its row."""
    first, large, noisy = benchmark("first_number"), benchmark("large_n"), benchmark("macroscopic_noise")
    engine = {row["n_atoms"]: row for row in large["rows"]}
    dense = {row["n_atoms"]: row["seconds"] for row in benchmark("dephasing")["alone"]}
    bands = {row["n_atoms"]: row["seconds"] for row in noisy["at_any_size"] if row["time"] == 1.0}
    cases = ["import_jax", "entropy", "next_size", "grid", "log_negativity", "optimum"]
    expected = [[first[f"{case}_seconds"][f"{kind}_seconds"] for kind in ("cold", "warm")] for case in cases]
    expected.append([engine[10**n]["engine_seconds_per_time"] for n in (4, 6, 8, 10)])
    expected.append([engine[10**n]["dense_seconds_per_time"] for n in (4, 6)])
    expected += [[dense[n] for n in (30, 100, 300, 1000)], [bands[10**6], bands[10**10]]]
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.split("|")[2:-1]] for line in text.splitlines() if re.match(r"\| [a-z`]", line)
    ]
    shown = [[float(cell) for cell in row if re.fullmatch(r"[\d.]+", cell)] for row in rows]
    assert [row for row in shown if row] == [[float(f"{value:.2g}") for value in row] for row in expected]
