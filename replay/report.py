"""A comparison as data, as text for a terminal and as one page that can be mailed: the same facts three times."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from html import escape
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.money import Money
from replay.compare import Cause, Comparison, Difference

ROWS_ON_TERMINAL = 20
CAUSES_ON_TERMINAL = 3
CAUSES_ON_PAGE = 10
ROWS_ON_PAGE = 2_000
_NUMBER = re.compile(r"(<\w+>)?(-|[+-]?\d[\d,.]*( [A-Z]{3})?)(</\w+>)?")
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#1d2733}
table{border-collapse:collapse;width:100%;margin:1rem 0}caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{border-bottom:1px solid #d8dee6;padding:.3rem .6rem;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}del{color:#a11}ins{color:#060;text-decoration:none}
code{font-size:.85em;overflow-wrap:anywhere}
"""


def facts(found: Comparison) -> dict[str, Any]:
    """Everything, ready for JSON: positions as text, money in minor units."""
    return {
        "view": found.view,
        "first": found.first,
        "second": found.second,
        "position": str(found.position),
        "rows": {"first": found.rows_first, "second": found.rows_second},
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "columns": found.columns,
        "money_minor": found.money,
        "merchants": found.merchants,
        "not_summed": found.not_summed,
        "since": None if found.since is None else found.since.isoformat(),
        "since_rows": found.since_rows,
        "differences": [_difference_facts(difference) for difference in found.differences],
        "differences_shown": len(found.differences),
    }


def _difference_facts(difference: Difference) -> dict[str, Any]:
    return {
        "key": [_plain(part) for part in difference.key],
        "change": difference.change,
        "currency": difference.currency,
        "merchant": difference.merchant,
        "columns": {name: [_plain(a), _plain(b)] for name, (a, b) in difference.columns.items()},
        "causes": [_cause_facts(cause) for cause in difference.causes],
        "cause_count": difference.cause_count,
        "decisive": [_cause_facts(cause) for cause in difference.decisive],
        "decisive_count": difference.decisive_count,
    }


def _cause_facts(cause: Cause) -> dict[str, str]:
    return {"position": str(cause.position), "topic": cause.topic, "recorded_at": cause.recorded_at.isoformat()}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def show(found: Comparison, console: Console) -> None:
    """The summary, then the first differences with the events behind them."""
    console.print(Text(_headline(found)), soft_wrap=True)
    if found.equal:
        return
    for title, header, rows in _summaries(found):
        console.print(terminal_table(title, header, rows[:ROWS_ON_TERMINAL]))
        if len(rows) > ROWS_ON_TERMINAL:
            _more(console, f"{len(rows) - ROWS_ON_TERMINAL:,} more lines about {title.lower()}")
    rows = [
        (_key(difference), difference.change, *values, "\n".join(_causes(difference, CAUSES_ON_TERMINAL)))
        if place == 0
        else ("", "", *values, "")
        for difference in _most_money_first(found)[:ROWS_ON_TERMINAL]
        for place, values in enumerate(_values(difference))
    ]
    console.print(terminal_table("Differences", _header(found), rows))
    left = found.total - min(len(found.differences), ROWS_ON_TERMINAL)
    if left:
        _more(console, f"{left:,} more rows")


def terminal_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, wrapped: Collection[str] = ()
) -> Table:
    """A table whose cells are shown as they are: what payers and programs write is no markup. Where `wrapped` names
    columns, only those may take several lines, and others are folded before they are cut."""
    table = Table(title=Text(title), title_justify="left")
    for name in header:
        kept = bool(wrapped) and name not in wrapped
        table.add_column(Text(name), no_wrap=kept, overflow="fold" if wrapped else "ellipsis")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _more(console: Console, what: str) -> None:
    console.print(Text(f"… and {what}; --json or --html show them"))


def page(found: Comparison) -> str:
    """One self-contained HTML page: no script, no address outside of it."""
    return document(f"Replay of {found.view}", section(found))


def document(title: str, body: str) -> str:
    """The page around what was found."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><body><h1>{escape(title)}</h1>{body}</body></html>"
    )


def section(found: Comparison) -> str:
    """What a comparison found, as a part of a page."""
    parts = [f"<p>{escape(_headline(found))}</p>"]
    parts += [html_table(title, header, rows) for title, header, rows in _summaries(found)]
    rows = [
        (
            f"<code>{escape(_key(difference))}</code>",
            escape(difference.change),
            escape(name),
            f"<del>{escape(before)}</del>",
            f"<ins>{escape(after)}</ins>",
            escape("; ".join(_causes(difference, CAUSES_ON_PAGE))),
        )
        for difference in _most_money_first(found)[:ROWS_ON_PAGE]
        for name, before, after in _values(difference)
    ]
    if rows:
        parts.append(html_table("Differences", _header(found), rows, escaped=True))
    left = found.total - min(len(found.differences), ROWS_ON_PAGE)
    if left:
        parts.append(f"<p>{left:,} more rows differ and are not listed here.</p>")
    return "".join(parts)


def _header(found: Comparison) -> tuple[str, ...]:
    return ("row", "change", "column", *_sides(found), "events behind it")


def _headline(found: Comparison) -> str:
    first, second = found.sides or (f"build {found.first} (live)", f"build {found.second}")
    where = f"{found.view}: {first} against {second}, both at position {found.position}"
    if found.equal:
        return f"{where}: equal, {found.rows_first:,} rows."
    return (
        f"{where}: {found.changed:,} rows changed, {found.added:,} added, {found.removed:,} removed"
        f" (of {found.rows_first:,}){_whose(found)}{_since(found)}.{_not_summed(found)}"
    )


def _since(found: Comparison) -> str:
    if found.since is None:
        return ""
    some = f" (for the first {found.since_rows:,} of them)" if found.since_rows < found.total else ""
    return f", by events since {_moment(found.since)}{some}"


def _not_summed(found: Comparison) -> str:
    if not found.not_summed:
        return ""
    return f" {found.not_summed:,} of them hold money of a currency that the view does not say: it is in no sum."


def _whose(found: Comparison) -> str:
    count = len(found.merchants)
    return f", of {count:,} merchant{'s' if count > 1 else ''}" if count else ""


def _summaries(found: Comparison) -> list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    first, second = _sides(found)
    columns = [(name, f"{count:,}") for name, count in sorted(found.columns.items())]
    money = [
        (currency, name, amount(total, currency, signed=True))
        for currency, sums in sorted(found.money.items())
        for name, total in sorted(sums.items())
    ]
    merchants = [
        (merchant, currency, name, amount(total, currency, signed=True))
        for merchant, currencies in sorted(found.merchants.items(), key=_largest_first)
        for currency, sums in sorted(currencies.items())
        for name, total in sorted(sums.items())
        if total
    ]
    tables: list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]] = []
    tables += [("Columns", ("column", "rows"), [*columns])] if columns else []
    tables += [(f"Money, {second} minus {first}", ("currency", "column", "difference"), [*money])] if money else []
    if merchants:
        tables.append(("Merchants", ("merchant", "currency", "column", "difference"), [*merchants[:ROWS_ON_PAGE]]))
    return tables


def _sides(found: Comparison) -> tuple[str, str]:
    """What the two are called. After a swap the second is the older one, which was live before."""
    return found.sides or ("live", "new" if found.second > found.first else f"build {found.second}")


def _largest_first(one: tuple[str, dict[str, dict[str, int]]]) -> tuple[int, str]:
    merchant, currencies = one
    return -max(abs(total) for sums in currencies.values() for total in sums.values()), merchant


def _most_money_first(found: Comparison) -> list[Difference]:
    """The rows that are kept, by the largest amount that is booked because of them; in the order of the key else."""
    return sorted(found.differences, key=lambda one: -max((abs(b.amount_minor) for b in one.money), default=0))


def _values(difference: Difference) -> list[tuple[str, str, str]]:
    return [
        (
            name,
            shown_value(name, before, difference.currency_before),
            shown_value(name, after, difference.currency),
        )
        for name, (before, after) in difference.columns.items()
    ]


def shown_value(column: str, value: Any, currency: str | None) -> str:
    """A column's value as people read it: money as money, moments to the second."""
    if value is None:
        return "-"
    if column.endswith("_minor") and currency and isinstance(value, int):
        return amount(value, currency)
    return _moment(value) if isinstance(value, datetime) else str(value)


def amount(minor: int, currency: str, *, signed: bool = False) -> str:
    """Minor units as people write them, such as `-12.34 EUR`; minor units themselves where the currency is unknown."""
    sign = "+" if signed and minor > 0 else ""
    return sign + (str(Money(minor, currency)) if currency else str(minor))


def _key(difference: Difference) -> str:
    return " ".join(str(_plain(part)) for part in difference.key)


def _causes(difference: Difference, limit: int) -> list[str]:
    """The decisive events, and how many that is of those that touched the row; these, where none is decisive."""
    causes, count = difference.causes, difference.cause_count
    if difference.decisive:
        causes, count = difference.decisive, difference.decisive_count
    shown = [f"{cause.topic} at {cause.position}" for cause in causes[:limit]]
    if count > len(shown):
        shown.append(f"{count - len(shown):,} more")
    if difference.decisive and count < difference.cause_count:
        shown.append(f"of {difference.cause_count:,} that touched the row")
    return shown


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S %Z").strip()


def html_table(title: str, header: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, escaped: bool = False) -> str:
    """A table of a page; cells are text unless `escaped` says that they are HTML already. Numbers and amounts stand one
    below the other."""
    numbers = {place for place in range(len(header)) if all(_NUMBER.fullmatch(row[place]) for row in rows)}

    def line(cells: Sequence[str], tag: str) -> str:
        marks = (' class="n"' if place in numbers else "" for place in range(len(cells)))
        return "".join(f"<{tag}{mark}>{cell}</{tag}>" for mark, cell in zip(marks, cells, strict=True))

    body = "".join(f"<tr>{line(row if escaped else [escape(cell) for cell in row], 'td')}</tr>" for row in rows)
    head = line([escape(cell) for cell in header], "th")
    return f"<table><caption>{escape(title)}</caption><tr>{head}</tr>{body}</table>"
