"""What the provider owes for a day, fee by fee, and the payout it becomes. Every batch nets to nothing with its payout.

A batch is made when its day is over, per currency in which money moved. What the fees leave is paid out some days later
onto the merchant's account; when they leave less than nothing, it is carried into the next batch of the currency.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from rails.simulator.currencies import decimal_text
from rails.simulator.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from rails.simulator.psp.terms import Terms
    from rails.simulator.store import Store

SUMS: Final = (
    "select currency, count(*) as movements, sum(gross_minor) as gross, sum(fee_minor) as fee from movements "
    "where day = ? group by currency order by currency"
)
CARRIED: Final = "select carried_out_minor from batches where currency = ? order by day desc limit 1"
LINES: Final = (
    "select m.kind as type, a.id as psp_reference, m.capture_key, a.attempt_key, a.order_id, a.method, "
    "m.booked_at as captured_at, m.gross_minor, m.fee_minor, m.gross_minor - m.fee_minor as net_minor "
    "from movements m join authorisations a on a.id = m.authorisation_id where m.day = ? and m.currency = ? "
    "order by m.number"
)
HEAD: Final = (
    "Batch Id", "Type", "Psp Reference", "Merchant Reference", "Attempt Key", "Capture Key", "Payment Method",
    "Booking Date", "Currency", "Gross", "Fee", "Net", "Payout Id",
)  # fmt: skip
TYPES: Final = {"capture": "Settled"}


class Settlement:
    """Closes days and tells of them."""

    def __init__(self, store: Store, terms: Terms) -> None:
        self._store = store
        self._terms = terms

    def close(self, day: date) -> None:
        """Make the batches of a day that is over. To be called within an operation, once, in the order of days."""
        for sums in self._store.rows(SUMS, day.isoformat()):
            currency = sums["currency"]
            carried = self._store.value(CARRIED, currency) or 0
            net = carried + sums["gross"] - sums["fee"]
            self._store.write(
                "insert into batches values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, null)",
                f"stl-{day:%Y%m%d}-{currency}",
                day.isoformat(),
                currency,
                sums["movements"],
                sums["gross"],
                sums["fee"],
                carried,
                min(net, 0),
                max(net, 0),
                self._terms.payout_account(currency) if net > 0 else None,
                (day + self._terms.payout_days).isoformat() if net > 0 else None,
            )

    def report(self, day: date, today: date) -> dict[str, Any]:
        """The batches of a day as data, in minor units. Raises `Problem` 404 while the day is not over."""
        if day >= today:
            raise Problem(404, "not_ready", f"{day} is not over by the clock: it is settled when it is", field="date")
        found = self._store.rows("select * from batches where day = ? order by currency", day.isoformat())
        return {"date": day.isoformat(), "batches": [self._shown(batch) for batch in found]}

    def days(self, after: str, limit: int) -> list[dict[str, Any]]:
        """Which days there are reports of, oldest first."""
        statement = "select day as date, count(*) as batches from batches where day > ? group by day order by day limit"
        return self._store.rows(f"{statement} ?", after, limit)

    def _shown(self, batch: dict[str, Any]) -> dict[str, Any]:
        payout = None
        if batch["payout_minor"]:
            payout = {
                "payout_id": payout_id(batch["batch_id"]),
                "amount_minor": batch["payout_minor"],
                "iban": batch["iban"],
                "value_date": batch["value_day"],
                "end_to_end_id": batch["batch_id"],
            }
        return {
            "batch_id": batch["batch_id"],
            "currency": batch["currency"],
            "gross_minor": batch["gross_minor"],
            "fee_minor": batch["fee_minor"],
            "net_minor": batch["gross_minor"] - batch["fee_minor"],
            "carried_in_minor": batch["carried_in_minor"],
            "carried_out_minor": batch["carried_out_minor"],
            "payout": payout,
            "lines": self._store.rows(LINES, batch["day"], batch["currency"]),
        }


def payout_id(batch_id: str) -> str:
    """The payout of a batch: they have one number between them."""
    return batch_id.replace("stl-", "po-", 1)


def as_csv(report: dict[str, Any]) -> str:
    """The same as a settlement detail report: a line each, decimal amounts; the net of each batch sums to zero."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEAD)
    for batch in report["batches"]:
        writer.writerows(_csv_lines(batch))
    return text.getvalue()


def _csv_lines(batch: dict[str, Any]) -> Iterator[list[str]]:
    currency, payout = batch["currency"], batch["payout"]

    def line(kind: str, middle: list[str], gross: int | None, fee: int | None, net: int, paid: str = "") -> list[str]:
        amounts = ["" if amount is None else decimal_text(amount, currency) for amount in (gross, fee, net)]
        return [batch["batch_id"], kind, *middle, currency, *amounts, paid]

    if batch["carried_in_minor"]:
        yield line("BalanceTransfer", [""] * 6, None, None, batch["carried_in_minor"])
    for row in batch["lines"]:
        told = ("psp_reference", "order_id", "attempt_key", "capture_key", "method", "captured_at")
        amounts = (row["gross_minor"], row["fee_minor"], row["net_minor"])
        yield line(TYPES[row["type"]], [row[name] for name in told], *amounts)
    if batch["carried_out_minor"]:
        yield line("BalanceTransfer", [""] * 6, None, None, -batch["carried_out_minor"])
    if payout:
        booked = ["", "", "", "", "", payout["value_date"]]
        yield line("MerchantPayout", booked, None, None, -payout["amount_minor"], payout["payout_id"])
