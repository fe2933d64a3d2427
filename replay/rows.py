"""The rows of any view, as they are or as they were: also of those that no door of the API shows."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import sql

from domain.errors import RuleViolation
from projections.queries.reading import Reader, Row, at
from projections.view import View


class ColumnUnknown(RuleViolation):
    """A view is asked about by a column that it does not have."""

    code = "column_unknown"


class ValueUnreadable(RuleViolation):
    """A column cannot hold what it is compared with."""

    code = "value_unreadable"


def rows(
    reader: Reader, view: View, book: int, where: Mapping[str, str], limit: int, as_of: int | None = None
) -> list[Row]:
    """Rows of a book in the order of the key, at most `limit`: of `book`, unless `where` names another; of a view that
    knows no books, of all. `where` holds what columns must be equal to, as text.

    Raises ColumnUnknown, ValueUnreadable and PastUnderWay.
    """
    unknown = sorted(where.keys() - view.columns.keys())
    if unknown:
        known = ", ".join(view.columns)
        raise ColumnUnknown(f"{unknown[0]}: view {view.name} has no such column; it has {known}", unknown[0])
    conditions: list[sql.Composable] = [sql.SQL("true")]
    if "book" in view.columns and "book" not in where:
        conditions.append(sql.SQL("book = {}").format(sql.Literal(book)))
    for name, text in where.items():
        kind = sql.SQL(view.columns[name])
        conditions.append(sql.SQL("{} = {}::{}").format(sql.Identifier(name), sql.Literal(text), kind))
    query = sql.SQL("select * from {} where {} order by {} limit {}").format(
        sql.Identifier(view.name),
        sql.SQL(" and ").join(conditions),
        sql.SQL(", ").join(map(sql.Identifier, view.key)),
        sql.Literal(limit),
    )
    try:
        then = at(as_of, _book_asked_for(view, book, where), view.name)
        return reader.rows(query.as_string(), None, prepare=False, then=then)
    except psycopg.DataError as wrong:
        raise ValueUnreadable(f"view {view.name}: {wrong.diag.message_primary}", "where") from None


def _book_asked_for(view: View, book: int, where: Mapping[str, str]) -> int | None:
    """Whose events are needed to know the rows of then; None for all books', as where the text says none."""
    if "book" not in view.columns:
        return None
    named = where.get("book")
    if named is None:
        return book
    return int(named) if named.isdecimal() and len(named) < len(str(2**31)) else None
