"""What a person is shown of a comparison: the largest first, no more than fits, and what each side is."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest
from rich.console import Console

from replay.compare import Booked, Cause, Comparison, Difference, add_difference
from replay.report import ROWS_ON_TERMINAL, facts, page, show

MERCHANTS = 25


def compared(first: int, second: int) -> Comparison:
    """Every merchant is owed a cent more than the one before."""
    found = Comparison("earnings", first, second, 700, 40, 40)
    for number in range(1, MERCHANTS + 1):
        merchant = f"merchant-{number:02}"
        columns = {"net_minor": (0, number)}
        one = Difference((1, merchant, "EUR"), "changed", columns, "EUR", merchant, currency_before="EUR")
        one.money = [Booked("EUR", merchant, "net_minor", number)]
        add_difference(found, one)
        found.differences.append(one)
    return found


def test_decisive_events_are_named_before_those_that_only_touched_the_row() -> None:
    found, at = compared(1, 2), datetime(2026, 1, 1, tzinfo=UTC)
    one, other = found.differences[-1], found.differences[-2]
    one.causes = other.causes = [Cause(position, "payment-order.captured.v1", at) for position in (10, 20)]
    one.cause_count = other.cause_count = 60
    one.decisive, one.decisive_count = [one.causes[1]], 4
    text = page(found)
    assert "<td>payment-order.captured.v1 at 20; 3 more; of 60 that touched the row</td>" in text
    assert "<td>payment-order.captured.v1 at 10; payment-order.captured.v1 at 20; 58 more</td>" in text


def shown(found: Comparison) -> str:
    console = Console(file=io.StringIO(), width=160)
    show(found, console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_terminal_is_shown_the_largest_differences_and_how_many_more_there_are() -> None:
    text = shown(compared(1, 2))
    assert "25 rows changed, 0 added, 0 removed (of 40), of 25 merchants." in text
    merchants = text[text.index("Merchants") : text.index("more lines about merchants")]
    assert merchants.index("merchant-25") < merchants.index("merchant-06")
    assert "merchant-05" not in merchants
    assert f"… and {MERCHANTS - ROWS_ON_TERMINAL} more lines about merchants; --json or --html show them" in text
    assert f"… and {MERCHANTS - ROWS_ON_TERMINAL} more rows; --json or --html show them" in text


@pytest.mark.parametrize("written", ["invoice [/b] 7", "[red]100[/red]", ":warning: [x]"])
def test_what_somebody_wrote_is_shown_as_it_was_written(written: str) -> None:
    found = compared(1, 2)
    found.sides = ("now", written)
    found.merchants = {written: {"EUR": {"net_minor": 1}}}
    found.differences = [Difference((written,), "changed", {"reference": (written, None)}, None, None)]
    text = shown(found)
    assert text.count(written) == 6, "in the headline, a title, a header, and the cells of merchant, row and column"


def test_the_rows_with_most_money_are_shown_first_and_kept_in_the_order_of_their_key() -> None:
    found = compared(1, 2)
    text = shown(found)
    rows = text[text.index("Differences") : text.index("more rows")]
    assert rows.index("merchant-25") < rows.index("merchant-06")
    assert "merchant-05" not in rows
    told = page(found)[page(found).index("Differences") :]
    assert told.index("merchant-25") < told.index("merchant-01")
    assert [one["merchant"] for one in facts(found)["differences"]] == [one.merchant for one in found.differences]


def test_each_value_of_a_row_that_changed_its_currency_is_shown_in_its_own() -> None:
    found = compared(1, 2)
    columns = {"currency": ("JPY", "EUR"), "net_minor": (500, 500)}
    found.differences = [Difference(("x",), "changed", columns, "EUR", None, currency_before="JPY")]
    text = shown(found)
    assert re.search(r"net_minor +│ 500 JPY +│ 5.00 EUR", text)


def test_a_page_has_them_all_and_says_which_build_is_which() -> None:
    before, after = page(compared(1, 2)), page(compared(2, 1))
    assert all(f"<td>merchant-{number:02}</td>" in before for number in range(1, MERCHANTS + 1))
    assert "Money, new minus live" in before
    assert "Money, build 1 minus live" in after
