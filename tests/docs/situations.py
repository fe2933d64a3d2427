"""What must have gone wrong before the commands of some pages make sense, made on the running copy itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
from psycopg import sql

from domain.payment_order import PaymentOrder
from eventlog.application import EventLog
from eventlog.postgres import PostgresRecorder
from tests.docs.blocks import fences, pages
from tests.docs.reader import Reader

APPEND = """
select log.append('{1}', array[%s]::uuid[], array[%s]::int[], array[%s], array[%s]::bytea[], '{1}', '{1}', '{"{}"}')
"""
PARKED = "select count(*) from views.parked where discarded is null and topic = 'payment-order.expired.v1'"
SELLER = "00000000-0000-4000-8000-000000000031"
SELLER_OF_NORWAY = "00000000-0000-4000-8000-000000000061"
VIEW = "norwegian_earnings"
VIEW_FILLED = """
select count(*) from views.builds
 where view = %s and position >= (select max(position) from log.events where topic = 'payment-order.captured.v1')
"""
PATIENCE_S = 20.0


@contextmanager
def events_are_parked(reader: Reader) -> Iterator[None]:
    """A stream waits for a view that is repaired by now, another will never fit."""
    order = _order("88888888-0000-4000-8000-000000000001", 500, "EUR")
    order.cancel(reason="asked", at=datetime.now(UTC))
    with _database(reader) as connection:
        _save(reader, order)
        seen = "select count(*) from views.payment_orders where stream_id = %s and status = 'cancelled'"
        _until(connection, seen, order.id)
        connection.execute("delete from views.payment_orders_v1 where stream_id = %s", [order.id])
        park = (
            "insert into views.parked (view, build, position, stream_id, topic, reason)"
            " select 'payment_orders', 1, position, stream_id, topic, case version when 1 then 'division by zero'"
            " else 'waits behind an earlier event of its stream' end from log.events where stream_id = %s"
        )
        connection.execute(park, [order.id])
    with a_view_parked_a_stream(reader):
        yield


@contextmanager
def a_view_parked_a_stream(reader: Reader) -> Iterator[None]:
    """Somebody wrote an event of an order that does not exist."""
    with _database(reader) as connection:
        _append(connection, UUID(int=time.time_ns()), 2, "payment-order.expired.v1")
        _until(connection, PARKED)
        yield
        connection.execute("update views.parked set discarded = 'a situation of a page' where discarded is null")


@contextmanager
def a_writer_is_stuck(reader: Reader) -> Iterator[None]:
    """A session declared itself a writer and went away without a word; somebody else has written since."""
    with psycopg.connect(reader.database_url, application_name="somebody") as stuck:
        stuck.execute("select log.open()")
        with _database(reader) as connection:
            _append(connection, UUID(int=time.time_ns()), 1, "demo.happened.v1")
        yield
        stuck.close()


@contextmanager
def a_rail_took_money_late(reader: Reader) -> Iterator[None]:
    """For one page on what waits then."""
    _taken_late(reader, "99999999-0000-4000-8000-000000000001", 7_700, "SEK", "au_late")
    yield


@contextmanager
def an_order_is_conflicted(reader: Reader) -> Iterator[None]:
    """The same in another currency, for another page on the order."""
    _taken_late(reader, "99999999-0000-4000-8000-000000000002", 8_800, "DKK", "au_late_2")
    yield


def _taken_late(reader: Reader, order_id: str, amount_minor: int, currency: str, reference: str) -> None:
    """Declined for good, and captured all the same."""
    order, now = _order(order_id, amount_minor, currency), datetime.now(UTC)
    order.start_attempt(rail="simulated", method="token", amount_minor=amount_minor, attempt_key=reference, at=now)
    order.decline(attempt=1, code="card_declined", decline_class="hard", at=now)
    order.capture(
        capture_id=order_id,
        attempt=1,
        amount_minor=amount_minor,
        currency=currency,
        rail_reference=reference,
        at=now,
    )
    _save(reader, order)
    waits = "select count(*) from views.trial_balance where address = 'suspense:psp' and currency = %s"
    listed = "select count(*) from views.payment_orders where order_id = %s and status = 'conflicted'"
    with _database(reader) as connection:
        _until(connection, waits, currency)
        _until(connection, listed, order_id)


@contextmanager
def an_outcome_is_unknown(reader: Reader) -> Iterator[None]:
    """The simulator fails at this amount, however often it is asked."""
    order_id = "77777777-0000-4000-8000-000000000001"
    body = {
        "amount_minor": 66_605,
        "currency": "EUR",
        "rail": "simulated",
        "payment_token": "tok_visa",
        "merchant_id": SELLER,
    }
    key = (reader.settings.home / "test-api-key").read_text(encoding="ascii").strip()
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": order_id}
    address = f"{reader.settings.api_url}/v1/payment-orders"
    httpx.post(address, json=body, headers=headers, trust_env=False).raise_for_status()
    with _database(reader) as connection:
        seen = "select count(*) from views.payment_orders where order_id = %s and status = 'unknown'"
        _until(connection, seen, order_id)
    yield


@contextmanager
def somebody_paid_without_a_reference(reader: Reader) -> Iterator[None]:
    """A transfer on our account at the simulator's bank that no order waits for."""
    body = {
        "creditor_iban": reader.settings.bank_iban,
        "amount_minor": 700,
        "currency": "EUR",
        "debtor_name": "Bert Example",
        "remittance": "for the shoes",
    }
    address = f"{reader.settings.simulator_url}/bank/v1/transfers"
    headers = {"Idempotency-Key": "without-a-reference"}
    httpx.post(address, json=body, headers=headers, trust_env=False).raise_for_status()
    yield


@contextmanager
def a_view_was_wrong(reader: Reader) -> Iterator[None]:
    """Payouts went by the first version of the view that the page shows; the processes have the second by now."""
    page = next(path for path in pages() if path.name == "correct-paid-out-amounts.md")
    text = next(text for _, language, _, text in fences(page) if language == "python")
    module = reader.directory / f"{VIEW}.py"
    _save(reader, _captured("66666666-0000-4000-8000-000000000001", 12_340, "NOK"))
    with _database(reader) as connection:
        module.write_text(f"{text}\nEARLIER, VIEW = (), WholeKroner()\n", encoding="utf-8")
        with _views_with(reader, VIEW):
            _until(connection, VIEW_FILLED, VIEW)
        module.write_text(text, encoding="utf-8")
        with _views_with(reader, VIEW):
            yield
        connection.execute(sql.SQL("drop view views.{}").format(sql.Identifier(VIEW)))
        tables = "select relname from pg_class where relkind = 'r' and relname like %s"
        for (name,) in connection.execute(tables, [f"{VIEW}%"]).fetchall():
            connection.execute(sql.SQL("drop table views.{}").format(sql.Identifier(name)))
        connection.execute("delete from views.builds where view = %s", [VIEW])


@contextmanager
def _views_with(reader: Reader, module: str) -> Iterator[None]:
    """Another process of the views, which knows a module that those of the copy were not started with."""
    search_path = os.pathsep.join((str(reader.directory), reader.environment["PYTHONPATH"]))
    environment = {**reader.environment, "DAYBOOK_VIEW_MODULES": module, "PYTHONPATH": search_path}
    words = [sys.executable, "-m", "daybook", "worker", "--role", "views", "--stop-with-parent"]
    with subprocess.Popen(words, env=environment, cwd=reader.directory, stdin=subprocess.PIPE) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


@contextmanager
def others_may_read_the_master_keys(reader: Reader) -> Iterator[None]:
    """Somebody pays whose name is known, and somebody has opened the file to all."""
    key = (reader.settings.home / "test-api-key").read_text(encoding="ascii").strip()
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "79797979-0000-4000-8000-000000000001"}
    body = {"amount_minor": 700, "currency": "EUR", "merchant_id": SELLER, "payer": {"name": "Bert Example"}}
    address = f"{reader.settings.api_url}/v1/payment-orders"
    httpx.post(address, json=body, headers=headers, trust_env=False).raise_for_status()
    reader.settings.master_keys_file.chmod(0o644)
    yield


def _captured(order_id: str, amount_minor: int, currency: str) -> PaymentOrder:
    """Ten percent is ours."""
    now = datetime.now(UTC)
    order = PaymentOrder.create(
        book=1, order_id=order_id, merchant_id=SELLER_OF_NORWAY, amount_minor=amount_minor, currency=currency,
        commission_bps=1_000, expires_at=now + timedelta(days=1), at=now,
    )  # fmt: skip
    order.start_attempt(rail="simulated", method="token", amount_minor=amount_minor, attempt_key=order_id, at=now)
    order.capture(
        capture_id=order_id, attempt=1, amount_minor=amount_minor, currency=currency, rail_reference="au_1", at=now
    )
    return order


def _order(order_id: str, amount_minor: int, currency: str) -> PaymentOrder:
    """Without a rail: nobody is called for it."""
    now = datetime.now(UTC)
    return PaymentOrder.create(
        book=1,
        order_id=order_id,
        merchant_id=SELLER,
        amount_minor=amount_minor,
        currency=currency,
        expires_at=now + timedelta(days=1),
        at=now,
    )


def _save(reader: Reader, order: PaymentOrder) -> None:
    log = EventLog(PostgresRecorder(reader.database_url))
    try:
        log.save(order, book=1)
    finally:
        log.close()


def _append(connection: psycopg.Connection[Any], stream: UUID, version: int, topic: str) -> None:
    state = b'{"timestamp": "2026-01-01T00:00:00Z"}'
    connection.execute(APPEND, [stream, version, topic, state])


def _database(reader: Reader) -> psycopg.Connection[Any]:
    return psycopg.connect(reader.database_url, autocommit=True)


def _until(connection: psycopg.Connection[Any], query: str, *parameters: object) -> None:
    """Ask until something is counted."""
    deadline = time.monotonic() + PATIENCE_S
    while (connection.execute(query, parameters).fetchone() or (0,))[0] == 0:
        assert time.monotonic() < deadline, f"nothing was counted in time: {query}"
        time.sleep(0.02)


SITUATIONS: dict[str, Callable[[Reader], AbstractContextManager[None]]] = {
    "how-to/correct-paid-out-amounts.md": a_view_was_wrong,
    "how-to/parked-events.md": events_are_parked,
    "how-to/rebuild-a-view.md": a_view_parked_a_stream,
    "operating/view-parked.md": a_view_parked_a_stream,
    "operating/verify-findings.md": a_view_parked_a_stream,
    "operating/horizon-stalls.md": a_writer_is_stuck,
    "operating/suspense.md": a_rail_took_money_late,
    "operating/conflicted.md": an_order_is_conflicted,
    "operating/outcome-unknown.md": an_outcome_is_unknown,
    "operating/unclaimed-money.md": somebody_paid_without_a_reference,
    "operating/keys-unavailable.md": others_may_read_the_master_keys,
}
"""By page, below docs/."""
