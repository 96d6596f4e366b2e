"""Limit the number of compiled programs in a process, and keep programs between commands in JAX's cache.

Linux allows a process some 65,530 memory maps, of which a program takes tens; when they run out, the compiler ends the
process. Programs are therefore dropped before the limit is reached.

Truncated entries of the cache are removed, so that JAX writes them again; otherwise it would keep them and warn at
every run.
"""

import errno
import gc
import math
import os
import time
import warnings
import zlib
from pathlib import Path

__all__ = ["drop_damaged", "forget_between", "forget_if_too_many", "keep_compiled_programs", "n_maps"]

_MAPS = Path("/proc/self/maps")
_LIMIT = Path("/proc/sys/vm/max_map_count")
_MOST_MAPS = 0.7  # share of the allowed maps; a single program takes a few thousand at most
_LEAST_GAIN = 0.1  # share of them that must be new since the last time, as maps that remained are not programs
_remained = -math.inf  # maps of the process after the last time

_MOST_CACHE_BYTES = 2 * 2**30  # beyond this size the least recently used programs are removed
_LEAST_CACHED_SECONDS = 0.2  # programs that compile faster are not worth a file
_CHUNK_BYTES = 2**20
_MARK = ".jaxent-checked"  # its time of change: older entries have been checked
_ZLIB = b"\x78"  # first byte of an entry
_WRITING_SECONDS = 60.0  # longest time to write an entry


def n_maps(maps: Path = _MAPS) -> int:
    """Count the memory maps of this process, as the file `maps` lists them; 0 where there is none."""
    try:
        return maps.read_bytes().count(b"\n")
    except OSError:  # not Linux
        return 0


def forget_if_too_many(jax, limit: Path = _LIMIT) -> bool:
    """Drop all compiled programs, with a warning, if the process is about to exceed its limit of memory maps.

    Args:
        jax: the module, imported.
        limit: file in which the system tells the limit.

    Returns:
        whether they were dropped.
    """
    global _remained
    granted = _n_granted(limit)
    count = n_maps()
    if count < max(_MOST_MAPS * granted, _remained + _LEAST_GAIN * granted):
        return False
    _forget(jax)
    _remained = n_maps()
    warnings.warn(
        f"This process maps {count} pieces of memory, nearly the {granted} that Linux grants (vm.max_map_count), most "
        "of them for compiled programs. All of these were forgotten (jax.clear_caches()): what is needed again is "
        "compiled again.",
        RuntimeWarning,
        stacklevel=2,
    )
    return True


def forget_between(jax, share: float = 0.3, limit: Path = _LIMIT) -> bool:
    """Drop all compiled programs between two tasks if they take a share of the memory maps: long before one must stop.

    Returns:
        whether they were dropped.
    """
    if n_maps() < share * _n_granted(limit):
        return False
    _forget(jax)
    return True


def _n_granted(limit: Path) -> float:
    """Read how many maps a process may have; infinity where the system does not tell."""
    try:
        return int(limit.read_text())
    except (OSError, ValueError):
        return math.inf


def _forget(jax) -> None:
    jax.clear_caches()
    gc.collect()  # programs and the functions they were traced from reference each other


def keep_compiled_programs(folder: str | os.PathLike | None = None) -> Path | None:
    """Keep compiled programs on disk from now on, so that later processes need not compile them.

    The command line does so for every command. At most 2 GiB are kept, and the least recently used are dropped.

    Args:
        folder: where; made if it is not there. None: where JAX keeps them already, or what the environment variable
            JAX_COMPILATION_CACHE_DIR says (if it is empty, nothing is kept), or else a folder of the user's.

    Returns:
        the folder; None where nothing is kept, as the user's folder cannot be written.

    Raises:
        OSError: when the given folder cannot be made, or not be written.

    Example:
        >>> import jaxent
        >>> jaxent.keep_compiled_programs()  # doctest: +SKIP
    """
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    chosen = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    if folder is None and chosen and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        return Path(chosen)
    if folder is None and "JAX_COMPILATION_CACHE_DIR" in os.environ:  # JAX reads it itself
        given = os.environ["JAX_COMPILATION_CACHE_DIR"]
        if not given or "://" in given:
            return None
        drop_damaged(Path(given), with_times=False)
        return Path(given)
    path = _users_folder() if folder is None else Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        if folder is not None:
            raise
        return None  # the home folder is not writable
    if not os.access(path, os.W_OK):
        if folder is not None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return None
    drop_damaged(path, with_times=True)
    if chosen and str(path) != chosen:
        compilation_cache.reset_cache()  # JAX would go on with the folder that it has opened
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_compilation_cache_max_size", _MOST_CACHE_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _LEAST_CACHED_SECONDS)
    return path


def _users_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("jaxent", appauthor=False) / "programs"


def drop_damaged(folder: Path, with_times: bool) -> None:
    """Remove cache entries that cannot be decompressed, among those written since the last check.

    Args:
        folder: folder of the cache; nothing happens if it cannot be read or written.
        with_times: whether JAX keeps a file beside each entry with the time it was used, without which it fails to make
            room for others.
    """
    mark, now = folder / _MARK, time.time()
    try:
        checked = mark.stat().st_mtime if mark.exists() else 0.0
        for path in folder.glob("*-cache"):
            written = path.stat().st_mtime
            used = path.with_name(path.name.removesuffix("-cache") + "-atime")
            lacks_time = with_times and written < now - _WRITING_SECONDS and not used.exists()
            if lacks_time or (written >= checked and not _is_whole(path)):
                path.unlink(missing_ok=True)
                used.unlink(missing_ok=True)
        mark.touch()
        os.utime(mark, (now, now))  # entries written meanwhile are newer
    except OSError:
        return


def _is_whole(path: Path) -> bool:
    """Check whether an entry can be decompressed to its end; other compressions than zlib count as complete."""
    stream = zlib.decompressobj()
    with open(path, "rb") as file:
        part = file.read(_CHUNK_BYTES)
        if part and not part.startswith(_ZLIB):
            return True
        try:
            while part:
                stream.decompress(part)
                part = file.read(_CHUNK_BYTES)
        except zlib.error:
            return False
    return stream.eof
