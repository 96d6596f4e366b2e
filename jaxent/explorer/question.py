"""What is asked in the explorer, as one frozen object: its knobs, the chain they mean, how it is computed, its cost.

The ways to a number, each with its error:

- entropy: `jaxent.entropy_with_errors`, whose window error is a proven bound for three ensembles and an estimate from
  two windows else;
- log negativity without noise: the Rényi entropy of order 1/2 of a pure state, from the band engine at any N;
- log negativity with noise: the dense partial transpose in the person's own window or the full basis; the error of a
  window is estimated from a narrower one.

No window is chosen but where its error has a proven bound, which is shown with the curve.
"""

import dataclasses
import math

from jaxent import band
from jaxent.chain import Chain
from jaxent.sweep.quantities import QUANTITIES, Settings

__all__ = ["TOLERANCE", "Question", "in_words"]

TOLERANCE = 1e-6  # bits: far below a line's width
_LOOSE = 1e-4
_SHARP_HALVES = range(3, 13)  # ensembles whose Rényi entropy of order 1/2 has a quadrature good to TOLERANCE
_MOST_STATES = 498  # kept by default up to _MOST_DENSE_ATOMS: one program of a dense matrix for every zoom
_MOST_DENSE_ATOMS = 10**4  # where so many states cost at most 6e-5 bits
_WIDEST = 8.0  # standard deviations: beyond, the weights are below rounding
_WIDER = 2.0  # standard deviations by which an estimate widens a window
_MOST_SECONDS = 10.0  # of one point
_LABELS = {"entropy": "end-to-end entanglement E (bits)", "log_negativity": "log negativity (bits)"}


@dataclasses.dataclass(frozen=True)
class Question:
    """A curve over time, all its other knobs fixed.

    Attributes:
        quantity: "entropy" or "log_negativity".
        n_ensembles: M.
        n_atoms: N.
        window: c in standard deviations; None: see `chain`.
        outcomes: of the inner ensembles, one number for all or one for each; None: all N.
        phase_offset: φ in radians.
        dephasing_rate: γ of each ensemble, for the log negativity.
    """

    quantity: str = "entropy"
    n_ensembles: int = 3
    n_atoms: int = 100
    window: float | None = None
    outcomes: int | tuple[int, ...] | None = None
    phase_offset: float = 0.0
    dephasing_rate: float = 0.0

    @property
    def chain(self) -> Chain:
        """The chain: with the window asked for, else with all states.

        The entropy of three ensembles of 499 to 10^4 atoms keeps 498 states: one program serves every zoom, and their
        error has a proven bound.
        """
        window = self.window
        if window is None and self.is_bounded and _MOST_STATES < self.n_atoms <= _MOST_DENSE_ATOMS:
            window = min(_WIDEST, _MOST_STATES / math.sqrt(self.n_atoms))
        return Chain(self.n_ensembles, self.n_atoms, window)

    @property
    def wider(self) -> Chain:
        """The chain that a window's error is estimated from, two standard deviations wider."""
        try:
            return Chain(self.n_ensembles, self.n_atoms, self.chain.window + _WIDER if self.chain.window else None)
        except ValueError:  # it would not fit
            return Chain(self.n_ensembles, self.n_atoms)

    @property
    def narrower(self) -> Chain:
        """The chain that a window's error is estimated from with noise: a standard deviation narrower."""
        odd = self.n_atoms % 2
        half_width = (self.chain.dimension - 1 + odd) // 2 - math.ceil(math.sqrt(self.n_atoms) / 2)
        half_width = max(half_width, odd)
        return Chain(self.n_ensembles, self.n_atoms, (2 * half_width + 0.5) / math.sqrt(self.n_atoms))

    @property
    def label(self) -> str:
        """The quantity with its unit, for an axis."""
        return _LABELS[self.quantity]

    @property
    def title(self) -> str:
        """The values of all knobs."""
        parts = [f"M = {self.n_ensembles}", f"N = {self.n_atoms}"]
        parts += [] if self.window is None else [f"c = {self.window:g}"]
        if self.n_ensembles > 2:
            outcomes = "N" if self.outcomes is None else str(self.outcomes)
            parts += [f"q = {outcomes if len(outcomes) < 40 else outcomes[:30] + ' …'}", f"φ = {self.phase_offset:.6g}"]
        parts += [f"γ = {self.dephasing_rate:g}"] if self.quantity == "log_negativity" else []
        return ", ".join(parts)

    @property
    def method(self) -> str:
        """How it is computed, in a few words."""
        if self.is_banded:
            return "band engine" + (f", window c = {self.window:g}" if self.is_windowed else "")
        kept = f"{self.chain.dimension} of {self.n_atoms + 1} Dicke states per ensemble"
        return kept + (f" (window c = {self.chain.window:.3g})" if self.is_windowed else "")

    @property
    def is_windowed(self) -> bool:
        """Whether Dicke states are left out."""
        return self.chain.window is not None and self.chain.dimension <= self.n_atoms

    @property
    def is_bounded(self) -> bool:
        """Whether a window's error has a proven bound: the entropy of three ensembles."""
        return self.quantity == "entropy" and self.n_ensembles == 3

    @property
    def is_noisy(self) -> bool:
        """Whether the state is mixed."""
        return self.quantity == "log_negativity" and self.dephasing_rate > 0

    @property
    def is_simple(self) -> bool:
        """Whether all outcomes are N and no offset is set."""
        return self.outcomes is None and self.phase_offset == 0.0

    @property
    def is_plain(self) -> bool:
        """Whether `jaxent.entropy_curve` takes it and knows its error."""
        return self.quantity == "entropy" and self.is_simple and (self.is_bounded or not self.is_windowed)

    @property
    def is_banded(self) -> bool:
        """Whether the band engine computes it."""
        if self.is_noisy or (self.quantity == "log_negativity" and not self.is_simple):
            return False
        facts = band.Facts(self.outcomes is None, self.phase_offset == 0.0)
        return band.worth_planning(self.chain, facts, self.tolerance)

    @property
    def tolerance(self) -> float:
        """What the band engine may be off by, in bits."""
        is_sharp = self.quantity == "entropy" or self.n_ensembles in _SHARP_HALVES
        return TOLERANCE if is_sharp else _LOOSE

    @property
    def point_seconds(self) -> float:
        """Rough time of one point, its error included."""
        if self.is_noisy:
            chains = [self.chain, self.narrower] if self.is_windowed else [self.chain]
            settings = Settings(TOLERANCE, 1.0, None, 0)
            return sum(QUANTITIES["log_negativity"].seconds(chain, settings) for chain in chains)
        if not self.is_windowed or self.is_bounded:
            return self._pure_seconds(self.chain)
        return 2 * self._pure_seconds(self.chain) + self._pure_seconds(self.wider)

    def _pure_seconds(self, chain: Chain) -> float:
        if self.is_banded:
            return QUANTITIES["entropy"].seconds(chain, Settings(self.tolerance, 1.0, None, 0))
        return 2e-5 + band.dense_seconds(chain.dimension, not self.is_simple) * (self.n_ensembles - 2 or 1)

    def check_cost(self) -> None:
        """Refuse what takes too long for a point.

        Raises:
            ValueError: with what to change.
        """
        if self.point_seconds <= _MOST_SECONDS:
            return
        remedies = ["use fewer atoms" if self.window is None else "use fewer atoms or a narrower window"]
        window = self._widest_affordable() if self.window is None else None
        if window is not None:
            remedies.append(f"a window up to c = {window:.1f}, whose error is estimated")
        if self.is_noisy:
            remedies.append("γ = 0" if self.is_simple else "γ = 0, φ = 0 and all outcomes N")
        elif not self.is_simple:
            remedies.append("all outcomes N and φ = 0")
        raise ValueError(
            f"N = {self.n_atoms} with these settings takes {in_words(self.point_seconds)} a point "
            f"({self.chain.dimension} states per end, at most {_MOST_SECONDS:.0f} s): {', or '.join(remedies)}."
        )

    def _widest_affordable(self) -> float | None:
        """The widest window of at least 2 standard deviations, in tenths, that costs little enough."""
        for tenths in range(int(10 * _WIDEST), 19, -1):
            if tenths < 10 * math.sqrt(self.n_atoms):
                asked = dataclasses.replace(self, window=tenths / 10)
                if asked.is_windowed and asked.point_seconds <= _MOST_SECONDS:
                    return asked.window
        return None


def in_words(seconds: float) -> str:
    """A rough duration as one says it."""
    for most, unit, name in ((120, 1, "s"), (7200, 60, "minutes"), (2e5, 3600, "hours"), (3e7, 86400, "days")):
        if seconds < most:
            return f"about {seconds / unit:.0f} {name}"
    return "more than a year"
