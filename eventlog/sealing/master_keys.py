"""The file with the master keys, by version: they wrap the data keys and do nothing else.

One file that its owner alone can read. It is replaced whole, never edited, so that whoever reads it meanwhile reads the
old or the new one; the old one is overwritten before it is let go of, as far as the file system honours that.
"""

from __future__ import annotations

import fcntl
import os
import stat
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from domain.sealed import KeysUnavailable
from eventlog.sealing.cipher import KEY_BYTES
from eventlog.sealing.private_files import OWNER_ONLY, make_directory, overwrite, write_new

READ_TRIES = 20


class _File(msgspec.Struct):
    keys: dict[int, str]


class MasterKeysUnsafe(KeysUnavailable):
    """Others than the owner could read the file, so its keys may no longer be secret."""


class MasterKeys:
    """Reads the file anew when it is asked for a version that it has not seen. Raises KeysUnavailable."""

    def __init__(self, path: Path) -> None:
        """Touches nothing yet."""
        self.path = path
        self._seen: dict[int, bytes] = {}

    def key(self, version: int) -> bytes | None:
        """The key of that version; None when the file no longer has it."""
        if version not in self._seen:
            self._seen = self._read()
        return self._seen.get(version)

    def versions(self) -> list[int]:
        """What the file holds now, oldest first; nothing when there is no file yet."""
        return sorted(self._read()) if self.path.exists() else []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Only one at a time may change the file; the kernel forgets a holder that was killed."""
        make_directory(self.path)
        descriptor = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, OWNER_ONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def add(self) -> int:
        """Make a key of the next version and keep it before answering. Call it within `held`."""
        keys = self._read() if self.path.exists() else {}
        version = max(keys, default=0) + 1
        self._write({**keys, version: os.urandom(KEY_BYTES)})
        return version

    def retire(self, below: int) -> None:
        """Forget the versions below, which nothing may be wrapped with any more. Call it within `held`."""
        keys = self._read()
        kept = {version: key for version, key in keys.items() if version >= below}
        if kept != keys:
            self._write(kept)

    def _read(self) -> dict[int, bytes]:
        problem: Exception | None = None
        for _ in range(READ_TRIES):  # while it is replaced the old one reads as zeros
            try:
                self._check()
                found = msgspec.json.decode(self.path.read_bytes(), type=_File).keys
                keys = {version: b64decode(text, validate=True) for version, text in found.items()}
                if all(len(key) == KEY_BYTES for key in keys.values()):
                    return keys
            except FileNotFoundError:
                raise KeysUnavailable(f"the master keys are not in {self.path}; put the file back") from None
            except PermissionError as refused:
                raise KeysUnavailable(f"the master keys in {self.path} cannot be read: {refused.strerror}") from None
            except (msgspec.DecodeError, ValueError) as damaged:
                problem = damaged
        raise KeysUnavailable(f"{self.path} holds no master keys; put the file back from your copy") from problem

    def _check(self) -> None:
        found = self.path.stat()
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise MasterKeysUnsafe(
                f"others than its owner may read {self.path}; make it mode 600, and rotate the master key if they did"
            )

    def _write(self, keys: dict[int, bytes]) -> None:
        text = msgspec.json.encode(_File({version: b64encode(key).decode() for version, key in sorted(keys.items())}))
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.unlink(missing_ok=True)  # of one that was killed
        write_new(fresh, text)
        old = os.open(self.path, os.O_RDWR) if self.path.exists() else None
        fresh.rename(self.path)
        _sync_directory(self.path.parent)
        if old is not None:
            overwrite(old)
        self._seen = keys


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
