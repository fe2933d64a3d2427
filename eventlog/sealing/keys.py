"""What a store of data keys does: one key per subject of a book, until the subject is erased."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol

Heard = Callable[[int], None]
"""Called with how many data keys have been wrapped anew so far."""


def unheard(_count: int) -> None:
    """Nobody wants to know."""


class DataKey(NamedTuple):
    """The key of one subject: 256 random bits, and its public name. Use it at once and keep it nowhere: an erasure
    reaches the store, not copies of what came out of it."""

    key_id: str
    key: bytes

    def __repr__(self) -> str:
        """The name only: what is printed ends up in logs."""
        return f"DataKey({self.key_id})"


class KeyState(NamedTuple):
    """What may be told of a subject's key. `master` is the version of the master key that wraps it, None once erased;
    moments are in UTC."""

    book: int
    subject: str
    key_id: str
    master: int | None
    made_at: datetime
    erased_at: datetime | None


class Rotation(NamedTuple):
    """What a rotation did: the version all data keys are wrapped with now, how many it wrapped, and whether it finished
    one that had been cut off."""

    master: int
    rewrapped: int
    resumed: bool


class KeyStore(Protocol):
    """Thread-safe, and safe beside other processes with the same store. Each method raises `KeysUnavailable` when the
    store or its master keys cannot be used."""

    def data_key(self, book: int, subject: str) -> DataKey:
        """The subject's key, made and kept before it is answered. Raises `SubjectErased`."""
        ...

    def known_key(self, book: int, subject: str) -> DataKey:
        """The subject's key, if there is one. Raises `SubjectErased`; a key that was never here is unavailable."""
        ...

    def erase(self, book: int, subject: str) -> KeyState | None:
        """Destroy the key, for ever: no other is made for that subject. Again = as before. None = it has no key."""
        ...

    def state(self, book: int, subject: str) -> KeyState | None:
        """How the subject's key stands; None when it never had one."""
        ...

    def states(self, book: int) -> list[KeyState]:
        """How the keys of a book's subjects stand, by subject."""
        ...

    def rotate(self, heard: Heard = unheard) -> Rotation:
        """Make a new master key, wrap every data key with it, and forget the old ones. Reads and writes go on
        meanwhile; one that was cut off is finished by the next."""
        ...

    def check(self) -> int | None:
        """The version of the current master key, after a look at whether the store and its keys are fit for use; None
        while nothing was ever sealed."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...
