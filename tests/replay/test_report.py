"""What a person is shown of a comparison: the largest first, no more than fits, and what each side is."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from rich.console import Console

from replay.compare import Cause, Comparison, Difference, add_difference
from replay.report import ROWS_ON_TERMINAL, page, show

MERCHANTS = 25


def compared(first: int, second: int) -> Comparison:
    """Every merchant is owed a cent more than the one before."""
    found = Comparison("earnings", first, second, 700, 40, 40)
    for number in range(1, MERCHANTS + 1):
        merchant = f"merchant-{number:02}"
        one = Difference((1, merchant, "EUR"), "changed", {"net_minor": (0, number)}, "EUR", merchant)
        add_difference(found, one, {"net_minor"})
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


def test_a_page_has_them_all_and_says_which_build_is_which() -> None:
    before, after = page(compared(1, 2)), page(compared(2, 1))
    assert all(f"<td>merchant-{number:02}</td>" in before for number in range(1, MERCHANTS + 1))
    assert "Money, new minus live" in before
    assert "Money, build 1 minus live" in after
