"""Whose a single thing is: the one place that answers 404 for what belongs to another book or another merchant.

Ids follow from the book, so an id that does not come out again for the caller's book is another book's. Lists have the
same rule in the views' queries.
"""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError

from api.headers import uuid_text
from api.moments import version_of
from api.problem import not_found
from api.services import current_caller, current_services
from api.wallet_refs import wallet_id_of
from domain.adjustment import Adjustment
from domain.ids import stream_id
from domain.lines import Line
from domain.monitor import Monitor
from domain.posting import Posting
from domain.wallet import WalletAccount

Found = TypeVar("Found")


def visible_wallet(wallet: str, currency: str | None, as_of: int | None = None) -> UUID:
    """The id of a wallet that the caller named by id, or by address and currency; 404 unless it is the caller's, and
    was open by `as_of`."""
    wallet_id = wallet_id_of(current_caller().book, wallet, currency, "wallet")
    require_visible_wallet(wallet_id)
    if version_of(wallet_id, as_of) == 0:
        raise not_found("wallet")
    return wallet_id


def require_visible_wallet(wallet_id: UUID, kind: str = "wallet") -> None:
    """Raise 404 unless the wallet is of the caller's book and, for a merchant's key, that merchant's own."""
    if not _is_own(wallet_id):
        raise not_found(kind)


def visible_posting(posting_id: str, version: int | None = None, as_of: int | None = None) -> Posting:
    """A posting of the caller's book, now or as of a position; a merchant sees those that touch its wallets.
    `version` 1 reads one event."""
    posting = _folded(posting_id, "posting", Posting, version, as_of)
    caller = current_caller()
    if not posting.is_of(caller.book):
        raise not_found("posting")
    if caller.merchant_id is not None and not own_lines(posting.lines):
        raise not_found("posting")
    return posting


def visible_hold(hold_id: str, version: int | None = None, as_of: int | None = None) -> Posting:
    """A hold of the caller's book, under the same rule as a posting."""
    posting = visible_posting(hold_id, version, as_of)
    if not posting.is_hold:
        raise not_found("hold")
    return posting


def visible_monitor(monitor_id: str, as_of: int | None = None) -> Monitor:
    """A monitor of a wallet that the caller may see, now or as of a position."""
    monitor = _folded(monitor_id, "monitor", Monitor, None, as_of)
    require_visible_wallet(monitor.wallet_id, "monitor")
    return monitor


def visible_adjustment(adjustment_id: str, as_of: int | None = None) -> Adjustment:
    """An adjustment of the caller's book, now or as of a position."""
    key = uuid_text(adjustment_id)
    if key is None:
        raise not_found("adjustment")
    return _folded(str(stream_id(current_caller().book, "adjustment", key)), "adjustment", Adjustment, None, as_of)


def own_lines(lines: list[Line]) -> list[Line]:
    """The lines of a posting that the caller may see: a merchant sees those of its own wallets only."""
    if current_caller().merchant_id is None:
        return lines
    return [line for line in lines if _is_own(line.wallet_id)]


def _is_own(wallet_id: UUID) -> bool:
    """Only the wallet's first event is read: it says whose it is, however long its history."""
    caller, services = current_caller(), current_services()
    try:
        opened: Any = services.log.repository.get(wallet_id, version=1)
    except AggregateNotFoundError:
        return False
    if not isinstance(opened, WalletAccount) or not opened.is_of(caller.book):
        return False
    owner = caller.merchant_id
    return owner is None or opened.merchant_id == owner or opened.address.startswith(f"merchant:{owner}:")


def _folded(text: str, kind: str, wanted: type[Found], version: int | None, as_of: int | None) -> Found:
    key = uuid_text(text)
    if key is None:
        raise not_found(kind)
    if as_of is not None:
        version = version_of(UUID(key), as_of)
    try:
        found: Any = current_services().log.repository.get(UUID(key), version=version)
    except AggregateNotFoundError:
        raise not_found(kind) from None
    if not isinstance(found, wanted):
        raise not_found(kind)
    return found
