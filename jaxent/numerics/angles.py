"""Angles of any size, reduced modulo 4π, whose half angles are then right as well.

A phase offset φ enters as the phases k φ and half angles φ/2 of integers k, so φ and φ + 4π are the same offset, while
φ + 2π changes the sign of a half angle's cosine. The float as it is given is a number, and its reduction has one right
answer: of a known angle it is taken in integers, of a traced one by the product of pieces of `jaxent.times.turns`.

>>> reduced_angle(1e12) == math.remainder(1e12, 4 * math.pi)     # what float64's own π makes of it
False
"""

import fractions
import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxent.times import turns

__all__ = ["INVERSE_TWO_PI", "INVERSE_TWO_PI_BITS", "LARGEST", "reduced_angle", "reduced_angles", "reduced_traced"]

# 2^256/2π, rounded: enough for the last digits of any float64 up to 2^50
INVERSE_TWO_PI_BITS = 256
INVERSE_TWO_PI = 0x28BE60DB9391054A7F09D5F47D4D377036D8A5664F10E4107F9458EAF7AEF158
LARGEST = 1e15  # of an angle that is reduced: to 4e-16 in integers, and to 2e-15 when it is traced


def reduced_angle(angle: float) -> float:
    """Reduce a known angle modulo 4π to [-2π, 2π], correctly rounded; an angle in that interval is unchanged.

    Args:
        angle: radians, at most `LARGEST` in magnitude.
    """
    if abs(angle) <= 2 * math.pi:
        return angle
    exact = fractions.Fraction(angle)
    turn = 2**INVERSE_TWO_PI_BITS
    fraction = exact.numerator * INVERSE_TWO_PI // (2 * exact.denominator) % turn  # of 4π
    return float(fractions.Fraction(2 * (fraction if 2 * fraction <= turn else fraction - turn), INVERSE_TWO_PI))


def reduced_angles(angles: np.ndarray) -> np.ndarray:
    """Apply `reduced_angle` to each element of an array."""
    if (np.abs(angles) <= 2 * math.pi).all():
        return angles
    return np.array([reduced_angle(angle) for angle in angles.ravel().tolist()]).reshape(angles.shape)


def reduced_traced(angles: jax.Array) -> jax.Array:
    """Reduce angles beyond ±2π modulo 4π, with derivative 1; return NaN beyond `LARGEST`."""
    reduced = 4 * jnp.pi * turns(np.array(1), angles, 1)
    within = jnp.where(jnp.abs(angles) <= 2 * jnp.pi, angles, reduced)
    return jnp.where(jnp.abs(angles) <= LARGEST, within, jnp.nan)
