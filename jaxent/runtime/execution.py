"""How the library runs its programs: compiled ones within memory, with LAPACK on one thread; loops of any length."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from jaxent.runtime import memory, threads

__all__ = ["NeedsKnownValues", "call", "is_traced", "over_batch", "over_points", "scan"]


class NeedsKnownValues(ValueError):
    """A function that chooses its method by the values of its arguments was called under `jax.jit` or `jax.vmap`."""


def call(program: Callable, *args: Any, what: str, instead: str) -> Any:
    """Call a jitted function, or refuse what it would allocate.

    Inside a transformation the surrounding program decides what is allocated and when it runs, and nothing is checked.

    Args:
        program: a function made by `jax.jit`.
        args: its arguments.
        what: the thing that needs the memory, with the numbers that make it large.
        instead: what to use instead.

    Returns:
        what the function returns, computed.

    Raises:
        ValueError: when the call would allocate more than is free.
    """
    if is_traced(args):
        return program(*args)
    with threads.one_lapack_thread():
        if not jax.config.jax_disable_jit:  # pyright: ignore[reportAttributeAccessIssue]
            memory.check_memory(memory.needed_by(program, *args), what, instead)
        return jax.block_until_ready(program(*args))


def over_batch(function: Callable, points: Any, shape: tuple[int, ...], at_once: int) -> Any:
    """Apply a function of one point to each point of a batch; the batch's axes come first in the results.

    Args:
        function: of one point.
        points: a tree of arrays whose leading axes are the batch.
        shape: of the batch; () for one point.
        at_once: points computed together; more are cut into parts, one after the other.
    """
    if not shape:
        return function(points)
    flat = jax.tree.map(lambda x: jnp.reshape(jnp.asarray(x), (-1, *jnp.shape(x)[len(shape) :])), points)
    count = math.prod(shape)
    whole = count <= at_once and (at_once > 1 or not count)  # of one point at a time, see `over_points`
    found = jax.vmap(function)(flat) if whole else over_points(function, flat, at_once)
    return jax.tree.map(lambda x: x.reshape(*shape, *x.shape[1:]), found)


def over_points(function: Callable, points: Any, at_once: int) -> Any:
    """Run `jax.lax.map` over the leading axis; one point at a time makes no batch, so `lax.cond` runs one branch."""
    return jax.lax.map(function, points, batch_size=at_once if at_once > 1 else None)


def scan(step: Callable, start: Any, steps: Any, length: int | None = None, reverse: bool = False) -> tuple[Any, Any]:
    """Run `jax.lax.scan`, also with no steps, which it refuses under `jax.disable_jit`."""
    if length or any(len(leaf) for leaf in jax.tree.leaves(steps)):
        return jax.lax.scan(step, start, steps, length, reverse)
    first = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), steps)
    _, found = jax.eval_shape(step, start, first)
    return start, jax.tree.map(lambda x: jnp.zeros((0, *x.shape), x.dtype), found)


def is_traced(args: Any) -> bool:
    """Check whether a transformation traces the arguments or surrounds the call."""
    leaves = (*jax.tree.leaves(args), jnp.zeros(()))  # under `jit` known numbers become part of the program, too
    return any(isinstance(leaf, Tracer) for leaf in leaves)
