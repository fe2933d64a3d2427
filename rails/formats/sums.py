"""What a statement's figures must come to: kept while its entries go by, to the last digit the bank wrote."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rails.formats import fields
from rails.formats.statement import Break, StatementEnd

if TYPE_CHECKING:
    from rails.formats.document import Element
    from rails.formats.statement import Balance, BreakKind, Entry, StatementHead

BOOKED: Final = "BOOK"
MOST_BREAKS: Final = 100
"""More are counted by nobody: the file is of no use, and its report must not grow with it."""


class Sums:
    """The running figures of one statement."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._total = Decimal()
        self._all = Decimal()
        self._currencies: set[str] = set()
        self._entries = 0
        self._booked = 0
        self._announced: tuple[int | None, Decimal | None] = (None, None)
        self._breaks: list[Break] = []

    def announced(self, summary: Element | None) -> None:
        """The transactions summary, where a bank says beforehand how many entries follow and what they sum to."""
        if summary is None or summary.child("TtlNtries") is None:
            return
        text = summary.told("TtlNtries", "Sum")
        if text is not None and not fields.DECIMAL.fullmatch(text):
            raise summary.wrong("is no amount", "TtlNtries", "Sum")
        self._announced = (fields.whole(summary, "TtlNtries", "NbOfNtries"), Decimal(text) if text else None)

    def add(self, entry: Entry) -> None:
        """An entry went by."""
        self._entries += 1
        amount = Decimal(entry.amount.reported)
        self._all += abs(amount)
        if entry.status == BOOKED:
            self._booked += 1
            self._total += amount
            self._currencies.add(entry.amount.currency)
        if entry.batches:
            self._check_batches(entry)

    def end(self, head: StatementHead) -> StatementEnd:
        """All entries went by."""
        count, total = self._announced
        if count is not None and count != self._entries:
            self._broken("entry_count", "TxsSummry/TtlNtries/NbOfNtries", str(count), str(self._entries))
        if total is not None and total != self._all:
            self._broken("entry_sum", "TxsSummry/TtlNtries/Sum", str(total), str(self._all))
        checked = self._check_closing(head)
        return StatementEnd(self._entries, self._booked, checked, tuple(self._breaks))

    def _check_closing(self, head: StatementHead) -> bool:
        opening, closing = _opening(head), head.balance("CLBD")
        if opening is None or closing is None:
            return False
        if {opening.amount.currency, closing.amount.currency} | self._currencies != {opening.amount.currency}:
            return False
        expected = Decimal(opening.amount.reported) + self._total
        found = Decimal(closing.amount.reported)
        if expected != found:
            self._broken("closing_balance", "Bal(CLBD)", str(expected), str(found))
        return True

    def _check_batches(self, entry: Entry) -> None:
        place = f"Ntry[{entry.number}]/NtryDtls/Btch"
        counts = [batch.transactions for batch in entry.batches if batch.transactions is not None]
        if len(counts) == len(entry.batches) and entry.details and sum(counts) != len(entry.details):
            self._broken("batch_count", f"{place}/NbOfTxs", str(sum(counts)), str(len(entry.details)))
        amounts = [detail.amount for detail in entry.details if detail.amount is not None]
        totals = [batch.total for batch in entry.batches if batch.total is not None]
        whole = len(amounts) == len(entry.details) and len(totals) == len(entry.batches)
        if whole and amounts and len({each.currency for each in (*amounts, *totals)}) == 1:
            expected = sum((abs(Decimal(each.reported)) for each in totals), Decimal())
            found = abs(sum((Decimal(each.reported) for each in amounts), Decimal()))
            if expected != found:
                self._broken("batch_total", f"{place}/TtlAmt", str(expected), str(found))

    def _broken(self, kind: BreakKind, place: str, expected: str, found: str) -> None:
        if len(self._breaks) < MOST_BREAKS:
            self._breaks.append(Break(kind, f"{self._place}/{place}", expected, found))


def _opening(head: StatementHead) -> Balance | None:
    """Where a statement does not say its opening balance, it is the closing one of the statement before."""
    return head.balance("OPBD") or head.balance("PRCD")
