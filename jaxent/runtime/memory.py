"""Measure free memory, estimate what a computation needs, and refuse one that would not fit.

The memory of a compiled program is known before it runs, because XLA has laid out all its buffers. A jitted function is
therefore checked by XLA's figure for the whole call: batch, results and workspace, including that of decompositions.
Arguments too large even to compile are refused earlier, by a lower bound (`check_memory`).

Free memory is the available memory of the machine, or what the limits of the process's control groups (containers,
batch systems) leave, whichever is less; on an accelerator, the free part of its own memory.
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

from jaxent.runtime import programs, threads
from jaxent.runtime.default_device import default_device, platform

__all__ = ["calls_at_once", "check_angles", "check_memory", "free_bytes", "host_bytes", "needed_by", "of_compiled"]

_NO_MATTER = 2**20  # bytes; reading the free memory takes longer than a call that needs so little
_LITTLE = 2**27  # bytes that calls side by side may take unmeasured
_MOST_REMEMBERED = 4096  # shapes per program
_PROCESS_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
# files by version: the limit, the usage, and the cache, which counts as usage but can be reclaimed
_FILES = {
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
_needed: Any = weakref.WeakKeyDictionary()  # bytes by program and shapes; weak, so that programs can be freed


# ------------------------------------------------------------------- what is free


def free_bytes() -> int:
    """Measure the free memory of the default device, or of the host if that is a CPU, in bytes."""
    device = default_device()
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        if "bytes_limit" in stats:
            return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return host_bytes()


def host_bytes(process_groups: Path = _PROCESS_GROUPS, groups: Path = _GROUPS) -> int:
    """Measure the free memory of the host within the limits of this process's control groups, in bytes.

    Args:
        process_groups: file that lists the groups of the process.
        groups: folder in which the system shows all groups.
    """
    return max(0, min([psutil.virtual_memory().available, *_left_by_groups(process_groups, groups)]))


def _left_by_groups(process: Path, mount: Path) -> Iterator[int]:
    """Yield the free bytes of each control group of this process, up to the root: a group includes its children."""
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
    """Read the free bytes of one control group; None if it has no limit, or is not visible inside a container."""
    try:
        limit = (folder / limit_name).read_text().strip()
        if not limit.isdigit():  # "max"
            return None
        usage = int((folder / usage_name).read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return int(limit) - usage + int(statistics.get(cache_name, 0))


def calls_at_once(needed: int) -> int:
    """Count the calls, of `needed` bytes each, that half the free memory holds: at least one.

    As many as there are processors where these need little, without measuring the memory, which takes a millisecond.
    """
    if needed * threads.processors() <= _LITTLE:
        return threads.processors()
    return max(1, free_bytes() // (2 * needed))


# ------------------------------------------------------------------- what is needed


def check_memory(needed: int, what: str, instead: str, on_host: bool = False) -> None:
    """Refuse a computation that would not fit in memory, before it is allocated.

    Args:
        needed: bytes.
        what: the computation, with the numbers that make it large.
        instead: what to use instead.
        on_host: whether the memory is needed on the host, for any default device.

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
    """Refuse known angles if the `copies` that a function holds outside `jax.jit` would not fit in memory."""
    if not isinstance(angles, Tracer):
        size = np.size(angles)
        check_memory(
            copies * size * jax.dtypes.result_type(angles).itemsize, f"A function of {size} angles", "pass fewer"
        )


def needed_by(program: Callable, *args: Any) -> int:
    """Compile a jitted function, without running it, and return the bytes that one call allocates, with its results.

    The following call uses the compiled program. Answers are cached, because JAX would lower the program again.

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
    """Return the bytes that one call of a compiled program allocates, with its results; 0 if unknown."""
    statistics = compiled.memory_analysis()
    return 0 if statistics is None else statistics.temp_size_in_bytes + statistics.output_size_in_bytes
