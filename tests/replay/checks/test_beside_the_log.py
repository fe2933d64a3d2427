"""What checks know beside the log: the engine's position, its snapshots, and streams that they let go of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from domain.ids import stream_id
from domain.payment_order import PaymentOrder
from eventlog.application import EventLog
from eventlog.postgres import PostgresRecorder
from replay.checks import orders
from replay.verify import KEPT_FINDINGS
from tests.ledger.engines import RunningEngine
from tests.replay.checks.history import ALICE, BOB, CAROL, PAID, order_stream
from tests.replay.checks.test_planted_faults import a_fact_was_never_posted
from tests.replay.checks.verifying import findings_of, report_of, spoil

SNAPSHOT = "update log.wallet_snapshots set state = state || %s::jsonb where stream_id = %s"
AT = datetime(2026, 1, 1, tzinfo=UTC)


def _capture(url: str, number: int, book: int = 1) -> None:
    """A fact that no engine is there to post."""
    order = PaymentOrder.create(
        book=book,
        order_id=str(UUID(int=number)),
        merchant_id=str(UUID(int=11)),
        amount_minor=100,
        currency="EUR",
        at=AT,
    )
    order.start_attempt(rail="recorded", method="card", amount_minor=100, attempt_key="k", at=AT)
    order.capture(capture_id=order.order_id, attempt=1, amount_minor=100, currency="EUR", rail_reference="r", at=AT)
    log = EventLog(PostgresRecorder(url))
    log.save(order, book=book)
    log.close()


def test_a_fact_that_the_engine_has_not_come_to_is_not_missing(spoilt: str) -> None:
    _capture(spoilt, 901)
    assert findings_of(spoilt) == {}
    spoil(spoilt, "update log.tracking set position = (select max(position) from log.events) where name = 'engine/1'")
    (finding,) = findings_of(spoilt)["facts"]
    assert (finding.topic, finding.expected, finding.found) == ("payment-order.captured.v1", 100, 0)
    assert finding.stream_id == order_stream(str(UUID(int=901)))


def test_a_fact_that_was_passed_over_is_missing_though_the_engines_position_is_gone(spoilt: str) -> None:
    """Later facts of the book are posted."""
    a_fact_was_never_posted(spoilt)
    spoil(spoilt, "delete from log.tracking where name = 'engine/1'")
    (finding,) = findings_of(spoilt)["facts"]
    assert (finding.topic, finding.found) == ("payment-order.funds-released.v1", 0)


def test_a_fact_of_a_book_that_no_engine_has_read_is_missing_when_it_waits_for_long(spoilt: str) -> None:
    _capture(spoilt, 901, book=3)
    assert findings_of(spoilt) == {}
    spoil(spoilt, "update log.events set recorded_at = recorded_at - interval '2 hours' where book = 3")
    (finding,) = findings_of(spoilt)["facts"]
    assert (finding.book, finding.expected, finding.found) == (3, 100, 0)
    assert finding.problem.endswith("no engine has read the facts of its book")
    spoil(spoilt, "insert into log.tracking values ('engine/3', 1)")
    assert findings_of(spoilt) == {}, "an engine is on its way"


def test_a_fact_that_was_missed_is_posted_when_the_engine_is_set_back(spoilt: str, tmp_path: Path) -> None:
    """As the runbook says; what was posted before stays as it is."""
    _capture(spoilt, 901)
    spoil(spoilt, "update log.tracking set position = (select max(position) from log.events) where name = 'engine/1'")
    (finding,) = findings_of(spoilt)["facts"]
    assert finding.position is not None
    spoil(spoilt, "update log.tracking set position = %s where name = 'engine/1'", 0)
    recorder = PostgresRecorder(spoilt)
    with RunningEngine(spoilt, tmp_path / "engine.sock") as engine:
        posting = stream_id(1, "posting", f"payment-order/{finding.stream_id}/3")
        for _ in range(2_000):
            if recorder.select_events(posting):
                break
            engine.client.ping(book=1)
    recorder.close()
    assert findings_of(spoilt) == {}


def test_a_fact_whose_posting_lies_behind_the_end_is_not_missing(spoilt: str) -> None:
    with psycopg.connect(spoilt) as connection:
        query = "select position from log.events where topic = 'adjustment.approved.v1'"
        row = connection.execute(query).fetchone()
    assert row is not None
    assert findings_of(spoilt, until=row[0]) == {}


@pytest.mark.parametrize(
    ("changes", "expected", "found"),
    [({"posted": -7}, 50, -7), ({"frozen": True}, "False", "True"), ({"overdraft_limit_minor": None}, 100, None)],
)
def test_a_snapshot_that_its_wallet_does_not_fold_to_is_found(
    sound: str, changes: dict[str, object], expected: object, found: object
) -> None:
    spoil(sound, SNAPSHOT, json.dumps(changes), CAROL)
    report = findings_of(sound)
    assert list(report) == ["snapshots"]
    (finding,) = report["snapshots"]
    assert (finding.stream_id, finding.expected, finding.found) == (CAROL, expected, found)


def test_a_snapshot_that_was_left_behind_is_found(sound: str) -> None:
    """Its wallet has moved since, and an engine would take it over."""
    spoil(sound, "update log.wallet_snapshots set version = version - 1 where stream_id = %s", BOB)
    assert [finding.stream_id for finding in findings_of(sound)["snapshots"]] == [BOB]


def test_a_snapshot_of_no_wallet_and_a_wrong_count_are_found(sound: str) -> None:
    spoil(sound, "update log.wallet_snapshots set stream_id = %s where stream_id = %s", UUID(int=1), ALICE)
    (finding,) = findings_of(sound)["snapshots"]
    assert "never opened" in finding.problem
    spoil(sound, "delete from log.wallet_snapshots where stream_id = %s", UUID(int=1))
    assert findings_of(sound) == {}, "the count says that rows are missing, so the engine folds the log"
    count = stream_id(1, "engine", "wallet-count")
    spoil(sound, "update log.wallet_snapshots set state = jsonb_build_object('wallets',"
          " (state ->> 'wallets')::int - 1) where stream_id = %s", count)  # fmt: skip
    (finding,) = findings_of(sound)["snapshots"]
    assert isinstance(finding.expected, int)
    assert finding.expected - 1 == finding.found


def test_an_order_that_was_let_go_of_is_folded_anew(spoilt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(
        spoilt,
        "insert into log.events (position, book, stream_id, version, topic, meta, state)"
        " select max(position) + 1, 1, %s, 5, 'payment-order.expired.v1', '{}', %s from log.events",
        order_stream(PAID),
        b'{"timestamp": "2026-01-01T00:00:00Z"}',
    )
    kept = findings_of(spoilt, "orders")
    monkeypatch.setattr(orders, "KEPT", 1)
    assert findings_of(spoilt, "orders") == kept
    assert len(kept["orders"]) == 1


def test_findings_are_counted_beyond_those_that_are_told(spoilt: str) -> None:
    spoil(
        spoilt,
        "insert into log.events (position, book, stream_id, version, topic, meta, state)"
        " select max(position) + n, 1, gen_random_uuid(), 1, 'demo.happened.v1', '{}', '{}'"
        " from log.events, generate_series(1, %s) n group by n",
        KEPT_FINDINGS + 5,
    )
    (result,) = [result for result in report_of(spoilt).results if result.count]
    assert (result.check, result.count, len(result.findings)) == ("readable", KEPT_FINDINGS + 5, KEPT_FINDINGS)
