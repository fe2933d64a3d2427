"""``daybook trial-balance``: debits and credits per account, which must sum to zero."""

from __future__ import annotations

import json
from datetime import datetime

import click

from daybook.commands._moments import as_of_option
from daybook.commands._questions import reading
from daybook.session import EXIT_FINDING


@click.command()
@as_of_option
@click.option("--json", "as_json", is_flag=True, help="Print accounts, sum_minor and captured_minor as JSON.")
def command(as_of: int | datetime | None, as_json: bool) -> None:
    """Show debits and credits per account in minor units; ends with 1 when they do not sum to zero."""
    with reading("trial-balance") as asked:
        balance = asked.queries.trial_balance(asked.asker.book, asked.position(as_of))
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
