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

ACCESS: dict[str, frozenset[str]] = {
    "merchants.register": _OPERATE,
    "wallets.open_wallet": _OPERATE,
    "wallets.show": _EVERYONE,
    "wallets.entries": _EVERYONE,
    "payment_orders.create": _TRADE,
    "payment_orders.show": _EVERYONE,
    "payment_orders.index": _EVERYONE,
    "payment_orders.capture": _TRADE,
    "payment_orders.cancel": _TRADE,
    "transfers.create": _OPERATE,
    "events.index": _READ_ALL,
}


def require_access(endpoint: str, caller: Caller) -> None:
    """Raise 403 unless the table says that this role may call this endpoint."""
    if caller.role not in ACCESS.get(endpoint, frozenset()):
        raise ProblemError(403, "forbidden", f"A key with the role {caller.role} may not do this.")
