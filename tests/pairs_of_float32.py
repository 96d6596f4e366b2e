"""What a program returns where float64 is a pair of float32, as on a TPU: an interpreter of jaxprs, on any machine.

Every float64 result of every operation is rounded to 48 bits and set to zero below the smallest normal float32 (to
infinity beyond the largest). Operations that add many numbers, and decompositions, are wrong by more than the rounding
of their results: theirs are changed by the rounding of what they add, with random signs.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

BITS = 48
_UNIT = 2.0**-BITS
_SMALLEST, _LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
_SUMS = {"reduce_sum", "cumsum", "dot_general", "conv_general_dilated", "reduce_window_sum", "fft"}
_DECOMPOSITIONS = {
    "eigh",
    "svd",
    "eig",
    "qr",
    "cholesky",
    "lu",
    "triangular_solve",
    "tridiagonal",
    "householder_product",
}


def rounded(x):
    """A value as a pair of float32 can hold it; anything but float64 and complex128 as it is."""
    if not isinstance(x, jax.Array | np.ndarray | float | complex) or jnp.result_type(x) not in (
        jnp.float64,
        jnp.complex128,
    ):
        return x
    if np.iscomplexobj(x):
        return jnp.asarray(_rounded(np.real(x)) + 1j * _rounded(np.imag(x)))
    return jnp.asarray(_rounded(np.asarray(x)))


def _rounded(x):
    mantissa, exponent = np.frexp(x)
    value = np.ldexp(np.round(np.ldexp(mantissa, BITS)), exponent - BITS)
    value = np.where(abs(value) < _SMALLEST, np.copysign(0.0, x), value)
    with np.errstate(invalid="ignore"):
        return np.where(abs(value) > _LARGEST, np.copysign(np.inf, x), value)


def on_pairs(function):
    """The function in this arithmetic; its arguments are rounded, too."""

    @functools.wraps(function)
    def run(*args):
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        values = _evaluate(closed.jaxpr, closed.consts, *jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shape), values)

    return run


def _evaluate(jaxpr, consts, *args):
    known = {}

    def read(atom):
        return atom.val if isinstance(atom, core.Literal) else known[atom]

    known.update(zip(jaxpr.constvars, map(rounded, consts), strict=True))
    known.update(zip(jaxpr.invars, map(rounded, args), strict=True))
    for equation in jaxpr.eqns:
        values = [read(atom) for atom in equation.invars]
        results = _apply(equation, values)
        known.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _apply(equation, values):
    name, params = equation.primitive.name, equation.params
    if name == "while":
        return _loop(params, values)
    if name == "scan":
        return _scan(params, values)
    if name == "platform_index":  # which branch each platform takes, None for those that are not named
        named = [i for i, platforms in enumerate(params["platforms"]) if platforms is None or "tpu" in platforms]
        return [jnp.asarray(named[0], jnp.int32)]
    if name == "cond":
        branch = params["branches"][int(np.clip(int(values[0]), 0, len(params["branches"]) - 1))]
        return _evaluate(branch.jaxpr, branch.consts, *values[1:])
    for inner in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        if inner in params:
            jaxpr = params[inner]
            closed = isinstance(jaxpr, core.ClosedJaxpr)
            return _evaluate(jaxpr.jaxpr if closed else jaxpr, jaxpr.consts if closed else (), *values)
    results = equation.primitive.bind(*_changed(name, values), **params)
    results = results if equation.primitive.multiple_results else [results]
    if name in _SUMS:
        results = [_with_noise_of(result, equation, values) for result in results]
    return [rounded(result) for result in results]


def _changed(name, values):
    """Matrices to be decomposed, changed by a rounding of their norm: what a stable algorithm is wrong by."""
    if name not in _DECOMPOSITIONS:
        return values
    generator = np.random.default_rng(7)
    return [_matrix_changed(generator, value) for value in values]


def _matrix_changed(generator, value):
    matrix = np.asarray(value)
    if matrix.ndim < 2 or not np.issubdtype(matrix.dtype, np.inexact):
        return value
    noise = generator.standard_normal(matrix.shape)
    if matrix.shape[-1] == matrix.shape[-2]:
        noise = (noise + np.swapaxes(noise, -1, -2)) / 2
    norm = np.linalg.norm(matrix, axis=(-2, -1), keepdims=True)
    return jnp.asarray(matrix + _UNIT * norm / np.sqrt(matrix.shape[-1]) * noise)


def _with_noise_of(result, equation, values):
    """A sum, changed by a rounding of the sum of the magnitudes."""
    if jnp.result_type(result) not in (jnp.float64, jnp.complex128):
        return result
    if equation.primitive.name == "fft":
        size = jnp.max(jnp.abs(values[0])) * np.sqrt(np.size(values[0]))
    else:
        size = equation.primitive.bind(*(jnp.abs(value).astype(value.dtype) for value in values), **equation.params)
    signs = np.random.default_rng(5).choice([-1.0, 1.0], np.shape(result))
    return result + _UNIT * signs * jnp.abs(size)


def _loop(params, values):
    n_condition, n_body = params["cond_nconsts"], params["body_nconsts"]
    of_condition, of_body = values[:n_condition], values[n_condition : n_condition + n_body]
    carry = values[n_condition + n_body :]
    condition, body = params["cond_jaxpr"], params["body_jaxpr"]
    while bool(_evaluate(condition.jaxpr, condition.consts, *of_condition, *carry)[0]):
        carry = _evaluate(body.jaxpr, body.consts, *of_body, *carry)
    return carry


def _sizes_of_scan(params) -> tuple[int, int]:
    """Count constants and carried values; from JAX 0.11 on they are trees."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    return tuple(len(part) for part in params["ft_in"].unpack()[:2])


def _scan(params, values):
    n_consts, n_carry = _sizes_of_scan(params)
    length = params["length"]
    consts, carry, slices = values[:n_consts], values[n_consts : n_consts + n_carry], values[n_consts + n_carry :]
    body, rows = params["jaxpr"], []
    for index in reversed(range(length)) if params["reverse"] else range(length):
        found = _evaluate(body.jaxpr, body.consts, *consts, *carry, *(part[index] for part in slices))
        carry = found[:n_carry]
        rows.append(found[n_carry:])
    if params["reverse"]:
        rows.reverse()
    shapes = [out.aval for out in body.jaxpr.outvars[n_carry:]]
    stacked = [
        jnp.stack([row[i] for row in rows]) if rows else jnp.zeros((0, *aval.shape), aval.dtype)
        for i, aval in enumerate(shapes)
    ]
    return [*carry, *stacked]
