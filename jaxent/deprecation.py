"""Keep an old public name for one release, with a warning that names the new one.

>>> import warnings
>>> class Plan:
...     reversed_columns = True
...     mirrored = renamed("Plan", "mirrored", "reversed_columns")
>>> with warnings.catch_warnings(record=True, action="always") as caught:
...     Plan().mirrored
True
>>> print(caught[0].message)
Plan.mirrored is now Plan.reversed_columns.
"""

import warnings
from typing import Any

__all__ = ["renamed", "warn_of_new_name"]


def renamed(owner: str, old: str, new: str) -> Any:
    """Make a property for the class `owner` that warns, and returns the attribute `new`."""

    def read(self: Any) -> Any:
        warn_of_new_name(f"{owner}.{old}", f"{owner}.{new}")
        return getattr(self, new)

    read.__doc__ = f"Old name of `{new}`; it warns, and goes in the next release."
    return property(read)


def warn_of_new_name(old: str, new: str) -> None:
    """Warn the caller of the calling function that a public name has changed."""
    warnings.warn(f"{old} is now {new}.", DeprecationWarning, stacklevel=3)
