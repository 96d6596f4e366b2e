"""The command line: a thin skin over the library. It turns float64 on; the library never does."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from jaxent import time_texts
from jaxent.cli import console, curve, errors, experiment, grid, search
from jaxent.messages import shortened, shown
from jaxent.runtime import interrupts

_MOST_DENSE_STATES = 100  # of an end; its coherent information takes half a minute
_MOST_ATOMS_BY_BOUND = 10**6
_LONGEST_SENTENCE = 400  # characters of an error

app = App(
    name="jaxent",
    help="Entanglement distributed along chains of atomic ensembles.",
    version_flags=["--version"],
    help_format="plaintext",
)


def main(words: list[str] | None = None) -> None:
    """Run the command line; errors are one sentence on standard error and exit code 2, Ctrl-C is exit code 130.

    Args:
        words: what was typed after `jaxent`; None: the words of this process.
    """
    with interrupts.watched():
        _run(words)


def _run(words: list[str] | None) -> None:
    try:
        app(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print(f"jaxent: {errors.explain(error, app)}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader went away, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (ValueError, OSError) as error:
        sentence = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            sentence = f"{error.strerror}: {shown(str(error.filename))}"
        print(f"jaxent: {shortened(sentence, _LONGEST_SENTENCE)}", file=sys.stderr)
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        print("jaxent: out of memory; ask for fewer atoms, a smaller window or fewer outcomes", file=sys.stderr)
        sys.exit(2)


@app.command
def entropy(
    time: console.TimeText,
    *,
    options: console.ChainOptions,
    tolerance: console.Number | None = None,
    measurement: console.MeasurementOptions = console.ALL_N,
    as_json: console.AsJson = False,
) -> None:
    """Entanglement of the two ends at one time.

    Parameters
    ----------
    tolerance
        Choose the window for this proven error in bits instead (three ensembles only).
    """
    jaxent = console.library()
    t = time_texts.parse_time(time)
    outcomes, offsets = measurement.checked(options.n_atoms)
    if tolerance is not None:
        if options.window is not None or options.n_ensembles != 3:
            raise ValueError("Argument `tolerance` must come without `window` and with n_ensembles = 3.")
        if not tolerance > 0:
            raise ValueError(f"Argument `tolerance` must be positive, but is {tolerance}.")
    chain = options.chain(jaxent)
    if tolerance is not None and chain.n_atoms <= _MOST_ATOMS_BY_BOUND:  # of more, the band engine chooses the window
        chain = jaxent.chain_for_tolerance(chain.n_atoms, t, tolerance, outcomes, offsets)
    found = jaxent.entropy_with_errors(chain, t, outcomes, offsets, tolerance=tolerance or 1e-8)
    value, error = float(found.entropy), float(found.window)
    log_p = float(found.log_probability)
    kind = "proven bound" if chain.n_ensembles == 3 or chain.window is None else "estimate"
    result = {
        "entropy_bits": value,
        "normalized_entropy": float(jaxent.normalized_entropy(value, chain.n_atoms)),
        "log10_probability": log_p / 2.302585092994046,
        "window_error_bits": error,
        "window_error_kind": kind,
        "numerical_error_bits": float(found.total) - error,
        "n_ensembles": chain.n_ensembles,
        "n_atoms": chain.n_atoms,
        "window": chain.window,
        "dimension": chain.dimension,
        "time": time,
    }
    if as_json:
        print(json.dumps(result))
        return
    console.print_table(
        f"{options.title}, t = {time}",
        ["quantity", "value"],
        [
            ["entanglement E", console.with_error(value, float(found.total))],
            ["E / log2(N+1)", f"{result['normalized_entropy']:.{min(6, console.digits_of(float(found.total)))}f}"],
            ["probability of the outcomes", console.probability(result["log10_probability"])],
            ["window", _window_words(chain, error, kind)],
        ],
    )


def _window_words(chain, error: float, kind: str) -> str:
    """Say which Dicke states of each ensemble are kept, and what the others may change."""
    states = f"{chain.dimension} of {chain.n_atoms + 1} Dicke states"
    if chain.window is not None:
        return f"c = {chain.window:.4g}: {states}; error {error:.1e} bits ({kind})"
    if error:
        return f"chosen by the band engine; error {error:.1e} bits ({kind})"
    return f"none: all {chain.n_atoms + 1} Dicke states"


@app.command
def negativity(
    time: console.TimeText,
    *,
    options: console.ChainOptions,
    dephasing_rate: console.Rates,
    collective_rate: console.Number = 0.0,
    tolerance: console.Number | None = None,
    measurement: console.DetectorOptions = console.PERFECT,
    interaction: console.JitterOptions = console.STEADY,
    as_json: console.AsJson = False,
) -> None:
    """Logarithmic negativity of the two ends under dephasing, at one time.

    Parameters
    ----------
    dephasing_rate
        Dephasing rate γ in units of the coupling; one for all ensembles, or one for each.
    collective_rate
        Rate of a dephasing that all ensembles share.
    tolerance
        Largest error in bits, for three ensembles of any size without a collective rate. By default dense matrices are
        used up to 100 Dicke states, right to rounding, and 0.001 bits beyond.
    """
    jaxent = console.library()
    import numpy as np

    t = time_texts.parse_time(time)
    outcomes, offsets = measurement.checked(options.n_atoms)
    chain = options.chain(jaxent)
    rate = console.alone("dephasing_rate", dephasing_rate)
    rate = jaxent.EnsembleRates(np.array(rate)) if isinstance(rate, list) else rate
    arguments = (chain, t, rate, outcomes, offsets)
    many = chain.dimension > _MOST_DENSE_STATES
    if tolerance is not None and (chain.n_ensembles != 3 or collective_rate):
        raise ValueError("Argument `tolerance` must come with n_ensembles = 3 and without `collective_rate`.")
    asked: dict = {} if tolerance is None else {"tolerance": tolerance}
    detectors: dict = {"measurement": jaxent.Measurement(**measurement.given)} if measurement.given else {}
    if interaction.given:
        detectors["jitter"] = jaxent.Jitter(interaction.jitter, interaction.bond_jitter, interaction.coupling)
        if tolerance is not None:
            raise ValueError(
                f"Argument `tolerance` = {tolerance} must be left out with a jitter, which is known for dense matrices."
            )
    if tolerance is None and (interaction.given or not (many and chain.n_ensembles == 3 and not collective_rate)):
        value = float(jaxent.end_to_end_log_negativity(*arguments, collective_rate, **detectors))
        error, method = 0.0, "dense"
    else:
        found = jaxent.log_negativity_with_errors(*arguments, **asked, **detectors)
        value, error, method = float(found.value), float(found.error), found.method
    log_p = float(jaxent.dephased_log_probability(*arguments, collective_rate, **detectors))
    coherent = None if many else float(jaxent.end_to_end_coherent_information(*arguments, collective_rate, **detectors))
    result = {
        "log_negativity_bits": value,
        "log_negativity_error_bits": error,
        "method": method,
        "negativity": (2**value - 1) / 2,
        "coherent_information_bits": coherent,
        "log10_probability": log_p / 2.302585092994046,
        "n_ensembles": chain.n_ensembles,
        "n_atoms": chain.n_atoms,
        "window": chain.window,
        "dimension": chain.dimension,
        "time": time,
        **measurement.given,
        **interaction.given,
        "dephasing_rate": console.alone("dephasing_rate", dephasing_rate),
        "collective_rate": collective_rate,
    }
    if as_json:
        print(json.dumps(result))
        return
    digits = console.digits_of(error)
    text = console.with_error(value, error)
    few = f"only up to {_MOST_DENSE_STATES} Dicke states of an end"
    console.print_table(
        f"{options.title}, t = {time}, γ = {' '.join(map(str, dephasing_rate))}",
        ["quantity", "value"],
        [
            ["log negativity", text],
            ["method", method],
            ["negativity", f"{result['negativity']:.{min(digits, 10)}g}"],
            ["coherent information", few if coherent is None else f"{coherent:.10g} bits"],
            ["probability of the outcomes", console.probability(result["log10_probability"])],
            ["Dicke states per ensemble", f"{chain.dimension} of {chain.n_atoms + 1}"],
        ],
    )


app.command(curve.curve)
app.command(search.magic)
app.command(search.optimize)
app.command(experiment.units)
app.command(grid.sweep)
app.command(grid.plot)
app.command(grid.export)
app.command(grid.check)
app.register_install_completion_command(
    help="Install completion by the Tab key for your shell (bash, zsh, fish or PowerShell)."
)


@app.command
def explore(*, port: console.WholeNumber = 5006, no_browser: console.Switch = False) -> None:
    """Open a page on this machine with curves that are computed anew wherever one zooms.

    Parameters
    ----------
    port
        Port of the loopback address that the page is served at; 0 finds a free one.
    no_browser
        Only print the address.
    """
    console.library()
    from jaxent.explorer import serve

    with interrupts.farewell(lambda: ("the explorer has ended.", "")):
        serve(port, not no_browser, _opened)


def _opened(url: str) -> None:
    """Say where the explorer is, and how to see it at the other end of an ssh connection."""
    print(f"{url}  (Ctrl-C ends it)", flush=True)
    if os.environ.get("SSH_CONNECTION"):
        port = url.partition("127.0.0.1:")[2].partition("/")[0]
        print(f"at your end: ssh -L {port}:localhost:{port} MACHINE, then open this address there", flush=True)


@app.command
def devices() -> None:
    """Show what JAX sees: devices, their memory and their precision."""
    console.library()
    from jaxent.sweep import describe_devices, versions

    entries = describe_devices()
    console.print_table("devices", list(entries[0]), [list(entry.values()) for entry in entries])
    found = versions()
    print(f"jax {found['jax_version']}, jaxlib {found['jaxlib_version']}, jaxent {found['jaxent_version']}")


@app.command
def reproduce(
    *,
    figure: Annotated[
        tuple[
            Literal[
                "protocol",
                "1",
                "1-large",
                "zoom",
                "2",
                "3",
                "4",
                "3-limit",
                "4-large",
                "4-limit",
                "best-time",
                "saturation",
                "single-atom",
                "resolution",
                "atom-numbers",
                "witness",
                "offsets",
                "husimi",
            ],
            ...,
        ],
        Parameter(negative=""),
    ] = (),
    quick: console.Switch = False,
    width: console.Width = "page",
    dpi: console.Dpi = 300,
    processes: console.Processes = None,
    out: Path = Path("reproduction"),
) -> None:
    """Draw the paper's figures and hold its statements against the numbers.

    Parameters
    ----------
    figure
        Figure to draw; may be repeated. All by default. Those with a word in their name go beyond the paper.
    quick
        A coarse version, in a few minutes.
    processes
        Figures computed at a time, each in a process of up to 3 GiB. By default as many as cores and memory allow.
    out
        Folder for the figures (PNG, PDF, SVG), their captions (TXT), their data (netCDF) and claims.md: statements and
        verdicts.
    """
    from jaxent.sweep import output_folder

    folder = output_folder(out)
    console.library()
    from jaxent.paper import registry, workers
    from jaxent.paper.captions import caption
    from jaxent.paper.claims import claims_page, claims_table, findings_table
    from jaxent.plot.sheet import SIZES, printer
    from jaxent.sweep import save

    wanted = tuple(dict.fromkeys(figure)) or tuple(registry.FIGURES)
    n_processes = processes or workers.most_processes(len(wanted))
    datasets, files = {}, {}
    kept = lambda: (f"{count()} files are written in {folder}; the same command starts from the beginning.", "")  # noqa: E731
    count = lambda: sum(map(len, files.values()))  # noqa: E731
    with interrupts.farewell(kept), console.progress(registry.seconds(wanted, quick)) as report:
        for number, data in workers.computed(wanted, quick, n_processes, report):
            name = "figure_" + number.replace("-", "_")
            datasets[number], written = data, files.setdefault(number, [])
            written.append(save(folder / f"{name}.nc", data.to_netcdf))
            picture = registry.FIGURES[number].draw(data, SIZES[width])
            words = caption(number, data)
            for kind in ("png", "pdf", "svg"):
                written.append(save(folder / f"{name}.{kind}", printer(picture, kind, dpi, words)))
            written.append(save(folder / f"{name}.txt", lambda path, text=words: path.write_text(text + "\n", "utf-8")))
    claims, findings = registry.claims(datasets), registry.findings(datasets)
    page = claims_page(claims, findings)
    written = [path for number in wanted for path in files[number]]
    written.append(save(folder / "claims.md", lambda path: path.write_text(page, encoding="utf-8")))
    if claims:
        console.print_table("the paper's statements", *claims_table(claims))
    if findings:
        console.print_table("findings of our own", *findings_table(findings))
    print("wrote " + ", ".join(str(path) for path in written))
