"""Compute one grid of times in tiles of one compiled shape, with progress reports between tiles."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from jaxent import arguments
from jaxent.chain import Chain
from jaxent.protocol.ends import end_to_end_entropy
from jaxent.times import PiFraction, Time

__all__ = ["Report", "entropy_over_grid", "estimated_seconds"]

Report = Callable[[float], None]
"""Called between tiles with the estimated seconds of work just done."""


def estimated_seconds(chain: Chain, n_times: int) -> float:
    """Estimate the seconds of an entropy grid on two CPU cores, with compilation, for a progress bar."""
    counted = min(chain.dimension, 16 * math.sqrt(chain.n_atoms))  # the band engine's window for the full basis
    return 1.5 + n_times * (2e-5 + min(1.4e-11 * chain.dimension**3, 5e-6 * counted))


def entropy_over_grid(
    chain: Chain,
    times: ArrayLike | PiFraction,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    report: Report = lambda seconds: None,
) -> np.ndarray:
    """Compute `jaxent.end_to_end_entropy` over a one-dimensional grid, tile by tile, with progress reports.

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
    arguments.check_precision(chain.n_atoms, times, phases_on_device=False)
    arguments.checked_time(times, chain.n_ensembles)
    count = len(times.numerator) if isinstance(times, PiFraction) else len(np.asarray(times))
    total = estimated_seconds(chain, count)
    tile = min(count, max(1, int(count * 0.5 / total)))  # about half a second each
    result = np.empty(count)
    for start in range(0, count, tile):
        # the last tile is padded, so that all tiles run the same program
        index = np.minimum(np.arange(start, start + tile), count - 1)
        part = end_to_end_entropy(chain, _take(times, index), outcomes, phase_offset)
        stop = min(start + tile, count)
        result[start:stop] = np.asarray(part)[: stop - start]
        report(total * (stop - start) / count)
    return result


def _take(times: Any, index: np.ndarray) -> Time:
    return times[index] if isinstance(times, PiFraction) else np.asarray(times)[index]
