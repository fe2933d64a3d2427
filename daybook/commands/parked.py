"""``daybook parked``: events that a view could not take, and what to do about them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import click
import psycopg

from daybook.commands import read_settings
from daybook.commands._ledger import json_option
from daybook.logs import configure_logging
from daybook.session import EXIT_FINDING, Session, session
from eventlog.connections import connect
from projections.registry import UnknownView, view
from replay import parked
from replay.builds import Build, NoSuchBuild, find

ACTED_ON = ("live", "shadow", "kept", "past")
"""States of the builds whose parked events can be taken or given up; one that is being filled is left alone."""
NUMBER, POSITION = click.IntRange(1, 2**31 - 1), click.IntRange(1, 2**63 - 1)
number_option = click.option("--build", "number", type=NUMBER, help="Of this build, and not of the live one.")
all_option = click.option("--all", "with_discarded", is_flag=True, help="Also what was discarded, with the reason.")


@click.group()
def command() -> None:
    """Parked events: those a view could not take, with the later events of their stream behind them."""


def _print(rows: list[parked.Parked], as_json: bool) -> None:
    facts = [{**row._asdict(), "position": str(row.position)} for row in rows]
    if as_json:
        click.echo(json.dumps(facts, default=str))
        return
    for row in facts:
        given_up = f"  discarded: {row['discarded']}" if row["discarded"] is not None else ""
        click.echo(
            f"{row['view']}  {row['build']}  {row['position']}  {row['stream_id']}  {row['topic']}"
            f"  {row['reason']}{given_up}"
        )


@command.command("list")
@click.option("--view", "name", help="Only of this view.")
@click.option("--build", "number", type=NUMBER, help="Only of builds of this number.")
@all_option
@json_option
def list_(name: str | None, number: int | None, with_discarded: bool, as_json: bool) -> None:
    """List what is parked: view, build, position, stream, topic, reason; ends with 1 when anything waits."""
    _show(name, None, number, with_discarded, as_json)


@command.command("show")
@click.argument("stream_id", type=click.UUID)
@all_option
@json_option
def show(stream_id: UUID, with_discarded: bool, as_json: bool) -> None:
    """Show what is parked of one stream; ends with 1 when anything waits."""
    _show(None, stream_id, None, with_discarded, as_json)


def _show(name: str | None, stream_id: UUID | None, number: int | None, with_discarded: bool, as_json: bool) -> None:
    settings = read_settings()
    configure_logging(settings.log_level, "parked")
    with session(settings, roles=()) as opened, connect(opened.database_url) as connection:
        rows = parked.listed(connection, name, stream_id, build=number, with_discarded=with_discarded)
    _print(rows, as_json)
    if any(row.discarded is None for row in rows):
        raise SystemExit(EXIT_FINDING)


@contextlib.contextmanager
def _opened(name: str, number: int | None) -> Iterator[tuple[Session, psycopg.Connection[Any], Build]]:
    """The live build of a view, or the one of that number. What is not parked, or not there, ends the command."""
    settings = read_settings()
    configure_logging(settings.log_level, "parked")
    try:
        wanted = view(name)
        with session(settings, roles=()) as opened, connect(opened.database_url) as connection:
            states = ("live",) if number is None else ACTED_ON
            yield opened, connection, find(connection, wanted.name, *states, number=number)
    except UnknownView as unknown:
        raise click.UsageError(str(unknown)) from None
    except (parked.NothingParked, NoSuchBuild) as nothing:
        click.echo(str(nothing), err=True)
        raise SystemExit(EXIT_FINDING) from None


@command.command("retry")
@click.argument("name", metavar="VIEW")
@click.argument("stream_id", type=click.UUID)
@number_option
@json_option
def retry(name: str, stream_id: UUID, number: int | None, as_json: bool) -> None:
    """Let a view take a stream's parked events again, in order."""
    with _opened(name, number) as (opened, connection, build):
        try:
            taken = parked.retry(connection, build, stream_id, opened.recorder, opened.log.log_mapper.decode)
        except (parked.NothingParked, psycopg.OperationalError):
            raise
        except Exception as problem:  # noqa: BLE001 - whatever the view meets, its operator is to be told
            click.echo(f"the stream stays parked: {type(problem).__name__}: {problem}", err=True)
            raise SystemExit(EXIT_FINDING) from None
    click.echo(json.dumps({"taken": taken}) if as_json else f"{taken} taken")


@command.command("discard")
@click.argument("name", metavar="VIEW")
@click.argument("position", type=POSITION)
@click.option("--reason", required=True, help="Why this event is given up for this view; kept with it.")
@number_option
@json_option
def discard(name: str, position: int, reason: str, number: int | None, as_json: bool) -> None:
    """Give one parked event up for a view; the log keeps it.

    Builds that are made later, and questions about the past, leave it out too.
    """
    with _opened(name, number) as (_, connection, build):
        parked.discard(connection, build, position, reason)
    click.echo(json.dumps({"discarded": str(position)}) if as_json else f"{position} discarded")


@command.command("reconsider")
@click.argument("name", metavar="VIEW")
@click.argument("position", type=POSITION)
@json_option
def reconsider(name: str, position: int, as_json: bool) -> None:
    """Let the next rebuild of a view try an event that was discarded.

    The live build stays without it: it has taken later events of the stream.
    """
    with _opened(name, None) as (_, connection, build):
        parked.reconsider(connection, build, position)
    told = f"{position} is tried again by the next rebuild of {name}"
    click.echo(json.dumps({"reconsidered": str(position)}) if as_json else told)
