"""The seals of the domain over a store of data keys."""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64

from domain.sealed import Place, SealBroken, Sealed
from eventlog.sealing.cipher import NONCE_BYTES, Forged, decrypt, encrypt
from eventlog.sealing.keys import KeyStore

FINGERPRINT_KEY = b"daybook/fingerprint/1"
"""Makes of a data key another for digests, since no key may do two things."""


class KeyedSeals:
    """Implements `domain.sealed.Seals`. Keeps no key: each is asked of the store, used and dropped, so that after an
    erasure no process can open what the subject's key sealed."""

    def __init__(self, store: KeyStore) -> None:
        """The store stays the caller's to close."""
        self._store = store

    def seal(self, subject: str, place: Place, text: str) -> Sealed:
        """See `domain.sealed.Seals.seal`."""
        key_id, key = self._store.data_key(place.book, subject)
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = encrypt(key, nonce, text.encode(), associated_data(place, key_id))
        return Sealed(subject, key_id, _text(nonce), _text(ciphertext))

    def open(self, sealed: Sealed, place: Place) -> str:
        """See `domain.sealed.Seals.open`."""
        key_id, key = self._store.known_key(place.book, sealed.subject)
        if key_id != sealed.key_id:
            raise SealBroken(f"{_told(place)} was sealed with key {sealed.key_id}, which is not its subject's")
        try:
            nonce, ciphertext = _bytes(sealed.nonce), _bytes(sealed.ciphertext)
            return decrypt(key, nonce, ciphertext, associated_data(place, key_id)).decode()
        except (Forged, NotBase64, ValueError):
            raise SealBroken(f"{_told(place)} is not what was sealed there: it was moved or changed") from None

    def fingerprint(self, subject: str, book: int, text: str) -> str:
        """See `domain.sealed.Seals.fingerprint`."""
        _, key = self._store.known_key(book, subject)
        own = hmac.digest(key, FINGERPRINT_KEY, hashlib.sha256)
        return hmac.new(own, f"{book}|{text}".encode(), hashlib.sha256).hexdigest()


def associated_data(place: Place, key_id: str) -> bytes:
    """What a ciphertext is tied to: book | stream | version | field | key id. None of them can hold a `|`."""
    return f"{place.book}|{place.stream_id}|{place.version}|{place.field}|{key_id}".encode()


def _told(place: Place) -> str:
    return f"field {place.field} of stream {place.stream_id}, version {place.version}"


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
