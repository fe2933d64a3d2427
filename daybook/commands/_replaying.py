"""What commands of replay have in common: the session, and how a refusal ends them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import click
import psycopg

from daybook.commands import read_settings
from daybook.logs import configure_logging
from daybook.session import EXIT_FINDING, EXIT_UNREACHABLE, Session, session
from projections.queries import MomentNotReached
from projections.registry import UnknownView
from replay.alone import AlreadyRebuilding
from replay.archive.errors import ArchiveDamaged, ArchiveDiffers
from replay.builds import NoSuchBuild
from replay.compare import NotLevel
from replay.differing import KeysDiffer
from replay.fill import EventRefused, PartGone
from replay.rebuild import PositionAhead
from replay.scopes import ScopeRefused
from replay.swap import BuildNotReady, ReadersInTheWay
from replay.workers import WorkerLost

REFUSALS = (
    AlreadyRebuilding, ArchiveDamaged, ArchiveDiffers, BuildNotReady, EventRefused, KeysDiffer, NotLevel, NoSuchBuild,
    PartGone, ReadersInTheWay, WorkerLost,
)  # fmt: skip
USAGE = (MomentNotReached, PositionAhead, ScopeRefused, UnknownView)


@contextlib.contextmanager
def replaying(roles: tuple[str, ...] = ()) -> Iterator[Session]:
    """The log and the views; what replay refuses ends the command with its message, and leaves the live build alone."""
    settings = read_settings()
    configure_logging(settings.log_level, "replay")
    try:
        with session(settings, roles=roles) as opened, _room_is_asked_for():
            yield opened
    except USAGE as wrong:
        raise click.UsageError(str(wrong)) from None
    except REFUSALS as refused:
        click.echo(str(refused), err=True)
        raise SystemExit(EXIT_FINDING) from None


@contextlib.contextmanager
def _room_is_asked_for() -> Iterator[None]:
    """A full disk is told before the session takes it for a database that cannot be reached."""
    try:
        yield
    except psycopg.errors.DiskFull as full:
        what = full.diag.message_primary or str(full)
        way_out = "the live build is untouched; make room and run it again, and it goes on"
        click.echo(f"the database has no room left: {what}; {way_out}", err=True)
        raise SystemExit(EXIT_UNREACHABLE) from None
