"""What is wrong with a command line, in one sentence that ends in the next step."""

import difflib
import re
from typing import Literal, get_args, get_origin

from cyclopts import App, CycloptsError
from cyclopts.exceptions import (
    CoercionError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from jaxent import time_texts
from jaxent.messages import shortened, shown

__all__ = ["EXAMPLES", "explain"]

_MOST = 80  # characters of a word that a sentence repeats
# a call of each command that works
EXAMPLES = {
    "entropy": "jaxent entropy pi/2 -n 100",
    "negativity": "jaxent negativity pi/2 -n 30 -g 0.01",
    "magic": "jaxent magic -n 100",
    "curve": "jaxent curve -n 100 --out curve.png",
    "optimize": "jaxent optimize pi/2 -n 20",
    "units": "jaxent units --coupling 2kHz --t2 5ms -n 100",
    "sweep": "jaxent sweep grid.toml",
    "plot": "jaxent plot grid.results --out e.png",
    "export": "jaxent export grid.results grid.nc",
    "check": "jaxent check grid.results",
    "explore": "jaxent explore",
    "devices": "jaxent devices",
    "reproduce": "jaxent reproduce --figure 2",
}


def explain(error: CycloptsError, app: App) -> str:
    """Say in one sentence what is wrong with a command line that cannot be understood.

    Args:
        error: what the parser raised.
        app: the commands.
    """
    command = " ".join(["jaxent", *(error.command_chain or ())])
    example = EXAMPLES.get((error.command_chain or ("",))[0], "jaxent --help")
    if isinstance(error, UnknownCommandError):
        word = shortened((error.unused_tokens or [""])[0])
        kind = "option" if word.startswith("-") else "command"
        return f"there is no {kind} {word}; {_nearest(word, list(app)) or 'jaxent --help shows them all.'}"
    if isinstance(error, UnknownOptionError):
        negative = [word for word in error.root_input_tokens or [] if time_texts.is_negative_multiple_of_pi(word)]
        if negative:
            return f"a time that begins with a minus must be typed as --time={shortened(negative[0])}."
        word = shortened(error.token.keyword or error.token.value)
        names = [name for argument in error.argument_collection for name in argument.names]
        return f"{command} has no option {word}; {_nearest(word, names) or f'{command} --help shows them all.'}"
    if isinstance(error, UnusedCliTokensError):
        words = " ".join(error.unused_tokens or [])
        return f"{command} has no place for {shown(words)}; for example: {example}"
    name = f"Argument `{error.argument.name.lstrip('-').replace('-', '_')}`" if error.argument else command
    if isinstance(error, MissingArgumentError):
        near = re.search(r'Did you mean "?([^" ]+)"? instead of "?([^" ?]+)', str(error))
        hint = f" (did you mean {near[1]} instead of {near[2]}?)" if near else ""
        typed = error.argument and set(error.argument.names) & set(error.root_input_tokens or [])
        return f"{name} must {'have a value' if typed else 'be given'}{hint}; for example: {example}"
    if isinstance(error, CoercionError) and error.msg is not None:
        return f"{name} {error.msg}; for example: {example}"
    if isinstance(error, CoercionError) and error.token and get_origin(error.target_type) is Literal:
        return f"{name} must be one of {', '.join(get_args(error.target_type))}, but is {shown(error.token.value)}."
    return f"{command}: {shortened(str(error).rstrip('.'), 2 * _MOST)}; for example: {example}"


def _nearest(word: str, names: list[str]) -> str | None:
    found = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {found[0]}?" if found else None
