"""Compute means and covariances of the collective spins of both ends, at any N, from sums over k_1 - k_3.

With √(w_k w_(k+1)) √((k+1)(N-k)) = (N/2) w'_k, w' the weights of N - 1 atoms, all moments of S_+ and S_z are sums over
pairs of binomial variables, of which only the difference d enters the measured ensemble's kernel g: the rest is
hypergeometric and has closed forms. P_d is the binomial of 2N trials, π_d that of 2N - 2. In the frame of each end in
which the phase e^(±iNkt/2) is undone, with the combinations A, H, O, X of `spins.kernel`,

    p = Σ P A,   μ = ⟨S_z1⟩ = Σ P d A/p,   v = Σ P (d-μ)² A/p,   η = (2v + 2μ² - N)/(N(2N-1)),
    h = Σ π H/p,   ω = Σ π O/p,   ε = (h + ω)/2,   χ = Σ π X/p,   ζ = Σ π (d-μ)(H + O)/2p,

and D_j = e^(-2γ_j t) of the ends,

    ⟨S_xj⟩ = N D_j (1-ε),   Cov(S_x1, S_x3) = N² D_1 D_3 (ω - ε²),   Cov(S_y1, S_y3) = -N² D_1 D_3 (h - η),
    Var(S_xj) = N² [(1-D²)²/2 - η(1-D⁴)/2 + D²(1-D²)h + D²(ω-ε²)] + N [(1-D⁴)(1+η)/2 + D⁴h],
    Var(S_yj) = N + N(N-1)/2 [1 - D⁴ - η(1+D⁴) + 2D⁴h],
    Var(S_z1 - S_z3) = 4v,   Var(S_z1 + S_z3) = 4(N² - v - μ²)/(2N-1),
    Cov(S_z1, S_x1) = -D_1 (μ + Nζ),   Cov(S_z3, S_x1) = N D_1 (χ + ζ), and the same with the ends exchanged and d → -d.

No term is larger than the value by more than a few times, so that no digits cancel. 1 - D² comes from `expm1`. In
sums and differences of both ends what N² multiplies cancels before it is added.

>>> import jax
>>> jax.config.update("jax_enable_x64", True)
>>> from jaxent import Chain
>>> spins = collective_spin_moments(Chain(3, 10**8), 2e-8)     # tau = N t = 2
>>> print(f"{float(spins.sums_and_differences[5, 5] / 2e8):.6f}")   # Var(S_z1 - S_z3) / 2N = 1/(1 + tau²/4)
0.500000
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import arguments, dicke, results
from jaxent.chain import Chain
from jaxent.measurement import Measurement, Records
from jaxent.noise.dephasing import EnsembleRates, Problem, Rate
from jaxent.noise.modular import check_three
from jaxent.results import Account, Column
from jaxent.runtime import execution, memory
from jaxent.spins import kernel
from jaxent.times import Time, cos_sin_turns, turns

__all__ = ["WINDOWLESS", "CollectiveSpinMoments", "about", "collective_spin_moments", "of_state"]

WINDOWLESS = "the sums need none"
_REACH = 12.0  # standard deviations of k_1 - k_3 that are summed; the weight beyond is below 1e-31
_LEAST = math.log(1e-22)  # of log p: of a window's sum nine digits are left
_LEAST_OF_ALL = math.log(1e-280)  # where all differences are summed
_MOST_IMPERFECT = 10**5  # N; differences of the kernel of a record lose N ε
_COMPONENTS = [f"S_{axis}{end}" for end in ("1", "M") for axis in "xyz"]
_COMBINATIONS = [f"S_{axis}1 {sign} S_{axis}M" for sign in "+-" for axis in "xyz"]
_SUMS = np.block([[np.eye(3), np.eye(3)], [np.eye(3), -np.eye(3)]])  # sums of both ends, then differences


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CollectiveSpinMoments:
    """Hold first and second moments of the collective spins of two ends of N atoms each; S_z = 2k - N.

    They may also be measured ones: `CollectiveSpinMoments.measured(mean, covariance, n_atoms)`.

    Attributes:
        mean: ⟨S_x⟩, ⟨S_y⟩, ⟨S_z⟩ of the first end, then of the last, shape (6,).
        covariance: ½⟨{S_a, S_b}⟩ - ⟨S_a⟩⟨S_b⟩ in the same order, shape (6, 6).
        sums_and_differences: covariance of S_1 + S_M, then of S_1 - S_M (three components each), shape (6, 6); it holds
            what is so small that it drowns in differences of `covariance`.
        n_atoms: N.
        pure: whether the state of both ends is known to be pure.
    """

    mean: Any
    covariance: Any
    sums_and_differences: Any
    n_atoms: int = dataclasses.field(metadata={"static": True})
    pure: bool = dataclasses.field(default=False, metadata={"static": True})

    __repr__ = results.line
    _repr_html_ = results.table
    plot = results.plot
    to_xarray = results.to_xarray

    def _account(self) -> Account:
        mean = np.reshape(np.asarray(self.mean), (2, 3))
        mean = np.where(abs(mean) < 1e-12 * self.n_atoms, 0.0, mean)
        ends = [f"({', '.join(f'{x:.4g}' for x in end)})" for end in mean]
        columns = {
            "n_atoms": Column(self.n_atoms, "1", "atoms per ensemble N", "N"),
            "first": Column(ends[0], symbol="⟨S_1⟩"),
            "last": Column(ends[1], symbol="⟨S_M⟩"),
            "pure": Column("pure" if self.pure else "perhaps mixed", symbol=results.ALONE),
            "mean": Column(self.mean, "1", "mean of collective spins"),
            "covariance": Column(self.covariance, "1", "covariance of collective spins"),
            "sums_and_differences": Column(self.sums_and_differences, "1", "covariance of sums and differences"),
        }
        spins, sums = ("spin", "spin_2"), ("combination", "combination_2")
        each = {"mean": spins[:1], "covariance": spins, "sums_and_differences": sums}
        labels = dict.fromkeys(spins, _COMPONENTS) | dict.fromkeys(sums, _COMBINATIONS)
        return Account("", columns, matrix="covariance", dimensions=each, labels=labels)

    @classmethod
    def measured(cls, mean: Any, covariance: Any, n_atoms: int, *, pure: bool = False) -> "CollectiveSpinMoments":
        """Make moments from a mean of shape (6,) and a covariance of shape (6, 6)."""
        mean, covariance = arguments.checked_real("mean", mean), arguments.checked_real("covariance", covariance)
        for name, array, shape in (("mean", mean, (6,)), ("covariance", covariance, (6, 6))):
            if array.shape != shape:
                raise ValueError(f"Argument `{name}` must have shape {shape}, but has {array.shape}.")
        both = about(jnp.asarray(_SUMS, covariance.dtype), covariance)
        return cls(mean, covariance, both, Chain(2, n_atoms).n_atoms, pure)


def collective_spin_moments(
    chain: Chain,
    time: Time,
    dephasing_rate: Rate = 0.0,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    *,
    measurement: Measurement | None = None,
) -> CollectiveSpinMoments:
    """Compute mean and covariance of the collective spins S_x, S_y, S_z of both ends, for M = 3 and any N.

    They are those of the state of `jaxent.end_to_end_state`, all phases included: the spins of an end point along
    ∓Nt/2 in the x-y plane. The cost is a sum over 17√N differences k_1 - k_3 (N = 10^10: 2·10^6). Differentiable in a
    float `time`, in rates and in `phase_offset`.

    Args:
        chain: the chain, M = 3, of any number of atoms, without a window.
        time: one time; a float or a `PiFraction`. Use `jax.vmap` for many.
        dephasing_rate: γ ≥ 0, a scalar, or one rate for each ensemble as (3,) values or `EnsembleRates`.
        outcomes: q_2, an int; None: N. May be traced.
        phase_offset: φ in radians.
        measurement: how the middle ensemble is measured; None: perfectly. Up to 10^5 atoms: digits beyond 10^-16 N²
            of the covariance are lost.

    Returns:
        CollectiveSpinMoments: with a perfect measurement, entries of `covariance` are right to about 10^-15 of N in
        units of the larger of N and themselves, and those of `sums_and_differences` along z to 1e-12 of themselves.

    Raises:
        ValueError: on any argument out of range, for other M, with a window, and for outcomes that cannot occur or are
            less probable than 10^-22 where N > 300 (10^-5 where the rate is traced, and 0). Under a transformation the
            values are NaN instead of the last.

    Example:
        >>> import jaxent
        >>> found = jaxent.collective_spin_moments(jaxent.Chain(3, 100), 0.02)
        >>> print(f"⟨S_x⟩ = {found.mean[0]:.3f}, Var S_x = {found.covariance[0, 0]:.3f}")
        ⟨S_x⟩ = 53.963, Var S_x = 105.976
    """
    problem = _checked(chain, time, dephasing_rate, outcomes, phase_offset, measurement)
    dephased = kernel.may_dephase(dephasing_rate)
    shape = _Shape(chain.n_atoms, dephased)
    _refuse_imperfect(problem)
    count = 2 * _half_width(chain.n_atoms) + 1
    memory.check_memory(400 * count, f"Sums over {count} differences of the ends", "use fewer atoms")
    (mean, covariance, both), log_probability = execution.call(
        _moments,
        *(shape, problem.time, problem.strengths, problem.outcomes[0], problem.offsets[0]),
        what=f"The moments of ends of n_atoms = {chain.n_atoms}",
        instead="use fewer atoms",
    )
    problem.refuse_unlikely(log_probability)
    pure = arguments.is_zero(dephasing_rate) if not isinstance(dephasing_rate, EnsembleRates) else False
    pure = pure and not isinstance(problem.outcomes, Records)
    return CollectiveSpinMoments(mean, covariance, both, chain.n_atoms, pure)


def of_state(state: Any, *, pure: bool = False) -> CollectiveSpinMoments:
    """Compute the moments of a density matrix ρ[k_1, k_M, k_1', k_M'] of two ends of equal N, densely."""
    size = state.shape[0]
    ladder = dicke.spin_x(size - 1), dicke.spin_y(size - 1), dicke.spin_z(size - 1)
    first = [jnp.kron(s.astype(complex), jnp.eye(size)) for s in ladder]
    last = [jnp.kron(jnp.eye(size, dtype=complex), s.astype(complex)) for s in ladder]
    rho = jnp.reshape(jnp.asarray(state, complex), (size**2, size**2))
    spins = jnp.stack(first + last)
    mean = jnp.einsum("ab,iba->i", rho, spins).real
    products = jnp.einsum("iab,bc->iac", spins, rho)
    second = jnp.einsum("iac,jca->ij", products, spins).real
    covariance = (second + second.T) / 2 - mean[:, None] * mean[None, :]
    return CollectiveSpinMoments.measured(mean, covariance, size - 1, pure=pure)


# ------------------------------------------------------------------ arguments


def _checked(chain, time, dephasing_rate, outcomes, phase_offset, measurement) -> Problem:
    check_three(chain, WINDOWLESS)
    if not isinstance(dephasing_rate, EnsembleRates) and np.ndim(dephasing_rate) == 1:
        dephasing_rate = EnsembleRates(dephasing_rate)
    problem = Problem.of(chain, time, dephasing_rate, outcomes, phase_offset, 0.0, measurement, dense=False)
    problem.refuse_batch()
    return problem


def _refuse_imperfect(problem: Problem) -> None:
    n_atoms = problem.static.chain.n_atoms
    if isinstance(problem.outcomes, Records) and n_atoms > _MOST_IMPERFECT:
        raise ValueError(
            f"Argument `measurement` must be None beyond {_MOST_IMPERFECT} atoms, since too few digits of the moments "
            f"would be left, but n_atoms = {n_atoms}."
        )


def _half_width(n_atoms: int) -> int:
    return min(n_atoms, math.ceil(_REACH * math.sqrt(n_atoms / 2)) + 1)


# -------------------------------------------------------------------- one case


class _Shape(NamedTuple):
    n_atoms: int
    dephased: bool


class _Sums(NamedTuple):
    """Hold the sums of the module's docstring; the last four are imaginary parts, 0 unless atoms are lost."""

    mean: Any
    variance: Any
    eta: Any
    slope: Any  # h
    bend: Any  # ω
    mixed: Any  # χ
    tilt: Any  # ζ
    turned: Any  # Im Σ π a/p, a = [g(α, α+t) + g(α-t, α)]/2
    twice: Any  # Im Σ π g(α-t, α+t)/p
    turned_tilt: Any  # Im Σ π (d-μ) a/p
    turned_slope: Any  # Im Σ π [g(α-t, α) - g(α, α+t)]/2p

    @property
    def missing(self) -> Any:
        """Return ε."""
        return (self.slope + self.bend) / 2


@functools.partial(jax.jit, static_argnums=(0,))
def _moments(shape: _Shape, time, strengths, read, offset):
    case = kernel.Case(shape.n_atoms, shape.dephased, time, strengths[1], read, offset)
    sums, log_probability = _sums(case)
    least = _LEAST if _half_width(shape.n_atoms) < shape.n_atoms else _LEAST_OF_ALL
    possible = log_probability > kernel.least_log_probability(case, least)
    if isinstance(read, Records):
        possible = possible & read.possible(shape.n_atoms)
    else:
        possible = possible & (read >= 0) & (read <= shape.n_atoms)
    defined = jnp.where(possible, 1.0, jnp.nan)
    lossy = isinstance(read, Records) and read.lossy
    results = _assembled(shape.n_atoms, sums, strengths[0], strengths[2], time, lossy)
    return jax.tree.map(lambda x: x * defined, results), log_probability * defined


def _sums(case: kernel.Case) -> tuple[_Sums, jax.Array]:
    """Compute the sums over differences, and log p."""
    n_atoms = case.n_atoms
    side = _half_width(n_atoms)
    host = np.arange(-side, side + 1)
    weights = np.exp(dicke.log_weights_host(2 * n_atoms, n_atoms + host))
    # of 2N - 2 trials
    inner = weights * 2 * (1.0 * n_atoms - host) * (1.0 * n_atoms + host) / (1.0 * n_atoms * (2 * n_atoms - 1))
    rows = kernel.averaged(case, host)
    differences, weights, inner = (jnp.asarray(1.0 * x, rows.dtype) for x in (host, weights, inner))
    probability = jnp.sum(weights * rows[0])
    safe = jnp.where(probability > 0, probability, 1.0)
    shares = weights * rows[0] / safe
    mean = jnp.sum(shares * differences)
    away = differences - mean
    variance = jnp.sum(shares * away**2)
    inner = inner / safe
    slope, bend, mixed = (jnp.sum(inner * row) for row in rows[1:4])
    tilt = jnp.sum(inner * away * (rows[1] + rows[2])) / 2
    eta = (2 * (variance + mean**2) - n_atoms) / (1.0 * n_atoms * (2 * n_atoms - 1))
    none = jnp.zeros_like(mean)
    turned = (none, none, none, none)
    if len(rows) > 4:
        turned = tuple(jnp.sum(inner * row) for row in (rows[4], rows[5], away * rows[4], rows[6]))
    log_probability = jnp.where(probability > 0, jnp.log(safe), -jnp.inf)
    return _Sums(mean, variance, eta, slope, bend, mixed, tilt, *turned), log_probability


def _assembled(n_atoms: int, sums: _Sums, first, last, time, lossy: bool):
    """Compute mean, covariance, and that of sums and differences, from γ_1 t and γ_3 t of the ends."""
    n = 1.0 * n_atoms
    contrasts = jnp.stack([jnp.exp(-2 * first), jnp.exp(-2 * last)])
    long = n * contrasts * (1 - sums.missing)
    zero = jnp.zeros_like(sums.mean)
    out = jnp.stack([zero, zero]) if not lossy else n * contrasts * sums.turned * np.array([1.0, -1.0])
    mean = jnp.stack([long[0], out[0], sums.mean, long[1], out[1], -sums.mean])
    ends, both = _in_frame(n, sums, jnp.stack([first, last]), contrasts)
    cos, sin = cos_sin_turns(-turns(np.array([n_atoms]), time, 1)[0])  # the first end turns by -Nt/2
    one = jnp.ones_like(cos)
    blank = jnp.zeros((3, 3), cos.dtype)

    def turned(sign):
        return _matrix([cos, -sign * sin, zero], [sign * sin, cos, zero], [zero, zero, one])

    each = jnp.block([[turned(1), blank], [blank, turned(-1)]])
    even = _matrix([cos, zero, zero], [zero, cos, zero], [zero, zero, one])
    odd = _matrix([zero, -sin, zero], [sin, zero, zero], [zero, zero, zero])
    mixed = jnp.block([[even, odd], [odd, even]])

    return jnp.matmul(each, mean, precision="highest"), about(each, ends), about(mixed, both)


def about(rotation, matrix):
    """Compute R V Rᵀ, symmetric to the last digit."""
    found = jnp.matmul(jnp.matmul(rotation, matrix, precision="highest"), rotation.T, precision="highest")
    return (found + found.T) / 2


def _matrix(*rows):
    return jnp.stack([jnp.stack(row) for row in rows])


def _in_frame(n: float, sums: _Sums, strengths, contrasts):
    """Compute the covariances of (S_1, S_3) and of sums and differences, where the mean spins point along x."""
    a, b = contrasts[0], contrasts[1]
    dull, dull_twice = -jnp.expm1(-4 * strengths), -jnp.expm1(-8 * strengths)  # 1 - D², 1 - D⁴
    sharp, sharp_twice = 1 - dull, 1 - dull_twice
    eta, slope, out, none = sums.eta, sums.slope, n * sums.turned, jnp.zeros_like(sums.eta)
    # what both ends share, and what each has for itself
    along, across = n**2 * (sums.bend - sums.missing**2), n**2 * (slope - eta)
    half = n / 2 * dull_twice
    own_x = (
        n**2 * (dull**2 / 2 - eta * dull_twice / 2 + sharp * dull * slope) + half * (1 + eta) + n * sharp_twice * slope
    )
    own_y = n + n**2 * (dull_twice / 2 - eta * dull**2 / 2 - sharp * dull * slope)
    own_y = own_y - half + n / 2 * eta * (1 + sharp_twice) - n * sharp_twice * slope
    x, y = own_x + along * sharp, own_y + (across - out**2) * sharp
    apart, together = 4 * sums.variance, 4 * (n**2 - sums.variance - sums.mean**2) / (2 * n - 1)
    z = (apart + together) / 4
    same, other = (
        -(sums.mean + n * sums.tilt),
        n * (sums.mixed + sums.tilt),
    )  # z with x of the same end, and of the other
    # with loss the phases of coherences correlate x and y
    shared = n * out * (1 - sums.missing) - n**2 * sums.twice / 2
    own = n * (n - 1) / 2 * sums.twice * sharp_twice - n * out * (1 - sums.missing) * sharp
    turned_same, turned_other = n * sums.turned_tilt, n * (sums.turned_slope - sums.turned_tilt)
    ends = _symmetric(
        [
            [x[0], own[0], same * a, along * a * b, shared * a * b, other * a],
            [y[0], turned_same * a, -shared * a * b, (out**2 - across) * a * b, turned_other * a],
            [z, -other * b, turned_other * b, (together - apart) / 4],
            [x[1], -own[1], -same * b],
            [y[1], turned_same * b],
            [z],
        ]
    )
    both = about(jnp.asarray(_SUMS, ends.dtype), ends)
    sum_x, sum_y, even = own_x[0] + own_x[1], own_y[0] + own_y[1], (same + other)
    known = {
        (0, 0): sum_x + along * (a + b) ** 2,
        (1, 1): sum_y + (across - out**2) * (a - b) ** 2,
        (2, 2): together,
        (3, 3): sum_x + along * (a - b) ** 2,
        (4, 4): sum_y + (across - out**2) * (a + b) ** 2,
        (5, 5): apart,
        (2, 5): none,
        (0, 2): even * (a - b),
        (2, 3): even * (a + b),
        (0, 5): (same - other) * (a + b),
        (3, 5): (same - other) * (a - b),
    }
    for (i, j), value in known.items():
        both = both.at[i, j].set(value).at[j, i].set(value)
    return ends, both


def _symmetric(rows):
    """Build a symmetric matrix from the rows of its upper triangle."""
    size = len(rows)
    return jnp.stack([jnp.stack([rows[min(i, j)][abs(i - j)] for j in range(size)]) for i in range(size)])
