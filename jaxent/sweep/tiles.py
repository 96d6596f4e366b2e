"""Write and read the file of a tile: its points and variables as plain netCDF.

An HDF5 file of a few kilobytes can expand to many gigabytes, by filters, virtual and external data, and data that were
never written. jaxent writes none of these, and refuses files with them.
"""

import io
import json
import math
from typing import Any

import numpy as np

from jaxent.chain import Chain
from jaxent.sweep.plan import Tile
from jaxent.sweep.quantities import QUANTITIES, Variable
from jaxent.sweep.spec import FORMAT, Sweep

__all__ = ["DTYPES", "decoded", "encoded", "most_bytes", "question_text"]

DTYPES = {"f": np.dtype(np.float64), "c": np.dtype(np.complex128), "i": np.dtype(np.int64)}
_LONGEST_ATTRIBUTE = 16_000  # characters; HDF5 allows 64 KiB
_HEADER_BYTES = 2**20  # generous bound for names, attributes and dimensions


def question_text(question: dict[str, Any]) -> str:
    """Write a question as an attribute of results, or, if it is too long, where to find it."""
    text = json.dumps(question, ensure_ascii=False)
    return text if len(text) < _LONGEST_ATTRIBUTE else "see sweep.json"


def _shapes(sweep: Sweep, chain: Chain, tile: Tile) -> dict[str, tuple[Variable, tuple[int, ...]]]:
    """List the variables of a tile with their planned shapes."""
    n_points = tile.stop - tile.start
    return {
        key: (variable, (n_points, *variable.dimensions(chain, sweep.settings).values()))
        for name in sweep.quantities
        for key, variable in QUANTITIES[name].variables.items()
    }


def most_bytes(sweep: Sweep, tile: Tile) -> int:
    """Bound the size of the file of a tile, in bytes."""
    shapes = _shapes(sweep, sweep.chain(tile.group), tile).values()
    values = sum(math.prod(shape) * DTYPES[variable.kind].itemsize for variable, shape in shapes)
    return values + 16 * (tile.stop - tile.start) + _HEADER_BYTES


def encoded(
    sweep: Sweep, chain: Chain, tile: Tile, values: dict[str, np.ndarray], key: str, about: dict[str, str]
) -> bytes:
    """Encode a tile as netCDF that can be read without the rest of the sweep."""
    import xarray as xr

    variables = {}
    for name in sweep.quantities:
        for variable, kind in QUANTITIES[name].variables.items():
            dimensions = ["point", *kind.dimensions(chain, sweep.settings)]
            attributes = {"units": kind.units, "long_name": kind.long_name}
            variables[variable] = (dimensions, values[variable], attributes)
    window = np.inf if chain.window is None else chain.window
    attributes = about | {
        "question": question_text(sweep.question),
        "format": FORMAT,
        "key": key,
        "n_ensembles": chain.n_ensembles,
        "n_atoms": chain.n_atoms,
        "window": window,
        "first_point": tile.start,
    }
    dataset = xr.Dataset(variables, attrs=attributes)
    buffer = io.BytesIO()
    dataset.to_netcdf(buffer, engine="h5netcdf")
    return buffer.getvalue()


def decoded(data: bytes, sweep: Sweep, tile: Tile) -> dict[str, np.ndarray] | None:
    """Decode the variables of the file of a tile; None if they are not the planned ones in plain form."""
    import h5py

    shapes = _shapes(sweep, sweep.chain(tile.group), tile)
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            if not all(_is_plain(file, key, DTYPES[one.kind], shape) for key, (one, shape) in shapes.items()):
                return None
            return {key: np.asarray(_values(file, key), DTYPES[one.kind]) for key, (one, _) in shapes.items()}
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return None


def _values(file: Any, key: str) -> Any:
    return file[key][...]


def _is_plain(file: Any, key: str, dtype: np.dtype, shape: tuple[int, ...]) -> bool:
    """Check that a variable is stored in this file, with this type and shape, at its full size."""
    import h5py

    if not isinstance(file.get(key, getlink=True), h5py.HardLink) or file.get(key, getclass=True) is not h5py.Dataset:
        return False
    found = file[key]
    as_written = found.shape == shape and found.dtype == dtype and found.chunks is None and not found.is_virtual
    return as_written and not found.external and found.id.get_storage_size() == math.prod(shape) * dtype.itemsize
