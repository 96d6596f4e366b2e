"""Export the results of a sweep to one netCDF file, Zarr store or table, and open a file or store again.

A Zarr store names the codecs that decode it, and some codecs can execute code from the store. A store is therefore read
as plain JSON first, and is opened only if it holds numbers and texts alone, in codecs that `export_sweep` writes.
"""

import importlib.util
import json
import math
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxent.messages import shown
from jaxent.runtime import memory
from jaxent.sweep.dataset import open_sweep
from jaxent.sweep.files import open_regular, read_regular, save, save_folder

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["export_sweep", "open_export"]

_METADATA = (".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json")
_TABLES = (".csv", ".parquet")
_MOST_BYTES = 2**26  # largest metadata file
_CODECS = {"blosc", "bytes", "crc32c", "gzip", "zlib", "zstd"}
_TYPE_2 = re.compile(r"[<>|]([fiuc]\d{1,2}|b1|U\d{1,6})")
_TYPES_3 = re.compile(r"bool|(u?int|float|complex)\d{1,3}|fixed_length_utf32|string")


def export_sweep(path: str | os.PathLike, to: str | os.PathLike) -> Path:
    """Write the results of a sweep as one netCDF file (.nc), Zarr store (.zarr) or table (.csv, .parquet).

    A table has a row for each point, and a column for each axis and each quantity.

    Args:
        path: the folder of the sweep.
        to: the file or store; an existing one is replaced when the new one is complete.

    Returns:
        the path written.

    Raises:
        ValueError: when `to` has another ending or names something other than an export, for tables of quantities with
            axes of their own or without the package that writes them, and as `open_sweep`.
    """
    target = Path(to)
    if target.suffix not in (".nc", ".zarr", *_TABLES):
        raise ValueError(f"Argument `to` must end in .nc, .zarr, .csv or .parquet, but is {shown(str(target))}.")
    if not target.absolute().parent.is_dir():
        raise ValueError(f"Argument `to` must be in a folder that exists, but {shown(str(target.parent))} does not.")
    store = any((target / name).is_file() for name in (".zgroup", "zarr.json"))
    if target.exists() and not (target.is_file() if target.suffix != ".zarr" else store):
        raise ValueError(
            f"Argument `to` must be free, or an earlier export, but {shown(str(target))} is something else."
        )
    dataset = open_sweep(path)
    if target.suffix == ".nc":
        return save(target, lambda beside: dataset.to_netcdf(beside, engine="h5netcdf"))
    if target.suffix in _TABLES:
        table = _table(target, dataset)
        write = table.to_csv if target.suffix == ".csv" else table.to_parquet
        return save(target, lambda beside: write(beside, index=False))
    try:
        import zarr  # noqa: F401
    except ImportError:
        raise ValueError(
            f"Argument `to` = {shown(str(target))} needs the package zarr; run: pip install 'jaxent[zarr]'."
        ) from None
    return save_folder(target, lambda beside: dataset.to_zarr(beside, consolidated=False, zarr_format=2))


def _table(target: Path, dataset: "xr.Dataset") -> Any:
    """Make a table of pandas with a row for each point; check that it can be written and fits in memory."""
    grid = set().union(*[dataset[name].dims for name in dataset.coords if name in dataset.dims])
    for name, variable in dataset.data_vars.items():
        own = [str(one) for one in variable.dims if one not in grid]
        if own:
            raise ValueError(
                f"Argument `to` = {shown(str(target))} has one row for each point, but {name} has the axis "
                f"{', '.join(own)} at each; use .nc or .zarr."
            )
    if target.suffix == ".parquet" and not any(importlib.util.find_spec(one) for one in ("pyarrow", "fastparquet")):
        raise ValueError(f"Argument `to` = {shown(str(target))} needs the package pyarrow; run: pip install pyarrow.")
    points = math.prod(dataset.sizes.values())
    columns = len(dataset.variables)
    memory.check_memory(16 * points * columns, f"A table of {points} rows", "use .nc or .zarr")
    return dataset.to_dataframe().reset_index() if dataset.sizes else dataset.expand_dims("point").to_dataframe()


def open_export(path: str | os.PathLike) -> "xr.Dataset":
    """Open a netCDF file or Zarr store that `export_sweep` wrote.

    Args:
        path: the file or store.

    Returns:
        xarray.Dataset: reads values when they are used.

    Raises:
        FileNotFoundError: when `path` does not exist.
        ValueError: when `path` is neither, or a store of other types or codecs than `export_sweep` writes.
    """
    import xarray as xr

    path = Path(path)
    must = "Argument `path` must be a netCDF file or a Zarr store that was exported from a sweep, but "
    if not path.exists():
        raise FileNotFoundError(f"{must}{shown(str(path))} is not there.")
    try:
        if path.is_dir():
            _check_store(path)
            _import_zarr(path)
            return xr.open_zarr(path, consolidated=False, chunks=None)
        open_regular(path).close()
        return xr.open_dataset(path, engine="h5netcdf")
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error) if isinstance(error, _Refused) else "is none"
        raise ValueError(f"{must}{shown(str(path))} {reason}.") from error


class _Refused(ValueError):
    """Report what is wrong with a store."""


def _import_zarr(path: Path) -> None:
    try:
        import zarr  # noqa: F401
    except ImportError:
        raise _Refused("needs the package zarr: pip install 'jaxent[zarr]'") from None


def _check_store(path: Path) -> None:
    """Check all metadata of a store without opening it.

    Raises:
        ValueError: when it holds links, devices, objects, or codecs that `export_sweep` does not write.
    """
    found = False
    for entry in _entries(path):
        if entry.name in _METADATA:
            found = True
            _check_metadata(json.loads(read_regular(Path(entry.path), _MOST_BYTES)))
    if not found:
        raise _Refused("holds no Zarr store")


def _entries(folder: Path) -> Iterator[os.DirEntry]:
    """Yield the files of a folder and its subfolders; refuse links and devices."""
    with os.scandir(folder) as entries:
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                yield from _entries(Path(entry.path))
            elif stat.S_ISREG(mode):
                yield entry
            else:
                raise _Refused(f"holds {shown(entry.name)}, which is no regular file")


def _check_metadata(record: Any) -> None:
    """Check types and codecs of one array, or of all arrays in consolidated metadata."""
    if not isinstance(record, dict):
        raise _Refused("has metadata that are no table")
    for inner in ("metadata", "consolidated_metadata"):
        if isinstance(record.get(inner), dict):
            for one in record[inner].values():
                _check_metadata(one if isinstance(one, dict) else {})
    if "dtype" in record and not (isinstance(record["dtype"], str) and _TYPE_2.fullmatch(record["dtype"])):
        raise _Refused(f"holds values of type {shown(record['dtype'])}, which are neither numbers nor texts")
    if "data_type" in record and not _TYPES_3.fullmatch(str(_name(record["data_type"]))):
        raise _Refused(f"holds values of type {shown(record['data_type'])}, which are neither numbers nor texts")
    codecs = [record.get("compressor"), *_listed(record.get("filters")), *_listed(record.get("codecs"))]
    for codec in codecs + _listed(record.get("storage_transformers")):
        if codec is not None and _name(codec) not in _CODECS:
            raise _Refused(f"is coded by {shown(_name(codec))}, which is not opened here")


def _name(one: Any) -> Any:
    """Return the name of a type or codec, which is a text or a table."""
    return one.get("name", one.get("id")) if isinstance(one, dict) else one


def _listed(several: Any) -> list:
    return several if isinstance(several, list) else [] if several is None else [several]
