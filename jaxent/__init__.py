"""Compute entanglement distributed along chains of atomic ensembles, with JAX.

The public names are listed in `__init__.pyi` beside this file. Each is imported at its first use, so that `import
jaxent` and `jaxent --help` are fast.
"""

from typing import Any

import lazy_loader

_imported, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
_NEW_NAMES = {"state_log_negativity": "log_negativity_dm"}  # by the old ones, which go in the next release


def __getattr__(name: str) -> Any:
    """Import a public name at its first use; `__version__` is that of the installed package; old names warn."""
    if name == "__version__":
        import importlib.metadata

        return importlib.metadata.version("jaxent")
    if name in _NEW_NAMES:
        from jaxent.deprecation import warn_of_new_name

        warn_of_new_name(name, _NEW_NAMES[name])
        return _imported(_NEW_NAMES[name])
    try:
        return _imported(name)
    except AttributeError:
        import difflib

        near = difflib.get_close_matches(name, __all__, 1)
        hint = f"did you mean {near[0]}?" if near else "dir(jaxent) lists them all."
        raise AttributeError(f"jaxent has no name {name}; {hint}") from None
