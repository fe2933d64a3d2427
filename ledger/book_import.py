"""Brings a file's records into a book through the engine, many at a time, so that it can be cut off anywhere.

Every request has a key that follows from the file, so a second import finds everything decided. What belongs together
is asked atomically: a line that is refused uses no key up, those before it are posted, and nothing after it is sent.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec
import stamina

from domain.ports import Clock
from ledger.client import EngineUnavailable, LedgerClient
from ledger.files import FileHold, FileRefused
from ledger.import_orders import ImportOrders, RecordRefused
from ledger.refusals import WALLET_EXISTS
from ledger.wire import Bulk, OpenWallet, PostLine, Reply, Single, fingerprint

ITEMS_AT_ONCE: Final = 250
LINES_AT_ONCE: Final = 2_000
BYTES_AT_ONCE: Final = 400_000
PATIENCE_S: Final = 60.0
_ITEM: Final = re.compile(r"items\.(\d+): ")
_FIELD: Final = re.compile(r"([a-z_]+(?:\.[a-z0-9_]+)*): ")
# An engine that has just been started, or a book that has just been opened: the same request is right later.
_LATER: Final = frozenset({"unknown_book"})


class ImportTotals(msgspec.Struct):
    """What an import did; `replayed` were there before, `holds_expired` were holds whose time had run out."""

    records: int = 0
    requests: int = 0
    created: int = 0
    replayed: int = 0
    wallets_found: int = 0
    holds_expired: int = 0


class BookImport:
    """One import of one file into one book."""

    def __init__(self, client: LedgerClient, clock: Clock, book: int, file: str, orders: ImportOrders) -> None:
        self._client, self._clock, self._book, self._file, self._orders = client, clock, book, file, orders
        self._waiting: list[tuple[int, Single]] = []
        self._size = self._lines = 0
        self.totals = ImportTotals()

    def run(self, records: Iterable[tuple[int, object]], advance: Callable[[int], None]) -> ImportTotals:
        """Bring everything in; `advance` hears of line numbers that are done.

        Raises FileRefused at the first line that is wrong or refused, after all lines before it are in, and
        EngineUnavailable when the engine stays away for a minute.
        """
        for number, record in self._checked(records):
            self.totals.records += 1
            for order in self._orders.openings(record):
                self._put(number, order, OpenWallet)
            if (
                isinstance(record, FileHold)
                and record.expires_at is not None
                and record.expires_at <= self._clock.now()
            ):
                self.totals.holds_expired += 1
                continue
            try:
                for order in self._orders.requests(number, record):
                    self._put(number, order, None)
            except RecordRefused as refused:
                self._send()
                raise FileRefused(self._file, number, refused.field, str(refused)) from None
            advance(number)
        for number, order in self._orders.last():
            self._put(number, order, None)
        self._send()
        return self.totals

    def _checked(self, records: Iterable[tuple[int, object]]) -> Iterator[tuple[int, object]]:
        try:
            yield from records
        except FileRefused:
            self._send()
            raise

    def _put(self, number: int, order: Single, kind: type[OpenWallet] | None) -> None:
        """Wait for company of the same kind: openings are asked apart from what can be all or nothing."""
        if self._waiting and isinstance(self._waiting[0][1], OpenWallet) != (kind is not None):
            self._send()
        self._waiting.append((number, order))
        self._size += len(msgspec.msgpack.encode(order))
        lines: tuple[PostLine, ...] = getattr(order, "lines", None) or ()
        self._lines += len(lines)
        full = len(self._waiting) >= ITEMS_AT_ONCE or self._lines >= LINES_AT_ONCE or self._size >= BYTES_AT_ONCE
        if full:
            self._send()

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._size = self._lines = 0
        if not waiting:
            return
        if isinstance(waiting[0][1], OpenWallet):
            self._open(waiting)
            return
        reply = self._bulk([order for _, order in waiting], atomic=True)
        if reply.status == "applied":
            self._count(reply, len(waiting))
            return
        self._refused(waiting, reply)

    def _open(self, waiting: Sequence[tuple[int, Single]]) -> None:
        """Open wallets; one that is open already is as good."""
        reply = self._bulk([order for _, order in waiting], atomic=False)
        if reply.status != "applied":
            raise FileRefused(self._file, waiting[0][0], "", f"{reply.code}: {reply.detail}")
        for (number, _), item in zip(waiting, reply.items, strict=True):
            if item.status != "opened" and item.code != WALLET_EXISTS:
                raise FileRefused(self._file, number, *_said(item.detail, item.code))
            self.totals.wallets_found += item.code == WALLET_EXISTS
        self._count(reply, len(waiting))

    def _refused(self, waiting: list[tuple[int, Single]], reply: Reply) -> None:
        found = _ITEM.match(reply.detail)
        place = int(found.group(1)) if found else 0
        number, _ = waiting[place]
        before = waiting[:place]
        if before:
            first = self._bulk([order for _, order in before], atomic=True)
            if first.status == "applied":
                self._count(first, len(before))
        detail = reply.detail[found.end() :] if found else reply.detail
        raise FileRefused(self._file, number, *_said(detail, reply.code))

    def _bulk(self, orders: Sequence[Single], *, atomic: bool) -> Reply:
        """Ask all at once. What was refused before may be right by now: only a refusal of this moment counts."""
        asked = [(order.key, fingerprint(order)) for order in orders]
        name = hashlib.sha256(msgspec.json.encode(asked)).hexdigest()
        tried = 0
        while True:
            key = f"import/{name}/{tried}"
            reply = self._ask(Bulk(book=self._book, key=key, items=tuple(orders), atomic=atomic))
            if not (reply.replayed and reply.status == "refused"):
                return reply
            tried += 1

    def _ask(self, bulk: Bulk) -> Reply:
        for attempt in stamina.retry_context(on=EngineUnavailable, timeout=PATIENCE_S, attempts=None, wait_max=1.0):
            with attempt:
                reply = self._client.ask(bulk)
                if reply.status == "error" and reply.code in _LATER:
                    raise EngineUnavailable(reply.detail)
                return reply
        raise AssertionError("stamina gives up by raising")

    def _count(self, reply: Reply, count: int) -> None:
        replayed = count if reply.replayed else sum(item.replayed for item in reply.items)
        self.totals.requests += count
        self.totals.replayed += replayed
        self.totals.created += count - replayed


def _said(detail: str, code: str) -> tuple[str, str]:
    """The field that a refusal names, and what is wrong with it."""
    found = _FIELD.match(detail)
    return (found.group(1), f"{detail[found.end() :]} ({code})") if found else ("", f"{detail} ({code})")
