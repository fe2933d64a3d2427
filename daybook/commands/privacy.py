"""``daybook privacy``: the people whom events are about, known by subjects alone: erase one, renew the keys."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console

from daybook.bootstrap import key_store
from daybook.clock import SystemClock
from daybook.commands import read_settings
from daybook.commands._ledger import Asking, asking, dry_run_option, json_option, print_facts
from daybook.logs import configure_logging
from daybook.session import EXIT_UNREACHABLE
from domain.sealed import KeysUnavailable
from payments.erasure import Erasure, SubjectTold


@click.group()
def command() -> None:
    """Personal data: erase a person, renew the master key, list subjects. Shows nothing of any person."""


@command.command("erase")
@click.argument("subject")
@dry_run_option
@json_option
def erase(subject: str, dry_run: bool, as_json: bool) -> None:
    """Destroy the key of SUBJECT, a UUID, so that nothing sealed with it is ever read again.

    There is no way back. Orders, postings and balances stay as they are. Erasing again changes nothing.
    """
    with _erasure() as (asked, erasure):
        if dry_run:
            told = erasure.show(asked.book, subject)
            facts = {**_facts(told), "dry_run": True}
        else:
            told, known = erasure.erase(asked.book, subject)
            facts = {**_facts(told), "replayed": known}
    print_facts(facts, as_json)
    if not as_json:
        verb = "would become" if dry_run else "are"
        click.echo(f"{told.fields} fields of {told.orders} orders {verb} unreadable in every copy of the log")


@command.command("show")
@click.argument("subject")
@json_option
def show(subject: str, as_json: bool) -> None:
    """Show whether SUBJECT can be read, and in how many orders it occurs."""
    with _erasure() as (asked, erasure):
        told = erasure.show(asked.book, subject)
    print_facts(_facts(told), as_json)


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the subjects of the book, with the state of their keys."""
    with _erasure() as (asked, erasure):
        subjects = erasure.subjects(asked.book)
    rows = [_facts(told) for told in subjects]
    if as_json:
        print_facts(rows, as_json)
        return
    for told in subjects:
        click.echo(f"{told.subject}  {told.state:<20}master key {told.master_key or '-'}")


@command.command("rotate")
@json_option
def rotate(as_json: bool) -> None:
    """Make a new master key, wrap every subject's key with it and forget the old ones.

    Everything may run meanwhile. A rotation that was cut off is finished by the next, which then makes no new key.
    """
    settings = read_settings()
    configure_logging(settings.log_level, "privacy")
    console = Console(stderr=True)
    with _keys_there(), contextlib.closing(key_store(settings)) as keys, console.status("wrapping keys") as status:
        done = keys.rotate(lambda count: status.update(f"{count:,} keys wrapped"))
    print_facts({"master_key": done.master, "rewrapped": done.rewrapped, "resumed": done.resumed}, as_json)


def _facts(told: SubjectTold) -> dict[str, Any]:
    return {name: value for name, value in told._asdict().items() if value is not None}


@contextlib.contextmanager
def _erasure() -> Iterator[tuple[Asking, Erasure]]:
    with (
        asking("privacy", roles=()) as asked,
        _keys_there(),
        contextlib.closing(key_store(asked.opened.settings)) as keys,
    ):
        yield asked, Erasure(asked.opened.log, keys, SystemClock())


@contextlib.contextmanager
def _keys_there() -> Iterator[None]:
    try:
        yield
    except KeysUnavailable as problem:
        click.echo(f"cannot use the keys: {problem}", err=True)
        raise SystemExit(EXIT_UNREACHABLE) from None
