"""The way from checked arguments to numbers: dense matrices in tiles, or the band engine, and what cannot occur.

`Problem` holds the arguments of one call of `protocol.ends`. A batch of times is cut into tiles, each one compiled
call of a kernel of `protocol.dense`; entropies at known times go to `jaxent.band` where that is cheaper, time by time.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxent import arguments, band
from jaxent.band.phases import time_of
from jaxent.chain import Chain
from jaxent.conversion import real_number
from jaxent.entanglement import renyi
from jaxent.messages import shown
from jaxent.numerics import rounding
from jaxent.protocol import dense, extended_precision, sizes
from jaxent.runtime import execution, memory
from jaxent.time_texts import pi_symbols
from jaxent.times import BondTimes, PiFraction, Time, batch_shape

__all__ = ["UNLIKELY", "Entropies", "HardlyPossible", "ImpossibleOutcomes", "Problem"]

_TILE_BYTES = 256 * 2**20  # memory a tile of times may take; more buys no speed
_PLANNED_TILE = 512  # times whose plans are held at once
_MOST_OPERATIONS = 3 * 10**8  # in extended precision in one call: half a minute
UNLIKELY = -46.0  # log probability below which times and offsets may stand for others that make it zero (1e-20)


class Entropies(NamedTuple):
    """Hold entropies of a batch of times, and the error estimates of the band engine (0 for dense matrices), in bits.

    `banded` is true where the band engine gave the value; it is an array of the host. The derivatives in time are
    zero unless they were asked for.
    """

    entropy: jax.Array
    log_probability: jax.Array
    window_error: jax.Array
    band_error: jax.Array
    coarse_error: jax.Array
    quadrature_error: jax.Array
    slope: jax.Array
    log_probability_slope: jax.Array
    banded: np.ndarray


class ImpossibleOutcomes(ValueError):
    """Report outcomes that cannot occur, at the times where `where` is true."""

    def __init__(self, message: str, where: np.ndarray):
        super().__init__(message)
        self.where = where

    def __reduce__(self):
        return type(self), (str(self), self.where)


class HardlyPossible(ImpossibleOutcomes):
    """Report outcomes so improbable, at the times where `where` is true, that all digits are lost."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """Hold the checked arguments of one call, and the static flags that choose a route."""

    chain: Chain
    time: Time
    outcomes: jax.Array
    offsets: jax.Array
    all_outcomes_n: bool  # all outcomes are known to be N
    no_offset: bool  # all offsets are known to be zero

    half_turns: Sequence[int] | None = None  # the times as `jaxent.band.phases` reduces them, beyond float64

    @classmethod
    def of(cls, chain, time, outcomes, phase_offset) -> "Problem":
        """Check the arguments; ValueError where one is out of range."""
        arguments.check_chain(chain, unequal=True)
        arguments.check_precision(chain.most_atoms, time, phases_on_device=False)
        time = arguments.checked_time(time, chain.n_ensembles)
        offsets = arguments.checked_offsets(phase_offset, chain.n_ensembles)
        checked = arguments.checked_outcomes(outcomes, chain.n_ensembles, chain.measured_atoms)
        all_outcomes_n = outcomes is None or arguments.is_known(outcomes, chain.measured_atoms)
        return cls(chain, time, checked, offsets, all_outcomes_n, arguments.is_zero(phase_offset))

    @classmethod
    def at(cls, chain, half_turns: Sequence[int]) -> "Problem":
        """All outcomes N and no offset, at times as `jaxent.band.phases` reduces them."""
        times = np.array([time_of(one) for one in half_turns])
        return dataclasses.replace(cls.of(chain, times, None, 0.0), half_turns=half_turns)

    def over_times(self, kernel: Callable, *parameters: jax.Array, form: Callable[..., sizes.Sizes], n_bytes: int = 32):
        """Evaluate a kernel of `protocol.dense` for each time.

        Args:
            kernel: of one time.
            parameters: that the kernel takes beyond the problem's: data of the compiled program.
            form: of `protocol.sizes`, makes the sizes that the kernel takes.
            n_bytes: that the kernel holds at once for each entry of its matrix.
        """
        chain = self.chain
        arguments.check_precision(chain.most_atoms, self.time)
        what = (
            f"The end-to-end matrix of n_atoms = {chain.n_atoms} with window = {chain.window} "
            f"({chain.dimension} states per end)"
        )
        instead = "use a smaller window" + (
            ", or none: the band engine leaves out states close to rational times" if chain.window else ""
        )
        check = lambda numbers: memory.check_memory(8 * numbers, what, instead)  # noqa: E731
        sized = form(chain, self.time, self.all_outcomes_n, self.no_offset, check)
        entries = 0 if isinstance(sized, sizes.Differences) else sized.n_rows**2
        tile = max(1, _TILE_BYTES // (n_bytes * entries + 256 * sized.n_rows))
        many = math.prod(batch_shape(self.time))
        # programs of halves need none of these, whose shape tells M
        measured = [np.zeros(0)] * 2 if isinstance(sized, sizes.Halves) else [self.outcomes, self.offsets]
        return execution.call(
            _over_times,
            *(kernel, self.all_outcomes_n, self.no_offset, tile, sized, self.time, *measured, parameters),
            what=what + (f" at {many} times" if many > 1 else ""),
            instead=instead + (", or fewer times at once" if many > 1 else ""),
        )

    @property
    def facts(self) -> band.Facts:
        """State the facts by which the band engine decides whether it can compute this problem."""
        leaves = jax.tree.leaves((self.time, *self._band_arguments()))
        known = all(arguments.concrete(leaf) is not None for leaf in leaves)
        return band.Facts(self.all_outcomes_n, self.no_offset, not isinstance(self.time, BondTimes), known)

    def plans(self, tolerance: float) -> list[band.BandPlan]:
        """Plan each time for the band engine; call it only if there is no `jaxent.band.obstacle`."""
        return band.make_plans(self.chain, self.time, *self._band_arguments(), tolerance, self.half_turns)

    def _band_arguments(self) -> tuple[jax.Array | None, jax.Array | None]:
        """Outcomes and offsets as `jaxent.band` takes them: None where all are N, or 0."""
        return None if self.all_outcomes_n else self.outcomes, None if self.no_offset else self.offsets

    def _chosen(self, which: np.ndarray | slice) -> "Problem":
        """Select some times by an index of the raveled batch; return the problem at these."""
        time = jax.tree.map(lambda x: jnp.ravel(x)[which], self.time)
        half_turns = None if self.half_turns is None else np.array(self.half_turns, object)[which].tolist()
        return dataclasses.replace(self, time=time, half_turns=half_turns)

    def entropies(
        self,
        alpha: float | jax.Array | None,
        tolerance: float,
        report: Callable[[float], None] = lambda share: None,
        dense_count: int = 0,
        slopes: bool = False,
    ) -> Entropies:
        """Entropy of order α and log probability for each time, by the cheaper route; refuses what cannot occur.

        Here, and nowhere else, the choice is made. A band's value counts if its quadrature keeps its share of the
        tolerance, which is measured.

        Args:
            alpha: order from `entanglement.renyi.check_order`; one that is traced takes dense matrices. None: the von
                Neumann entropy, by a program of its own.
            tolerance: error that the band engine may make, in bits.
            report: called with the share of the work done.
            dense_count: flat batches up to this length run one program of dense matrices.
            slopes: whether derivatives in time, a float, are wanted.
        """
        tolerance = real_number("tolerance", tolerance, "be at least 0", lambda number: number >= 0)
        shape = batch_shape(self.time)
        if isinstance(alpha, jax.Array) or not band.worth_planning(self.chain, self.facts, tolerance):
            nothing = jnp.asarray(np.zeros(shape), jnp.result_type(float))
            values: list[Any] = [*self.dense_entropy(alpha, dense_count, slopes), nothing, nothing][:4]
            values[2:2] = [nothing] * 4
            found = Entropies._make([*values, np.zeros(shape, bool)])
        else:
            count = math.prod(shape)
            results, banded = np.zeros((8, count)), np.zeros(count, bool)
            for start in range(0, count, _PLANNED_TILE):
                tile = slice(start, start + _PLANNED_TILE)
                results[:, tile], banded[tile] = self._chosen(tile)._by_plans(alpha, tolerance, slopes)
                report(min(start + _PLANNED_TILE, count) / count)
            values = [jnp.asarray(result.reshape(shape)) for result in results]
            found = Entropies._make([*values, banded.reshape(shape)])
        self.refuse_impossible(found.log_probability)
        report(1.0)
        return found

    def _by_plans(self, alpha: float | None, tolerance: float, slopes: bool) -> tuple[np.ndarray, np.ndarray]:
        """Compute the fields of `Entropies`, shape (8, times), and mark the times that the band engine has computed."""
        plans = self.plans(tolerance)
        order = 1.0 if alpha is None else alpha
        by_matrices = band.dense_seconds(self.chain, plans[0].reversed_columns)
        banded = np.array([band.banded_seconds(plan, order) < by_matrices for plan in plans], bool)
        kept = [plan for plan, yes in zip(plans, banded, strict=True) if yes]
        found, rates = band.entropies_and_slopes(kept, order) if slopes else (band.entropies(kept, order), None)
        planned = [[float(x) for x in (plan.window_error, plan.band_error, plan.coarse_error)] for plan in kept]
        results = np.zeros((8, len(plans)))
        results[:2, banded] = found.entropy, found.log_probability
        results[2:5, banded] = np.reshape(planned, (-1, 3)).T
        results[5, banded] = found.quadrature_error
        if rates is not None:
            results[6:, banded] = rates.entropy, rates.log_probability
        banded &= results[5] <= plans[0].quadrature_allowed  # all have one tolerance
        if not banded.all():
            results[:, ~banded] = 0.0
            rest, rows = self._chosen(~banded), [0, 1, 6, 7] if slopes else [0, 1]
            count = 2 ** (int((~banded).sum()) - 1).bit_length()
            results[np.ix_(rows, ~banded)] = rest.dense_entropy(alpha, count, slopes)
        return results, banded

    def dense_entropy(
        self, alpha: float | jax.Array | None, count: int = 0, slopes: bool = False
    ) -> tuple[jax.Array, ...]:
        """Entropy of order α and log probability for each time, and with slopes their derivatives, by dense matrices.

        A flat batch is filled up to `count` times, so that others share its program.
        """
        kernel = dense.entropy if alpha is None else dense.renyi
        kernel = _with_slopes(kernel) if slopes else kernel
        order = () if alpha is None else (renyi.as_data(alpha),)
        shape = batch_shape(self.time)
        if len(shape) != 1 or count <= shape[0]:
            found = self.over_times(kernel, *order, form=sizes.of_matrices)
        else:
            filled = self._chosen(np.minimum(np.arange(count), shape[0] - 1))
            filled = filled.over_times(kernel, *order, form=sizes.of_matrices)
            found = jax.tree.map(lambda x: x[: shape[0]], filled)
        entropy, log_probability, *rates = found
        if isinstance(alpha, Tracer):  # what is lost stays NaN
            return entropy, log_probability, *rates
        of_matrix = lambda x: dense.entropy_of_schmidt(_schmidt(x), 1.0 if alpha is None else alpha)  # noqa: E731
        return *self.settled(entropy, log_probability, of_matrix), *rates

    def schmidt(self) -> tuple[jax.Array, jax.Array]:
        """Schmidt coefficients and log probability for each time."""
        coefficients, log_probability = self.over_times(dense.schmidt, form=sizes.of_matrices)
        coefficients = _of_length(coefficients, min(end.dimension for end in self.chain.ends))
        return self.settled(coefficients, log_probability, _schmidt)

    def log_probability(self) -> jax.Array:
        """Log probability for each time."""
        found = self._of_sums(dense.log_probability)
        return self.settled(found, found, None)[1]

    def probability(self) -> jax.Array:
        """Probability for each time: to 1e-15 under a transformation, to 1e-8 of itself else."""
        if self.is_known:
            return jnp.exp(self.log_probability())
        return jnp.exp(self._of_sums(dense.rounded_log_probability)[0])

    def _of_sums(self, kernel: Callable):
        """Evaluate a kernel that forms no matrix where the probability is a sum over differences k_1 - k_3."""
        return self.over_times(kernel, form=sizes.of_sums, n_bytes=64)

    def amplitudes(self) -> jax.Array:
        """Amplitudes of the ends for each time, unnormalized, with all phases."""
        found = self.over_times(dense.amplitudes, form=sizes.of_amplitudes, n_bytes=64)
        return self.settled(found, found[..., 0, 0].real, None)[0]

    def settled(self, values: jax.Array, log_probability: jax.Array, of_matrix: Callable | None):
        """Values and log probabilities: where they are NaN, as digits were lost, from `protocol.extended_precision`.

        Under a transformation they stay NaN.

        Args:
            values: for each time, by a kernel of `protocol.dense`.
            log_probability: for each time.
            of_matrix: value of a normalized matrix without local phases; None: the amplitudes are asked for.
        """
        lost = arguments.concrete(log_probability)
        lost = None if lost is None else np.asarray(np.isnan(lost))
        if lost is None or not lost.any() or not self.is_known:
            return values, log_probability
        self._refuse_many(lost)
        found, log_p = np.array(values), np.array(log_probability)
        outcomes, offsets = np.asarray(self.outcomes), np.asarray(self.offsets)
        for index in map(tuple, np.argwhere(lost)):
            time = jax.tree.map(lambda x, index=index: np.asarray(x)[index], self.time)
            matrix, log_p[index] = extended_precision.reduced_matrix(self.chain, time, outcomes, offsets)
            if of_matrix is not None:
                found[index] = of_matrix(matrix) if np.isfinite(log_p[index]) else np.nan
            elif found.dtype.kind == "c":
                norm = math.exp(log_p[index] / 2)
                found[index] = norm * dense.with_phases(self.chain, time, self.outcomes, self.offsets, matrix)
        return jnp.asarray(found), jnp.asarray(log_p)

    @property
    def is_known(self) -> bool:
        """Whether all arguments are known, not traced."""
        leaves = jax.tree.leaves((self.time, self.outcomes, self.offsets))
        return not any(isinstance(leaf, Tracer) for leaf in leaves)

    def _refuse_many(self, lost: np.ndarray) -> None:
        """Refuse what would take too long in extended precision."""
        needed = extended_precision.operations(self.chain) * int(lost.sum())
        if self.chain.most_atoms <= extended_precision.MOST_ATOMS and needed <= _MOST_OPERATIONS:
            return
        raise HardlyPossible(
            f"Argument `outcomes` = {self._shown()} can hardly occur at {_nth_time(self.time, lost)}: its amplitudes "
            f"cancel to less than float64 resolves, and {int(lost.sum())} such times of {self.chain.dimension} states "
            "per end take too long in more digits; choose outcomes that can occur (jaxent.sample_outcomes draws some).",
            lost,
        )

    def _shown(self) -> str:
        return shown(np.asarray(self.outcomes).tolist())

    def impossible(self) -> jax.Array:
        """Whether the outcomes cannot occur, for each time: at it, or at one that a rounding tells from it."""
        log_probability = self.log_probability()
        step = 8 * rounding.epsilon(self.offsets.dtype)
        time = jax.tree.map(lambda x: x * (1 + step) if jnp.issubdtype(x.dtype, jnp.floating) else x, self.time)
        offsets = self.offsets * (1 + step) + step
        nudged = dataclasses.replace(self, time=time, offsets=offsets, no_offset=False).log_probability()
        return (log_probability < UNLIKELY) & ((log_probability == -jnp.inf) | (abs(nudged - log_probability) >= 0.5))

    def refuse_impossible(self, log_probability: jax.Array) -> None:
        """Raise `ImpossibleOutcomes` where the outcomes are `impossible`."""
        uniform, odd = not isinstance(self.time, BondTimes), self.chain.n_ensembles % 2
        if self.all_outcomes_n and self.no_offset and uniform and odd and self.chain.is_uniform:
            return  # a power of a positive matrix, which is not zero
        host = arguments.concrete(log_probability)
        if host is None or not self.is_known:
            return
        doubtful = np.asarray(~(host >= UNLIKELY))
        if not doubtful.any():
            return
        doubtful &= np.asarray(self.impossible())
        if doubtful.any():
            raise ImpossibleOutcomes(
                f"Argument `outcomes` = {self._shown()} has probability zero to rounding at "
                f"{_nth_time(self.time, doubtful)}, so there is no state to take the entropy of; choose outcomes that "
                "can occur (jaxent.sample_outcomes draws some).",
                doubtful,
            )


def _schmidt(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.svd(matrix, compute_uv=False)


def _of_length(coefficients: jax.Array, length: int) -> jax.Array:
    """Cut off the zeros of padding, or add those of states that were left out."""
    missing = length - coefficients.shape[-1]
    if missing <= 0:
        return coefficients[..., :length]
    return jnp.pad(coefficients, [(0, 0)] * (coefficients.ndim - 1) + [(0, missing)])


@functools.cache
def _with_slopes(kernel: Callable) -> Callable:
    """Make a kernel that returns the values of `kernel`, and after them their derivatives in time."""

    def both(sized, time, outcomes, offsets, all_outcomes_n, no_offset, *parameters):
        def at(instant):
            return kernel(sized, instant, outcomes, offsets, all_outcomes_n, no_offset, *parameters)

        values, slopes = jax.jvp(at, (time,), (jnp.ones_like(time),))
        return *values, *slopes

    return both


def _nth_time(time: Time, where: np.ndarray) -> str:
    index = tuple(np.argwhere(where)[0])
    inner = time.times if isinstance(time, BondTimes) else time
    if isinstance(inner, PiFraction):
        numerator, denominator = (int(np.asarray(part)[index]) for part in (inner.numerator, inner.denominator))
        return f"time = {pi_symbols(numerator, denominator)}"
    return f"time = {np.asarray(inner)[index]}"


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _over_times(kernel, all_outcomes_n, no_offset, tile, sized, time, outcomes, offsets, parameters=()):
    """Apply the kernel to each time of a batch, a tile of times at once."""

    def single(one):
        result = kernel(sized, one, outcomes, offsets, all_outcomes_n, no_offset, *parameters)
        return result if all_outcomes_n else arguments.nan_unless_possible(result, outcomes, sized.n_atoms)

    return execution.over_batch(single, time, batch_shape(time), tile)
