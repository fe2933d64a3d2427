"""``daybook replay``: rebuild a view from history beside the live one, see what changes, swap it in, and back."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from daybook.commands import _builds, _corrections, _record, _rows, _what_if
from daybook.commands._ledger import json_option
from daybook.commands._moments import AsOf, as_of_help, position_of
from daybook.commands._replaying import replaying
from daybook.commands._reports import html_option, write_page
from daybook.session import EXIT_FINDING, Session
from eventlog.connections import connect
from projections.registry import view
from replay import builds, compare, progress, rebuild, report, swap
from replay.causes import add_causes
from replay.compare import NotLevel
from replay.rebuild import Wanted

LEVEL_TIMEOUT_S = 120.0
LOOK_S = 0.1
view_argument = click.argument("name", metavar="VIEW")


@click.group()
def command() -> None:
    """Rebuild views from history, compare, swap, roll back."""


command.add_command(_what_if.command)
command.add_command(_corrections.command)
command.add_command(_record.command)
command.add_command(_rows.command)
command.add_command(_builds.list_builds)
command.add_command(_builds.drop)
command.add_command(_builds.remove)


@command.command("rebuild")
@view_argument
@click.option("--workers", type=click.IntRange(1, rebuild.WORKERS_MAX), default=1, help="Processes that fill parts.")
@click.option("--as-of", type=AsOf(), help=as_of_help + " Such a build is for looking at and is never swapped in.")
@click.option(
    "--only-wallet", type=click.UUID, help="Only this wallet's rows; the others are taken from the live build."
)
@click.option("--only-merchant", type=click.UUID, help="Only this merchant's rows.")
@click.option("--park", is_flag=True, help="Set streams aside that the view cannot take, instead of failing.")
@click.option("--fresh", is_flag=True, help="Begin anew, even where an earlier rebuild could go on.")
@click.option(
    "--archive",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read events from this archive (daybook export parquet) as far as it reaches, the rest from the log.",
)
@json_option
def rebuild_(
    name: str, workers: int, as_of: Any, only_wallet: UUID | None, only_merchant: UUID | None, park: bool, fresh: bool,
    archive: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Fill a new build of VIEW from the log, beside the live one, while traffic goes on.

    Killed, it goes on where it was when it is run again, after its last batch. The live build is never touched.
    """
    if only_wallet and only_merchant:
        raise click.UsageError("--only-wallet, --only-merchant: give one of them")
    scope = {"wallet": str(only_wallet)} if only_wallet else {"merchant": str(only_merchant)} if only_merchant else {}
    with replaying(("engine", "views")) as opened:
        wanted = Wanted(view(name), workers, position_of(opened, as_of), scope, park, fresh, archive)
        with _progress(name) as heard:
            told = rebuild.rebuild(opened.database_url, wanted, heard)
        with connect(opened.database_url) as connection:
            table = builds.find(connection, name, number=told.build).table
        if as_of is None:
            _wait_level(opened, name, told.build)
    facts = {**told.facts, "table": table}
    click.echo(json.dumps(facts) if as_json else _done(told, None if as_of is None else table))


@contextlib.contextmanager
def _progress(name: str) -> Iterator[rebuild.Heard]:
    """A bar on a terminal with per cent, events per second and time left; silence elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.fields[events]:,} events  {task.fields[rate]:,.0f}/s  {task.fields[left]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"rebuild {name}", total=100.0, events=0, rate=0.0, left="")

        def heard(told: progress.Progress) -> None:
            rate, left = told.events_per_second, _left(told)
            bar.update(task, completed=told.percent, events=told.events, rate=rate, left=left)

        yield heard


def _wait_level(opened: Session, name: str, number: int) -> None:
    """Until the machine has brought the new build to where the live one is."""
    deadline = time.monotonic() + LEVEL_TIMEOUT_S
    with connect(opened.database_url) as connection:
        while time.monotonic() < deadline:
            coming, live = builds.find(connection, name, number=number), builds.find(connection, name, "live")
            if coming.position >= live.position:
                return
            time.sleep(LOOK_S)
    raise NotLevel(f"view {name} build {number} does not catch up: is the process `views` running?")


def _done(told: progress.Progress, past_table: str | None) -> str:
    """With what its rows are without, which nobody looks for later, and what to do next: a build of the past is no
    candidate for a swap, and is found by its table."""
    rate = f"{told.events:,} events in {told.seconds:.1f} s, {told.events_per_second:,.0f}/s"
    filled = f"{told.view} build {told.build} is filled ({rate})"
    without = [
        f"{count} {what}"
        for count, what in ((told.streams_set_aside, "streams set aside"), (told.events_given_up, "discarded events"))
        if count
    ]
    if without:
        filled += f", without {' and '.join(without)} (daybook parked list --view {told.view} --all)"
    if past_table is None:
        return f"{filled}. Next: daybook replay diff {told.view}"
    return f"{filled}, in {past_table}. Afterwards: daybook replay drop {told.view} {told.build}"


@command.command("diff")
@view_argument
@html_option
@click.option("--rows", type=click.IntRange(1, 1_000_000), default=compare.KEPT_ROWS, help="Differences to show.")
@json_option
def diff(name: str, html: Path | None, rows: int, as_json: bool) -> None:
    """Compare the live build of VIEW with the one beside it; ends with 1 when they differ."""
    with replaying(("engine", "views")) as opened:
        found = _compared(opened, view(name).name, rows)
    if html is not None:
        write_page(html, report.page(found))
    if as_json:
        click.echo(json.dumps(report.facts(found)))
    else:
        report.show(found, Console(width=None if sys.stdout.isatty() else 160))
    if not found.equal:
        raise SystemExit(EXIT_FINDING)


def _compared(opened: Session, name: str, rows: int) -> compare.Comparison:
    with connect(opened.database_url) as connection:
        first, second = compare.newest(connection, name)
    _wait_level(opened, name, second.number)
    # The events are looked up of as many rows whatever is shown, so that the moment they began at is the same.
    found = compare.compare(opened.database_url, first, second, kept_rows=max(rows, compare.KEPT_ROWS))
    recorder = opened.recorder
    add_causes(found, [first.view, second.view], recorder, opened.log.log_mapper.decode, recorder.read_streams)
    del found.differences[rows:]
    return found


@command.command("swap")
@view_argument
@json_option
def swap_(name: str, as_json: bool) -> None:
    """Let readers see the new build of VIEW from now on; the old one is kept, and kept up, for a way back."""
    with replaying(("engine", "views")) as opened:
        done = swap.swap(opened.database_url, view(name).name)
    click.echo(json.dumps({**asdict(done), "position": str(done.position)}) if as_json else _swapped(done))


@command.command("rollback")
@view_argument
@json_option
def rollback(name: str, as_json: bool) -> None:
    """Let readers see the build of VIEW again that was live before."""
    with replaying(("engine", "views")) as opened:
        done = swap.roll_back(opened.database_url, view(name).name)
    click.echo(json.dumps({**asdict(done), "position": str(done.position)}) if as_json else _swapped(done))


def _swapped(done: swap.Swapped) -> str:
    return (
        f"{done.view}: build {done.live} is live from position {done.position} on, build {done.kept} is kept"
        f" (readers waited {done.locked_ms:.1f} ms at most)"
    )


@command.command("status")
@json_option
def status(as_json: bool) -> None:
    """List the latest rebuilds with how far they are."""
    with replaying() as opened, connect(opened.database_url) as connection:
        found = progress.progress(connection)
    if as_json:
        click.echo(json.dumps([told.facts for told in found]))
        return
    if not found:
        click.echo("no rebuild yet")
    for told in found:
        click.echo(
            f"{told.view:<18} build {told.build:>3}  {told.status:<11} {told.percent:5.1f} %  {told.events:,} events"
            f"  {told.events_per_second:,.0f}/s  {told.problem or _left(told)}".rstrip()
        )


def _left(told: progress.Progress) -> str:
    """How long a rebuild that is under way will take, at its rate so far, or what to do about one that was cut off."""
    if told.status == "interrupted":
        return "run it again" if told.scope else "run it again, and it goes on"
    return "" if told.seconds_left is None else f"{told.seconds_left:,.0f} s left"
