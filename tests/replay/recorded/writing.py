"""Writes the recorded history of our own tests, by `python -m tests.replay.recorded.writing`: all of it made up.

Code that changes is held against the file as it is; write it anew only for events that it lacks, and then also what it
comes to, with `pytest tests/replay/recorded --record-golden`.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import count
from pathlib import Path

from domain.book import Book
from domain.claim import Claim
from domain.merchant import Merchant
from domain.period import Period
from domain.subject import Subject
from eventlog.application import EventLog
from eventlog.memory import MemoryRecorder
from replay.recorded import record
from tests.domain.builders import (
    LATER,
    NOW,
    SELLER_1,
    SUBJECT,
    a_hold,
    a_monitor,
    a_refusal,
    a_split_order,
    an_adjustment,
    an_instrument,
    an_order,
    authorized,
    captured,
    card_declined,
    declined,
    in_doubt,
    payer_given,
    resolved,
    started,
)
from tests.replay.history import AT, MERCHANT, History

SMALL = Path(__file__).with_name("small.jsonl")


def write(path: Path) -> None:
    """The history: what happens at random, and one of each thing that does not."""
    ticks = count()
    log = EventLog(MemoryRecorder(lambda: AT + timedelta(seconds=next(ticks))))
    log.save(Book.open(book=1, name="Shop", commission_bps=1_000, at=AT))
    history = History(log, seed=7)
    history.open_wallets(3)
    history.open_wallets(1, MERCHANT)
    history.write(25)
    _orders(log)
    _the_rest(log)
    record(log.log_recorder, path)
    log.close()


def _orders(log: EventLog) -> None:
    split = a_split_order(6_001, 3_999, commission_bps=1_250, metadata={"cart": "7"})
    doubtful = an_order(order_id="00000000-0000-0000-0000-0000000000a2")
    late = an_order(order_id="00000000-0000-0000-0000-0000000000a3", currency="SEK")
    voided = an_order(order_id="00000000-0000-0000-0000-0000000000a4")
    cancelled = an_order(order_id="00000000-0000-0000-0000-0000000000a5")
    for order, steps in (
        (split, (started(), authorized(), captured(3_333, final=False), captured(6_667, split.order_id))),
        (doubtful, (started(), in_doubt(), resolved(), declined())),
        (late, (started(), declined("hard"), captured(10_000, currency="SEK"))),
        (voided, (started(), authorized())),
    ):
        for step in steps:
            step(order)
    split.release_funds(capture_id=split.order_id, at=LATER)
    voided.request_void(reason="asked", at=NOW)
    voided.void(attempt=1, at=NOW)
    cancelled.cancel(reason="asked", at=NOW)
    log.save(split, doubtful, late, voided, cancelled)


def _the_rest(log: EventLog) -> None:
    part, whole, refused = a_hold(), a_hold(reference="ref-4", external_reference=None), a_refusal()
    part.commit_hold(posting_id=refused.id, amount_minor=300, final=False, at=NOW)
    part.void_hold(at=NOW)
    approved, rejected = an_adjustment(), an_adjustment(adjustment_id="00000000-0000-0000-0000-0000000000d2")
    approved.approve(by="bob", at=LATER)
    rejected.reject(by="bob", reason="not ours", at=LATER)
    monitor = a_monitor()
    monitor.cross(balance_minor=999, wallet_version=7, at=NOW)
    log.save(Merchant.register(book=1, merchant_id=SELLER_1, reference="m-1", at=NOW))
    log.save(part, whole, refused, approved, rejected, monitor)
    log.save(Claim.make(book=1, reference="booking-7", posting_id=part.id, at=NOW))
    log.save(Period.close_first(book=1, through=date(2025, 12, 31), at=NOW))
    paid_by_somebody = an_order(order_id="00000000-0000-0000-0000-0000000000a6")
    payer_given()(paid_by_somebody)
    log.save(paid_by_somebody)
    card = an_instrument()
    for step in (card_declined(), card_declined("stolen_card", "hard", LATER)):
        step(card)
    log.save(card)
    log.save(Subject.erase(book=1, subject=SUBJECT, key_id="k" * 22, at=LATER))


if __name__ == "__main__":
    write(SMALL)
