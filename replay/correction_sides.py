"""Which build of a view was wrong and which is right, and between which positions readers saw the wrong one."""

from __future__ import annotations

from typing import Any

import psycopg

from projections.view import View
from replay import builds, exchanges, parked
from replay.builds import Build, NoSuchBuild
from replay.correction_sums import template_columns
from replay.exchanges import Span


class NotCorrectable(ValueError):
    """No corrections can be drafted from this view, or from these builds; the message says why and what to do."""


def sides(connection: psycopg.Connection[Any], view: View, wanted: int | None) -> tuple[Build, Build]:
    """The wrong build and the right one. Raises NoSuchBuild, and NotCorrectable where nobody can tell or a build lacks
    what corrections need."""
    live = builds.find(connection, view.name, "live")
    shadow = _shadow_after(connection, live)
    right = shadow or live
    if wanted is not None:
        wrong = builds.find(connection, view.name, "live", "kept", number=wanted)
    else:
        wrong = live if shadow else _the_one_before(connection, live)
    if wrong.number >= right.number:
        raise NotCorrectable(
            f"view {view.name}: build {live.number} is live again after build {wrong.number}, so nobody can tell"
            " which of them is wrong; rebuild the view and look at `daybook replay diff` first"
        )
    for build in (wrong, right):
        missing = sorted({*view.corrections, *template_columns(view)} - build.view.columns.keys())
        if missing:
            raise NotCorrectable(f"{build.name} has no column {', '.join(missing)}, which corrections need")
    return wrong, right


def _the_one_before(connection: psycopg.Connection[Any], live: Build) -> Build:
    """The kept build that readers saw before the live one. Where there are several somebody has to say which."""
    view = live.view.name
    kept = [row["build"] for row in builds.listed(connection, view) if row["state"] == "kept"]
    if len(kept) > 1 and max(kept) < live.number:
        named = " and ".join(map(str, sorted(kept)))
        raise NotCorrectable(
            f"view {view}: builds {named} were live before build {live.number}; name the one that was wrong with"
            " --build, each by itself if both were, and drop one that was right"
        )
    return builds.find(connection, view, "kept")


def _shadow_after(connection: psycopg.Connection[Any], live: Build) -> Build | None:
    """The newest shadow, if it is newer than the live build: one that a swap passed over sets nothing right."""
    try:
        shadow = builds.find(connection, live.view.name, "shadow")
    except NoSuchBuild:
        return None
    return shadow if shadow.number > live.number else None


def aside(connection: psycopg.Connection[Any], wrong: Build, right: Build) -> tuple[frozenset[int], frozenset[int]]:
    """The events that each build has parked. Raises NotCorrectable where the right one lacks some that the wrong one
    has: money would be taken back for them."""
    of_wrong, of_right = parked.without(connection, wrong), parked.without(connection, right)
    if lacks := len(of_right - of_wrong):
        raise NotCorrectable(
            f"{right.name} set {lacks} events aside that build {wrong.number} took, so its numbers are not right yet:"
            " see `daybook parked`"
        )
    return of_wrong, of_right


def seen(connection: psycopg.Connection[Any], wrong: Build, until: int | None) -> list[Span]:
    """Between which positions readers saw a build, up to `until`. Raises NotCorrectable where that was not recorded."""
    found = exchanges.spans(connection, wrong)
    if not found and until is None:
        raise NotCorrectable(
            f"{wrong.name} was swapped out before positions of swaps were kept; give --until, the position of the swap"
        )
    if until is None:
        return found
    ends = [(one.start, until if one.end is None else min(one.end, until)) for one in found or [Span(0, None)]]
    return [Span(start, end) for start, end in ends if start < end] or [Span(0, 0)]
