"""AES-256-GCM with 96-bit nonces and 128-bit tags: nothing else is taken, so that no weaker form can slip in.

Both sealed fields and wrapped keys go through these two functions, and so do the Wycheproof vectors of the tests.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


class Forged(Exception):
    """The ciphertext, its nonce or its associated data are not what was encrypted with this key."""


def encrypt(key: bytes, nonce: bytes, text: bytes, associated: bytes) -> bytes:
    """The ciphertext with its tag behind it. Never use a nonce twice with a key. Raises ValueError for other lengths of
    key and nonce."""
    _check(key, nonce)
    return AESGCM(key).encrypt(nonce, text, associated)


def decrypt(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """What was encrypted. Raises Forged, and ValueError for other lengths of key and nonce."""
    _check(key, nonce)
    if len(ciphertext) < TAG_BYTES:
        raise Forged("shorter than a tag")
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, associated)
    except InvalidTag:
        raise Forged("the tag does not fit") from None


def _check(key: bytes, nonce: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
