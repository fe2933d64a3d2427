"""Sealed: a person's data as events may hold it, readable only with a key of that person's own.

The log is kept for ever and copied into backups, exports and brokers, so what it says of a person is ciphertext from
the first event on: destroying the person's key destroys the text in all copies at once, and no event is touched.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Protocol
from uuid import UUID

import msgspec

from domain.errors import RuleViolation


class SubjectErased(RuleViolation):
    """The person's key was destroyed: what it sealed is gone for good, and nothing more is sealed under that name."""

    code: ClassVar[str] = "subject_erased"


class SealBroken(Exception):
    """A sealed field is not where it was sealed, or not what was sealed: somebody moved, swapped or changed it."""


class KeysUnavailable(Exception):
    """The keys that seal and open personal data cannot be used now; the message says why. Nothing was sealed."""


class Sealed(msgspec.Struct, frozen=True):
    """One text about one person, encrypted. Plain JSON in the event, and the only type a personal field may have.

    `subject` is a UUID text that stands for the person, `key_id` names the key of that subject; `nonce` (96 bits) and
    `ciphertext` (with its 128-bit tag) are URL-safe base64 without padding.
    """

    subject: str
    key_id: str
    nonce: str
    ciphertext: str


class Place(NamedTuple):
    """Where a sealed field stands; it opens nowhere else. `version` is that of its event in the stream, from 1."""

    book: int
    stream_id: UUID
    version: int
    field: str


class Seals(Protocol):
    """What seals and opens. Thread-safe; every method raises `KeysUnavailable` when the keys cannot be reached."""

    def seal(self, subject: str, place: Place, text: str) -> Sealed:
        """Seal a text about the subject, making its key with its first text. Raises `SubjectErased`."""
        ...

    def open(self, sealed: Sealed, place: Place) -> str:
        """The text that was sealed at this place. Raises `SubjectErased`, and `SealBroken` at any other place."""
        ...

    def fingerprint(self, subject: str, book: int, text: str) -> str:
        """A keyed digest (64 hexadecimal digits) of a text about the subject: equal for equal texts, and without the
        subject's key no help in guessing them. Something was sealed for the subject before. Raises `SubjectErased`.
        """
        ...
