"""The stores of data keys that keep one contract, and another view of the same store as a second process has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from eventlog.sealing.keys import KeyStore
from eventlog.sealing.master_keys import MasterKeys
from eventlog.sealing.memory_keys import MemoryKeyStore
from eventlog.sealing.sqlite_keys import SqliteKeyStore

Opened = Callable[[], KeyStore]
"""Opens the store once more."""


def sqlite_store(directory: Path) -> SqliteKeyStore:
    """A store in a directory; opened again, it is the same store as another process sees it."""
    return SqliteKeyStore(directory / "keys" / "subjects.sqlite", MasterKeys(directory / "keys" / "master-keys.json"))


def openers(directory: Path) -> dict[str, Opened]:
    """By the store's name."""
    memory = MemoryKeyStore()
    return {"memory": lambda: memory, "sqlite": lambda: sqlite_store(directory)}
