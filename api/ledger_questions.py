"""What the doors to the ledger's views share: which wallets and which range of time a request means."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from api.moments import position_of
from api.problem import unprocessable
from api.services import current_caller
from api.wallet_refs import wallet_id_of
from projections.queries import WalletFilter, When, span, up_to

_WALLET_FILTER = ("currency", "metadata", "frozen", "closed")


def taken_wallets(query: dict[str, Any]) -> WalletFilter:
    """The wallets that a `WalletsQuery` means; its parameters are taken out of the query."""
    return WalletFilter(
        pattern=query.pop("address"),
        account_kind=query.pop("kind"),
        **{name: query.pop(name) for name in _WALLET_FILTER},
        **{name: query.pop(name) for name in ("balance_from", "balance_below") if name in query},
    )


def taken_wallet(query: dict[str, Any]) -> UUID | None:
    """The wallet that a `NamedWalletQuery` names. Raises `ProblemError` 422 for an address without a currency."""
    wallet, currency = query.pop("wallet"), query.pop("currency")
    if wallet is None:
        if currency is not None:
            raise unprocessable("currency", "belongs to wallet; give both, or neither")
        return None
    return wallet_id_of(current_caller().book, wallet, currency, "wallet")


def moment_asked(as_of: int | None, effective_at: datetime | None) -> When:
    """As of a position, and what was true by a moment."""
    return When(as_of, None if effective_at is None else up_to(effective_at))


def effective_span(start: datetime | None, end: datetime | None) -> Any:
    """A range of effective time. Raises `ProblemError` 422 naming the parameter when it ends before it begins."""
    if start is not None and end is not None and end < start:
        raise unprocessable("effective_to", "lies before effective_from; a range ends after it begins")
    return span(start, end)


def recorded_range(query: dict[str, Any]) -> tuple[int, int | None]:
    """The positions after `recorded_from` and up to `recorded_to`, taken out of a query; None stands for now."""
    after = position_of(query.pop("recorded_from"), "recorded_from") or 0
    last = position_of(query.pop("recorded_to"), "recorded_to")
    if last is not None and last < after:
        raise unprocessable("recorded_to", "lies before recorded_from; a range ends after it begins")
    return after, last


def only_one_range(query: dict[str, Any]) -> bool:
    """Whether a query is about a recorded range. Raises `ProblemError` 422 when it names an effective one as well."""
    recorded = [name for name in ("recorded_from", "recorded_to") if query[name] is not None]
    effective = [name for name in ("effective_from", "effective_to", "as_of") if query.get(name) is not None]
    if recorded and effective:
        raise unprocessable(recorded[0], f"cannot go together with {effective[0]}; ask for one range or the other")
    return bool(recorded)
