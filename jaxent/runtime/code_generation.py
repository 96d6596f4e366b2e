"""Choose XLA's code generator for processes of jaxent's own: the command line, the figures, and the tests.

For a CPU XLA generates code through its fusion emitters or, without them, directly in LLVM. Without them the programs
of jaxent compile in as little as two thirds of the time and run as fast (jaxlib 0.10.2). Numbers agree to rounding.

The choice holds for all programs of a process, so it is not made for those that only import jaxent. There
`XLA_FLAGS=--xla_cpu_use_fusion_emitters=false` makes it.
"""

import os
from collections.abc import MutableMapping

from jaxlib import version as installed

__all__ = ["prefer_quick_compilation"]

_OPTION = "xla_cpu_use_fusion_emitters"
_KNOWN = ((0, 7), (0, 12))  # oldest and newest jaxlib that have the option; an unknown one ends the process


def prefer_quick_compilation(environ: MutableMapping[str, str] = os.environ, jaxlib_version: str | None = None) -> bool:
    """Let this process and those that it starts compile for a CPU without fusion emitters, unless XLA_FLAGS chose.

    Must be called before JAX compiles for the first time.

    Args:
        environ: environment in which XLA reads its options.
        jaxlib_version: such as "0.10.2"; None: that of the installed one.

    Returns:
        whether the option was added.
    """
    given = environ.get("XLA_FLAGS", "")
    version = jaxlib_version or installed.__version__
    major, minor = (int(number) for number in version.split(".")[:2])
    if _OPTION in given or not _KNOWN[0] <= (major, minor) <= _KNOWN[1]:
        return False
    environ["XLA_FLAGS"] = f"{given} --{_OPTION}=false".strip()
    return True
