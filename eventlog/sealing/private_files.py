"""Files that hold keys: read by their owner alone, there whole or not at all, and overwritten when they go."""

from __future__ import annotations

import os
from pathlib import Path

OWNER_ONLY = 0o600


def make_directory(path: Path) -> None:
    """The directory of a file, its owner's alone when it is made here."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_new(path: Path, content: bytes) -> None:
    """A new file, on disk before this returns; its directory may not be. Raises FileExistsError, and OSError with half
    of it written: write under another name, and give it its own once it is whole."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def overwrite(descriptor: int) -> None:
    """Zeros over all of an open file, which is then closed."""
    try:
        os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
