"""What memory is free, what a computation takes, and the refusal of what would not fit.

A compiled program knows its memory before it runs: XLA has laid out all its buffers. So the guard of a jitted function
is XLA's own figure for the whole call: its batch, its results and its workspace, the decompositions' included. What is
too large even to compile is refused before, by the least that it must hold (`check_memory`).

Free is what the machine has available and what the control groups of the process (containers, batch systems) leave of
their limits, whichever is less; on an accelerator, what its own memory has left.
"""

import math
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import psutil
from jax.core import Tracer

from jaxent.runtime import programs
from jaxent.runtime.default_device import default_device, platform

__all__ = ["check_angles", "check_memory", "free_bytes", "host_bytes", "needed_by", "of_compiled"]

_NO_MATTER = 2**20  # bytes: asking what is free takes longer than a call that needs so little
_MOST_REMEMBERED = 4096  # shapes of a program
_PROCESS_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
# by version: the limit, the usage, and the cache that the usage counts but the kernel gives back
_FILES = {
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
_needed: Any = weakref.WeakKeyDictionary()  # bytes by program and shapes; a program is not kept for it


# ------------------------------------------------------------------- what is free


def free_bytes() -> int:
    """Memory that the default device, or the host for a CPU, has free."""
    device = default_device()
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        if "bytes_limit" in stats:
            return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return host_bytes()


def host_bytes() -> int:
    """Memory that the host has free."""
    return max(0, min([psutil.virtual_memory().available, *_left_by_groups(_PROCESS_GROUPS, _GROUPS)]))


def _left_by_groups(process: Path, mount: Path) -> Iterator[int]:
    """What each control group of this process leaves of its limit: every group up to the root counts its children."""
    try:
        lines = process.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        version, root = (1, mount / "memory") if controllers else (2, mount)
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            left = _left_by(folder, *_FILES[version])
            if left is not None:
                yield left
            if folder == root:
                break


def _left_by(folder: Path, limit_name: str, usage_name: str, cache_name: str) -> int | None:
    """What one group leaves; None where it sets no limit, or is not seen from inside a container."""
    try:
        limit = (folder / limit_name).read_text().strip()
        if not limit.isdigit():  # "max"
            return None
        usage = int((folder / usage_name).read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return int(limit) - usage + int(statistics.get(cache_name, 0))


# ------------------------------------------------------------------- what is needed


def check_memory(needed: int, what: str, instead: str, on_host: bool = False) -> None:
    """Refuse what would not fit, before it is allocated.

    Args:
        needed: bytes.
        what: the thing, with the numbers that make it large.
        instead: what to use instead.
        on_host: whether it is an array of the host whatever the device.

    Raises:
        ValueError: when `needed` exceeds the memory that the default device (or the host, for a CPU) has free.
    """
    if needed <= _NO_MATTER:
        return
    available = host_bytes() if on_host else free_bytes()
    if needed > available:
        gib = math.log10(needed) - 30 * math.log10(2)
        size = f"{10**gib:.3g}" if gib < 6 else f"10^{gib:.0f}"
        raise ValueError(f"{what} needs {size} GiB, but {available / 2**30:.3g} GiB are free; {instead}.")


def check_angles(angles: jax.Array, copies: int) -> None:
    """Refuse known angles of which a function, one operation after the other, holds so many copies."""
    if not isinstance(angles, Tracer):
        size = np.size(angles)
        check_memory(
            copies * size * jax.dtypes.result_type(angles).itemsize, f"A function of {size} angles", "pass fewer"
        )


def needed_by(program: Callable, *args: Any) -> int:
    """Bytes that one call of a jitted function allocates, results included; it is compiled, but not run.

    The call that follows finds it compiled. What was asked once is remembered: JAX would lower the program again.

    Args:
        program: a function made by `jax.jit`.
        args: its arguments.
    """
    leaves, structure = jax.tree.flatten(args)
    kinds = [jax.typeof(leaf) if isinstance(leaf, jax.Array | np.ndarray) else leaf for leaf in leaves]
    key = (structure, tuple(kinds), platform())
    known = _needed.setdefault(program, {})
    if key not in known:
        if programs.forget_if_too_many(jax):
            for shapes in list(_needed.values()):  # other threads may add some
                shapes.clear()
        if len(known) >= _MOST_REMEMBERED:
            known.clear()
        known[key] = of_compiled(program.lower(*args).compile())
    return known[key]


def of_compiled(compiled: Any) -> int:
    """Bytes that one call of a compiled program allocates on a device, results included; 0 where that is not known."""
    statistics = compiled.memory_analysis()
    return 0 if statistics is None else statistics.temp_size_in_bytes + statistics.output_size_in_bytes
