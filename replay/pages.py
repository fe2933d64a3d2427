"""Where a fill has its events from: pages of the log, of one part of its streams, in the order of the log.

An archive gives the same pages (`replay/archive/pages.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import psycopg

from eventlog.recorded import Recorded
from projections.view import View

PAGE_EVENTS = 20_000
_COLUMNS = "e.position, e.book, e.stream_id, e.version, e.topic, e.recorded_at, e.state"
_RANGE = "e.position > %(after)s and e.position <= %(until)s and e.topic = any(%(topics)s)"
# What SQL, and an archive without SQL (`Share.endings`), both have at hand: ids of streams are hashes of names, so that
# their last bytes are spread evenly.
_PART = " and get_byte(uuid_send(e.stream_id), 15) %% %(parts)s = %(part)s"
READ = f"select {_COLUMNS} from log.events e where {_RANGE}{{part}} order by e.position limit %(limit)s"
# Of the events that supersede each other only the last of each stream leaves the server: 20 times fewer, where wallets
# are busy. Its first two columns say how many events the page is about and where it ends.
READ_LATEST = f"""
with page as materialized (
    select e.position, e.stream_id, e.topic = any(%(supersedes)s) as superseded from log.events e
     where {_RANGE}{{part}} order by e.position limit %(limit)s
), wanted as (
    select position from page where not superseded
    union all select max(position) from page where superseded group by stream_id
)
select (select count(*) from page), (select max(position) from page), {_COLUMNS}
  from wanted w join log.events e on e.position = w.position order by e.position
"""
READ_STREAMS = f"""
select s.* from unnest(%(streams)s::uuid[]) u(id)
 cross join lateral (select {_COLUMNS} from log.events e where e.stream_id = u.id and {_RANGE}) s
 order by s.position limit %(limit)s
"""


class Page(NamedTuple):
    """`events` were read, and with them all that there is up to the position `reached`; `rows` are those of them that
    are to be folded, without their metadata."""

    events: int
    reached: int
    rows: list[Recorded]


class Share(NamedTuple):
    """What one worker reads: events that a view wants, of the streams of part `number` of `parts`, or of exactly
    `streams`."""

    view: View
    number: int = 0
    parts: int = 1
    streams: tuple[UUID, ...] | None = None

    @property
    def endings(self) -> tuple[str, ...]:
        """How the ids of the part's streams end, in text; none where there is one part. The same rule as `_PART`."""
        return tuple(f"{byte:02x}" for byte in range(self.number, 256, self.parts)) if self.parts > 1 else ()


class Pages(Protocol):
    """`limit` is the most events that one page is about."""

    @property
    def limit(self) -> int: ...

    def page(self, after: int, until: int, *, every: bool) -> Page:
        """What comes after a position, up to another one at most; with `every` also events that a later one of their
        stream makes superfluous for the view."""
        ...


class LogPages:
    """Pages by SQL. For one thread at a time."""

    def __init__(self, connection: psycopg.Connection[Any], share: Share, limit: int) -> None:
        self._connection, self._share = connection, share
        self.limit = limit

    def page(self, after: int, until: int, *, every: bool) -> Page:
        """Raises what the database raises."""
        share, view = self._share, self._share.view
        latest = bool(view.supersedes) and share.streams is None and not every
        query = READ_STREAMS if share.streams is not None else READ_LATEST if latest else READ
        parameters = {
            "after": after, "until": until, "topics": list(view.topics), "supersedes": list(view.supersedes),
            "limit": self.limit, "parts": share.parts, "part": share.number,
            "streams": None if share.streams is None else list(share.streams),
        }  # fmt: skip
        query = query.replace("{part}", _PART if share.parts > 1 else "")
        rows = self._connection.execute(query, parameters, prepare=True, binary=True).fetchall()
        if not latest:
            return _page(len(rows), rows[-1][0] if rows else after, until, self.limit, list(map(_recorded, rows)))
        events, last = rows[0][:2] if rows else (0, after)
        return _page(events, last, until, self.limit, [_recorded(row[2:]) for row in rows])


def _page(events: int, last: int, until: int, limit: int, rows: list[Recorded]) -> Page:
    """A page that is not full is the last one: nothing more stands up to `until`."""
    return Page(events, last if events == limit else until, rows)


def _recorded(row: Sequence[Any]) -> Recorded:
    position, book, stream_id, version, topic, recorded_at, state = row
    return Recorded(position, book, stream_id, version, topic, recorded_at, {}, state)
