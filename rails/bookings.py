"""Bank bookings as facts about payments: money that came in, and money that went back. Pure: it knows no orders.

What is recognised is recognised by its form: end-to-end ids and creditor references of `rails.formats.identifiers`.
Whether anybody waits for it is for the reader of the facts to look up. Everything else is `Unmatched`, with all that
the bank said: other people's money is in it, and none of it may be lost. Only entries that are booked count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from rails.facts import Fact, MoneyBack, MoneyIn, Unclaimed
from rails.formats.identifiers import creditor_references, is_end_to_end_id
from rails.formats.statement import Entry
from rails.formats.sums import BOOKED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from rails.formats.statement import Detail, Reported, StatementEnd, StatementHead

UNKNOWN_REASON: Final = "NOTPROVIDED"


class BookedIn(msgspec.Struct, frozen=True):
    """Money arrived on the account for one payment. One of `end_to_end_id` (a direct debit that was collected) and
    `reference` (a transfer that the payer made) is set.

    `amount_minor` is positive and what really arrived, which need not be what was asked for. `booking_key` names the
    booking in every report of it: a fact with a key that is known already is no second payment.
    """

    end_to_end_id: str | None
    reference: str | None
    amount_minor: int
    currency: str
    booked_on: date | None
    value_on: date | None
    booking_key: str

    @property
    def rail_reference(self) -> str:
        """What the rail called the payment when it was asked to take it."""
        return self.end_to_end_id or self.reference or ""


class Returned(msgspec.Struct, frozen=True):
    """A collected direct debit went back, on the debtor's or his bank's word: `reason` is an ISO code (MD06, AM04),
    `amount_minor` positive and what left the account, which may be more than came in where the bank adds its fee."""

    end_to_end_id: str
    reason: str
    amount_minor: int
    currency: str
    booked_on: date | None
    booking_key: str

    @property
    def rail_reference(self) -> str:
        """What the rail called the payment when it was asked to take it."""
        return self.end_to_end_id


class Unmatched(msgspec.Struct, frozen=True):
    """A booking, or one transaction of it, that belongs to no payment by its form; `why` is for people."""

    why: str
    amount: Reported
    booking_key: str
    entry: Entry
    detail: Detail | None


Booking = BookedIn | Returned | Unmatched


def told_of(booking: Booking) -> Fact:
    """A booking in the words that all rails share. A debit is collected once; a transfer may be made again."""
    if isinstance(booking, BookedIn):
        return MoneyIn(
            booking.rail_reference,
            booking.amount_minor,
            booking.currency,
            booking.booking_key,
            effective_on=booking.value_on or booking.booked_on,
            repeatable=booking.reference is not None,
        )
    if isinstance(booking, Returned):
        return MoneyBack(
            booking.rail_reference,
            booking.amount_minor,
            booking.currency,
            booking.booking_key,
            booking.reason,
            booking.booked_on,
        )
    return Unclaimed(booking.booking_key, f"{booking.amount.reported} {booking.amount.currency}", booking.why)


def bookings(read: Iterable[StatementHead | Entry | StatementEnd]) -> Iterator[Booking]:
    """The facts of what `read_camt` reads, in its order. Their amounts sum to those of the booked entries."""
    for told in read:
        if isinstance(told, Entry) and told.status == BOOKED:
            yield from bookings_of(told)


def bookings_of(entry: Entry) -> Iterator[Booking]:
    """The facts of one entry: one for each of its transactions, as long as they come to its amount."""
    if not entry.details:
        yield _unmatched(entry, None, entry.amount, "the bank says nothing about it")
        return
    amounts = [detail.amount for detail in entry.details]
    if len(amounts) == 1:
        # a single transaction in another currency was exchanged: what was booked is the entry
        amounts = [entry.amount]
    if not _is_sum(entry.amount, amounts):
        yield _unmatched(entry, None, entry.amount, "its transactions do not come to its amount")
        return
    for place, (detail, amount) in enumerate(zip(entry.details, amounts, strict=True), 1):
        if amount is not None:
            yield _fact(entry, detail, amount, place)


def _fact(entry: Entry, detail: Detail, amount: Reported, place: int) -> Booking:
    end_to_end = detail.end_to_end_id if is_end_to_end_id(detail.end_to_end_id or "") else None
    references = set(creditor_references("\n".join((*detail.creditor_references, *detail.remittance))))
    if not amount.exact:
        return _unmatched(entry, detail, amount, "its amount has parts of a minor unit", place)
    if amount.amount_minor < 0:
        if end_to_end is None:
            return _unmatched(entry, detail, amount, "money went out that no payment of ours is named for", place)
        return Returned(
            end_to_end_id=end_to_end,
            reason=detail.return_reason or UNKNOWN_REASON,
            amount_minor=-amount.amount_minor,
            currency=amount.currency,
            booked_on=entry.booked_on,
            booking_key=_key(entry, detail, place),
        )
    if entry.reversal:
        return _unmatched(entry, detail, amount, "it takes a booking back that had taken money", place)
    if end_to_end is None and len(references) != 1:
        why = "it carries several references" if references else "it carries no reference of ours"
        return _unmatched(entry, detail, amount, why, place)
    return BookedIn(
        end_to_end_id=end_to_end,
        reference=None if end_to_end else references.pop(),
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        booked_on=entry.booked_on,
        value_on=entry.value_on,
        booking_key=_key(entry, detail, place),
    )


def _unmatched(entry: Entry, detail: Detail | None, amount: Reported, why: str, place: int = 0) -> Unmatched:
    return Unmatched(why, amount, _key(entry, detail, place), entry, detail)


def _key(entry: Entry, detail: Detail | None, place: int) -> str:
    """The bank's own name of the booking is the same in camt.052, 053 and 054; where it has none, its content is."""
    base = entry.servicer_reference or entry.reference
    if base is None:
        booked = entry.booked_on.isoformat() if entry.booked_on else ""
        name = detail.end_to_end_id if detail is not None else None
        base = "|".join((booked, entry.amount.reported, entry.amount.currency, name or ""))
    return f"{base}/{place}" if place else base


def _is_sum(whole: Reported, parts: list[Reported | None]) -> bool:
    there = [part for part in parts if part is not None]
    if len(there) != len(parts) or any(part.currency != whole.currency for part in there):
        return False
    return sum(part.amount_minor for part in there) == whole.amount_minor
