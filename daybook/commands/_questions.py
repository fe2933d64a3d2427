"""What the commands that ask the ledger's views share: a reading session whose views are up to date, and moments."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import click

from daybook.bootstrap import views_now_and_then
from daybook.commands._ledger import Asking, asking
from daybook.commands._moments import position_of
from daybook.session import EXIT_UNREACHABLE
from daybook.views import VIEWS_TIMEOUT_S, Whole, wait_for_views
from projections.queries import PastUnderWay, Queries, ViewsApart


class Reading:
    """The views of the settings' book, for as long as a command works."""

    def __init__(self, queries: Queries, asked: Asking) -> None:
        self.queries, self.asker = queries, Whole(asked.book)
        self._opened, self._wallet = asked.opened, asked.wallet

    def wallet(self, wallet: str, currency: str | None) -> UUID:
        """The id of a wallet named by id, or by address and currency."""
        return self._wallet(wallet, currency)

    def position(self, as_of: int | datetime | None, name: str = "--as-of") -> int | None:
        """The position that was asked for. Raises MomentNotReached, naming the option."""
        return position_of(self._opened, as_of, name)


@contextlib.contextmanager
def reading(name: str) -> Iterator[Reading]:
    """Views that hold all that was posted before the command began; ends the command with 3 when they do not come."""
    with asking(name, ("engine", "views")) as asked:
        opened = asked.opened
        if not (opened.wait_for_books(VIEWS_TIMEOUT_S) and wait_for_views(opened, VIEWS_TIMEOUT_S)):
            behind("books or views do not catch up; look at `daybook doctor`")
        with views_now_and_then(opened.log) as queries:
            try:
                yield Reading(queries, asked)
            except (ViewsApart, PastUnderWay) as later:
                behind(str(later))


def behind(problem: str) -> None:
    """End the command: the views cannot answer now."""
    click.echo(problem, err=True)
    raise SystemExit(EXIT_UNREACHABLE)
