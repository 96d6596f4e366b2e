"""One ensemble of N two-level atoms in its symmetric subspace.

Conventions: Dicke states |k⟩, k = 0…N, with k atoms in mode a; S_z = 2k - N; x-basis states |q⟩^(x), q = 0…N, with
S_x = 2q - N; ħ = 1; row and column order is increasing k. A *window* keeps the states N/2 - K ≤ k ≤ N/2 + K with
K = ⌊c√N/2⌋ (equations 30 and 31), so c counts standard deviations of the initial state; None keeps all N + 1 states.

>>> spin_z(2).diagonal().tolist()
[-2.0, 0.0, 2.0]
"""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float

from jaxent import arguments
from jaxent.conversion import as_whole_numbers, real_number, whole_number
from jaxent.messages import shown
from jaxent.numerics import diagonals
from jaxent.numerics.binomials import log_binomial, log_prefactor
from jaxent.runtime import execution, memory
from jaxent.times import cos_sin_turns, turns

__all__ = [
    "Ensemble",
    "coherent_state",
    "cos_power",
    "log_weights",
    "number_operator",
    "spin_raising",
    "spin_x",
    "spin_y",
    "spin_z",
    "window_half_width",
    "window_states",
    "x_basis",
    "x_overlap",
]

MOST_ATOMS = 2**53  # the largest k is then exact in float64


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """One ensemble of a chain: its atoms, and which of its Dicke states are kept.

    Attributes:
        n_atoms: N.
        window: c of the window, or None for all k.
    """

    n_atoms: int
    window: float | None = None

    @property
    def states(self) -> np.ndarray:
        """Dicke indices k of the window, host integers of shape (D,)."""
        return window_states(self.n_atoms, self.window)

    @property
    def ends(self) -> tuple[int, int]:
        """First and last of the states."""
        return window_ends(self.n_atoms, self.window)

    @property
    def dimension(self) -> int:
        """D, the number of Dicke states kept."""
        first, last = self.ends
        return last - first + 1

    @property
    def doubled(self) -> np.ndarray:
        """2m = 2k - N of the states."""
        return 2 * self.states - self.n_atoms


def differences(left: Ensemble, right: Ensemble) -> np.ndarray:
    """List the differences k - k' of the states of two ensembles, increasing, without gaps."""
    return np.arange(left.ends[0] - right.ends[1], left.ends[1] - right.ends[0] + 1)


def window_half_width(n_atoms: int, window: float) -> int:
    """Half-width K = ⌊c√N/2⌋ of the window of c standard deviations, equation (31)."""
    return math.floor(window * math.sqrt(n_atoms) / 2)


def window_states(n_atoms: int, window: float | None = None) -> np.ndarray:
    """Dicke indices k in the window of equation (30), increasing; all of 0…N without a window.

    Args:
        n_atoms: N, at least 1.
        window: c, in standard deviations √N/2 of the initial state, or None.

    Returns:
        host int64 array of shape (D,); symmetric under k → N - k. D = 2K + 1 for even N and 2K for odd N.

    Raises:
        ValueError: when N < 1, c ≤ 0, or the window is empty or larger than the basis.
    """
    first, last = window_ends(n_atoms, window)
    _refuse_many_states(n_atoms, window, 8, on_host=True)
    return np.arange(first, last + 1)


def checked_window(window: Any) -> float:
    """Check the half-width c of a window, in standard deviations, and return it as a float.

    Raises:
        ValueError: when it is no positive number.
    """
    must = "be a positive number of standard deviations, or None for all states"
    return real_number("window", window, must, lambda number: 0 < number < math.inf)


def window_ends(n_atoms: Any, window: Any = None) -> tuple[int, int]:
    """Check a window, and find the first and last of its `window_states` without listing them."""
    n_atoms = whole_number("n_atoms", n_atoms, 1, MOST_ATOMS)
    if window is None:
        return 0, n_atoms
    window = checked_window(window)
    half_width = window_half_width(n_atoms, min(window, 2.0 * MOST_ATOMS))
    if 2 * half_width > n_atoms:
        raise ValueError(
            f"Argument `window` = {window} spans N/2 ± {half_width}, more than the {n_atoms + 1} Dicke states of "
            f"n_atoms = {n_atoms}; use window=None for the full basis or a window of at most {math.sqrt(n_atoms):.4g}."
        )
    first, last = -(-n_atoms // 2) - half_width, n_atoms // 2 + half_width
    if first > last:
        raise ValueError(
            f"Argument `window` = {window} holds no Dicke state of n_atoms = {n_atoms}; "
            f"use a window of at least {2 / math.sqrt(n_atoms):.4g}."
        )
    return first, last


def log_weights(n_atoms: int, window: float | None = None) -> Float[Array, " D"]:
    """log w_k, where w_k = C(N,k) / 2^N is the weight of |k⟩ in the initial state, equation (11).

    Relative error of w_k and of log w_k about 1e-14 up to N = 10^10 in float64.

    Args:
        n_atoms: N.
        window: c of the window, or None for all k.

    Returns:
        array of shape (D,), natural logarithms.

    References:
        C. Loader, Fast and accurate computation of binomial probabilities (2000).
    """
    _refuse_many_states(n_atoms, window, 110)
    return jnp.asarray(log_weights_host(n_atoms, window_states(n_atoms, window)))


def log_weights_host(n_atoms: int, states: np.ndarray) -> np.ndarray:
    """log w_k on the host, in float64 whatever JAX's precision."""
    return log_binomial(np, n_atoms, states, 0.5, 0.5, (states - (n_atoms - states)) / 2)


def coherent_state(
    n_atoms: int, alpha: ArrayLike, beta: ArrayLike, window: float | None = None
) -> Complex[Array, " D"]:
    """Compute the spin coherent state |α, β⟩ of equation (9): amplitudes √C(N,k) α^k β^(N-k).

    Args:
        n_atoms: N.
        alpha: amplitude of mode a, complex scalar.
        beta: amplitude of mode b, complex scalar; |α|² + |β|² = 1.
        window: c of the window around N/2, or None for all k.

    Returns:
        complex array of shape (D,).

    Raises:
        ValueError: when |α|² + |β|² is not 1 (checked outside transformations).
    """
    alpha, beta = arguments.as_numbers("alpha", alpha), arguments.as_numbers("beta", beta)
    norm = arguments.concrete(jnp.abs(alpha) ** 2 + jnp.abs(beta) ** 2)
    if norm is not None and not abs(norm - 1) < 1e-6:
        raise ValueError(f"Arguments `alpha` and `beta` must obey |α|² + |β|² = 1, but it is {norm}.")
    _refuse_many_states(n_atoms, window, 120)
    return _coherent_amplitudes(n_atoms, *window_ends(n_atoms, window), alpha, beta)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _coherent_amplitudes(n_atoms: int, first: int, last: int, alpha: jax.Array, beta: jax.Array) -> jax.Array:
    """√C(N,k) α^k β^(N-k) for k = first…last, where |α|² + |β|² = 1."""
    states = np.arange(first, last + 1)
    p, complement = jnp.abs(alpha) ** 2, jnp.abs(beta) ** 2
    counts, missing = jnp.asarray(states, p.dtype), jnp.asarray(n_atoms - states, p.dtype)
    difference = complement * counts - p * missing  # k - N|α|²
    magnitude = jnp.exp(log_binomial(jnp, n_atoms, counts, p, complement, difference) / 2)
    phase = turns(states, jnp.angle(alpha)) + turns(n_atoms - states, jnp.angle(beta))
    cos, sin = cos_sin_turns(phase)
    return jax.lax.complex(magnitude * cos, magnitude * sin)


@_coherent_amplitudes.defjvp
def _coherent_amplitudes_jvp(n_atoms, first, last, primals, tangents):
    # dc_k = √(N k) c_(k-1) dα + √(N (N-k)) c_k dβ with the amplitudes of N - 1 atoms: no division by α or β
    value = _coherent_amplitudes(n_atoms, first, last, *primals)
    if n_atoms == 0:
        return value, jnp.zeros_like(value)
    low, high = max(first - 1, 0), min(last, n_atoms - 1)
    fewer = jnp.pad(_coherent_amplitudes(n_atoms - 1, low, high, *primals), (low - first + 1, last - high))
    states = np.arange(first, last + 1)
    up, down = (jnp.asarray(np.sqrt(n_atoms * 1.0) * np.sqrt(x), value.dtype) for x in (states, n_atoms - states))
    d_alpha, d_beta = (tangent.astype(value.dtype) for tangent in tangents)
    return value, up * fewer[:-1] * d_alpha + down * fewer[1:] * d_beta


def spin_z(n_atoms: int, window: float | None = None) -> Float[Array, "D D"]:
    """S_z = Σ_k (2k - N) |k⟩⟨k|, shape (D, D), equation (5c)."""
    return diagonals.diagonal(2.0 * window_states(n_atoms, window) - n_atoms)


def number_operator(n_atoms: int, window: float | None = None) -> Float[Array, "D D"]:
    """Build the atom-number operator N̂ = n_a + n_b = N · 1, shape (D, D), equation (2d)."""
    return diagonals.diagonal(0.0 * window_states(n_atoms, window) + n_atoms)


def spin_x(n_atoms: int, window: float | None = None) -> Float[Array, "D D"]:
    """S_x = a†b + b†a, shape (D, D), equation (2a): ⟨k+1|S_x|k⟩ = √((k+1)(N-k))."""
    return diagonals.symmetric(_raising(n_atoms, window))


def spin_y(n_atoms: int, window: float | None = None) -> Complex[Array, "D D"]:
    """S_y = -i a†b + i b†a, shape (D, D), complex, equation (2b)."""
    return diagonals.antisymmetric(_raising(n_atoms, window))


def spin_raising(n_atoms: int, window: float | None = None) -> Float[Array, "D D"]:
    """a†b in the window: it takes |k⟩ to √((k+1)(N-k)) |k+1⟩."""
    return diagonals.below(_raising(n_atoms, window))


def _raising(n_atoms: int, window: float | None) -> np.ndarray:
    lower = window_states(n_atoms, window)[:-1].astype(float)
    return np.sqrt((lower + 1) * (n_atoms - lower))


def _refuse_many_states(n_atoms: int, window: float | None, bytes_per_state: int, on_host: bool = False) -> None:
    """Refuse a vector over the states of the window, with what it takes to compute it, that does not fit in memory."""
    first, last = window_ends(n_atoms, window)
    what = f"A vector over {last - first + 1} Dicke states of n_atoms = {n_atoms}"
    memory.check_memory(bytes_per_state * (last - first + 1), what, "use a smaller window", on_host)


# ------------------------------------------------------------- the x basis


def x_overlap(n_atoms: int, outcome: ArrayLike, half_angle: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Compute the amplitude of outcome q in the equatorial state at angle α, equation (23), without local phases.

    Left out is i^(N-q) e^(iNα/2). f_q(α) = √C(N,q) cos^q(α/2) sin^(N-q)(α/2). Its derivative is taken from the exact
    relation 2 f_q' = √((q+1)(N-q)) f_(q+1) - √(q(N-q+1)) f_(q-1), so it is right at every zero of f.

    Args:
        n_atoms: N.
        outcome: q in 0…N, integer scalar; may be traced.
        half_angle: α/2 in turns (α/4π), any shape.

    Returns:
        real array of the shape of `half_angle`.
    """
    outcome = _checked_outcome(n_atoms, outcome)
    memory.check_angles(half_angle, 15)
    return _nan_unless_possible(overlap(n_atoms, outcome, half_angle), outcome, n_atoms)


def _checked_outcome(n_atoms: int, outcome: ArrayLike) -> jax.Array:
    """One outcome as an integer of JAX, refused where it is known and outside 0…N."""
    array = as_whole_numbers("outcome", outcome, "be an integer")
    if array.shape:
        raise ValueError(f"Argument `outcome` must be one integer, but has shape {shown(array.shape)}; use jax.vmap.")
    value = arguments.concrete(array)
    if value is not None and not 0 <= value <= n_atoms:
        raise ValueError(f"Argument `outcome` must lie in 0…{n_atoms} (n_atoms), but is {shown(outcome)}.")
    return jnp.asarray(array if value is None else value.astype(np.int64), jnp.result_type(int))


def _nan_unless_possible(values: jax.Array, outcome: jax.Array, n_atoms: int) -> jax.Array:
    if arguments.concrete(outcome) is not None:
        return values
    return arguments.nan_unless_possible(values, outcome, n_atoms)


def overlap(n_atoms: ArrayLike, outcome: jax.Array, half_angle: jax.Array) -> jax.Array:
    """Evaluate `x_overlap` without checks; N, an integer, may be traced as well."""
    return _overlap(*_size_and_parity(n_atoms, half_angle.dtype), outcome, half_angle)


def _size_and_parity(number: Any, dtype: np.dtype) -> tuple[jax.Array, jax.Array]:
    """Return an integer as a float, and whether it is odd: known ones may exceed the default integers."""
    return jnp.asarray(number, dtype), jnp.asarray(number % 2 == 1)


@jax.custom_jvp
def _overlap(n: jax.Array, odd: jax.Array, outcome: jax.Array, half_angle: jax.Array) -> jax.Array:
    cos, sin = cos_sin_turns(half_angle)
    q = outcome.astype(half_angle.dtype)
    missing = n - q
    p, complement = cos * cos, sin * sin
    # q - N cos² and N sin² - (N-q) are the same number; the term with the smaller count loses no digits
    difference = jnp.where(missing < q, n * complement - missing, q - n * p)
    magnitude = jnp.exp(log_binomial(jnp, n, q, p, complement, difference) / 2)
    odd_q = outcome % 2 == 1
    negative = (odd_q & (cos < 0)) ^ ((odd_q ^ odd) & (sin < 0))
    return jnp.where(negative, -magnitude, magnitude)


@_overlap.defjvp
def _overlap_jvp(primals, tangents):
    n, odd, outcome, half_angle = primals
    q = outcome.astype(half_angle.dtype)
    above = _overlap(n, odd, jnp.where(q < n, outcome + 1, outcome), half_angle)
    below = _overlap(n, odd, jnp.maximum(outcome - 1, 0), half_angle)
    derivative = jnp.sqrt((q + 1) * (n - q)) * above - jnp.sqrt(q * (n - q + 1)) * below
    return _overlap(n, odd, outcome, half_angle), 2 * jnp.pi * derivative * tangents[3]


def cos_power(exponent: ArrayLike, half_angle: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Compute cos^n(α/2): `x_overlap` for the outcome q = N, at a fraction of its cost.

    Args:
        exponent: n ≥ 0, an integer; may be traced.
        half_angle: α/2 in turns, any shape.

    Returns:
        real array of the shape of `half_angle`; derivatives of every order are finite.
    """
    memory.check_angles(half_angle, 5)
    return _cos_power(*_size_and_parity(exponent, half_angle.dtype), half_angle)


@jax.custom_jvp
def _cos_power(n: jax.Array, odd: jax.Array, half_angle: jax.Array) -> jax.Array:
    cos, sin = cos_sin_turns(half_angle)
    near_one = sin * sin < 0.5
    log_cos = jnp.where(near_one, jnp.log1p(-jnp.where(near_one, sin * sin, 0.0)) / 2, jnp.log(jnp.abs(cos)))
    magnitude = jnp.exp(n * jnp.where(n == 0, 0.0, log_cos))  # 0^0 = 1
    return jnp.where((cos < 0) & odd, -magnitude, magnitude)


@_cos_power.defjvp
def _cos_power_jvp(primals, tangents):
    n, odd, half_angle = primals
    one_less = _cos_power(jnp.maximum(n - 1, 0.0), ~odd, half_angle)  # of n = 0 it counts nothing
    derivative = -2 * jnp.pi * n * one_less * cos_sin_turns(half_angle)[1]
    return _cos_power(n, odd, half_angle), derivative * tangents[2]


def x_basis(n_atoms: int, outcome: ArrayLike, window: float | None = None) -> Float[Array, " D"]:
    """⟨q|^(x)|k⟩ for one outcome q and all k of the window, equation (24).

    The alternating sum (24) loses all digits beyond N ≈ 50. The row is an eigenvector of the tridiagonal S_x,
    b_(k+1) v_(k+1) + b_k v_(k-1) = (2q - N) v_k with b_k = √(k(N-k+1)), known in closed form at k = N/2 and symmetric,
    ⟨q|N-k⟩ = (-1)^(N-q) ⟨q|k⟩. From the centre the three-term recurrence is stable as far as |2k - N| ≤ 2√(q(N-q));
    beyond, the row decays and its ratios v_k / v_(k-1) are taken from a recurrence that runs inwards. The absolute
    error is below 1e-12 for all q and k at N = 1000, and below 1e-10 in a window at N = 10^6.

    Args:
        n_atoms: N.
        outcome: q in 0…N, integer scalar; may be traced. Use `jax.vmap` for many.
        window: c of the window, or None for all k.

    Returns:
        real array of shape (D,).
    """
    _refuse_many_states(n_atoms, window, 40)
    states = window_states(n_atoms, window)
    outcome = _checked_outcome(n_atoms, outcome)
    centre, odd = n_atoms // 2, n_atoms % 2
    last = int(states[-1])
    start = centre + 1  # v_(start-1) and v_start begin the recurrence
    end = max(start, min(n_atoms, centre + _decayed_beyond(n_atoms, last - centre)))
    dtype = jnp.result_type(float)
    k = np.arange(start, end + 2, dtype=np.float64)
    b = jnp.asarray(np.sqrt(k * (n_atoms - k + 1)), dtype)  # b[i] is b_(start+i)
    eigenvalue = (2 * outcome - n_atoms).astype(dtype)
    missing = n_atoms - outcome
    turning = n_atoms / 2 + jnp.sqrt(outcome.astype(dtype) * missing.astype(dtype))

    def inwards(ratio_above, b_pair):
        b_here, b_above = b_pair
        ratio = b_here / (eigenvalue - b_above * ratio_above)
        return ratio, ratio

    # ratios[i] = v_(start+1+i) / v_(start+i)
    _, ratios = execution.scan(inwards, jnp.zeros((), dtype), (b[1:-1], b[2:]), reverse=True)

    def outwards(pair, step):
        below, here = pair
        b_here, b_above, ratio, k_above = step
        above = jnp.where(k_above > turning, ratio * here, (eigenvalue * here - b_here * below) / b_above)
        return (here, above), above

    before, first = _central_values(n_atoms, outcome, eigenvalue)
    above = jnp.arange(start + 1, end + 1).astype(dtype)
    _, rest = execution.scan(outwards, (before, first), (b[:-2], b[1:-1], ratios, above))
    upper = jnp.concatenate([first[None], rest])[: last - start + 1]
    if not odd:
        upper = jnp.concatenate([before[None], upper])[: last - centre + 1]
    sign = jnp.where(missing % 2 == 1, -1.0, 1.0).astype(dtype)
    lower = sign * upper[::-1]
    row = jnp.concatenate([lower if odd else lower[:-1], upper])
    return _nan_unless_possible(row, outcome, n_atoms)


def _decayed_beyond(n_atoms: int, half_width: int) -> int:
    """Distance from the centre where every row that decays inside the window is 1e-13 of its value at the edge.

    In units of √N/2 a decaying row falls as exp(-∫√(x² - x_t²)/2 dx); for x² ≥ c² + 160 that is 1e-13 or less for any
    turning point x_t ≤ c.
    """
    c = 2 * (half_width + 1) / math.sqrt(n_atoms)
    return math.ceil(math.sqrt(n_atoms * (c * c + 160.0)) / 2) + 1


def _central_values(n_atoms: int, outcome: jax.Array, eigenvalue: jax.Array):
    """⟨q|k⟩ at the two central k: N/2 and N/2 + 1 for even N, (N-1)/2 and (N+1)/2 for odd N.

    The generating function (1+z)^q (z-1)^(N-q) is (z²-1)-like at its centre when q and N-q are even, where its
    coefficient is (-1)^b C(n/2,b) C(n,n/2) / C(n,2b); the odd cases follow by taking out one factor of each odd kind.
    """
    dtype = eigenvalue.dtype
    q, missing = outcome.astype(dtype), (n_atoms - outcome).astype(dtype)
    odd_missing = (n_atoms - outcome) % 2 == 1
    half = (n_atoms - outcome) // 2

    def base(n: int):  # ⟨q'|n/2⟩ for even n and N'-q' = 2·half
        b = jnp.minimum(half, n // 2).astype(dtype)
        size = jnp.exp(
            log_prefactor(jnp, n / 2, b)
            - log_prefactor(jnp, n, 2 * b) / 2
            + float(log_weights_host(n, np.array([n // 2]))[0] if n else 0.0) / 2
        )
        return jnp.where(half % 2 == 1, -size, size)

    if n_atoms % 2:
        first = base(n_atoms - 1) * jnp.sqrt(jnp.where(odd_missing, missing, q) / (n_atoms + 1))
        return jnp.where(odd_missing, -first, first), first
    b_above = math.sqrt((n_atoms // 2 + 1) * (n_atoms // 2))
    centre = jnp.where(odd_missing, 0.0, base(n_atoms))
    antisymmetric = base(max(n_atoms - 2, 0)) * 2 * jnp.sqrt(q * missing / (n_atoms * (n_atoms + 2.0)))
    return centre, jnp.where(odd_missing, antisymmetric, eigenvalue * centre / (2 * b_above))
