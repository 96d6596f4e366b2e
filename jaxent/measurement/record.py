"""The measurement as it is: its imperfections, and the records of the measured ensembles as arrays.

>>> Measurement(resolution=1.5)
Measurement(resolution=1.5, atom_dephasing_rate=0.0, atom_loss_rate=0.0, lost=None)
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool

from jaxent import arguments
from jaxent.messages import shown

__all__ = ["REACH", "Measurement", "Records", "records_of"]

REACH = 9.0  # standard deviations of the detector that are summed; the weight beyond is below 1e-17
_MOST_TERMS = 4096  # numbers of atoms that are summed where the resolution is traced
_COARSEST = 1e6  # atoms
_RATES = ("atom_dephasing_rate", "atom_loss_rate")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Measurement:
    """Describe how the inner ensembles are measured: detector resolution, and noise of their single atoms.

    The atoms of a measured ensemble are counted in the x basis. Where the detector resolves σ atoms, the record is a
    real number x, normal about the number q of atoms in |+⟩. During the interaction each atom of the ensemble may
    dephase (jump operator √γ_1 σ_z, so that its coherence decays as e^(-2γ_1 t)) and may be lost (rate Γ from either
    state). Lost atoms are counted, or else only q is known. All values may be traced.

    Attributes:
        resolution: σ ≥ 0 in atoms, a scalar or (M-2,) values, one for each measured ensemble.
        atom_dephasing_rate: γ_1 ≥ 0 of each single atom, in units of the coupling, a scalar or (M-2,) values.
        atom_loss_rate: Γ ≥ 0 of each single atom, likewise; only even ensembles may lose atoms.
        lost: number of lost atoms where they are counted, an int or (M-2,) ints; None: they are not.
    """

    resolution: Any = 0.0
    atom_dephasing_rate: Any = 0.0
    atom_loss_rate: Any = 0.0
    lost: Any = None

    def known_resolutions(self, inner: int) -> np.ndarray | None:
        """Return σ of each measured ensemble on the host, or None where it is traced."""
        known = _known(self.resolution)  # under `jit` arrays made of known values are traced, too
        return None if known is None else np.broadcast_to(known, (inner,))

    @property
    def is_perfect(self) -> bool:
        """True if all imperfections are known to be 0."""
        rates = (self.resolution, self.atom_dephasing_rate, self.atom_loss_rate)
        return self.lost is None and all(arguments.is_zero(one) for one in rates)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Records:
    """Hold what was read of each measured ensemble, and how; slices are those of the arrays, of shape (M-2,) in all.

    Attributes:
        counts: records x, floats.
        resolutions: σ.
        dephasing_rates: γ_1.
        loss_rates: Γ.
        lost: number of lost atoms, 0 if not counted.
        n_terms: numbers q that are summed about each record.
        lossy: whether atoms may be lost.
        counted: whether lost atoms are counted.
    """

    counts: Any
    resolutions: Any
    dephasing_rates: Any
    loss_rates: Any
    lost: Any
    n_terms: int = dataclasses.field(metadata={"static": True})
    lossy: bool = dataclasses.field(metadata={"static": True})
    counted: bool = dataclasses.field(metadata={"static": True})

    def __getitem__(self, index) -> "Records":
        return jax.tree.map(lambda x: x[index], self)

    def without_loss(self) -> "Records":
        """Return the same records, known to be of ensembles that lose no atoms, as odd ones are."""
        return dataclasses.replace(self, lossy=False, counted=False)

    def possible(self, n_atoms: Any) -> Bool[Array, ""]:
        """Tell whether all records and imperfections are in their range."""
        reach = REACH * self.resolutions + 0.5
        most = jnp.asarray(n_atoms, self.counts.dtype) - self.lost
        inside = (self.counts >= -reach) & (self.counts <= most + reach)
        signs = (self.resolutions >= 0) & (self.dephasing_rates >= 0) & (self.loss_rates >= 0) & (self.lost >= 0)
        return jnp.all(inside & signs)


def records_of(measurement: Measurement | None, outcomes: Any, n_ensembles: int, n_atoms: Any) -> Records | None:
    """Check a measurement and its records; None if it is perfect. N is one number, or (M-2,) integers of the host.

    Raises:
        ValueError: on a value that is not real, negative, out of range or of a wrong shape, on lost atoms of odd
            ensembles, and on a measurement of a chain of two.
    """
    if measurement is None:
        return None
    if not isinstance(measurement, Measurement):
        raise ValueError(
            "Argument `measurement` must be a jaxent.Measurement, such as jaxent.Measurement(resolution=1.5), but is "
            f"{shown(measurement)}."
        )
    if measurement.is_perfect:
        return None
    inner = n_ensembles - 2
    if not inner:
        raise ValueError("Argument `measurement` must be None for n_ensembles = 2: no ensemble is measured.")
    sigma, dephasing, loss = (_of_each(name, getattr(measurement, name), inner) for name in ("resolution", *_RATES))
    # under `jit` arrays made of known values are traced, too
    known_sigma, known_loss = (_known(one) for one in (measurement.resolution, measurement.atom_loss_rate))
    if inner > 1 and (known_loss is None or np.broadcast_to(known_loss, inner)[1::2].any()):
        raise ValueError(
            "Argument `measurement` must have atom_loss_rate = 0 for the odd ensembles 3, 5 …: while their atoms are "
            "lost their neighbours, measured as well, still turn them, so the chain is no product of single kernels; "
            f"but it is {shown(measurement.atom_loss_rate)}; give (M-2,) rates, as in (0.02, 0)."
        )
    lost = _lost(measurement, inner, n_atoms)
    is_sharp = known_sigma is not None and not known_sigma.any()
    counts = _counts(outcomes, sigma, lost, inner, n_atoms, is_sharp)
    n_terms, lossy = _n_terms(known_sigma, int(np.max(n_atoms))), known_loss is None or bool(known_loss.any())
    sigma, dephasing, loss = (jnp.broadcast_to(one, (inner,)) for one in (sigma, dephasing, loss))
    return Records(counts, sigma, dephasing, loss, lost, n_terms, lossy, measurement.lost is not None)


def _known(value: Any) -> np.ndarray | None:
    """Return a value on the host, or None if it is traced."""
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(value))
    return None if traced else np.asarray(value, float)


def _of_each(name: str, value: Any, inner: int) -> jax.Array:
    """Return a value of at least 0, or one for each measured ensemble."""
    try:
        values = arguments.checked_rate(name, value)
    except ValueError as error:
        raise ValueError(f"Argument `measurement`: {str(error).removeprefix('Argument ')}") from None
    if values.shape not in ((), (inner,)):
        raise ValueError(
            f"Argument `measurement` must have one {name}, or {inner}, one for each measured ensemble, but its "
            f"shape is {shown(values.shape)}; use jax.vmap for many."
        )
    known = arguments.concrete(values)
    if name == "resolution" and known is not None and (known > _COARSEST).any():
        raise ValueError(
            f"Argument `measurement` must have a resolution of at most {_COARSEST:.0e} atoms, but it is {shown(value)}."
        )
    return values


def _lost(measurement: Measurement, inner: int, n_atoms: Any) -> jax.Array:
    if measurement.lost is None:
        return jnp.zeros((inner,))
    try:
        lost = arguments.checked_outcomes(measurement.lost, inner + 2, n_atoms)
    except ValueError:
        raise ValueError(
            f"Argument `measurement` must have lost = None, or integers in 0…{_atoms(n_atoms)} (n_atoms), but it is "
            f"{shown(measurement.lost)}."
        ) from None
    if arguments.is_zero(measurement.atom_loss_rate) and not arguments.is_zero(measurement.lost):
        raise ValueError(
            f"Argument `measurement` has lost = {shown(measurement.lost)}, which cannot occur with atom_loss_rate = 0."
        )
    return lost.astype(float)


def _counts(outcomes: Any, sigma: jax.Array, lost: jax.Array, inner: int, n_atoms: Any, is_sharp: bool) -> jax.Array:
    """Return the records as floats: whole numbers where the detector is perfect."""
    if is_sharp:
        counts = arguments.checked_outcomes(outcomes, inner + 2, n_atoms).astype(float)
    else:
        counts = arguments.checked_real("outcomes", n_atoms if outcomes is None else outcomes)
        if counts.shape not in ((), (inner,)):
            raise ValueError(
                f"Argument `outcomes` must be a number or {inner} numbers, one per inner ensemble, but has shape "
                f"{shown(counts.shape)}; use jax.vmap for many records."
            )
        counts = jnp.broadcast_to(counts, (inner,))
    counts = counts - lost if outcomes is None else counts
    values, resolutions, missing = (arguments.concrete(one) for one in (counts, sigma, lost))
    if values is None or resolutions is None or missing is None:
        return counts
    reach = np.where(resolutions > 0, REACH * resolutions + 0.5, 0.0)
    holds = f"but holds {shown(values.tolist())}."
    if ((values < -reach) | (values > n_atoms - missing + reach)).any():
        raise ValueError(
            f"Argument `outcomes` must lie in 0…{_atoms(n_atoms)} (n_atoms), less those that are lost, "
            f"within {REACH:.0f} resolutions, {holds}"
        )
    if ((resolutions == 0) & (values != np.round(values))).any():
        raise ValueError(f"Argument `outcomes` must be whole where the resolution is 0, {holds}")
    return counts


def _atoms(n_atoms: Any) -> str:
    return shown(np.asarray(n_atoms).tolist())


def _n_terms(known: np.ndarray | None, n_atoms: int) -> int:
    """Count the numbers of atoms that may have given a record; few different ones, so that programs are shared."""
    if known is None:
        if n_atoms >= _MOST_TERMS:
            raise ValueError(
                f"Argument `measurement` has a traced resolution, for which all n_atoms + 1 = {n_atoms + 1} outcomes "
                f"are summed, more than {_MOST_TERMS}; give a known one."
            )
        return n_atoms + 1
    widest = float(known.max())
    if widest == 0:
        return 1
    needed = 2 * REACH * widest + 3
    return n_atoms + 1 if 4 * needed > n_atoms + 1 else 2 ** math.ceil(math.log2(needed))
