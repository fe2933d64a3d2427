"""Instrument: what the log knows of a card that is paid with by its token, so that no scheme is asked once too often.

Card schemes count declines and charge whoever goes on trying. They count by card, whatever orders it pays and whatever
process asks; so what counts is kept here, in the log, and not with an order or in anybody's memory.
"""

from __future__ import annotations

from bisect import insort
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.ids import stream_id

SCHEME_RETRY_LIMIT: Final = "scheme_retry_limit"
"""Code of the decline that an attempt gets which was not sent, since its card has been declined too often."""
DAY: Final = timedelta(days=1)
DECLINES_IN_A_DAY: Final = 10
"""Mastercard (Transaction Processing Excellence) charges for what comes after ten declines of a card in a day; Visa has
no rule by the day."""
MONTH: Final = timedelta(days=30)
DECLINES_IN_A_MONTH: Final = 15
"""Visa lets a card be tried again 20 times in 30 days (Core Rules of 18 April 2026; 15 until then, and acquirers still
hold to that), Mastercard 35 times. A token does not say which scheme its card is of, so the smallest figure holds for
all; the five below Visa's own are for tries that are under way elsewhere and not in the log yet."""
OF_THE_PAYMENT: Final = frozenset({"currency_not_supported", "duplicate_transaction"})
"""Codes of hard declines that are about one payment. They count, and the card may be tried with another payment."""


class Bar(NamedTuple):
    """Why an instrument is not to be tried now, as the decline that its order gets; `until` None: never again."""

    code: str
    decline_class: str
    why: str
    until: datetime | None

    @property
    def evidence(self) -> dict[str, str]:
        """What an attempt that is not sent says of itself."""
        return {"not_sent": self.why, "until": "never" if self.until is None else self.until.isoformat()}


def fingerprint_of(payment_token: str) -> str:
    """A token as an instrument is known by. Its beginning (`tok_`, `pm_`) says which family of rails it is of
    (`rails.port.Takes`), so that all rails of one family know the same card by it, and no other's token is taken for
    it."""
    return sha256(f"card|{payment_token}".encode()).hexdigest()


def instrument_id(book: int, payment_token: str) -> UUID:
    """Id of the stream about a card."""
    return stream_id(book, Instrument.TOPIC, fingerprint_of(payment_token))


class Instrument(Aggregate):
    """The declines of one card in one book. It begins with the first: of a card that pays nothing is written.

    Only what the rule asks for is kept of them, the latest moments within its longer window, so that no history makes
    an instrument large. Whose the card is stands nowhere here, nor the token itself.
    """

    TOPIC = "instrument"

    class Event(Aggregate.Event):
        """Anything that happens to an instrument."""

    class Registered(Event, Aggregate.Created):
        """A card is known from now on by the SHA-256 of what kind it is and its token."""

        TOPIC = "instrument.registered.v1"
        fingerprint: str

    Created = Registered

    class Declined(Event):
        """Whoever issued the card said no to an attempt of this order; written in the commit of the order's own."""

        TOPIC = "instrument.declined.v1"
        code: str
        decline_class: str
        order_id: str

        def apply(self, aggregate: Instrument) -> None:
            """Count it, and let go of what counts no more."""
            insort(aggregate.declines, self.timestamp)
            oldest = aggregate.declines[-1] - MONTH
            kept = aggregate.declines[-DECLINES_IN_A_MONTH:]
            aggregate.declines = [moment for moment in kept if moment > oldest]
            for_good = self.decline_class == "hard" and self.code not in OF_THE_PAYMENT
            if for_good and aggregate.ended is None:
                aggregate.ended = (self.code, self.timestamp)

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.declines: list[datetime] = []
        self.ended: tuple[str, datetime] | None = None

    @classmethod
    def register(cls, *, book: int, payment_token: str, at: datetime) -> Instrument:
        """Know a card from its first decline on."""
        return cls._create(
            cls.Registered,
            id=instrument_id(book, payment_token),
            timestamp=at,
            fingerprint=fingerprint_of(payment_token),
        )

    def decline(self, *, code: str, decline_class: str, order_id: str, at: datetime) -> None:
        """The issuer said no ("hard" or "soft"). A fact, whatever was known before."""
        self.trigger_event(self.Declined, timestamp=at, code=code, decline_class=decline_class, order_id=order_id)

    def barred(self, at: datetime, under_way: int = 0) -> Bar | None:
        """Why the card is not to be tried now; None when it may be. `under_way` are tries that may yet be declined.

        After a hard decline never again: Visa's category 1 and Mastercard's advice codes 03 and 21 forbid it, and the
        issuer would say the same.
        """
        if self.ended is not None:
            code, since = self.ended
            return Bar(code, "hard", f"declined for good on {since:%Y-%m-%d}", None)
        found = [
            Bar(SCHEME_RETRY_LIMIT, "soft", f"declined {most} times within {words}", until)
            for span, words, most in ((DAY, "a day", DECLINES_IN_A_DAY), (MONTH, "30 days", DECLINES_IN_A_MONTH))
            if (until := self._full_until(at, span, most - under_way)) is not None
        ]
        return max(found, key=lambda bar: bar.until or at, default=None)

    def _full_until(self, at: datetime, span: timedelta, room: int) -> datetime | None:
        """When a window with so many declines has room again; None when it has."""
        within = [moment for moment in self.declines if moment > at - span]
        if len(within) < room or not within:
            return None
        return within[-max(room, 1)] + span
