"""Log negativity of three dephasing ensembles too large for a dense partial transpose, with an error bar.

Tr |X| of the partial transpose X = ρ^(T_1) is averaged over random sign vectors v by Lanczos quadrature (matfree):
v† |X| v from a tridiagonal matrix of `depth` products with X. A product is 2D - 1 products of D × D matrices, since
X[(a,b),(c,d)] = g(c-b, a-d) E_1(a,c) E_3(b,d) is Toeplitz in b and c; no matrix over pairs is stored.

The same vectors give v† X v and v† X² v, whose means 1 and Tr ρ² are known exactly; regression on them removes most of
the noise (all of it at a magic time without dephasing, where |X| is proportional to X²).

References: S. Ubaru, J. Chen and Y. Saad, SIAM J. Matrix Anal. Appl. 38, 1075 (2017), Lanczos quadrature;
N. Krämer et al., matfree, the implementation used.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matfree import decomp, stochtrace

from jaxent import arguments, dephasing, dicke, pairs, spectral
from jaxent.chain import Chain
from jaxent.conversion import whole_number
from jaxent.times import Time

__all__ = ["EstimatedLogNegativity", "estimate_log_negativity"]


class EstimatedLogNegativity(NamedTuple):
    """A log negativity in bits, its statistical standard error, and how much it moves over the last half of the depth.

    `depth_error` is no bound: raise the depth until it is below the standard error.
    """

    value: jax.Array
    standard_error: jax.Array
    depth_error: jax.Array


def estimate_log_negativity(
    key: jax.Array,
    chain: Chain,
    time: Time,
    dephasing_rate: dephasing.Rate,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    n_probes: int = 32,
    depth: int = 100,
) -> EstimatedLogNegativity:
    """Estimate of `jaxent.end_to_end_log_negativity` for M = 3, without its D² × D² matrix.

    Args:
        key: PRNG key of the random vectors.
        chain: the chain, M = 3.
        time: one time.
        dephasing_rate: γ, a scalar or `EnsembleRates` of shape (3,).
        outcomes: q_2, an int; None: N.
        phase_offset: φ in radians.
        n_probes: number of random vectors, at least 8.
        depth: products with the partial transpose for each vector, at least 4.

    Returns:
        EstimatedLogNegativity: value, standard error (one standard deviation) and depth error, all in bits.

    Raises:
        ValueError: for other M, on any argument out of range, where the vectors do not fit in memory, and for
            outcomes of probability below 1e-12.
    """
    arguments.check_key(key)
    arguments.check_chain(chain)
    if chain.n_ensembles != 3:
        raise ValueError(f"Argument `chain` must have n_ensembles = 3 here, but has {chain.n_ensembles}.")
    n_probes, depth = whole_number("n_probes", n_probes, 8, 10**9), whole_number("depth", depth, 4, 10**9)
    size = chain.dimension
    depth = min(depth, size**2)
    arguments.check_memory(
        8 * size**2 * n_probes * (2 * depth + 16),
        f"{n_probes} probes of depth {depth} for {size} Dicke states per end",
        "use fewer n_probes, less depth or a smaller window",
    )
    problem = dephasing.Problem.of(chain, time, dephasing_rate, outcomes, phase_offset, 0.0, dense=False)
    problem.refuse_batch()
    samples, log_trace = _samples(
        chain,
        problem.static.top,
        n_probes,
        depth,
        key,
        problem.time,
        problem.strengths,
        problem.outcomes,
        problem.offsets,
    )
    problem.refuse_unlikely(log_trace)
    norms, spreads = _regressed(samples)
    values = jnp.log2(norms)
    moved = jnp.max(jnp.abs(values[:-1] - values[-1]))
    return EstimatedLogNegativity(values[-1], spreads[-1] / (norms[-1] * math.log(2)), moved)


class _Samples(NamedTuple):
    at_depths: jax.Array  # v† |X| v for each probe, at depths of which the last is the whole
    first: jax.Array  # v† X v - 1
    second: jax.Array  # v† X² v - Tr X²


def _regressed(samples: _Samples):
    """Means with their part along the two controls of known mean taken out, and standard errors, for each depth."""
    values = samples.at_depths
    controls = jnp.stack([samples.first, samples.second], axis=1)
    slopes = jnp.linalg.lstsq(controls - jnp.mean(controls, axis=0), values - jnp.mean(values, axis=0))[0]
    residuals = values - controls @ slopes
    means = jnp.mean(residuals, axis=0)
    count = values.shape[0]
    spreads = jnp.sqrt(jnp.sum((residuals - means) ** 2, axis=0) / (count - 3))
    return means, spreads / math.sqrt(count)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _samples(chain, top, n_probes, depth, key, time, strengths, outcomes, offsets):
    size = chain.dimension
    table = pairs.even_table(chain, time, strengths[1], outcomes[0], offsets[0], top)
    weights = jnp.exp(dicke.log_weights(chain.n_atoms, chain.window))
    index = np.arange(size)
    difference = np.subtract.outer(index, index)
    trace = jnp.einsum("a,b,ab->", weights, weights, jnp.diagonal(table)[difference + size - 1])
    root = jnp.sqrt(weights)
    first, third = (pairs.damping(difference, strengths[j]) * root[:, None] * root for j in (0, 2))
    first = first / jnp.where(trace > 0, trace, 1.0)
    squared = _frobenius(table, first, third)
    product = _product(table, first, third)
    tridiagonalize = decomp.tridiag_sym(depth, reortho="full")
    draw = stochtrace.sampler_signs(jnp.zeros((size * size,), table.dtype), num=n_probes)

    def one(probe):
        length = jnp.linalg.norm(probe)
        tridiagonal = jnp.asarray(tridiagonalize(product, probe / length)[1])
        return _Samples(
            length**2 * _quadratures(tridiagonal),
            length**2 * tridiagonal[0, 0] - 1,
            length**2 * jnp.sum(tridiagonal[0] ** 2) - squared,
        )

    return jax.vmap(one)(draw(key)), jnp.log(trace)


def _quadratures(tridiagonal):
    """(|T|)_00 at 4/8, 5/8 … 8/8 of the depth: the Lanczos quadratures of |x|."""
    depth = tridiagonal.shape[0]
    parts = [math.ceil(depth * eighths / 8) for eighths in (4, 5, 6, 7, 8)]
    kept = np.arange(depth) < np.array(parts)[:, None]
    values, vectors = jax.vmap(spectral.eigh)(jnp.where(kept[:, :, None] & kept[:, None, :], tridiagonal, 0.0))
    return jnp.sum(jnp.abs(values) * vectors[:, 0, :] ** 2, axis=-1)


def _product(table, first, third):
    """The map v → X v, v of shape (D²,): one matrix product for each difference a - d."""
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
    """Tr X² = Σ |X|² = Σ_ab,cd g(c-b, a-d)² E_1(a,c)² E_3(b,d)², by the same product with squares."""
    size = first.shape[0]
    return jnp.sum(_product(table**2, first**2, third**2)(jnp.ones(size * size, table.dtype)))
