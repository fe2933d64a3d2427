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
SUMMARIES: Final = ("TtlNtries", "TtlCdtNtries", "TtlDbtNtries")
"""What a bank may count beforehand: all entries, those in, those out."""
MOST_BREAKS: Final = 100
"""More are counted by nobody: the file is of no use, and its report must not grow with it."""


class Sums:
    """The running figures of one statement."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._total = Decimal()
        self._in = (0, Decimal())
        self._out = (0, Decimal())
        self._currencies: set[str] = set()
        self._entries = 0
        self._booked = 0
        self._announced: dict[str, tuple[int | None, Decimal | None]] = {}
        self._breaks: list[Break] = []

    def announced(self, summary: Element | None) -> None:
        """The transactions summary, where a bank says beforehand how many entries follow and what they sum to."""
        for name in SUMMARIES:
            if summary is None or summary.child(name) is None:
                continue
            text = summary.told(name, "Sum")
            if text is not None and not fields.DECIMAL.fullmatch(text):
                raise summary.wrong("is no amount", name, "Sum")
            self._announced[name] = (fields.whole(summary, name, "NbOfNtries"), Decimal(text) if text else None)

    def add(self, entry: Entry) -> None:
        """An entry went by."""
        self._entries += 1
        amount = Decimal(entry.amount.reported)
        if entry.amount.reported.startswith("-"):
            self._out = (self._out[0] + 1, self._out[1] - amount)
        else:
            self._in = (self._in[0] + 1, self._in[1] + amount)
        if entry.status == BOOKED:
            self._booked += 1
            self._total += amount
            self._currencies.add(entry.amount.currency)
        if entry.batches:
            self._check_batches(entry)

    def end(self, head: StatementHead) -> StatementEnd:
        """All entries went by."""
        both = (self._in[0] + self._out[0], self._in[1] + self._out[1])
        for name, (count, total) in zip(SUMMARIES, (both, self._in, self._out), strict=True):
            expected_count, expected_total = self._announced.get(name, (None, None))
            if expected_count not in (None, count):
                self._broken("entry_count", f"TxsSummry/{name}/NbOfNtries", str(expected_count), str(count))
            if expected_total not in (None, total):
                self._broken("entry_sum", f"TxsSummry/{name}/Sum", str(expected_total), str(total))
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
