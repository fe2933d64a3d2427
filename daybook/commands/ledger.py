"""``daybook ledger``: a book as a file, a file into a book, and the digest that tells whether two are the same."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from daybook.clock import SystemClock
from daybook.commands import read_settings
from daybook.commands._ledger import json_option, print_facts, refuse
from daybook.logs import configure_logging
from daybook.session import EXIT_UNREACHABLE, LOOK_S, Session, session
from daybook.settings import Settings
from domain.chart import account_kind
from domain.errors import RuleViolation
from ledger.book_export import BookDigest, BookExport
from ledger.book_import import BookImport, ImportTotals
from ledger.client import EngineUnavailable, LedgerClient
from ledger.files import FORMAT, FileEnd, FileHeader, FilePosting, FileRefused, read_history, read_openings, written
from ledger.import_orders import ImportOrders
from payments.checkout import BookNotOpen
from payments.commands import OpenBook

BOOKS_TIMEOUT_S = 60.0
book_option = click.option("--book", type=click.IntRange(min=1, max=2**31 - 1), help="Another book than DAYBOOK_BOOK.")


class _Rate(ProgressColumn):
    """Lines per second, smoothed by rich."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


@click.group()
def command() -> None:
    """A whole ledger: import, export, digest."""


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "format_", type=click.Choice(["csv", "jsonl"]), help="As the file's name says, unless given.")
@click.option("--contra", help="With CSV: the account that opening balances are taken from, like bank:main:cash.")
@book_option
@json_option
def import_(file: Path, format_: str | None, contra: str | None, book: int | None, as_json: bool) -> None:
    """Import opening balances (CSV) or a history (JSON lines) through the posting engine.

    Importing the same file again changes nothing, so an import that was cut off is resumed by running it again. A line
    that is wrong ends the import with 1 and is named; all lines before it are in, nothing after it is.
    """
    kind = format_ or ("csv" if file.suffix.lower() == ".csv" else "jsonl")
    if (kind == "csv") != (contra is not None):
        raise click.UsageError("--contra belongs to opening balances in CSV, and is needed there")
    if contra is not None:
        try:
            account_kind(contra)
        except RuleViolation as unknown:
            raise click.UsageError(f"--contra: {unknown.message}") from None
    settings = _settings("import", book)
    clock = time.monotonic()
    with session(settings, roles=("engine",)) as opened:
        _open_book(opened)
        try:
            totals = _imported(opened, file, contra)
        except FileRefused as refused:
            refuse(str(refused))
        except EngineUnavailable as away:
            click.echo(f"cannot reach the posting engine: {away}", err=True)
            raise SystemExit(EXIT_UNREACHABLE) from None
    seconds = round(time.monotonic() - clock, 3)
    print_facts({"book": settings.book, **msgspec.to_builtins(totals), "seconds": seconds}, as_json)


@command.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@book_option
@json_option
def export(file: Path, book: int | None, as_json: bool) -> None:
    """Write wallets, postings, open holds and closed periods of a book as JSON lines, and print its digest.

    The file appears when it is whole.
    """
    settings = _settings("export", book)
    digest, count = BookDigest(), 0
    unfinished = file.with_name(f".{file.name}.part")
    with _read(settings) as opened, unfinished.open("wb") as out, _progress("lines", None) as advance:
        out.write(written(FileHeader(format=FORMAT)))
        for record in BookExport(opened.log, opened.recorder, settings.book).records():
            out.write(written(record))
            digest.add(record)
            count += 1
            advance(count)
        out.write(written(FileEnd(records=count)))
        out.flush()
        os.fsync(out.fileno())
    unfinished.replace(file)
    print_facts(_facts(settings, digest), as_json)


@command.command("digest")
@book_option
@json_option
def digest(book: int | None, as_json: bool) -> None:
    """Print the digest of a book: equal for books with the same wallets, postings, open holds and closed days."""
    settings = _settings("digest", book)
    found = BookDigest()
    with _read(settings) as opened:
        for record in BookExport(opened.log, opened.recorder, settings.book).records():
            found.add(record)
    print_facts(_facts(settings, found), as_json)


def _facts(settings: Settings, digest: BookDigest) -> dict[str, Any]:
    return {
        "book": settings.book,
        "wallets": digest.wallets,
        "postings": digest.postings,
        "holds": digest.holds,
        "digest": digest.hexdigest(),
    }


def _settings(name: str, book: int | None) -> Settings:
    settings = read_settings()
    configure_logging(settings.log_level, name)
    return settings if book is None else settings.model_copy(update={"book": book})


@contextlib.contextmanager
def _read(settings: Settings) -> Iterator[Session]:
    """The log, once everything that has happened is posted."""
    with session(settings, roles=("engine",)) as opened:
        if not opened.wait_for_books(BOOKS_TIMEOUT_S):
            click.echo("the posting engine does not move; look at its log lines", err=True)
            raise SystemExit(EXIT_UNREACHABLE)
        yield opened


def _open_book(opened: Session) -> None:
    """Open the book with the settings' terms, unless it is open."""
    book = opened.settings.book
    try:
        opened.checkout.commission_bps(book)
    except BookNotOpen:
        terms = OpenBook(book=book, name=f"book-{book}", commission_bps=opened.settings.commission_bps)
        opened.checkout.open_book(terms)


def _imported(opened: Session, file: Path, contra: str | None) -> ImportTotals:
    settings, name = opened.settings, file.name
    total, reverted = (_count(file), frozenset[str]()) if contra else _looked_through(file)
    orders = ImportOrders(settings.book, reverted)
    with (
        contextlib.closing(LedgerClient(settings.engine_socket)) as client,
        _progress("lines", total) as advance,
    ):
        _wait_for_engine(client, settings.book)
        importing = BookImport(client, SystemClock(), settings.book, name, orders)
        if contra is not None:
            with file.open(newline="", encoding="utf-8", errors="replace") as rows:
                return importing.run(read_openings(name, rows, contra), advance)
        with file.open("rb") as lines:
            return importing.run(read_history(name, lines), advance)


def _wait_for_engine(client: LedgerClient, book: int) -> None:
    """A running engine takes a book over soon after its opening. Raises EngineUnavailable when it does not."""
    deadline = time.monotonic() + BOOKS_TIMEOUT_S
    while True:
        try:
            reply = client.ping(book=book)
        except EngineUnavailable:
            if time.monotonic() > deadline:
                raise
        else:
            if reply.status == "found":
                return
            if time.monotonic() > deadline:
                raise EngineUnavailable(reply.detail)
        time.sleep(LOOK_S)


def _count(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _looked_through(file: Path) -> tuple[int, frozenset[str]]:
    """How many lines a history has, and which postings it takes back; what is wrong with it is found when it is read
    again, in its turn."""
    names, count = set(), 0
    with file.open("rb") as lines:
        for line in lines:
            count += 1
            if b'"reverts"' in line:
                with contextlib.suppress(msgspec.MsgspecError):
                    record = msgspec.json.decode(line, type=FilePosting)
                    names.add(record.reverts or "")
    return count, frozenset(names)


@contextlib.contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
