"""How commands read one thing of the settings' book from its stream; another book's is not there."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError

from daybook.commands._ledger import Asking, refuse, uuid_of
from daybook.commands._moments import version_of
from domain.adjustment import Adjustment
from domain.ids import stream_id
from domain.monitor import Monitor
from domain.posting import Posting
from domain.wallet import WalletAccount

Found = TypeVar("Found")


def posting_of(asked: Asking, text: str, name: str, *, hold: bool = False, as_of: int | None = None) -> Posting:
    """A posting, or a hold, of the settings' book, now or as of a position."""
    kind = "hold" if hold else "posting"
    posting = _folded(asked, uuid_of(text, name), kind, Posting, as_of)
    if not posting.is_of(asked.book) or (hold and not posting.is_hold):
        refuse(f"there is no {kind} {text} in book {asked.book}")
    return posting


def monitor_of(asked: Asking, text: str, as_of: int | None = None) -> Monitor:
    """A monitor of a wallet of the settings' book, now or as of a position."""
    monitor = _folded(asked, uuid_of(text, "MONITOR_ID"), "monitor", Monitor, as_of)
    wallet: Any = asked.opened.log.repository.get(monitor.wallet_id, version=1)
    if not wallet.is_of(asked.book):
        refuse(f"there is no monitor {text} in book {asked.book}")
    return monitor


def adjustment_of(asked: Asking, text: str, as_of: int | None = None) -> Adjustment:
    """An adjustment of the settings' book, now or as of a position."""
    stream = stream_id(asked.book, "adjustment", str(uuid_of(text, "ADJUSTMENT_ID")))
    return _folded(asked, stream, "adjustment", Adjustment, as_of)


def wallet_of(asked: Asking, wallet_id: UUID, as_of: int | None = None) -> WalletAccount:
    """A wallet of the settings' book, now or as of a position."""
    wallet = _folded(asked, wallet_id, "wallet", WalletAccount, as_of)
    if not wallet.is_of(asked.book):
        refuse(f"there is no wallet {wallet_id} in book {asked.book}")
    return wallet


def _folded(asked: Asking, stream: UUID, kind: str, wanted: type[Found], as_of: int | None) -> Found:
    try:
        found: Any = asked.opened.log.repository.get(stream, version=version_of(asked.opened, stream, as_of))
    except AggregateNotFoundError:
        found = None
    if not isinstance(found, wanted):
        then = "" if as_of is None else f" at position {as_of}"
        refuse(f"there is no {kind} {stream} in book {asked.book}{then}")
    return found
