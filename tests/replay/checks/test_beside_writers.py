"""A pass beside writers at work finds nothing: what is under way is neither missing nor different."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from domain.payment_order import PaymentOrder
from eventlog.application import EventLog
from eventlog.postgres import PostgresRecorder
from ledger.wire import Transfer
from projections.registry import views
from replay.machine import ViewMachine
from tests.ledger.engines import RunningEngine
from tests.replay.checks.history import ALICE, BOB, SELLERS
from tests.replay.checks.verifying import report_of

PASSES = 6


def _pay(log: EventLog, number: int) -> None:
    at = datetime.now(UTC)
    order = PaymentOrder.create(
        book=1, order_id=str(UUID(int=5_000 + number)), merchant_id=SELLERS[0], amount_minor=100, currency="EUR", at=at
    )
    order.start_attempt(rail="recorded", method="card", amount_minor=100, attempt_key="k", at=at)
    order.capture(capture_id=order.order_id, attempt=1, amount_minor=100, currency="EUR", rail_reference="r", at=at)
    log.save(order, book=1)


def test_a_pass_beside_engine_views_and_checkout_finds_nothing(sound: str, tmp_path: Path) -> None:
    log = EventLog(PostgresRecorder(sound))
    recorder = log.log_recorder
    machine = ViewMachine(sound, recorder, recorder.horizon, log.log_mapper.decode, list(views().values()))
    done = threading.Event()

    def write(engine: RunningEngine) -> None:
        number = 0
        while not done.is_set():
            number += 1
            _pay(log, number)
            there, back = (ALICE, BOB) if number % 2 else (BOB, ALICE)
            engine.ask(
                Transfer(book=1, key=f"n{number}", source=there, destination=back, currency="EUR", amount_minor=1)
            )

    with RunningEngine(sound, tmp_path / "engine.sock") as engine:
        threads = [threading.Thread(target=write, args=[engine]), threading.Thread(target=machine.run, args=[done])]
        for thread in threads:
            thread.start()
        try:
            reports = [report_of(sound) for _ in range(PASSES)]
        finally:
            done.set()
            for thread in threads:
                thread.join()
    log.close()
    assert [result for report in reports for result in report.results if result.count] == []
    assert reports[-1].events > reports[0].events
