"""Orders, wallets and postings for tests, and one event of every class: the source of the golden files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from domain import (
    Adjustment,
    AdjustmentLine,
    Book,
    Claim,
    Instrument,
    Line,
    Merchant,
    Monitor,
    PaymentOrder,
    Period,
    Posting,
    Sealed,
    Split,
    Subject,
    WalletAccount,
)
from domain.ids import wallet_stream_id

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ORDER = "00000000-0000-0000-0000-0000000000a1"
SELLER_1 = "00000000-0000-0000-0000-000000000001"
SELLER_2 = "00000000-0000-0000-0000-000000000002"
CAPTURE = "00000000-0000-0000-0000-0000000000c1"
CAPTURE_2 = "00000000-0000-0000-0000-0000000000c2"
SUBJECT = "00000000-0000-0000-0000-0000000000e1"
TOKEN = "tok_visa"  # noqa: S105 - names a card, opens nothing
ADJUSTMENT = "00000000-0000-0000-0000-0000000000d1"

Step = Callable[[Any], object]


def an_order(**changes: Any) -> PaymentOrder:
    """An order of EUR 100.00 of one merchant, 10 % commission, unless told otherwise."""
    wanted: dict[str, Any] = {
        "book": 1,
        "order_id": ORDER,
        "merchant_id": SELLER_1,
        "amount_minor": 10_000,
        "currency": "EUR",
        "commission_bps": 1_000,
        "capture_mode": "manual",
        "expires_at": LATER,
        "at": NOW,
    }
    return PaymentOrder.create(**(wanted | changes))


def a_split_order(*amounts: int, **changes: Any) -> PaymentOrder:
    """An order split over sellers 1, 2, ... by these amounts."""
    splits = [Split(f"00000000-0000-0000-0000-{number:012d}", amount) for number, amount in enumerate(amounts, 1)]
    return an_order(merchant_id=None, splits=splits, amount_minor=sum(amounts), **changes)


def started(amount_minor: int = 10_000, rail: str = "simulator", **more: Any) -> Step:
    """An attempt begins."""
    return lambda order: order.start_attempt(
        rail=rail, method="card", amount_minor=amount_minor, attempt_key="key-1", at=NOW, **more
    )


def authorized(amount_minor: int = 10_000, attempt: int = 1, currency: str = "EUR") -> Step:
    """The rail holds the money."""
    return lambda order: order.authorize(
        attempt=attempt,
        amount_minor=amount_minor,
        currency=currency,
        rail_reference="auth-1",
        capture_before=LATER,
        at=NOW,
    )


def capture_requested(
    amount_minor: int, capture_id: str = CAPTURE, *, final: bool = True, fingerprint: str = ""
) -> Step:
    """Someone asks for money."""
    return lambda order: order.request_capture(
        capture_id=capture_id, amount_minor=amount_minor, final=final, fingerprint=fingerprint, at=NOW
    )


def captured(amount_minor: int, capture_id: str = CAPTURE, attempt: int = 1, **more: Any) -> Step:
    """The rail took money."""
    facts = {"currency": "EUR", "rail_reference": "cap-1"} | more
    return lambda order: order.capture(
        capture_id=capture_id, attempt=attempt, amount_minor=amount_minor, at=NOW, **facts
    )


def declined(decline_class: str = "soft", attempt: int = 1) -> Step:
    """The rail said no."""
    return lambda order: order.decline(attempt=attempt, code="do_not_honour", decline_class=decline_class, at=NOW)


def in_doubt(operation: str = "authorise") -> Step:
    """No usable answer came."""
    return lambda order: order.mark_unknown(attempt=1, operation=operation, reason="timeout", at=NOW)


def resolved() -> Step:
    """Evidence came."""
    return lambda order: order.resolve(attempt=1, source="inquiry", evidence={"status": "captured"}, at=NOW)


def action_required(attempt: int = 1) -> Step:
    """The payer must do something."""
    return lambda order: order.require_action(
        attempt=attempt,
        rail_reference="act-1",
        url="https://rail.example/3ds",
        instructions={},
        expires_at=LATER,
        at=NOW,
    )


def pending(attempt: int = 1) -> Step:
    """The rail will tell later."""
    return lambda order: order.mark_pending(attempt=attempt, rail_reference="pen-1", expected_by=LATER, at=NOW)


def inquired(answer: str = "not_found") -> Step:
    """The rail could not tell."""
    return lambda order: order.record_inquiry(attempt=1, answer=answer, reason="no trace", next_at=LATER, at=NOW)


def not_received() -> Step:
    """The rail never had it."""
    return lambda order: order.not_received(attempt=1, evidence={"not_sent": "connection refused"}, at=NOW)


def deferred() -> Step:
    """Nobody can be asked now."""
    return lambda order: order.defer(rail="simulated", reason="held to be down", at=NOW)


def escalated() -> Step:
    """Asking has not helped."""
    return lambda order: order.escalate(attempt=1, at=LATER)


def late_voided() -> Step:
    """What was held too late was given back."""
    return lambda order: order.void_late_success(attempt=1, rail_reference="auth-1", amount_minor=10_000, at=NOW)


def sealed(letter: str) -> Sealed:
    """A sealed field; what is in it makes no difference to an aggregate."""
    return Sealed(SUBJECT, "k" * 22, letter * 16, letter * 40)


def payer_given() -> Step:
    """Somebody says who pays; there is no IBAN."""
    return lambda order: order.give_payer(
        subject=SUBJECT, name=sealed("n"), email=sealed("e"), iban=None, fingerprint="f" * 64, at=NOW
    )


def mandate_given() -> Step:
    """They have signed for a direct debit."""
    return lambda order: order.give_mandate(reference=sealed("r"), signed_on=sealed("s"), at=NOW)


def method_chosen() -> Step:
    """The order is paid by direct debit."""
    return lambda order: order.choose_method(method="direct_debit", return_url="https://shop.example/3", at=NOW)


def returned(order: PaymentOrder) -> None:
    """The capture's money went back, and the bank took a fee of three euros on top."""
    (capture_id,) = order.captures
    order.return_payment(
        capture_id=capture_id, amount_minor=order.captured_minor + 300, reason="MD06", booking_key="b-1", at=NOW,
        effective_at=NOW,
    )  # fmt: skip


def _after(aggregate: Any, *steps: Step) -> list[Any]:
    for step in steps:
        step(aggregate)
    return list(aggregate.collect_events())


def an_instrument(payment_token: str = TOKEN) -> Instrument:
    """A card that is known, and was not declined yet."""
    return Instrument.register(book=1, payment_token=payment_token, at=NOW)


def card_declined(code: str = "do_not_honour", decline_class: str = "soft", at: datetime = NOW) -> Step:
    """Its issuer said no."""
    return lambda card: card.decline(code=code, decline_class=decline_class, order_id=ORDER, at=at)


def two_lines(amount_minor: int = 500) -> list[Line]:
    """From Alice's wallet to Bob's."""
    return [
        Line(wallet_stream_id(1, "wallet:alice", "EUR"), "wallet:alice", "EUR", amount_minor),
        Line(wallet_stream_id(1, "wallet:bob", "EUR"), "wallet:bob", "EUR", -amount_minor),
    ]


def a_movement(lines: list[Line] | None = None, **changes: Any) -> Posting:
    """500 from Alice to Bob, unless told otherwise."""
    wanted: dict[str, Any] = {
        "book": 1,
        "reference": "ref-1",
        "rule": "transfer.v1",
        "lines": two_lines() if lines is None else lines,
        "effective_at": NOW,
        "at": NOW,
        "metadata": {"note": "rent"},
        "fingerprint": "f1",
    }
    return Posting.record(**(wanted | changes))


def a_refusal() -> Posting:
    """The same, turned down."""
    return Posting.refuse(
        book=1,
        reference="ref-2",
        rule="transfer.v1",
        code="insufficient_funds",
        detail="wallet:alice has too little",
        lines=two_lines(),
        at=NOW,
        fingerprint="f2",
    )


def a_hold(lines: list[Line] | None = None, **changes: Any) -> Posting:
    """500 of Alice's reserved for Bob for an hour, unless told otherwise."""
    wanted: dict[str, Any] = {
        "book": 1,
        "reference": "ref-3",
        "rule": "hold.v1",
        "lines": two_lines() if lines is None else lines,
        "effective_at": NOW,
        "at": NOW,
        "metadata": {"note": "deposit"},
        "fingerprint": "f3",
        "external_reference": "booking-7",
        "expires_at": LATER,
    }
    return Posting.place_hold(**(wanted | changes))


def a_wallet(**changes: Any) -> WalletAccount:
    """Alice's wallet in EUR."""
    wanted: dict[str, Any] = {"book": 1, "address": "wallet:alice:main", "currency": "EUR", "at": NOW}
    return WalletAccount.open(**(wanted | changes))


def an_adjustment(**changes: Any) -> Adjustment:
    """Ann proposes to write EUR 1.00 of a rail's clearing account off."""
    wanted: dict[str, Any] = {
        "book": 1,
        "adjustment_id": ADJUSTMENT,
        "lines": [
            AdjustmentLine("exp:writeoff", "EUR", 100),
            AdjustmentLine("psp:simulator:clearing", "EUR", -100),
        ],
        "reason": "the rail confirmed that it never took this",
        "by": "ann",
        "at": NOW,
        "metadata": {"ticket": "12"},
        "fingerprint": "f4",
    }
    return Adjustment.propose(**(wanted | changes))


def a_monitor(**changes: Any) -> Monitor:
    """Tells when Alice's wallet has less than EUR 10.00 available."""
    wanted: dict[str, Any] = {
        "book": 1,
        "key": "key-1",
        "wallet_id": a_wallet().id,
        "measure": "available",
        "threshold_minor": 1_000,
        "reference": "low-1",
        "at": NOW,
    }
    return Monitor.create(**(wanted | changes))


def _wallet_histories(posting_id: UUID) -> list[list[Any]]:
    wallet = WalletAccount.open(book=1, address="wallet:alice", currency="EUR", at=NOW)
    return [
        _after(
            wallet,
            lambda w: w.post(posting_id=posting_id, line=0, amount_minor=0, effective_at=NOW, at=NOW),
            lambda w: w.close(reason="moved out", at=NOW),
            lambda w: w.reopen(reason="moved in", at=NOW),
            lambda w: w.hold(posting_id=posting_id, line=0, held_minor=500, at=NOW),
            lambda w: w.freeze(reason="lost card", at=NOW),
            lambda w: w.unfreeze(reason="card found", at=NOW),
            lambda w: w.change_limit(10_000, at=NOW),
            lambda w: w.change_metadata({"tier": "gold", "old": None}, at=NOW),
            lambda w: w.change_metadata({"tier": None, "since": "2026"}, at=NOW),
        )
    ]


def _posting_histories(posting: Posting) -> list[list[Any]]:
    return [
        _after(
            posting,
            lambda p: p.revert(by=a_hold().id, amount_minor=200, at=LATER),
            lambda p: p.change_metadata({"note": None, "invoice": "9"}, at=LATER),
        ),
        _after(a_refusal()),
        _after(
            a_hold(),
            lambda h: h.commit_hold(posting_id=posting.id, amount_minor=300, final=False, at=NOW),
            lambda h: h.void_hold(at=NOW),
        ),
        _after(a_hold(), lambda h: h.expire_hold(at=LATER)),
    ]


def _other_histories() -> list[list[Any]]:
    return [
        _after(an_instrument(), card_declined()),
        _after(Claim.make(book=1, reference="booking-7", posting_id=a_hold().id, at=NOW)),
        _after(Period.close_first(book=1, through=date(2026, 10, 31), at=NOW)),
        _after(
            a_monitor(),
            lambda m: m.cross(balance_minor=999, wallet_version=7, at=NOW),
            lambda m: m.remove(at=LATER),
        ),
        _after(an_adjustment(), lambda a: a.approve(by="bob", at=LATER)),
        _after(an_adjustment(), lambda a: a.reject(by="bob", reason="not ours", at=LATER)),
        _after(Subject.erase(book=1, subject=SUBJECT, key_id="k" * 22, at=NOW)),
    ]


def one_of_each() -> dict[str, Any]:
    """One event of every class by topic, made by the commands that make them in life."""
    posting = a_movement()
    held = (started(), authorized())
    histories = [
        _after(Book.open(book=1, name="Shop", commission_bps=1_000, at=NOW)),
        _after(Merchant.register(book=1, merchant_id=SELLER_1, reference="m-1", at=NOW)),
        _after(an_order(), *held, lambda o: o.expire_authorization(attempt=1, at=LATER)),
        _after(
            an_order(), *held, lambda o: o.request_void(reason="asked", at=NOW), lambda o: o.void(attempt=1, at=NOW)
        ),
        _after(
            an_order(), *held, capture_requested(4_000), lambda o: o.fail_capture(capture_id=CAPTURE, code="x", at=NOW)
        ),
        _after(
            an_order(),
            started(),
            lambda o: o.decline(attempt=1, code="issuer_unavailable", decline_class="soft", at=NOW),
            lambda o: o.confirm_decline(attempt=1, asked=True, at=LATER),
        ),
        _after(an_order(), started(), in_doubt(), resolved(), declined()),
        _after(an_order(), lambda o: o.cancel(reason="asked", at=NOW)),
        _after(an_order(), lambda o: o.expire(at=LATER)),
        _after(an_order(), method_chosen(), payer_given(), mandate_given()),
        _after(an_order(), started(), declined(), authorized(), late_voided()),
        _after(an_order(), started(), captured(10_000), returned),
        _after(an_order(), started(), action_required(), pending()),
        _after(an_order(), deferred(), started(), in_doubt(), inquired(), escalated(), not_received()),
        _after(
            a_split_order(6_000, 4_000, metadata={"cart": "7"}, reference="r-1", fingerprint="f0"),
            *held,
            captured(10_000, cost_minor=175),
            lambda o: o.release_funds(capture_id=CAPTURE, at=LATER),
        ),
        *_wallet_histories(posting.id),
        *_posting_histories(posting),
        *_other_histories(),
    ]
    return {event.TOPIC: event for history in histories for event in history}
