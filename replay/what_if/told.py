"""The answer as data, as text for a terminal and as one page: what would be more, what less, and by which events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, TypeVar

from rich.console import Console
from rich.text import Text

from replay import report
from replay.compare import Cause
from replay.report import amount
from replay.what_if.answer import Answer
from replay.what_if.fee_difference import FeeDifference
from replay.what_if.posting_difference import AccountDifference, PostingDifference

ROWS_SHOWN = 50
ROWS_ON_PAGE = 2_000
CAUSES_SHOWN = 3
CAUSES = "events behind it"

Known = TypeVar("Known", AccountDifference, FeeDifference)
Rows = list[tuple[str, ...]]
Section = tuple[str, tuple[str, ...], Rows]
"""Title, header and rows of a table."""


def facts(answer: Answer) -> dict[str, Any]:
    """Everything, ready for JSON: positions as text, money in minor units."""
    return {
        "with": answer.module,
        "until": str(answer.until),
        "events": answer.events,
        "left_out": answer.left_out,
        "views": [report.facts(found) for found in answer.views],
        "postings": None if answer.postings is None else _posting_facts(answer.postings),
        "fees": None if answer.fees is None else _fee_facts(answer.fees),
    }


def _posting_facts(found: PostingDifference) -> dict[str, Any]:
    accounts = [
        {
            **known.account._asdict(),
            "before_minor": known.before_minor,
            "after_minor": known.after_minor,
            "difference_minor": known.difference_minor,
            **_cause_facts(known.events, known.event_count),
        }
        for known in found.accounts
    ]
    counts = {"facts": found.facts, "changed": found.changed, "moved": found.moved}
    return {**counts, "accounts": accounts, "merchants": found.merchants}


def _fee_facts(found: Sequence[FeeDifference]) -> dict[str, Any]:
    sellers = [
        {
            **known.seller._asdict(),
            "captures": known.captures,
            "gross_minor": known.gross_minor,
            "before_minor": known.before_minor,
            "after_minor": known.after_minor,
            "difference_minor": known.difference_minor,
            **_cause_facts(known.events, known.event_count),
        }
        for known in found
    ]
    totals = {currency: {"before_minor": before, "after_minor": after} for currency, (before, after) in _totals(found)}
    return {"sellers": sellers, "totals": totals}


def _cause_facts(causes: Sequence[Cause], count: int) -> dict[str, Any]:
    told = [
        {"position": str(cause.position), "topic": cause.topic, "recorded_at": cause.recorded_at.isoformat()}
        for cause in causes
    ]
    return {"events": told, "event_count": count}


def show(answer: Answer, console: Console) -> None:
    """A headline and tables per part; long tables are cut and say so."""
    for found in answer.views:
        report.show(found, console)
        if found.view in answer.left_out:
            console.print(Text(_left_out(answer, found.view)))
    for headline, sections in _parts(answer):
        console.print(Text(headline))
        for title, header, rows in sections:
            # The events may take several lines; an address that is cut is of no use.
            console.print(report.terminal_table(title, header, rows[:ROWS_SHOWN], wrapped=(CAUSES,)))
            if len(rows) > ROWS_SHOWN:
                left = f"… and {len(rows) - ROWS_SHOWN:,} more; --json or --html show them"
                console.print(Text(left))


def page(answer: Answer) -> str:
    """One self-contained page, to be mailed."""
    parts = [report.section(found) for found in answer.views]
    parts += [f"<p>{escape(_left_out(answer, view))}</p>" for view in answer.left_out]
    for headline, sections in _parts(answer):
        parts.append(f"<p>{escape(headline)}</p>")
        for title, header, rows in sections:
            parts.append(report.html_table(title, header, rows[:ROWS_ON_PAGE]))
            if len(rows) > ROWS_ON_PAGE:
                parts.append(f"<p>{len(rows) - ROWS_ON_PAGE:,} more are not listed here.</p>")
    return report.document(f"What if: {answer.module}, up to position {answer.until}", "".join(parts))


def _left_out(answer: Answer, view: str) -> str:
    return f"{view}: {answer.left_out[view]:,} events are left out, as the live build has parked them"


def _parts(answer: Answer) -> Iterator[tuple[str, list[Section]]]:
    if answer.postings is not None:
        yield _posting_part(answer.postings)
    if answer.fees is not None:
        yield _fee_part(answer.fees)


def _posting_part(found: PostingDifference) -> tuple[str, list[Section]]:
    headline = (
        f"postings: of {found.facts:,} facts {found.changed:,} would post other amounts"
        f" and {found.moved:,} the same at another time."
    )
    accounts: Rows = [
        (
            str(known.account.book), known.account.address,
            amount(known.before_minor, known.account.currency), amount(known.after_minor, known.account.currency),
            amount(known.difference_minor, known.account.currency, signed=True),
            _causes(known.events, known.event_count),
        )
        for known in _largest_first(found.accounts)
    ]  # fmt: skip
    owed = [
        (merchant, currency, minor)
        for merchant, currencies in sorted(found.merchants.items())
        for currency, minor in sorted(currencies.items())
    ]
    owed.sort(key=lambda one: -abs(one[2]))
    merchants: Rows = [(merchant, amount(minor, currency, signed=True)) for merchant, currency, minor in owed]
    header = ("book", "account", "now", "then", "difference", CAUSES)
    sections: list[Section] = [("Accounts, + is a debit", header, accounts)] if accounts else []
    sections += [("Owed to merchants, then minus now", ("merchant", "difference"), merchants)] if merchants else []
    return headline, sections


def _fee_part(found: Sequence[FeeDifference]) -> tuple[str, list[Section]]:
    captured = sum(known.captures for known in found)
    changed = sum(known.event_count for known in found)
    headline = f"commissions: of {captured:,} shares of captures {changed:,} would be charged otherwise."
    sellers: Rows = [
        (
            str(known.seller.book), known.seller.seller_id, amount(known.gross_minor, known.seller.currency),
            amount(known.before_minor, known.seller.currency), amount(known.after_minor, known.seller.currency),
            amount(known.difference_minor, known.seller.currency, signed=True),
            _causes(known.events, known.event_count),
        )
        for known in _largest_first(found) if known.event_count
    ]  # fmt: skip
    totals: Rows = [
        (currency, amount(before, currency), amount(after, currency), amount(after - before, currency, signed=True))
        for currency, (before, after) in _totals(found)
    ]
    header = ("book", "seller", "gross", "now", "then", "difference", CAUSES)
    sections: list[Section] = [("Commissions", ("currency", "now", "then", "difference"), totals)] if totals else []
    sections += [("Commissions by seller", header, sellers)] if sellers else []
    return headline, sections


def _largest_first(found: Sequence[Known]) -> list[Known]:
    """As people read them: what matters most is not under whichever id begins with an f."""
    return sorted(found, key=lambda known: -abs(known.difference_minor))


def _totals(found: Sequence[FeeDifference]) -> list[tuple[str, tuple[int, int]]]:
    """Commissions per currency, as they were and as they would be."""
    sums: dict[str, tuple[int, int]] = {}
    for known in found:
        before, after = sums.get(known.seller.currency, (0, 0))
        sums[known.seller.currency] = (before + known.before_minor, after + known.after_minor)
    return sorted(sums.items())


def _causes(causes: Sequence[Cause], count: int) -> str:
    shown = [f"{cause.topic} at {cause.position}" for cause in causes[:CAUSES_SHOWN]]
    more = count - len(shown)
    return "; ".join([*shown, f"{more} more"] if more > 0 else shown)
