"""How well one end teleports a state of r levels to the other, through what both share at a magic time.

At t = 2πp/r both ends hold the positions s of k = r c + s + o in cells of r Dicke states (`spins.modular_witness`). The
first end measures the r levels to be teleported and its own positions in the Bell basis |Φ_mn⟩, and tells the result;
the last end turns its positions back, by X^m Z^n. The cells are left alone. Through positions in a state ρ of fidelity
F = ⟨Φ|ρ|Φ⟩ with Φ = Σ_s |s, s⟩/√r the mean fidelity over all pure inputs is

    f = (r F + 1) / (r + 1),    F = (1/r p) Σ_ss' B_1[s, s'] B_3[s, s'] g(d),

d being the difference k_1 - k_3 of s_1 = s_3, which outcome and offset decide. Without entanglement f ≤ 2/(r + 1).

>>> import jax
>>> jax.config.update("jax_enable_x64", True)
>>> from jaxent import Chain, pi_fraction
>>> print(f"{teleportation_fidelity(Chain(3, 10**4), pi_fraction(1, 2), 1e-3):.4f}")      # four levels
0.9875
"""

import jax
from jaxtyping import Array, Float

from jaxent import arguments
from jaxent.chain import Chain
from jaxent.measurement import Measurement
from jaxent.noise.dephasing import Rate
from jaxent.spins.modular_witness import evaluated
from jaxent.times import Time

__all__ = ["teleportation_fidelity", "through"]


def teleportation_fidelity(
    chain: Chain,
    time: Time,
    dephasing_rate: Rate = 0.0,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    *,
    measurement: Measurement | None = None,
) -> Float[Array, "*rates"]:
    """Compute the mean fidelity with which r levels are teleported through the ends at a magic time t = 2πp/r.

    Operations at the ends, and the levels to be teleported, are perfect; the best of the r relabellings of positions is
    taken. For any N, with dephasing and imperfect measurements of the middle ensemble.

    Args:
        chain: the chain, M = 3, of any number of atoms, without a window.
        time: the magic time, a single `PiFraction`, 2 ≤ r ≤ 32 in lowest terms.
        dephasing_rate: γ ≥ 0, a scalar or an array, or `EnsembleRates`; may be traced and differentiated.
        outcomes: q_2, an int, or the record; None: N.
        phase_offset: φ in radians.
        measurement: as `jaxent.modular_witness`.

    Returns:
        real array of the shape of the rates, in [0, 1], right to 1e-8; more than 2/(r + 1) needs entanglement. Where
        two relabellings serve alike, derivatives are those of one of them.

    Raises:
        ValueError: as `jaxent.modular_witness`.

    References:
        C. H. Bennett et al., Phys. Rev. Lett. 70, 1895 (1993).
        M. Horodecki, P. Horodecki and R. Horodecki, Phys. Rev. A 60, 1888 (1999): f and F.

    Example:
        >>> import jaxent
        >>> print(f"{jaxent.teleportation_fidelity(jaxent.Chain(3, 100), jaxent.pi_fraction(1), 0.01):.3f}")
        0.958
    """
    levels, _, fidelity = evaluated(chain, time, dephasing_rate, outcomes, phase_offset, measurement)
    return through(levels, fidelity)


def through(levels: int, fidelity: jax.Array) -> jax.Array:
    """Compute f = (r F + 1)/(r + 1)."""
    return (levels * fidelity + 1) / (levels + 1)
