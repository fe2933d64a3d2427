"""PostgreSQL arrays in their binary form, packed column by column.

Every write of the log sends its events as parallel arrays. The driver would ask each element for its type and encode it
alone, which costs more than the rest of the call; the columns here have one known type each (binary array format:
dimensions, null flag, element type, length, lower bound, then each element with its length in front).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, ClassVar

from psycopg import adapt, pq

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

_HEAD = struct.Struct(">iiIii")
_UUID_LENGTH = struct.pack(">i", 16)
_OID = {"int4": 23, "int8": 20, "text": 25, "bytea": 17, "uuid": 2950}


def _head(kind: str, count: int) -> bytes:
    return _HEAD.pack(1, 0, _OID[kind], count, 1) if count else struct.pack(">iiI", 0, 0, _OID[kind])


class Packed(bytes):
    """The bytes of an array; the subclasses tell the driver of which type."""

    array_oid: ClassVar[int] = 0


class PackedUuids(Packed):
    """uuid[]"""

    array_oid = 2951


class PackedInts(Packed):
    """int4[]"""

    array_oid = 1007


class PackedTexts(Packed):
    """text[]"""

    array_oid = 1009


class PackedBytes(Packed):
    """bytea[]"""

    array_oid = 1001


def uuids(values: Sequence[UUID]) -> Packed:
    """Pack UUIDs."""
    return PackedUuids(_head("uuid", len(values)) + b"".join([_UUID_LENGTH + value.bytes for value in values]))


def ints(values: Sequence[int]) -> Packed:
    """Pack integers of 32 bits. Raises struct.error for one that does not fit."""
    count = len(values)
    cells = [4] * (2 * count)
    cells[1::2] = values
    return PackedInts(_head("int4", count) + struct.pack(f">{2 * count}i", *cells))


def texts(values: Sequence[str]) -> Packed:
    """Pack texts; repeated ones, as topics are, are encoded once."""
    cells = {value: _text(value) for value in set(values)}
    return PackedTexts(_head("text", len(values)) + b"".join([cells[value] for value in values]))


def blobs(values: Sequence[bytes]) -> Packed:
    """Pack byte strings."""
    cells: list[bytes] = [b""] * (2 * len(values))
    cells[0::2] = [len(value).to_bytes(4, "big") for value in values]
    cells[1::2] = values
    return PackedBytes(_head("bytea", len(values)) + b"".join(cells))


def _text(value: str) -> bytes:
    encoded = value.encode()
    return len(encoded).to_bytes(4, "big") + encoded


class _PackedDumper(adapt.Dumper):
    format = pq.Format.BINARY

    def dump(self, obj: Any) -> Any:
        return obj


def register(context: Any) -> None:
    """Teach a connection to send packed arrays."""
    for packed in (PackedUuids, PackedInts, PackedTexts, PackedBytes):
        dumper = type(f"{packed.__name__}Dumper", (_PackedDumper,), {"oid": packed.array_oid})
        context.adapters.register_dumper(packed, dumper)
