"""``daybook replay record``: a history in a file, for tests that replay it against code to come."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from daybook.commands import read_settings
from daybook.commands._ledger import json_option, refuse
from daybook.commands._moments import AsOf, as_of_help, position_of
from daybook.logs import configure_logging
from daybook.session import session
from projections.queries import MomentNotReached
from replay.recorded import record
from replay.unreadable import EventUnreadable


@click.command("record")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--until", type=AsOf(), help=as_of_help)
@json_option
def command(file: Path, until: int | datetime | None, as_json: bool) -> None:
    """Write the log's events to FILE, one of JSON per line, for `replay.testing`. All that they say is in it.

    A file that is there is left alone: tests may be held against it.
    """
    if file.exists():
        raise click.UsageError(f"FILE: {file} is there already; choose another name, or remove it")
    settings = read_settings()
    configure_logging(settings.log_level, "replay")
    try:
        with session(settings, roles=()) as opened:
            position = position_of(opened, until, "--until")
            try:
                events = record(opened.recorder, file, until=position)
            except OSError as problem:
                raise click.UsageError(f"FILE: {problem}") from None
    except MomentNotReached as wrong:
        raise click.UsageError(str(wrong)) from None
    except EventUnreadable as damaged:
        refuse(str(damaged))
    click.echo(json.dumps({"file": str(file), "events": events}) if as_json else f"{events:,} events in {file}")
