"""Convert states and operators to QuTiP objects and labelled xarray arrays, and back.

A state or operator of n systems (ensembles) is an array with one axis for each of them (a ket: amplitudes), or with
two, all kets before all bras (a density matrix or an operator):

- the two ends, n = 2: A[k_1, k_M] of `end_to_end_amplitudes`, ρ[k_1, k_M, k_1', k_M'] of `end_to_end_state`;
- one ensemble, n = 1: ⟨q|k⟩ of `dicke.x_basis`, S_z[k, k'] of `dicke.spin_z`, reduced density matrices;
- the whole chain, n = M: ψ[k_1…k_M] of `jaxent.chain`, ρ[k_1…k_M, k_1'…k_M'] of `evolve_density`.

Position i along every axis is the Dicke state k = chain.states[i], k increasing, so that S_z = 2k - N and S_x = 2q - N
increase too. `qutip.num(N + 1)` counts in the same order. QuTiP's spin functions (jmat, spin_state, spin_coherent) do
not: they go down from m = N/2, with m = k - N/2 and operators that are half of the paper's. `spin_order=True` reverses
every axis, into that order or out of it. With a window only its states are kept, in QuTiP too.

NumPy needs no conversion: `np.asarray(state)` is the array on the host, and every function here and of
`jaxent.entanglement` takes NumPy arrays.

>>> import jaxent, qutip
>>> chain = jaxent.Chain(3, 4)
>>> amplitudes = jaxent.end_to_end_amplitudes(chain, 1.0)
>>> ket = to_qutip(amplitudes).unit()  # the norm of the amplitudes is √p of the outcomes
>>> print(f"{qutip.entropy_vn(ket.ptrace(0), 2):.6f} {jaxent.entanglement_entropy(from_qutip(ket)):.6f}")
0.813750 0.813750
>>> to_xarray(amplitudes, chain, time=1.0).dims
('first', 'last')
"""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Complex

from jaxent import arguments, units
from jaxent.chain import Chain
from jaxent.conversion import whole_number
from jaxent.messages import shown
from jaxent.noise.dephasing import EnsembleRates
from jaxent.runtime import memory
from jaxent.times import BondTimes, PiFraction, Time, batch_shape

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["LabelledState", "from_qutip", "from_xarray", "to_qutip", "to_xarray"]

_WINDOW = "window c (standard deviations), inf: all states"
_PARAMETERS = (
    *("outcomes", "phase_offset", "dephasing_rate", "collective_rate"),
    *("resolution", "atom_dephasing_rate", "atom_loss_rate"),
)


class LabelledState(NamedTuple):
    """Hold the result of `from_xarray`; `to_xarray(state, chain, **labels)` restores the labelled array.

    Attributes:
        state: the array, in the index order of this module.
        chain: the chain of the state.
        labels: n_systems and, if known: time, outcomes, phase_offset, dephasing_rate, collective_rate.
    """

    state: jax.Array
    chain: Chain
    labels: dict[str, Any]


# -------------------------------------------------------------------- QuTiP


def to_qutip(state: ArrayLike, n_systems: int = 2, *, spin_order: bool = False) -> Any:
    """Convert a ket or an operator to a QuTiP Qobj, with one tensor factor for each ensemble.

    Elements and norm are those of `state`. QuTiP's measures do not divide by the norm, which for
    `end_to_end_amplitudes` is √p of the outcomes: take `.unit()` first.

    Args:
        state: known array (not traced) of one state or operator, with n_systems axes (a ket) or twice as many (an
            operator), as in the module docstring; real or complex.
        n_systems: 2 for the two ends, 1 for one ensemble, M for the whole chain.
        spin_order: use the basis of QuTiP's jmat, m = k - N/2 decreasing; by default k increases.

    Returns:
        qutip.Qobj: of dims [[d_1, …, d_n], [1]] (a ket) or [[d_1, …, d_n], [d_1, …, d_n]].

    Raises:
        ImportError: when QuTiP is not installed.
        ValueError: for an array of other axes, a batch, a traced array, and an array that is not finite.

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> print(jaxent.to_qutip(np.eye(3) / np.sqrt(3)).dims)
        [[3, 3], [1]]
    """
    qutip = _qutip()
    values = _on_host("state", state)
    sizes = _sizes(values.shape, n_systems)
    memory.check_memory(32 * values.size, "A Qobj and a copy of it", "use fewer states")
    values = np.flip(_finite("state", values)) if spin_order else _finite("state", values)
    is_ket = values.ndim == n_systems
    matrix = values.reshape(math.prod(sizes), -1).astype(complex)
    return qutip.Qobj(matrix, dims=[list(sizes), [1] * n_systems if is_ket else list(sizes)])


def from_qutip(qobj: Any, n_systems: int = 2, *, spin_order: bool = False) -> Complex[Array, "..."]:
    """Convert a QuTiP ket or operator to an array with one axis for each tensor factor, all kets before all bras.

    The measures of `jaxent.entanglement` accept the result: amplitudes of shape (m, n) from a ket of two ends, and
    of shape (m, n, m, n) from their density matrix.

    Args:
        qobj: qutip.Qobj, a ket or an operator with n_systems tensor factors.
        n_systems: 2 for the two ends, 1 for one ensemble, M for the whole chain.
        spin_order: the basis of `qobj` is that of QuTiP's jmat, m = k - N/2 decreasing; by default k increases.

    Returns:
        complex array of shape (d_1, …, d_n) or (d_1, …, d_n, d_1, …, d_n), in the precision of JAX: exact if
        float64 is enabled.

    Raises:
        ImportError: when QuTiP is not installed.
        ValueError: for anything but a ket or an operator, for other factors, an operator between different
            spaces, and values that are not finite.

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> qobj = jaxent.to_qutip(np.eye(3) / np.sqrt(3))
        >>> print(jaxent.from_qutip(qobj).shape)
        (3, 3)
    """
    qutip = _qutip()
    if not isinstance(qobj, qutip.Qobj):
        raise ValueError(f"Argument `qobj` must be a qutip.Qobj, but is of type {type(qobj).__name__}.")
    _check_count(n_systems)
    dims, is_ket = qobj.dims, qobj.shape[1] == 1
    if qobj.type not in ("ket", "oper", "scalar"):
        remedy = "; take its .dag()" if qobj.type == "bra" else ""
        raise ValueError(f"Argument `qobj` must be a ket or an operator, but is of type {qobj.type!r}{remedy}.")
    if len(dims[0]) != n_systems:
        raise ValueError(
            f"Argument `qobj` must have n_systems = {n_systems} tensor factors, but has dims {dims}; give it dims like "
            "[[3, 3], [1, 1]] for a ket or [[3, 3], [3, 3]] for an operator, or say its n_systems."
        )
    if not is_ket and dims[0] != dims[1]:
        raise ValueError(f"Argument `qobj` must be square, as density matrices and S_z are, but has dims {dims}.")
    sizes: Any = tuple(dims[0])
    memory.check_memory(32 * math.prod(qobj.shape), "An array and a copy of it", "use fewer states")
    values = _finite("qobj", qobj.full()).reshape(sizes if is_ket else sizes * 2)
    return jnp.asarray(np.flip(values) if spin_order else values, dtype=jnp.result_type(float, 1j))


def _qutip():
    try:
        import qutip
    except ImportError:
        raise ImportError(
            "The package qutip is not installed, which this conversion needs; run: pip install 'jaxent[qutip]'."
        ) from None
    return qutip


# ------------------------------------------------------------------- xarray


def to_xarray(
    state: ArrayLike,
    chain: Chain,
    *,
    n_systems: int = 2,
    time: Time | None = None,
    outcomes: Any = None,
    phase_offset: Any = None,
    dephasing_rate: Any = None,
    collective_rate: Any = None,
) -> "xr.DataArray":
    """Convert a state or operator to a labelled array, with its Dicke states k as coordinates.

    The axes are `first` and `last` for the two ends, `ensemble` for one, `ensemble_1` … `ensemble_M` for the whole
    chain; those of the bras end in `_bra`. The chain and the other arguments become coordinates with units, named as in
    the datasets of sweeps; values that differ from ensemble to ensemble become one text.

    Args:
        state: known array, as for `to_qutip`; a first axis may run over many states, one for each time.
        chain: the chain; each axis has its D Dicke states.
        n_systems: 2 for the two ends, 1 for one ensemble, M for the whole chain.
        time: t of the state, or the times along its first axis; a float, a `PiFraction` or `BondTimes`.
        outcomes: outcomes of the inner ensembles.
        phase_offset: φ in radians.
        dephasing_rate: γ in units of the coupling.
        collective_rate: Γ in units of the coupling.

    Returns:
        xarray.DataArray: named "amplitudes" (a ket) or "density_matrix"; `to_netcdf` and `to_zarr` write it.

    Raises:
        ValueError: when the axes are not those of the chain and the times, and for a traced array.

    Example:
        >>> import jaxent
        >>> chain = jaxent.Chain(3, 4)
        >>> data = jaxent.to_xarray(jaxent.end_to_end_amplitudes(chain, 1.0), chain, time=1.0)
        >>> print(dict(data.sizes))
        {'first': 5, 'last': 5}
    """
    import xarray as xr

    values = _on_host("state", state)
    names = _names(chain, n_systems)
    batch, coordinates = _time_coordinates(time, chain)
    ket = batch + (chain.dimension,) * n_systems
    operator = ket + (chain.dimension,) * n_systems
    if values.shape not in (ket, operator):
        raise ValueError(
            f"Argument `state` must have the shape {ket} or {operator} for n_systems = {n_systems} of {chain}"
            f"{', with the times along its first axis' if batch else ''}, but has {shown(values.shape)}."
        )
    if values.shape == operator:
        names = names + [f"{name}_bra" for name in names]
    for name in names:
        coordinates[name] = xr.Variable(
            (name,), chain.states, {"units": "1", "long_name": f"atoms in mode a, k ({name.replace('_', ' ')})"}
        )
    window = math.inf if chain.window is None else chain.window
    rates = dephasing_rate.rates if isinstance(dephasing_rate, EnsembleRates) else dephasing_rate
    given = {
        "n_ensembles": chain.n_ensembles,
        "n_atoms": chain.n_atoms,
        "window": window,
        "outcomes": outcomes,
        "phase_offset": phase_offset,
        "dephasing_rate": rates,
        "collective_rate": collective_rate,
    }
    for name, value in given.items():
        if value is not None:
            about = units.attributes(name, _WINDOW if name == "window" else None)
            coordinates[name] = xr.Variable((), _label(name, value), about)
    name = "amplitudes" if values.shape == ket else "density_matrix"
    about = {"units": "1", "long_name": name.replace("_", " ")}
    return xr.DataArray(values, coordinates, [*["time"][: len(batch)], *names], name, about)


def from_xarray(data: "xr.DataArray") -> LabelledState:
    """Read a state or operator from a labelled array of `to_xarray`, or amplitudes from the dataset of a sweep.

    The axes, and the Dicke states along them, may be in any order; the result has the order of this module.

    Args:
        data: xarray.DataArray with the axes and coordinates that `to_xarray` describes, the coordinates `n_ensembles`
            and `n_atoms` among them, and at most one further axis, `time`.

    Returns:
        LabelledState: the array, its chain, and the labels.

    Raises:
        ValueError: when axes or coordinates are missing, unknown, or not those of the chain.

    Example:
        >>> import jaxent
        >>> chain = jaxent.Chain(3, 4)
        >>> data = jaxent.to_xarray(jaxent.end_to_end_amplitudes(chain, 1.0), chain, time=1.0)
        >>> print(jaxent.from_xarray(data).chain)
        Chain(n_ensembles=3, n_atoms=4, window=None)
    """
    import xarray as xr

    if not isinstance(data, xr.DataArray):
        remedy = "; choose one of its variables by name" if isinstance(data, xr.Dataset) else ""
        raise ValueError(f"Argument `data` must be an xarray.DataArray, but is a {type(data).__name__}{remedy}.")
    for name in ("n_ensembles", "n_atoms"):
        if name not in data.coords or data[name].dims:
            raise ValueError(
                f"Argument `data` must have one value of the coordinate `{name}`, but has "
                f"{'none' if name not in data.coords else 'many: choose one with .isel'}."
            )
    window = float(data["window"].item()) if "window" in data.coords else math.inf
    chain = Chain(int(data["n_ensembles"]), int(data["n_atoms"]), None if window == math.inf else window)
    names = _found_names(data, chain)
    leading = [str(name) for name in data.dims if name not in names]
    if leading not in ([], ["time"]):
        raise ValueError(
            f"Argument `data` must have no axes beside {', '.join(names)} and `time`, but has "
            f"{', '.join(sorted(set(leading) - {'time'}))}; choose one value of each with .isel."
        )
    for name in names:
        if name in data.coords:
            if sorted(data[name].values.tolist()) != chain.states.tolist():
                raise ValueError(f"Argument `data` must hold along `{name}` the Dicke states of {chain}, but does not.")
            if data[name].values.tolist() != chain.states.tolist():
                memory.check_memory(3 * data.nbytes, "An array and copies of it", "use fewer states")
                data = data.sel({name: chain.states})
    if any(data.sizes[name] != chain.dimension for name in names):
        raise ValueError(f"Argument `data` must have {chain.dimension} states along each axis, but has {data.shape}.")
    n_systems = len([name for name in names if not name.endswith("_bra")])
    labels: dict[str, Any] = {"n_systems": n_systems}
    time = _read_time(data, chain)
    labels |= {} if time is None else {"time": time}
    labels |= {
        name: _read_label(data[name].item()) for name in _PARAMETERS if name in data.coords and not data[name].dims
    }
    memory.check_memory(2 * data.nbytes, "An array and a copy of it", "use fewer states")
    return LabelledState(jnp.asarray(data.transpose(*leading, *names).values), chain, labels)


def _names(chain: Chain, n_systems: int) -> list[str]:
    """List the names of the axes of kets."""
    arguments.check_chain(chain)
    _check_count(n_systems)
    if n_systems == 1:
        return ["ensemble"]
    if n_systems == 2:
        return ["first", "last"]
    if n_systems != chain.n_ensembles:
        raise ValueError(
            f"Argument `n_systems` must be 1, 2 (the ends) or n_ensembles = {chain.n_ensembles}, but is {n_systems}."
        )
    return [f"ensemble_{number}" for number in range(1, n_systems + 1)]


def _found_names(data, chain: Chain) -> list[str]:
    """Find the axes of Dicke states of a labelled array, in order."""
    possible = [_names(chain, n_systems) for n_systems in {1, 2, chain.n_ensembles}]
    for kets in possible:
        bras = [f"{name}_bra" for name in kets]
        if set(kets) <= set(data.dims):
            return kets + bras if set(bras) & set(data.dims) == set(bras) else kets
    raise ValueError(
        "Argument `data` must have the axes `first` and `last` (with `first_bra` and `last_bra` for a density matrix), "
        f"`ensemble`, or `ensemble_1` … `ensemble_{chain.n_ensembles}`, but has {', '.join(map(str, data.dims))}."
    )


def _time_coordinates(time: Time | None, chain: Chain) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Return the shape of a batch of times, and their coordinates: one time or one per bond, exact multiples of π."""
    import xarray as xr

    if time is None:
        return (), {}
    for leaf in jax.tree.leaves(time):
        _on_host("time", leaf)
    arguments.checked_time(time, chain.n_ensembles)
    batch = batch_shape(time)
    if len(batch) > 1:
        raise ValueError(f"Argument `time` must be one time or a list of times, but has shape {batch}.")
    if isinstance(time, BondTimes):
        inner = time.times if isinstance(time.times, PiFraction) else np.asarray(time.times, float)
        each = {f"bond_time_{bond}": inner[..., bond - 1] for bond in range(1, chain.n_ensembles)}
    else:
        each = {"time": time if isinstance(time, PiFraction) else np.asarray(time, float)}
    dims, coordinates = ["time"][: len(batch)], {}
    for name, value in each.items():
        exact = isinstance(value, PiFraction)
        long_name = "interaction time t" + name[len("bond_time") :].replace("_", " of bond ")
        about = units.attributes("time", long_name)
        coordinates[name] = xr.Variable(dims, value.value if exact else value, about)
        for part, letter in (("numerator", "p"), ("denominator", "r")) if exact else ():
            about = {"units": "1", "long_name": f"{part} {letter} of the exact time π p/r"}
            coordinates[f"{name}_{part}"] = xr.Variable(dims, np.asarray(getattr(value, part)), about)
    return batch, coordinates


def _read_time(data, chain: Chain) -> Any:
    def values(name: str) -> Any:
        return data[name].values if data[name].dims else data[name].item()

    def read(name: str) -> Any:
        if f"{name}_numerator" in data.coords:
            return PiFraction(values(f"{name}_numerator"), values(f"{name}_denominator"))
        return values(name)

    if "bond_time_1" in data.coords:
        each = [read(f"bond_time_{bond}") for bond in range(1, chain.n_ensembles)]
        return BondTimes(jax.tree.map(lambda *parts: np.stack(parts, axis=-1), *each))
    return read("time") if "time" in data.coords else None


def _label(name: str, value: Any) -> Any:
    """Convert a label: keep one number, and join values of several ensembles to one text."""
    if isinstance(value, str):
        return value
    values = _on_host(name, value)
    if values.ndim > 1:
        raise ValueError(
            f"Argument `{name}` must be a number, or one for each ensemble, but has shape {values.shape}; a first axis "
            "of many states is for many times only."
        )
    return values.item() if values.ndim == 0 else " ".join(map(repr, values.tolist()))


def _read_label(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return [int(word) if word.lstrip("+-").isdigit() else float(word) for word in value.split()]
    except ValueError:
        return value  # a text such as N, from a sweep


# ------------------------------------------------------------------- checks


def _on_host(name: str, value: Any) -> np.ndarray:
    if isinstance(value, Tracer):
        raise ValueError(f"Argument `{name}` must be known, but is traced; convert it outside jit, vmap and grad.")
    return np.asarray(value)


def _check_count(n_systems: int) -> None:
    whole_number("n_systems", n_systems, 1, 10**6)


def _sizes(shape: tuple[int, ...], n_systems: int) -> tuple[int, ...]:
    """Check the shape of a state, and return the number of states of each system."""
    _check_count(n_systems)
    sizes = shape[:n_systems]
    if 0 in shape or len(shape) not in (n_systems, 2 * n_systems) or shape[n_systems:] not in ((), sizes):
        raise ValueError(
            f"Argument `state` must have {n_systems} axes (a ket), or {2 * n_systems} (an operator, its bras like its "
            f"kets), for n_systems = {n_systems}, but has the shape {shown(shape)}; convert a batch one by one."
        )
    return sizes


def _finite(name: str, values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise ValueError(f"Argument `{name}` must be finite, but holds NaN or infinity.")
    return values
