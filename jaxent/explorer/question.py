"""Hold a question of the explorer as one frozen object: its parameters, its chain, the method, and the cost.

The methods, each with its error:

- entropy: `jaxent.entropy_with_errors`, whose window error is a proven bound for three ensembles, and otherwise an
  estimate from two windows;
- log negativity without noise: the Rényi entropy of order 1/2 of a pure state, from the band engine at any N;
- log negativity with noise: the dense partial transpose in the window of the field or the full basis; the error of a
  window is estimated from a narrower one. Where that takes too long without a window, for three ensembles:
  `jaxent.log_negativity_with_errors`, with the error it states.

A window is chosen automatically only where its error has a proven bound, which is shown with the curve.
"""

import dataclasses
import math

from jaxent import band
from jaxent.chain import Chain
from jaxent.measurement import Measurement
from jaxent.noise.log_negativity import DEFAULT_TOLERANCE
from jaxent.sweep.quantities import QUANTITIES, Settings

__all__ = ["TOLERANCE", "Question", "in_words"]

TOLERANCE = 1e-6  # bits; far below the width of a line
_LOOSE = 1e-4
_BANDS_SECONDS = 1.5  # of one point of many atoms with noise, with its share of compiling
_SHARP_HALVES = range(3, 13)  # M with a quadrature of the Rényi entropy of order 1/2 accurate to TOLERANCE
_MOST_STATES = 498  # states kept by default up to _MOST_DENSE_ATOMS, so that one dense program serves every zoom
_MOST_DENSE_ATOMS = 10**4  # up to this N, keeping so many states has an error of at most 6e-5 bits
_WIDEST = 8.0  # standard deviations; the weights beyond are below rounding
_WIDER = 2.0  # standard deviations by which an estimate widens a window
_MOST_SECONDS = 10.0  # of one point of the curve
_NAMES = {"entropy": "entanglement E", "log_negativity": "log negativity"}
_LABELS = {"entropy": "end-to-end entanglement E (bits)", "log_negativity": "log negativity (bits)"}


@dataclasses.dataclass(frozen=True)
class Question:
    """Describe a curve over time, with all other parameters fixed.

    Attributes:
        quantity: "entropy" or "log_negativity".
        n_ensembles: M.
        n_atoms: N.
        window: c in standard deviations; None: see `chain`.
        outcomes: outcomes of the inner ensembles, one number for all or one for each; None: all N.
        phase_offset: φ in radians.
        dephasing_rate: γ of each ensemble, for the log negativity.
        resolution: σ of the detectors in atoms, for the log negativity.
    """

    quantity: str = "entropy"
    n_ensembles: int = 3
    n_atoms: int = 100
    window: float | None = None
    outcomes: int | tuple[int, ...] | None = None
    phase_offset: float = 0.0
    dephasing_rate: float = 0.0
    resolution: float = 0.0

    @property
    def measurement(self) -> Measurement | None:
        """The detectors, None for perfect ones."""
        return Measurement(resolution=self.resolution) if self.resolution else None

    @property
    def noiseless(self) -> "Question":
        """The same question of the pure state."""
        return dataclasses.replace(self, dephasing_rate=0.0, resolution=0.0)

    @property
    def chain(self) -> Chain:
        """The chain, with the window of the field, or with all states if that is empty.

        For the entropy of three ensembles of 499 to 10^4 atoms it keeps about 498 states: one program serves every
        zoom, and the error has a proven bound.
        """
        window = self.window
        if window is None and self.is_bounded and _MOST_STATES < self.n_atoms <= _MOST_DENSE_ATOMS:
            window = min(_WIDEST, _MOST_STATES / math.sqrt(self.n_atoms))
        return Chain(self.n_ensembles, self.n_atoms, window)

    @property
    def wider(self) -> Chain:
        """The chain with a window two standard deviations wider, to estimate the error of the window."""
        try:
            return Chain(self.n_ensembles, self.n_atoms, self.chain.window + _WIDER if self.chain.window else None)
        except ValueError:  # the window would be wider than the full basis
            return Chain(self.n_ensembles, self.n_atoms)

    @property
    def narrower(self) -> Chain:
        """The chain with a window one standard deviation narrower, to estimate the error of the window with noise."""
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
        """The values of all parameters."""
        parts = [f"M = {self.n_ensembles}", f"N = {self.n_atoms}"]
        parts += [] if self.window is None else [f"c = {self.window:g}"]
        if self.n_ensembles > 2:
            outcomes = "N" if self.outcomes is None else str(self.outcomes)
            parts += [f"q = {outcomes if len(outcomes) < 40 else outcomes[:30] + ' …'}", f"φ = {self.phase_offset:.6g}"]
        parts += [f"γ = {self.dephasing_rate:g}"] if self.quantity == "log_negativity" else []
        parts += [f"σ = {self.resolution:g}"] if self.resolution else []
        return ", ".join(parts)

    @property
    def sentence(self) -> str:
        """The quantity and the values of all parameters, for a legend."""
        return f"{_NAMES[self.quantity]}: {self.title}"

    @property
    def method(self) -> str:
        """The method of computation, in a few words."""
        if self.is_banded:
            return "band engine" + (f", window c = {self.window:g}" if self.is_windowed else "")
        if self.is_within_tolerance:
            return "Bloch bands, blocks at magic times"
        kept = f"{self.chain.dimension} of {self.n_atoms + 1} Dicke states per ensemble"
        return kept + (f" (window c = {self.chain.window:.3g})" if self.is_windowed else "")

    @property
    def is_windowed(self) -> bool:
        """True if the window leaves out Dicke states."""
        return self.chain.window is not None and self.chain.dimension <= self.n_atoms

    @property
    def is_bounded(self) -> bool:
        """True if the error of a window has a proven bound: for the entropy of three ensembles."""
        return self.quantity == "entropy" and self.n_ensembles == 3

    @property
    def is_noisy(self) -> bool:
        """True if the state is mixed."""
        return self.quantity == "log_negativity" and (self.dephasing_rate > 0 or self.resolution > 0)

    @property
    def is_within_tolerance(self) -> bool:
        """True if `jaxent.log_negativity_with_errors` computes the curve: three dephasing ensembles of many atoms."""
        possible = self.is_noisy and self.dephasing_rate > 0 and self.n_ensembles == 3 and self.window is None
        return possible and self._transpose_seconds() > _MOST_SECONDS

    @property
    def is_simple(self) -> bool:
        """True if all outcomes are N and no offset is set."""
        return self.outcomes is None and self.phase_offset == 0.0

    @property
    def is_plain(self) -> bool:
        """True if `jaxent.entropy_curve` computes the curve with its error."""
        return self.quantity == "entropy" and self.is_simple and (self.is_bounded or not self.is_windowed)

    @property
    def is_banded(self) -> bool:
        """True if the band engine computes the curve."""
        if self.is_noisy or (self.quantity == "log_negativity" and not self.is_simple):
            return False
        facts = band.Facts(self.outcomes is None, self.phase_offset == 0.0)
        return band.worth_planning(self.chain, facts, self.tolerance)

    @property
    def tolerance(self) -> float:
        """Largest error of the engines of many atoms, in bits."""
        if self.is_noisy:
            return DEFAULT_TOLERANCE
        is_sharp = self.quantity == "entropy" or self.n_ensembles in _SHARP_HALVES
        return TOLERANCE if is_sharp else _LOOSE

    @property
    def point_seconds(self) -> float:
        """Estimated seconds of one point, including its error."""
        if self.is_noisy:
            return _BANDS_SECONDS if self.is_within_tolerance else self._transpose_seconds()
        if not self.is_windowed or self.is_bounded:
            return self._pure_seconds(self.chain)
        return 2 * self._pure_seconds(self.chain) + self._pure_seconds(self.wider)

    def _transpose_seconds(self) -> float:
        chains = [self.chain, self.narrower] if self.is_windowed else [self.chain]
        settings = Settings(TOLERANCE, 1.0, None, 0)
        return sum(QUANTITIES["log_negativity"].seconds(chain, settings) for chain in chains)

    def _pure_seconds(self, chain: Chain) -> float:
        if self.is_banded:
            return QUANTITIES["entropy"].seconds(chain, Settings(self.tolerance, 1.0, None, 0))
        each = 1 if self.is_simple else self.n_ensembles - 2 or 1
        return 2e-5 + band.dense_seconds(chain, not self.is_simple) * each

    def check_cost(self) -> None:
        """Refuse a question whose points take too long.

        Raises:
            ValueError: with the parameters to change.
        """
        if self.point_seconds <= _MOST_SECONDS:
            return
        remedies = ["use fewer atoms" if self.window is None else "use fewer atoms or a narrower window"]
        window = self._widest_affordable() if self.window is None else None
        if window is not None:
            remedies.append(f"a window up to c = {window:.1f}, whose error is estimated")
        if self.is_noisy:
            if self.n_ensembles == 3:  # bands need dephasing, and no window
                remedies.append("window auto" if self.dephasing_rate else "γ > 0 and window auto")
            none = "γ = 0 and σ = 0" if self.resolution else "γ = 0"
            remedies.append(none if self.is_simple else f"{none.replace(' and', ',')}, φ = 0 and all outcomes N")
        elif not self.is_simple:
            remedies.append("all outcomes N and φ = 0")
        raise ValueError(
            f"N = {self.n_atoms} with these settings takes {in_words(self.point_seconds)} a point "
            f"({self.chain.dimension} states per end, at most {_MOST_SECONDS:.0f} s): {', or '.join(remedies)}."
        )

    def _widest_affordable(self) -> float | None:
        """Find the widest affordable window of at least 2 standard deviations, in steps of a tenth."""
        for tenths in range(int(10 * _WIDEST), 19, -1):
            if tenths < 10 * math.sqrt(self.n_atoms):
                asked = dataclasses.replace(self, window=tenths / 10)
                if asked.is_windowed and asked.point_seconds <= _MOST_SECONDS:
                    return asked.window
        return None


def in_words(seconds: float) -> str:
    """Write a rough duration in words, such as "about 3 minutes"."""
    for most, unit, name in ((120, 1, "s"), (7200, 60, "minutes"), (2e5, 3600, "hours"), (3e7, 86400, "days")):
        if seconds < most:
            return f"about {seconds / unit:.0f} {name}"
    return "more than a year"
