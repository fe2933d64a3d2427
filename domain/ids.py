"""Names of streams: an id follows from what its stream is about, so creating a thing twice is a version conflict."""

from __future__ import annotations

import re
from typing import ClassVar, Final
from uuid import UUID, uuid5

from domain.errors import RuleViolation

NAMESPACE: Final = UUID("6f2bd7a4-1c0e-5b7d-9a55-0f4c8f2d3b61")
"""Namespace of every stream id; final, since changing it would orphan every stream ever written."""

_UUID_TEXT = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


class NotAUuid(RuleViolation):
    """A public id is not the text of a 128-bit UUID."""

    code: ClassVar[str] = "not_a_uuid"


def stream_id(book: int, kind: str, key: str) -> UUID:
    """Id of the stream about `key`; `kind` is the aggregate's topic. An order id must be canonical UUID text."""
    return uuid5(NAMESPACE, f"{book}/{kind}/{key}")


def wallet_stream_id(book: int, address: str, currency: str) -> UUID:
    """Id of the wallet stream of one address in one currency."""
    return stream_id(book, "wallet", f"{address}|{currency}")


def canonical_uuid(text: str, field: str = "id") -> str:
    """Lower-case, dashed form of any 128-bit UUID text, with or without version bits or dashes; raises `NotAUuid`.

    No version bits are demanded because ids of imported payments come from elsewhere and need not carry any.
    """
    if _UUID_TEXT.fullmatch(text) is None:
        raise NotAUuid(f"{field} must be UUID text such as 00000000-0000-0000-0000-000000000001", field)
    return str(UUID(text))
