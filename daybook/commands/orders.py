"""``daybook orders``: import orders with their payments from files, and show one."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from api.moments import as_known
from daybook.commands import read_settings
from daybook.commands._ledger import asking, uuid_of
from daybook.commands._moments import as_of_option, position_of, version_of
from daybook.logs import configure_logging
from daybook.session import EXIT_FINDING, EXIT_UNREACHABLE, Session, session
from daybook.views import VIEWS_TIMEOUT_S, wait_for_views
from domain.ids import stream_id
from domain.payment_order import PaymentOrder
from payments.checkout import BookNotOpen, OrderNotFound
from payments.commands import OpenBook
from payments.order_files import OrderFileRefused, OrderFiles, read_order_files
from payments.order_import import ImportTotals, OrderRefused, import_orders, known_orders, register_sellers

BOOKS_TIMEOUT_S = 60.0
File = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Rate(ProgressColumn):
    """Orders per second, smoothed by rich."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


@click.group()
def command() -> None:
    """Payment orders: import them from files, show one."""


@command.command("import")
@click.option("--items", type=File, required=True, help="CSV of order items: what is due, and to which seller.")
@click.option("--payments", type=File, required=True, help="CSV of payments that already happened.")
@click.option("--json", "as_json", is_flag=True, help="Print the totals as one line of JSON.")
def import_(items: Path, payments: Path, as_json: bool) -> None:
    """Import orders and their payments; importing the same files again changes nothing.

    Waits until books and views have caught up. An import that was cut off is resumed by running it again.
    """
    settings = read_settings()
    configure_logging(settings.log_level, "import")
    started = time.monotonic()
    console = Console(stderr=True)
    try:
        with console.status("reading the files"):
            files = read_order_files(items, payments, settings.book)
        with session(settings) as opened:
            clock = time.monotonic()
            totals, registered = _import(opened, files, console)
            _catch_up(opened, console)
            seconds = time.monotonic() - clock
    except (OrderFileRefused, OrderRefused) as refused:
        click.echo(f"refused: {refused}", err=True)
        raise SystemExit(EXIT_FINDING) from None
    facts = {
        "orders": len(files.orders),
        "created": totals.created,
        "replayed": totals.replayed,
        "payments": totals.payments,
        "captured_minor": totals.captured_minor,
        "sellers_registered": registered,
        "seconds": round(seconds, 3),
        "orders_per_second": round(len(files.orders) / max(seconds, 1e-9), 1),
        "seconds_in_all": round(time.monotonic() - started, 3),
    }
    click.echo(json.dumps(facts) if as_json else "\n".join(f"{name:<20}{value:>16,}" for name, value in facts.items()))


def _import(opened: Session, files: OrderFiles, console: Console) -> tuple[ImportTotals, int]:
    book = opened.settings.book
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        known = known_orders(opened.recorder, book)
        try:
            opened.checkout.commission_bps(book)
        except BookNotOpen:
            terms = OpenBook(book=book, name=f"book {book}", commission_bps=opened.settings.commission_bps)
            opened.checkout.open_book(terms)
        registered = 0
        if any(order.order_id not in known for order in files.orders):
            registered = register_sellers(opened.checkout, book, files.sellers)
        task = progress.add_task("orders", total=len(files.orders))
        totals = import_orders(opened.checkout, files.orders, known, lambda count: progress.advance(task, count))
    return totals, registered


def _catch_up(opened: Session, console: Console) -> None:
    with console.status("books and views catch up") as status:
        posted = opened.wait_for_books(BOOKS_TIMEOUT_S, lambda behind: status.update(f"books: {behind} facts behind"))
        if not posted:
            click.echo("the posting engine does not move; look at its log lines", err=True)
            raise SystemExit(EXIT_UNREACHABLE)
        status.update("views catch up")
        if not wait_for_views(opened, VIEWS_TIMEOUT_S):
            click.echo("the views do not move; look at `daybook parked list` and their log lines", err=True)
            raise SystemExit(EXIT_UNREACHABLE)


@command.command("show")
@click.argument("order_id")
@as_of_option
@click.option("--json", "as_json", is_flag=True, help="Print the order as one line of JSON.")
def show(order_id: str, as_of: int | datetime | None, as_json: bool) -> None:
    """Show one order as its events tell it."""
    key = str(uuid_of(order_id, "ORDER_ID"))
    with asking("orders", roles=()) as asked:
        then, stream = position_of(asked.opened, as_of), stream_id(asked.book, "payment-order", key)
        try:
            order = asked.opened.checkout.order(asked.book, key, version_of(asked.opened, stream, then))
        except OrderNotFound as missing:
            click.echo(str(missing), err=True)
            raise SystemExit(EXIT_FINDING) from None
    facts = as_known(_facts(order), then)
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        if isinstance(value, list):
            click.echo(f"{name}:")
            for member in value:
                click.echo("  " + "  ".join(f"{field}={text}" for field, text in member.items()))
        else:
            click.echo(f"{name:<18}{value}")


def _facts(order: PaymentOrder) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "status": order.status,
        "amount_minor": order.amount_minor,
        "currency": order.currency,
        "captured_minor": order.captured_minor,
        "held_minor": order.held_minor,
        "merchant_id": order.merchant_id,
        "reference": order.reference,
        "payer": None if order.payer is None else order.payer.subject,
        "created_at": order.created_on.astimezone(UTC).isoformat(),
        "splits": [{"seller_id": due.seller_id, "amount_minor": due.amount_minor} for due in order.due],
        "attempts": [
            {
                "attempt": attempt.number,
                "rail": attempt.rail,
                "method": attempt.method,
                "state": attempt.state,
                "amount_minor": attempt.amount_minor,
                "captured_minor": attempt.captured_minor,
                "unknown": attempt.unknown_operation,
            }
            for attempt in order.attempts
        ],
        "captures": [
            {
                "capture_id": capture.capture_id,
                "state": capture.state,
                "amount_minor": capture.amount_minor,
                "effective_at": capture.effective_at.isoformat() if capture.effective_at else None,
            }
            for capture in order.captures.values()
        ],
    }
