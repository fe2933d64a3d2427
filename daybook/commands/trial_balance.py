"""``daybook trial-balance``: debits and credits per account, which must sum to zero."""

from __future__ import annotations

import json

import click

from daybook.commands import read_settings
from daybook.logs import configure_logging
from daybook.session import EXIT_FINDING, EXIT_UNREACHABLE, session
from daybook.views import VIEWS_TIMEOUT_S, trial_balance, wait_for_views


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print accounts, sum_minor and captured_minor as JSON.")
def command(as_json: bool) -> None:
    """Show debits and credits per account in minor units; ends with 1 when they do not sum to zero."""
    settings = read_settings()
    configure_logging(settings.log_level, "trial-balance")
    with session(settings) as opened:
        if not (opened.wait_for_books(VIEWS_TIMEOUT_S) and wait_for_views(opened, VIEWS_TIMEOUT_S)):
            click.echo("books or views do not catch up; look at `daybook doctor`", err=True)
            raise SystemExit(EXIT_UNREACHABLE)
        balance = trial_balance(opened.database_url, settings.book)
    if as_json:
        click.echo(json.dumps(balance))
    else:
        for row in balance["accounts"]:
            click.echo(f"{row['currency']} {row['address']:<60}{row['debit_minor']:>18,}{row['credit_minor']:>18,}")
        for currency, amount in balance["sum_minor"].items():
            captured = balance["captured_minor"].get(currency, 0)
            click.echo(f"{currency} sum {amount:,}, captured {captured:,}")
    if any(balance["sum_minor"].values()):
        raise SystemExit(EXIT_FINDING)
