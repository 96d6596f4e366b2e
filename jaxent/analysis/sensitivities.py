"""Compute a quantity and its derivatives with respect to every parameter, from one reverse pass.

>>> from jaxent import Chain, end_to_end_entropy
>>> found = sensitivities(end_to_end_entropy, Chain(4, 8), 0.7)
>>> {name: gradient.shape for name, gradient in found.gradients.items()}
{'phase_offset': (2,), 'time': ()}
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent.chain import Chain
from jaxent.deprecation import renamed
from jaxent.messages import shortened, shown
from jaxent.noise.dephasing import EnsembleRates
from jaxent.runtime import execution
from jaxent.times import BondTimes, PiFraction, Time, time_value

__all__ = ["Sensitivities", "sensitivities"]

_FIXED = {"outcomes", "tolerance"}  # numbers without a derivative, even if given as floats


class Sensitivities(NamedTuple):
    """Hold a value, and its derivatives by argument name, each of the shape of its argument."""

    value: jax.Array
    gradients: dict[str, jax.Array]

    slopes = renamed("Sensitivities", "slopes", "gradients")


def sensitivities(function: Callable, chain: Chain, time: Time | None = None, **parameters: Any) -> Sensitivities:
    """Compute a public function of a chain, and its derivatives in time, offsets and rates.

    A derivative has the shape of its argument. A scalar applies to all bonds or ensembles; give `BondTimes`,
    (M-2,) offsets or `EnsembleRates` for the derivative in each. At a `PiFraction` the derivative is taken at the
    nearest float.

    Args:
        function: `end_to_end_entropy`, `end_to_end_log_negativity`, `average_entropy` or any other function of this
            package that takes a chain, a time and parameters by these names and returns one number (or an average).
        chain: the chain.
        time: one time; None for the default time of `function`.
        **parameters: further arguments of `function`. Derivatives are taken in those that are floating-point numbers,
            `BondTimes` or `EnsembleRates`, and in each `phase_offset` if it is left out (at 0); others
            (`outcomes`, `key`, `levels`) are passed on.

    Returns:
        Sensitivities: the value and a dict of derivatives.

    Raises:
        ValueError: when the result is not a single number, when an argument is unknown, where the derivatives do not
            fit in memory, and as `function`.

    Example:
        >>> import jaxent
        >>> found = jaxent.sensitivities(jaxent.end_to_end_entropy, jaxent.Chain(3, 20), 1.0)
        >>> print(f"{found.gradients['time']:.3f} bits")
        -0.655 bits
    """
    if not callable(function):
        raise ValueError(f"Argument `function` must be a function of this package, but is {shown(function)}.")
    name = getattr(function, "__name__", repr(function))
    known = inspect.signature(function).parameters
    for one, value in parameters.items():
        if one not in known:
            raise ValueError(
                f"Argument `{shortened(one)}` = {shown(value)} is not an argument of {name}; give one of "
                f"{', '.join(known)}."
            )
    if time is not None:
        parameters["time"] = time
    checked = _one_number(name, function(chain, **parameters))  # called with known values, so that they are checked
    if "phase_offset" in known and "phase_offset" not in parameters and known["phase_offset"].default is not None:
        parameters["phase_offset"] = np.zeros(chain.n_ensembles - 2)
    varied = {
        one: _floats(value) for one, value in parameters.items() if one not in _FIXED and _is_differentiable(value)
    }
    fixed = {one: value for one, value in parameters.items() if one not in varied}
    # one program, so that its memory is known before it runs; compiled anew, as the function may have changed
    program = jax.jit(jax.grad(lambda values: _one_number(name, function(chain, **values, **fixed))))
    gradients = execution.call(
        program,
        varied,
        what=f"The derivatives of {name} for {chain}",
        instead="use a smaller window",
    )
    return Sensitivities(checked, {one: jax.tree.leaves(gradients[one])[0] for one in sorted(gradients)})


def _one_number(name: str, result: Any) -> jax.Array:
    value = getattr(result, "value", result)
    if np.shape(value) != ():
        raise ValueError(
            f"Argument `function` must give one number here, but {name} gives an array of shape {np.shape(value)}; "
            "pass single values, and use jax.vmap for many."
        )
    return value


def _is_differentiable(value: Any) -> bool:
    if isinstance(value, PiFraction | BondTimes | EnsembleRates):
        return True
    leaves = jax.tree.leaves(value)
    return bool(leaves) and all(jnp.issubdtype(jnp.result_type(leaf), jnp.floating) for leaf in leaves)


def _floats(value: Any) -> Any:
    """Convert a parameter to floating-point arrays, exact times to the nearest floats."""
    if isinstance(value, BondTimes):
        return BondTimes(_floats(value.times))
    if isinstance(value, EnsembleRates):
        return EnsembleRates(_floats(value.rates))
    return jnp.asarray(time_value(value), jnp.result_type(float))
