"""Lines of files: what they may say, and how what is wrong with one is named."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.files import FileRefused, read_history, read_openings, written
from ledger.import_orders import ImportOrders, RecordRefused
from ledger.wire import Post, Revert, Transfer

HEADER, END = {"type": "daybook", "format": 1}, {"type": "end", "records": 1}
WALLET = {"type": "wallet", "address": "wallet:a", "currency": "EUR"}
LINES = [
    {"address": "bank:b:cash", "currency": "EUR", "amount_minor": 5},
    {"address": "wallet:a", "currency": "EUR", "amount_minor": -5},
]
BACK = [{**line, "amount_minor": -line["amount_minor"]} for line in LINES]  # type: ignore[operator]
POSTING = {"type": "posting", "key": "k", "lines": LINES}


def history(*lines: Any) -> list[Any]:
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return [record for _, record in read_history("f.jsonl", texts)]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"{", ""), (b'{"type": "wallet"', ""), (b"[]", ""), (b'{"type": "posting", "key": "\xff"}', ""),
        ({"type": "loan"}, "type"), ({**WALLET, "address": "savings:a"}, "address"),
        ({**WALLET, "currency": "EURO"}, "currency"), ({**WALLET, "kind": "asset"}, "kind"),
        ({**WALLET, "owner": 1}, ""), ({**WALLET, "overdraft_limit_minor": -1}, "overdraft_limit_minor"),
        ({**WALLET, "metadata": {"n": "4111 1111 1111 1111"}}, "metadata.n"), ({**POSTING, "key": ""}, "key"),
        ({**POSTING, "lines": LINES[:1]}, "lines"), ({**POSTING, "lines": [LINES[0], LINES[0]]}, "lines"),
        ({**POSTING, "lines": [{**LINES[0], "amount_minor": 1.5}, LINES[1]]}, "lines.0.amount_minor"),
        ({**POSTING, "lines": [{**LINES[0], "amount_minor": 0}, LINES[1]]}, "lines.0.amount_minor"),
        ({**POSTING, "lines": [LINES[0], {**LINES[1], "address": "cash"}]}, "lines.1.address"),
        ({**POSTING, "lines": [LINES[0], {**LINES[1], "currency": "XXX"}]}, "lines.1.currency"),
        ({**POSTING, "effective_at": "2026-01-01T00:00:00"}, "effective_at"), ({**POSTING, "rule": "bulk"}, "rule"),
        ({**POSTING, "rule": "Capture"}, "rule"), ({**POSTING, "rule": "reversal"}, "reverts"),
        ({**POSTING, "reverts": "posting/x"}, "reverts"), ({**POSTING, "rule": "transfer", "lines": BACK}, "lines"),
        ({**POSTING, "metadata": {"n": "a\u0000b"}}, "metadata.n"), ({"type": "period", "through": "2026"}, "through"),
        ({**POSTING, "rule": "fee.v1", "metadata": {f"n{n}": "x" for n in range(48)}}, "metadata"),
        (HEADER, "format"), ({**END, "records": 7}, "records"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named_by_file_number_and_field(line: Any, field: str) -> None:
    with pytest.raises(FileRefused) as refused:
        history(WALLET, b"\n", line)
    assert (refused.value.line, refused.value.field) == (3, field)
    assert str(refused.value).startswith(f"f.jsonl:3: {field}")


def test_a_file_with_a_header_needs_its_end_and_one_without_does_not() -> None:
    assert len(history(HEADER, WALLET, END)) == len(history(WALLET)) == 1
    with pytest.raises(FileRefused, match="cut off"):
        history(HEADER, WALLET)
    with pytest.raises(FileRefused, match="behind the end"):
        history(HEADER, WALLET, END, WALLET)


def test_what_is_written_is_read_again() -> None:
    (record,) = history({**POSTING, "notes": [{"a": None}], "reference": "r", "effective_at": "2026-01-01T00:00:00Z"})
    assert history(written(record)) == [record]


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("address,currency\n", 1, "amount_minor"), ("", 1, "address"), ("a,b\nx", 1, "address"),
        ("address,currency,amount_minor\nwallet:a,EUR,1\nwallet:b,EUR,1.5\n", 3, "amount_minor"),
        ("address,currency,amount_minor\nwallet:a,EUR\n", 2, ""),
        ("address,currency,amount_minor\na,EUR,1\n", 2, "address"),
        ("address,currency,amount_minor\nwallet:a,EUR,1,2\n", 2, ""),
        ("address,currency,amount_minor\nbank:b:cash,EUR,1\n", 2, "address"),
        ("address,currency,amount_minor\nwallet:a,EU,1\n", 2, "currency"),
        ("address,currency,amount_minor,effective_at\nwallet:a,EUR,1,yesterday\n", 2, "effective_at"),
    ],
)  # fmt: skip
def test_a_wrong_row_of_opening_balances_is_named(text: str, line: int, field: str) -> None:
    with pytest.raises(FileRefused) as refused:
        list(read_openings("o.csv", text.splitlines(keepends=True), "bank:b:cash"))
    assert (refused.value.line, refused.value.field) == (line, field)


def orders(*records: Any, reverted: str = "") -> list[Any]:
    made = ImportOrders(1, frozenset([reverted]))
    return [order for number, record in enumerate(history(*records), 1) for order in made.requests(number, record)]


def test_requests_have_keys_that_follow_from_the_file_and_rules_that_are_no_requests_are_remembered() -> None:
    transfer = {**POSTING, "rule": "transfer"}
    fact = {**POSTING, "rule": "capture.v1", "key": "payment-order/1/2", "metadata": {"a": "b"}}
    first, second, third = orders(transfer, POSTING, fact)
    assert (type(first), first.key, type(second), second.key) == (Transfer, "k", Post, "k")
    assert third.key == "import/capture.v1/payment-order/1/2"
    assert third.metadata == {"a": "b", "import.rule": "capture.v1", "import.key": "payment-order/1/2"}
    (long,) = orders({**POSTING, "key": "x" * 300})
    assert len(long.key) == 64


def test_a_reversal_takes_back_what_the_file_says_it_takes_back() -> None:
    reversal = {**POSTING, "rule": "reversal", "key": "r", "reverts": "posting/k", "lines": BACK}
    moment = datetime.now(UTC) - timedelta(days=3)
    _, back = orders(POSTING, {**reversal, "effective_at": moment.isoformat()}, reverted="posting/k")
    assert (type(back), back.amount_minor, back.effective_at) == (Revert, 5, moment)
    for wrong in ([POSTING, reversal, {**reversal, "key": "r2"}], [POSTING, {**reversal, "lines": LINES}]):
        with pytest.raises(RecordRefused) as refused:
            orders(*wrong, reverted="posting/k")
        assert refused.value.field == "lines"
    with pytest.raises(RecordRefused, match="before this line"):
        orders(reversal, reverted="posting/k")
