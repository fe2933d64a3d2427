"""A tailing follower misses, doubles and inverts nothing, whatever the writers do; a naive one fails the same test."""

from __future__ import annotations

import random
import threading
import uuid
from typing import Any

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from eventlog.append import APPEND, Command, arguments
from eventlog.connections import connect
from eventlog.follower import Follower
from eventlog.postgres import READ_UNTIL, PostgresRecorder
from eventlog.recorded import Recorded

WRITERS = 10
ROUNDS = {"short": 120, "long": 4000}
SLOW_COMMIT = "select pg_sleep(%s)"


def append_some(connection: psycopg.Connection[Any], streams: list[uuid.UUID], version: int) -> None:
    events = [StoredEvent(stream, version, "test.done.v1", b"{}") for stream in streams]
    connection.execute(APPEND, arguments([Command(events, 1)]), binary=True)


class Writer(threading.Thread):
    """Commits plainly, slowly, after a savepoint was undone, or not at all; and loses its connection now and then."""

    def __init__(self, url: str, seed: int, rounds: int) -> None:
        super().__init__()
        self._url, self._random, self._rounds = url, random.Random(seed), rounds
        self.acknowledged: list[tuple[uuid.UUID, int]] = []

    def run(self) -> None:
        connection = connect(self._url)
        for _ in range(self._rounds):
            streams = [uuid.UUID(int=self._random.getrandbits(128)) for _ in range(self._random.choice([1, 2, 5]))]
            try:
                self._transact(connection, streams)
            except (psycopg.OperationalError, psycopg.Rollback):  # a Rollback that met a dead session escapes
                connection.close()
                connection = connect(self._url)
        connection.close()

    def _transact(self, connection: psycopg.Connection[Any], streams: list[uuid.UUID]) -> None:
        kind = self._random.random()
        if kind < 0.5:
            append_some(connection, streams, 1)
        elif kind < 0.95:
            with connection.transaction():
                connection.execute("select log.open()")
                connection.execute(SLOW_COMMIT, [self._random.random() * 0.01])
                append_some(connection, streams, 1)
                with connection.transaction():
                    append_some(connection, [uuid.uuid4()], 1)
                    raise psycopg.Rollback
                append_some(connection, streams, 2)
                connection.execute(SLOW_COMMIT, [self._random.random() * 0.01])
        else:
            with connection.transaction():
                append_some(connection, [uuid.uuid4()], 1)
                raise psycopg.Rollback
            return
        self.acknowledged += [(stream, 1) for stream in streams]


class Tail(threading.Thread):
    """Reads until it is told that the writers are done and nothing more comes."""

    def __init__(self, next_batch: Any, done: threading.Event) -> None:
        super().__init__()
        self._next_batch, self._done = next_batch, done
        self.seen: list[Recorded] = []

    def run(self) -> None:
        while True:
            finished = self._done.is_set()
            batch = self._next_batch()
            self.seen += batch
            if finished and not batch:
                return


def naive(recorder: PostgresRecorder) -> Any:
    """The reader everybody writes first: whatever has a higher id than the last one seen."""
    position = 0

    def next_batch() -> list[Recorded]:
        nonlocal position
        with recorder.readers.connection() as connection:
            parameters = [position, 2**62, None, None, None, None, 1000]
            rows = connection.execute(READ_UNTIL, parameters, binary=True).fetchall()
        position = rows[-1][0] if rows else position
        return [Recorded._make(row) for row in rows]

    return next_batch


def kill_writers(url: str, done: threading.Event, seed: int) -> None:
    """Ends a random writer's session every so often, as an operator or a network would."""
    rng = random.Random(seed)
    with psycopg.connect(url, autocommit=True) as admin:
        while not done.wait(0.15):
            found = admin.execute(
                "select pid from pg_stat_activity where query ~ 'log.append|pg_sleep' and pid <> pg_backend_pid()"
                " and datname = current_database() and query !~ 'pg_stat_activity'"
            ).fetchall()
            if found:
                admin.execute("select pg_terminate_backend(%s)", [rng.choice(found)[0]])


@pytest.mark.parametrize("rounds", ["short", pytest.param("long", marks=pytest.mark.long)])
def test_followers_see_every_event_once_and_in_order_where_the_naive_reader_does_not(
    database_url: str, rounds: str
) -> None:
    recorder = PostgresRecorder(database_url)
    done = threading.Event()
    foreign = psycopg.connect(database_url)  # a write transaction of somebody else, open for the whole run
    foreign.execute("create table foreign_work (n int)")
    follower = Follower(recorder, recorder.horizon, limit=500)
    tails = [Tail(lambda: follower.next_batch(0.3), done), Tail(naive(recorder), done)]
    writers = [Writer(database_url, seed, ROUNDS[rounds]) for seed in range(WRITERS)]
    killer = threading.Thread(target=kill_writers, args=(database_url, done, 1))
    for thread in [*tails, *writers, killer]:
        thread.start()
    for writer in writers:
        writer.join()
    done.set()
    for thread in [*tails, killer]:
        thread.join()
    foreign.rollback()
    foreign.close()
    truth = [row.position for row in recorder.read(0, 10_000_000)]
    stored = {(row.stream_id, row.version) for row in recorder.read(0, 10_000_000)}
    recorder.close()
    horizon_bound, naively = ([row.position for row in tail.seen] for tail in tails)
    assert len(truth) > WRITERS * ROUNDS[rounds]
    assert horizon_bound == truth, f"missed {len(set(truth) - set(horizon_bound))}"
    versions: dict[uuid.UUID, int] = {}
    for row in tails[0].seen:
        assert row.version == versions.get(row.stream_id, 0) + 1, "a stream's events came in the wrong order"
        versions[row.stream_id] = row.version
    assert all(set(writer.acknowledged) <= stored for writer in writers), "an acknowledged event is gone"
    assert set(truth) - set(naively), "the naive reader should have missed events: the attack is too weak"


def test_the_horizon_takes_no_snapshot_of_its_own(database_url: str) -> None:
    """A volatile horizon takes a younger snapshot than the statement that uses it, and loses events."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute("select provolatile from pg_proc where oid = 'log.horizon'::regproc").fetchone()
    assert row == ("s",)


def test_the_application_cannot_change_or_delete_history(database_url: str) -> None:
    recorder = PostgresRecorder(database_url)
    recorder.insert_events([StoredEvent(uuid.uuid4(), 1, "test.done.v1", b"{}")])
    recorder.close()
    for statement in (
        "update log.events set state = ''",
        "delete from log.events",
        "truncate log.events",
        "insert into log.events values (1, 1, gen_random_uuid(), 1, 't', now(), '{}', '')",
    ):
        with connect(database_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
