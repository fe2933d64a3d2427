"""``daybook verify``: do the books say what their events say, and does everything fit together?"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from daybook.commands import read_settings
from daybook.commands._ledger import json_option
from daybook.logs import configure_logging
from daybook.session import EXIT_FINDING, Session, session
from replay.checks.check import Finding
from replay.verify import (
    PositionNotReached,
    Report,
    Result,
    UnknownCheck,
    chosen_checks,
    count_events,
    scope_of,
    verify,
)


@click.command()
@click.option("--check", "names", multiple=True, metavar="NAME", help="Only this check; may be given several times.")
@click.option("--book", type=click.IntRange(min=1, max=2**31 - 1), help="Only this book; all books unless given.")
@click.option("--until", type=click.IntRange(min=0), metavar="POSITION", help="Only what is in the log up to here.")
@json_option
def command(names: tuple[str, ...], book: int | None, until: int | None, as_json: bool) -> None:
    """Check the books against their events: every posting, wallet, hold, order, snapshot and view.

    Reads the log once and changes nothing; may run beside everything else. Exit status: 0 all is sound, 1 something
    was found, 3 the books cannot be reached.
    """
    settings = read_settings()
    configure_logging(settings.log_level, "verify")
    try:
        chosen = chosen_checks(names)
    except UnknownCheck as unknown:
        raise click.UsageError(f"--check: {unknown}") from None
    partial = book is not None or until is not None
    for check in chosen:
        if names and partial and check.whole:
            raise click.UsageError(f"--check {check.name}: is about the whole log; leave out --book and --until")
    with session(settings, roles=()) as opened:
        try:
            views = not partial and any(check.whole for check in chosen)
            scope = scope_of(opened.recorder, opened.log.log_mapper, until, views=views)
        except PositionNotReached as future:
            raise click.UsageError(f"--until: {future}") from None
        books = [] if book is None else [book]
        with _progress(opened, scope.end, books) as advance:
            report = verify(
                opened.recorder, opened.log.log_mapper, scope, chosen, books=books, partial=partial, progress=advance
            )
    if as_json:
        click.echo(msgspec.json.encode(_document(report)).decode())
    else:
        _print(report)
    if not report.sound:
        raise SystemExit(EXIT_FINDING)


@contextlib.contextmanager
def _progress(opened: Session, end: int, books: list[int]) -> Iterator[Callable[[int], None]]:
    """A bar where somebody watches, and nothing where nobody does."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _events: None
        return
    total = count_events(opened.recorder, end, books)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("events", total=total)
        yield lambda seen: progress.update(task, completed=seen)


def _document(report: Report) -> dict[str, Any]:
    return {
        "verdict": "sound" if report.sound else "unsound",
        "position": str(report.end),
        "events": report.events,
        "checks": [
            {
                "check": result.check,
                "findings": result.count,
                "skipped": result.skipped,
            }
            for result in report.results
        ],
        "findings": [
            {"check": result.check, **_fields(finding), "advice": result.advice}
            for result in report.results
            for finding in result.findings
        ],
    }


def _fields(finding: Finding) -> dict[str, Any]:
    fields = msgspec.structs.asdict(finding)
    if finding.position is not None:
        fields["position"] = str(finding.position)
    return fields


def _print(report: Report) -> None:
    console = Console()
    table = Table("check", "", "what holds")
    for result in report.results:
        table.add_row(result.check, _verdict(result), result.meaning)
    console.print(table)
    for result in report.results:
        for finding in result.findings:
            _print_finding(result, finding)
        if result.count > len(result.findings):
            click.echo(f"{result.check}: {result.count - len(result.findings):,} more of these are not shown")
        if result.count:
            click.echo(f"{result.check}: {result.advice}")
    found = sum(result.count for result in report.results)
    verdict = "sound" if report.sound else f"{found:,} findings"
    click.echo(f"{report.events:,} events up to position {report.end}: {verdict}")


def _verdict(result: Result) -> str:
    if result.skipped is not None:
        return "skipped"
    return f"[red]{result.count:,} found[/red]" if result.count else "ok"


def _print_finding(result: Result, finding: Finding) -> None:
    click.echo(f"{result.check}: {finding.problem}")
    for name, value in _fields(finding).items():
        if name != "problem" and (value is not None or (name == "found" and finding.expected is not None)):
            click.echo(f"  {name:<10} {'nothing' if value is None else value}")
