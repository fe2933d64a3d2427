"""Faults in the events of payment orders, for `orders` to find."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from domain.splitting import Share, Split, divide
from tests.replay.checks import history
from tests.replay.checks.history import CONFIRMED, HELD, LATE, PAID, RETURNED, order_stream
from tests.replay.checks.planting import NOW, Plant, edit, insert, state_of, versions, where


def an_order_expired_after_it_was_paid(url: str) -> Any:
    insert(url, order_stream(PAID), versions(url, order_stream(PAID)) + 1, "payment-order.expired.v1")
    return None, "captured"


def an_attempt_asked_for_less_than_it_took(url: str) -> Any:
    edit(url, order_stream(HELD), 2, amount_minor=1_999)
    return 1_999, 2_000


def an_order_began_with_a_capture_of_nothing_known(url: str) -> Any:
    insert(url, order_stream(PAID), versions(url, order_stream(PAID)) + 1, "payment-order.capture-failed.v1",
           capture_id="unknown", attempt=1, code="x")  # fmt: skip
    return None, None


def more_went_back_than_was_taken(url: str) -> Any:
    """What sellers and platform give back sums to it."""
    _returned(url, HELD, amount_minor=99_000, shares=divide(99_000, [Split(history.SELLERS[0], 2_000)], 1_000))
    return 1_500, 99_000


def a_capture_went_back_in_two_parts(url: str) -> Any:
    shares = divide(900, [Split(history.SELLERS[0], 2_000)], 1_000)
    for key in ("first", "second"):
        _returned(url, HELD, amount_minor=900, shares=shares, booking_key=key)
    return 0, 900


def a_capture_went_back_that_never_came(url: str) -> Any:
    _returned(url, HELD, capture_id=str(UUID(int=1)))
    return 0, 1_500


def sellers_gave_back_what_the_platform_had_kept(url: str) -> Any:
    _returned(url, HELD, shares=[Share(history.SELLERS[0], 1_500, 0)])
    return 1_350, 1_500


def a_part_went_back_with_the_shares_of_the_whole(url: str) -> Any:
    _returned(url, HELD, amount_minor=500)
    return 450, 1_350


def a_return_took_from_what_was_not_released(url: str) -> Any:
    _returned(url, HELD, funds_released=True)
    return "are pending", "may be paid out"


def a_bank_paid_for_a_return(url: str) -> Any:
    _returned(url, HELD, fee_minor=-500)
    return 0, -500


def a_fee_was_taken_of_a_part(url: str) -> Any:
    """A bank that takes more than went back has taken all of it first."""
    shares = divide(500, [Split(history.SELLERS[0], 2_000)], 1_000)
    _returned(url, HELD, amount_minor=500, fee_minor=7, shares=shares)
    return 0, 7


def a_return_names_another_rail(url: str) -> Any:
    _returned(url, HELD, rail="recorded")
    return "attempt 1, simulated, EUR", "attempt 1, recorded, EUR"


def a_decline_was_confirmed_twice(url: str) -> Any:
    stream = order_stream(CONFIRMED)
    insert(url, stream, versions(url, stream) + 1, "payment-order.decline-confirmed.v1", attempt=1, asked=True)
    return None, None


def a_decline_was_confirmed_of_what_was_taken(url: str) -> Any:
    stream = order_stream(RETURNED)
    insert(url, stream, versions(url, stream) + 1, "payment-order.decline-confirmed.v1", attempt=1, asked=False)
    return None, None


def funds_were_released_twice(url: str) -> Any:
    _released(url, PAID, PAID)
    return 0, 901


def funds_were_released_that_had_gone_back(url: str) -> Any:
    _released(url, RETURNED, str(UUID(int=1_060)))
    return 0, 360


def funds_were_released_that_never_came(url: str) -> Any:
    _released(url, LATE, HELD)
    return 0, 1_350


def _released(url: str, order_id: str, capture_id: str) -> None:
    """All that a capture earned, behind the engine's position."""
    stream = order_stream(order_id)
    capture = state_of(url, *where(url, "payment-order.captured.v1", capture_id=capture_id))
    same = {"capture_id": capture_id, "currency": "EUR", "shares": capture["shares"], "effective_at": NOW}
    insert(url, stream, versions(url, stream) + 1, "payment-order.funds-released.v1", **same)


def _returned(url: str, order_id: str, **fields: Any) -> None:
    """All of a capture goes back as it came, but for `fields`; behind the engine's position, so that nothing of it is
    posted yet."""
    stream = order_stream(order_id)
    capture = state_of(url, *where(url, "payment-order.captured.v1", capture_id=order_id))
    same = {name: capture[name] for name in ("capture_id", "attempt", "rail", "amount_minor", "currency", "shares")}
    event = {**same, "fee_minor": 0, "funds_released": False, "reason": "MD06", "booking_key": "b", "effective_at": NOW}
    fields = msgspec.to_builtins(fields)
    insert(url, stream, versions(url, stream) + 1, "payment-order.payment-returned.v1", **{**event, **fields})


ORDER_FAULTS: list[Plant] = [
    an_order_expired_after_it_was_paid, an_attempt_asked_for_less_than_it_took,
    an_order_began_with_a_capture_of_nothing_known,
    more_went_back_than_was_taken, a_capture_went_back_in_two_parts, a_capture_went_back_that_never_came,
    sellers_gave_back_what_the_platform_had_kept, a_part_went_back_with_the_shares_of_the_whole,
    a_return_took_from_what_was_not_released, a_bank_paid_for_a_return, a_fee_was_taken_of_a_part,
    a_return_names_another_rail, a_decline_was_confirmed_twice, a_decline_was_confirmed_of_what_was_taken,
    funds_were_released_twice, funds_were_released_that_had_gone_back, funds_were_released_that_never_came,
]  # fmt: skip
