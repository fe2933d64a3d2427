"""``daybook export``: the log as Parquet files that replay reads again, and a book as a Beancount ledger."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn

import click
from rich.console import Console

from daybook.commands import read_settings
from daybook.commands._ledger import json_option, print_facts, refuse
from daybook.commands._moments import as_of_option, position_of
from daybook.logs import configure_logging
from daybook.session import EXIT_FINDING, EXIT_UNREACHABLE, session
from daybook.settings import Settings
from projections.queries import MomentNotReached
from replay.unreadable import EventUnreadable

if TYPE_CHECKING:
    from replay.archive.beancount import BeancountExport
    from replay.archive.reader import ArchiveReader

BOOKS_TIMEOUT_S = 60.0
Book = click.IntRange(min=1, max=2**31 - 1)
Position = click.IntRange(min=0, max=2**63 - 1)
directory_argument = click.argument("directory", type=click.Path(file_okay=False, path_type=Path))


@click.group()
def command() -> None:
    """The log as Parquet files, a book as a Beancount ledger."""


@command.command("parquet")
@directory_argument
@click.option("--book", type=Book, help="Only the events of one book; of all unless given.")
@click.option("--since-position", type=Position, help="In a new directory: only what stands after this position.")
@click.option("--until-position", type=Position, help="Only up to this position; all that is readable unless given.")
@json_option
def parquet(
    directory: Path, book: int | None, since_position: int | None, until_position: int | None, as_json: bool
) -> None:
    """Write the event log into DIRECTORY as Parquet files, one for each day (UTC) on which events were recorded.

    Exporting into the same directory again adds what is new. Whatever ends an export, the files that were there stay
    valid; running it again goes on.
    """
    from replay.archive.errors import ArchiveBusy, ArchiveDamaged, ArchiveDiffers, ArchiveNotWritten
    from replay.archive.writing import ArchiveExport

    settings = _settings(None)
    clock = time.monotonic()
    with session(settings, roles=()) as opened:
        export = ArchiveExport(opened.recorder, directory, book=book, after=since_position, until=until_position)
        try:
            with Console(stderr=True).status("events") as status:
                archived = export.run(lambda count: status.update(f"events: {count:,}"))
        except (ArchiveBusy, ArchiveDamaged, ArchiveDiffers) as problem:
            refuse(str(problem))
        except ArchiveNotWritten as problem:
            _give_up(str(problem))
        facts = {
            "rows": archived.rows,
            "files": archived.files,
            "bytes": archived.bytes,
            "after": str(archived.after),
            "through": str(archived.through),
            "rows_in_all": archived.rows_in_all,
            "files_in_all": archived.files_in_all,
            "seconds": round(time.monotonic() - clock, 3),
        }
        print_facts(facts, as_json)


@command.command("verify")
@directory_argument
@json_option
def verify(directory: Path, as_json: bool) -> None:
    """Compare every file of the archive in DIRECTORY with its manifest; ends with 1 when one is damaged.

    Needs neither the database nor a running copy.
    """
    from replay.archive.errors import ArchiveDamaged, ArchiveDiffers
    from replay.archive.reader import ArchiveReader

    try:
        with contextlib.closing(ArchiveReader(directory)) as archive:
            damages = [str(damage) for damage in archive.damages()]
            facts = _holdings(archive)
    except (ArchiveDamaged, ArchiveDiffers) as problem:
        refuse(str(problem))
    print_facts({**facts, "damaged": len(damages)}, as_json)
    for damage in damages:
        click.echo(damage, err=True)
    if damages:
        raise SystemExit(EXIT_FINDING)


@command.command("beancount")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--book", type=Book, help="Another book than DAYBOOK_BOOK.")
@as_of_option
@json_option
def beancount(file: Path, book: int | None, as_of: int | datetime | None, as_json: bool) -> None:
    """Write a book into FILE (- for standard output) as a ledger for Beancount, whose bean-check proves the balances.

    Unless --as-of is given, waits until everything that has happened is posted. The file appears when it is whole.
    """
    from replay.archive.beancount import BeancountExport

    settings = _settings(book)
    with session(settings, roles=() if as_of is not None else ("engine",)) as opened:
        if as_of is None and not opened.wait_for_books(BOOKS_TIMEOUT_S):
            click.echo("the posting engine does not move; look at its log lines", err=True)
            raise SystemExit(EXIT_UNREACHABLE)
        try:
            until = position_of(opened, as_of)
            ledger = BeancountExport(opened.recorder, opened.log.log_mapper.decode, settings.book, until)
            with _written(file) as out:
                out.writelines(ledger.directives())
        except (MomentNotReached, EventUnreadable) as problem:
            refuse(str(problem))
        except OSError as problem:
            _give_up(f"cannot write {file}: {problem.strerror}; a file that was there before is unchanged")
        if file != Path("-"):
            print_facts(_counts(settings, ledger), as_json)


def _settings(book: int | None) -> Settings:
    settings = read_settings()
    configure_logging(settings.log_level, "export")
    return settings if book is None else settings.model_copy(update={"book": book})


def _holdings(archive: ArchiveReader) -> dict[str, object]:
    manifest = archive.manifest
    return {
        "rows": sum(file.rows for file in manifest.files),
        "files": len(manifest.files),
        "bytes": sum(file.bytes for file in manifest.files),
        "after": str(manifest.after),
        "through": str(manifest.through),
    }


def _counts(settings: Settings, ledger: BeancountExport) -> dict[str, object]:
    return {
        "book": settings.book,
        "as_of": str(ledger.until),
        "accounts": ledger.accounts,
        "postings": ledger.postings,
    }


@contextlib.contextmanager
def _written(file: Path) -> Iterator[IO[str]]:
    """A file that gets its name when it is whole; `-` is standard output."""
    if file == Path("-"):
        yield sys.stdout
        sys.stdout.flush()
        return
    unfinished = file.with_name(f".{file.name}.part")
    try:
        with unfinished.open("w", encoding="utf-8", newline="\n") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(file)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _give_up(problem: str) -> NoReturn:
    click.echo(problem, err=True)
    raise SystemExit(EXIT_FINDING)
