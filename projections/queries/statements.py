"""Statements: what a wallet had before a range of time, every entry in it with the balance after it, what it had then.

All pages of a statement are as of the position at which its first one was read, so that they belong together whatever
is posted meanwhile. The closing balance is read by itself; that the entries lead to it is checked on the last page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from projections.queries.grouping import ONLY_KINDS
from projections.queries.moments import APART, Span, span
from projections.queries.numbers import AS_OF, OPENED, NumberQueries, When, moved_query, question
from projections.queries.reading import (
    Asker,
    Row,
    ViewsApart,
    decoded,
    encoded,
    fetch,
    own,
    scope,
    show_positions,
    sign_of,
)
from projections.queries.wallets import WalletFilter

WALLET = """
select b.wallet_id, b.address, b.currency, b.account_kind from balances b
 where b.book = %(book)s and b.wallet_id = %(wallet)s {own} and {opened}
"""
POSITIONS = """
select min(position) as first, max(position) as last, count(*) as builds
  from views.builds where view in ('wallet_days', 'wallet_entries') and state = 'live'
"""
_ENTRIES = """
select posting_id, line, version, amount_minor, effective_at, recorded_at, position from wallet_entries
 where wallet_id = %(wallet)s and effective_at is not null and position <= %(as_of)s and {which}
"""
BY_EFFECTIVE = _ENTRIES.format(
    which="effective_at >= %(start)s and effective_at < %(end)s"
    " and (effective_at, position) > (%(at)s, %(after)s) order by effective_at, position limit %(limit)s"
)
BY_RECORDED = _ENTRIES.format(which="position > %(after)s order by position limit %(limit)s")


class EntriesDoNotClose(Exception):
    """The entries of a statement do not lead from its opening to its closing balance: a view is wrong, rebuild it."""


class Range(NamedTuple):
    """What a statement is about: an effective range, or the positions after one and up to another (None: now)."""

    effective: Span | None = None
    after: int = 0
    up_to: int | None = None


@dataclass(frozen=True)
class Statement:
    """A page of a statement; amounts in minor units and the natural sign, `opening_minor` and `closing_minor` those of
    the whole range. `as_of` is the position of all its pages."""

    wallet: Row
    as_of: int
    opening_minor: int
    closing_minor: int
    entries: list[Row]
    next_cursor: str | None


class _Place(NamedTuple):
    """Where the next page begins: the statement's position, the last entry, and the balance after it (signed)."""

    as_of: int
    at: datetime
    after: int
    balance: int


class StatementQueries(NumberQueries):
    """Statements of one wallet."""

    def statement(
        self, caller: Asker, wallet_id: UUID, about: Range, *, cursor: str | None = None, limit: int = 500
    ) -> Statement | None:
        """A page of a wallet's statement; None when there is no such wallet for the caller.

        Raises CursorUnreadable, ViewsApart, EntriesDoNotClose.
        """
        place = _Place(*decoded(cursor, tuple[int, datetime, int, int])) if cursor else None

        def read(connection: Connection[Any]) -> Statement | None:
            with connection.transaction():
                connection.execute("set transaction isolation level repeatable read, read only")
                now = _joint_position(connection)
                as_of = place.as_of if place is not None else about.up_to if about.up_to is not None else now
                known = scope(caller) | {"wallet": wallet_id, "as_of": as_of}
                found = fetch(connection, WALLET.format(own=own(caller), opened=OPENED), known)
                if not found:
                    return None
                return _read(connection, caller, found[0], about, as_of, place, limit)

        statement: Statement | None = self._read(read)
        return statement

    def statement_pages(
        self, caller: Asker, wallet_id: UUID, about: Range, *, limit: int = 5_000
    ) -> Iterator[Statement]:
        """Every page of a statement, for who wants it whole; none when there is no such wallet for the caller."""
        page = self.statement(caller, wallet_id, about, limit=limit)
        while page is not None:
            yield page
            if page.next_cursor is None:
                return
            page = self.statement(caller, wallet_id, about, cursor=page.next_cursor, limit=limit)


def _joint_position(connection: Connection[Any]) -> int:
    """Where the two views that a statement is made of stand. Raises ViewsApart when that is not one position."""
    (found,) = fetch(connection, POSITIONS, None, prepare=True)
    if found["builds"] < 2 or found["first"] != found["last"]:
        raise ViewsApart(APART)
    return int(found["last"])


def _read(
    connection: Connection[Any], caller: Asker, wallet: Row, about: Range, as_of: int, place: _Place | None, limit: int
) -> Statement:
    sign = sign_of(wallet["account_kind"])
    opening, closing = _balances(connection, caller, wallet["wallet_id"], about, as_of)
    effective = about.effective
    begin = place or _Place(as_of, datetime.min.replace(tzinfo=UTC), 0 if effective else about.after, opening)
    parameters: Row = begin._asdict() | {"wallet": wallet["wallet_id"], "limit": limit + 1}
    if effective is not None:
        parameters |= {"start": effective.start, "end": effective.end}
    found = fetch(connection, BY_EFFECTIVE if effective is not None else BY_RECORDED, parameters)
    entries, balance = found[:limit], begin.balance
    for entry in entries:
        balance += entry["amount_minor"]
        entry["amount_minor"] *= sign
        entry["balance_minor"] = sign * balance
    next_cursor = None
    if len(found) > limit:
        last = entries[-1]
        next_cursor = encoded((as_of, last["effective_at"], last["position"], balance))
    elif balance != closing:
        message = f"wallet {wallet['wallet_id']}: entries lead to {balance}, the closing balance is {closing}"
        raise EntriesDoNotClose(message)
    return Statement(wallet, as_of, sign * opening, sign * closing, show_positions(entries), next_cursor)


def _balances(connection: Connection[Any], caller: Asker, wallet_id: UUID, about: Range, as_of: int) -> tuple[int, int]:
    """Signed balances before the range and at its end."""
    chosen, effective = WalletFilter(wallet_id=wallet_id), about.effective

    def balance(when: When) -> int:
        query = AS_OF if when.effective is None else moved_query(when)
        rows = fetch(connection, *question(query, caller, chosen, when, ONLY_KINDS))
        if not rows:  # it was not open by then
            return 0
        if when.effective is None:
            return int(rows[0]["posted_minor"] or 0)
        return int(rows[0]["debit_minor"] - rows[0]["credit_minor"])

    if effective is None:
        return balance(When(about.after)), balance(When(as_of))
    return balance(When(as_of, span(None, effective.start))), balance(When(as_of, span(None, effective.end)))
