"""As of when a command is asked: a position of the log, or a time that has passed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import click

from daybook.commands._ledger import Moment
from daybook.session import EXIT_UNREACHABLE, Session
from projections.queries import Queries

POSITION_MAX = 2**63 - 1
"""The greatest that the database has a type for."""
SETTLED_TIMEOUT_S = 20.0
as_of_help = "As of a position of the log, or of a time that has passed."


class AsOf(click.ParamType[int | datetime]):
    """A position of the log, or a moment with its offset."""

    name = "position or moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | datetime:
        """Read digits as a position, all else as a moment."""
        if isinstance(value, int):
            return value
        if not str(value).isdecimal():
            return Moment().convert(value, param, ctx)
        digits = str(value).lstrip("0") or "0"
        if len(digits) > len(str(POSITION_MAX)) or int(digits) > POSITION_MAX:
            self.fail(f"positions end at {POSITION_MAX}", param, ctx)
        return int(digits)


as_of_option = click.option("--as-of", type=AsOf(), help=as_of_help)


def position_of(opened: Session, as_of: int | datetime | None, name: str = "--as-of") -> int | None:
    """The position that was asked for, once all that will ever stand up to it can be read; ends the command with 3 when
    that takes long. Raises MomentNotReached, naming the option."""
    if as_of is None:
        return None
    position = Queries(opened.recorder.readers.read).position_as_of(as_of, name)
    if opened.recorder.horizon.wait(position - 1, SETTLED_TIMEOUT_S) < position:
        click.echo(f"what stands up to position {position} is still being written; ask again", err=True)
        raise SystemExit(EXIT_UNREACHABLE)
    return position


def version_of(opened: Session, stream_id: UUID, as_of: int | None) -> int | None:
    """The version that a stream had come to at a position: 0 before there was anything of it, None for now."""
    return None if as_of is None else Queries(opened.recorder.readers.read).version_as_of(stream_id, as_of)
