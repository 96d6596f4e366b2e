"""Compute E(t), log p and their time derivatives at any times, for the search for extrema."""

from collections.abc import Callable

import numpy as np

from jaxent.chain import Chain
from jaxent.messages import shown
from jaxent.protocol.dispatch import HardlyPossible, ImpossibleOutcomes, Problem

__all__ = ["Samples"]

_TILE = 64  # times computed at once by a dense program
_TOLERANCE = 1e-9  # error of the band engine, in bits


class Samples:
    """Compute E, dE/dt, log p and d log p/dt at any times: shape (4, times), NaN where the outcomes cannot occur."""

    def __init__(self, chain: Chain, outcomes, phase_offset, ends: tuple[float, float]):
        self._arguments = (chain, outcomes, phase_offset)
        self._ends = ends
        self._tile = max(1, min(_TILE, 2**22 // chain.dimension**2))

    def __call__(self, times: np.ndarray, report: Callable[[float], None] = lambda share: None) -> np.ndarray:
        """Compute the samples at some times; raise ValueError if digits are lost at a time in the interval."""
        found, lost = np.empty((4, len(times))), np.empty(len(times), bool)
        for first in range(0, len(times), self._tile):
            tile = slice(first, first + self._tile)
            found[:, tile], lost[tile] = self._at(times[tile])
            report(min(first + self._tile, len(times)) / len(times))
        self._refuse_lost(times[lost & (times >= self._ends[0]) & (times <= self._ends[1])])
        return found

    def _at(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute the samples, and a mask of times at which digits are lost though the outcomes may occur."""
        chain, outcomes, phase_offset = self._arguments
        problem = Problem.of(chain, times, outcomes, phase_offset)
        try:
            found = problem.entropies(None, _TOLERANCE, dense_count=self._tile, slopes=True)
        except ImpossibleOutcomes as error:
            bad = np.asarray(error.where)
            values, lost = np.full((4, len(times)), np.nan), bad & isinstance(error, HardlyPossible)
            if not bad.all():
                values[:, ~bad], lost[~bad] = self._at(times[~bad])
            return values, lost
        values = np.array([found.entropy, found.slope, found.log_probability, found.log_probability_slope])
        return values, np.asarray(~np.isfinite(values).all(axis=0))

    def _refuse_lost(self, times: np.ndarray) -> None:
        if not len(times):
            return
        where = f"time {times[0]:.6g}" if len(times) == 1 else f"times from {times.min():.6g} to {times.max():.6g}"
        raise ValueError(
            f"Argument `outcomes` = {shown(self._arguments[1])} can hardly occur at {where}, where rounding leaves "
            "less than eight digits of dE/dt; give `start` and `stop` without these, or other outcomes."
        )
