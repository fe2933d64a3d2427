"""Drafts the adjustments that set right what a wrong view paid out: by merchant and currency, to the minor unit.

What a wrong build said while it was live is compared with what the right one says of the same events. Before a swap
that is the live build and the one beside it, as they stand. Else the two are folded anew, up to where readers saw the
wrong one: what was paid since then was paid by another, and a kept build, which is kept up, goes on being wrong.

Money moves only by an adjustment that another person approves; nothing here writes.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any, NamedTuple

import msgspec

from domain.adjustment import Adjustment, AdjustmentLine
from domain.chart import UnknownAccount, account_kind
from domain.ids import stream_id
from eventlog.connections import connect
from eventlog.recorded import Recorded
from ledger.adjustments import Proposal
from projections.view import View
from replay.builds import Build
from replay.causes import add_causes
from replay.compare import Comparison, compare_here, level, merchant_of
from replay.correction_sides import NotCorrectable, aside, seen, sides
from replay.correction_sums import Moved, moved
from replay.exchanges import Span
from replay.what_if.answer import History
from replay.what_if.reading import tell
from replay.what_if.sandbox import Pair, sandbox

KEPT_ROWS = 100_000
"""Rows that differ whose events are looked up; the amounts are over all of them."""
PAGE_EVENTS = 5_000
ADJUSTMENTS = (Adjustment.Proposed.TOPIC, Adjustment.Approved.TOPIC, Adjustment.Rejected.TOPIC)


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
    build: int | None = None,
) -> Corrections:
    """The adjustments of a book that are still missing: the difference, less what was proposed and not rejected.

    `until` (a readable position) asks about the builds as they were then; `build` names the wrong one, where several
    have been live. Raises NotCorrectable, NoSuchBuild, NotLevel and, where the builds are folded anew, EventRefused.
    """
    if not view.corrections:
        raise NotCorrectable(
            f"view {view.name} does not say how to correct it: give its class `corrections`, the accounts between which"
            ' money moves by column, like {"net_minor": ("rev:fees", "merchant:{seller_id}:available")}'
        )
    with connect(database_url) as connection:
        wrong, right = sides(connection, view, build)
        pair = Pair(wrong.view, right.view, *aside(connection, wrong, right))
        read = seen(connection, wrong, until)
    if read == [Span(0, None)]:
        with level(database_url, wrong, right) as (connection, position):
            sums = moved(connection, view, wrong, right, book)
            found = compare_here(connection, wrong, right, position, kept_rows=KEPT_ROWS)
    else:
        read = [Span(one.start, _end(database_url, wrong, right, one)) for one in read]
        sums, found = _folded(database_url, history, decode, pair, view, book, read)
    found.first, found.second = wrong.number, right.number
    add_causes(found, [wrong.view, right.view], history, decode, history.read_streams)
    amounts = by_merchant(sums, view.corrections)
    proposed = _proposed(history, decode, book, view.name, wrong.number)
    return _corrections(found, (wrong, right), view, amounts, proposed, read)


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


def _end(database_url: str, wrong: Build, right: Build, span: Span) -> int:
    """Where it ends, or where both builds stand if the wrong one is still read."""
    if span.end is not None:
        return span.end
    with level(database_url, wrong, right) as (_, position):
        return position


def _folded(
    database_url: str,
    history: History,
    decode: Callable[[Recorded], Any],
    pair: Pair,
    view: View,
    book: int,
    read: Sequence[Span],
) -> tuple[list[Moved], Comparison]:
    """What the two builds come to apart over the spans: at the end of each, less what it was at its beginning. Compared
    row by row they are at the last end."""
    places = sorted({place for span in read for place in span if place is not None})
    at: dict[int, list[Moved]] = {}
    with sandbox(database_url, [pair]) as box:
        ((first, second),) = box.pairs
        for after, place in pairwise([0, *places]):
            tell(history, decode, box.listeners, place, after)
            box.settle()
            with box.connection.transaction():
                at[place] = moved(box.connection, view, first.build, second.build, book)
        with box.connection.transaction():
            found = compare_here(box.connection, first.build, second.build, places[-1], kept_rows=KEPT_ROWS)
    apart = [one for _, end in read for one in at[end or 0]]
    apart += [one._replace(amount_minor=-one.amount_minor) for start, _ in read for one in at[start]]
    return apart, found


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
    read: Sequence[Span],
) -> Corrections:
    (wrong, right), columns = compared, ", ".join(view.corrections)
    about = (
        f"build {wrong.number} (version {wrong.view.version}) of view {view.name} was wrong about {columns}; difference"
        f" to build {right.number} (version {right.view.version}) at position {found.position}{_only(read)}"
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


def _only(read: Sequence[Span]) -> str:
    """Said where a build was not read from the beginning on, or more than once."""
    if len(read) == 1 and not read[0].start:
        return ""
    return " over what it was read for, " + " and ".join(f"positions {one.start} to {one.end}" for one in read)


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
