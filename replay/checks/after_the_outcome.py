"""What `orders` holds events to that come after an attempt was decided: funds released, money that went back, declines
that were asked about once more. What such an event must say follows from the order as it stood before the event."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from domain.attempts import Capture
from domain.evidence_events import DeclineConfirmed, PaymentReturned
from domain.payment_events import FundsReleased
from domain.payment_order import PaymentOrder
from domain.splitting import divide
from replay.checks.check import Finding, Seen, finding


def contradictions(seen: Seen, order: PaymentOrder | None) -> Iterator[Finding]:
    """What this event says against the order before it; the first thing that is wrong, for the rest follows from it."""
    event = seen.event
    if order is None:
        return
    if isinstance(event, PaymentReturned):
        yield from islice(_returned(seen, order), 1)
    elif isinstance(event, FundsReleased):
        yield from _released(seen, order.captures.get(event.capture_id))
    elif isinstance(event, DeclineConfirmed) and order.attempt(event.attempt).recheck_at is None:
        yield finding(seen, f"attempt {event.attempt} has no decline that the rail was to be asked about once more")


def _released(seen: Seen, capture: Capture | None) -> Iterator[Finding]:
    """Each release is posted: a second one, or one of money that is gone, pays sellers what they were not owed."""
    owed = sum(share.net_minor for share in seen.event.shares)
    if capture is None or not capture.taken:
        yield finding(seen, "funds are released of a capture that was never taken", expected=0, found=owed)
    elif capture.funds_released:
        yield finding(seen, f"funds of capture {capture.capture_id} were released before", expected=0, found=owed)
    elif capture.state == "returned":
        yield finding(
            seen, f"funds of capture {capture.capture_id} are released that went back", expected=0, found=owed
        )


def _returned(seen: Seen, order: PaymentOrder) -> Iterator[Finding]:
    event = seen.event
    capture = order.captures.get(event.capture_id)
    if capture is None or not capture.taken:
        problem = f"capture {event.capture_id} was never taken: nothing of it can go back"
        yield finding(seen, problem, expected=0, found=event.amount_minor)
        return
    if capture.state == "returned":
        problem = f"capture {event.capture_id} has gone back before"
        yield finding(seen, problem, expected=0, found=event.amount_minor)
    yield from _amounts(seen, capture)
    yield from _names(seen, order, capture)
    whole = event.amount_minor == capture.amount_minor
    shares = capture.shares if whole else divide(event.amount_minor, order.due, order.commission_bps)
    if event.shares != shares:
        owed, undone = (sum(share.net_minor for share in some) for some in (shares, event.shares))
        problem = "the sellers give back other shares than what went back had earned them"
        yield finding(seen, problem, expected=owed, found=undone)
    if event.funds_released != capture.funds_released:
        words = {True: "may be paid out", False: "are pending"}
        problem = "the return takes the sellers' shares from where they are not"
        yield finding(seen, problem, expected=words[capture.funds_released], found=words[event.funds_released])


def _amounts(seen: Seen, capture: Capture) -> Iterator[Finding]:
    """A bank takes its fee on top of what was taken: there is none while something of the capture stays."""
    event = seen.event
    if not 0 <= event.amount_minor <= capture.amount_minor:
        problem = f"what went back is not a part of capture {capture.capture_id}"
        yield finding(seen, problem, expected=capture.amount_minor, found=event.amount_minor)
    if event.fee_minor < 0:
        yield finding(seen, "the bank's fee is less than nothing", expected=0, found=event.fee_minor)
    if event.fee_minor > 0 and event.amount_minor < capture.amount_minor:
        problem = f"a fee was taken before all of capture {capture.capture_id} had gone back"
        yield finding(seen, problem, expected=0, found=event.fee_minor)


def _names(seen: Seen, order: PaymentOrder, capture: Capture) -> Iterator[Finding]:
    event = seen.event
    wanted = (f"attempt {capture.attempt}", order.attempt(capture.attempt).rail, order.currency)
    said = (f"attempt {event.attempt}", event.rail, event.currency)
    if wanted != said:
        problem = f"the return names capture {capture.capture_id} otherwise than it was taken"
        yield finding(seen, problem, expected=", ".join(wanted), found=", ".join(said))
