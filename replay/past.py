"""Views as they were at a position: the rows of the nearest checkpoint, and over them what happened from there to then.

The queries are the very same that the live views are asked: they name views without a schema, and in the transaction of
a question those names are temporary relations. A view that is not there by then is an error and never the present one.
What becomes of a stream whose events a view cannot take is what the machine does: it is left out from there on. An
event that was given up for the live build is left out at all times: the past leads to what readers see now.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from eventlog.arrays import column as packed_column
from eventlog.connections import Readers
from eventlog.errors import LogUnavailable
from eventlog.follower import LogReader
from eventlog.recorded import Recorded
from projections.queries.reading import PastUnderWay, Then
from projections.view import Fact, Key, Rows, View, template
from replay import builds, parked, tables
from replay.builds import Build, TemporaryBuild
from replay.checkpoints import STEP_EVENTS, Checkpoints, asked_again, is_far, nearest

SESSIONS_MAX = 2
"""Questions about the past that a process works on at once; more of them wait, those about the present never do."""
CHECKPOINTS_MAX = 4
PAGE_EVENTS = 5_000
ATTEMPTS = 3
# What never changes of a wallet, of those that were open by then.
WALLETS = """
create temp view balances as
select b.wallet_id, b.book, b.address, b.currency, b.account_kind, b.merchant_id from views.balances b
 where exists (select 1 from log.events e where e.stream_id = b.wallet_id and e.version = 1 and e.position <= {})
"""


class _Far(Exception):
    """There is no checkpoint near enough."""

    def __init__(self, live: Build) -> None:
        self.live = live
        super().__init__(live.view.name)


class PastViews:
    """Answers queries from views as they were. Safe to share between threads; to be closed.

    `reader` and `decode` are the log's. The position of a question must be settled: all that will ever stand up to it
    can be read.
    """

    def __init__(
        self,
        database_url: str,
        reader: LogReader,
        decode: Callable[[Recorded], Any],
        *,
        checkpoints_max: int = CHECKPOINTS_MAX,
        step_events: int = STEP_EVENTS,
        wait_s: float | None = None,
    ) -> None:
        """`wait_s` is how long a question waits for its turn, and for a checkpoint; None for as long as it takes."""
        self._reader, self._decode = reader, decode
        self._checkpoints = Checkpoints(database_url, decode, checkpoints_max, step_events)
        self._sessions = Readers(database_url, SESSIONS_MAX)
        self._turns = threading.BoundedSemaphore(SESSIONS_MAX)
        self._wait_s = wait_s
        self._making: dict[str, _Making] = {}
        self._making_lock = threading.Lock()

    def read(self, then: Then, query: Callable[[psycopg.Connection[Any]], Any]) -> Any:
        """Runs a query in which the views are as they were. Raises PastUnderWay, and LogUnavailable."""
        if not self._turns.acquire(timeout=self._wait_s):
            raise PastUnderWay("other questions about the past are being answered; ask again")
        try:
            for _ in range(ATTEMPTS):
                try:
                    return self._sessions.read(lambda connection: self._asked(connection, then, query))
                except _Far as far:
                    self._bring_near(far.live, then.position)
        finally:
            self._turns.release()
        raise PastUnderWay("so many moments are asked about that checkpoints come and go; ask again")

    def close(self) -> None:
        """Ends the sessions."""
        self._sessions.close()

    def _bring_near(self, live: Build, position: int) -> None:
        """Has a checkpoint made that is near. It is made whether or not the caller can wait for its end, so that who
        asks again finds it; one at a time for each view."""
        name = live.view.name
        with self._making_lock:
            making = self._making.get(name)
            if making is None or not making.is_alive():
                making = self._making[name] = _Making(lambda: self._checkpoints.bring_near(live, position), name)
                making.start()
        making.join(self._wait_s)
        if making.is_alive():
            raise PastUnderWay(f"view {name} is being folded to about that moment; ask again")
        if isinstance(making.problem, psycopg.OperationalError):
            raise LogUnavailable(f"The log cannot be read: {making.problem}") from making.problem
        if making.problem is not None:
            raise making.problem

    def _asked(
        self, connection: psycopg.Connection[Any], then: Then, query: Callable[[psycopg.Connection[Any]], Any]
    ) -> Any:
        bases = []
        with connection.transaction(force_rollback=True):
            for name in then.views:
                live = builds.find(connection, name, "live")
                base = nearest(connection, live, then.position)
                if is_far(connection, base, then.position, self._checkpoints.step_events):
                    raise _Far(live)
                bases.append(base)
                rows = self._changed(connection, live, base, then)
                _show(connection, live.view, base, rows, then.book)
            if "balances" not in then.views:
                connection.execute(sql.SQL(WALLETS).format(sql.Literal(then.position)), prepare=False)
            connection.execute("set local search_path = pg_temp")
            answer = query(connection)
        for base in bases:
            if base is not None:
                asked_again(connection, base)
        return answer

    def _changed(self, connection: psycopg.Connection[Any], live: Build, base: Build | None, then: Then) -> Rows:
        """The rows that changed between the checkpoint and then; None where one is gone, or never came to be."""
        view, given_up = live.view, parked.given_up(connection, live)

        def pages() -> Iterator[list[Recorded]]:
            after = 0 if base is None else base.position
            books = () if then.book is None else (then.book,)
            while page := self._reader.read(after, PAGE_EVENTS, topics=view.topics, books=books, until=then.position):
                yield [row for row in page if row.position not in given_up]
                after = page[-1].position

        held = set() if base is None else set(parked.held(connection, base))
        folding = _Folding(connection, view, base, self._decode, held)
        try:
            for page in pages():
                folding.fold(page)
        except psycopg.Error:
            raise
        except Exception:  # noqa: BLE001 - found, with its stream, one by one
            folding = _Folding(connection, view, base, self._decode, held)
            for page in pages():
                folding.fold_carefully(page)
        return folding.rows


class _Making(threading.Thread):
    """A checkpoint under way. Nobody waits for it when the process ends: the server takes back what is half done."""

    def __init__(self, make: Callable[[], None], view: str) -> None:
        super().__init__(name=f"checkpoint-{view}", daemon=True)
        self._make = make
        self.problem: Exception | None = None

    def run(self) -> None:
        """Leaves what went wrong to those who wait."""
        try:
            self._make()
        except Exception as problem:  # noqa: BLE001 - raised again where it is waited for
            self.problem = problem


class _Folding:
    """Folds what came after a checkpoint, in memory."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        view: View,
        base: Build | None,
        decode: Callable[[Recorded], Any],
        held: set[UUID],
    ) -> None:
        self._connection, self._view, self._base, self._decode = connection, view, base, decode
        self._held = set(held)
        self.rows: Rows = {}

    def fold(self, page: list[Recorded]) -> None:
        """Raises what a fact is refused with."""
        facts = [self._fact(row) for row in page if row.stream_id not in self._held]
        self._bring([key for fact in facts for key in self._view.keys(fact)])
        for fact in facts:
            self._view.fold(self.rows, fact)

    def fold_carefully(self, page: list[Recorded]) -> None:
        """One by one: a stream is left out from the event on that is refused, of which no trace stays."""
        view, rows = self._view, self.rows
        for row in page:
            if row.stream_id in self._held:
                continue
            try:
                fact = self._fact(row)
                keys = view.keys(fact)
            except Exception:  # noqa: BLE001 - whatever a damaged row raises
                self._held.add(row.stream_id)
                continue
            self._bring(keys)
            # `written` makes a row of plain values, of which a copy is one.
            before = {key: None if (known := rows[key]) is None else dict(view.written(known)) for key in keys}
            count = len(rows)
            try:
                view.fold(rows, fact)
            except Exception:  # noqa: BLE001 - a view may fail in any way
                self._held.add(row.stream_id)
                while len(rows) > count:
                    rows.popitem()
                rows.update(before)

    def _fact(self, row: Recorded) -> Fact:
        return Fact.of(row, self._decode(row))

    def _bring(self, keys: list[Key] | tuple[Key, ...]) -> None:
        missing = [key for key in keys if key not in self.rows]
        if self._base is None:
            self.rows.update(dict.fromkeys(missing))
        elif missing:
            self.rows.update(tables.load(self._connection, self._base, missing))


def _show(connection: psycopg.Connection[Any], view: View, base: Build | None, rows: Rows, book: int | None) -> None:
    """Lets the session see the checkpoint's rows with the changed ones in their place, under the view's name."""
    changed, whole = f"{view.name}_changed", f"{view.name}_whole"
    like = sql.SQL("create temp table {} (like {}, primary key ({}))").format(
        sql.Identifier(changed),
        sql.Identifier("views", template(view)),
        sql.SQL(", ").join(map(sql.Identifier, view.key)),
    )
    connection.execute(like, prepare=False)
    present: Rows = {key: row for key, row in rows.items() if row is not None}
    tables.write(connection, TemporaryBuild(view, 0, "past", 0, changed), present)
    columns = sql.SQL(", ").join(map(sql.Identifier, view.columns))
    parts: list[sql.Composable] = [sql.SQL("select {} from pg_temp.{}").format(columns, sql.Identifier(changed))]
    if base is not None:
        parts.append(_unchanged(connection, view, base, rows, book))
    both = sql.SQL("create temp view {} as {}").format(sql.Identifier(whole), sql.SQL(" union all ").join(parts))
    connection.execute(both, prepare=False)
    shown = view.shown.replace("{table}", f"pg_temp.{whole}")
    named = sql.SQL("create temp view {} as {}").format(sql.Identifier(view.name), sql.SQL(shown))
    connection.execute(named, prepare=False)


def _unchanged(
    connection: psycopg.Connection[Any], view: View, base: Build, rows: Rows, book: int | None
) -> sql.Composed:
    """The checkpoint's rows of the book without those that changed since."""
    columns = sql.SQL(", ").join(map(sql.Identifier, view.columns))
    conditions: list[sql.Composable] = [sql.SQL("true")]
    if book is not None and "book" in view.columns:
        conditions.append(sql.SQL("c.book = {}").format(sql.Literal(book)))
    if rows:
        seen = f"{view.name}_seen"
        keys = sql.SQL(", ").join(map(sql.Identifier, view.key))
        arrays = sql.SQL(", ").join(sql.SQL("%b::{}[]").format(sql.SQL(view.columns[name])) for name in view.key)
        made = sql.SQL("create temp table {} as select * from unnest({}) k({})").format(
            sql.Identifier(seen), arrays, keys
        )
        values = zip(*rows, strict=True)
        packed = [packed_column(view.columns[name], one) for name, one in zip(view.key, values, strict=True)]
        connection.execute(made, packed, prepare=False)
        same = sql.SQL(" and ").join(sql.SQL("s.{0} = c.{0}").format(sql.Identifier(name)) for name in view.key)
        conditions.append(
            sql.SQL("not exists (select 1 from pg_temp.{} s where {})").format(sql.Identifier(seen), same)
        )
    return sql.SQL("select {} from {} c where {}").format(
        columns, sql.Identifier("views", base.relation), sql.SQL(" and ").join(conditions)
    )
