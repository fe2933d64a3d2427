"""The drill of the Stripe rail: localstripe keeps the books, a front plays Stripe's idempotency and the faults.

Tokens are those of localstripe: its test cards decline and ask for 3-D Secure as Stripe's do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rails.registry import open_rail
from tests.api.proxy import serving
from tests.contracts.drill import Drill
from tests.rails.localstripe import KEY, OMIT, running_localstripe
from tests.rails.stripe_front import StripeFront

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

AMOUNTS = {
    "hard_decline": 10_101,
    "soft_decline": 10_102,
    "action": 10_103,
    "no_reply_before": 10_111,
    "no_reply_after": 10_112,
    "server_error_before": 10_113,
    "server_error_after": 10_114,
    "broken_reply_after": 10_115,
}
FAULTS = {amount: name for name, amount in AMOUNTS.items() if name.endswith(("_before", "_after"))}


def stripe_drill(_: pytest.TempPathFactory) -> Iterator[Drill]:
    """A rail before a Stripe that has just been started."""
    with running_localstripe() as stripe, serving(StripeFront(stripe.url, FAULTS)) as port:
        asks_for_3ds = stripe.card("4000002500003155")
        declined = "pm_card_chargeCustomerFail"
        tokens = {AMOUNTS["action"]: asks_for_3ds, AMOUNTS["hard_decline"]: declined, AMOUNTS["soft_decline"]: declined}
        rail = open_rail("stripe", {"key": KEY, "url": f"http://127.0.0.1:{port}", "omit": OMIT, "read_timeout": "10"})
        yield Drill(rail, AMOUNTS, stripe.totals, tokens, "pm_card_visa", stripe.authenticate)
        rail.close()
