"""What the commands that ask the ledger's views share: a reading session whose views are up to date, and moments."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from daybook.bootstrap import views_now_and_then
from daybook.commands._ledger import Moment, asking
from daybook.session import EXIT_UNREACHABLE
from daybook.views import VIEWS_TIMEOUT_S, wait_for_views
from projections.queries import PastUnderWay, Queries, ViewsApart

as_of_help = "As of a position of the log, or of a time that has passed."


class AsOf(click.ParamType[int | datetime]):
    """A position of the log, or a moment with its offset."""

    name = "position or moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | datetime:
        """Read digits as a position, all else as a moment."""
        if isinstance(value, int):
            return value
        return int(value) if str(value).isdecimal() else Moment().convert(value, param, ctx)


@dataclass(frozen=True)
class Whole:
    """Who works at the command line sees all of the settings' book."""

    book: int
    merchant_id: str | None = None


class Reading:
    """The views of the settings' book, for as long as a command works."""

    def __init__(self, queries: Queries, book: int, wallets: Any) -> None:
        self.queries, self.asker, self._wallets = queries, Whole(book), wallets

    def wallet(self, wallet: str, currency: str | None) -> UUID:
        """The id of a wallet named by id, or by address and currency."""
        found: UUID = self._wallets(wallet, currency)
        return found

    def position(self, as_of: int | datetime | None, name: str) -> int | None:
        """The position that was asked for. Raises MomentNotReached, naming the option."""
        return None if as_of is None else self.queries.position_as_of(as_of, name)


@contextlib.contextmanager
def reading(name: str) -> Iterator[Reading]:
    """Views that hold all that was posted before the command began; ends the command with 3 when they do not come."""
    with asking(name, ("engine", "views")) as asked:
        opened = asked.opened
        if not (opened.wait_for_books(VIEWS_TIMEOUT_S) and wait_for_views(opened, VIEWS_TIMEOUT_S)):
            behind("books or views do not catch up; look at `daybook doctor`")
        with views_now_and_then(opened.log) as queries:
            try:
                yield Reading(queries, asked.book, asked.wallet)
            except (ViewsApart, PastUnderWay) as later:
                behind(str(later))


def behind(problem: str) -> None:
    """End the command: the views cannot answer now."""
    click.echo(problem, err=True)
    raise SystemExit(EXIT_UNREACHABLE)
