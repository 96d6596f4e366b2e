"""From grids to files: the only module that touches devices and disk.

Grids are worked off in tiles of one compiled shape; between tiles the host may report progress. Files are written
beside their final name and renamed, so a reader never sees half of one.
"""

import contextlib
import importlib.metadata
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from jaxent import arguments
from jaxent.chain import Chain
from jaxent.swapping import end_to_end_entropy
from jaxent.times import PiFraction, Time

__all__ = ["Report", "describe_devices", "entropy_over_grid", "estimated_seconds", "output_folder", "save", "versions"]

Report = Callable[[float], None]
"""Called between tiles with the estimated seconds of work just done."""


def estimated_seconds(chain: Chain, n_times: int) -> float:
    """Rough cost of an entropy grid on two CPU cores, compilation included: enough for an honest progress bar."""
    counted = min(chain.dimension, 16 * math.sqrt(chain.n_atoms))  # the band engine's window for the full basis
    return 1.5 + n_times * (2e-5 + min(1.4e-11 * chain.dimension**3, 5e-6 * counted))


def entropy_over_grid(
    chain: Chain,
    times: ArrayLike | PiFraction,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    report: Report = lambda seconds: None,
) -> np.ndarray:
    """`jaxent.end_to_end_entropy` over a one-dimensional grid, tile by tile, with progress.

    Args:
        chain: the chain.
        times: floats or a `PiFraction`, of shape (n,).
        outcomes: as `jaxent.end_to_end_entropy`.
        phase_offset: as `jaxent.end_to_end_entropy`.
        report: called after each tile with the estimated seconds of its work.

    Returns:
        host float array of shape (n,).

    Raises:
        ValueError: as `jaxent.end_to_end_entropy`.
    """
    arguments.check_precision(chain.n_atoms, times)
    arguments.checked_time(times, chain.n_ensembles)
    count = len(times.numerator) if isinstance(times, PiFraction) else len(np.asarray(times))
    total = estimated_seconds(chain, count)
    tile = min(count, max(1, int(count * 0.5 / total)))  # about half a second each
    result = np.empty(count)
    for start in range(0, count, tile):
        # the last tile is filled up, so that all of them run the same program
        index = np.minimum(np.arange(start, start + tile), count - 1)
        part = end_to_end_entropy(chain, _take(times, index), outcomes, phase_offset)
        stop = min(start + tile, count)
        result[start:stop] = np.asarray(part)[: stop - start]
        report(total * (stop - start) / count)
    return result


def _take(times: Any, index: np.ndarray) -> Time:
    return times[index] if isinstance(times, PiFraction) else np.asarray(times)[index]


def describe_devices() -> list[dict[str, str]]:
    """What JAX sees: one entry per local device, with its kind, memory and default precision."""
    precision = "float64" if jax.numpy.result_type(float) == np.float64 else "float32"
    entries = []
    for device in jax.local_devices():
        stats = device.memory_stats() or {}
        limit = stats.get("bytes_limit")
        entries.append(
            {
                "device": str(device),
                "platform": device.platform,
                "kind": device.device_kind,
                "memory": f"{limit / 2**30:.1f} GiB" if limit else "host memory",
                "precision": precision,
            }
        )
    return entries


def versions() -> dict[str, str]:
    """Versions of what a result depends on, and the device and precision it was computed with."""
    names = ("jaxent", "jax", "jaxlib", "numpy")
    found = {f"{name}_version": importlib.metadata.version(name) for name in names}
    first = describe_devices()[0]
    return found | {"device": first["kind"], "platform": first["platform"], "precision": first["precision"]}


def output_folder(path: str | os.PathLike) -> Path:
    """Make a folder for results and make sure that it can be written to, before any work starts.

    Raises:
        ValueError: when it cannot be made or written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"Argument `out` must be a folder that can be written to, but {str(folder)!r} is not: {error.strerror}."
        ) from error
    return folder


def save(path: Path, write: Callable[[Path], Any]) -> Path:
    """Write a file beside its final name and rename it: a whole file or none.

    Args:
        path: final name.
        write: called with the temporary path, of the same suffix.

    Returns:
        the final path.
    """
    with _beside(path) as temporary:
        write(temporary)
        os.replace(temporary, path)
    return path


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    os.chmod(name, 0o644)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
