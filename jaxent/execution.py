"""The one way in which the library calls its compiled programs: within memory, and LAPACK on one thread."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from jaxent import memory, threads

__all__ = ["call"]


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
    if _is_traced(args):
        return program(*args)
    with threads.one_lapack_thread():
        if not jax.config.jax_disable_jit:  # pyright: ignore[reportAttributeAccessIssue]
            memory.check_memory(memory.needed_by(program, *args), what, instead)
        return jax.block_until_ready(program(*args))


def _is_traced(args: Any) -> bool:
    leaves = (*jax.tree.leaves(args), jnp.zeros(()))  # under `jit` known numbers become part of the program, too
    return any(isinstance(leaf, Tracer) for leaf in leaves)
