"""The command line: right numbers, one sentence for each error, nothing half-written."""

import json
import math
import os
import subprocess
import sys

import matplotlib.image
import numpy as np
import oracles
import pytest
import xarray as xr

import jaxent
from jaxent.cli import console, errors, main


def test_entropy_of_a_point_agrees_with_brute_force(jaxent_command):
    code, out, _ = jaxent_command(
        "entropy", "0.7", "-n", "5", "-m", "4", "--outcomes", "4", "2", "--phase-offset", "0.2", "-0.1", "--json"
    )
    assert code == 0
    result = json.loads(out)
    amplitudes = oracles.end_to_end(4, 5, 0.7, (4, 2), (0.2, -0.1))
    assert result["entropy_bits"] == pytest.approx(oracles.entropy_bits(amplitudes), abs=1e-11)
    assert 10 ** result["log10_probability"] == pytest.approx(oracles.probability(amplitudes), rel=1e-11)


@pytest.mark.parametrize(
    ("text", "value"),
    [("pi/2", 2.0), ("2pi/3", 1.58496), ("π", 1.0), ("0.5pi", 2.0), ("--time=-2*pi/3", 1.58496), ("−2π/3", 1.58496)],
)
def test_times_may_be_exact_multiples_of_pi(jaxent_command, text, value):
    code, out, _ = jaxent_command("entropy", text, "-n", "100", "--window", "6", "--json")
    assert code == 0
    assert json.loads(out)["entropy_bits"] == pytest.approx(value, abs=1e-4)


def test_a_tolerance_chooses_a_window_with_a_proven_error(jaxent_command):
    code, out, _ = jaxent_command("entropy", "1.0", "-n", "400", "--tolerance", "1e-6")
    assert code == 0
    assert "proven bound" in out
    assert "of 401" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["entropy", "1", "-n", "0"], "`n_atoms` must be an integer of at least 1, but is 0"),
        (["entropy", "1", "-n", "5", "-m", "1"], "`n_ensembles` must be an integer of at least 2, but is 1"),
        (["entropy", "1", "-n", "100", "--window", "0"], "`window` must be a positive number"),
        (["entropy", "1", "-n", "9", "--window", "9"], "`window` = 9.0 spans"),
        (["entropy", "nan", "-n", "5"], "`time` must be finite, but holds nan"),
        (["entropy", "soon", "-n", "5"], "`time` must be a number or a multiple of π like 2pi/3, but is 'soon'"),
        (["entropy", "1", "-n", "5", "--outcomes", "6"], "`outcomes` must lie in 0…5"),
        (["entropy", "1", "-n", "5", "--outcomes", "1", "2"], "`outcomes` must be an integer or 1 integers"),
        (["entropy", "0", "-n", "5", "--outcomes", "2"], "probability zero"),
        (["entropy", "1", "-n", "5", "--tolerance", "0"], "`tolerance` must be positive"),
        (["entropy", "1", "-n", "5", "--tolerance", "1", "--window", "2"], "`tolerance` must come without `window`"),
        (["magic", "-n", "5", "--max-levels", "1"], "`max_levels` must be an integer of at least 2, but is 1"),
        (["optimize", "1", "-n", "5", "-m", "2"], "must have inner ensembles"),
        (["optimize", "1", "-n", "5", "--plot", "steps.txt"], "`plot` must end in .png or .pdf"),
        (["optimize", "1", "-n", "5", "--starts", "0"], "`n_starts` must be an integer of at least 1, but is 0"),
        (["optimize", "1", "-n", "5", "-m", "6"], "`samples` must be given for n_ensembles = 6"),
        (["optimize", "1", "-n", "5", "--objective", "decoded_fidelity"], "`levels` is missing"),
    ],
)
def test_bad_input_is_one_sentence(jaxent_command, arguments, words):
    code, out, err = jaxent_command(*arguments)
    assert code == 2
    assert out == ""
    assert words in err
    assert err.startswith("jaxent: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("entropy", "Argument `time` must be given; for example: jaxent entropy pi/2 -n 100"),
        ("entropy 1", "Argument `n_atoms` must be given; for example: jaxent entropy pi/2 -n 100"),
        ("entropy 1 -n", "Argument `n_atoms` must have a value; for example"),
        ("entropy 1 --natoms 5", "`n_atoms` must be given (did you mean --n-atoms instead of --natoms?)"),
        (
            "entropy 1 -n many",
            "Argument `n_atoms` must be a whole number such as 100 or 1e6, but is 'many'; for example",
        ),
        ("entropy 1 -n 10.6", "whole number such as 100 or 1e6, but is '10.6'"),
        (
            "entropy 1 -n 10 --outcomes 1.5",
            "Argument `outcomes` must be whole numbers, separated by blanks, but is '1.5'",
        ),
        ("entropy 1 -n 10 --outcomes 3,4", "must be whole numbers, separated by blanks, but is '3,4'"),
        ("entropy 1 -n 10 --outcomes", "Argument `outcomes` must have one or more values, separated by blanks"),
        ("entropy 1 -n 10 --phase-offset", "Argument `phase_offset` must have one or more values"),
        (
            "entropy 1 -n 10 --phase-offset x",
            "must be in radians or multiples of π like pi/8, separated by blanks, but is 'x'",
        ),
        ("entropy 1 -n 10 --window full", "Argument `window` must be a number such as 3 or 0.01, but is 'full'"),
        ("entropy -pi/2 -n 10", "a time that begins with a minus must be typed as --time=-pi/2"),
        ("entropy pi/2.5 -n 10", "`time` must be a number or a multiple of π like 2pi/3, but is 'pi/2.5'"),
        ("entropy 0.123456789pi -n 10", "`time` must be a number or a multiple of π like 2pi/3, but is '0.1234"),
        ("entropy pi/0 -n 10", "`time` must be a number or a multiple of π like 2pi/3, but is 'pi/0'"),
        ("entropy 1.0us -n 10", "but is '1.0us'; numbers are in units of 1/coupling."),
        ("entropy 1 5 -n 10", "jaxent entropy has no place for '5'; for example: jaxent entropy"),
        ("entropy 1 -n 10 --color", "jaxent entropy has no option --color; "),
        ("entropy 1 -n 10 --windw 3", "jaxent entropy has no option --windw; did you mean --window?"),
        ("entropy 1 -n 10 --json=maybe", "--json"),
        ("entropy 1 -n 10 -n 20", "jaxent entropy: Parameter -n specified multiple times; for example"),
        ("negativity 1 -n 5 -g", "Argument `dephasing_rate` must have one or more values"),
        ("negativity 1 -n 5 -g 1 -m 4 --tolerance 0.1", "`tolerance` must come with n_ensembles = 3 and without"),
        ("negativity 1 -n 5 -g 1 --tolerance 0", "Argument `tolerance` must be positive and finite, but is 0.0"),
        ("negativity 1 -n 1000000 -g 1e-9", "Argument `dephasing_rate` must be 0 or at least 3 / (n_atoms · time)"),
        ("negativity 1 -n 5 -g high", "Argument `dephasing_rate` must be numbers, separated by blanks, but is 'high'"),
        (
            "optimize 1 -n 5 --objective best",
            "Argument `objective` must be one of average_entropy, average_log_negativity",
        ),
        ("optimize 1 -n 5 --plot {}/missing/a.png", "`plot` must be in a folder that exists"),
        ("curve -n 5 --out {}", "Argument `out` must end in .png, .pdf, .svg, .csv or .nc"),
        ("curve -n 5 --out {}/folder.png", "/folder.png', and that is a folder"),
        ("curve -n 5 --times 1", "Argument `times` must be an integer of at least 2, but is 1"),
        ("curve -n 5 --start pi --stop 2", "Argument `stop` must be later than `start` = pi, but is 2"),
        ("curve -n 5 --stop soon", "`time` must be a number or a multiple of π like 2pi/3, but is 'soon'"),
        ("reproduce --figure 7", "Argument `figure` must be one of protocol, 1, 1-large, zoom"),
        ("reproduce --width poster", "Argument `width` must be one of column, page, slide, but is 'poster'"),
        ("reproduce --dpi 5", "Argument `dpi` must be from 50 to 1200 pixels per inch, but is 5"),
        ("reproduce figure 2", "jaxent reproduce has no place for 'figure 2'; for example"),
        ("sweep {}/missing.toml", "missing.toml: the sweep file cannot be read: No such file or directory"),
        ("plot {}/missing", "`results` must be a folder of a sweep, a .nc or a .zarr, but"),
        ("plot {}/text.nc", "/text.nc' is none of them"),
        ("export {} a.nc", "`path` must be a folder with the results of a sweep, which `jaxent sweep` writes, but"),
        ("dance", "there is no command dance; jaxent --help shows them all."),
        ("entrpy 1", "there is no command entrpy; did you mean entropy?\n"),
        ("--hlep", "there is no option --hlep; did you mean --help?"),
    ],
)
def test_wrong_usage_is_one_sentence_with_the_next_step(jaxent_command, tmp_path, arguments, words):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "text.nc").write_text("no numbers")
    code, out, err = jaxent_command(*arguments.format(tmp_path).split())
    assert (code, out) == (2, "")
    assert words in err
    assert err.startswith("jaxent: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", errors.EXAMPLES)
def test_examples_that_messages_give_are_understood(command):
    name, *words = errors.EXAMPLES[command].split()
    assert (name, words[0]) == ("jaxent", command)
    function, bound, _ = main.app.parse_args(words, exit_on_error=False, print_error=False)
    assert function.__name__ == command
    assert len(bound.args) + len(bound.kwargs) == len([word for word in words[1:] if not word.startswith("-")])


def test_every_command_has_an_example():
    assert sorted(errors.EXAMPLES) == sorted(name for name in main.app if not name.startswith("-"))


def test_a_folder_without_permission_is_told_before_work_starts(jaxent_command, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: not (path == tmp_path and mode == os.W_OK))
    code, _, err = jaxent_command("curve", "-n", "5", "--out", str(tmp_path / "a.png"))
    assert code == 2
    assert f"{tmp_path} cannot be written to" in err


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e3", 1000), ("1_000", 1000), ("10^6", 10**6), ("10**6", 10**6), ("+7", 7), ("-2", -2), ("2e10", 2 * 10**10)],
)
def test_whole_numbers_as_people_type_them(text, value):
    _, bound, _ = main.app.parse_args(["entropy", "1", f"--n-atoms={text}"], exit_on_error=False, print_error=False)
    assert bound.kwargs["options"].n_atoms == value


def rows(printed):
    """The rows of a printed table, by their first column."""
    cells = [[cell.strip() for cell in line.strip("│\n").split("│")] for line in printed.splitlines() if "│" in line]
    return {cell[0]: cell[1] for cell in cells}


def test_what_entropy_prints_is_what_the_library_returns(jaxent_command):
    chain = jaxent.Chain(3, 100)
    for words, outcome in (
        (["1.0", "-N", "10^2", "--outcomes", "N-3"], 97),
        (["--outcomes=N", "-n", "1e2", "1.0"], 100),
    ):
        code, out, _ = jaxent_command("entropy", *words)
        assert code == 0
        found = jaxent.entropy_with_errors(chain, 1.0, outcome)
        shown = rows(out)
        assert shown["entanglement E"] == f"{found.entropy:.10g} bits"
        assert shown["probability of the outcomes"] == f"{math.exp(found.log_probability):.4g}"
        assert shown["E / log2(N+1)"] == f"{found.entropy / math.log2(101):.6f}"
        assert shown["window"] == "none: all 101 Dicke states"


def test_no_digits_are_shown_beyond_the_error(jaxent_command):
    _, out, _ = jaxent_command("entropy", "2pi/3", "-n", "10^4", "--window", "3")
    found = jaxent.entropy_with_errors(jaxent.Chain(3, 10**4, 3.0), jaxent.pi_fraction(2, 3))
    assert 0.1 < found.total < 0.3
    shown = rows(out)
    assert shown["entanglement E"] == f"{found.entropy:.2f} ± {found.total:.2g} bits"
    assert shown["E / log2(N+1)"] == f"{found.entropy / math.log2(10**4 + 1):.2f}"
    assert shown["window"] == f"c = 3: 301 of 10001 Dicke states; error {found.window:.1e} bits (proven bound)"
    _, out, _ = jaxent_command("entropy", "1", "-n", "10^6")
    shown = rows(out)
    assert "Dicke states" not in shown["window"]
    assert shown["window"].startswith("chosen by the band engine; error ")
    value, error = shown["entanglement E"].removesuffix(" bits").split(" ± ")
    wanted = jaxent.entropy_with_errors(jaxent.Chain(3, 10**6), 1.0)
    assert float(value) == pytest.approx(float(wanted.entropy), abs=1e-10)
    assert float(error) == pytest.approx(float(wanted.total), rel=0.1)


def test_small_probabilities_are_powers_of_ten():
    assert [console.probability(one) for one in (0.0, -1.1617, -3.9, -4.1, -5000.25)] == [
        *("1", "0.06891", "0.0001259"),
        *("10^-4.1000", "10^-5000.2500"),
    ]


def test_negativity_reads_outcomes_from_the_top(jaxent_command):
    _, out, _ = jaxent_command("negativity", "1.0", "-n", "6", "-g", "0.01", "--outcomes", "N-1", "--json")
    wanted = jaxent.end_to_end_log_negativity(jaxent.Chain(3, 6), 1.0, 0.01, 5)
    assert json.loads(out)["log_negativity_bits"] == pytest.approx(float(wanted), abs=1e-12)


def test_offsets_may_be_multiples_of_pi(jaxent_command):
    results = []
    for offset in ("pi/8", repr(math.pi / 8)):
        code, out, _ = jaxent_command("entropy", "1", "-n", "5", "--outcomes", "3", "--phase-offset", offset, "--json")
        assert code == 0
        results.append(json.loads(out)["entropy_bits"])
    assert results[0] == results[1]


def test_a_curve_is_drawn_and_its_numbers_are_those_of_brute_force(jaxent_command, tmp_path):
    picture, table = tmp_path / "curve.png", tmp_path / "curve.csv"
    words = ["curve", "-n", "3", "16", "--stop", "2pi/3", "--times", "5", "--out", str(picture), "--out", str(table)]
    code, out, err = jaxent_command(*words)
    assert (code, out, err) == (0, f"wrote {picture}\nwrote {table}\n", "")
    assert picture.read_bytes().startswith(b"\x89PNG")
    n_atoms, times, entropies, errors, levels = np.genfromtxt(table, delimiter=",", skip_header=1).T
    assert table.read_text().startswith("n_atoms,time,entropy_bits,error_bits,levels\n")
    assert ((errors >= 0) & (errors < 1e-9)).all()
    assert set(n_atoms) == {3, 16}
    for n, t, entropy in zip(n_atoms.astype(int), times, entropies, strict=True):
        assert entropy == pytest.approx(float(oracles.entropy_mp(n, t, n)), abs=1e-10)
    even = times[(levels == 0) & (n_atoms == 16)]
    np.testing.assert_allclose(np.diff(even), 2 * math.pi / 15, rtol=1e-12)
    assert (even[0] > 0, even[-1] < 2 * math.pi / 3) == (True, True)
    np.testing.assert_allclose(times[levels == 4], math.pi / 2, rtol=1e-15)


def test_a_curve_takes_outcomes_and_offsets_and_its_files_hold_the_same_numbers(jaxent_command, tmp_path):
    files = {kind: tmp_path / f"curve.{kind}" for kind in ("csv", "nc", "svg")}
    words = ["curve", "-n", "3", "6", "--outcomes", "N-1", "--phase-offset", "pi/8", "--stop", "4", "--times", "6"]
    code, _, err = jaxent_command(*words, *[word for path in files.values() for word in ("--out", str(path))])
    assert (code, err) == (0, "")
    n_atoms, times, entropies, errors, levels = np.genfromtxt(files["csv"], delimiter=",", skip_header=1).T
    for n, t, entropy in zip(n_atoms.astype(int), times, entropies, strict=True):
        assert entropy == pytest.approx(float(oracles.entropy_mp(n, t, n - 1, math.pi / 8)), abs=1e-9)
    assert set(levels) == {0, 2}
    with xr.open_dataset(files["nc"]) as data:
        assert (data.entropy.attrs["units"], data.time.attrs["units"]) == ("bit", "1/coupling")
        assert data.attrs["title"] == "jaxent curve, M = 3, q = N-1, φ = 0.392699"
        for n in (3, 6):
            one = data.sel(n_atoms=n).dropna("point", how="any")
            np.testing.assert_array_equal(one.entropy, entropies[n_atoms == n])
            np.testing.assert_array_equal(one.time, times[n_atoms == n])
            np.testing.assert_array_equal(one.error, errors[n_atoms == n])
            np.testing.assert_array_equal(one.levels, levels[n_atoms == n])
    assert "<svg" in files["svg"].read_text()


def test_a_curve_under_noise_is_the_log_negativity(jaxent_command, tmp_path):
    table = tmp_path / "curve.csv"
    words = ["curve", "-n", "4", "--dephasing-rate", "0.02", "--resolution", "1", "--times", "4", "--out", str(table)]
    code, _, err = jaxent_command(*words)
    assert (code, err) == (0, "")
    assert table.read_text().startswith("n_atoms,time,log_negativity_bits,error_bits,levels\n")
    _, times, values, errors, _ = np.genfromtxt(table, delimiter=",", skip_header=1).T
    record = jaxent.Measurement(1.0)
    for t, value in zip(times, values, strict=True):
        wanted = jaxent.end_to_end_log_negativity(jaxent.Chain(3, 4), t, 0.02, measurement=record)
        assert value == pytest.approx(float(wanted), abs=1e-10)
    assert set(errors) == {1e-9}
    windowed = ["curve", "-n", "40", "--window", "1", "-g", "0.1", "--times", "2", "--stop", "1", "--out", str(table)]
    assert jaxent_command(*windowed)[0] == 0
    assert np.isnan(np.genfromtxt(table, delimiter=",", skip_header=1).T[3]).all()
    code, _, err = jaxent_command("curve", "-n", "4", "--start", "2", "--stop", "1", "-g", "0.1")
    assert (code, err.count("\n")) == (2, 1)


def test_a_folder_that_cannot_be_written_is_refused_before_work_starts(jaxent_command, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, out, err = jaxent_command("reproduce", "--quick", "--out", str(tmp_path / "file" / "results"))
    assert code == 2
    assert out == ""
    assert "`out` must be a folder that can be written to" in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("platforms", ["rocm", "banana"])
def test_a_platform_that_is_not_there_is_told_in_one_sentence(platforms):
    command = [sys.executable, "-m", "jaxent", "entropy", "1", "-n", "10"]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=100, env=os.environ | {"JAX_PLATFORMS": platforms}
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert (
        f"`JAX_PLATFORMS` must name platforms that JAX finds here (cpu is always one), but is '{platforms}'"
        in run.stderr
    )
    assert "Traceback" not in run.stderr


def test_running_out_of_memory_is_one_sentence(jaxent_command, monkeypatch):
    def exhausted(*_, **__):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")

    monkeypatch.setattr("jaxent.entropy_with_errors", exhausted)
    code, out, err = jaxent_command("entropy", "1", "-n", "10")
    assert (code, out) == (2, "")
    assert err.startswith("jaxent: out of memory; ask for")


def test_devices_are_shown_with_their_precision(jaxent_command):
    code, out, _ = jaxent_command("devices")
    assert code == 0
    assert "float64" in out
    assert "cpu" in out
    assert out.strip().splitlines()[-1].startswith("jax ")  # versions


def test_reproduce_writes_whole_files_and_is_quiet_when_piped(tmp_path):
    command = [sys.executable, "-m", "jaxent", "reproduce", "--figure", "2", "--quick", "--out", str(tmp_path)]
    command += ["--width", "column", "--dpi", "100"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0
    assert run.stderr == ""
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"figure_2.{kind}" for kind in ("nc", "png", "pdf", "svg", "txt")} | {"claims.md"}
    assert matplotlib.image.imread(tmp_path / "figure_2.png").shape[1] == 340
    words = (tmp_path / "figure_2.txt").read_text().strip()
    assert "M = 3; outcomes = all N; φ = 0; c = 1, 1.5, 2, 3; magic time = π/3, π/2, 2π/3, π." in words
    assert words.partition("(")[0].encode("utf-16-be") in (tmp_path / "figure_2.pdf").read_bytes()
    with xr.open_dataset(tmp_path / "figure_2.nc") as data:
        assert data.entropy.attrs["units"] == "bit"
        assert data.attrs["precision"] == "float64"
        assert {"jaxent_version", "jax_version", "device"} <= set(data.attrs)
        exact = oracles.method_two_entropy(100, None, float(data.time[40]))
        assert float(data.exact_entropy[40]) == pytest.approx(exact, abs=1e-10)


def test_a_closed_pipe_is_quiet():
    command = f"{sys.executable} -m jaxent entropy 1 -n 10 --json | true"
    run = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=100)
    assert run.stderr == ""


def test_negativity_of_a_million_atoms_is_the_library_s(jaxent_command):
    asked = ["negativity", "pi/2", "-n", "1000000", "-g", "0.05"]
    _, out, _ = jaxent_command(*asked, "--json")
    result = json.loads(out)
    found = jaxent.log_negativity_with_errors(jaxent.Chain(3, 10**6), jaxent.pi_fraction(1, 2), 0.05)
    assert (result["log_negativity_bits"], result["method"]) == (found.value, "blocks")
    assert result["log_negativity_error_bits"] == pytest.approx(found.error)
    assert result["coherent_information_bits"] is None
    code, out, err = jaxent_command(*asked)
    assert (code, err) == (0, "")
    words = out.split("log negativity")[1].split("bits")[0].replace("│", " ").split()
    value, sign, error = words
    assert sign == "±"
    assert abs(float(value) - found.value) <= 10.0 ** -len(value.split(".")[1])
    assert float(error) == pytest.approx(found.error, rel=0.05)
    assert "only up to 100 Dicke states" in out


def test_negativity_within_a_tolerance_says_its_error_and_keeps_the_coherent_information(jaxent_command):
    asked = ["negativity", "1", "-n", "12", "-g", "0.02", "--tolerance", "0.01"]
    result = json.loads(jaxent_command(*asked, "--json")[1])
    chain = jaxent.Chain(3, 12)
    found = jaxent.log_negativity_with_errors(chain, 1.0, 0.02, tolerance=0.01)
    assert (result["method"], result["log_negativity_bits"]) == ("dense", found.value)
    assert 0 < result["log_negativity_error_bits"] == found.error
    coherent = float(jaxent.end_to_end_coherent_information(chain, 1.0, 0.02))
    assert result["coherent_information_bits"] == pytest.approx(coherent, abs=1e-12)
    out = jaxent_command(*asked)[1]
    assert f"± {found.error:.2g} bits" in out
    assert f"{coherent:.8g}" in out


def test_negativity_without_time_is_zero_for_many_atoms(jaxent_command):
    result = json.loads(jaxent_command("negativity", "0", "-n", "5000", "-g", "0.01", "--json")[1])
    assert (result["log_negativity_bits"], result["negativity"], result["method"]) == (0.0, 0.0, "pure")


def test_negativity_of_a_point_agrees_with_brute_force(jaxent_command):
    code, out, _ = jaxent_command(
        "negativity", "0.7", "-n", "3", "-g", "0.01", "0.02", "0.03", "--outcomes", "2", "--json"
    )
    assert code == 0
    exact = oracles.state_log_negativity_bits(oracles.dephased_state(3, 3, 0.7, [0.01, 0.02, 0.03], [2]))
    assert json.loads(out)["log_negativity_bits"] == pytest.approx(exact, abs=1e-11)


def test_magic_times_come_with_their_entanglement_and_widths(jaxent_command):
    code, out, _ = jaxent_command("magic", "-n", "6", "--max-levels", "3", "--json")
    assert code == 0
    result = json.loads(out)
    assert result["time"] == ["2pi/3", "pi"]
    assert result["levels"] == [3, 2]
    exact = [float(oracles.entropy_mp(6, 2 * math.pi / r, 6)) for r in (3, 2)]
    assert result["entropy_bits"] == pytest.approx(exact, abs=1e-11)
    beside = float(oracles.entropy_mp(6, math.pi - result["half_width"][1], 6))
    assert abs(beside - exact[1]) == pytest.approx(0.05, abs=1e-7)
    code, out, _ = jaxent_command("magic", "-n", "6", "--find")
    assert code == 0
    assert "3.1415926535" in out or "3.1415926536" in out


def test_optimize_finds_what_a_scan_finds_and_draws_its_steps(jaxent_command, tmp_path):
    plot = tmp_path / "steps.png"
    code, out, err = jaxent_command("optimize", "pi/2", "-n", "6", "--starts", "2", "--plot", str(plot), "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    scan = [oracles.average_entropy(3, 6, math.pi / 2, x) for x in np.linspace(0, math.pi / 2, 50)]
    assert result["value"] >= max(scan)
    at = oracles.average_entropy(3, 6, math.pi / 2, result["phase_offset"][0])
    assert result["value"] == pytest.approx(at, abs=1e-10)
    assert result["gradient_norm"] < 1e-8
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert result["textbook"]["phase_offset"] == pytest.approx(math.pi / 8)  # π/2 is 2π/4
    there = oracles.average_entropy(3, 6, math.pi / 2, math.pi / 8)
    assert result["textbook"]["value"] == pytest.approx(there, abs=1e-10)
    _, out, _ = jaxent_command("optimize", "pi/2", "-n", "6", "--starts", "2")
    shown = rows(out)
    assert shown["average entropy"] == f"{result['value']:.10g} bits"
    assert shown["with the textbook's φ = π/(2r)"].startswith(f"{result['textbook']['value']:.10g} bits at 0.39269908")
    _, out, _ = jaxent_command("optimize", "1.0", "-n", "3", "--starts", "1", "--steps", "1", "--json")
    assert json.loads(out)["textbook"] is None


def test_a_billion_atoms_take_the_band_engine(jaxent_command):
    code, out, _ = jaxent_command("entropy", "2pi/5", "-n", "1000000000", "--tolerance", "1e-6", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["entropy_bits"] == pytest.approx(math.log2(5), abs=1e-6)
    assert found["log10_probability"] == pytest.approx(-math.log10(5), abs=1e-6)
    assert 0 < found["window_error_bits"] < 1e-6
    assert 0 < found["numerical_error_bits"] < 1e-6
    code, out, err = jaxent_command("entropy", "1", "-n", "1000000000", "--tolerance", "0")
    assert (code, out) == (2, "")
    assert "`tolerance` must be positive, but is 0" in err


def test_compiled_programs_are_kept_between_commands(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "jaxent", "entropy", "0.7", "-n", "40", "--json"]
    runs = [subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment) for _ in range(2)]
    assert [run.returncode for run in runs] == [0, 0]
    assert [run.stderr for run in runs] == ["", ""]
    assert runs[0].stdout == runs[1].stdout
    assert len(list(tmp_path.glob("**/programs/*-cache"))) > 0


@pytest.mark.parametrize(("connected", "lines"), [("", 1), ("10.0.0.1 5 10.0.0.2 22", 2)])
def test_the_explorer_tells_how_to_be_seen_over_ssh(monkeypatch, capsys, connected, lines):
    monkeypatch.setenv("SSH_CONNECTION", connected)
    main._opened("http://127.0.0.1:5007/?token=a")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "http://127.0.0.1:5007/?token=a  (Ctrl-C ends it)"
    assert said[1:] == ["at your end: ssh -L 5007:localhost:5007 MACHINE, then open this address there"][: lines - 1]
