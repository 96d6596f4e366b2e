"""Link `code` that is a public name of jaxent to its reference, in every page and docstring.

A name is written as in a program: bare (`end_to_end_entropy`), with its module (`dicke.x_basis`), or in full; with
arguments in parentheses, too. Code that begins with `jaxent.` must exist.
"""

import functools
import importlib
import itertools
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.errors import ConfigError
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

__all__ = ["MODULES", "exists", "setup", "targets"]

MODULES = ("dicke", "chain", "band", "spectral", "sweep")  # documented beside the names of jaxent itself
_REFERENCE = Path(__file__).parents[1] / "reference"
_NAME = re.compile(r"([A-Za-z_][\w.]*)(?:\(.*\))?", re.DOTALL)
_logger = logging.getLogger(__name__)


@functools.cache
def targets() -> dict[str, str]:
    """Map every spelling of a public name to the name in its reference."""
    jaxent = importlib.import_module("jaxent")
    found = {name: f"jaxent.{name}" for name in jaxent.__all__}
    for short in MODULES:
        module = importlib.import_module(f"jaxent.{short}")
        for name in module.__all__:
            full = f"jaxent.{name}" if name in jaxent.__all__ else f"jaxent.{short}.{name}"
            found[f"{short}.{name}"] = found[f"jaxent.{short}.{name}"] = full
            if found.setdefault(name, full) != full:
                raise ConfigError(f"{name} is a public name of two modules")
    described = [re.findall(r"automodule:: (\S+)", path.read_text()) for path in _REFERENCE.glob("*.rst")]
    return found | {full: full for full in [*found.values(), *itertools.chain(*described)]}


def exists(name: str) -> bool:
    """Check whether a full name (jaxent.module.name.attribute) can be imported or reached."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        try:
            functools.reduce(getattr, parts[length:], found)
        except AttributeError:
            return False
        return True
    return False


class CodeLinks(SphinxTransform):
    """Put a reference around each literal that is a public name."""

    default_priority = 5  # before references are resolved

    def apply(self, **kwargs) -> None:
        """Link every literal of a page, except in titles and links."""
        for literal in list(self.document.findall(nodes.literal)):
            match = _NAME.fullmatch(literal.astext())
            if match is None or isinstance(literal.parent, nodes.title | nodes.reference | addnodes.pending_xref):
                continue
            full = targets().get(match[1])
            if full is not None:
                link = addnodes.pending_xref(
                    "", refdomain="py", reftype="obj", reftarget=full, refexplicit=True, refwarn=True
                )
                link["refdoc"] = self.env.docname
                literal.replace_self(link)
                link += literal
            elif match[1].startswith("jaxent.") and not exists(match[1]):
                _logger.warning("%s does not exist", match[1], location=literal)


def setup(app) -> dict[str, bool]:
    """Register the transform."""
    app.add_transform(CodeLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
