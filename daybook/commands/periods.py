"""``daybook periods``: close the books through a day, and show how far they are closed."""

from __future__ import annotations

from datetime import datetime

import click

from api.moments import as_known
from api.periods import periods_document
from daybook.commands._ledger import asking, decision, json_option, key_option, print_facts
from daybook.commands._moments import as_of_option, position_of, version_of
from domain.period import periods_stream_id
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
@as_of_option
@json_option
def show(as_of: int | datetime | None, as_json: bool) -> None:
    """Show through which day the books are closed, and by which closings."""
    with asking("periods", roles=()) as asked:
        then = position_of(asked.opened, as_of)
        version = version_of(asked.opened, periods_stream_id(asked.book), then)
        facts = as_known(periods_document(asked.opened.log, asked.book, version), then)
    print_facts(facts, as_json)
