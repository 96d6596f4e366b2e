"""Files that are whole or absent: written beside their final name and renamed."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["append_line", "output_folder", "save", "sync_folder", "write_whole"]


def output_folder(path: str | os.PathLike, argument: str = "out") -> Path:
    """Make a folder for results and make sure that it can be written to, before any work starts.

    Args:
        path: the folder.
        argument: what the error calls it.

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
    """Write a file beside its final name and rename it: a whole file or none.

    Args:
        path: final name.
        write: called with the temporary path, of the same suffix.

    Returns:
        the final path.
    """
    with _beside(path) as temporary:
        write(temporary)
        os.replace(temporary, path)
    return path


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    os.chmod(name, 0o644)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write bytes so that after any interruption, a power cut included, the file is whole or was never there."""
    with _beside(path) as temporary:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)


def append_line(path: Path, line: str) -> None:
    """Add a line to a file and see it to the disk; a half-written line before it is closed, so that it stays alone."""
    with open(path, "ab+") as file:
        if file.tell() and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n":
            line = "\n" + line
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """See the names in a folder to the disk, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
