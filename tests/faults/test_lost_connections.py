"""A connection that goes away in the middle loses nothing, doubles nothing and is not mistaken for a conflict."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent, Tracking

import eventlog.group_commit as group_commit
from eventlog.append import append
from eventlog.errors import FenceLost, LogUnavailable, WriterAlreadyRunning
from eventlog.fenced import FencedRecorder
from eventlog.follower import Follower
from eventlog.postgres import PostgresRecorder


def event(stream: uuid.UUID, version: int = 1, state: bytes = b"{}") -> StoredEvent:
    return StoredEvent(stream, version, "test.done.v1", state)


def end_all_sessions(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )


def test_a_commit_whose_answer_was_lost_is_recognised_as_ours(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = PostgresRecorder(database_url)
    lost = iter([True])

    def append_and_lose_the_answer(connection: psycopg.Connection[Any], commands: Any, tracking: Any = None) -> Any:
        outcomes = append(connection, commands, tracking)
        if next(lost, False):
            connection.close()
            message = "server closed the connection unexpectedly"
            raise psycopg.OperationalError(message)
        return outcomes

    monkeypatch.setattr(group_commit, "append", append_and_lose_the_answer)
    stream = uuid.uuid4()
    assert recorder.insert_events([event(stream, 1, b'{"mine": 1}')]) is not None
    with pytest.raises(IntegrityError):
        recorder.insert_events([event(stream, 1, b'{"theirs": 1}')])
    assert len(recorder.read(0, 10)) == 1
    recorder.close()


def test_writers_and_followers_go_on_after_all_their_sessions_were_ended(database_url: str) -> None:
    recorder = PostgresRecorder(database_url)
    follower = Follower(recorder, recorder.horizon)
    streams = [uuid.uuid4() for _ in range(300)]
    threads = [
        threading.Thread(target=lambda part: [recorder.insert_events([event(s)]) for s in part], args=(streams[n::6],))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    seen = []
    while len(seen) < 100:
        seen += follower.next_batch(5)
    end_all_sessions(database_url)
    for thread in threads:
        thread.join()
    end_all_sessions(database_url)
    while len(seen) < len(streams):
        batch = follower.next_batch(30)
        assert batch, "the follower never came back"
        seen += batch
    assert sorted(row.stream_id for row in seen) == sorted(streams)
    recorder.close()


def test_a_tracking_position_whose_session_ended_is_said_to_be_in_doubt(database_url: str) -> None:
    recorder = PostgresRecorder(database_url)
    recorder.insert_tracking(Tracking("payments", 5))
    end_all_sessions(database_url)
    moved, doubts = False, 0
    while not moved:  # each dead session of the pool is met once
        try:
            recorder.insert_tracking(Tracking("payments", 6))
            moved = True
        except LogUnavailable:
            doubts += 1
    assert doubts
    assert recorder.max_tracking_id("payments") == 6
    recorder.close()


def test_only_the_holder_of_a_book_s_lock_can_write_it(database_url: str) -> None:
    first, second = FencedRecorder(database_url, [1]), FencedRecorder(database_url, [1])
    first.acquire()
    with pytest.raises(WriterAlreadyRunning):
        second.acquire()
    with pytest.raises(FenceLost):
        second.insert_events([event(uuid.uuid4())])
    with pytest.raises(FenceLost):
        first.insert_events([event(uuid.uuid4())], book=2)
    first.insert_events([event(uuid.uuid4())])
    first.advance(Tracking("engine/1", 7))
    first.advance(Tracking("engine/1", 5))
    assert first.max_tracking_id("engine/1") == 7
    end_all_sessions(database_url)
    with pytest.raises(FenceLost):
        first.insert_events([event(uuid.uuid4())])
    second.acquire()
    assert second.insert_events([event(uuid.uuid4())])
    with pytest.raises(WriterAlreadyRunning):
        first.acquire()
    assert len(second.read(0, 10)) == 2
    first.close()
    second.close()
