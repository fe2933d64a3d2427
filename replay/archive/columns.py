"""Rows of the log as columns and back: the schema of an archive's files, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
import pyarrow as pa

from eventlog.recorded import Recorded

SCHEMA: Final = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("book", pa.int32(), nullable=False),
        pa.field("stream_id", pa.string(), nullable=False),
        pa.field("version", pa.int32(), nullable=False),
        pa.field("topic", pa.string(), nullable=False),
        pa.field("recorded_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("meta", pa.string(), nullable=False),
        pa.field("state", pa.string()),
        # Only where a state is no UTF-8, and `state` null for it: the archive loses no byte of a damaged row either.
        pa.field("state_bytes", pa.binary()),
    ]
)
REPEATED: Final = ["book", "topic", "meta"]
"""Columns with few different values, which a dictionary makes small."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def table_of(rows: Sequence[Recorded]) -> Any:
    """An Arrow table of some rows, at least one."""
    position, book, stream_id, version, topic, recorded_at, meta, state = zip(*rows, strict=True)
    texts = [_text(one) for one in state]
    columns = [
        position,
        book,
        list(map(str, stream_id)),
        version,
        topic,
        recorded_at,
        [msgspec.json.encode(one).decode() for one in meta],
        texts,
        [one if text is None else None for one, text in zip(state, texts, strict=True)],
    ]
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def rows_of(table: Any) -> list[Recorded]:
    """The rows of an Arrow table of SCHEMA, as the recorder gives them."""
    column = {name: table.column(name) for name in SCHEMA.names}
    states = [None if text is None else text.encode() for text in column["state"].to_pylist()]
    if None in states:
        other = column["state_bytes"].to_pylist()
        states = [raw if state is None else state for state, raw in zip(states, other, strict=True)]
    fields = zip(
        column["position"].to_pylist(),
        column["book"].to_pylist(),
        msgspec.convert(column["stream_id"].to_pylist(), list[UUID]),
        column["version"].to_pylist(),
        column["topic"].to_pylist(),
        [_EPOCH + micros * _MICROSECOND for micros in column["recorded_at"].cast(pa.int64()).to_pylist()],
        map(msgspec.json.decode, column["meta"].to_pylist()),
        states,
        strict=True,
    )
    return [Recorded._make(row) for row in fields]


def _text(state: bytes) -> str | None:
    try:
        return state.decode()
    except UnicodeDecodeError:
        return None
