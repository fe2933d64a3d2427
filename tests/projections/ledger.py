"""A ledger for tests of queries: a log that is written to directly, its machine, and the queries of its views."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from eventsourcing.application import AggregateNotFoundError

from domain.ids import wallet_stream_id
from domain.posting import Line, Posting
from domain.wallet import WalletAccount
from eventlog.application import EventLog
from eventlog.postgres import PostgresRecorder
from projections.queries import Queries
from projections.registry import views
from replay.machine import ViewMachine

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Asker:
    book: int
    merchant_id: str | None = None


class Entry(NamedTuple):
    """What the test itself reads from the log."""

    position: int
    address: str
    currency: str
    amount: int
    effective_at: datetime


class Ledger:
    """A log with its machine and queries, written to directly: what is tested is how it is read."""

    def __init__(self, database_url: str) -> None:
        self.log = EventLog(PostgresRecorder(database_url))
        recorder: Any = self.log.log_recorder
        self.recorder = recorder
        self.url = database_url
        self.machine = ViewMachine(
            database_url, recorder, recorder.horizon, self.log.log_mapper.decode, list(views().values())
        )
        self.queries = Queries(recorder.readers.read)

    def close(self) -> None:
        self.machine.close()
        self.log.close()

    def wallet(self, book: int, address: str, currency: str) -> WalletAccount:
        try:
            found: WalletAccount = self.log.repository.get(wallet_stream_id(book, address, currency))
        except AggregateNotFoundError:
            return WalletAccount.open(
                book=book, address=address, currency=currency, at=BEGIN, overdraft_limit_minor=None
            )
        return found

    def post(
        self,
        book: int,
        source: str,
        target: str,
        amount: int,
        effective_at: datetime,
        currency: str = "EUR",
        **more: Any,
    ) -> Posting:
        wallets = [self.wallet(book, address, currency) for address in (source, target)]
        amounts = (amount, -amount)
        lines = [Line(w.id, w.address, currency, part) for w, part in zip(wallets, amounts, strict=True)]
        posting = Posting.record(
            book=book, reference=str(uuid.uuid4()), rule="transfer", lines=lines, effective_at=effective_at,
            at=effective_at, **more,
        )  # fmt: skip
        for number, (wallet, part) in enumerate(zip(wallets, amounts, strict=True)):
            wallet.post(posting_id=posting.id, line=number, amount_minor=part, effective_at=effective_at, at=BEGIN)
        self.log.save(posting, *wallets, book=book)
        return posting

    def entries(self, book: int) -> list[Entry]:
        """The lines of a book, read from the postings: not from the events that the views of wallets read."""
        rows = self.recorder.read(0, 10_000, topics=["wallet.posted.v1", "wallet.opened.v1"], books=[book])
        names: dict[uuid.UUID, tuple[str, str]] = {}
        found = []
        for row in rows:
            event = self.log.log_mapper.decode(row)
            if isinstance(event, WalletAccount.Opened):
                names[row.stream_id] = (event.address, event.currency)
            else:
                found.append(Entry(row.position, *names[row.stream_id], event.amount_minor, event.effective_at))
        return found
