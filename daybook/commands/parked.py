"""``daybook parked``: events that a view could not take, and what to do about them."""

from __future__ import annotations

import json
from uuid import UUID

import click
import psycopg

from daybook.commands import read_settings
from daybook.logs import configure_logging
from daybook.session import EXIT_FINDING, session
from eventlog.connections import connect
from projections.registry import UnknownView, view
from replay import parked
from replay.builds import find


@click.group()
def command() -> None:
    """Parked events: those a view could not take, with the later events of their stream behind them."""


def _print(rows: list[parked.Parked], as_json: bool) -> None:
    facts = [{**row._asdict(), "position": str(row.position)} for row in rows]
    if as_json:
        click.echo(json.dumps(facts, default=str))
        return
    for row in facts:
        click.echo(f"{row['view']}  {row['position']}  {row['stream_id']}  {row['topic']}  {row['reason']}")


@command.command("list")
@click.option("--view", "name", help="Only of this view.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_(name: str | None, as_json: bool) -> None:
    """List what is parked, oldest first; ends with 1 when there is anything."""
    _show(name, None, as_json)


@command.command("show")
@click.argument("stream_id", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def show(stream_id: UUID, as_json: bool) -> None:
    """Show what is parked of one stream; ends with 1 when there is anything."""
    _show(None, stream_id, as_json)


def _show(name: str | None, stream_id: UUID | None, as_json: bool) -> None:
    settings = read_settings()
    configure_logging(settings.log_level, "parked")
    with session(settings, roles=()) as opened, connect(opened.database_url) as connection:
        rows = parked.listed(connection, name, stream_id)
    _print(rows, as_json)
    if rows:
        raise SystemExit(EXIT_FINDING)


@command.command("retry")
@click.argument("name", metavar="VIEW")
@click.argument("stream_id", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print how many were taken as JSON.")
def retry(name: str, stream_id: UUID, as_json: bool) -> None:
    """Let a view take a stream's parked events again, in order."""
    settings = read_settings()
    configure_logging(settings.log_level, "parked")
    try:
        wanted = view(name)
        with session(settings, roles=()) as opened, connect(opened.database_url) as connection:
            taken = parked.retry(
                connection, find(connection, wanted.name, "live"), stream_id, opened.recorder,
                opened.log.log_mapper.decode,
            )  # fmt: skip
    except UnknownView as unknown:
        raise click.UsageError(str(unknown)) from None
    except parked.NothingParked as nothing:
        click.echo(str(nothing), err=True)
        raise SystemExit(EXIT_FINDING) from None
    except psycopg.OperationalError:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever the view meets, its operator is to be told
        click.echo(f"the stream stays parked: {type(problem).__name__}: {problem}", err=True)
        raise SystemExit(EXIT_FINDING) from None
    click.echo(json.dumps({"taken": taken}) if as_json else f"{taken} taken")


@command.command("discard")
@click.argument("name", metavar="VIEW")
@click.argument("position", type=int)
@click.option("--reason", required=True, help="Why this event is given up for this view; kept with it.")
@click.option("--json", "as_json", is_flag=True, help="Print what was discarded as JSON.")
def discard(name: str, position: int, reason: str, as_json: bool) -> None:
    """Give one parked event up for a view; the log keeps it."""
    settings = read_settings()
    configure_logging(settings.log_level, "parked")
    try:
        wanted = view(name)
        with session(settings, roles=()) as opened, connect(opened.database_url) as connection:
            parked.discard(connection, find(connection, wanted.name, "live"), position, reason)
    except UnknownView as unknown:
        raise click.UsageError(str(unknown)) from None
    except parked.NothingParked as nothing:
        click.echo(str(nothing), err=True)
        raise SystemExit(EXIT_FINDING) from None
    click.echo(json.dumps({"discarded": str(position)}) if as_json else f"{position} discarded")
