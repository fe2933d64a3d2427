"""What two tables of a view differ by in the columns that can be corrected, summed by PostgreSQL."""

from __future__ import annotations

from string import Formatter
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from projections.view import View
from replay.builds import Build

# Each side is summed by itself and not row against row: a row may stand under another merchant than before. What goes
# into an address is taken as text, since a build may keep it in another type.
SUMS = """
select currency, {named}, sum(amount_minor)::bigint
  from (select currency, {texts}, -coalesce({column}, 0) as amount_minor from {first} where book = %(book)s
        union all
        select currency, {texts}, coalesce({column}, 0) from {second} where book = %(book)s) t
 group by currency, {named} having sum(amount_minor) <> 0 order by currency, {named}
"""


class Moved(NamedTuple):
    """By how much a column should have been more, in minor units, for the rows with these values."""

    column: str
    book: int
    currency: str
    amount_minor: int
    columns: dict[str, Any]


def template_columns(view: View) -> list[str]:
    """Columns that a row must have so that its correction has accounts, a book and a currency."""
    fields = {
        name
        for accounts in view.corrections.values()
        for template in accounts
        for _, name, _, _ in Formatter().parse(template)
        if name
    }
    return sorted(fields | {"book", "currency"})


def moved(connection: psycopg.Connection[Any], view: View, first: Build, second: Build, book: int) -> list[Moved]:
    """The differences, second minus first, of every column that the view corrects; part of the caller's transaction, in
    whose snapshot both tables say what was true at the same position."""
    names = [name for name in template_columns(view) if name != "currency"]
    found = []
    for column in view.corrections:
        query = sql.SQL(SUMS).format(
            named=sql.SQL(", ").join(map(sql.Identifier, names)),
            texts=sql.SQL(", ").join(map(_text, names)),
            column=sql.Identifier(column),
            first=sql.Identifier(*first.table.split(".")),
            second=sql.Identifier(*second.table.split(".")),
        )
        for currency, *values, amount in connection.execute(query, {"book": book}).fetchall():
            found.append(Moved(column, book, currency, amount, dict(zip(names, values, strict=True))))
    return found


def _text(name: str) -> sql.Composable:
    column = sql.Identifier(name)
    return column if name == "book" else sql.SQL("{column}::text as {column}").format(column=column)
