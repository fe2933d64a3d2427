"""``daybook simulate``: orders through rails that fail, and both sides' books laid side by side."""

from __future__ import annotations

import json
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from daybook.commands import read_settings
from daybook.logs import configure_logging
from daybook.session import EXIT_FINDING
from daybook.simulation.drill import Seen, SimulationStuck
from daybook.simulation.faults import LEVELS
from daybook.simulation.sales import Sale, made_up, of_files
from daybook.simulation.whole import Outcome, simulate
from payments.order_files import OrderFileRefused, read_order_files

File = click.Path(exists=True, dir_okay=False, path_type=Path)
MANY = 1_000
"""From so many orders on the machine is busy enough for an answer to take longer by itself."""
TIMEOUT_S = {False: 0.4, True: 1.0}
SHOWN = 20


@click.command("simulate")
@click.option("--orders", type=click.IntRange(1, 100_000), default=200, show_default=True, help="How many orders.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Decides everything.")
@click.option(
    "--faults",
    "level",
    type=click.Choice(list(LEVELS)),
    default="heavy",
    show_default=True,
    help="How much goes wrong.",
)
@click.option("--items", type=File, help="CSV of order items as for import; orders are made up without it.")
@click.option("--payments", type=File, help="CSV of payments that belongs to the items.")
@click.option("--keep", type=click.Path(path_type=Path), help="An empty directory to keep the copy in.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as one line of JSON.")
def command(
    orders: int, seed: int, level: str, items: Path | None, payments: Path | None, keep: Path | None, as_json: bool
) -> None:
    """Pay orders through a PSP and a bank that fail, by cards, transfers and debits; then compare both sides' books.

    Works on a copy of its own and touches no books but its own. Exit status 0: both sides agree on every order, nothing
    was charged twice, lost or guessed, and our books are sound; 1: they do not.
    """
    if (items is None) != (payments is None):
        raise click.UsageError("--items and --payments belong together: give both or none")
    settings = read_settings()
    configure_logging("ERROR", "simulate")
    sales = _sales(orders, seed, settings.book, items, payments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="daybook-simulation-") as temporary:
        home = (keep or Path(temporary)).absolute()
        if home.exists() and any(home.iterdir()):
            raise click.UsageError(f"--keep: {home} is not empty; choose another directory")
        own = settings.model_copy(
            update={
                "home": home,
                "database_url": None,
                "key_store": None,
                "master_keys": None,
                "simulator_port": _free_port(),
                "rail_timeout_s": TIMEOUT_S[len(sales) >= MANY],
                "rail_timeouts": {},
                "stripe_key": None,
                "log_level": "ERROR",
                "metrics_port": 0,
            }
        )
        try:
            outcome = simulate(own, sales, level, seed, _watch(len(sales)))
        except SimulationStuck as stuck:
            raise click.ClickException(str(stuck)) from None
    if as_json:
        click.echo(json.dumps({"right": outcome.right, **asdict(outcome)}))
    else:
        _print(outcome, time.monotonic() - began)
    if not outcome.right:
        raise SystemExit(EXIT_FINDING)


def _sales(orders: int, seed: int, book: int, items: Path | None, payments: Path | None) -> list[Sale]:
    if items is None or payments is None:
        return list(made_up(orders, seed, book))
    try:
        files = read_order_files(items, payments, book)
    except OrderFileRefused as refused:
        raise click.UsageError(str(refused)) from None
    if len(files.orders) < orders:
        raise click.UsageError(f"--orders: the files hold {len(files.orders):,} orders only")
    return list(of_files(files, orders, seed))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _watch(orders: int) -> Callable[[Seen], None]:
    console = Console(stderr=True)

    def told(seen: Seen) -> None:
        if console.is_terminal:
            console.print(f"{seen.now:%a %d %b %H:%M}  {seen.orders:,} of {orders:,} orders, {seen.waiting:,} open")

    return told


def _print(outcome: Outcome, seconds: float) -> None:
    console, found = Console(), outcome.agreement
    table = Table("status", "orders")
    for status, orders in outcome.statuses.items():
        table.add_row(status, f"{orders:,}")
    console.print(table)
    faults = Table("operation", "fault", "times")
    for operation, played in outcome.played.items():
        for fault, times in played.items():
            faults.add_row(operation, fault, f"{times:,}")
    console.print(faults)
    for one in found.disagreements[:SHOWN]:
        click.echo(f"{one.kind}: order {one.order_id}, attempt {one.key}: ours {one.ours}; theirs {one.theirs}")
    click.echo(
        f"{found.attempts:,} attempts in {seconds:,.0f} s: {len(found.disagreements):,} disagreements,"
        f" {found.double_charges:,} double charges, {found.lost_captures:,} lost captures, {found.guesses:,} guesses,"
        f" {found.open:,} open; {outcome.findings:,} findings in our books"
    )
    for currency, minor in sorted(found.captured_minor.items()):
        click.echo(f"{currency}: {minor:,} captured, in minor units")
    click.echo(f"digest {outcome.digest}")
