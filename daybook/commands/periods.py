"""``daybook periods``: close the books through a day, and show how far they are closed."""

from __future__ import annotations

from datetime import datetime

import click

from api.periods import periods_document
from daybook.commands._ledger import asking, decision, json_option, key_option, print_facts
from ledger.wire import ClosePeriod


@click.group()
def command() -> None:
    """Periods: close the books through a day, show how far they are closed."""


@command.command("close")
@click.argument("through", type=click.DateTime(formats=["%Y-%m-%d"]))
@key_option
@json_option
def close(through: datetime, key: str, as_json: bool) -> None:
    """Let nothing take effect through this day (UTC) any more; it is never opened again."""
    with asking("periods") as asked:
        reply = asked.ask(ClosePeriod(book=asked.book, key=key, through=through.date()), "closed")
    print_facts(decision(reply, key=key, through=through.date()), as_json)


@command.command("show")
@json_option
def show(as_json: bool) -> None:
    """Show through which day the books are closed, and by which closings."""
    with asking("periods", roles=()) as asked:
        facts = periods_document(asked.opened.log, asked.book)
    print_facts(facts, as_json)
