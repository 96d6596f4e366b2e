"""Estimate the log negativity of three dephasing ensembles too large for a dense partial transpose.

Tr |X| of the partial transpose X = ρ^(T_1) is averaged over random sign vectors v by Lanczos quadrature (matfree):
v† |X| v from a tridiagonal matrix of `depth` products with X; no matrix over pairs is stored. A product takes either

- 2D - 1 products of D × D matrices, since X[(a,b),(c,d)] = g(c-b, a-d) E_1(a,c) E_3(b,d) is Toeplitz in b and c: exact,
  for any rate and under every transformation, but O(D^4), and the Lanczos process keeps D² numbers for each step; or
- a shifted multiply-add of D² numbers for each pair of differences (a-c, b-d) that dephasing leaves
  (`noise.transpose_stencil`): for known arguments, where it is cheaper. The Lanczos process then keeps three vectors.

|x| has a kink at 0, and most eigenvalues of X lie beside it, as many in each factor of their size: Gauss rules for |x|
are too large by about 1/depth. Here |x| = (2/π) ∫_0^∞ x²/(x² + s²) ds. The rule for G(s) = v† X² (X² + s²)^(-1) v
converges as e^(-4s · depth / w), if the spectrum is 2w wide, so G is known for s above a few w / depth. Below, its fit
is continued: eigenvalues as many in each factor of their size add a + b ln s to G, a density that is continuous at 0
adds terms in s and s². The error is a tenth, or less, of that of the same rule for |x|, if the window leaves
eigenvalues down to the least s: 5 standard deviations do, 3 do not.

The rule is the averaged one of Spalević: the tridiagonal matrix is continued by its own reflection, which costs no
product with X, and squares the error of Gauss's.

The same vectors give v† X v and v† X² v, whose means 1 and Tr ρ² are known exactly; regression on them removes most of
the noise (all of it at a magic time without dephasing, where |X| is proportional to X²).

References: S. Ubaru, J. Chen and Y. Saad, SIAM J. Matrix Anal. Appl. 38, 1075 (2017), Lanczos quadrature;
M. M. Spalević, Math. Comp. 76, 1483 (2007), averaged Gauss rules; J. G. MacKinnon and H. White, J. Econometrics 29,
305 (1985), leave-one-out standard errors; N. Krämer et al., matfree, the implementation used.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matfree import decomp

from jaxent import arguments, dicke, results, spectral
from jaxent.chain import Chain
from jaxent.conversion import whole_number
from jaxent.measurement import Measurement
from jaxent.noise import density_matrix, dephasing, measured_ensemble, transpose_stencil
from jaxent.numerics import rounding
from jaxent.numerics.algebra import between_diagonals, complex_type, log_magnitude, matmul, scaled_columns
from jaxent.protocol.dense import guarded
from jaxent.results import Account, Column
from jaxent.runtime import execution, memory
from jaxent.times import Time

__all__ = ["EstimatedLogNegativity", "estimate_log_negativity"]

_GRIDS = 8  # arrays over the states of both ends that the product by hops holds, at least
_FEWEST_STATES = 48  # per end; below, a product by matrices takes a millisecond
_HOPS_EACH_STEP = 16  # time of a step of the Lanczos process without its product
_FLOPS_EACH_HOP = 6  # of products of matrices, in the time of one element of a hop (measured on a CPU)
_STEP = 0.4  # of ln s in the rule for |x|
_POINTS = 105  # from the least s to its e^41.6-fold
_RESOLVED = 2.5  # the least s in units of w / depth: its G is known to e^-10
_SMALLEST = math.exp(-20.8)  # the least s at any depth: what is below contributes less than 1e-9
_COARSE, _FINE = (2, 4), (4, 6)  # terms of the fit below the least s, and points fitted


class EstimatedLogNegativity(NamedTuple):
    """Hold a log negativity in bits, its standard error, and what its finite depth may leave.

    The standard error includes only the random vectors. `depth_error` is the root of the sum of squared differences to
    the values at 4/8, 5/8, 6/8 and 7/8 of the depth, and to a coarser rule. It is not a bound: of 247 estimates at 46
    random points (N = 7…11 000, depth 16…400) 93 % differed less from a far greater depth, and the others up to 2.7
    times as much. Raise the depth until it is below the standard error. It includes the proven bound, below 1e-6 bits,
    on what a product by hops leaves out.
    """

    value: jax.Array
    standard_error: jax.Array
    depth_error: jax.Array

    __repr__ = results.line
    _repr_html_ = results.table

    def _account(self) -> Account:
        columns = {
            "value": Column(self.value, "bit", "log negativity of the ends", "E"),
            "standard_error": Column(self.standard_error, "bit", "standard error", results.ERROR),
            "depth_error": Column(self.depth_error, "bit", "error of the finite depth", "error of the depth"),
        }
        return Account("values" if np.ndim(self.value) else "", columns)


def estimate_log_negativity(
    key: jax.Array,
    chain: Chain,
    time: Time,
    dephasing_rate: dephasing.Rate,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    n_probes: int = 32,
    depth: int = 100,
    *,
    measurement: Measurement | None = None,
) -> EstimatedLogNegativity:
    """Estimate `jaxent.end_to_end_log_negativity` for M = 3, without its D² × D² matrix.

    Over many keys, the deviation of the value divided by the standard error has a mean of about 0 and a variance of
    about 1, even for few vectors. Where a few eigenvalues of the partial transpose dominate (above all for t → 0) its
    distribution is skewed, and the error bars of 8 vectors are too small by half: use 32 or more there.

    Known times and rates with γt above about 1e-3 reach N = 10^6 with window 5 (5001 states, 1.5 GiB, half a second a
    product at t = 1 and γ = 0.01; at times 2πp/r about 13/r times as long). The depth error does not fall with N, while
    many atoms need few vectors: take more depth instead. With window 5 it is about 4e-3 bits at depth 100 and 5e-4 at
    400, with window 3 three times as large. What is traced, and little dephasing, takes 4 D^4 operations a product and
    8 D² · n_probes · depth bytes.

    Args:
        key: PRNG key of the random vectors.
        chain: the chain, M = 3.
        time: one time.
        dephasing_rate: γ, a scalar or `EnsembleRates` of shape (3,).
        outcomes: q_2, an int; None: N.
        phase_offset: φ in radians.
        n_probes: number of random vectors, at least 8.
        depth: products with the partial transpose for each vector, at least 4.
        measurement: how the inner ensemble is measured, without loss of atoms; None: perfectly.

    Returns:
        EstimatedLogNegativity: value, standard error (one standard deviation) and depth error, all in bits.

    Raises:
        ValueError: for other M, on any argument out of range, where the vectors do not fit in memory, and for
            outcomes that cannot occur, or so seldom that the state cancels to less than eight digits. Under a
            transformation their estimate is NaN instead.

    Example:
        >>> import jax
        >>> import jaxent
        >>> found = jaxent.estimate_log_negativity(jax.random.key(1), jaxent.Chain(3, 20), 1.0, 0.05)
        >>> print(bool(abs(found.value - 1.6) < 0.5), bool(found.standard_error < 0.1))
        True True
    """
    arguments.check_key(key)
    arguments.check_chain(chain)
    if chain.n_ensembles != 3:
        raise ValueError(f"Argument `chain` must have n_ensembles = 3 here, but has {chain.n_ensembles}.")
    n_probes, depth = whole_number("n_probes", n_probes, 8, 10**9), whole_number("depth", depth, 4, 10**9)
    depth = min(depth, chain.dimension**2)
    what = f"{n_probes} probes of depth {depth} for {chain.dimension} Dicke states per end"
    memory.check_memory(8 * _GRIDS * chain.dimension**2, what, "use a smaller window")
    problem = dephasing.Problem.of(chain, time, dephasing_rate, outcomes, phase_offset, 0.0, measurement, dense=False)
    if problem.static.asymmetric:
        raise ValueError("Argument `measurement` must have atom_loss_rate = 0 here: the vectors are real.")
    problem.refuse_batch()
    stencil = _cheaper_stencil(problem, key)
    if stencil is None:
        samples, log_trace = _by_matrices(problem, n_probes, depth, key, what)
        dropped = 0.0
    else:
        samples, log_trace = _by_hops(problem, stencil, n_probes, depth, key, what)
        dropped = stencil.dropped
    norms, spreads = _regressed(samples)
    values = jnp.log2(norms) * jnp.where(log_trace > -jnp.inf, 1.0, jnp.nan)  # a factor makes derivatives NaN, too
    changes = jnp.sqrt(jnp.sum((values[:-1] - values[-1]) ** 2))
    # ‖X‖_1 is at least Tr X = 1, so its logarithm changes by no more than itself
    return EstimatedLogNegativity(values[-1], spreads[-1] / (norms[-1] * math.log(2)), changes + dropped / math.log(2))


def _cheaper_stencil(problem, key) -> transpose_stencil.Stencil | None:
    """Prepare the product by hops where the arguments are known and it is cheaper than that by matrices."""
    static, size = problem.static, problem.static.chain.dimension
    if size < _FEWEST_STATES or execution.is_traced(
        (key, problem.time, problem.strengths, problem.outcomes, problem.offsets)
    ):
        return None
    stencil = transpose_stencil.of_problem(
        *(static.chain, problem.time, problem.strengths),
        *(problem.outcomes[0], problem.offsets[0], static.all_outcomes_n),
    )
    if stencil is None:
        return None
    by_hops = (stencil.hops.factor.size + _HOPS_EACH_STEP) * (size + stencil.guard) ** 2 * _FLOPS_EACH_HOP
    return stencil if by_hops < 4 * size**4 else None


def _by_matrices(problem, n_probes, depth, key, what):
    """Compute the samples, and log p of the outcomes, with products of matrices."""
    chain, instead = problem.static.chain, "use fewer n_probes, less depth or a smaller window"
    memory.check_memory(8 * chain.dimension**2 * n_probes * depth, what, instead)
    samples, log_trace = execution.call(
        _samples,
        *(chain, problem.static.all_outcomes_n, n_probes, depth, key),
        *(problem.time, problem.strengths, problem.outcomes, problem.offsets),
        what=what,
        instead=instead,
    )
    problem.refuse_unlikely(log_trace)
    return samples, log_trace


def _by_hops(problem, stencil, n_probes, depth, key, what):
    """Compute the samples, and log p of the outcomes, with a stencil."""
    _, log_trace = guarded(stencil.log_trace, stencil.log_trace, stencil.lost)
    problem.refuse_unlikely(log_trace)
    chain, instead = problem.static.chain, "use a smaller window"
    shapes = (chain, n_probes, depth, stencil.guard)
    samples = execution.call(_samples_by_hops, *shapes, key, stencil.table, stencil.hops, what=what, instead=instead)
    return samples, log_trace


class _Samples(NamedTuple):
    rules: jax.Array  # v† |X| v for each probe, by the rules of `_quadratures`, the best one last
    first: jax.Array  # v† X v - 1
    second: jax.Array  # (v† X² v - Tr X²) / Tr X²


@jax.jit
def _regressed(samples: _Samples):
    """Estimate Tr |X| by each rule and its standard error, by regression on two controls of mean 0.

    In y = Z b + ε with Z = (1, controls) the estimate is the first coefficient, Σ l_i y_i. Its variance is estimated
    from the distance of each probe to the fit to all others, V = Σ l_i² (e_i / (1 - h_i))² with residuals e and
    leverages h, which allows for ε of different variances. For normal ε the deviation and V are independent, so V is
    multiplied by the number |l|² E[1/V] that makes the variance of deviation / error one for any number of probes.
    """
    values = samples.rules
    design = jnp.stack([jnp.ones_like(samples.first), samples.first, samples.second], axis=1)
    gram, frame = spectral.eigh(matmul(design.T, design))
    kept = gram > 1e4 * rounding.epsilon(gram.dtype) * gram[-1]  # controls may vanish or be proportional to each other
    scale = jnp.where(kept, 1 / jnp.sqrt(jnp.where(kept, gram, 1.0)), 0.0)
    basis = scaled_columns(matmul(design, frame), scale)  # orthonormal columns; those not kept are zero
    weights = matmul(basis, frame[0] * scale)
    residuals = values - matmul(basis, matmul(basis.T, values))
    missed = weights / jnp.maximum(1 - jnp.sum(basis**2, axis=1), 1e-6)
    squares = jnp.sum((missed[:, None] * residuals) ** 2, axis=0)
    calibration = jnp.sum(weights**2) * _mean_inverse(missed**2, basis, kept)
    return matmul(weights, values), jnp.sqrt(calibration * squares)


def _mean_inverse(weights, basis, kept):
    """Compute E[1 / Σ w_i r_i²] for residuals r of independent normal numbers, fitted by the columns of the basis.

    It is ∫_0^∞ E[e^(-s Σ w r²)] ds = ∫_0^∞ det(1 + 2s P W P)^(-1/2) ds with P = 1 - U U†, and the determinant is
    Π (1 + 2 s w_i) · det(U† (1 + 2 s W)^(-1) U).
    """
    largest = jnp.max(weights)
    s = jnp.exp(jnp.linspace(-25.0, 16.0, 165))[:, None]  # trapezoidal rule in log s; five degrees of freedom or more
    factors = 1 + 2 * s * (weights / largest)[None, :]
    inner = jnp.einsum("ni,sn,nj->ijs", basis, 1 / factors, basis, precision="highest")
    inner = inner + jnp.diag(jnp.where(kept, 0.0, 1.0))[:, :, None]
    determinant = jnp.sum(jnp.cross(inner[0], inner[1], axis=0) * inner[2], axis=0)
    logs = jnp.sum(jnp.log(factors), axis=1) + log_magnitude(jnp.maximum(determinant, 0.0))
    return 0.25 * jnp.sum(s[:, 0] * jnp.exp(-logs / 2)) / largest


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _samples(chain, all_outcomes_n, n_probes, depth, key, time, strengths, outcomes, offsets):
    size = chain.dimension
    differences = dicke.differences(*chain.ends)
    table = measured_ensemble.even_table(
        chain.n_atoms, differences, time, strengths[1], outcomes[0], offsets[0], all_outcomes_n
    )
    weights = jnp.exp(dicke.log_weights(chain.n_atoms, chain.window))
    index = np.arange(size)
    difference = np.subtract.outer(index, index)
    trace = jnp.einsum("a,b,ab->", weights, weights, jnp.diagonal(table)[difference + size - 1])
    root = jnp.sqrt(weights)
    first, third = (between_diagonals(root, measured_ensemble.damping(difference, strengths[j]), root) for j in (0, 2))
    first = first / jnp.where(trace > 0, trace, 1.0)
    squared = _frobenius(table, first, third)
    product = _product(table, first, third)
    tridiagonalize = decomp.tridiag_sym(depth, reortho="full", materialize=False)

    def one(key):
        probe = _signs(key, size, table.dtype).reshape(-1)
        _, (diagonal, beside), residual, _ = tridiagonalize(product, probe / size)
        return _sample(size, diagonal, jnp.append(beside, jnp.linalg.norm(residual)), squared)

    lost = density_matrix.lost_of_table(chain, table, time, strengths[1], outcomes[0], offsets[0], all_outcomes_n)
    log_trace = guarded(trace, jnp.log(jnp.maximum(trace, 0.0)), lost)[1]
    return jax.vmap(one)(jax.random.split(key, n_probes)), log_trace


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _samples_by_hops(chain, n_probes, depth, guard, key, table, hops):
    """Compute the samples of `_samples` by the stencil: one vector at a time, and no Krylov basis is kept."""
    size = chain.dimension
    root = transpose_stencil.root_grid(chain, guard, table.dtype)
    squared = transpose_stencil.squared_norm(table, hops, root)
    product = transpose_stencil.product(table, hops, root)

    def one(key):
        probe = transpose_stencil.sheared(_signs(key, size, table.dtype), guard)
        return _sample(size, *_three_term(product, probe / size, depth), squared)

    return jax.lax.map(one, jax.random.split(key, n_probes))


def _signs(key, size, dtype):
    """Draw one random sign vector, as an array over the states (a, b) of both ends: the same for either product."""
    return jax.random.rademacher(key, (size, size), dtype)


def _sample(size, diagonal, beside, squared):
    """Compute the quadratic forms of one probe of length D from its tridiagonal matrix, α_0… and β_1…."""
    return _Samples(
        size**2 * _quadratures(diagonal, beside),
        size**2 * diagonal[0] - 1,
        size**2 * (diagonal[0] ** 2 + beside[0] ** 2) / squared - 1,
    )


def _three_term(product, start, depth):
    """Run the Lanczos process without orthogonalizing again, in the memory of three vectors.

    Rounding makes copies of eigenvalues that are found early. They share the weight of the one they copy, which leaves
    the quadrature as it is.

    Args:
        product: the map v → X v.
        start: a vector of norm 1, in an array of any shape.
        depth: number of products.

    Returns:
        α_0…α_(m-1) and β_1…β_m, of shape (depth,).
    """

    def dot(left, right):
        return jnp.vdot(left, right, precision="highest")

    def step(carry, _):
        before, here, coupling = carry
        new = product(here) - coupling * before
        centre = dot(here, new)
        new = new - centre * here
        norm = jnp.sqrt(dot(new, new))
        return (here, new / jnp.where(norm > 0, norm, 1.0), norm), (centre, norm)

    carry = (jnp.zeros_like(start), start, jnp.zeros((), start.dtype))
    return jax.lax.scan(step, carry, None, length=depth)[1]


def _quadratures(diagonal, beside):
    """Evaluate v† |X| v by the coarse fit at the whole depth, and by the fine one at 4/8, 5/8 … 8/8 of it.

    Args:
        diagonal: α_0…α_(m-1) of the Lanczos process, shape (depth,).
        beside: β_1…β_m, shape (depth,).
    """
    depth = diagonal.shape[0]
    scale = jnp.max(jnp.abs(diagonal)) + 2 * jnp.max(jnp.abs(beside))
    scale = jnp.where(scale > 0, scale, 1.0)
    # where a Krylov space ends, later coefficients are noise and are cut off by β = 0
    ended = jnp.cumsum(~(beside > rounding.epsilon(beside.dtype) * scale)) > 0
    diagonal = jnp.where(jnp.append(False, ended[:-1]), 0.0, diagonal / scale)
    beside = jnp.where(ended, 0.0, beside / scale)
    # w / depth = 2β / depth for equal coefficients; 0 where the Krylov space ends, whose quadrature is exact
    widths = 1 / jnp.cumsum(1 / jnp.maximum(2 * beside, _SMALLEST))
    matrices = []
    for eighths in (4, 5, 6, 7, 8):
        here = math.ceil(depth * eighths / 8)
        rest = (0, 2 * (depth - here))
        reflected = jnp.concatenate([diagonal[:here], diagonal[: here - 1][::-1]])
        coupling = jnp.concatenate([beside[:here], beside[: here - 2][::-1]])
        least = jnp.maximum(_RESOLVED * widths[here - 1], _SMALLEST)
        matrices.append((jnp.pad(reflected, rest), jnp.pad(coupling, rest), least))
    corners = jax.vmap(_corner_of_modulus)(*map(jnp.stack, zip(*matrices, strict=True)))
    return scale * jnp.append(corners[-1, 0], corners[:, 1])


def _corner_of_modulus(diagonal, beside, least):
    """Compute (|T|)_00 of a tridiagonal matrix of norm about 1 without its eigenvalues, from G(s) for s ≥ `least`.

    x²/(x² + s²) = Re[x/(x - is)], whose corner element is a continued fraction.

    Returns:
        by the coarse and by the fine fit, shape (2,).
    """
    s = least * jnp.asarray(np.exp(_STEP * np.arange(_POINTS)), diagonal.dtype)
    kind = complex_type(diagonal.dtype)
    imaginary = 1j * s.astype(kind)
    middles = diagonal.astype(kind)
    squares = jnp.append(beside**2, 0.0).astype(kind)

    def outwards(tail, level):
        middle, square = level
        return 1 / (middle - imaginary - square * tail), None

    tail, _ = jax.lax.scan(outwards, jnp.zeros(s.shape, kind), (middles[1:], squares[1:]), reverse=True)
    rest = middles[0] - squares[0] * tail
    weights = np.stack([_weights_of_modulus(*fit) for fit in (_COARSE, _FINE)])
    return least * matmul(jnp.asarray(weights, diagonal.dtype), (rest / (rest - imaginary)).real)


def _weights_of_modulus(n_terms, n_fitted):
    """Compute weights of (2/π) ∫_0^∞ G(s) ds for G at s = e^(jh), j ≥ 0.

    The trapezoidal rule in ln s converges exponentially: e^(-π²/h) = 2e-11. Its values at j < 0 are those of the first
    terms of a + b ln s + c s + d s², fitted to the first points.
    """
    known, below = _STEP * np.arange(_POINTS), -_STEP * np.arange(1, 52)

    def terms(logs):
        return np.stack([np.ones_like(logs), logs, np.exp(logs), np.exp(2 * logs)])[:n_terms]

    weights = _STEP * np.exp(known)
    weights[:n_fitted] += np.linalg.pinv(terms(known[:n_fitted])) @ terms(below) @ (_STEP * np.exp(below))
    return 2 / math.pi * weights


def _product(table, first, third):
    """Build the map v → X v, v of shape (D²,): one matrix product for each difference a - d."""
    size = first.shape[0]
    index = np.arange(size)
    toeplitz = np.subtract.outer(index, index).T + size - 1  # c - b at [b, c], as an index into the table
    beside = ((0, 0), (size - 1, size - 1))
    third = jnp.pad(third, beside)

    def product(vector):
        padded = jnp.pad(vector.reshape(size, size), beside)

        def step(total, column):
            start = 2 * size - 2 - column  # d = a - (column - D + 1) for a = 0…D-1
            kernel = table[toeplitz, column]
            here = first.T * jax.lax.dynamic_slice_in_dim(padded, start, size, axis=1)
            sums = jnp.matmul(kernel, here, precision="highest")
            return total + jax.lax.dynamic_slice_in_dim(third, start, size, axis=1) * sums, None

        total, _ = jax.lax.scan(step, jnp.zeros_like(first), jnp.arange(2 * size - 1))
        return total.T.reshape(-1)

    return product


def _frobenius(table, first, third):
    """Compute Tr X² = Σ_ab,cd g(c-b, a-d)² E_1(a,c)² E_3(b,d)² by the product of `_product` with squares."""
    size = first.shape[0]
    return jnp.sum(_product(table**2, first**2, third**2)(jnp.ones(size * size, table.dtype)))
