"""Read sweeps from TOML files, whose keys are the arguments of `Sweep`; nothing in a file is executed.

quantities = ["entropy", "log_outcome_probability"]
n_atoms = [100, 1000]                                   # many values make an axis of the grid
time = { start = "0", stop = "pi", count = 500 }        # evenly spaced; or ["pi/2", "2pi/3"], or { magic_up_to = 12 }
# or, for times that differ from bond to bond: time.bonds = [["pi/2", "pi/3"], ["pi/4", "pi/3"]]
window = "full"
phase_offset = [0.0, 0.1]
"""

import dataclasses
import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

from jaxent.messages import shown
from jaxent.sweep.files import read_regular
from jaxent.sweep.spec import Sweep
from jaxent.sweep.validation import QuestionError, Span
from jaxent.times import BondTimes, pi_fractions_up_to

__all__ = ["read_sweep"]

_MOST_BYTES = 64 * 2**20


def read_sweep(path: str | os.PathLike) -> Sweep:
    """Read and check a sweep from a TOML file.

    Args:
        path: a TOML file whose keys are the arguments of `Sweep`.

    Returns:
        Sweep: the question.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when the file is no valid sweep; one sentence names the file, the key and the reason.

    Example:
        >>> import pathlib
        >>> import tempfile
        >>> import jaxent
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "grid.toml")
        ...     with path.open("w") as file:
        ...         for line in ('quantities = ["entropy"]', "n_atoms = [8, 16]", "time = [0.5, 1.0]"):
        ...             print(line, file=file)
        ...     print(jaxent.read_sweep(path).n_atoms)
        (8, 16)
    """
    path = Path(path)
    try:
        table = tomllib.loads(read_regular(path, _MOST_BYTES).decode())
    except OSError as error:
        kind = FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError
        reason = error.strerror or "it must be a regular file of at most 64 MiB"
        raise kind(f"{path}: the sweep file cannot be read: {reason}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: the sweep file must be UTF-8 text, but has other bytes at {error.start}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: the sweep file must be TOML, but is not: {error}.") from error
    except RecursionError as error:
        raise ValueError(f"{path}: the sweep file must be TOML of a few levels, but is nested too deeply.") from error
    try:
        return _sweep(table)
    except QuestionError as error:
        raise ValueError(f"{path}: key `{error.key}` {error.reason}") from error


def _sweep(table: dict[str, Any]) -> Sweep:
    fields = {field.name: field for field in dataclasses.fields(Sweep)}
    for key in table:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            known = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(fields)}."
            raise QuestionError(key, f"is not known; {known}")
    for key, field in fields.items():
        if field.default is dataclasses.MISSING and key not in table:
            raise QuestionError(key, "is missing; it must be given.")
    return Sweep(**{key: _value(key, value) for key, value in table.items()})


def _value(key: str, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) == {"magic_up_to"} and key == "time":
        most = value["magic_up_to"]
        if not isinstance(most, int) or isinstance(most, bool) or not 2 <= most <= 3000:
            raise QuestionError(key, f"must have a `magic_up_to` from 2 to 3000, but has {shown(most)}.")
        return pi_fractions_up_to(most)
    if set(value) == {"bonds"} and key == "time":
        return BondTimes(value["bonds"])
    known = {"start", "stop", "count", "spacing"}
    unknown, missing = sorted(set(value) - known), sorted(known - {"spacing"} - set(value))
    if unknown or missing:
        wrong = f"has {shown(unknown[0])}" if unknown else f"lacks {shown(missing[0])}"
        raise QuestionError(key, f"must be a table of start, stop, count and perhaps spacing, but {wrong}.")
    return Span(**value)
