"""Rebuilds a view into a shadow beside the live build, while traffic goes on; a killed rebuild goes on where it was.

Passes over the log get shorter until hardly anything is left; then the machine that keeps views up takes over.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

import domain  # noqa: F401 - a worker process reads events of topics that only this names
from eventlog.connections import connect
from eventlog.postgres import PostgresRecorder
from projections.view import View
from replay import builds, parked, replays, scopes, tables, workers
from replay.alone import alone
from replay.builds import Build
from replay.fill import EventRefused
from replay.pages import PAGE_EVENTS
from replay.part import BATCH_EVENTS, FillOptions
from replay.progress import Progress, progress
from replay.replays import Replay

HANDOVER_EVENTS = 5_000
"""A pass that read fewer has all but caught up: the rest is two or three batches of the machine."""
WORKERS_MAX = 64
MERGE_ROWS = 10_000
LAST = "select coalesce(max(position), 0) from log.events where position < (select log.horizon())"
SIDE_BY_SIDE_EVENTS = 50_000
"""Fewer are read by one worker, part after part, before others would have started."""
COMING = """
select count(*) from (
    select 1 from log.events
     where position > (select min(position) from views.replay_parts where replay_id = %s) and position <= %s limit %s) e
"""
HAND_OVER = """
update views.builds set state = %s, position = %s, updated_at = clock_timestamp() where view = %s and build = %s
"""
LOOK_S = 0.2

Heard = Callable[[Progress], None]


class PositionAhead(ValueError):
    """The log has not come so far; a build as of then would be none."""


@dataclass(frozen=True)
class Wanted:
    """What to rebuild, and how. `as_of` makes a build of the past that is never swapped in; `scope` rebuilds only the
    rows of a `wallet` or a `merchant` and takes the others from the live build; `park` sets streams aside that the view
    cannot take, instead of failing; `fresh` begins anew although an earlier rebuild could be resumed; `archive` is the
    directory of an archive of this log, whose events are read from there and not from the database."""

    view: View
    workers: int = 1
    as_of: int | None = None
    scope: dict[str, str] = field(default_factory=dict)
    park: bool = False
    fresh: bool = False
    archive: Path | None = None
    batch_events: int = BATCH_EVENTS
    page_events: int = PAGE_EVENTS
    side_by_side_events: int = SIDE_BY_SIDE_EVENTS

    @property
    def options(self) -> FillOptions:
        """What each worker is told."""
        return FillOptions(self.park, self.batch_events, self.page_events, self.archive)


def rebuild(database_url: str, wanted: Wanted, heard: Heard = lambda _: None) -> Progress:
    """Fills a new build, or goes on with one that was cut off, and hands it to the machine.

    Raises alone.AlreadyRebuilding, PositionAhead, scopes.ScopeRefused, NoSuchBuild, EventRefused, WorkerLost, of an
    archive ArchiveDamaged and ArchiveDiffers, and what the database raises; in all cases the live build is untouched,
    and what was filled is kept unless the view refused it. One that was begun with `park`, and has set streams aside,
    is not gone on with otherwise: that is an EventRefused too, and what was filled is kept.
    """
    if wanted.archive is not None:
        _check_archive(database_url, wanted.archive, wanted.scope)
    with connect(database_url) as connection, alone(connection, wanted.view.name):
        replay = _begun(connection, wanted)
        try:
            _fill(connection, database_url, wanted, replay, heard)
        except EventRefused as refused:
            with connection.transaction():
                replays.set_state(connection, replay.replay_id, "failed", str(refused), refused.position)
                replays.discard(connection, replay.build)
            raise
        (told,) = progress(connection, replay.replay_id)
        heard(told)
        return told


def _check_archive(database_url: str, directory: Path, scope: dict[str, str]) -> None:
    """Before anything is begun: whether the archive's files are of this log, and hold what every view needs."""
    from replay.archive.errors import ArchiveDiffers
    from replay.archive.manifest import check_same_log, load

    if scope:
        raise scopes.ScopeRefused("--archive: the events of one wallet or merchant are read from the log; leave it out")
    manifest = load(directory)
    if manifest.book is not None:
        raise ArchiveDiffers(
            f"{directory} holds book {manifest.book} alone, and views are filled from all books: export without --book"
        )
    recorder = PostgresRecorder(database_url)
    try:
        check_same_log(manifest, recorder, directory)
    finally:
        recorder.close()


def last_position(connection: psycopg.Connection[Any]) -> int:
    """The last position that can be read now."""
    row = connection.execute(LAST).fetchone()
    return int(row[0]) if row else 0


def _begun(connection: psycopg.Connection[Any], wanted: Wanted) -> Replay:
    """The rebuild to go on with, or a new one. Without the code of the live build there would be nothing to hold it
    against, and no swap: that is said before an hour of filling."""
    if wanted.as_of is None:
        builds.find(connection, wanted.view.name, "live")
    last = last_position(connection)
    if wanted.as_of is not None and not 0 <= wanted.as_of <= last:
        raise PositionAhead(f"--as-of: the log has come to position {last}, not yet to {wanted.as_of}")
    if wanted.scope:
        return scopes.begin(connection, wanted.view, wanted.scope)
    cut_off = None if wanted.fresh or wanted.as_of is not None else replays.unfinished(connection, wanted.view)
    if cut_off is not None and not cut_off.scope:
        if not wanted.park:
            _check_none_aside(connection, cut_off.build)
        replays.resume(connection, cut_off)
        return cut_off
    with connection.transaction():
        replays.give_up(connection, wanted.view)
        build = builds.create(connection, wanted.view, "filling")
        if wanted.as_of is None:
            parked.carry(connection, build)
            return replays.begin(connection, build, last, wanted.workers, {})
        parked.carry(connection, build, wanted.as_of, whole=True)
        return replays.begin(connection, build, wanted.as_of, wanted.workers, {"as_of": str(wanted.as_of)})


def _check_none_aside(connection: psycopg.Connection[Any], build: Build) -> None:
    """Who does not say --park is not given a build without some streams in silence. Raises EventRefused."""
    if not (held := parked.held(connection, build)):
        return
    first, stream_id = min((position, stream_id) for stream_id, position in held.items())
    refused = parked.listed(connection, build.view.name, stream_id, build=build.number)[0]
    raise EventRefused(
        f"the rebuild that was cut off, {build.name}, has set {len(held)} streams aside: view {build.view.name} cannot"
        f" take {refused.topic} at position {first} of stream {stream_id}: {refused.reason}; go on with it with"
        " --park, or correct the view and begin anew with --fresh",
        first,
    )


def _fill(connection: psycopg.Connection[Any], database_url: str, wanted: Wanted, replay: Replay, heard: Heard) -> None:
    """Pass after pass; the indexes are made after the first, which is the long one."""
    until = replay.until
    past = wanted.as_of is not None
    events = _pass(connection, database_url, wanted, replay, until, heard)
    replays.set_state(connection, replay.replay_id, "finishing")
    _merge(connection, replay)
    builds.add_indexes(connection, replay.build)
    while not (past or replay.scope or events < HANDOVER_EVENTS):
        until = last_position(connection)
        replays.set_until(connection, replay.replay_id, until)
        events = _pass(connection, database_url, wanted, replay, until, heard)
        _merge(connection, replay)
    with connection.transaction():
        connection.execute(HAND_OVER, ["past" if past else "shadow", until, *replay.build.key])
        replays.drop_parts(connection, replay.replay_id, replay.build)
        replays.set_state(connection, replay.replay_id, "done")


def _merge(connection: psycopg.Connection[Any], replay: Replay) -> None:
    """Rows that parts made in tables of their own become the build's; the server brings those of one key together, so
    that no more than a batch of them is in memory."""
    build, view = replay.build, replay.build.view
    relations = [part.build.table for part in replay.parts if part.build.relation != build.relation]
    if not relations:
        return
    columns = list(view.columns)
    key_of = itemgetter(*view.key)
    of_parts = " union all ".join(f"select {', '.join(columns)} from {relation}" for relation in relations)
    with connection.transaction(), connection.cursor("replay_merge", row_factory=dict_row) as found:
        connection.execute(sql.SQL("truncate {}").format(sql.Identifier("views", build.relation)))
        found.itersize = MERGE_ROWS
        found.execute(f"{of_parts} order by {', '.join(view.key)}")
        merged = (reduce(view.merged, rows) for _, rows in groupby(found, key_of))
        while batch := list(islice(merged, MERGE_ROWS)):
            tables.write(connection, build, {tuple(row[column] for column in view.key): row for row in batch})


def _pass(
    connection: psycopg.Connection[Any], url: str, wanted: Wanted, replay: Replay, until: int, heard: Heard
) -> int:
    """Every part up to `until`, side by side if that is worth it. Answers the events read."""
    before = _events(connection, replay)
    coming = connection.execute(COMING, [replay.replay_id, until, wanted.side_by_side_events]).fetchone()
    side_by_side = bool(coming and coming[0] >= wanted.side_by_side_events)
    with _heard(url, replay.replay_id, heard):
        workers.fill(url, replay.parts, until, wanted.options, side_by_side=side_by_side)
    return _events(connection, replay) - before


def _events(connection: psycopg.Connection[Any], replay: Replay) -> int:
    return progress(connection, replay.replay_id)[0].events


@contextlib.contextmanager
def _heard(url: str, replay_id: UUID, heard: Heard) -> Iterator[None]:
    """Tells about a rebuild while a block works on it."""
    ended = threading.Event()

    def tell() -> None:
        with connect(url) as connection:
            while not ended.wait(LOOK_S):
                heard(progress(connection, replay_id)[0])

    teller = threading.Thread(target=tell, name="replay-progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
