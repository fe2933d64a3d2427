"""views: what readers see is what the log folds to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar
from uuid import UUID

import psycopg

from eventlog.connections import connect
from projections.registry import versions
from projections.view import Fact
from replay import tables
from replay.builds import Build
from replay.checks.check import Finding, PlainCheck, Scope, Seen
from replay.checks.live_builds import LiveBuild, differing, folded_build
from replay.digest import digest

BATCH_EVENTS = 10_000


class _Folding:
    """One live build's twin, folded from the log up to the position where the live one stood."""

    def __init__(self, connection: psycopg.Connection[Any], live: LiveBuild, build: Build) -> None:
        self._connection = connection
        self.live = live
        self.folded = folded_build(connection, build)
        self._topics = frozenset(build.view.topics)
        self._waiting: list[Fact] = []
        self.refused: Finding | None = None

    def take(self, seen: Seen) -> None:
        """Keep what the view wants, and fold it with many others."""
        row = seen.row
        if row.topic not in self._topics or row.position > self.live.position or self.refused is not None:
            return
        if row.position in self.live.passed_over:
            return
        self._waiting.append(Fact.of(row, seen.event))
        if len(self._waiting) >= BATCH_EVENTS:
            self.fold()

    def fold(self) -> None:
        """Load, fold and write what waits. The first event that the view cannot take ends the twin."""
        facts, self._waiting = self._waiting, []
        view = self.folded.view
        rows = tables.load(self._connection, self.folded, [key for fact in facts for key in view.keys(fact)])
        for fact in facts:
            try:
                view.fold(rows, fact)
            except Exception as problem:  # noqa: BLE001 - a view may fail in any way; that is the finding
                why = f"view {view.name} cannot be built anew: it cannot take this event: {problem}"
                self.refused = Finding(why, fact.position, fact.book, fact.stream_id, reference=view.name)
                return
        tables.write(self._connection, self.folded, rows)


class Views(PlainCheck):
    """Folds every live view anew, in tables of this session alone, and compares digests.

    Events that a build has parked, or that were given up for it, are left out of its twin as they are of the build.
    """

    name: ClassVar[str] = "views"
    meaning: ClassVar[str] = (
        "every view has a live build, readers see just that, and it has the rows that the log folds to at its position"
    )
    advice: ClassVar[str] = (
        "the log is right and the view is not: look at `daybook parked list`, let `daybook replay rebuild` make it "
        "anew beside the live one, compare the two with `daybook replay diff`, and swap: that shows readers the build "
        "again, too; a view without a live build is begun anew when the process `views` starts: empty its table first"
    )
    topics: ClassVar[tuple[str, ...]] = tuple(sorted({topic for view in versions().values() for topic in view.topics}))
    whole: ClassVar[bool] = True

    def __init__(self, scope: Scope) -> None:
        """Nothing to compare where there are no tables."""
        self._connection: psycopg.Connection[Any] | None = None
        self._folding: list[_Folding] = []
        self._live = scope.live
        if scope.database_url is not None:
            self._connection = connect(scope.database_url)
            self._folding = [_Folding(self._connection, live, live.build) for live in scope.live if live.build]

    def see(self, seen: Seen) -> Iterator[Finding]:
        """Every view takes what it wants."""
        for folding in self._folding:
            folding.take(seen)
        yield from ()

    def end(self) -> Iterator[Finding]:
        """View by view."""
        for live in self._live:
            if live.lost:
                yield Finding(live.lost, reference=live.view)
            if live.shown != live.shown_by:
                problem = f"readers of view {live.view} see something else than its live build"
                yield Finding(problem, live.position, reference=live.view, expected=live.shown_by, found=live.shown)
        for folding in self._folding:
            folding.fold()
            if folding.refused is not None:
                yield folding.refused
            else:
                yield from self._compared(folding)

    def _compared(self, folding: _Folding) -> Iterator[Finding]:
        assert self._connection is not None  # noqa: S101 - narrowing only
        live, found = folding.live, digest(self._connection, folding.folded)
        if found == live.digest:
            return
        rows = list(differing(self._connection, live, folding.folded))
        for shown, wanted in rows:
            yield _row(folding, shown, wanted)
        if not rows:
            problem = f"the live build of {live.view} is not what the log folds to at its position"
            yield Finding(problem, live.position, reference=live.view, expected=found, found=live.digest)

    def close(self) -> None:
        """The twins go with their session."""
        if self._connection is not None:
            self._connection.close()


def _row(folding: _Folding, shown: dict[str, Any] | None, wanted: dict[str, Any] | None) -> Finding:
    """One row that differs, with the first column in which it does."""
    view = folding.folded.view
    row = shown or wanted or {}
    key = ", ".join(f"{column} {row.get(column)}" for column in view.key)
    stream = row.get(view.stream_column) if view.stream_column else None
    where: dict[str, Any] = {
        "position": row.get("position", folding.live.position),
        "book": row.get("book"),
        "stream_id": None if stream is None else UUID(str(stream)),
        "reference": view.name,
    }
    if shown is None or wanted is None:
        problem = f"view {view.name} {'lacks' if shown is None else 'has'} a row: {key}"
        words = ("a row", None) if shown is None else (None, "a row")
        return Finding(problem, **where, expected=words[0], found=words[1])
    column = next(name for name in view.columns if shown[name] != wanted[name])
    problem = f"view {view.name} has another {column} in row {key}"
    return Finding(problem, **where, expected=_plain(wanted[column]), found=_plain(shown[column]))


def _plain(value: Any) -> int | str | None:
    return value if value is None or type(value) is int else str(value)


CHECK = Views
