"""Balances and volumes, of one wallet or of many together, as of any position and at any effective moment.

Numbers of many wallets are summed per currency and kind of account, and never over either: euros and yen, or what is
owned and what is owed, are no sum. One wallet is asked for like many, so there is one way to a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from projections.queries.grouping import Grouping
from projections.queries.moments import APART, MomentQueries, Span
from projections.queries.reading import Asker, Page, Row, ViewsApart, conditions, own, page, scope, sign_of
from projections.queries.wallets import CHOSEN, WalletFilter

PAGE = "select g.*{more} from ({query}) g {after} order by {groups} limit %(limit)s"
# In the statement itself, so that one snapshot answers both: do the two views that it adds up stand together?
TOGETHER = """, (select count(*) = 2 and min(position) = max(position) from views.builds
  where view in ('wallet_days', 'wallet_entries') and state = 'live') as together"""
NOW = """
select {keys}, sum(b.posted_minor) as posted_minor, sum(b.held_minor) as held_minor, count(*) as wallets
  from balances b where b.book = %(book)s {where}
 group by {groups}
"""
# Of wallets that have changed since: were they open by then?
OPENED = """
 (b.position <= %(as_of)s or exists (
       select 1 from log.events o where o.stream_id = b.wallet_id and o.version = 1 and o.position <= %(as_of)s))
"""
# A wallet whose last event is not younger than the position stands as it stood then: only the others are looked up.
AS_OF = """
select {keys}, sum(case when b.position <= %(as_of)s then b.posted_minor else e.posted_after end) as posted_minor,
       sum(case when b.position <= %(as_of)s then b.held_minor else e.held_after end) as held_minor, count(*) as wallets
  from balances b
  left join lateral (
       select posted_after, held_after from wallet_entries
        where wallet_id = b.wallet_id and position <= %(as_of)s and b.position > %(as_of)s
        order by position desc limit 1) e on true
 where b.book = %(book)s and (e.posted_after is not null or {opened}) {where}
 group by {groups}
""".replace("{opened}", OPENED)
MOVED = """
with chosen as materialized (select b.wallet_id, {keys} from balances b where b.book = %(book)s {where} {open})
select {groups}, sum(debit) as debit_minor, sum(credit) as credit_minor, sum(entries) as entries,
       sum(wallets) as wallets
  from (select {groups}, 0 as debit, 0 as credit, 0 as entries, 1 as wallets from chosen {parts}) moved
 group by {groups}
"""
DAYS = """
  union all select {groups}, d.debit_minor, d.credit_minor, d.entries, 0
    from chosen join wallet_days d using (wallet_id) where d.day >= %(first)s and d.day < %(last)s
"""
_ENTRIES = """
  union all select {{groups}}, {sign} greatest(e.amount_minor, 0), {sign} greatest(-e.amount_minor, 0), {sign} 1, 0
    from chosen join wallet_entries e using (wallet_id) where {which}
"""
HEAD = _ENTRIES.format(sign="", which="e.effective_at >= %(start)s and e.effective_at < %(head)s")
TAIL = _ENTRIES.format(sign="", which="e.effective_at >= %(tail)s and e.effective_at < %(end)s")
LATER = _ENTRIES.format(
    sign="-", which="e.position > %(as_of)s and e.effective_at >= %(start)s and e.effective_at < %(end)s"
)
RECORDED = _ENTRIES.format(
    sign="", which="e.position > %(after_position)s and e.position <= %(as_of)s and e.effective_at is not null"
)


@dataclass(frozen=True)
class When:
    """As of which position (None: now), and over which effective time (None: whatever was recorded by then)."""

    as_of: int | None = None
    effective: Span | None = None


class Question(NamedTuple):
    """A query with its parameters."""

    text: str
    parameters: Row


class NumberQueries(MomentQueries):
    """Balances and volumes. Which wallets are meant is decided by what they are now, whenever the numbers are from."""

    def balances(
        self, caller: Asker, chosen: WalletFilter, when: When, grouping: Grouping, *, cursor: str | None, limit: int
    ) -> Page:
        """Balances of the chosen wallets, summed per group, in the natural sign.

        What is held is known as of a position only; at an effective moment there is no such number. Raises
        CursorUnreadable, ViewsApart.
        """
        query = moved_query(when) if when.effective is not None else NOW if when.as_of is None else AS_OF
        asked = question(query, caller, chosen, when, grouping, cursor, limit)
        rows = self._together(asked) if when.effective is not None else self._alone(asked)
        return page(grouping.shown([_balance(row) for row in rows]), limit, grouping.place)

    def volumes(
        self, caller: Asker, chosen: WalletFilter, when: When, grouping: Grouping, *, cursor: str | None, limit: int
    ) -> Page:
        """Debits, credits and entries of the chosen wallets in an effective range, summed per group.

        Raises CursorUnreadable, ViewsApart.
        """
        asked = question(moved_query(when), caller, chosen, when, grouping, cursor, limit)
        return page(grouping.shown([_volume(row) for row in self._together(asked)]), limit, grouping.place)

    def recorded_volumes(
        self,
        caller: Asker,
        chosen: WalletFilter,
        after: int,
        when: When,
        grouping: Grouping,
        *,
        cursor: str | None,
        limit: int,
    ) -> Page:
        """Debits, credits and entries that were recorded after a position and up to `when.as_of`. CursorUnreadable."""
        asked = question(moved(RECORDED, by_then=True), caller, chosen, when, grouping, cursor, limit)
        rows = self._alone(Question(asked.text, asked.parameters | {"after_position": after}))
        return page(grouping.shown([_volume(row) for row in rows]), limit, grouping.place)

    def _alone(self, asked: Question) -> list[Row]:
        return self.rows(asked.text, asked.parameters, prepare=False)

    def _together(self, asked: Question) -> list[Row]:
        """The answer to what needs two views, as long as they stand at one position. Raises ViewsApart."""
        rows = self._alone(asked)
        if not all(row.pop("together") for row in rows):
            raise ViewsApart(APART)
        return rows


def question(
    query: str,
    caller: Asker,
    chosen: WalletFilter,
    when: When,
    grouping: Grouping,
    cursor: str | None = None,
    limit: int = 1,
) -> Question:
    """One of the queries above, about these wallets. Raises CursorUnreadable."""
    filters = chosen.asked()
    after, places = grouping.after(cursor)
    which = own(caller) + conditions(CHOSEN, filters)
    inner = query.format(keys=grouping.keys, groups=grouping.groups, where=which)
    moments = {"as_of": when.as_of} | ({} if when.effective is None else when.effective._asdict())
    parameters = scope(caller) | filters | moments | grouping.parameters | places | {"limit": limit + 1}
    more = "" if when.effective is None else TOGETHER
    return Question(PAGE.format(query=inner, after=after, groups=grouping.groups, more=more), parameters)


def moved_query(when: When) -> str:
    """The query whose sum is what moved: whole days, the entries of days that are cut, less what came later."""
    effective = when.effective
    if effective is None:
        raise ValueError("what moved in effective time is asked for over a range")
    parts = DAYS if effective.first < effective.last else ""
    if effective.start < effective.head:
        parts += HEAD
    if effective.tail < effective.end:
        parts += TAIL
    return moved(parts + (LATER if when.as_of is not None else ""), by_then=when.as_of is not None)


def moved(parts: str, *, by_then: bool) -> str:
    """The sum of these parts; `by_then`: of the wallets alone that were open by the position of `as_of`."""
    return MOVED.replace("{parts}", parts).replace("{open}", f"and {OPENED}" if by_then else "")


def _balance(row: Row) -> Row:
    if "debit_minor" in row:
        row["posted_minor"] = row.pop("debit_minor") - row.pop("credit_minor")
        del row["entries"]
    row["posted_minor"] = sign_of(row["account_kind"]) * int(row["posted_minor"] or 0)
    if "held_minor" in row:
        row["held_minor"] = int(row["held_minor"] or 0)
        row["available_minor"] = row["posted_minor"] - row["held_minor"]
    row["wallets"] = int(row["wallets"])
    return row


def _volume(row: Row) -> Row:
    for name in ("debit_minor", "credit_minor", "entries", "wallets"):
        row[name] = int(row[name])
    return row
