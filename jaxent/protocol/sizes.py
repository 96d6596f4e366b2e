"""The sizes of a chain as data: compiled programs depend on buckets of shapes, so that many N share one.

JAX compiles a program for every shape. Here the Dicke states of an ensemble are padded with states of weight zero up to
the next of a short list of numbers, and N itself, its parity and the weights are arguments of the program. A state of
weight zero adds a row and a column of zeros to a matrix, so nothing but a zero to its spectrum.

Four forms, by what is known when a function is called:

- `Halves`: all outcomes N and φ = 0. States m = k - N/2 ≥ 0 only, as k → N-k is a symmetry; those so far from the
  centre that all of them together weigh less than rounding resolves are left out.
- `Three`: three ensembles, any outcome and offset. All states, and the weights of the differences k_1 - k_3.
- `Differences`: those weights alone, of which a probability is made.
- `Whole`: any other chain, whose programs are compiled for it alone.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import dicke
from jaxent.chain import Chain
from jaxent.times import BondTimes, Time

__all__ = [
    "LONGEST_DIRECT",
    "Differences",
    "Halves",
    "Sizes",
    "Three",
    "Whole",
    "bucket",
    "convolve",
    "in_default_precision",
    "largest_difference",
    "of_amplitudes",
    "of_matrices",
    "of_sums",
    "padded_differences",
    "pair_weights",
]

_BUCKETS = (6, 12, 18, 26, 38, 52, 70, 88, 112, 140, 168, 204, 252, 304, 364, 436, 508, 608, 728, 868, 1008)
_RATIO = 1.2  # between larger ones: of matrices, whose cost grows as the third power of their size
_RATIO_DIFFERENCES = 2.0  # between numbers of differences, which cost next to nothing
# Weight of all left-out states. For odd M the matrix √w cos^N √w is positive, and its eigenvalues lose that much in all
# (interlacing); for even M the singular values of √w e^(imm't) √w change by its root at most.
_NEGLIGIBLE_OF_ODD, _NEGLIGIBLE_OF_EVEN = 1e-18, 1e-34
_FARTHEST = 13.0  # standard deviations beyond which a normal distribution has less of either
_MOST_KEPT = 10**5  # differences of a chain that are kept for the next call
_ALL_DIFFERENCES = 10**5
LONGEST_DIRECT = 20000  # weights that are convolved directly; longer vectors by transform


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Halves:
    """A chain with all outcomes N and φ = 0, in the even and the odd combinations of |k⟩ and |N-k⟩.

    Attributes:
        n_atoms: N, an integer.
        n_states: D, those included that are left out.
        odd_atoms: N modulo 2; the half states are m = odd_atoms/2 + 0, 1, 2, ….
        roots: √w_k of the half states, shape (2, H): in the even half divided by √2 at m = 0, in the odd half 0 there.
        power: (M-1)/2 for odd M from 5 on, else None.
        n_steps: (M-2)/2 for even M, else None.
        most_steps: the bucket of `n_steps`.
    """

    n_atoms: Any
    n_states: Any
    odd_atoms: Any
    roots: Any
    power: Any
    n_steps: Any
    most_steps: int = dataclasses.field(metadata={"static": True})

    @property
    def n_rows(self) -> int:
        """Rows of the largest matrices."""
        return self.roots.shape[-1]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Differences:
    """Weights of the differences k_1 - k_3 of three ensembles.

    Attributes:
        n_atoms: N, an integer.
        weights: W_d = Σ_k w_k w_(k+d), shape (2L - 1,), for d = 1-L…L-1.
    """

    n_atoms: Any
    weights: Any

    @property
    def n_rows(self) -> int:
        """Differences of one sign, and 0."""
        return (self.weights.shape[-1] + 1) // 2


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Three:
    """Three ensembles with any outcome and offset.

    Attributes:
        n_atoms: N, an integer.
        n_states: D, before padding.
        roots: √w_k, shape (C,).
        differences: weights of the differences of states.
    """

    n_atoms: Any
    n_states: Any
    roots: Any
    differences: Differences

    @property
    def n_rows(self) -> int:
        """Rows of the matrix."""
        return self.roots.shape[-1]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Whole:
    """A chain that its programs are compiled for."""

    chain: Chain = dataclasses.field(metadata={"static": True})

    @property
    def n_atoms(self) -> Any:
        """Return N of the measured ensembles."""
        return self.chain.measured_atoms

    @property
    def n_rows(self) -> int:
        """Rows of the matrices."""
        return self.chain.dimension


Sizes = Halves | Three | Differences | Whole


def _no_check(numbers: int) -> None:
    """Take any size."""


def bucket(size: int, ratio: float = _RATIO) -> int:
    """Return the number that `size` is padded to: of a list at first, then of a geometric sequence of fours."""
    for most in _BUCKETS:
        if size <= most:
            return most
    while most < size:
        most = math.ceil(most * ratio / 4) * 4
    return most


def of_matrices(
    chain: Chain, time: Time, all_outcomes_n: bool, no_offset: bool, check: Callable[[int], None] = _no_check
):
    """Return the form of a chain that spectra are made of: `Halves`, `Three` or `Whole`.

    Args:
        chain: the chain.
        time: the time, or a batch.
        all_outcomes_n: whether all outcomes are known to be N.
        no_offset: whether all offsets are known to be zero.
        check: called with about the numbers that a matrix holds, before anything is allocated.
    """
    if (
        isinstance(time, BondTimes)
        or not chain.is_uniform
        or not ((all_outcomes_n and no_offset) or chain.n_ensembles == 3)
    ):
        return of_amplitudes(chain, time, all_outcomes_n, no_offset, check)
    if all_outcomes_n and no_offset:
        check(min(chain.dimension // 2 + 1, dicke.window_half_width(chain.n_atoms, _FARTHEST) + 1) ** 2)
        return in_default_precision(_halves(chain))
    check(chain.dimension**2)
    return in_default_precision(_three(chain))


def of_sums(chain: Chain, time: Time, all_outcomes_n: bool, no_offset: bool, check: Callable[[int], None] = _no_check):
    """Return the form that probabilities of outcomes are made of, `Differences` or `Whole`; arguments as above."""
    if isinstance(time, BondTimes) or chain.n_ensembles != 3 or not chain.is_uniform:
        return of_amplitudes(chain, time, all_outcomes_n, no_offset, check)
    check(largest_difference(chain))
    return in_default_precision(_differences(chain))


def of_amplitudes(
    chain: Chain, time: Time, all_outcomes_n: bool, no_offset: bool, check: Callable[[int], None] = _no_check
) -> Whole:
    """Return the form that amplitudes with all phases are made of; arguments as above."""
    check(chain.dimension**2)
    return Whole(chain)


def in_default_precision(sizes: Any) -> Any:
    """Cast arrays of the host to JAX's default types: inside a program they would stay what they are."""

    def cast(array: np.ndarray) -> np.ndarray:
        return np.asarray(array, jnp.result_type(int if array.dtype.kind == "i" else float))

    with np.errstate(under="ignore"):
        return jax.tree.map(cast, sizes)


@functools.lru_cache(maxsize=64)
def _halves(chain: Chain) -> Halves:
    odd = chain.n_atoms % 2
    first = -(-chain.n_atoms // 2)
    _, last = dicke.window_ends(chain.n_atoms, chain.window)
    last = min(last, first + dicke.window_half_width(chain.n_atoms, _FARTHEST))
    weights = _weights(chain.n_atoms, np.arange(first, last + 1))
    beyond = 2 * np.cumsum(weights[::-1])[::-1]  # of each state and all farther ones, on both sides
    middle, steps = chain.n_ensembles % 2, (chain.n_ensembles - 2) // 2
    kept = max(1, int(np.count_nonzero(beyond > (_NEGLIGIBLE_OF_ODD if middle else _NEGLIGIBLE_OF_EVEN))))
    roots = np.sqrt(weights[:kept])
    even_and_odd = np.stack([roots, roots])
    if not odd:  # m = 0 is its own mirror image
        even_and_odd[:, 0] *= [math.sqrt(0.5), 0.0]
    return Halves(
        n_atoms=np.asarray(chain.n_atoms),
        n_states=np.asarray(chain.dimension),
        odd_atoms=np.asarray(odd),
        roots=np.pad(even_and_odd, ((0, 0), (0, bucket(kept) - kept))),
        power=np.asarray((chain.n_ensembles - 1) // 2) if middle and chain.n_ensembles > 3 else None,
        n_steps=None if middle else np.asarray(steps),
        most_steps=0 if middle else _bucket_of_steps(steps),
    )


def _bucket_of_steps(steps: int) -> int:
    """Return the number itself up to fifteen, then one of numbers that are a sixteenth to an eighth apart."""
    unit = 2 ** max(0, steps.bit_length() - 4)
    return -(-steps // unit) * unit


@functools.lru_cache(maxsize=64)
def _three(chain: Chain) -> Three:
    size = bucket(chain.dimension)
    weights = _weights(chain.n_atoms, chain.states)
    differences, pairs = pair_weights(chain)
    beside = size - 1 - int(differences[-1])
    return Three(
        n_atoms=np.asarray(chain.n_atoms),
        n_states=np.asarray(chain.dimension),
        roots=np.pad(np.sqrt(weights), (0, size - chain.dimension)),
        differences=Differences(np.asarray(chain.n_atoms), np.pad(pairs, beside)),
    )


def padded_differences(chain: Chain) -> int:
    """Return the number of differences of one sign, and 0, in `Differences`."""
    return bucket(largest_difference(chain) + 1, _RATIO_DIFFERENCES)


def _differences(chain: Chain) -> Differences:
    return _few_differences(chain) if padded_differences(chain) <= _MOST_KEPT else _padded(chain)


@functools.lru_cache(maxsize=64)
def _few_differences(chain: Chain) -> Differences:
    return _padded(chain)


def _padded(chain: Chain) -> Differences:
    differences, weights = pair_weights(chain)
    padding = padded_differences(chain) - 1 - int(differences[-1])
    return Differences(np.asarray(chain.n_atoms), np.pad(weights, padding))


@np.errstate(under="ignore")  # weights below 1e-308 are 0
def _weights(n_atoms: int, states: np.ndarray) -> np.ndarray:
    return np.exp(dicke.log_weights_host(n_atoms, states))


@functools.lru_cache(maxsize=8)
@np.errstate(under="ignore")
def pair_weights(chain: Chain) -> tuple[np.ndarray, np.ndarray]:
    """Return differences d and W_d = Σ_k w_k w_(k-d) of the ends in the window: for M = 3, p = Σ_d W_d f(d t + φ)².

    In the full basis W_d is a binomial of 2N trials; of many atoms only what exceeds 1e-32 of it is summed.
    """
    if not chain.is_uniform:
        first, last = (_weights(end.n_atoms, end.states) for end in chain.ends)
        return dicke.differences(*chain.ends), np.convolve(first, last[::-1])
    differences = np.arange(-largest_difference(chain), largest_difference(chain) + 1)
    if chain.dimension == chain.n_atoms + 1:
        return differences, np.exp(dicke.log_weights_host(2 * chain.n_atoms, chain.n_atoms + differences))
    weights = _weights(chain.n_atoms, chain.states)
    return differences, convolve(weights, weights)


def largest_difference(chain: Chain) -> int:
    """Return the largest k - k' that counts in the probability of a chain of three."""
    many = chain.dimension == chain.n_atoms + 1 and chain.n_atoms > _ALL_DIFFERENCES
    return math.ceil(12 * math.sqrt(chain.n_atoms / 2)) if many else chain.dimension - 1


def convolve(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Convolve two weight vectors of one length; by transform (exact to 1e-16 of its maximum) if long."""
    if len(left) <= LONGEST_DIRECT:
        return np.convolve(left, right)
    length = 2 * len(left) - 1
    return np.maximum(np.fft.irfft(np.fft.rfft(left, length) * np.fft.rfft(right, length), length), 0.0)
