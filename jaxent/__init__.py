"""Compute entanglement distributed along chains of atomic ensembles, with JAX.

The public names are listed in `__init__.pyi` beside this file. Each is imported at its first use, so that `import
jaxent` and `jaxent --help` are fast.
"""

from typing import Any

import lazy_loader

_imported, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    """Import a public name at its first use; `__version__` is that of the installed package."""
    if name == "__version__":
        import importlib.metadata

        return importlib.metadata.version("jaxent")
    try:
        return _imported(name)
    except AttributeError:
        import difflib

        near = difflib.get_close_matches(name, __all__, 1)
        hint = f"did you mean {near[0]}?" if near else "dir(jaxent) lists them all."
        raise AttributeError(f"jaxent has no name {name}; {hint}") from None
