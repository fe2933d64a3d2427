"""A hold whose time has run out ends by itself: event, view, timer, engine, event."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import UUID

from payments.due import DueEntry, DuePoller
from projections.queries import Queries
from projections.registry import views
from replay.machine import ViewMachine
from tests.api.ledger import lines, numbers, ok, problem, send, two_wallets
from tests.api.support import Shop, SystemClock


def test_a_hold_expires_by_the_due_view_and_its_money_is_available_again(live: Shop, database_url: str) -> None:
    bank, alice = two_wallets(live)
    soon = datetime.now(UTC) + timedelta(milliseconds=300)
    body = {"lines": lines(alice, bank, 600), "expires_at": soon.isoformat()}
    hold = ok(send(live, "POST", "/v1/holds", body))["hold_id"]
    later = {**body, "lines": lines(alice, bank, 100), "expires_at": (soon + timedelta(hours=1)).isoformat()}
    ok(send(live, "POST", "/v1/holds", later))
    recorder = live.services.log.log_recorder
    decode = live.services.log.log_mapper.decode
    machine = ViewMachine(database_url, recorder, recorder.horizon, decode, [views()["due"]])
    queries = Queries(recorder.readers.read)  # type: ignore[union-attr]

    def due(now: datetime, limit: int, _after: DueEntry | None = None) -> list[DueEntry]:
        rows = queries.due(now, limit)
        return [DueEntry(row["book"], row["stream_id"], row["kind"], row["key"], row["due_at"]) for row in rows]

    poller = DuePoller(live.services.log, due, SystemClock(), lambda *_: False, live.services.ledger)
    ended = 0
    with closing(machine):
        for _ in range(200):
            machine.run_once()
            ended = poller.poll()
            if ended:
                break
            threading.Event().wait(0.05)
    assert ended == 1
    assert numbers(live, alice) == (1_000, 100, 900)
    assert ok(send(live, "GET", f"/v1/holds/{hold}"))["state"] == "expired"
    problem(send(live, "POST", f"/v1/holds/{hold}/commit", {}), 422, "hold_not_pending")
    again = DueEntry(1, UUID(hold), "hold-expiry", hold, soon)  # a view that lags behind shows it still
    late = DuePoller(live.services.log, lambda *_: [again], SystemClock(), lambda *_: False, live.services.ledger)
    assert late.poll() == 0
    assert numbers(live, alice) == (1_000, 100, 900)
