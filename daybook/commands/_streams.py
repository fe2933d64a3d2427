"""How commands read one thing of the settings' book from its stream; another book's is not there."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError

from daybook.commands._ledger import Asking, refuse, uuid_of
from domain.monitor import Monitor
from domain.posting import Posting
from domain.wallet import WalletAccount

Found = TypeVar("Found")


def posting_of(asked: Asking, text: str, name: str, *, hold: bool = False) -> Posting:
    """A posting, or a hold, of the settings' book."""
    kind = "hold" if hold else "posting"
    posting = _folded(asked, uuid_of(text, name), kind, Posting)
    if not posting.is_of(asked.book) or (hold and not posting.is_hold):
        refuse(f"there is no {kind} {text} in book {asked.book}")
    return posting


def monitor_of(asked: Asking, text: str) -> Monitor:
    """A monitor of a wallet of the settings' book."""
    monitor = _folded(asked, uuid_of(text, "MONITOR_ID"), "monitor", Monitor)
    wallet: Any = asked.opened.log.repository.get(monitor.wallet_id, version=1)
    if not wallet.is_of(asked.book):
        refuse(f"there is no monitor {text} in book {asked.book}")
    return monitor


def wallet_of(asked: Asking, wallet_id: UUID) -> WalletAccount:
    """A wallet of the settings' book."""
    wallet = _folded(asked, wallet_id, "wallet", WalletAccount)
    if not wallet.is_of(asked.book):
        refuse(f"there is no wallet {wallet_id} in book {asked.book}")
    return wallet


def _folded(asked: Asking, stream: UUID, kind: str, wanted: type[Found]) -> Found:
    try:
        found: Any = asked.opened.log.repository.get(stream)
    except AggregateNotFoundError:
        found = None
    if not isinstance(found, wanted):
        refuse(f"there is no {kind} {stream} in book {asked.book}")
    return found
