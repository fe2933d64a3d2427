"""The record of swaps and rollbacks: which build of a view readers saw, and between which positions."""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg

from replay import builds
from replay.builds import Build, CodeGone, NoSuchBuild

RECORD = "insert into views.exchanges (view, came, went, position) values (%s, %s, %s, %s)"
LAST = "select went from views.exchanges where view = %s order by exchange desc limit 1"
OF_VIEW = "select came, went, position from views.exchanges where view = %s order by exchange"


class Span(NamedTuple):
    """What readers saw of a build: events with `start < position <= end`, and all that come where `end` is None."""

    start: int
    end: int | None


def record(connection: psycopg.Connection[Any], coming: Build, going: Build, position: int) -> None:
    """From this position on readers see another build; part of the caller's transaction."""
    connection.execute(RECORD, [coming.view.name, coming.number, going.number, position])


def before(connection: psycopg.Connection[Any], view: str) -> Build:
    """The build that readers saw before the last swap or rollback. Raises NoSuchBuild, also when it was dropped."""
    row = connection.execute(LAST, [view]).fetchone()
    if row is None:
        return builds.find(connection, view, "kept")
    try:
        return builds.find(connection, view, "kept", number=row[0])
    except CodeGone:
        raise
    except NoSuchBuild:
        has = ", ".join(f"{one['build']} ({one['state']})" for one in builds.listed(connection, view))
        way_out = "rebuild the view with the code that you want to go back to"
        raise NoSuchBuild(
            f"view {view} has no kept build {row[0]}, which was live before: {way_out}; its builds: {has}"
        ) from None


def spans(connection: psycopg.Connection[Any], build: Build) -> list[Span]:
    """When a build was live, oldest first; the first one of a view was so from the beginning."""
    found: list[Span] = []
    rows = [row for row in connection.execute(OF_VIEW, [build.view.name]) if build.number in row[:2]]
    from_the_beginning = rows[0][1] == build.number if rows else build.state == "live"
    start: int | None = 0 if from_the_beginning else None
    for came, _, position in rows:
        if came == build.number:
            start = position
        else:
            found.append(Span(start or 0, position))
            start = None
    return found if start is None else [*found, Span(start, None)]
