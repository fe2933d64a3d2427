"""``daybook monitors``: watch a number of a wallet, and see when it crossed its threshold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from api.moments import as_known
from api.monitors import monitor_document
from daybook.commands._ledger import (
    asking,
    currency_option,
    decision,
    json_option,
    key_option,
    print_facts,
    reference_option,
    uuid_of,
)
from daybook.commands._moments import as_of_option, position_of
from daybook.commands._streams import monitor_of
from domain.monitor import MEASURES
from ledger.wire import CreateMonitor, RemoveMonitor


@click.group()
def command() -> None:
    """Monitors: create one, remove it, show its crossings."""


@command.command("create")
@click.argument("wallet")
@currency_option
@click.option("--measure", type=click.Choice(MEASURES), required=True, help="Which number of the wallet.")
@click.option("--threshold-minor", type=int, required=True, help="Natural sign; itself belongs to the upper side.")
@reference_option
@key_option
@json_option
def create(
    wallet: str,
    currency: str | None,
    measure: Any,
    threshold_minor: int,
    reference: str | None,
    key: str,
    as_json: bool,
) -> None:
    """Record whenever a number of a wallet crosses a threshold."""
    with asking("monitors") as asked:
        order = CreateMonitor(
            book=asked.book,
            key=key,
            wallet_id=asked.wallet(wallet, currency),
            measure=measure,
            threshold_minor=threshold_minor,
            reference=reference,
        )
        reply = asked.ask(order, "created")
    print_facts(decision(reply, key=key, monitor_id=reply.target_id), as_json)


@command.command("remove")
@click.argument("monitor_id")
@json_option
def remove(monitor_id: str, as_json: bool) -> None:
    """Watch no more; what was recorded stays."""
    found = uuid_of(monitor_id, "MONITOR_ID")
    with asking("monitors") as asked:
        reply = asked.ask(RemoveMonitor(book=asked.book, key=str(found), monitor_id=found), "removed")
    print_facts(decision(reply, monitor_id=found), as_json)


@command.command("show")
@click.argument("monitor_id")
@as_of_option
@json_option
def show(monitor_id: str, as_of: int | datetime | None, as_json: bool) -> None:
    """Show a monitor and its crossings, newest first."""
    with asking("monitors", roles=()) as asked:
        then = position_of(asked.opened, as_of)
        facts = as_known(monitor_document(asked.opened.log, monitor_of(asked, monitor_id, then)), then)
    print_facts(facts, as_json)
