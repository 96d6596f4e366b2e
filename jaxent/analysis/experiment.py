"""From a laboratory's numbers to those of this package, and which magic times they reach.

With H = ħ g Σ_j (-1)^j n_j n_(j+1) and the coupling g in rad/s, t = 1 lasts 1/g, and a rate per second is divided by g.
Coherence times become rates through what they decay:

- Collective dephasing of rate γ multiplies ⟨k|ρ|k'⟩ by e^(-2γt(k-k')²). S_x moves k by one, so ⟨S_x⟩ falls as
  e^(-2γt) = e^(-t/T_2): γ = 1/(2 g T_2).
- Dephasing of single atoms multiplies the coherence of each by e^(-2γ_1 t), and so ⟨S_x⟩: γ_1 = 1/(2 g T_2) as well. In
  ⟨S_x⟩ the two look alike; in larger coherences they do not, as the first turns all atoms of an ensemble alike.

>>> experiment = Experiment("2kHz", 10_000, t2="5ms")
>>> print(f"t = 1 lasts {experiment.time_unit * 1e6:.1f} µs, γ = {experiment.dephasing_rate:.5f}")
t = 1 lasts 79.6 µs, γ = 0.00796
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxent import results, unit_texts
from jaxent.chain import Chain
from jaxent.conversion import at_least_zero, positive, whole_number
from jaxent.dicke import MOST_ATOMS
from jaxent.measurement import Measurement
from jaxent.messages import shown
from jaxent.noise.log_negativity import end_to_end_log_negativity
from jaxent.results import Account, Column, Marks
from jaxent.times import PiFraction, pi_fraction

__all__ = ["NOT_MODELLED", "Experiment", "ReachedTimes", "reached_times"]

NOT_MODELLED = (
    "The coupling is one number: it varies neither from atom to atom nor during the interaction.",
    "Each ensemble has exactly N atoms; of numbers that fluctuate see jaxent.fluctuating_log_negativity.",
    "All atoms start in one equal superposition of their two states, without error.",
    "The measurement takes no time: the ends do not dephase during it, nor while its result travels to them.",
    "Atoms are lost, and dephase one by one, in the measured ensemble alone; the ends keep theirs.",
    "A lost atom leaves from either state at one rate; atoms that return, or scatter into other states, are left out.",
    "Decay is exponential: slow noise, which an echo takes back or which decays as a Gaussian, is not.",
    "Photons, their loss and heating enter through these rates alone.",
)
_LOSS = 0.5  # bits that a magic time may lose and be reached
_GOLDEN = (3 - math.sqrt(5)) / 2
_WINDOW, _MOST_STATES = 4.0, 60  # of an end, for dense matrices: a few seconds each
_LEAST_STRENGTH = 10.0  # of γtN; the engine of many atoms knows 0.01 bits from there on
_MOST_LEVELS = 12


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Hold the numbers of an experiment, and convert them to times and rates in units of the coupling.

    Each may be a text with a unit, or a number in SI units. Of a coupling, Hz means cycles: "2kHz" is 2π · 2000 rad/s;
    "2000rad/s" is what it says. Of a loss, Hz means events per second: "0.1Hz" is 0.1/s. After construction, all are
    numbers in rad/s, s, 1/s.

    Attributes:
        coupling: g of H = ħ g n n, the frequency by which one atom turns one atom of the next ensemble.
        n_atoms: N of each ensemble.
        t2: time in which ⟨S_x⟩ of an ensemble falls to 1/e by noise that all its atoms share; None: never.
        atom_t2: time in which the coherence of a single atom falls to 1/e by noise of its own; None: never.
        loss: rate at which an atom is lost, 1/s.
        resolution: σ of the detectors, in atoms.
        n_ensembles: M.

    Raises:
        ValueError: when one is out of range, or has no unit of its kind.
    """

    coupling: Any
    n_atoms: Any
    t2: Any = None
    atom_t2: Any = None
    loss: Any = 0.0
    resolution: Any = 0.0
    n_ensembles: Any = 3

    def __post_init__(self):
        never = math.inf
        found = {
            "coupling": unit_texts.angular_frequency("coupling", self.coupling),
            "n_atoms": whole_number("n_atoms", self.n_atoms, 1, MOST_ATOMS),
            "t2": never if self.t2 is None else unit_texts.duration("t2", self.t2),
            "atom_t2": never if self.atom_t2 is None else unit_texts.duration("atom_t2", self.atom_t2),
            "loss": unit_texts.rate("loss", self.loss),
            "resolution": at_least_zero("resolution", self.resolution),
            "n_ensembles": whole_number("n_ensembles", self.n_ensembles, 2, 10**6),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @property
    def chain(self) -> Chain:
        """The chain, without a window."""
        return Chain(self.n_ensembles, self.n_atoms)

    @property
    def time_unit(self) -> float:
        """How long t = 1 lasts, 1/g, in seconds."""
        return 1 / self.coupling

    @property
    def dephasing_rate(self) -> float:
        """γ = 1/(2 g T_2), in units of the coupling."""
        return 1 / (2 * self.coupling * self.t2)

    @property
    def atom_dephasing_rate(self) -> float:
        """γ_1 = 1/(2 g T_2) of a single atom, in units of the coupling."""
        return 1 / (2 * self.coupling * self.atom_t2)

    @property
    def atom_loss_rate(self) -> float:
        """Γ of a single atom, in units of the coupling."""
        return self.loss / self.coupling

    @property
    def measurement(self) -> Measurement | None:
        """The measurement as functions of the dephased protocol take it; None if it is perfect."""
        found = Measurement(self.resolution, self.atom_dephasing_rate, self.atom_loss_rate)
        return None if found.is_perfect else found

    @property
    def not_modelled(self) -> tuple[str, ...]:
        """Sentences that say what none of these numbers stands for."""
        return NOT_MODELLED


class ReachedTimes(NamedTuple):
    """Hold the magic times 2π/r of an experiment, and what its noise leaves of their log₂ r bits.

    Attributes:
        levels: r, shape (n,).
        time: 2π/r, exact.
        seconds: how long they last.
        strength: γtr²; for many atoms and outcome N, magic times are better than those beside them beyond about 0.45.
        log_negativity: bits, with noise and measurement.
        generic: log negativity beside it, at 2π/(r + 0.382), where nothing is magic.
        rate: γ for which the log negativity was computed: the experiment's, or 10/(Nt) where its own is so small that
            many atoms are too pure for the engine.
        reached: whether at most half a bit of log₂ r is lost.
    """

    levels: np.ndarray
    time: PiFraction
    seconds: np.ndarray
    strength: np.ndarray
    log_negativity: np.ndarray
    generic: np.ndarray
    rate: np.ndarray
    reached: np.ndarray

    __repr__ = results.line
    _repr_html_ = results.table
    plot = results.plot
    to_xarray = results.to_xarray

    def _account(self) -> Account:
        columns = {
            "levels": Column(self.levels, meaning="levels r", symbol="r"),
            "time": Column(self.time, "1/coupling", "interaction time t", "t"),
            "seconds": Column(self.seconds, "s", "duration of the interaction"),
            "strength": Column(self.strength, "1", "γtr²"),
            "log_negativity": Column(self.log_negativity, "bit", "log negativity of the ends", "E"),
            "generic": Column(self.generic, "bit", "log negativity beside the magic time"),
            "rate": Column(self.rate, "coupling", "dephasing rate γ of the log negativity"),
            "reached": Column(self.reached, meaning="reached"),
        }
        marks = [Marks("log_negativity", "o", label="at 2π/r"), Marks("generic", "x", label="beside it")]
        return Account("magic times", columns, marks)


def reached_times(
    experiment: Experiment,
    levels: Sequence[int] | np.ndarray = (2, 3, 4, 5, 6),
    *,
    tolerance: float = 0.01,
    report: Callable[[float], None] = lambda share: None,
) -> ReachedTimes:
    """Compute which magic times 2π/r of three ensembles an experiment reaches before its noise wins.

    The record is the typical one, N cos²(φ/2) of the measured ensemble with the phase offset φ = π/(2r). Each time
    takes seconds, or half a minute where its program is not compiled yet.

    Args:
        experiment: of three ensembles.
        levels: r, each from 2 to 12; well below √N, or the state of r levels is not there.
        tolerance: error in bits that the log negativity may have.
        report: called with the share of the work done.

    Returns:
        ReachedTimes: a row for each r.

    Raises:
        ValueError: for other chains, on levels out of range, and where the log negativity cannot be had.

    Example:
        >>> import jaxent
        >>> mine = jaxent.Experiment("2kHz", n_atoms=20, t2="20ms")
        >>> print(jaxent.reached_times(mine, levels=(2,)).reached)
        [ True]
    """
    if not isinstance(experiment, Experiment):
        raise ValueError(
            f"Argument `experiment` must be a jaxent.Experiment, such as jaxent.Experiment('2kHz', 10000), but is "
            f"{shown(experiment)}."
        )
    if experiment.n_ensembles != 3:
        raise ValueError(
            f"Argument `experiment` must be of three ensembles here, but has n_ensembles = {experiment.n_ensembles}."
        )
    given = np.asarray(levels, object)
    if given.ndim != 1 or not given.size:
        raise ValueError(f"Argument `levels` must be a list of integers, but is {shown(levels)}.")
    numbers = np.array([whole_number("levels", r, 2, _MOST_LEVELS) for r in given])
    tolerance = positive("tolerance", tolerance)
    times = pi_fraction(np.full(len(numbers), 2), numbers)
    values = np.asarray(times.value)
    found = np.zeros((2, len(numbers)))
    rates = np.zeros(len(numbers))
    for place, r in enumerate(numbers):
        found[0, place], rates[place] = _log_negativity(experiment, times[place], tolerance)
        report((2 * place + 1) / (2 * len(numbers)))
        found[1, place], _ = _log_negativity(experiment, 2 * math.pi / (r + _GOLDEN), tolerance)
        report((place + 1) / len(numbers))
    return ReachedTimes(
        levels=numbers,
        time=times,
        seconds=values * experiment.time_unit,
        strength=experiment.dephasing_rate * values * numbers**2,
        log_negativity=found[0],
        generic=found[1],
        rate=rates,
        reached=found[0] >= np.log2(numbers) - _LOSS,
    )


def _log_negativity(experiment: Experiment, time: Any, tolerance: float) -> tuple[float, float]:
    """Compute the log negativity for the typical record, and return it with the rate that was taken."""
    n_atoms, rate, measurement = experiment.n_atoms, experiment.dephasing_rate, experiment.measurement
    instant = float(time.value) if isinstance(time, PiFraction) else time
    offset = instant / 4
    record = n_atoms * math.cos(offset / 2) ** 2
    windowed = Chain(3, n_atoms, _WINDOW if 2 * math.floor(_WINDOW * math.sqrt(n_atoms) / 2) <= n_atoms else None)
    few = windowed.dimension <= _MOST_STATES
    if not few and (rate > 0 or measurement is not None):
        rate = max(rate, _LEAST_STRENGTH / (n_atoms * instant))
    bits = end_to_end_log_negativity(
        windowed if few else experiment.chain,
        *(time, rate, record if experiment.resolution else round(record), offset),
        tolerance=None if few else tolerance,
        measurement=measurement,
    )
    return float(bits), rate
