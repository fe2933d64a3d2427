"""``daybook replay what-if``: history under a changed view, posting rule or fee table, told in money."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console

from daybook.commands import read_settings
from daybook.commands._ledger import json_option
from daybook.commands._moments import AsOf, as_of_help, position_of
from daybook.commands._reports import html_option, write_page
from daybook.logs import configure_logging
from daybook.session import EXIT_FINDING, session
from projections.queries import MomentNotReached
from projections.registry import UnknownView
from replay.fill import EventRefused
from replay.what_if import told
from replay.what_if.answer import Answer, what_if
from replay.what_if.changes import ModuleUnusable, changes_of

WIDTH = 160


@click.command("what-if")
@click.option("--with", "module", required=True, metavar="MODULE", help="A Python module on PYTHONPATH.")
@click.option("--view", metavar="NAME", help="Of the module, only this view.")
@click.option("--until", type=AsOf(), help=as_of_help)
@html_option
@json_option
def command(module: str, view: str | None, until: int | datetime | None, html: Path | None, as_json: bool) -> None:
    """Tell what would be otherwise under a changed view, posting rule or fee table; nothing is changed.

    MODULE may define VIEW or VIEWS (changed views), posting_for(event, book) (a changed posting rule), and either
    commission_bps(event, book) or FEES, basis points by seller id, by currency, or "*" for everybody else.
    """
    settings = read_settings()
    configure_logging(settings.log_level, "replay")
    try:
        changes = changes_of(module, view)
        with session(settings, roles=()) as opened:
            position = position_of(opened, until, "--until")
            answer = what_if(opened.database_url, opened.recorder, opened.log.log_mapper.decode, changes, position)
    except (ModuleUnusable, MomentNotReached, UnknownView) as wrong:
        raise click.UsageError(str(wrong)) from None
    except EventRefused as refused:
        click.echo(str(refused), err=True)
        raise SystemExit(EXIT_FINDING) from None
    _print(answer, html, as_json)


def _print(answer: Answer, html: Path | None, as_json: bool) -> None:
    if html is not None:
        write_page(html, told.page(answer))
    if as_json:
        click.echo(json.dumps(told.facts(answer)))
    else:
        told.show(answer, Console(width=None if sys.stdout.isatty() else WIDTH))
