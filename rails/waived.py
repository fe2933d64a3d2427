"""What each rail is examined against by the contract tests, and which rows of them are waived, by name, and why.

A row that is waived is run all the same and must fail: one that passes is to be taken off this table. The table is
printed into docs/reference/rails.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EXAMINED_AGAINST: Final[Mapping[str, str]] = {
    "recorded": "Itself: it asks nobody.",
    "sepa": "The simulator's bank, a process of its own, with a clock that the tests move from day to day.",
    "simulated": "The simulator, a process of its own.",
    "stripe": "localstripe 1.15.10, a process of its own, behind a front that keeps idempotency keys as Stripe "
    "documents it and loses replies. The form of every request is held against Stripe's own schema by stripe-mock.",
}

_NO_METADATA: Final = (
    "localstripe takes no metadata with a capture, and that is where the adapter leaves the capture's key; "
    "tests/rails/test_stripe_replies.py shows what becomes of it"
)

WAIVED: Final[Mapping[str, Mapping[str, str]]] = {
    "sepa": {
        "test_a_decline_tells_its_class_and_moves_nothing[soft]": "the simulator's bank rejects at once for hard "
        "reasons only; tests/rails/test_sepa.py goes through the codes",
    },
    "stripe": {
        "test_a_decline_tells_its_class_and_moves_nothing[hard]": "localstripe gives no decline codes, and without one "
        "a decline is soft; tests/rails/test_stripe_replies.py goes through the codes",
        "test_a_declined_capture_leaves_the_hold": "localstripe never declines a capture that it can make",
        "test_a_pending_payment_has_moved_nothing_until_the_rail_tells_of_it": "localstripe decides every payment at "
        "once; tests/rails/test_stripe_replies.py shows what becomes of one that Stripe is still at",
        "test_what_was_voided_cannot_be_captured": "localstripe captures a cancelled payment; the adapter calls that "
        "unknown",
        "test_a_capture_of_unknown_outcome_is_resolved_by_its_own_key[no_reply_after]": _NO_METADATA,
        "test_a_capture_of_unknown_outcome_is_resolved_by_its_own_key[server_error_after]": _NO_METADATA,
        "test_a_capture_of_unknown_outcome_is_resolved_by_its_own_key[broken_reply_after]": _NO_METADATA,
    },
}
"""By rail, by row of tests/contracts/test_rails.py; `row[value]` waives a row for one value of its parameters."""


def waiver(rail: str, row: str, values: Iterable[object]) -> str | None:
    """Why this row is not asked of this rail; None when it is."""
    waivers = WAIVED.get(rail, {})
    for name in (row, *(f"{row}[{value}]" for value in values)):
        if name in waivers:
            return waivers[name]
    return None
