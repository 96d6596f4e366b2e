"""Write files that are either complete or absent: write beside the final name, sync to disk, then rename.

A temporary file carries its process in its name, `.grid.jaxent-PID-START-PLACE-….nc`. Writing the same file again
removes only the temporary files whose process no longer runs.
"""

import contextlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jaxent.runtime import interrupts
from jaxent.sweep.owners import runs, this_process

__all__ = [
    "append_line",
    "clear_leftovers",
    "open_regular",
    "output_folder",
    "read_regular",
    "save",
    "save_folder",
    "sync_folder",
    "write_whole",
]

_LONGEST_STEM = 100  # characters of a temporary name's stem; most file systems limit a name to 255 bytes
_ASIDE = "-old"


def output_folder(path: str | os.PathLike, argument: str = "out") -> Path:
    """Make a folder for results and check that it can be written to, before any work starts.

    Args:
        path: the folder.
        argument: name of the argument in the error message.

    Raises:
        ValueError: when it cannot be made or written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"Argument `{argument}` must be a folder that can be written to, but {str(folder)!r} is not: "
            f"{error.strerror}."
        ) from error
    return folder


def save(path: Path, write: Callable[[Path], Any]) -> Path:
    """Write a file beside its final name and rename it, so that an interruption leaves a complete file or none.

    Args:
        path: final name.
        write: called with the temporary path, of the same suffix.

    Returns:
        the final path.
    """
    clear_leftovers(path)
    with _beside(path) as temporary:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        write(temporary)
        _sync(temporary)
        os.replace(temporary, path)
        sync_folder(path.parent)
    return path


def save_folder(path: Path, write: Callable[[Path], Any]) -> Path:
    """Write a folder beside its final name and rename it; an old one is set aside until the new is in place.

    Args:
        path: final name; a folder there is replaced.
        write: called with the temporary path, at which nothing exists yet.

    Returns:
        the final path.
    """
    clear_leftovers(path)
    with _beside(path) as temporary:
        write(temporary)
        for folder, _, names in os.walk(temporary):
            for name in names:
                _sync(Path(folder, name))
            sync_folder(Path(folder))
        old = temporary.with_name(temporary.stem + _ASIDE + temporary.suffix)
        replaces = os.path.lexists(path)
        if replaces:
            os.rename(path, old)
        try:
            os.rename(temporary, path)
        except BaseException:
            if replaces:
                os.rename(old, path)
            raise
        sync_folder(path.parent)
        if replaces:
            _remove(old)
    return path


def write_whole(path: Path, data: bytes) -> None:
    """Write bytes so that after any interruption, a power cut included, the file is whole or was never there."""
    with _beside(path) as temporary:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Provide a temporary path beside `path`, and remove at the end whatever is left at it."""
    name = f"{_prefix(path)}{this_process().tag}-{secrets.token_hex(4)}{path.suffix}"
    temporary = path.parent / name
    with interrupts.at_end(lambda: _remove(temporary)):
        try:
            yield temporary
        finally:
            _remove(temporary)


def _prefix(path: Path) -> str:
    return f".{path.stem[:_LONGEST_STEM]}.jaxent-"


def clear_leftovers(path: Path) -> None:
    """Remove temporary files of `path` from processes that no longer run; restore a folder that they had set aside."""
    pattern = re.compile(
        re.escape(_prefix(path)) + r"(\d{1,10})-(\d{1,12}|b[0-9a-f]{8})-([0-9a-f]{8})-[0-9a-f]{8}"
        rf"(?P<old>{_ASIDE})?" + re.escape(path.suffix)
    )
    left = [(Path(entry.path), pattern.fullmatch(entry.name)) for entry in os.scandir(path.absolute().parent)]
    for leftover, match in left:
        if match and runs(int(match[1]), match[2], match[3]) is False:
            if match["old"] and not os.path.lexists(path):
                os.rename(leftover, path)
            else:
                _remove(leftover)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Append a line to a file and sync it to disk; first end a half-written last line, so that the two do not merge."""
    with open(path, "ab+") as file:
        if file.tell() and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n":
            line = "\n" + line
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_regular(path: Path, most_bytes: int) -> bytes:
    """Read the bytes of a regular file, or of a link to one, of at most `most_bytes`; devices and pipes are refused.

    Raises:
        OSError: when the file is missing, is not a regular file, or is longer.
    """
    with open_regular(path) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(f"{path} has more than {most_bytes} bytes")
    return data


def open_regular(path: Path):
    """Open a regular file, or a link to one, for reading bytes; raise OSError for a pipe or a device."""
    _check_regular(path, os.stat(path))
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check_regular(path, os.fstat(descriptor))  # it may have been replaced since the first check
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def _check_regular(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{path} is no regular file")


def _sync(path: Path) -> None:
    with open(path, "rb") as file, contextlib.suppress(OSError):  # some systems cannot sync a file opened for reading
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk, where the system supports it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
