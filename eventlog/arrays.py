"""PostgreSQL arrays in their binary form, packed column by column.

Every write of the log and of a view sends its rows as parallel arrays. The driver would ask each element for its type
and encode it alone, which costs more than the rest of the call; the columns here have one known type each (binary array
format: dimensions, null flag, element type, length, lower bound, then each element with its length in front).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from psycopg import adapt, pq

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

_HEAD = struct.Struct(">iiIii")
_UUID_LENGTH = struct.pack(">i", 16)
_OIDS = {  # of an element and of an array of them: pg_type.dat of PostgreSQL, the same in every version
    "int4": (23, 1007),
    "int8": (20, 1016),
    "text": (25, 1009),
    "bytea": (17, 1001),
    "uuid": (2950, 2951),
    "bool": (16, 1000),
    "timestamptz": (1184, 1185),
    "date": (1082, 1182),
    "jsonb": (3802, 3807),
}
_NULL = struct.pack(">i", -1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # where PostgreSQL counts microseconds from
_MICROSECOND = timedelta(microseconds=1)
_DAY_ZERO = date(2000, 1, 1).toordinal()
_encode_json = msgspec.json.Encoder().encode


def _head(kind: str, count: int, nulls: int = 0) -> bytes:
    element = _OIDS[kind][0]
    return _HEAD.pack(1, nulls, element, count, 1) if count else struct.pack(">iiI", 0, 0, element)


class Packed(bytes):
    """The bytes of an array; a class of its own for each type of element tells the driver which it is."""

    array_oid: ClassVar[int] = 0


_PACKED: dict[str, type[Packed]] = {
    kind: type(f"Packed_{kind}", (Packed,), {"array_oid": array_oid}) for kind, (_, array_oid) in _OIDS.items()
}


def uuids(values: Sequence[UUID]) -> Packed:
    """Pack UUIDs, none of them null."""
    return _PACKED["uuid"](_head("uuid", len(values)) + b"".join([_UUID_LENGTH + value.bytes for value in values]))


def blobs(values: Sequence[bytes]) -> Packed:
    """Pack byte strings, none of them null."""
    cells: list[bytes] = [b""] * (2 * len(values))
    cells[0::2] = [len(value).to_bytes(4, "big") for value in values]
    cells[1::2] = values
    return _PACKED["bytea"](_head("bytea", len(values)) + b"".join(cells))


def _text(value: str) -> bytes:
    encoded = value.encode()
    return len(encoded).to_bytes(4, "big") + encoded


def _document(value: Any) -> bytes:
    encoded = b"\1" + _encode_json(value)  # the version of the binary form of jsonb
    return len(encoded).to_bytes(4, "big") + encoded


def _array_text(value: Sequence[Any]) -> bytes:
    """An array inside a row, as text: SQL has no array of arrays of different lengths, so it is cast on arrival."""
    return _text("{" + ",".join([str(item) for item in value]) + "}")


def _uuid_array_text(value: Sequence[UUID]) -> bytes:
    return _text("{" + ",".join([item.hex for item in value]) + "}")


_int4, _int8 = struct.Struct(">ii").pack, struct.Struct(">iq").pack
_CELLS: dict[str, tuple[str, Callable[[Any], bytes]]] = {
    "uuid": ("uuid", lambda value: _UUID_LENGTH + value.bytes),
    "int": ("int4", lambda value: _int4(4, value)),
    "bigint": ("int8", lambda value: _int8(8, value)),
    "text": ("text", _text),
    "boolean": ("bool", lambda value: b"\0\0\0\1\1" if value else b"\0\0\0\1\0"),
    "timestamptz": ("timestamptz", lambda value: _int8(8, (value - _EPOCH) // _MICROSECOND)),
    "date": ("date", lambda value: _int4(4, value.toordinal() - _DAY_ZERO)),
    "jsonb": ("jsonb", _document),
    "uuid[]": ("text", _uuid_array_text),
    "bigint[]": ("text", _array_text),
}


def sent_type(kind: str) -> str:
    """The type of the elements that `column` sends for a column of this type: an array travels as its text."""
    return "text" if kind in ("uuid[]", "bigint[]") else kind


_WHOLE = {"int": ("i", 4), "bigint": ("q", 8)}


def column(kind: str, values: Sequence[Any]) -> Any:
    """Pack a column of a table by its SQL type, None as null; a type that is not known goes the driver's way."""
    if kind not in _CELLS:
        return list(values)
    name, cell = _CELLS[kind]
    packed = _PACKED[name]
    head = _head(name, len(values), nulls=1)
    if kind in _WHOLE and None not in values:
        letter, size = _WHOLE[kind]
        cells = [size] * (2 * len(values))
        cells[1::2] = values
        return packed(head + struct.pack(">" + f"i{letter}" * len(values), *cells))
    if kind == "text" and 2 * len(distinct := set(values)) <= len(values):  # kinds, states, currencies: encoded once
        known = {value: _NULL if value is None else cell(value) for value in distinct}
        return packed(head + b"".join([known[value] for value in values]))
    return packed(head + b"".join([_NULL if value is None else cell(value) for value in values]))


class _PackedDumper(adapt.Dumper):
    format = pq.Format.BINARY

    def dump(self, obj: Any) -> Any:
        return obj


def register(context: Any) -> None:
    """Teach a connection to send packed arrays."""
    for packed in _PACKED.values():
        dumper = type(f"{packed.__name__}Dumper", (_PackedDumper,), {"oid": packed.array_oid})
        context.adapters.register_dumper(packed, dumper)
