"""The library's own conformance cases, run against both recorders, and what they do not ask for."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from eventsourcing.persistence import IntegrityError, Notification, ProcessRecorder, StoredEvent, Tracking
from eventsourcing.tests import persistence as library

from eventlog.follower import Follower
from eventlog.memory import MemoryRecorder
from eventlog.postgres import PostgresRecorder
from eventlog.recorded import Meta

Recorder = PostgresRecorder | MemoryRecorder


class RelativeIds(ProcessRecorder):
    """Restates positions as 1, 2, 3...: the library's cases ask for those numbers, the log promises only their order.

    Position p is restated as the rank of p among the readable events. What was read once is not read again: should
    an event ever appear below, it has no rank and its case fails.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._known: list[int] = []
        self._reading = threading.Lock()

    def _positions(self) -> list[int]:
        with self._reading:
            last = self._known[-1] if self._known else 0
            self._known += [row.position for row in self._recorder.read(last, 1_000_000)]
            return list(self._known)

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        positions = self._recorder.insert_events(stored_events, **kwargs)
        ranks = {position: rank for rank, position in enumerate(self._positions(), 1)}
        return None if positions is None else [ranks[position] for position in positions]

    def select_events(self, *args: Any, **kwargs: Any) -> Sequence[StoredEvent]:
        return self._recorder.select_events(*args, **kwargs)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        positions = self._positions()

        def position(rank: int) -> int:
            if rank <= 0:
                return 0
            return positions[rank - 1] if rank <= len(positions) else 2**62

        found = self._recorder.select_notifications(
            position(start or 0),
            limit,
            None if stop is None else position(stop),
            topics,
            inclusive_of_start=inclusive_of_start,
        )
        ranks = {p: rank for rank, p in enumerate(self._positions(), 1)}
        return [Notification(n.originator_id, n.originator_version, n.topic, n.state, ranks[n.id]) for n in found]

    def max_notification_id(self) -> int | None:
        return len(self._positions()) or None

    def insert_tracking(self, tracking: Tracking) -> None:
        self._recorder.insert_tracking(tracking)

    def max_tracking_id(self, application_name: str) -> int | None:
        return self._recorder.max_tracking_id(application_name)

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Any:
        after = 0 if not gt else self._positions()[gt - 1]
        return self._recorder.subscribe(after, topics)


@pytest.fixture(params=["postgres", "memory"])
def recorder(request: pytest.FixtureRequest) -> Iterator[Recorder]:
    made: Recorder = (
        PostgresRecorder(request.getfixturevalue("database_url")) if request.param == "postgres" else MemoryRecorder()
    )
    yield made
    made.close()


class WithoutIds(RelativeIds):
    """An aggregate recorder has no application sequence, so its cases want no ids at all."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        super().insert_events(stored_events, **kwargs)
        return None


def _library_tests(case: type) -> list[str]:
    return sorted(name for name in dir(case) if name.startswith("test_"))


@pytest.mark.parametrize(
    ("case", "test"),
    [
        (case, test)
        for case in (
            library.AggregateRecorderTestCase,
            library.ApplicationRecorderTestCase,
            library.TrackingRecorderTestCase,
            library.ProcessRecorderTestCase,
            library.NonInterleavingNotificationIDsBaseCase,
        )
        for test in _library_tests(case)
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_the_library_s_conformance_case_passes(recorder: Recorder, case: type, test: str) -> None:
    adapter = WithoutIds if case is library.AggregateRecorderTestCase else RelativeIds

    class Case(case):  # type: ignore[misc]
        insert_num = 200
        EXPECT_CONTIGUOUS_NOTIFICATION_IDS = True

        def create_recorder(self) -> Any:
            return adapter(recorder)

        def runTest(self) -> None:  # noqa: N802 - unittest's name
            getattr(self, test)()

    instance = Case()
    instance.setUp()
    try:
        instance.runTest()
    finally:
        instance.doCleanups()
        instance.tearDown()


def event(stream: uuid.UUID, version: int = 1, state: bytes = b"{}", topic: str = "test.done.v1") -> StoredEvent:
    return StoredEvent(stream, version, topic, state)


def test_a_command_s_events_are_stored_together_or_not_at_all(recorder: Recorder) -> None:
    fresh, taken = uuid.uuid4(), uuid.uuid4()
    recorder.insert_events([event(taken)])
    with pytest.raises(IntegrityError):
        recorder.insert_events([event(fresh), event(taken)])
    assert not recorder.select_events(fresh)
    assert recorder.insert_events([event(fresh), event(taken, 2)]) is not None


def test_rows_keep_their_book_and_the_reason_of_each_event(recorder: Recorder) -> None:
    stream = uuid.uuid4()
    why = [Meta(correlation="a", actor="key_1"), Meta(correlation="b", rule="capture.v1")]
    recorder.insert_events([event(stream, 1), event(stream, 2)], book=7, meta=why)
    rows = recorder.read(0, 10, books=[7])
    kept = [{"correlation": "a", "actor": "key_1"}, {"correlation": "b", "rule": "capture.v1"}]
    assert [row.meta for row in rows] == kept
    assert {row.book for row in rows} == {7}
    assert recorder.read(0, 10, books=[8]) == []


def test_a_refused_tracking_position_takes_its_events_with_it(recorder: Recorder) -> None:
    stream = uuid.uuid4()
    recorder.insert_events([event(uuid.uuid4())], Tracking("engine/1", 5))
    with pytest.raises(IntegrityError):
        recorder.insert_events([event(stream)], Tracking("engine/1", 5))
    assert not recorder.select_events(stream)
    assert recorder.max_tracking_id("engine/1") == 5


def test_of_many_racing_for_one_version_exactly_one_wins_and_bystanders_are_not_disturbed(recorder: Recorder) -> None:
    contested = uuid.uuid4()
    bystanders = [uuid.uuid4() for _ in range(20)]
    won: list[int] = []
    lost: list[int] = []
    failed: list[BaseException] = []

    def contend(number: int) -> None:
        try:
            recorder.insert_events([event(contested, 1, str(number).encode()), event(uuid.uuid4())])
            won.append(number)
        except IntegrityError:
            lost.append(number)

    def bystand(stream: uuid.UUID) -> None:
        try:
            recorder.insert_events([event(stream)])
        except BaseException as problem:  # noqa: BLE001 - the test reports it
            failed.append(problem)

    threads = [threading.Thread(target=contend, args=(n,)) for n in range(20)]
    threads += [threading.Thread(target=bystand, args=(s,)) for s in bystanders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost), failed) == (1, 19, [])
    assert [stored.state for stored in recorder.select_events(contested)] == [str(won[0]).encode()]
    assert len(recorder.read(0, 1000)) == 2 + len(bystanders)


def test_a_follower_delivers_everything_once_in_order_and_passes_over_what_it_filters(recorder: Recorder) -> None:
    for number in range(25):
        recorder.insert_events([event(uuid.uuid4(), topic="test.odd.v1" if number % 2 else "test.even.v1")])
    everything = Follower(recorder, recorder.horizon, limit=10)
    seen = []
    while batch := everything.next_batch(0.5):
        seen += batch
    assert [row.position for row in seen] == [row.position for row in recorder.read(0, 100)]
    nothing = Follower(recorder, recorder.horizon, topics=["test.never.v1"])
    assert nothing.next_batch(0.5) == []
    assert nothing.position == seen[-1].position


def test_a_waiting_follower_is_woken_by_another_s_commit(recorder: Recorder) -> None:
    follower = Follower(recorder, recorder.horizon)
    got: list[Any] = []
    waiting = threading.Thread(target=lambda: got.extend(follower.next_batch(30)))
    waiting.start()
    recorder.insert_events([event(uuid.uuid4())])
    waiting.join(30)
    assert len(got) == 1
