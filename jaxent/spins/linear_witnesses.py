"""Criteria of entanglement made of means and covariances of collective spins, each with its bound.

Every value is divided by its bound, so that bounds are 1, and optimized over what a criterion leaves free: local axes,
gains. Transverse are the two axes of each end perpendicular to its mean spin, X_j its length, V the covariance of the
four transverse components, Ω = diag(X_1 J, ±X_3 J), J = ((0, 1), (-1, 0)): [S_y, S_z] = 2i S_x.

All that hold for mixed states are blind at magic times t = 2πp/r, where mean spins vanish: see
`jaxent.modular_witness`.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxent import results
from jaxent.messages import shown
from jaxent.numerics import rounding
from jaxent.numerics.algebra import matmul
from jaxent.numerics.decompositions import eigh, inverse_cholesky
from jaxent.results import Account, Column
from jaxent.spectral import eigvalsh, svdvals
from jaxent.spins.moments import CollectiveSpinMoments, about

__all__ = ["Witness", "witnesses"]

_MARGIN = 1e-9  # relative; a value nearer to its bound is no violation
_ROUNDINGS = 64  # of N ε: entries of a covariance are right to that part of N
_SHORTEST = 1e-6  # of a mean spin, as a part of N, whose direction means anything
_SMALLEST = 1e-9  # eigenvalue of a correlation matrix that is divided by


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Witness:
    """Hold what one criterion says.

    Attributes:
        value: the left side, divided by the bound of separable states.
        bound: 1.
        violated: whether the value is on the other side of the bound, by more than rounding (1e-9 + 10^-14 N).
        name: of the criterion.
        certifies: what a violation proves.
        reference: where the criterion is proven.
        smaller: whether separable states have values of at least the bound, rather than at most.
    """

    value: Float[Array, ""]
    bound: Any
    violated: Bool[Array, ""]
    name: str = dataclasses.field(metadata={"static": True})
    certifies: str = dataclasses.field(metadata={"static": True})
    reference: str = dataclasses.field(metadata={"static": True})
    smaller: bool = dataclasses.field(default=True, metadata={"static": True})

    __repr__ = results.line
    _repr_html_ = results.table

    def _account(self) -> Account:
        value, violated = np.asarray(self.value), np.asarray(self.violated)
        columns = {"name": Column(self.name, meaning="criterion", symbol="" if value.ndim else results.ALONE)}
        if value.ndim:  # of `vmap`
            words = f"{int(violated.sum())} violate the bound of 1 of {self.name}"
            found = {"value": Column(value, meaning="value / bound"), "violated": Column(violated)}
            return Account("values", found | columns | {"verdict": Column(words, symbol=results.ALONE)})
        sign = ("<" if self.smaller else ">") if violated else "is not below" if self.smaller else "is not above"
        columns["verdict"] = Column(f"{value:.4g} {sign} 1", symbol=results.ALONE)
        columns["certifies"] = Column(self.certifies if violated else "proves nothing", symbol=results.ALONE)
        return Account("", columns | {"reference": Column(self.reference)})


def witnesses(moments: CollectiveSpinMoments) -> tuple[Witness, ...]:
    """Compute the usual criteria of entanglement from collective spins.

    In order, each divided by its bound:

    - Giovannetti–Mancini, a product: min Var(u) Var(v) / (|u_1∧v_1| X_1 + |u_3∧v_3| X_3)² over all transverse u and v,
      which is the least symplectic eigenvalue of V for both signs of Ω, squared. For M = 3 it is 1/(1 + τ²/4) at
      τ = Nt, N → ∞.
    - Hofmann–Takeuchi, a sum: Σ_γ Var(S_γ1 - (R S_3)_γ) / (L_1 + L_3), the least over orthogonal R (from singular
      values of the covariance between the ends), L_j = 2⟨S_j²⟩/(N+2). In a state of spin J ≤ N/2 the variances of an
      end add up to at least 4J ≥ 8J(J+1)/(N+2), which is linear in the state: so it holds for atoms in any state, and
      L_j is 2N for symmetric ones, as ours are.
    - Duan, a sum: [Var(y_1 - (R s_3)_y) + Var(z_1 - (R s_3)_z)] / 2(X_1 + X_3), the least over transverse R.
    - EPR steering of the first end by the last, and of the last by the first: det(V_11 - V_13 V_33^-1 V_31) / X_1², the
      product of the variances that are left of two transverse components once each is inferred from the other end.
    - Wineland's squeezing ξ² = N_tot Var_min / |⟨S⟩|² of the first end, of the last, and of both as one ensemble of 2N
      atoms, the last turned so that mean spins are parallel (of two ways to do so, by z or by -z): entanglement of
      atoms, not of the ends.
    - Quantum Fisher information F of a generator G = a·S_1 + b·S_3 against 4 [Var(a·S_1) + Var(b·S_3)], the largest
      ratio over a and b. F is 4 Var(G) if the state is known to be pure, and is bounded from below by
      max |⟨[G, B]⟩|² / Var(B), over all B linear in the spins, if it is not.

    Args:
        moments: from `jaxent.collective_spin_moments`, or measured ones (`CollectiveSpinMoments.measured`).

    Returns:
        tuple of Witness: where a mean spin is shorter than 10^-6 N, criteria that divide by it have the value ∞. Values
        are differentiable once.

    References:
        V. Giovannetti, S. Mancini, D. Vitali and P. Tombesi, Phys. Rev. A 67, 022320 (2003).
        H. F. Hofmann and S. Takeuchi, Phys. Rev. A 68, 032103 (2003).
        L.-M. Duan, G. Giedke, J. I. Cirac and P. Zoller, Phys. Rev. Lett. 84, 2722 (2000); for spins B. Julsgaard,
        A. Kozhekin and E. S. Polzik, Nature 413, 400 (2001).
        M. D. Reid, Phys. Rev. A 40, 913 (1989); for spins M. D. Reid et al., Rev. Mod. Phys. 81, 1727 (2009).
        D. J. Wineland, J. J. Bollinger, W. M. Itano and D. J. Heinzen, Phys. Rev. A 50, 67 (1994).
        M. Gessner, L. Pezzè and A. Smerzi, Phys. Rev. A 94, 020101 (2016): F; L. Pezzè and A. Smerzi, Phys. Rev. Lett.
        102, 100401 (2009): its bound by moments.

    Example:
        >>> import jaxent
        >>> found = jaxent.witnesses(jaxent.collective_spin_moments(jaxent.Chain(3, 100), 0.02))
        >>> print(found[0].name, bool(found[0].violated))
        Giovannetti-Mancini True
    """
    if not isinstance(moments, CollectiveSpinMoments):
        raise ValueError(
            "Argument `moments` must be a jaxent.CollectiveSpinMoments, as jaxent.collective_spin_moments returns it, "
            f"but is {shown(moments)}."
        )
    n = 1.0 * moments.n_atoms
    frame = _frame(n, moments)
    ends, atoms = "entanglement of the ends", "entanglement of atoms"
    steering = "steering, and so entanglement of the ends, if the inferred end's quantum mechanics is trusted alone"
    squeezed = [_squeezing(n, frame, index) for index in (0, 1)] + [_squeezing_of_both(n, frame)]
    names = ("first end", "last end", "both ends")
    fisher = "quantum Fisher information" if moments.pure else "quantum Fisher information, from moments"
    both = [
        ("Giovannetti-Mancini", _product(frame), ends, _GIOVANNETTI),
        ("Hofmann-Takeuchi", _all_components(n, moments), ends, _HOFMANN),
        ("Duan", _sum(frame), ends, _DUAN),
        ("EPR steering of the first end", _steering(frame, 0), steering, _REID),
        ("EPR steering of the last end", _steering(frame, 1), steering, _REID),
        *((f"Wineland, {name}", value, atoms, _WINELAND) for name, value in zip(names, squeezed, strict=True)),
    ]
    found = [_witness(n, moments, *one, smaller=True) for one in both]
    return (*found, _witness(n, moments, fisher, _fisher(frame, moments), ends, _GESSNER, smaller=False))


_GIOVANNETTI = "V. Giovannetti, S. Mancini, D. Vitali and P. Tombesi, Phys. Rev. A 67, 022320 (2003)"
_HOFMANN = "H. F. Hofmann and S. Takeuchi, Phys. Rev. A 68, 032103 (2003)"
_DUAN = "L.-M. Duan, G. Giedke, J. I. Cirac and P. Zoller, Phys. Rev. Lett. 84, 2722 (2000)"
_REID = "M. D. Reid, Phys. Rev. A 40, 913 (1989)"
_WINELAND = "D. J. Wineland, J. J. Bollinger, W. M. Itano and D. J. Heinzen, Phys. Rev. A 50, 67 (1994)"
_GESSNER = "M. Gessner, L. Pezzè and A. Smerzi, Phys. Rev. A 94, 020101 (2016)"


def _margin(n: float, value):
    return jax.lax.stop_gradient(jnp.abs(value)) * (_MARGIN + _ROUNDINGS * rounding.epsilon(value.dtype) * n)


def _witness(n: float, moments, name: str, value, certifies: str, reference: str, *, smaller: bool) -> Witness:
    value = jnp.where(jnp.isnan(moments.mean[0]), jnp.nan, value)  # of undefined moments
    margin = _margin(n, value)
    violated = value + margin < 1 if smaller else value - margin > 1
    return Witness(value, 1.0, violated, name, certifies, reference, smaller)


# ------------------------------------------------------------------- mean spins


class _Frame(NamedTuple):
    """Hold what transverse criteria use.

    Attributes:
        lengths: X_1, X_3.
        known: whether both mean spins have a direction.
        ends: V of (y_1, z_1, y_3, z_3), shape (4, 4).
        both: that of (y_1+y_3, z_1+z_3, y_1-y_3, z_1-z_3).
        parts: whether each end's mean spin has a direction, shape (2,).
    """

    lengths: Any
    known: Any
    ends: Any
    both: Any
    parts: Any


_PAIRS = np.block([[np.eye(2), np.eye(2)], [np.eye(2), -np.eye(2)]])
_TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])


def _frame(n: float, moments: CollectiveSpinMoments) -> _Frame:
    """Turn the covariances into the axes of each end's mean spin; 1 where there is no direction."""
    first, last = moments.mean[:3], moments.mean[3:]
    axes, lengths = zip(*(_axes(n, mean) for mean in (first, last)), strict=True)
    parts = jnp.stack([length > _SHORTEST * n for length in lengths])
    known = jnp.all(parts)
    turn = jnp.block([[axes[0] + axes[1], axes[0] - axes[1]], [axes[0] - axes[1], axes[0] + axes[1]]]) / 2
    both = about(turn, moments.sums_and_differences)
    ends = about(jnp.asarray(_PAIRS, both.dtype) / 2, both)
    one = jnp.eye(4, dtype=both.dtype)
    safe = [jnp.where(parts[j], lengths[j], 1.0) for j in (0, 1)]
    return _Frame(jnp.stack(safe), known, ends, jnp.where(known, both, one), parts)


def _axes(n: float, mean):
    """Return two axes y, z perpendicular to a mean spin, so that (mean, y, z) is right-handed, and its length."""
    square = jnp.sum(mean**2)
    there = square > (_SHORTEST * n) ** 2
    length = jnp.sqrt(jnp.where(there, square, 1.0))
    along = jnp.where(there, mean / length, jnp.array([1.0, 0.0, 0.0], mean.dtype))
    upright = jnp.abs(jax.lax.stop_gradient(along[2])) < 0.9
    helper = jnp.where(upright, jnp.array([0.0, 0.0, 1.0], mean.dtype), jnp.array([0.0, 1.0, 0.0], mean.dtype))
    z = helper - jnp.sum(helper * along) * along
    z = z / jnp.sqrt(jnp.sum(z**2))
    return jnp.stack([jnp.cross(z, along), z]), jnp.where(there, length, 0.0)


# --------------------------------------------------------------------- criteria


def _where_known(known, value, otherwise=jnp.inf):
    """Return a value where mean spins have directions and the value is a number."""
    good = known & ~jnp.isnan(value)
    return jnp.where(good, jnp.where(good, value, 1.0), otherwise)


def _whitened(covariance, matrix):
    """Compute L^-1 M L^-T, V = L Lᵀ, for M between the same variables; rows are scaled first, so that no digits go."""
    inverse, scale = _inverse_factor(covariance)
    scaled = matrix * scale[:, None] * scale[None, :]
    return matmul(matmul(inverse, scaled), inverse.T)


def _inverse_factor(covariance):
    variances = jnp.diagonal(covariance)
    scale = 1 / jnp.sqrt(jnp.where(variances > 0, variances, 1.0))
    return inverse_cholesky(covariance * scale[:, None] * scale[None, :]), scale


def _log_determinant(covariance):
    inverse, scale = _inverse_factor(covariance)
    return -2 * jnp.sum(jnp.log(jnp.diagonal(inverse)) + jnp.log(scale))


def _top(matrix):
    return eigvalsh((matrix + matrix.T) / 2)[-1]


def _product(frame: _Frame):
    total, gap = frame.lengths[0] + frame.lengths[1], frame.lengths[0] - frame.lengths[1]
    turn = jnp.asarray(_TURN, total.dtype)
    largest = []
    for own, other in ((gap, total), (total, gap)):  # one end reversed, and as it is
        form = jnp.block([[own * turn, other * turn], [other * turn, own * turn]])
        between = _whitened(frame.both, form)
        largest.append(_top(matmul(between, between.T)))
    return _where_known(frame.known, 1 / jnp.maximum(*largest))


def _sum(frame: _Frame):
    least = jnp.trace(frame.ends) - 2 * _nuclear_norm(frame.ends[:2, 2:])
    return _where_known(frame.known, least / (2 * (frame.lengths[0] + frame.lengths[1])))


def _all_components(n: float, moments: CollectiveSpinMoments):
    least = jnp.trace(moments.covariance) - 2 * _nuclear_norm(moments.covariance[:3, 3:])
    squares = jnp.trace(moments.covariance) + jnp.sum(moments.mean**2)  # ⟨S_1²⟩ + ⟨S_3²⟩, of symmetric states 2 N(N+2)
    return least / (2 * squares / (n + 2))


def _nuclear_norm(matrix):
    return jnp.sum(svdvals(matrix))


def _steering(frame: _Frame, end: int):
    """Compute det(V) / det(V_other) X², which is the determinant of what is left of one end."""
    other = frame.ends[2 - 2 * end : 4 - 2 * end, 2 - 2 * end : 4 - 2 * end]
    log_quotient = _log_determinant(frame.both) - np.log(16.0) - _log_determinant(other)
    return _where_known(frame.known, jnp.exp(log_quotient) / frame.lengths[end] ** 2)


def _squeezing(n: float, frame: _Frame, end: int):
    own = frame.ends[2 * end : 2 * end + 2, 2 * end : 2 * end + 2]
    return _where_known(frame.parts[end], n * eigvalsh(own)[0] / frame.lengths[end] ** 2)


def _squeezing_of_both(n: float, frame: _Frame):
    blocks = [eigvalsh(frame.both[i : i + 2, i : i + 2])[0] for i in (0, 2)]
    return _where_known(frame.known, 2 * n * jnp.minimum(*blocks) / (frame.lengths[0] + frame.lengths[1]) ** 2)


def _fisher(frame: _Frame, moments: CollectiveSpinMoments):
    blank = jnp.zeros((2, 2), frame.ends.dtype)
    if moments.pure:
        return _shared_variance(moments.covariance)
    local = jnp.block([[frame.ends[:2, :2], blank], [blank, frame.ends[2:, 2:]]])
    local = jnp.where(frame.known, local, jnp.eye(4, dtype=local.dtype))
    turn = jnp.asarray(_TURN, local.dtype)
    form = 2 * jnp.block([[frame.lengths[0] * turn, blank], [blank, frame.lengths[1] * turn]])
    # Q V^-1 Qᵀ with V^-1 = Pᵀ W^-1 P, W the covariance of sums and differences
    inverse, scale = _inverse_factor(frame.both)
    half = matmul(inverse, scale[:, None] * matmul(jnp.asarray(_PAIRS, form.dtype), form.T))
    bound = matmul(half.T, half)
    return _where_known(frame.known, _top(_whitened(local, bound)) / 4, 0.0)


def _shared_variance(covariance):
    """Compute the largest Var(G) / [Var(a·S_1) + Var(b·S_3)]; directions without variance are left out."""
    variances = jnp.diagonal(covariance)
    scale = 1 / jnp.sqrt(jnp.where(variances > 0, variances, 1.0))
    scaled = covariance * scale[:, None] * scale[None, :]
    inverse_roots = []
    for part in (scaled[:3, :3], scaled[3:, 3:]):
        values, vectors = eigh(part)
        kept = values > _SMALLEST
        inverse_roots.append(vectors * jnp.where(kept, 1 / jnp.sqrt(jnp.where(kept, values, 1.0)), 0.0)[None, :])
    # with both ends white, 1 + the largest singular value of what is between them
    between = matmul(inverse_roots[0].T, matmul(scaled[:3, 3:], inverse_roots[1]))
    return 1 + jnp.max(svdvals(between))
