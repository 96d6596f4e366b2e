"""Average the log negativity of three ensembles over numbers of atoms that are not the same in each run.

An ensemble is filled with N_j atoms with probability P(N_j). What is read of the measured one is the number n of its
atoms in |-⟩, so that q = N_2 - n. For given numbers the ends are left, with labels x of their states, in

    A(x_1, x_3) = √(w_1 w_3) u f_q(α),    α = (x_1 - x_3) t + φ,

where n_a n_a couples with x = k and u = e^(i N_2 (x_1 - x_3) t/2), where S_z S_z does with x = m = k - N/2 and u = 1.
Averaged with P(N_1) P(N_2) P(N_3), which n weights by its own probability, factors belong to one ensemble each:

    ρ ∝ ⟨√w √w'⟩_1 ⟨√w √w'⟩_3 ⟨u u'* Σ_θ v_θ f_q(α + θ) f_q(α' + θ)⟩_2 e^(-2γ_1 t (x_1-x_1')² - 2γ_3 t (x_3-x_3')²),

v_θ being the exact weights of the phases by which the measured ensemble dephases. So n_a n_a is hurt by not knowing N_2
alone, and S_z S_z by none but the parities of N_1 and N_3, which each end holds itself.

References: derived for this package; checked against sums over full states of all ensembles.
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from jaxent import arguments, dicke, results, spectral
from jaxent.conversion import as_given, positive, real_number, whole_number
from jaxent.messages import shown
from jaxent.noise.dephasing import EnsembleRates, Rate
from jaxent.noise.measured_ensemble import damping
from jaxent.numerics.algebra import between_diagonals, multiply
from jaxent.numerics.binomials import log_binomial
from jaxent.protocol import sizes
from jaxent.results import Account, Column
from jaxent.runtime import execution, memory
from jaxent.times import Time, shared_bound, time_value, turns, unit

__all__ = ["AtomNumbers", "FluctuatingLogNegativity", "averaged_block", "fluctuating_log_negativity"]

_COUPLINGS = ("number", "spin")
_KNOWN = ("all", "measured", "none")
_MOST_SECONDS = 300.0
_BESIDE = 1e-12  # of a distribution, that is left out
_AT_ONCE = 64  # combinations of numbers that are computed together


@dataclasses.dataclass(frozen=True)
class AtomNumbers:
    """Hold the distribution of the number of atoms of one ensemble.

    Attributes:
        values: numbers N that occur, integers of at least 1.
        probabilities: P(N) of each, positive; they are divided by their sum.
    """

    values: tuple[int, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self):
        given = [as_given(name, getattr(self, name)) for name in ("values", "probabilities")]
        if any(arguments.concrete(one) is None for one in given):
            raise ValueError("Arguments `values` and `probabilities` must be known, but are traced.")
        values, shares = (np.atleast_1d(np.asarray(one)) for one in given)
        if values.shape != shares.shape or values.ndim != 1 or not values.size:
            raise ValueError(
                "Arguments `values` and `probabilities` must be sequences of one length, but have the shapes "
                f"{values.shape} and {shares.shape}."
            )
        numbers = [whole_number("values", value, 1, dicke.MOST_ATOMS) for value in values.tolist()]
        if len(set(numbers)) != len(numbers):
            raise ValueError(f"Argument `values` must hold each number once, but is {shown(self.values)}.")
        if shares.dtype.kind not in "fiu" or not (np.isfinite(shares) & (shares >= 0)).all() or not shares.sum() > 0:
            raise ValueError(
                "Argument `probabilities` must hold finite numbers of at least 0, not all 0, but is "
                f"{shown(self.probabilities)}."
            )
        order = np.argsort(numbers)
        object.__setattr__(self, "values", tuple(numbers[k] for k in order))
        object.__setattr__(self, "probabilities", tuple((shares[order] / shares.sum()).tolist()))

    @classmethod
    def poissonian(cls, mean: float) -> "AtomNumbers":
        """Return the Poissonian distribution of a mean, without N = 0 and tails of 1e-12 in all."""
        mean = positive("mean", mean)
        return cls._between(scipy.stats.poisson(mean), f"mean = {mean}")

    @classmethod
    def normal(cls, mean: float, spread: float) -> "AtomNumbers":
        """Return whole numbers N with weights e^(-(N - mean)²/2 spread²), likewise."""
        mean, spread = positive("mean", mean), positive("spread", spread)
        reach = spread * scipy.stats.norm.isf(_BESIDE / 2)
        first, last = max(1, math.floor(mean - reach)), math.ceil(mean + reach)
        numbers = cls._listed(first, last, f"spread = {spread}")
        return cls(numbers, tuple(np.exp(-((np.array(numbers) - mean) ** 2) / (2 * spread**2)).tolist()))

    @classmethod
    def _between(cls, distribution: Any, what: str) -> "AtomNumbers":
        first = max(1, int(distribution.ppf(_BESIDE / 2)))
        numbers = cls._listed(first, int(distribution.isf(_BESIDE / 2)), what)
        return cls(numbers, tuple(distribution.pmf(numbers).tolist()))

    @staticmethod
    def _listed(first: int, last: int, what: str) -> tuple[int, ...]:
        if last - first > 10**5:
            raise ValueError(f"Argument {what} spreads over {last - first} numbers of atoms, more than 10^5.")
        return tuple(range(first, max(first, last) + 1))

    @property
    def mean(self) -> float:
        """Return the mean number of atoms."""
        return float(np.dot(self.values, self.probabilities))


class FluctuatingLogNegativity(NamedTuple):
    """Hold a log negativity in bits over fluctuating numbers of atoms.

    Attributes:
        value: log negativity, a scalar.
        standard_error: of the drawn numbers; 0 where all were summed.
        log_probability: natural logarithm of the probability of the record, averaged over the numbers.
    """

    value: Any
    standard_error: Any
    log_probability: Any

    __repr__ = results.line
    _repr_html_ = results.table

    def _account(self) -> Account:
        columns = {
            "value": Column(self.value, "bit", "log negativity of the ends", "E"),
            "standard_error": Column(self.standard_error, "bit", "standard error", results.ERROR),
            "log_probability": Column(self.log_probability, meaning="ln p of the record", symbol="ln p"),
        }
        return Account("values" if np.ndim(self.value) else "", columns)


def fluctuating_log_negativity(
    numbers: Any,
    time: Time,
    dephasing_rate: Rate = 0.0,
    missing: int = 0,
    phase_offset: arguments.Offsets = 0.0,
    *,
    known: str = "all",
    coupling: str = "number",
    key: jax.Array | None = None,
    n_samples: int = 200,
) -> FluctuatingLogNegativity:
    """Average the log negativity of the ends of three ensembles over their numbers of atoms.

    Runs in which the record `missing` was found are averaged, each kind as often as it occurs among them. Where numbers
    are known in each run, afterwards, the mean of its log negativity counts; where not, that of the mean state, in
    which an end is told from its label x alone: numbers of atoms k for n_a n_a, S_z for S_z S_z.

    Args:
        numbers: `AtomNumbers` of all three ensembles, or three of them; numbers of atoms that do not fluctuate are
            ints.
        time: one time t > 0, a float or a `PiFraction`.
        dephasing_rate: γ ≥ 0, a scalar, or `EnsembleRates` of three.
        missing: number n of measured atoms found in |-⟩, 0 where all are found in |+⟩.
        phase_offset: φ in radians.
        known: which numbers are known in each run: "all", that of the "measured" ensemble, or "none".
        coupling: "number" for H = n_a n_a as in the paper, or "spin" for H = S_z S_z / 4.
        key: PRNG key; None: all combinations of numbers are summed.
        n_samples: combinations to draw, with a key; only for known = "all".

    Returns:
        FluctuatingLogNegativity: exact for the distributions as they are held, or with its standard error.

    Raises:
        ValueError: on any argument out of range, where the state does not fit in memory, where the sum takes more than
            five minutes, and for a record that cannot occur.

    Example:
        >>> import jaxent
        >>> numbers = jaxent.AtomNumbers.normal(4, 0.5)
        >>> print(f"{jaxent.fluctuating_log_negativity(numbers, 1.0, 0.01).value:.3f} bits")
        1.054 bits
    """
    three = _three(numbers)
    for name, given, choice in (("known", known, _KNOWN), ("coupling", coupling, _COUPLINGS)):
        if given not in choice:
            raise ValueError(f"Argument `{name}` must be one of {', '.join(choice)}, but is {shown(given)}.")
    least = min(three[1].values)
    missing = int(real_number("missing", missing, f"be in 0…{least}", lambda x: x in range(least + 1)))
    most = max(max(one.values) for one in three)
    arguments.check_precision(most, time)
    if execution.is_traced((time, dephasing_rate, phase_offset)):
        raise execution.NeedsKnownValues(
            "Argument `time`, `dephasing_rate` or `phase_offset` is traced by jax.jit, jax.grad or jax.vmap, but "
            "fluctuating numbers need known values."
        )
    time = arguments.checked_time(time, 3, single=True)
    arguments.refuse_negative("time", time)
    offset = arguments.checked_offsets(phase_offset, 3)[0]
    strengths = _strengths(dephasing_rate, time)
    if key is not None:
        arguments.check_key(key)
        if known != "all":
            raise ValueError(f'Argument `key` must be None for known = {shown(known)}; only "all" is drawn.')
    n_samples = whole_number("n_samples", n_samples, 2, 10**6)
    question = _Question(missing, coupling, time, strengths, offset)
    if known == "all":
        return _of_known(three, question, key, n_samples)
    return _of_unknown(three, question, known == "measured")


def _three(numbers: Any) -> list[AtomNumbers]:
    each = list(numbers) if isinstance(numbers, list | tuple) else [numbers] * 3
    if len(each) != 3:
        raise ValueError(f"Argument `numbers` must be AtomNumbers, or three of them, but is {shown(numbers)}.")
    found = []
    for one in each:
        if not isinstance(one, AtomNumbers):
            one = AtomNumbers((whole_number("numbers", one, 1, dicke.MOST_ATOMS),), (1.0,))
        found.append(one)
    return found


def _strengths(dephasing_rate: Rate, time: Time) -> jax.Array:
    """Return γ_j t of the three ensembles."""
    of_each = isinstance(dephasing_rate, EnsembleRates)
    rates = arguments.checked_rate("dephasing_rate", dephasing_rate.rates if of_each else dephasing_rate)
    if rates.shape != ((3,) if of_each else ()):
        raise ValueError(
            "Argument `dephasing_rate` must be a scalar, or EnsembleRates of three rates, but has the shape "
            f"{rates.shape}."
        )
    return jnp.broadcast_to(rates, (3,)) * time_value(time)


class _Question(NamedTuple):
    """Hold the checked arguments beside the numbers of atoms."""

    missing: int
    coupling: str
    time: Any
    strengths: jax.Array
    offset: jax.Array


# ------------------------------------------------------------- numbers that are known


def _of_known(three, question: _Question, key, n_samples) -> FluctuatingLogNegativity:
    counts = [len(one.values) for one in three]
    total = math.prod(counts)
    size = max(max(three[j].values) for j in (0, 2)) + 1
    pure = not np.asarray(question.strengths).any()
    if pure:
        size = sizes.bucket(size)  # states beyond all numbers have weight zero
    else:
        memory.check_memory(32 * size**4, f"The partial transpose of ends of {size} states", "use fewer atoms")
    each = 2e-9 * size**3 + 1e-4 if pure else 4e-9 * size**6 + 1e-3
    number = total if key is None else n_samples
    if number * each > _MOST_SECONDS:
        raise ValueError(
            f"Argument `numbers` has {total} combinations of numbers of atoms, of which {number} take more than "
            f"{_MOST_SECONDS:.0f} s; "
            + ("draw some of them: give a key." if key is None else "use a smaller n_samples, or fewer atoms.")
        )
    if key is None:
        index = np.stack(np.unravel_index(np.arange(total), counts), axis=-1)
        shares = np.prod([np.array(one.probabilities)[index[:, j]] for j, one in enumerate(three)], axis=0)
    else:
        keys = jax.random.split(key, 3)
        drawn = [
            jax.random.choice(one_key, len(one.values), (n_samples,), p=jnp.asarray(one.probabilities))
            for one_key, one in zip(keys, three, strict=True)
        ]
        index, shares = np.stack([np.asarray(x) for x in drawn], axis=-1), np.full(n_samples, 1.0 / n_samples)
    chosen = np.stack([np.array(one.values)[index[:, j]] for j, one in enumerate(three)], axis=-1)
    bits, log_p = _values(chosen, size, question, pure)
    highest = log_p.max()
    if highest == -math.inf:
        raise ValueError(f"Argument `missing` = {question.missing} cannot occur with these numbers of atoms.")
    weights = shares * np.exp(log_p - highest)
    norm = weights.sum()
    bits = np.where(weights > 0, bits, 0.0)
    value = float(np.dot(weights, bits) / norm)
    error = 0.0 if key is None else float(np.sqrt(np.sum(weights**2 * (bits - value) ** 2)) / norm)
    return FluctuatingLogNegativity(value, error, float(highest + math.log(norm)))


def _values(chosen: np.ndarray, size: int, question: _Question, pure: bool) -> tuple[np.ndarray, np.ndarray]:
    """Compute log negativity and log p for each combination of numbers, a block of them at once."""
    found = []
    at_once = _AT_ONCE if pure else 1
    longest = 2 * int(chosen[:, 1].max()) + 1
    for start in range(0, len(chosen), at_once):
        block = chosen[start : start + at_once]
        padded = np.concatenate([block, np.repeat(block[-1:], at_once - len(block), axis=0)])
        values = execution.call(
            *(_block, size, 0 if pure else longest, np.asarray(int(question.coupling == "spin")), question.missing),
            *(jnp.asarray(padded), question.time, question.strengths, question.offset),
            what=f"The states of ends of {size} states",
            instead="use fewer atoms",
        )
        found.append(np.stack(values)[:, : len(block)])
    bits, log_p = np.concatenate(found, axis=1)
    return bits, log_p


@functools.partial(jax.jit, static_argnums=(0, 1))
def _block(size, longest, of_spins, missing, chosen, time, strengths, offset):
    return jax.lax.map(lambda n: _one(size, longest, of_spins, missing, n, time, strengths, offset), chosen)


def _one(size, longest, of_spins, missing, numbers, time, strengths, offset):
    """Compute log negativity and log p of one combination; it does not depend on phases of the ends."""
    roots = [_root(size, numbers[j]) for j in (0, 2)]
    shift = of_spins * (numbers[2] - numbers[0])  # x_1 - x_3 = k_1 - k_3 - (N_1 - N_3)/2 for spins
    differences = np.arange(1 - size, size)
    largest = shared_bound(6 * size)
    half = turns(2 * jnp.asarray(differences) + shift, time, 2, largest) + offset / (4 * jnp.pi)
    if not longest:
        values = dicke.overlap(numbers[1], numbers[1] - missing, half)
        index = np.subtract.outer(np.arange(size), np.arange(size)) + size - 1
        matrix = roots[0][:, None] * values[index] * roots[1][None, :]
        probability = jnp.sum(matrix**2)
        safe = jnp.where(probability > 0, probability, 1.0)
        bits = 2 * jnp.log2(jnp.sum(spectral.svdvals(matrix / jnp.sqrt(safe))))
    else:
        table = _table(numbers[1], numbers[1] - missing, half, strengths[1], longest)
        first, last = (root[:, None] * root[None, :] for root in roots)
        norm, probability = _norm_and_trace(table, first, last, strengths)
        safe = jnp.where(probability > 0, probability, 1.0)
        bits = jnp.log2(norm / safe)
    possible = probability > 0
    return jnp.where(possible, bits, jnp.nan), jnp.where(possible, jnp.log(safe), -jnp.inf)


def _root(size, n_atoms):
    """Compute √w_k of an ensemble of N atoms, N traced, for k = 0…size-1; 0 beyond N."""
    n, k = n_atoms.astype(float), jnp.arange(size).astype(float)
    log_weights = log_binomial(jnp, n, jnp.minimum(k, n), 0.5, 0.5, jnp.minimum(k, n) - n / 2)
    return jnp.where(k <= n, jnp.exp(log_weights / 2), 0.0)


def _table(n_atoms, outcome, half, strength, length):
    """Compute Σ_θ v_θ f_q(α + θ) f_q(α' + θ) over α/2 and α'/2 in turns, exact for less than `length`/2 atoms."""
    frequencies = np.arange(-(length // 2), length // 2 + 1)
    angles = np.arange(length)
    cosines = np.cos(2 * np.pi * (np.outer(angles, frequencies) % length) / length) / length
    weights = jnp.asarray(cosines) @ damping(frequencies, strength)
    values = dicke.overlap(n_atoms, outcome, half[:, None] + jnp.asarray(angles / (2 * length))[None, :])
    return jnp.matmul(values * weights[None, :], values.T, precision="highest")


def _norm_and_trace(table, first, last, strengths):
    """Compute ‖ρ^(T_1)‖_1 and Tr ρ of the state with g over differences, and √w √w' of both ends."""
    rows, columns = len(first), len(last)
    a, b = np.arange(rows), np.arange(columns)
    first = first * damping(np.subtract.outer(a, a), strengths[0])
    last = last * damping(np.subtract.outer(b, b), strengths[2])
    place = np.subtract.outer(a, b) + columns - 1
    trace = jnp.sum(jnp.diagonal(table).real[place] * jnp.diagonal(first)[:, None] * jnp.diagonal(last)[None, :])
    # X[(a, b), (a', b')] = ρ[a', b; a, b']
    crossed = table[place.T[None, :, :, None], place[:, None, None, :]]  # (a, b, a', b'): g(a' - b, a - b')
    matrix = multiply(crossed, first.T[:, None, :, None] * last[None, :, None, :])
    return spectral.trace_norm([matrix.reshape(rows * columns, rows * columns)]), trace


# ----------------------------------------------------------- numbers that are not known


def _of_unknown(three, question: _Question, measured_known: bool) -> FluctuatingLogNegativity:
    ends = [_labels(three[j], question.coupling) for j in (0, 2)]
    largest = max(len(one) for one, _ in ends[0]) * max(len(one) for one, _ in ends[1])
    memory.check_memory(
        48 * largest**2, f"The partial transpose of ends with {largest} pairs of labels", "use fewer atoms"
    )
    middle = three[1]
    groups = len(middle.values) if measured_known else 1
    if groups * (4e-9 * largest**3 + 1e-3) * len(ends[0]) * len(ends[1]) > _MOST_SECONDS:
        raise ValueError(
            f"Argument `numbers` takes more than {_MOST_SECONDS:.0f} s, with {largest} pairs of labels of the ends and "
            f'{groups} numbers of the measured ensemble; use fewer atoms, or known = "all".'
        )
    values, shares = np.array(middle.values), np.array(middle.probabilities)
    each = [(values, shares)]
    if measured_known:
        each = [(values[k : k + 1], shares[k : k + 1]) for k in range(len(values))]
    longest = 2 * int(values.max()) + 1
    norms, traces = np.zeros(len(each)), np.zeros(len(each))
    for row, (numbers, weights) in enumerate(each):
        for doubled, first in ends[0]:
            for other, last in ends[1]:
                found = execution.call(
                    *(averaged_block, longest, question.coupling, question.missing),
                    *map(jnp.asarray, (numbers, weights, doubled[0] - other[-1], first, last)),
                    *(question.time, question.strengths, question.offset),
                    what=f"The partial transpose of ends with {len(doubled)} and {len(other)} labels",
                    instead="use fewer atoms",
                )
                norms[row] += float(found[0])
                traces[row] += float(found[1])
    total = traces.sum()
    if not total > 0:
        raise ValueError(f"Argument `missing` = {question.missing} cannot occur with these numbers of atoms.")
    safe = np.where(traces > 0, traces, 1.0)
    bits = float(np.dot(traces, np.log2(np.where(traces > 0, norms / safe, 1.0))) / total)
    return FluctuatingLogNegativity(bits, 0.0, math.log(total))


@functools.partial(jax.jit, static_argnums=(0, 1))
def averaged_block(longest, coupling, missing, numbers, shares, lowest, first, last, time, strengths, offset):
    """Compute ‖ρ^(T_1)‖_1 and Tr ρ for labels 2x that go up in steps of 2; the lowest 2(x_1 - x_3) is given."""
    count = len(first) + len(last) - 1
    doubled = lowest + 2 * jnp.arange(count)
    half = turns(doubled, time, 2, 4 * (count + longest)) + offset / (4 * jnp.pi)

    def step(total, one):
        n_atoms, share = one
        table = _table(n_atoms, n_atoms - missing, half, strengths[1], longest)
        if coupling == "number":
            phase = unit(turns(n_atoms * doubled, time, 2, 4 * (count + longest) * longest))
            table = between_diagonals(phase, table, phase.conj())
        return total + multiply(share, table), None

    kind = complex if coupling == "number" else float
    table, _ = jax.lax.scan(step, jnp.zeros((count, count), kind), (numbers, shares))
    return _norm_and_trace(table, first, last, strengths)


def _labels(numbers: AtomNumbers, coupling: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return labels 2x of an end, in steps of 2, and ⟨√w √w'⟩ over them: for spins for each parity of N."""
    found = []
    values, shares = np.array(numbers.values), np.array(numbers.probabilities)
    count = int(values.max()) + 1  # for either parity, so that they share programs: one label may have no weight
    for parity in (0, 1) if coupling == "spin" else (None,):
        chosen = values if parity is None else values[values % 2 == parity]
        weights = shares if parity is None else shares[values % 2 == parity]
        if not len(chosen):
            continue
        least = 0 if parity is None else -int(chosen.max())
        doubled = least + 2 * np.arange(count)
        mean = np.zeros((len(doubled),) * 2)
        for n, share in zip(chosen, weights, strict=True):
            states = np.arange(n + 1)
            root = np.zeros(len(doubled))
            places = states if parity is None else (2 * states - n - least) // 2
            root[places] = np.exp(dicke.log_weights_host(int(n), states) / 2)
            mean += share * np.outer(root, root)
        found.append((doubled, mean))
    return found
