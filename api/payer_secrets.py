"""The secret that lets one payer follow one order, and do nothing else.

It is no key: it is made from the order by a key of this installation (HMAC-SHA-256), so nothing has to be kept, and it
opens the events of that order alone. It travels in the Authorization header like a key, never in an address.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Final, NamedTuple

PREFIX: Final = "dbk_payer_"
_SECRET: Final = re.compile(rf"{PREFIX}([0-9]{{1,10}})_([A-Za-z0-9_-]{{43}})")
KEY_BYTES: Final = 32


class Followed(NamedTuple):
    """Whose order a secret is about, once the order is known too."""

    book: int
    mac: bytes


class PayerSecrets:
    """Makes and checks secrets under one key of 32 random bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key of {KEY_BYTES} bytes makes payer secrets, this one has {len(key)}")
        self._key = key

    def of(self, book: int, order_id: str) -> str:
        """The secret of an order."""
        return f"{PREFIX}{book}_{_text(self._mac(book, order_id))}"

    def opens(self, told: Followed, order_id: str) -> bool:
        """Whether a secret is that of this order."""
        return hmac.compare_digest(told.mac, self._mac(told.book, order_id))

    def _mac(self, book: int, order_id: str) -> bytes:
        return hmac.digest(self._key, f"payer/{book}/{order_id}".encode(), hashlib.sha256)


def told_by(header: str | None) -> Followed | None:
    """What an Authorization header says, if it is a payer's secret at all."""
    scheme, _, text = (header or "").partition(" ")
    found = _SECRET.fullmatch(text.strip())
    if scheme.lower() != "bearer" or found is None:
        return None
    return Followed(int(found.group(1)), base64.urlsafe_b64decode(found.group(2) + "="))


def _text(mac: bytes) -> str:
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")
