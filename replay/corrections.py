"""Drafts the adjustments that set right what a wrong view paid out: by merchant and currency, to the minor unit.

What a wrong build said is compared with what the right one says. Before a swap that is the live build and the one
beside it, as they stand. After it the two are folded anew as of the swap: what was paid since then was paid by the
right one, and the kept build, which is kept up, goes on being wrong about it.

Money moves only by an adjustment that another person approves; nothing here writes.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import msgspec
import psycopg

from domain.adjustment import Adjustment, AdjustmentLine
from domain.chart import UnknownAccount, account_kind
from domain.ids import stream_id
from eventlog.connections import connect
from eventlog.recorded import Recorded
from ledger.adjustments import Proposal
from projections.view import View
from replay import builds
from replay.builds import Build, NoSuchBuild
from replay.causes import add_causes
from replay.compare import Comparison, compare_here, level, merchant_of
from replay.correction_sums import Moved, moved, template_columns
from replay.what_if.answer import History
from replay.what_if.reading import tell
from replay.what_if.sandbox import Pair, sandbox, set_aside

KEPT_ROWS = 100_000
"""Rows that differ whose events are looked up; the amounts are over all of them."""
PAGE_EVENTS = 5_000
ADJUSTMENTS = (Adjustment.Proposed.TOPIC, Adjustment.Approved.TOPIC, Adjustment.Rejected.TOPIC)
READ_UNTIL = "select read_until from views.builds where view = %s and build = %s"


class NotCorrectable(ValueError):
    """No corrections can be drafted from this view, or from these builds; the message says why and what to do."""


class Whose(NamedTuple):
    """Whom a correction is for; `merchant` is empty where no merchant's account is touched."""

    book: int
    merchant: str
    currency: str


@dataclass(frozen=True)
class Earlier:
    """An adjustment that was proposed from this view before, against the same wrong build."""

    adjustment_id: str
    whose: Whose
    position: str
    state: str
    lines: tuple[AdjustmentLine, ...]


@dataclass(frozen=True)
class Draft:
    """An adjustment to be. Proposing it twice proposes it once: its id follows from what it is about."""

    adjustment_id: str
    whose: Whose
    lines: tuple[AdjustmentLine, ...]
    reason: str
    metadata: dict[str, str]

    def proposal(self, by: str) -> Proposal:
        """What to ask of the ledger; it takes effect when it is approved."""
        body = [self.lines, self.reason, sorted(self.metadata.items())]
        fingerprint = hashlib.sha256(msgspec.json.encode(body)).hexdigest()
        return Proposal(
            self.whose.book, self.adjustment_id, self.lines, self.reason, by, fingerprint, None, self.metadata
        )


@dataclass(frozen=True)
class Corrections:
    """What is still to be set right as of `position`, and what was proposed for it before."""

    view: str
    wrong: int
    right: int
    position: int
    drafts: tuple[Draft, ...]
    earlier: tuple[Earlier, ...]


def draft_corrections(
    database_url: str,
    history: History,
    decode: Callable[[Recorded], Any],
    view: View,
    book: int,
    until: int | None = None,
) -> Corrections:
    """The adjustments of a book that are still missing: the difference, less what was proposed and not rejected.

    `until` (a readable position) asks about the builds as they were then. Raises NotCorrectable, NoSuchBuild, NotLevel
    and, where the builds are folded anew, EventRefused.
    """
    if not view.corrections:
        raise NotCorrectable(
            f"view {view.name} does not say how to correct it: give its class `corrections`, the accounts between which"
            ' money moves by column, like {"net_minor": ("rev:fees", "merchant:{seller_id}:available")}'
        )
    with connect(database_url) as connection:
        wrong, right = _builds(connection, view)
        aside = _aside(connection, wrong, right)
        end = until if until is not None else _paid_until(connection, wrong)
    pair = Pair(wrong.view, right.view, *aside)
    with _tables(database_url, history, decode, (wrong, right), pair, end) as (connection, first, second, position):
        sums = moved(connection, view, first, second, book)
        found = compare_here(connection, first, second, position, kept_rows=KEPT_ROWS)
    add_causes(found, [wrong.view, right.view], history, decode, history.read_streams)
    amounts = by_merchant(sums, view.corrections)
    proposed = _proposed(history, decode, book, view.name, wrong.number)
    return _corrections(found, (wrong, right), view, amounts, proposed)


def by_merchant(sums: Sequence[Moved], templates: Mapping[str, tuple[str, str]]) -> dict[Whose, dict[str, int]]:
    """What to post for each merchant and currency: by address, + is a debit. An increase of a column moves money from
    its first account to its second, a decrease back. Raises NotCorrectable for an address that is in no chart."""
    amounts: dict[Whose, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in sums:
        payer, receiver = (_address(template, one.columns) for template in templates[one.column])
        merchant = merchant_of({"address": receiver}) or merchant_of({"address": payer}) or ""
        lines = amounts[Whose(one.book, merchant, one.currency)]
        lines[payer] += one.amount_minor
        lines[receiver] -= one.amount_minor
    return {whose: dict(lines) for whose, lines in amounts.items()}


def _address(template: str, columns: Mapping[str, Any]) -> str:
    address = template.format_map(columns)
    try:
        account_kind(address)
    except UnknownAccount as unknown:
        raise NotCorrectable(f"corrections: {unknown}") from None
    return address


def _builds(connection: psycopg.Connection[Any], view: View) -> tuple[Build, Build]:
    """The wrong build and the right one. Raises NoSuchBuild, and NotCorrectable where nobody can tell or a build lacks
    what corrections need."""
    live = builds.find(connection, view.name, "live")
    wrong, right = live, _shadow_after(connection, live)
    if right is None:
        wrong, right = builds.find(connection, view.name, "kept"), live
        if wrong.number > right.number:
            raise NotCorrectable(
                f"view {view.name}: build {live.number} is live again after build {wrong.number}, so nobody can tell"
                " which of them is wrong; rebuild the view and look at `daybook replay diff` first"
            )
    for build in (wrong, right):
        missing = sorted({*view.corrections, *template_columns(view)} - build.view.columns.keys())
        if missing:
            raise NotCorrectable(f"{build.name} has no column {', '.join(missing)}, which corrections need")
    return wrong, right


def _shadow_after(connection: psycopg.Connection[Any], live: Build) -> Build | None:
    """The newest shadow, if it is newer than the live build: one that a swap passed over sets nothing right."""
    try:
        shadow = builds.find(connection, live.view.name, "shadow")
    except NoSuchBuild:
        return None
    return shadow if shadow.number > live.number else None


def _aside(connection: psycopg.Connection[Any], wrong: Build, right: Build) -> tuple[frozenset[int], frozenset[int]]:
    """The events that each build has parked. Raises NotCorrectable where the right one lacks some that the wrong one
    has: money would be taken back for them."""
    of_wrong, of_right = set_aside(connection, wrong), set_aside(connection, right)
    if lacks := len(of_right - of_wrong):
        raise NotCorrectable(
            f"{right.name} set {lacks} events aside that build {wrong.number} took, so its numbers are not right yet:"
            " see `daybook parked`"
        )
    return of_wrong, of_right


def _paid_until(connection: psycopg.Connection[Any], wrong: Build) -> int | None:
    """Up to where a kept build was read; None for one that is live."""
    if wrong.state == "live":
        return None
    row = connection.execute(READ_UNTIL, [*wrong.key]).fetchone()
    if row is None or row[0] is None:
        raise NotCorrectable(
            f"{wrong.name} was swapped out before positions of swaps were kept; give --until, the position of the swap"
        )
    return int(row[0])


@contextlib.contextmanager
def _tables(
    database_url: str,
    history: History,
    decode: Callable[[Recorded], Any],
    compared: tuple[Build, Build],
    pair: Pair,
    end: int | None,
) -> Iterator[tuple[psycopg.Connection[Any], Build, Build, int]]:
    """Both builds in one snapshot: as they stand, or folded anew up to `end`."""
    if end is None:
        with level(database_url, *compared) as (connection, position):
            yield connection, *compared, position
        return
    with sandbox(database_url, [pair]) as box:
        tell(history, decode, box.listeners, end)
        box.settle()
        ((first, second),) = box.pairs
        with box.connection.transaction():
            yield box.connection, first.build, second.build, end


def _proposed(
    history: History, decode: Callable[[Recorded], Any], book: int, view: str, wrong: int
) -> dict[str, Earlier]:
    """What was proposed in this book against this wrong build, by adjustment, in whatever state. Against whichever
    build it was compared: the merchant was paid by the wrong one once."""
    found: dict[str, Earlier] = {}
    streams: dict[Any, str] = {}
    after = 0
    while rows := history.read(after, PAGE_EVENTS, topics=ADJUSTMENTS, books=[book]):
        after = rows[-1].position
        for row in rows:
            event = decode(row)
            if row.topic == Adjustment.Proposed.TOPIC:
                notes = event.metadata
                if (notes.get("view"), notes.get("from_build")) == (view, str(wrong)):
                    whose = Whose(book, notes.get("merchant", ""), notes.get("currency", ""))
                    key = streams[row.stream_id] = event.adjustment_id
                    found[key] = Earlier(key, whose, notes.get("position", ""), "proposed", tuple(event.lines))
            elif row.stream_id in streams:
                key = streams[row.stream_id]
                state = "approved" if row.topic == Adjustment.Approved.TOPIC else "rejected"
                found[key] = Earlier(key, found[key].whose, found[key].position, state, found[key].lines)
    return found


def _corrections(
    found: Comparison,
    compared: tuple[Build, Build],
    view: View,
    amounts: dict[Whose, dict[str, int]],
    proposed: dict[str, Earlier],
) -> Corrections:
    (wrong, right), columns = compared, ", ".join(view.corrections)
    about = (
        f"build {wrong.number} (version {wrong.view.version}) of view {view.name} was wrong about {columns}; difference"
        f" to build {right.number} (version {right.view.version}) at position {found.position}"
    )
    drafts, events = [], _events(found)
    counting = [one for one in proposed.values() if one.state != "rejected"]
    for whose in sorted(amounts.keys() | {one.whose for one in counting}):
        others = [one for one in counting if one.whose == whose]
        lines = missing_lines(amounts.get(whose, {}), whose.currency, others)
        if lines:
            key = next(key for key in _keys(found, whose) if key not in proposed)
            by = events.get((whose.merchant, whose.currency), "by all events up to there")
            reason = f"{about}, {by}{_less(len(others))}"
            drafts.append(Draft(key, whose, lines, reason, _metadata(found, whose)))
    earlier = tuple(proposed.values())
    return Corrections(found.view, wrong.number, right.number, found.position, tuple(drafts), earlier)


def missing_lines(amounts: Mapping[str, int], currency: str, others: Sequence[Earlier]) -> tuple[AdjustmentLine, ...]:
    """What is left to post, by address, after what others post or will post; + is a debit."""
    left: dict[str, int] = defaultdict(int, amounts)
    for one in others:
        for line in one.lines:
            left[line.address] -= line.amount_minor
    return tuple(AdjustmentLine(address, currency, left[address]) for address in sorted(left) if left[address])


def _keys(found: Comparison, whose: Whose) -> Iterator[str]:
    """The id of the draft; further ones for when the first was rejected, or corrected something else by then."""
    about = f"{found.view}/{found.first}/{found.second}/{found.position}/{whose.merchant}/{whose.currency}"
    yield str(stream_id(whose.book, "correction", about))
    for number in count(2):
        yield str(stream_id(whose.book, "correction", f"{about}/{number}"))


def _metadata(found: Comparison, whose: Whose) -> dict[str, str]:
    return {
        "view": found.view,
        "from_build": str(found.first),
        "to_build": str(found.second),
        "position": str(found.position),
        "merchant": whose.merchant,
        "currency": whose.currency,
    }


def _less(others: int) -> str:
    return f"; less what {others} earlier adjustments correct" if others else ""


def _events(found: Comparison) -> dict[tuple[str, str], str]:
    """By merchant and currency, from which event to which the rows were touched that differ."""
    spans: dict[tuple[str, str], tuple[int, int]] = {}
    for one in found.differences:
        if one.causes and one.last_cause is not None:
            key = one.merchant or "", one.currency or ""
            first, last = spans.get(key, (one.causes[0].position, one.last_cause))
            spans[key] = min(first, one.causes[0].position), max(last, one.last_cause)
    return {key: f"by events from position {first} to {last}" for key, (first, last) in spans.items()}
