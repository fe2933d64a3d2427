"""A history with something of everything in it, made by the real engine: what checks must find nothing in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from daybook.clock import SystemClock
from domain.adjustment import AdjustmentLine
from domain.ids import stream_id, wallet_stream_id
from domain.payment_order import PaymentOrder
from domain.splitting import Split
from eventlog.application import EventLog
from eventlog.postgres import PostgresRecorder
from eventlog.recorded import Meta
from ledger.adjustments import Adjustments, Proposal
from ledger.wire import (
    ChangeWallet,
    ClosePeriod,
    CommitHold,
    CreateMonitor,
    OpenWallet,
    PlaceHold,
    Post,
    PostLine,
    Reply,
    Revert,
    SetMetadata,
    Transfer,
    VoidHold,
)
from payments.checkout import Checkout
from payments.commands import OpenBook
from projections.registry import views
from replay.machine import ViewMachine
from tests.ledger.engines import RunningEngine

AT = datetime.now(UTC) - timedelta(days=2)
CASH = wallet_stream_id(1, "bank:main:cash", "EUR")
ALICE = wallet_stream_id(1, "wallet:alice", "EUR")
BOB = wallet_stream_id(1, "wallet:bob", "EUR")
CAROL = wallet_stream_id(1, "wallet:carol", "EUR")
"""Overdrawn by 50 within a limit of 100; was frozen between her two movements."""
SELLERS = (str(UUID(int=11)), str(UUID(int=12)), str(UUID(int=13)))
"""The account of the last one is closed."""
PAID = str(UUID(int=101))
"""Paid on the recorded rail, shared by two sellers, funds released."""
HELD = str(UUID(int=102))
"""Authorised at a rail, captured in part, the rest voided."""
LATE = str(UUID(int=103))
"""Declined, and captured by the rail all the same."""
SHORT = str(UUID(int=104))
"""Paid on the recorded rail with 40 less than was due."""
TOO_LATE = str(UUID(int=105))
"""Captured in a period that is closed, for a seller whose account is closed."""
RETURNED = str(UUID(int=106))
"""Taken in two parts: one went back whole and for a fee, after its funds were released, the other in part."""
CONFIRMED = str(UUID(int=107))
"""Declined for a reason of the rail's own; asked again, the rail still says no."""
TRANSFER = stream_id(1, "posting", "transfer/rent")
HOLD = stream_id(1, "posting", "hold/booking")
REVERTED = stream_id(1, "posting", "posting/refundable")


def order_stream(order_id: str) -> UUID:
    """The stream of an order of book 1."""
    return stream_id(1, "payment-order", order_id)


def make(database_url: str, directory: Path) -> None:
    """Write it, and wait until the engine has posted every fact."""
    log = EventLog(PostgresRecorder(database_url))
    Checkout(log, SystemClock()).open_book(OpenBook(book=1, name="demo", commission_bps=1_000))
    _orders(log)
    _adjustment(log)
    with RunningEngine(database_url, directory / "engine.sock") as engine:
        _requests(engine)
        _late_fact(log)
        _wait_for_facts(engine, log)
    _fill_views(log, database_url)
    log.close()


def _fill_views(log: EventLog, database_url: str) -> None:
    recorder = log.log_recorder
    every = list(views().values())
    machine = ViewMachine(database_url, recorder, recorder.horizon, log.log_mapper.decode, every)
    machine.catch_up()
    machine.close()


def _requests(engine: RunningEngine) -> None:
    def asked(request: object, status: str) -> Reply:
        reply = engine.ask(request)  # type: ignore[arg-type]
        assert reply.status == status, reply
        return reply

    def opened(address: str, limit: int | None) -> None:
        asked(OpenWallet(book=1, key=address, address=address, currency="EUR", overdraft_limit_minor=limit), "opened")

    def lines(amount: int) -> tuple[PostLine, PostLine]:
        return PostLine(CASH, "EUR", amount), PostLine(ALICE, "EUR", -amount)

    opened("bank:main:cash", None)
    opened("wallet:alice", 100)
    opened("wallet:bob", 0)
    opened("wallet:carol", 100)
    closed = f"merchant:{SELLERS[2]}:pending"
    opened(closed, 0)
    asked(Post(book=1, key="salary", lines=lines(10_000), effective_at=AT, metadata={"note": "march"}), "posted")
    transfer = {"source": ALICE, "destination": BOB, "currency": "EUR", "amount_minor": 1_000}
    asked(Transfer(book=1, key="rent", **transfer, reference="rent-march"), "posted")  # type: ignore[arg-type]
    taken = (PostLine(ALICE, "EUR", 600), PostLine(BOB, "EUR", -600))
    hold = asked(PlaceHold(book=1, key="booking", lines=taken, reference="room-7"), "held").posting_id
    assert hold == HOLD
    asked(CommitHold(book=1, key="first", hold_id=hold, amount_minor=200, final=False), "committed")
    asked(CommitHold(book=1, key="last", hold_id=hold, amount_minor=100, final=True), "committed")
    second = asked(PlaceHold(book=1, key="second", lines=taken), "held").posting_id
    assert second is not None
    asked(VoidHold(book=1, key="given-up", hold_id=second), "voided")
    asked(PlaceHold(book=1, key="open", lines=taken, expires_at=datetime.now(UTC) + timedelta(days=1)), "held")
    asked(Post(book=1, key="refundable", lines=lines(500)), "posted")
    asked(Revert(book=1, key="half", posting_id=REVERTED, amount_minor=200), "reverted")
    asked(Transfer(book=1, key="too-much", **{**transfer, "amount_minor": 10**9}), "refused")  # type: ignore[arg-type]
    asked(ChangeWallet(book=1, key="freeze", wallet_id=BOB, change="freeze", reason="asked for"), "changed")
    asked(ChangeWallet(book=1, key="unfreeze", wallet_id=BOB, change="unfreeze", reason="asked for"), "changed")
    asked(ChangeWallet(book=1, key="limit", wallet_id=ALICE, change="limit", overdraft_limit_minor=50), "changed")
    rest = {"source": CAROL, "destination": ALICE, "currency": "EUR"}
    asked(Post(book=1, key="gift", lines=(PostLine(CASH, "EUR", 500), PostLine(CAROL, "EUR", -500))), "posted")
    asked(ChangeWallet(book=1, key="stop", wallet_id=CAROL, change="freeze", reason="asked for"), "changed")
    asked(ChangeWallet(book=1, key="go", wallet_id=CAROL, change="unfreeze", reason="asked for"), "changed")
    wallet_id = wallet_stream_id(1, closed, "EUR")
    asked(ChangeWallet(book=1, key="shut", wallet_id=wallet_id, change="close", reason="gone"), "changed")
    watch = {"wallet_id": BOB, "measure": "posted", "threshold_minor": 5_000}
    asked(CreateMonitor(book=1, key="watch", **watch), "created")  # type: ignore[arg-type]
    asked(SetMetadata(book=1, key="note", target="wallet", target_id=BOB, changes={"tier": "gold"}), "changed")
    asked(ClosePeriod(book=1, key="close", through=(AT - timedelta(days=1)).date()), "closed")
    overdraft = Transfer(book=1, key="overdraft", amount_minor=550, effective_at=AT, **rest)  # type: ignore[arg-type]
    asked(overdraft, "posted")


def _orders(log: EventLog) -> None:
    paid = _order(PAID, 1_001, [Split(SELLERS[0], 667), Split(SELLERS[1], 334)])
    paid.start_attempt(rail="recorded", method="card", amount_minor=1_001, attempt_key="1", at=AT)
    paid.capture(capture_id=PAID, attempt=1, amount_minor=1_001, currency="EUR", rail_reference="r1", at=AT)
    paid.release_funds(capture_id=PAID, at=AT + timedelta(hours=1))
    held = _order(HELD, 2_000, [])
    held.start_attempt(rail="simulated", method="token", amount_minor=2_000, attempt_key="2", at=AT)
    held.authorize(attempt=1, amount_minor=2_000, currency="EUR", rail_reference="r2", at=AT)
    held.request_capture(capture_id=HELD, amount_minor=1_500, final=False, at=AT)
    held.capture(
        capture_id=HELD, attempt=1, amount_minor=1_500, currency="EUR", rail_reference="r2", at=AT, cost_minor=9
    )
    held.void(attempt=1, at=AT)
    late = _order(LATE, 700, [])
    late.start_attempt(rail="simulated", method="token", amount_minor=700, attempt_key="3", at=AT)
    late.decline(attempt=1, code="card_declined", decline_class="hard", at=AT)
    late.capture(capture_id=LATE, attempt=1, amount_minor=700, currency="EUR", rail_reference="r3", at=AT)
    short = _order(SHORT, 500, [])
    short.start_attempt(rail="recorded", method="card", amount_minor=460, attempt_key="4", at=AT)
    short.capture(capture_id=SHORT, attempt=1, amount_minor=460, currency="EUR", rail_reference="r4", at=AT)
    for order in (paid, held, late, short, *_decided_before()):
        log.save(order, book=1, meta=Meta(actor="key:demo", correlation=f"request-{order.order_id[-3:]}", code="1.0"))


def _decided_before() -> tuple[PaymentOrder, PaymentOrder]:
    """Orders that something was learnt of after the outcome."""
    back = _order(RETURNED, 900, [Split(SELLERS[0], 600), Split(str(UUID(int=14)), 300)])
    back.start_attempt(rail="transfers", method="bank_transfer", amount_minor=900, attempt_key="6", at=AT)
    taken = {"attempt": 1, "currency": "EUR", "rail_reference": "r6", "at": AT}
    back.capture(capture_id=RETURNED, amount_minor=500, **taken)  # type: ignore[arg-type]
    rest = str(UUID(int=1_060))
    back.capture(capture_id=rest, amount_minor=400, **taken)  # type: ignore[arg-type]
    back.release_funds(capture_id=RETURNED, at=AT)
    word = {"reason": "MD06", "at": AT, "effective_at": AT}
    back.return_payment(capture_id=RETURNED, amount_minor=507, booking_key="b1", **word)  # type: ignore[arg-type]
    back.return_payment(capture_id=rest, amount_minor=101, booking_key="b2", **word)  # type: ignore[arg-type]
    confirmed = _order(CONFIRMED, 300, [])
    confirmed.start_attempt(rail="simulated", method="token", amount_minor=300, attempt_key="7", at=AT)
    confirmed.decline(attempt=1, code="issuer_unavailable", decline_class="soft", at=AT)
    confirmed.confirm_decline(attempt=1, asked=True, at=AT + timedelta(hours=1))
    return back, confirmed


def _late_fact(log: EventLog) -> None:
    order = _order(TOO_LATE, 300, [Split(SELLERS[2], 300)])
    order.start_attempt(rail="recorded", method="card", amount_minor=300, attempt_key="5", at=AT)
    reported = AT - timedelta(days=9)
    taken = {"capture_id": TOO_LATE, "attempt": 1, "amount_minor": 300, "currency": "EUR", "rail_reference": "r5"}
    order.capture(**taken, at=AT, effective_at=reported)  # type: ignore[arg-type]
    log.save(order, book=1)


def _order(order_id: str, amount_minor: int, splits: list[Split]) -> PaymentOrder:
    return PaymentOrder.create(
        book=1, order_id=order_id, merchant_id=SELLERS[0], amount_minor=amount_minor, currency="EUR", splits=splits,
        commission_bps=1_000, at=AT,
    )  # fmt: skip


def _adjustment(log: EventLog) -> None:
    adjustments = Adjustments(log, SystemClock())
    lines = [AdjustmentLine("exp:writeoff", "EUR", 5), AdjustmentLine("suspense:psp", "EUR", -5)]
    key = str(UUID(int=201))
    adjustments.propose(Proposal(1, key, lines, "rounding", "ann", "print"))
    adjustments.approve(1, key, "bob")


def _wait_for_facts(engine: RunningEngine, log: EventLog) -> None:
    last = stream_id(1, "posting", f"payment-order/{order_stream(TOO_LATE)}/3")
    for _ in range(2_000):
        if log.log_recorder.select_events(last):
            return
        engine.client.ping(book=1)
    message = "the engine does not post the last fact"
    raise AssertionError(message)
