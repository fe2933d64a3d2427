"""Where the ledger's machine runs: one book in memory, or the engine with its socket on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.persistence import IntegrityError

from domain.conditions import Condition
from domain.ids import stream_id, wallet_stream_id
from domain.posting import Posting
from eventlog.errors import FenceLost
from eventlog.fenced import FencedRecorder
from eventlog.mapper import LogMapper
from eventlog.memory import MemoryRecorder
from eventlog.recorded import Recorded
from ledger import wire
from ledger.batch import Batch
from ledger.client import EngineUnavailable, LedgerClient
from ledger.decisions import RULES, Decision, Recent, Settled, order_posting_id
from ledger.engine import PostingEngine
from ledger.heads import LATEST, Heads
from ledger.mistakes import mistake
from ledger.recall import Recalled, fold
from ledger.server import LedgerServer
from tests.properties.ledger_parts import Asked

KINDS: dict[str, Any] = {
    "transfer": wire.Transfer, "post": wire.Post, "hold": wire.PlaceHold, "commit": wire.CommitHold,
    "void": wire.VoidHold, "expire": wire.ExpireHold, "revert": wire.Revert, "open": wire.OpenWallet,
    "change": wire.ChangeWallet, "metadata": wire.SetMetadata, "period": wire.ClosePeriod,
    "watch": wire.CreateMonitor, "unwatch": wire.RemoveMonitor, "bulk": wire.Bulk,
}  # fmt: skip
SAME = ("dry_run", "effective_at", "expires_at", "final", "at_effective_date", "change", "through", "measure", "target",
        "atomic", "reference", "currency")  # fmt: skip
LIMITED = {"open", "change"}


class Names:
    """The ids of one book's wallets and postings, and requests as they travel."""

    def __init__(self, book: int) -> None:
        self.book = book

    def wallet(self, name: str) -> UUID:
        """The stream of `address|currency`."""
        return wallet_stream_id(self.book, *name.split("|"))

    def posting(self, name: str) -> UUID:
        """The stream of `op/key`."""
        op, _, key = name.partition("/")
        return stream_id(self.book, "posting", f"{RULES[KINDS[op]][0]}/{key}")

    def order(self, asked: Asked) -> wire.Order:
        """A request of the model as one of the wire."""
        op, given = asked["op"], {name: asked[name] for name in SAME if name in asked}
        lines = asked.get("lines")
        if lines is not None:
            given["lines"] = tuple(wire.PostLine(self.wallet(name), unit, amount) for name, unit, amount in lines)
        if op == "bulk":
            given["items"] = tuple(self.order(item) for item in asked["items"])
        given |= {field: self.wallet(asked[field]) for field in ("source", "destination") if field in asked}
        given |= {f"{f}_id": self.posting(asked[f]) for f in ("hold", "posting") if f in asked}
        given |= {f"{f}_minor": asked[f] for f in ("amount", "threshold") if f in asked}
        if op in LIMITED:
            given["overdraft_limit_minor"] = asked["limit"]
        given |= self._named(asked)
        kind: Any = KINDS[op]
        order: wire.Order = kind(book=self.book, key=asked["key"], **given)
        return order

    def _named(self, asked: Asked) -> Asked:
        op = asked["op"]
        if op == "open":
            address, currency = asked["wallet"].split("|")
            return {"address": address, "currency": currency}
        if op in ("change", "watch"):
            found = {"wallet_id": self.wallet(asked["wallet"])}
            return {**found, "reason": asked["note"]} if op == "change" else found
        if op == "unwatch":
            return {"monitor_id": stream_id(self.book, "monitor", asked["monitor"])}
        if op == "metadata":
            name_of = self.wallet if asked["target"] == "wallet" else self.posting
            return {"target_id": name_of(asked["name"]), "changes": {"n": asked["note"]}}
        found = {"metadata": {"n": asked["note"]}} if asked.get("note") else {}
        if asked.get("conditions"):
            fields = {"at_least": "at_least_minor", "exactly": "exactly_minor", "version": "version"}
            conditions = [Condition(self.wallet(n), **{fields[m]: number}) for n, m, number in asked["conditions"]]
            found["conditions"] = tuple(conditions)
        return found


class InMemory:
    """Batches over rows in a list. Commits fail by the version conflicts of the rows, as they do on PostgreSQL."""

    asked_again = False

    def __init__(self, now: datetime, book: int = 7) -> None:
        self.names, self.now = Names(book), now
        self._recorder = MemoryRecorder()
        self._durable: dict[UUID, Settled] = {}
        self._claims: set[UUID] = set()
        self._lose = ""
        self.restart()

    def restart(self) -> None:
        """Read memory from the rows."""
        self.heads, self._recent = self.folded(), Recent()

    def lose_next(self, when: str) -> None:
        """The next commit is lost `before` or `after` it is durable: memory goes, its requests are asked again."""
        self._lose = when

    def folded(self) -> Heads:
        """Memory as the rows have it."""
        heads = Heads(self.names.book)
        heads.load([], self._recorder, LogMapper())
        return heads

    def rows(self, after: int) -> list[Recorded]:
        """The log after a position."""
        return self._recorder.read(after, LATEST)

    def numbers(self, wallet_id: UUID) -> wire.WalletNumbers | None:
        """A wallet as last committed."""
        account = self.heads.accounts.get(wallet_id)
        return account.numbers() if account is not None else None

    def ask(self, flights: Sequence[Sequence[Asked]]) -> list[wire.Reply]:
        """Decide batches, each on top of the one before while that is not committed."""
        orders = [[self.names.order(asked) for asked in flight] for flight in flights]
        decided: list[tuple[Batch, list[Decision | wire.Reply]]] = []
        for flight in orders:
            decided.append(self._decide(flight, below=decided[-1][0] if decided else None))
        replies: list[wire.Reply] = []
        clean = True
        for flight, (batch, decisions) in zip(orders, decided, strict=True):
            found, clean = self._land(flight, batch, decisions, fresh=not clean)
            replies += found
        return replies

    def _decide(
        self, orders: Sequence[wire.Order], below: Batch | None = None, settled: Any = None, taken: Any = ()
    ) -> tuple[Batch, list[Decision | wire.Reply]]:
        settled = settled or {}
        batch = Batch(
            self.heads, self.now, known=(settled, self._recent), posted=settled, taken=taken, below=below,
            lookup=self._posting, recall=self._recall,
        )  # fmt: skip
        answers: list[Decision | wire.Reply] = []
        for order in orders:
            wrong = mistake(order)
            answers.append(wrong or batch.request(order, order_posting_id(order), wire.fingerprint(order)))
        return batch, answers

    def _land(
        self, orders: Sequence[wire.Order], batch: Batch, answers: list[Decision | wire.Reply], *, fresh: bool
    ) -> tuple[list[wire.Reply], bool]:
        """The replies, and whether the batch came about as it was decided at first."""
        settled: dict[UUID, Settled] = {}
        taken: set[UUID] = set()
        clean = not fresh
        if fresh or batch.unsettled:
            batch, answers = self._decide(orders)
        while True:
            try:
                positions = self._append(batch)
                break
            except FenceLost:
                self.restart()
            except IntegrityError:
                found = self._recall(batch.deciding_ids)
                assert found, "a stream has moved that nobody else writes"
                settled, taken = settled | found.settled, taken | found.taken
            batch, answers = self._decide(orders, settled=settled, taken=taken)
            clean = False
        if positions:
            batch.merge(positions[-1])
        for posting_id, decision in batch.decided.items():
            self._recent.put(posting_id, Settled(decision.fingerprint, decision.placed(positions)))
        return [each if isinstance(each, wire.Reply) else each.placed(positions) for each in answers], clean

    def _append(self, batch: Batch) -> list[int]:
        lose, self._lose = self._lose, ""
        if lose == "before":
            raise FenceLost(lose)
        if not batch.stored:
            return []
        positions = list(self._recorder.insert_events(batch.stored, book=self.names.book) or [])
        self._claims |= set(batch.claims)
        for posting_id, decision in batch.decided.items():
            reply = msgspec.structs.replace(decision.placed(positions), items=())  # the log keeps no items of a bulk
            self._durable[posting_id] = Settled(decision.fingerprint, reply)
        if lose == "after":
            raise FenceLost(lose)
        return positions

    def _recall(self, ids: Sequence[UUID]) -> Recalled:
        return Recalled({each: self._durable[each] for each in ids if each in self._durable}, {*ids} & self._claims)

    def _posting(self, posting_id: UUID) -> Posting | None:
        stored = self._recorder.select_events(posting_id)
        return fold(stored) if stored else None

    def close(self) -> None:
        """Nothing to close."""


class LosingRecorder(FencedRecorder):
    """Loses its connection at a commit when told to: before the rows are written, or after."""

    lose = ""

    def insert_events(self, *args: Any, **more: Any) -> Any:
        lose, self.lose = self.lose, ""
        if lose == "before":
            self.release()
            raise FenceLost(lose)
        positions = super().insert_events(*args, **more)
        if lose == "after":
            self.release()
            raise FenceLost(lose)
        return positions


class OnPostgres:
    """An engine asked through its socket; restarting it means a new one on the same database.

    `asked_again`: an answer to the last requests did not come, so that they may be told as decided before.
    """

    asked_again = False

    def __init__(self, now: datetime, database_url: str, directory: Path, book: int) -> None:
        self.names, self.now = Names(book), now
        self._database_url, self._path = database_url, directory / f"{book}.sock"
        self._start()

    def _start(self) -> None:
        self._recorder = LosingRecorder(self._database_url, [self.names.book])
        self._engine = PostingEngine(self._recorder, lambda: self.now, socket_path=str(self._path))
        self._server = LedgerServer(self._engine, self._path)
        self._server.start()
        self._client = LedgerClient(self._path)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._engine.run, args=[self._stop])
        self._thread.start()
        assert self._engine.owning.wait(20)

    def restart(self) -> None:
        """Stop the engine and start another."""
        self.close()
        self._start()

    def lose_next(self, when: str) -> None:
        """The next commit is lost `before` or `after` it is durable."""
        self._recorder.lose = when

    @property
    def heads(self) -> Heads:
        """The engine's memory."""
        assert self._engine.owning.wait(20)
        return self._engine.heads(self.names.book)

    def folded(self) -> Heads:
        """Memory as the rows have it."""
        heads = Heads(self.names.book)
        heads.load([], self._recorder, LogMapper())
        return heads

    def rows(self, after: int) -> list[Recorded]:
        """The log of this book after a position."""
        return self._recorder.read(after, 100_000, books=[self.names.book], until=LATEST)

    def numbers(self, wallet_id: UUID) -> wire.WalletNumbers | None:
        """A wallet as the engine tells it."""
        return self._told(wire.ReadWallet(book=self.names.book, wallet_id=wallet_id)).wallet

    def ask(self, flights: Sequence[Sequence[Asked]]) -> list[wire.Reply]:
        """One after the other."""
        self.asked_again = False
        return [self._told(self.names.order(asked)) for flight in flights for asked in flight]

    def _told(self, request: wire.Request) -> wire.Reply:
        """The answer, asked for again while the engine does not answer, as every caller with a key may."""
        for _ in range(5):
            try:
                return self._client.ask(request)
            except EngineUnavailable:
                self.asked_again = True
                assert self._engine.owning.wait(20)
        return self._client.ask(request)

    def close(self) -> None:
        """Stop the engine; what it was told is in the log."""
        self._stop.set()
        self._thread.join()
        self._client.close()
        self._server.stop()
        self._recorder.close()
