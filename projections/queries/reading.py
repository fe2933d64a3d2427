"""What all queries share: who asks, how a query is run, pages and their cursors, and what can be wrong with a question.

Conditions of a filter are texts of ours, joined when they are asked for; what a caller sends is always a parameter.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import dict_row

from domain.chart import DEBIT_KINDS
from domain.errors import RuleViolation

Read = Callable[[Callable[[psycopg.Connection[Any]], Any]], Any]
"""Runs a query on a pooled connection, again if the connection was lost: the log's readers do."""

Row = dict[str, Any]

OWN = "(b.merchant_id = %(owner)s or starts_with(b.address, 'merchant:' || %(owner)s || ':'))"
"""Which wallets (`b`) are a merchant's own; a condition only where a merchant asks."""

_POSITION = "select coalesce(max(position), 0) as position from views.builds where view = %s and state = 'live'"
_POSITIONS = "select view, version, position, policy, updated_at from views.builds where state = 'live' order by view"
_OWN_WALLETS = f"select b.wallet_id from balances b where b.book = %(book)s and {OWN}"  # noqa: S608 - ours
_ACCOUNTS = """
select b.wallet_id, b.address, b.currency from balances b where b.book = %s and b.wallet_id = any(%s)
"""


class Asker(Protocol):
    """Who asks: the book whose rows exist, and the merchant whose own they must be (None: all of the book)."""

    @property
    def book(self) -> int: ...
    @property
    def merchant_id(self) -> str | None: ...


class Then(NamedTuple):
    """Some views as they were at a position, of one book (None: of all)."""

    views: tuple[str, ...]
    position: int
    book: int | None


class Past(Protocol):
    """What knows views as they were."""

    def read(self, then: Then, query: Callable[[psycopg.Connection[Any]], Any]) -> Any:
        """Runs a query that finds, under the names of the views, their rows of then; `balances`, where it is not one of
        them, has what never changes of the wallets there were. Raises PastUnderWay."""
        ...


@dataclass(frozen=True)
class Page:
    """A page of a list; `next_cursor` is None on the last."""

    items: list[Row]
    next_cursor: str | None


class CursorUnreadable(RuleViolation):
    """The cursor is not one of ours: take it from the page before, or leave it out."""

    code: ClassVar[str] = "cursor_unreadable"


class ViewsApart(Exception):
    """Two views that a question needs stand at different positions for the moment, so no answer would be right.

    They move in one commit except while one of them is rebuilt; ask again.
    """


class PastUnderWay(Exception):
    """Somebody folds a view to about that moment already, and it takes long; ask again, and it will be there."""


class Reader:
    """Runs queries on connections of the caller's pool, or of `past` where they are about views as they were."""

    def __init__(self, read: Read, past: Past | None = None) -> None:
        self._read = read
        self._past = past

    def position(self, view: str) -> int:
        """How far the live build of a view has come; 0 before it has started."""
        return int(self.rows(_POSITION, [view], shown=False)[0]["position"])

    def positions(self) -> list[Row]:
        """Every live build with its position, policy and last move."""
        return self.rows(_POSITIONS, [])

    def rows(
        self, query: str, parameters: Any, *, prepare: bool = True, shown: bool = True, then: Then | None = None
    ) -> list[Row]:
        """The rows of a query, of views as they are or as they were `then`. One whose best plan depends on what is
        asked for is not to be prepared. Raises PastUnderWay."""
        found: list[Row]
        if then is None:
            found = self._read(lambda connection: fetch(connection, query, parameters, prepare=prepare))
        elif self._past is None:
            raise LookupError("views as they were: these queries were given nothing that knows the past")
        else:
            found = self._past.read(then, lambda connection: fetch(connection, query, parameters))
        return show_positions(found) if shown else found

    def own_wallets(self, caller: Asker, as_of: int | None = None) -> list[UUID] | None:
        """The wallets a merchant may see; None for those who may see all of the book."""
        if caller.merchant_id is None:
            return None
        scope = {"book": caller.book, "owner": caller.merchant_id}
        then = at(as_of, caller.book)
        return [row["wallet_id"] for row in self.rows(_OWN_WALLETS, scope, prepare=False, then=then)]

    def accounts(self, book: int, wallet_ids: Sequence[UUID], as_of: int | None = None) -> dict[UUID, Row]:
        """Address and currency of wallets of a book, by id."""
        rows = self.rows(_ACCOUNTS, [book, list(set(wallet_ids))], then=at(as_of, book))
        return {row["wallet_id"]: row for row in rows}


def at(as_of: int | None, book: int | None, *views: str) -> Then | None:
    """The views as they were at a position; None for now."""
    return None if as_of is None else Then(views, as_of, book)


def fetch(connection: psycopg.Connection[Any], query: str, parameters: Any, *, prepare: bool = False) -> list[Row]:
    """The rows of a query as dictionaries."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters, prepare=prepare).fetchall()


def show_positions(rows: list[Row]) -> list[Row]:
    """Positions as text: they are beyond what JavaScript's numbers hold."""
    for row in rows:
        if isinstance(row.get("position"), int):
            row["position"] = str(row["position"])
    return rows


def conditions(texts: Mapping[str, str], asked: Mapping[str, Any]) -> str:
    """The conditions of what is asked for (is not None), to follow a condition that always holds."""
    return "".join(f" and {text}" for name, text in texts.items() if asked.get(name) is not None)


def own(caller: Asker) -> str:
    """The condition that a wallet `b` is the caller's to see; nothing for those who see all of the book."""
    return f" and {OWN}" if caller.merchant_id is not None else ""


def scope(caller: Asker) -> Row:
    """The parameters that every query takes."""
    return {"book": caller.book, "owner": caller.merchant_id}


def sign_of(account_kind: str) -> int:
    """What turns a debit-positive amount into the sign that people expect of such an account."""
    return 1 if account_kind in DEBIT_KINDS else -1


def page(rows: list[Row], limit: int, last: Callable[[Row], Any]) -> Page:
    """One row more than asked for says that there is a next page."""
    if len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], encoded(last(rows[limit - 1])))


def encoded(place: Any) -> str:
    """A place in a list as a cursor, which callers only hand back."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def decoded(cursor: str, shape: Any) -> Any:
    """The place that a cursor means. Raises CursorUnreadable."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=shape)
    except ValueError as problem:
        message = "cursor cannot be read: take next_cursor of the page before, or leave it out"
        raise CursorUnreadable(message, "cursor") from problem
