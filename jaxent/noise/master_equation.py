"""Integrate the general master equation of the chain step by step, with derivatives.

    dρ/dt = -i[H + Σ_j Ω_j S_j^x, ρ] + Σ_j γ_j D[S_j^z]ρ + Γ D[Σ_j S_j^z]ρ
            + Σ_j (κ_j D[S_j^-] + χ_j D[S_j^x] + υ_j D[S_j^y])ρ,

with D[L]ρ = LρL† - (L†Lρ + ρL†L)/2, H of equation (12), S_z = 2k - N and S_- = b†a, which takes |k⟩ to |k-1⟩. With γ
alone this is equation (29), and `noise.dephasing` has its closed form, which is faster by orders of magnitude at any
size. Use this module for a transverse drive during the interaction and for jumps that do not commute with S_z, which
have no closed form.

The state is a tensor of shape (D,)*2M, index order k_1…k_M, k_1'…k_M'. In the Dicke basis H and all S_z act element by
element; S_x, S_y and S_- act along one axis. No matrix on the space of ρ is ever formed. A window truncates these
operators too: with a drive or jumps the state leaves the window, so compare two windows, or take window=None.

The integrator is diffrax's Tsit5 (order 5), with adaptive or a fixed number of steps. Derivatives (forward, reverse and
second) are those of the discrete steps; checkpoints keep reverse mode at some tens of states for any number of steps.

>>> from jaxent import Chain
>>> rho = evolve_density(Chain(3, 2), 0.5, 0.01)
>>> state, probability = measure_density(Chain(3, 2), rho)
>>> print(state.shape, round(float(probability), 4))
(3, 3, 3, 3) 0.8825
"""

import functools
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float

from jaxent import arguments, dicke
from jaxent import chain as chains
from jaxent.chain import Chain
from jaxent.conversion import positive, whole_number
from jaxent.messages import shown
from jaxent.numerics import algebra
from jaxent.runtime import execution, memory
from jaxent.times import BondTimes, Time, time_value, turns, unit

__all__ = ["MeasuredState", "evolve_density", "measure_density"]

_LEAST_COPIES = 10  # copies of the state in the integrator: stages, estimates, temporaries


class MeasuredState(NamedTuple):
    """Hold a normalized state ρ[k_1, k_M, k_1', k_M'] of the two ends, and the probability of the outcomes."""

    state: jax.Array
    probability: jax.Array


class _Rates(NamedTuple):
    """Hold the coefficients of the master equation, or flags for those not known to be zero."""

    dephasing: Any  # one value for each ensemble
    collective: Any
    drive: Any
    decay: Any
    jump_x: Any
    jump_y: Any


def evolve_density(
    chain: Chain,
    time: Time,
    dephasing_rate: arguments.Offsets = 0.0,
    *,
    collective_rate: ArrayLike = 0.0,
    drive: arguments.Offsets = 0.0,
    decay_rate: arguments.Offsets = 0.0,
    jump_x_rate: arguments.Offsets = 0.0,
    jump_y_rate: arguments.Offsets = 0.0,
    initial: Complex[Array, "..."] | None = None,
    n_steps: int | None = None,
    rtol: float = 1e-9,
    atol: float = 1e-12,
    max_steps: int = 2**16,
) -> Complex[Array, "..."]:
    """Compute the state of the whole chain after the interaction, before any measurement.

    Args:
        chain: the chain; D^(2M) complex numbers must fit in memory about 14 times.
        time: one time for all bonds, at least 0.
        dephasing_rate: γ_j of S_z, a scalar or (M,) values, in units of the coupling.
        collective_rate: Γ of one S_z noise that all ensembles share, a scalar.
        drive: Ω_j of the drives Ω_j S_x, a scalar or (M,) values.
        decay_rate: κ_j of the jump operators S_-, a scalar or (M,) values.
        jump_x_rate: χ_j of the jump operators S_x.
        jump_y_rate: υ_j of the jump operators S_y.
        initial: state of shape (D,)*2M; None: all spins along x, equation (10).
        n_steps: number of equal steps; None: adaptive steps.
        rtol: relative tolerance of adaptive steps.
        atol: absolute tolerance of adaptive steps.
        max_steps: most adaptive steps; memory and compilation of derivatives grow with its logarithm.

    Returns:
        array of shape (D,)*2M, index order k_1…k_M, k_1'…k_M'.

    Raises:
        ValueError: on any argument out of range, where the state does not fit in memory, and when `max_steps` do not
            suffice. Under a transformation the state is NaN instead.

    Example:
        >>> import jaxent
        >>> rho = jaxent.evolve_density(jaxent.Chain(2, 2), 1.0, 0.01)
        >>> print(rho.shape)
        (3, 3, 3, 3)
    """
    if isinstance(time, BondTimes):
        raise ValueError("Argument `time` must be one time for all bonds here, but is BondTimes.")
    arguments.check_chain(chain)
    arguments.check_precision(chain.n_atoms, time)
    time = arguments.checked_time(time, chain.n_ensembles, single=True)
    arguments.refuse_negative("time", time)
    each = {"dephasing_rate": dephasing_rate, "decay_rate": decay_rate}
    each |= {"jump_x_rate": jump_x_rate, "jump_y_rate": jump_y_rate}
    checked = {name: _per_ensemble(chain, name, arguments.checked_rate(name, value)) for name, value in each.items()}
    drives = _per_ensemble(chain, "drive", arguments.checked_real("drive", drive))
    n_steps = None if n_steps is None else whole_number("n_steps", n_steps, 1, 10**9)
    max_steps = whole_number("max_steps", max_steps, 1, 10**9)
    rtol, atol = positive("rtol", rtol), positive("atol", atol)
    elements = chain.dimension ** (2 * chain.n_ensembles)
    what = (
        f"Integrating the density matrix of n_ensembles = {chain.n_ensembles} with {chain.dimension} states each "
        f"(n_atoms = {chain.n_atoms}, window = {chain.window})"
    )
    instead = "use jaxent.end_to_end_state where there is only dephasing, or a smaller window"
    memory.check_memory(_LEAST_COPIES * 16 * elements, what, instead)
    shape = (chain.dimension,) * (2 * chain.n_ensembles)
    if initial is None:
        psi = chains.initial_state(chain)
        initial = jnp.tensordot(psi, psi.conj(), axes=0)
    elif (initial := arguments.as_numbers("initial", initial)).shape != shape:
        raise ValueError(
            f"Argument `initial` must have shape {shown(shape)} for {chain}, but has {shown(initial.shape)}."
        )
    rates = _Rates(
        checked["dephasing_rate"],
        arguments.checked_rate("collective_rate", collective_rate),
        drives,
        checked["decay_rate"],
        checked["jump_x_rate"],
        checked["jump_y_rate"],
    )
    optional = (collective_rate, drive, decay_rate, jump_x_rate, jump_y_rate)
    present = _Rates(True, *(not arguments.is_zero(value) for value in optional))
    state, succeeded = execution.call(
        _integrate,
        *(chain, present, n_steps, rtol, atol, max_steps, time, rates, initial),
        what=what,
        instead=instead,
    )
    done = arguments.concrete(succeeded)
    if done is not None and not done:
        raise ValueError(
            f"Argument `max_steps` = {max_steps} adaptive steps do not suffice for time = {time_value(time)} and "
            f"rtol = {rtol}; raise it or loosen the tolerances."
        )
    return state


def measure_density(
    chain: Chain,
    rho: Complex[Array, "..."],
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
) -> MeasuredState:
    """Measure the inner ensembles of a state of the whole chain in the x basis, after the offsets.

    Args:
        chain: the chain.
        rho: array of shape (D,)*2M, index order k_1…k_M, k_1'…k_M'.
        outcomes: q_2…q_(M-1), an int or (M-2,) ints; None: all N. May be traced.
        phase_offset: φ in radians, a scalar or (M-2,) values.

    Returns:
        MeasuredState: the normalized state of the ends, shape (D, D, D, D), and p, the trace after projection.

    Raises:
        ValueError: on any argument out of range.

    Example:
        >>> import jaxent
        >>> chain = jaxent.Chain(3, 2)
        >>> found = jaxent.measure_density(chain, jaxent.evolve_density(chain, 0.5, 0.01))
        >>> print(f"{found.probability:.4f}")
        0.8825
    """
    arguments.check_chain(chain)
    rho = arguments.as_numbers("rho", rho)
    shape = (chain.dimension,) * (2 * chain.n_ensembles)
    if rho.shape != shape:
        raise ValueError(f"Argument `rho` must have shape {shown(shape)} for {chain}, but has {shown(rho.shape)}.")
    outcomes = arguments.checked_outcomes(outcomes, chain.n_ensembles, chain.n_atoms)
    offsets = arguments.checked_offsets(phase_offset, chain.n_ensembles)
    return execution.call(
        _measured,
        *(chain, rho, outcomes, offsets),
        what=f"Measuring the density matrix of n_ensembles = {chain.n_ensembles} with {chain.dimension} states each",
        instead="use a smaller window",
    )


@functools.partial(jax.jit, static_argnums=0)
def _measured(chain, rho, outcomes, offsets) -> MeasuredState:
    for index in range(chain.n_ensembles - 2):
        row = dicke.x_basis(chain.n_atoms, outcomes[index], chain.window)
        rho, bra = algebra.alike(rho, algebra.multiply(row, unit(turns(chain.states, offsets[index]))))
        # the next measured ensemble is always the second ket axis and the second bra axis of the remaining tensor
        rho = jnp.tensordot(rho, bra, axes=(1, 0), precision="highest")
        bra_axis = chain.n_ensembles - index
        rho = jnp.tensordot(rho, bra.conj(), axes=(bra_axis, 0), precision="highest")
    probability = jnp.einsum("abab->", rho).real
    return MeasuredState(rho / jnp.where(probability > 0, probability, 1.0).astype(rho.dtype), probability)


# ---------------------------------------------------------------- integration


def _per_ensemble(chain: Chain, name: str, values: jax.Array) -> Float[Array, " M"]:
    if values.shape not in ((), (chain.n_ensembles,)):
        raise ValueError(
            f"Argument `{name}` must be a scalar or of shape ({chain.n_ensembles},), one per ensemble, "
            f"but has shape {shown(values.shape)}."
        )
    return jnp.broadcast_to(values, (chain.n_ensembles,))


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3, 4, 5))
def _integrate(chain, present, n_steps, rtol, atol, max_steps, time, rates, initial):
    """Integrate real and imaginary part as real arrays; return the final state and whether the integrator succeeded."""
    duration = time_value(time)
    generator = _generator(chain, present, rates)
    if n_steps is None:
        controller, first = diffrax.PIDController(rtol=rtol, atol=atol), None
    else:
        controller, first, max_steps = diffrax.ConstantStepSize(), 1.0 / n_steps, n_steps
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda s, parts, _: jax.tree.map(lambda x: duration * x, generator(*parts))),
        diffrax.Tsit5(),
        t0=0.0,
        t1=1.0,
        dt0=first,
        y0=(initial.real, initial.imag),
        stepsize_controller=controller,
        saveat=diffrax.SaveAt(t1=True),
        adjoint=diffrax.DirectAdjoint(),  # nested checkpointed scans: forward, reverse and mixed mode
        max_steps=max_steps,
        throw=False,
    )
    succeeded = solution.result == diffrax.RESULTS.successful
    real, imaginary = (part[0] for part in jax.tree.leaves(solution.ys))
    right = jnp.where(succeeded, 1.0, jnp.nan)  # a factor, so that derivatives are NaN too
    return jax.lax.complex(real * right, imaginary * right), succeeded


def _generator(chain: Chain, present: _Rates, rates: _Rates):
    """Build the right-hand side of the master equation for the real and the imaginary part of ρ."""
    n_ensembles = chain.n_ensembles
    rank = 2 * n_ensembles
    states = jnp.asarray(chain.states, rates.dephasing.dtype)

    def placed(values, *axes):  # values over the given axes of the tensor
        shape = [1] * rank
        for axis, size in zip(axes, values.shape, strict=True):
            shape[axis] = size
        return values.reshape(shape)

    bonds = [(j, j + 1, 1.0 if j % 2 else -1.0) for j in range(n_ensembles - 1)]  # H = Σ_j (-1)^j n_j n_(j+1)
    product = jnp.outer(states, states)
    differences = algebra.pairwise_differences(states)
    squares = differences**2

    def along(matrix, axis, part):
        return jnp.moveaxis(jnp.tensordot(matrix, part, axes=(1, axis), precision="highest"), 0, axis)

    raising = dicke.spin_raising(chain.n_atoms, chain.window)
    spin_x = raising + raising.T
    jumps = []  # real matrices L (S_y without its factor -i, which drops out of D[L])
    for wanted, matrix, rate in (
        (present.decay, raising.T, rates.decay),
        (present.jump_x, spin_x, rates.jump_x),
        (present.jump_y, raising - raising.T, rates.jump_y),
    ):
        if wanted:
            jumps.append((matrix, matrix.T @ matrix / 2, rate))

    def generator(real, imaginary):
        energy = sum(
            sign * (placed(product, i, j) - placed(product, i + n_ensembles, j + n_ensembles)) for i, j, sign in bonds
        )
        decay = sum(rates.dephasing[j] * placed(squares, j, j + n_ensembles) for j in range(n_ensembles))
        if present.collective:
            total = sum(placed(differences, j, j + n_ensembles) for j in range(n_ensembles))
            decay = decay + rates.collective * total**2
        d_real = energy * imaginary - 2 * decay * real
        d_imaginary = -energy * real - 2 * decay * imaginary
        if present.drive:
            for j in range(n_ensembles):
                turn = rates.drive[j] * spin_x
                d_real = d_real + along(turn, j, imaginary) - along(turn, j + n_ensembles, imaginary)
                d_imaginary = d_imaginary - along(turn, j, real) + along(turn, j + n_ensembles, real)

        def dissipated(part):
            change = 0.0
            for matrix, half_square, rate in jumps:
                for j in range(n_ensembles):
                    bra = j + n_ensembles
                    gain = along(matrix, bra, along(matrix, j, part))
                    change = change + rate[j] * (gain - along(half_square, j, part) - along(half_square, bra, part))
            return change

        if jumps:
            d_real, d_imaginary = d_real + dissipated(real), d_imaginary + dissipated(imaginary)
        return d_real, d_imaginary

    return generator
