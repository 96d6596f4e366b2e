"""What a sweep can compute: each quantity at one point of the grid, traceable, with its units and its cost.

A quantity is a function of a chain and a `Point`. What it gives is a dictionary: its variables by name, and
`IMPOSSIBLE`, true where the outcomes cannot occur (the variables are then NaN in the results).

>>> sorted(QUANTITIES)[:3]
['amplitudes', 'average_entropy', 'average_log_negativity']
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import band
from jaxent.chain import Chain
from jaxent.measurement import Measurement
from jaxent.noise import density_matrix, dephasing
from jaxent.outcomes import averages, sampling
from jaxent.protocol import dispatch, ends, sizes, window_error

__all__ = [
    "IMPOSSIBLE",
    "MEASUREMENT",
    "QUANTITIES",
    "Point",
    "Quantity",
    "Settings",
    "Variable",
    "is_many_with_noise",
    "is_planned",
]

IMPOSSIBLE = "impossible"
_NOISE_FREE = frozenset({"time", "outcomes", "phase_offset"})
_BAND_BYTES = 2**27  # of the band engine's tiles, roughly
_MOST_DENSE_SECONDS = 60.0  # of a point with noise, of about 170 Dicke states; it takes 16 GiB
_BLOCH_SECONDS = 1.0  # of a point of many atoms with noise
MEASUREMENT = ("resolution", "atom_dephasing_rate", "atom_loss_rate")
_NOISY = _NOISE_FREE | {*MEASUREMENT, "dephasing_rate", "collective_rate"}


class Point(NamedTuple):
    """One point of the grid, or arrays of them; `index` is its number in the whole grid."""

    time: Any
    outcomes: Any
    phase_offset: Any
    dephasing_rate: Any
    collective_rate: Any
    resolution: Any
    atom_dephasing_rate: Any
    atom_loss_rate: Any
    index: Any

    @property
    def measurement(self) -> Measurement:
        """How the inner ensembles are measured."""
        return Measurement(self.resolution, self.atom_dephasing_rate, self.atom_loss_rate)


class Settings(NamedTuple):
    """What is the same for all points of a sweep.

    Attributes:
        tolerance: of entropies, in bits.
        alpha: order of the Rényi entropy.
        n_samples: number of draws, or None.
        seed: seed of the draws.
        uniform: whether all bonds have one time.
        noisy_tolerance: of log negativities of many atoms, in bits; 0: dense matrices only, as with a collective noise.
    """

    tolerance: float
    alpha: float
    n_samples: int | None
    seed: int
    uniform: bool = True
    noisy_tolerance: float = 0.0


class Variable(NamedTuple):
    """One array of the results: units, name, dimensions beyond the grid's, kind of numbers, and which are answers."""

    units: str
    long_name: str
    dimensions: Callable[[Chain, Settings], dict[str, int]] = lambda chain, settings: {}
    kind: str = "f"
    is_answer: Callable[[np.ndarray], np.ndarray] = np.isfinite


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A quantity: the parameters it depends on, its variables, its value at a point, and what that costs.

    Attributes:
        parameters: names of the fields of `Point` that it depends on.
        variables: by name.
        at: chain, point, settings → variables by name, and `IMPOSSIBLE`.
        n_bytes: working memory of one point of a chain in a batch, with a noise shared by all ensembles or without;
            roughly, for the size of batches: what a program takes is asked of its compiler (`jaxent.sweep.evaluate`).
        seconds: rough time of one point on two CPU cores.
        by_itself: whether each point is worked on by itself: in a batch all would take the way of the costliest.
        is_impossible: whether a point that `at` calls so is: asked where a tile has one; None: it is.
        one_chain: whether its dimensions change with the chain, so that one sweep can hold only one chain.
    """

    parameters: frozenset[str]
    variables: dict[str, Variable]
    at: Callable[[Chain, Point, Settings], dict[str, Any]]
    n_bytes: Callable[[Chain, Settings, bool], int]
    seconds: Callable[[Chain, Settings], float]
    one_chain: bool = False
    by_itself: bool = False
    is_impossible: Callable[[Chain, Point, Settings], jax.Array] | None = None


def is_planned(name: str, chain: Chain, settings: Settings, all_outcomes_n: bool, no_offset: bool) -> bool:
    """Tell whether a quantity of large ensembles is computed by narrow matrices, planned for each time on the host."""
    if name == "log_negativity":
        return _is_by_bands(chain, settings)
    entropies = name in ("entropy", "renyi_entropy")
    facts = band.Facts(all_outcomes_n, no_offset, settings.uniform)
    return entropies and band.worth_planning(chain, facts, settings.tolerance)


def is_many_with_noise(chain: Chain, settings: Settings) -> bool:
    """Tell whether a dense partial transpose is too large: facts that are the same on all machines."""
    possible = chain.n_ensembles == 3 and settings.noisy_tolerance > 0
    return possible and _transpose_seconds(chain, settings) > _MOST_DENSE_SECONDS


def _is_by_bands(chain: Chain, settings: Settings) -> bool:
    return is_many_with_noise(chain, settings) and jnp.result_type(float) == jnp.float64


# ---------------------------------------------------------------------- noise-free


def _problem(chain: Chain, point: Point) -> dispatch.Problem:
    return dispatch.Problem.of(chain, point.time, point.outcomes, point.phase_offset)


def _impossible(chain: Chain, point: Point, settings: Settings) -> jax.Array:
    return _problem(chain, point).impossible()


def _entropy(chain: Chain, point: Point, settings: Settings) -> dict[str, Any]:
    problem = _problem(chain, point)
    value, log_probability = problem.dense_entropy(None)
    error = jnp.zeros_like(value)
    if chain.dimension <= chain.n_atoms and _is_short(chain, settings):
        error = window_error.entropy_error_bound(chain, point.time, point.outcomes, point.phase_offset)
    elif chain.dimension <= chain.n_atoms:
        error = jnp.full_like(value, jnp.nan)
    return {"entropy": value, "entropy_error": error, IMPOSSIBLE: log_probability < dispatch.UNLIKELY}


def _renyi_entropy(chain: Chain, point: Point, settings: Settings) -> dict[str, Any]:
    value, log_probability = _problem(chain, point).dense_entropy(settings.alpha)
    return {"renyi_entropy": value, IMPOSSIBLE: log_probability < dispatch.UNLIKELY}


def _schmidt_coefficients(chain: Chain, point: Point, settings: Settings) -> dict[str, Any]:
    coefficients, log_probability = _problem(chain, point).schmidt()
    return {"schmidt_coefficients": coefficients, IMPOSSIBLE: log_probability < dispatch.UNLIKELY}


def _ideal(name: str, function: Callable) -> Callable[[Chain, Point, Settings], dict[str, Any]]:
    def at(chain: Chain, point: Point, settings: Settings) -> dict[str, Any]:
        return {name: function(chain, point.time, point.outcomes, point.phase_offset), IMPOSSIBLE: False}

    return at


def _key(point: Point, settings: Settings) -> jax.Array:
    """Give the random key of a point, which is the same in whatever tile it is."""
    high, low = jnp.asarray(point.index) >> 31, jnp.asarray(point.index) & (2**31 - 1)
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(settings.seed), high), low)


def _sampled_outcomes(chain: Chain, point: Point, settings: Settings) -> dict[str, Any]:
    keys = jax.random.split(_key(point, settings), settings.n_samples or 1)
    drawn = jax.vmap(lambda key: sampling.sample_outcomes(key, chain, point.time, point.phase_offset))(keys)
    return {"sampled_outcomes": drawn, IMPOSSIBLE: False}


def _average_entropy(chain: Chain, point: Point, settings: Settings) -> dict[str, Any]:
    draws = {} if settings.n_samples is None else {"key": _key(point, settings), "n_samples": settings.n_samples}
    found = averages.average_entropy(chain, point.time, point.phase_offset, **draws)
    return {"average_entropy": found.value, "average_entropy_error": found.standard_error, IMPOSSIBLE: False}


# -------------------------------------------------------------------------- dephased


def _dephased(name: str, kernel: Callable) -> Callable[[Chain, Point, Settings], dict[str, Any]]:
    def at(chain: Chain, point: Point, settings: Settings) -> dict[str, Any]:
        problem = dephasing.Problem.of(
            *(chain, point.time, point.dephasing_rate, point.outcomes, point.phase_offset, point.collective_rate),
            point.measurement,
        )
        value, log_probability = problem.run(kernel)
        return {name: value, IMPOSSIBLE: ~(log_probability > -jnp.inf)}

    return at


def _dephased_log_probability(chain: Chain, point: Point, settings: Settings) -> dict[str, Any]:
    value = dephasing.dephased_log_probability(
        *(chain, point.time, point.dephasing_rate, point.outcomes, point.phase_offset, point.collective_rate),
        measurement=point.measurement,
    )
    return {"dephased_log_probability": value, IMPOSSIBLE: False}


def _average_log_negativity(chain: Chain, point: Point, settings: Settings) -> dict[str, Any]:
    draws = {} if settings.n_samples is None else {"key": _key(point, settings), "n_samples": settings.n_samples}
    found = averages.average_log_negativity(
        chain,
        point.time,
        point.dephasing_rate,
        point.phase_offset,
        collective_rate=point.collective_rate,
        measurement=point.measurement,
        **draws,
    )
    names = ("average_log_negativity", "average_log_negativity_error")
    return {**dict(zip(names, (found.value, found.standard_error), strict=True)), IMPOSSIBLE: False}


# ------------------------------------------------------------------------------ costs


def _is_short(chain: Chain, settings: Settings) -> bool:
    return chain.n_ensembles == 3 and settings.uniform  # sums over k_1 - k_3, without a matrix


# bytes of a point in a batch, as XLA lays it out: measured by tests/test_sweep.py, to a factor of two
def _entropy_bytes(chain: Chain, settings: Settings, shared: bool) -> int:
    if band.worth_planning(chain, band.Facts(uniform=settings.uniform), 1e-8):
        return _BAND_BYTES + int(4000 * min(chain.dimension, 16 * math.sqrt(chain.n_atoms)))
    each = 16 if _is_short(chain, settings) else 32 if chain.n_ensembles == 3 else 64
    return each * chain.dimension**2 + 512 * chain.dimension


def _amplitude_bytes(chain: Chain, settings: Settings, shared: bool) -> int:
    return 32 * chain.dimension**2


def _probability_bytes(chain: Chain, settings: Settings, shared: bool) -> int:
    matrix = (32 if chain.n_ensembles == 3 else 64) * chain.dimension**2
    return 128 * sizes.padded_differences(chain) if _is_short(chain, settings) else matrix


def _sample_bytes(chain: Chain, settings: Settings, shared: bool) -> int:
    n_samples = settings.n_samples or 1
    return n_samples * (8 * (chain.n_ensembles + 8) if chain.n_ensembles == 3 else 32 * chain.dimension**2)


def _matrix_seconds(chain: Chain, settings: Settings) -> float:
    if band.worth_planning(chain, band.Facts(uniform=settings.uniform), settings.tolerance):
        return 8e-5 * math.sqrt(min(chain.dimension, 16 * math.sqrt(chain.n_atoms)))
    each = 2e-5 + 1.4e-10 * chain.dimension**3
    return each if _is_short(chain, settings) else 6 * each


def _probability_seconds(chain: Chain, settings: Settings) -> float:
    return 1e-5 + 2e-8 * chain.dimension if _is_short(chain, settings) else _matrix_seconds(chain, settings)


def _transpose_size(chain: Chain) -> int:
    return chain.dimension**2 // (4 if chain.n_ensembles == 3 else 1) + 1


def _transpose_bytes(chain: Chain, settings: Settings, shared: bool) -> int:
    return (20 if chain.n_ensembles == 3 and not shared else 64) * chain.dimension**4


def _dephased_probability_bytes(chain: Chain, settings: Settings, shared: bool) -> int:
    if chain.n_ensembles == 3:  # a sum over pairs of Dicke states of few atoms, over coherences of many
        return min(2**28, 200 * chain.dimension**2)
    return 64 * chain.dimension**4


def _average_bytes(each: Callable[[Chain, Settings, bool], int], power: int) -> Callable[[Chain, Settings, bool], int]:
    """Count the bytes of the outcomes that an average works on at once, each over D^power numbers."""

    def total(chain: Chain, settings: Settings, shared: bool) -> int:
        count = settings.n_samples or (chain.n_atoms + 1) ** (chain.n_ensembles - 2)
        return min(count, averages.outcomes_at_once(chain.dimension**power)) * each(chain, settings, shared)

    return total


def _transpose_seconds(chain: Chain, settings: Settings) -> float:
    blocks, each = (4, 4e-11) if chain.n_ensembles == 3 else (1, 3e-10)
    return 2e-4 + blocks * each * _transpose_size(chain) ** 3


def _log_negativity_bytes(chain: Chain, settings: Settings, shared: bool) -> int:
    return _BAND_BYTES if _is_by_bands(chain, settings) else _transpose_bytes(chain, settings, shared)


def _log_negativity_seconds(chain: Chain, settings: Settings) -> float:
    return _BLOCH_SECONDS if _is_by_bands(chain, settings) else _transpose_seconds(chain, settings)


def _all_outcomes(seconds: Callable[[Chain, Settings], float]) -> Callable[[Chain, Settings], float]:
    def total(chain: Chain, settings: Settings) -> float:
        if settings.n_samples:
            return settings.n_samples * seconds(chain, settings)
        digits = (chain.n_ensembles - 2) * math.log10(chain.n_atoms + 1)
        return 10.0 ** min(digits, 200.0) * seconds(chain, settings)  # finite, however many there are

    return total


def _inner(chain: Chain, settings: Settings) -> dict[str, int]:
    return {"sample": settings.n_samples or 1, "inner_ensemble": chain.n_ensembles - 2}


def _ends(chain: Chain, settings: Settings) -> dict[str, int]:
    return {"first": chain.dimension, "last": chain.dimension}


def _not_nan(values: np.ndarray) -> np.ndarray:
    return np.asarray(~np.isnan(values))  # impossible outcomes have a log probability of -inf


QUANTITIES: dict[str, Quantity] = {
    "entropy": Quantity(
        _NOISE_FREE,
        {
            "entropy": Variable("bit", "end-to-end entanglement E"),
            "entropy_error": Variable(
                "bit",
                "error allowed for: window and band engine; NaN where unknown",
                is_answer=lambda values: np.full(values.shape, True),
            ),
        },
        _entropy,
        _entropy_bytes,
        _matrix_seconds,
        is_impossible=_impossible,
    ),
    "renyi_entropy": Quantity(
        _NOISE_FREE,
        {"renyi_entropy": Variable("bit", "Rényi entropy of the ends")},
        _renyi_entropy,
        _entropy_bytes,
        _matrix_seconds,
        is_impossible=_impossible,
    ),
    "schmidt_coefficients": Quantity(
        _NOISE_FREE,
        {
            "schmidt_coefficients": Variable(
                "1", "Schmidt coefficients σ, decreasing", lambda chain, settings: {"schmidt_index": chain.dimension}
            )
        },
        _schmidt_coefficients,
        _entropy_bytes,
        _matrix_seconds,
        is_impossible=_impossible,
        one_chain=True,
    ),
    "amplitudes": Quantity(
        _NOISE_FREE,
        {"amplitudes": Variable("1", "unnormalized end-to-end amplitudes A[k_1, k_M]", _ends, "c")},
        _ideal("amplitudes", ends.end_to_end_amplitudes),
        _amplitude_bytes,
        _probability_seconds,
        one_chain=True,
    ),
    "log_outcome_probability": Quantity(
        _NOISE_FREE,
        {
            "log_outcome_probability": Variable(
                "1", "natural logarithm of the probability of the outcomes", is_answer=_not_nan
            )
        },
        _ideal("log_outcome_probability", ends.log_outcome_probability),
        _probability_bytes,
        _probability_seconds,
    ),
    "outcome_probability": Quantity(
        _NOISE_FREE,
        {"outcome_probability": Variable("1", "probability of the outcomes")},
        _ideal("outcome_probability", ends.outcome_probability),
        _probability_bytes,
        _probability_seconds,
    ),
    "sampled_outcomes": Quantity(
        _NOISE_FREE - {"outcomes"},
        {"sampled_outcomes": Variable("1", "outcomes drawn by the Born rule", _inner, "i")},
        _sampled_outcomes,
        _sample_bytes,
        _matrix_seconds,
        one_chain=True,
    ),
    "average_entropy": Quantity(
        _NOISE_FREE - {"outcomes"},
        {
            "average_entropy": Variable("bit", "entanglement averaged over the outcomes"),
            "average_entropy_error": Variable("bit", "its standard error"),
        },
        _average_entropy,
        _average_bytes(_entropy_bytes, 2),
        _all_outcomes(_matrix_seconds),
    ),
    "log_negativity": Quantity(
        _NOISY,
        {"log_negativity": Variable("bit", "log negativity of the ends")},
        _dephased("log_negativity", density_matrix.log_negativity),
        _log_negativity_bytes,
        _log_negativity_seconds,
    ),
    "coherent_information": Quantity(
        _NOISY,
        {"coherent_information": Variable("bit", "coherent information of the ends")},
        _dephased("coherent_information", density_matrix.coherent_information),
        _transpose_bytes,
        _transpose_seconds,
    ),
    "dephased_log_probability": Quantity(
        _NOISY,
        {
            "dephased_log_probability": Variable(
                "1", "natural logarithm of the probability of the outcomes", is_answer=_not_nan
            )
        },
        _dephased_log_probability,
        _dephased_probability_bytes,
        _matrix_seconds,
        by_itself=True,
    ),
    "average_log_negativity": Quantity(
        _NOISY - {"outcomes"},
        {
            "average_log_negativity": Variable("bit", "log negativity averaged over the outcomes"),
            "average_log_negativity_error": Variable("bit", "its standard error"),
        },
        _average_log_negativity,
        _average_bytes(_transpose_bytes, 4),
        _all_outcomes(_transpose_seconds),
    ),
}
