"""Orders and their payments from two CSV files, as the very commands that the API would build from requests.

`items`: order_id, ordered_at, item_no, seller_id, price_minor, freight_minor, currency. What is due for an order is
the sum of price and freight of its items; what is due to a seller is the sum over that seller's items.
`payments`: order_id, sequence, method, installments, amount_minor, currency. Each line is one payment that already
happened, on the rail `recorded`, effective when its order was placed. What was paid may differ from what is due.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from payments.card_numbers import CardNumberRefused
from payments.commands import CreateOrder

ITEM_COLUMNS = ("order_id", "ordered_at", "item_no", "seller_id", "price_minor", "freight_minor", "currency")
PAYMENT_COLUMNS = ("order_id", "sequence", "method", "installments", "amount_minor", "currency")


class OrderFileRefused(Exception):
    """A file does not hold what its columns promise. Names the file and the line; nothing of the file was imported."""

    def __init__(self, path: Path, line: int, what: str) -> None:
        super().__init__(f"{path.name}, line {line}: {what}")


@dataclass(slots=True)
class _Order:
    line: int
    ordered_at: datetime
    currency: str
    splits: dict[str, int] = field(default_factory=dict)
    recorded: list[tuple[int, dict[str, object]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OrderFiles:
    """What two files ask for: the commands in the order of the items file, and every seller that is named."""

    orders: tuple[CreateOrder, ...]
    sellers: tuple[str, ...]
    payments: int


def read_order_files(items: Path, payments: Path, book: int) -> OrderFiles:
    """Read and validate both files whole, before anything is written. Raises OrderFileRefused; OSError of the files."""
    orders = _read_items(items)
    count = _read_payments(payments, orders)
    commands = tuple(_command(items, book, order_id, order) for order_id, order in orders.items())
    sellers = sorted({seller for order in orders.values() for seller in order.splits})
    return OrderFiles(commands, tuple(sellers), count)


def _read_items(path: Path) -> dict[str, _Order]:
    orders: dict[str, _Order] = {}
    for line, row in _rows(path, ITEM_COLUMNS):
        order_id, currency = row["order_id"].lower(), row["currency"]
        order = orders.get(order_id)
        if order is None:
            order = orders[order_id] = _Order(line, _moment(path, line, row["ordered_at"]), currency)
        elif order.currency != currency:
            raise OrderFileRefused(path, line, f"currency: {currency} in an order in {order.currency}; split the order")
        amount = _minor(path, line, row, "price_minor") + _minor(path, line, row, "freight_minor")
        seller = row["seller_id"].lower()
        order.splits[seller] = order.splits.get(seller, 0) + amount
    return orders


def _read_payments(path: Path, orders: dict[str, _Order]) -> int:
    count = 0
    for line, row in _rows(path, PAYMENT_COLUMNS):
        order = orders.get(row["order_id"].lower())
        if order is None:
            raise OrderFileRefused(path, line, "order_id: has no items; add the order to the items file")
        if row["currency"] != order.currency:
            raise OrderFileRefused(path, line, f"currency: {row['currency']} for an order in {order.currency}")
        recorded = {
            "method": row["method"],
            "amount_minor": _minor(path, line, row, "amount_minor"),
            "effective_at": order.ordered_at,
            "details": {"installments": row["installments"], "sequence": row["sequence"]},
        }
        order.recorded.append((_minor(path, line, row, "sequence"), recorded))
        count += 1
    return count


def _command(path: Path, book: int, order_id: str, order: _Order) -> CreateOrder:
    body = {
        "book": book,
        "order_id": order_id,
        "amount_minor": sum(order.splits.values()),
        "currency": order.currency,
        "splits": tuple(
            {"seller_id": seller, "amount_minor": amount} for seller, amount in sorted(order.splits.items())
        ),
        "recorded": tuple(payment for _, payment in sorted(order.recorded, key=lambda pair: pair[0])),
    }
    try:
        return CreateOrder.model_validate(body)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise OrderFileRefused(path, order.line, f"{where}: {first['msg']}") from None
    except CardNumberRefused as refused:
        raise OrderFileRefused(path, order.line, str(refused)) from None


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
            missing = [column for column in columns if column not in header]
            if missing:
                raise OrderFileRefused(path, 1, f"column {missing[0]} is missing; the columns are {', '.join(columns)}")
            for row in reader:
                if len(row) != len(header):
                    raise OrderFileRefused(path, reader.line_num, f"{len(row)} fields, the header has {len(header)}")
                yield reader.line_num, dict(zip(header, row, strict=True))
        except csv.Error as broken:
            raise OrderFileRefused(path, reader.line_num, f"is not CSV: {broken}") from broken
        except UnicodeDecodeError as broken:
            raise OrderFileRefused(path, reader.line_num + 1, "is not UTF-8; convert the file first") from broken


def _minor(path: Path, line: int, row: dict[str, str], column: str) -> int:
    text = row[column]
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise OrderFileRefused(path, line, f"{column}: must be a whole number of minor units, zero or more")
    return int(text)


def _moment(path: Path, line: int, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise OrderFileRefused(path, line, "ordered_at: must be an ISO 8601 time like 2016-09-19T00:15:34Z") from None
    if moment.tzinfo is None:
        raise OrderFileRefused(path, line, "ordered_at: needs a time zone, like the Z of 2016-09-19T00:15:34Z")
    return moment
