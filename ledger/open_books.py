"""Which books are open: an engine owns all of them, also those that are opened while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

# Written out and not a parameter: only so can the partial index over these few events be used.
OPENED = "select book, position from log.events where topic = 'book.opened.v1' order by position"


def open_books(connection: psycopg.Connection[Any]) -> dict[int, int]:
    """Every open book with the position of its opening: nothing of a book lies before it."""
    return dict(connection.execute(OPENED, prepare=True).fetchall())
