"""What the commands share: numbers and times as they are typed, tables, progress. Nothing heavy is imported here."""

import dataclasses
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from jaxent.messages import shortened, shown
from jaxent.outcome_texts import atoms_below, outcome_of
from jaxent.runtime.programs import keep_compiled_programs
from jaxent.time_texts import MOST_CHARACTERS, float_of, multiple_of_pi

if TYPE_CHECKING:
    from jaxent.chain import Chain

__all__ = [
    "ALL_N",
    "PERFECT",
    "STEADY",
    "AsJson",
    "ChainOptions",
    "DetectorOptions",
    "Dpi",
    "Ensembles",
    "JitterOptions",
    "MeasurementOptions",
    "Number",
    "Offsets",
    "Outcomes",
    "Processes",
    "Rate",
    "Rates",
    "Switch",
    "TimeText",
    "WholeNumber",
    "Width",
    "alone",
    "digits_of",
    "divide_processor",
    "library",
    "live_line",
    "numbers_of",
    "output_file",
    "points_progress",
    "print_table",
    "probability",
    "progress",
    "progress_by_share",
    "with_error",
]

_LEAST_DPI, _MOST_DPI = 50, 1200
_MOST_PROCESSES = 64  # there are fewer figures
_MOST_OF_PATH = 160  # characters of a folder's name that a message repeats
_WHOLE = re.compile(r"(?P<digits>[+-]?\d+(_\d+)*)(e\+?(?P<zeros>\d{1,2}))?", re.IGNORECASE)
_POWER = re.compile(r"(?P<base>\d{1,2})(\^|\*\*)(?P<exponent>\d{1,2})")
_READABLE = 1e-4  # probabilities below are powers of ten


def library():
    """Import jaxent with float64 on: late, so that --help stays quick.

    Raises:
        ValueError: when JAX finds no device of the platforms it was told to use.
    """
    import jax

    jax.config.update("jax_enable_x64", True)
    keep_compiled_programs()
    try:
        jax.devices()
    except (RuntimeError, AssertionError):  # the latter where the plugin of a known platform is not installed
        wanted = os.environ.get("JAX_PLATFORMS", "")
        raise ValueError(
            "Variable `JAX_PLATFORMS` must name platforms that JAX finds here (cpu is always one), but is "
            f"{shown(wanted)}."
        ) from None
    import jaxent

    return jaxent


def divide_processor(n_devices: int | None) -> None:
    """Divide the processor into so many devices of JAX, before anything is computed."""
    if n_devices is not None:
        import jax

        jax.config.update("jax_num_cpu_devices", n_devices)


def whole_number(_, tokens) -> int:
    """Read an integer as it was typed, 1000000, 1_000_000, 1e6 or 10^6; refuse 10.6 instead of rounding it."""
    return _as_integer(tokens[0].value, "must be a whole number such as 100 or 1e6")


def whole_numbers(_, tokens) -> list[int]:
    """Read integers as they were typed, separated by blanks."""
    return [_as_integer(token.value, "must be whole numbers, separated by blanks") for token in tokens]


def number(_, tokens) -> float:
    """Read a number as it was typed."""
    return _as_float(tokens[0].value, "must be a number such as 3 or 0.01")


def dots_per_inch(_, tokens) -> int:
    """Read the pixels per inch of a picture."""
    dots = whole_number(_, tokens)
    if not _LEAST_DPI <= dots <= _MOST_DPI:
        raise ValueError(f"must be from {_LEAST_DPI} to {_MOST_DPI} pixels per inch, but is {shown(dots)}")
    return dots


def processes(_, tokens) -> int:
    """Read how many processes to start."""
    count = whole_number(_, tokens)
    if not 1 <= count <= _MOST_PROCESSES:
        raise ValueError(f"must be from 1 to {_MOST_PROCESSES}, but is {shown(count)}")
    return count


def numbers(_, tokens) -> list[float]:
    """Read numbers as they were typed, separated by blanks."""
    return [_as_float(token.value, "must be numbers, separated by blanks") for token in tokens]


def outcomes(_, tokens) -> list[int | str]:
    """Read outcomes separated by blanks: whole numbers, and N or N-3 as the texts they are."""
    return [token.value if atoms_below(token.value) is not None else whole_numbers(_, [token])[0] for token in tokens]


def records(_, tokens) -> list[int | float | str]:
    """Read records separated by blanks: outcomes as `outcomes`, other numbers as they were typed."""
    is_outcome = lambda text: atoms_below(text) is not None or _WHOLE.fullmatch(text)  # noqa: E731
    return [outcomes(_, [token])[0] if is_outcome(token.value) else number(_, [token]) for token in tokens]


def angles(_, tokens) -> list[float]:
    """Read angles in radians, or multiples of π such as pi/8, separated by blanks."""
    found = []
    for token in tokens:
        exact = multiple_of_pi(token.value)
        must = "must be in radians or multiples of π like pi/8, separated by blanks"
        found.append(math.pi * exact[0] / exact[1] if exact else _as_float(token.value, must))
    return found


def _as_integer(text: str, must: str) -> int:
    power = _POWER.fullmatch(text)
    if power:
        return int(power["base"]) ** int(power["exponent"])
    match = _WHOLE.fullmatch(text) if len(text) <= MOST_CHARACTERS else None
    if not match:
        raise ValueError(f"{must}, but is {shown(text)}")
    return int(match["digits"]) * 10 ** int(match["zeros"] or 0)


def _as_float(text: str, must: str) -> float:
    try:
        return float_of(text)
    except ValueError:
        raise ValueError(f"{must}, but is {shown(text)}") from None


WholeNumber = Annotated[int, Parameter(converter=whole_number)]
Number = Annotated[float, Parameter(converter=number)]
Atoms = Annotated[int, Parameter(name=["--n-atoms", "-n", "-N"], converter=whole_number)]
Ensembles = Annotated[int, Parameter(name=["--n-ensembles", "-m"], converter=whole_number)]
Outcomes = Annotated[list[int | str] | None, Parameter(consume_multiple=True, negative="", converter=outcomes)]
Records = Annotated[list[int | float | str] | None, Parameter(consume_multiple=True, negative="", converter=records)]
Numbers = Annotated[list[float] | None, Parameter(consume_multiple=True, negative="", converter=numbers)]
Offsets = Annotated[list[float] | None, Parameter(consume_multiple=True, negative="", converter=angles)]
Rate = Annotated[float | None, Parameter(name=["--dephasing-rate", "-g"], converter=number)]
Rates = Annotated[
    list[float], Parameter(name=["--dephasing-rate", "-g"], consume_multiple=True, negative="", converter=numbers)
]
Width = Annotated[
    Literal["column", "page", "slide"],
    Parameter(
        help="Of figures in print: a journal's column (3.4 in), its page (7 in), or a slide (10 in, larger text)."
    ),
]
Dpi = Annotated[int, Parameter(converter=dots_per_inch, help="Pixels per inch of PNG files.")]
Processes = Annotated[int | None, Parameter(converter=processes)]
Switch = Annotated[bool, Parameter(negative="")]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print one line of JSON.")]
TimeText = Annotated[str, Parameter(help="Interaction time: a number, or an exact multiple of π such as 2pi/3.")]


@Parameter(name="*")  # its fields are options of the command itself
@dataclasses.dataclass(frozen=True, kw_only=True)
class ChainOptions:
    """Options that say which chain a command is about.

    Parameters
    ----------
    n_atoms
        Atoms per ensemble, N.
    n_ensembles
        Ensembles in the chain, M.
    window
        Dicke states kept, in standard deviations c; all by default.
    """

    n_atoms: Atoms
    n_ensembles: Ensembles = 3
    window: Number | None = None

    @property
    def title(self) -> str:
        """Name the chain as the heads of tables do."""
        return f"M = {self.n_ensembles}, N = {self.n_atoms}"

    def chain(self, jaxent) -> "Chain":
        """Build the chain; `jaxent` is what `library` gives."""
        return jaxent.Chain(self.n_ensembles, self.n_atoms, self.window)


@Parameter(name="*")
@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasurementOptions:
    """Options that say what the inner ensembles are measured to be, and after which phase offset.

    Parameters
    ----------
    outcomes
        Measured outcomes of the inner ensembles; N or N-3 or a number; all N by default. One stands for all.
    phase_offset
        Phase offset φ before the measurement, in radians or as pi/8; one number, or one per inner ensemble.
    """

    outcomes: Outcomes = None
    phase_offset: Offsets = None

    def checked(self, n_atoms: int) -> tuple[Any, float | list[float]]:
        """Give the outcomes and offsets as functions of jaxent take them, for so many atoms.

        Raises:
            ValueError: where an option was typed without a value.
        """
        outcomes = numbers_of("outcomes", self.outcomes, n_atoms)
        return outcomes, 0.0 if self.phase_offset is None else alone("phase_offset", self.phase_offset)


ALL_N = MeasurementOptions()  # outcomes N, no offset


@Parameter(name="*")
@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorOptions(MeasurementOptions):
    """Options that say how well the inner ensembles are measured, and what was read.

    Parameters
    ----------
    outcomes
        Measured outcomes of the inner ensembles, or N-3; real with a resolution; all N by default. One stands for all.
    phase_offset
        Phase offset φ before the measurement, in radians or as pi/8; one number, or one per inner ensemble.
    resolution
        Resolution σ of the detectors in atoms; one number, or one per inner ensemble. 0 by default.
    atom_dephasing_rate
        Dephasing rate of each single measured atom, in units of the coupling. 0 by default.
    atom_loss_rate
        Loss rate of each single measured atom. 0 by default.
    lost
        Number of lost atoms, where they are counted.
    """

    outcomes: Records = None
    resolution: Numbers = None
    atom_dephasing_rate: Numbers = None
    atom_loss_rate: Numbers = None
    lost: Annotated[list[int] | None, Parameter(consume_multiple=True, negative="", converter=whole_numbers)] = None

    @property
    def given(self) -> dict[str, Any]:
        """The imperfections that were typed, by name."""
        names = ("resolution", "atom_dephasing_rate", "atom_loss_rate", "lost")
        return {name: alone(name, getattr(self, name)) for name in names if getattr(self, name) is not None}


@Parameter(name="*")
@dataclasses.dataclass(frozen=True, kw_only=True)
class JitterOptions:
    """Options that say how far the interaction varies from run to run.

    Parameters
    ----------
    jitter
        Standard deviation of strength times time of the interaction, which both bonds share, in units of times.
    bond_jitter
        The same of each bond by itself.
    coupling
        What couples: "number" for n_a n_a, or "spin" for S_z S_z, which is told apart by a jitter.
    """

    jitter: Number = 0.0
    bond_jitter: Number = 0.0
    coupling: Literal["number", "spin"] = "number"

    @property
    def given(self) -> dict[str, Any]:
        """What was typed, by name; nothing without a jitter."""
        return dataclasses.asdict(self) if self.jitter or self.bond_jitter else {}


STEADY = JitterOptions()  # every interaction the same
PERFECT = DetectorOptions()  # outcomes N, no offset, perfect detectors


def alone(name: str, values):
    """Give the one value of a list that has only one, which stands for all; else the list.

    Raises:
        ValueError: where the option was typed without any.
    """
    if values is not None and not values:
        raise ValueError(f"Argument `{name}` must have one or more values, separated by blanks, but has none.")
    return values[0] if values is not None and len(values) == 1 else values


def numbers_of(name: str, values, n_atoms: int):
    """Give outcomes as `alone` does, with N and N-3 as numbers."""
    typed = alone(name, values)
    if isinstance(typed, list):
        return [outcome_of(one, n_atoms) for one in typed]
    return typed if typed is None else outcome_of(typed, n_atoms)


def probability(log10: float) -> str:
    """Write a probability as 0.0689 where that is readable, else as a power of ten."""
    value = 10.0**log10
    return f"{value:.4g}" if value >= _READABLE else f"10^{log10:.4f}"


def with_error(value: float, error: float) -> str:
    """Write bits with no more digits than the error leaves, and the error."""
    if not error > 0:
        return f"{value:.10g} bits"
    return f"{value:.{digits_of(error)}f} ± {error:.2g} bits"


def digits_of(error: float) -> int:
    """Count the decimals that an error leaves, two of its own included; 10 without an error."""
    return min(10, max(1, math.ceil(-math.log10(error)) + 1)) if error > 0 else 10


def output_file(name: str, path: Path, endings: tuple[str, ...]) -> None:
    """Check that a file can be written, before any work starts.

    Raises:
        ValueError: when its name ends otherwise, or it is a folder, or is in none that can be written to.
    """
    typed = shown(str(path))
    if path.suffix.lower() not in endings:
        raise ValueError(f"Argument `{name}` must end in {', '.join(endings[:-1])} or {endings[-1]}, but is {typed}.")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ValueError(
            f"Argument `{name}` must be in a folder that exists, but is {typed}; "
            f"make {shortened(str(folder), _MOST_OF_PATH)} first."
        )
    if path.is_dir() or not os.access(folder, os.W_OK):
        reason = (
            "that is a folder" if path.is_dir() else f"{shortened(str(folder), _MOST_OF_PATH)} cannot be written to"
        )
        raise ValueError(f"Argument `{name}` must be a file that can be written, but is {typed}, and {reason}.")


def print_table(title: str, heads: list[str], rows: list[list[str]]) -> None:
    """Print a table, as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


@contextmanager
def progress(total: float) -> Iterator[Callable[[float], None]]:
    """Show a progress bar on standard error where it is a terminal; give the function that advances it."""
    with _bar(total) as (bar, task):
        yield lambda amount: bar.advance(task, amount)


@contextmanager
def progress_by_share() -> Iterator[Callable[[float], None]]:
    """Show the same bar as `progress`; give the function that sets it to a share of the whole."""
    with _bar(1.0) as (bar, task):
        yield lambda share: bar.update(task, completed=share)


@contextmanager
def _bar(total: float):
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = [TextColumn("computing"), BarColumn(), TextColumn("{task.percentage:3.0f} %")]
    columns += [TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=False)]
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        yield bar, bar.add_task("computing", total=total)


@contextmanager
def points_progress() -> Iterator[Callable]:
    """Show points done, their rate and the time left; give the function that takes a `jaxent.sweep.Progress`."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    text = "{task.completed:.0f} of {task.total:.0f} points  {task.fields[rate]:.3g}/s  left {task.fields[left]}"
    columns = [TextColumn("{task.description}"), BarColumn(), TextColumn(text)]
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("computing", total=1, rate=0.0, left="…")

        def show(progress) -> None:
            minutes, seconds = divmod(round(progress.seconds_left), 60)
            left = f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
            failed = f", {progress.n_failed} failed" if progress.n_failed else ""
            bar.update(
                task,
                description=f"process {progress.process}{failed}",
                total=progress.n_points,
                completed=progress.points_done,
                rate=progress.points_per_second,
                left=left,
            )

        yield show


@contextmanager
def live_line() -> Iterator[Callable[[str], None]]:
    """Show a line on standard error where it is a terminal; give the function that writes it anew."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("compiling") as status:
        yield status.update
