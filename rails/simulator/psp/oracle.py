"""The books as a whole, for whoever wants to know whether a ledger agrees with them. No fault ever befalls these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rails.simulator.store import Store

# What was declined, or given up while its customer was being asked, has neither an end of its hold nor a capture.
TOTALS: Final = (
    "select currency, count(*) as authorisations, sum(amount_minor) as authorised_minor, "
    "sum(captured_minor) as captured_minor, sum(cost_minor) as cost_minor, "
    "sum(released_minor) as released_minor, sum(amount_minor - captured_minor - released_minor) as held_minor "
    "from authorisations where capture_before is not null or captured_minor > 0 group by currency order by currency"
)
PAYMENTS: Final = (
    "select attempt_key as key, order_id, id, method, currency, status as state, requested_minor, "
    "case when capture_before is not null or captured_minor > 0 then amount_minor else 0 end as authorised_minor, "
    "captured_minor, released_minor, 0 as refunded_minor, "
    "case when status = 'authorised' then amount_minor - captured_minor else 0 end as held_minor, "
    "cost_minor as fee_minor, decline_code, decline_class, late_at, created_at "
    "from authorisations where id > ?1 and (?2 is null or order_id = ?2) order by id limit ?3"
)


def totals(store: Store) -> dict[str, dict[str, int]]:
    """The sums per currency that a ledger on top of this rail must arrive at, in minor units."""
    return {row.pop("currency"): row for row in store.rows(TOTALS)}


def payments(store: Store, order_id: str | None, after: str, limit: int) -> list[dict[str, Any]]:
    """A row for every attempt there ever was, by id: a customer charged twice for one order is two rows."""
    return store.rows(PAYMENTS, after, order_id, limit)
