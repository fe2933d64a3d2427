"""Reads from the log what an explanation is made of, up to a position; another book's events do not exist for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from domain.wallet import WalletAccount
from eventlog.mapper import LogMapper
from eventlog.recorded import Recorded
from projections.queries.reading import Reader
from replay.explain.told import Told
from replay.unreadable import read

NUMBERS = (WalletAccount.Posted.TOPIC, WalletAccount.Held.TOPIC)
_ROWS = """
select position, book, stream_id, version, topic, recorded_at, meta, state from log.events
 where book = %(book)s and position <= %(as_of)s
"""
STREAM = _ROWS + " and stream_id = %(stream)s order by version"
NEWEST = _ROWS + " and stream_id = %(stream)s and topic = any(%(topics)s) order by version desc limit %(limit)s"
OTHERS = _ROWS + " and stream_id = %(stream)s and topic <> all(%(topics)s) order by version"
BEGINNINGS = _ROWS + " and stream_id = any(%(streams)s) and version = 1"
PLACES = _ROWS + " and position = any(%(positions)s)"
COUNT = """
select count(*) as entries from log.events
 where book = %(book)s and stream_id = %(stream)s and topic = any(%(topics)s) and position < %(before)s
"""


class History:
    """The log of one book as it was at a position, for one explanation.

    What it is asked for raises EventUnreadable where a row of it is damaged.
    """

    def __init__(self, reader: Reader, mapper: LogMapper, book: int, as_of: int) -> None:
        """`reader` runs questions on connections of the caller's pool."""
        self._reader, self._mapper = reader, mapper
        self.book, self.as_of = book, as_of

    def stream(self, stream_id: UUID) -> list[Told]:
        """All events of a stream, oldest first; none for a stream of another book, or of a later time."""
        return self._told(STREAM, stream=stream_id)

    def newest_numbers(self, wallet_id: UUID, limit: int) -> list[Told]:
        """The newest events of a wallet that changed its numbers, newest first."""
        return self._told(NEWEST, stream=wallet_id, topics=list(NUMBERS), limit=limit)

    def older_numbers(self, wallet_id: UUID, before: int) -> int:
        """How many events of a wallet changed its numbers before a position."""
        parameters = {"book": self.book, "stream": wallet_id, "topics": list(NUMBERS), "before": before}
        return int(self._reader.rows(COUNT, parameters)[0]["entries"])

    def other_changes(self, wallet_id: UUID) -> list[Told]:
        """The events of a wallet that changed no number: its opening, limits, freezing and closing, notes."""
        return self._told(OTHERS, stream=wallet_id, topics=list(NUMBERS))

    def beginnings(self, streams: Iterable[UUID]) -> dict[UUID, Told]:
        """The first event of each stream that there is."""
        return {told.row.stream_id: told for told in self._told(BEGINNINGS, streams=list(set(streams)))}

    def places(self, positions: Iterable[int]) -> dict[int, Told]:
        """The events at these positions."""
        return {told.row.position: told for told in self._told(PLACES, positions=list(set(positions)))}

    def _told(self, query: str, **parameters: Any) -> list[Told]:
        parameters |= {"book": self.book, "as_of": self.as_of}
        rows = [Recorded(**row) for row in self._reader.rows(query, parameters, shown=False)]
        return [Told(row, read(self._mapper.decode, row)) for row in rows]
