"""Who may call what: the one table of roles and endpoints, and default deny.

Why a table: a decorator can be forgotten on a new view, a missing row here only makes the view unreachable. A test
holds the table against the routes and against the role matrix in the documentation.
"""

from __future__ import annotations

from api.auth import Caller
from api.problem import ProblemError

_READ_ALL = frozenset({"operator", "auditor", "admin"})
_EVERYONE = frozenset({"merchant", "operator", "auditor", "admin"})
_TRADE = frozenset({"merchant", "operator", "admin"})
_OPERATE = frozenset({"operator", "admin"})

PUBLIC: frozenset[str] = frozenset(
    {"health.healthz", "health.readyz", "health.metrics", "docs.home", "docs.page", "docs.openapi"}
)
"""Endpoints without a key: probes, scrapers and the documentation show nothing of any book."""

SEES_PAYERS: frozenset[str] = _TRADE
"""Roles that see the personal data of an order's payer: those who may create one, each within what is theirs."""

PAYERS: frozenset[str] = frozenset({"order_events.follow"})
"""Endpoints that a payer's secret opens too, for the one order that it is made for."""

ACCESS: dict[str, frozenset[str]] = {
    "merchants.register": _OPERATE,
    "wallets.open_wallet": _OPERATE,
    "wallets.show": _EVERYONE,
    "wallets.entries": _EVERYONE,
    "payment_orders.create": _TRADE,
    "payment_orders.show": _EVERYONE,
    "payment_orders.index": _EVERYONE,
    "order_events.follow": _EVERYONE,
    "payment_orders.capture": _TRADE,
    "payment_orders.cancel": _TRADE,
    "transfers.create": _OPERATE,
    "postings.create": _OPERATE,
    "postings.show": _EVERYONE,
    "postings.revert": _OPERATE,
    "postings.change_metadata": _OPERATE,
    "holds.place": _OPERATE,
    "holds.show": _EVERYONE,
    "holds.commit": _OPERATE,
    "holds.void": _OPERATE,
    "wallet_changes.freeze": _OPERATE,
    "wallet_changes.unfreeze": _OPERATE,
    "wallet_changes.close": _OPERATE,
    "wallet_changes.reopen": _OPERATE,
    "wallet_changes.limit": _OPERATE,
    "wallet_changes.change_metadata": _OPERATE,
    "periods.close": _OPERATE,
    "periods.show": _READ_ALL,
    "monitors.create": _OPERATE,
    "monitors.show": _EVERYONE,
    "monitors.remove": _OPERATE,
    "bulk.create": _OPERATE,
    "adjustments.propose": _OPERATE,
    "adjustments.show": _READ_ALL,
    "adjustments.approve": _OPERATE,
    "adjustments.reject": _OPERATE,
    "balances.index": _EVERYONE,
    "balances.volumes": _EVERYONE,
    "statements.index": _EVERYONE,
    "statements.balance": _EVERYONE,
    "statements.statement": _EVERYONE,
    "ledger_lists.postings": _EVERYONE,
    "ledger_lists.holds": _EVERYONE,
    "ledger_lists.monitors": _EVERYONE,
    "ledger_lists.adjustments": _READ_ALL,
    "explanations.wallet": _EVERYONE,
    "explanations.order": _EVERYONE,
    "events.index": _READ_ALL,
    "rails.index": _READ_ALL,
    "replays.index": _READ_ALL,
    "replays.show": _READ_ALL,
}


def require_access(endpoint: str, caller: Caller) -> None:
    """Raise 403 unless the table says that this role may call this endpoint."""
    if caller.role not in ACCESS.get(endpoint, frozenset()):
        raise ProblemError(403, "forbidden", f"A key with the role {caller.role} may not do this.")
