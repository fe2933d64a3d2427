"""Who pays an order: sealed when the order is created, opened for those who may know, and for a rail that must.

What is opened is used and dropped. Nothing here is logged, and `Payer` shows nothing of itself when it is printed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple
from uuid import uuid5

import msgspec

from domain.ids import stream_id
from domain.payer import MandateGiven, PayerGiven
from domain.payment_order import PaymentOrder
from domain.sealed import KeysUnavailable, Place, Sealed, Seals, SubjectErased
from payments.commands import CreateOrder, MandatePart, PayerPart
from rails import port

FIELDS: Final = ("name", "email", "iban")
_SUBJECT_OF_ORDER: Final = "payer"


class Mandate(NamedTuple):
    """What the payer of a direct debit has signed; the day is ISO 8601."""

    reference: str
    signed_on: str


class Payer(NamedTuple):
    """Who pays, in plain text; a field is None when it was not given."""

    subject: str
    name: str | None
    email: str | None
    iban: str | None
    mandate: Mandate | None = None

    def __repr__(self) -> str:
        """The subject only: what is printed ends up in logs."""
        return f"Payer({self.subject})"


class NoKeys:
    """Seals of a program that takes no payers: everything about a person is refused, nothing is lost."""

    def seal(self, subject: str, place: Place, text: str) -> Sealed:
        """Raises KeysUnavailable."""
        raise KeysUnavailable("this program was started without a key store")

    def open(self, sealed: Sealed, place: Place) -> str:
        """Raises KeysUnavailable."""
        raise KeysUnavailable("this program was started without a key store")

    def fingerprint(self, subject: str, book: int, text: str) -> str:
        """Raises KeysUnavailable."""
        raise KeysUnavailable("this program was started without a key store")


class Payers:
    """Thread-safe. Each method raises `KeysUnavailable` when the key store cannot be used."""

    def __init__(self, seals: Seals) -> None:
        """The seals stay the caller's."""
        self._seals = seals

    def give(self, order: PaymentOrder, command: CreateOrder, at: datetime) -> None:
        """Say on a new order who pays it, if the command does. Raises `SubjectErased`, whose way out is a new subject.

        The fields are sealed for the version that the event will have; a race that is lost throws them away.
        """
        payer = command.payer
        if payer is None:
            return
        subject = subject_of(command.book, command.order_id, payer)

        def place(name: str) -> Place:
            return Place(command.book, order.id, order.version + 1, name)

        try:
            sealed = {
                name: None if text is None else self._seals.seal(subject, place(name), text)
                for name, text in _texts(payer).items()
            }
            order.give_payer(subject=subject, fingerprint=self._fingerprint(subject, command), at=at, **sealed)
            if payer.mandate is not None:
                signed = _mandate_texts(payer.mandate).items()
                order.give_mandate(
                    at=at, **{name: self._seals.seal(subject, place(name), text) for name, text in signed}
                )
        except SubjectErased as erased:
            raise SubjectErased(f"{erased.message}: take a new subject", "payer.subject") from None

    def are_the_same(self, order: PaymentOrder, command: CreateOrder) -> bool:
        """Whether a command that comes again says the same of the payer as the first did.

        Of an erased payer nothing is known any more that could differ: then the subject alone counts, which the
        command's own fingerprint holds.
        """
        given = order.payer
        if given is None or command.payer is None:
            return (given is None) == (command.payer is None)
        try:
            return self._fingerprint(given.subject, command) == given.fingerprint
        except SubjectErased:
            return True

    def for_call(self, order: PaymentOrder, book: int) -> port.Payer | None:
        """Who pays, as a rail is told of it, for one call; None when nobody said, or the person was erased since: then
        the rail decides what it can do without. Raises `SealBroken` when somebody has changed the log."""
        try:
            payer = self.opened(order, book)
        except SubjectErased:
            return None
        if payer is None:
            return None
        reference, signed_on = payer.mandate or (None, None)
        return port.Payer(payer.name, payer.email, payer.iban, reference, signed_on)

    def opened(self, order: PaymentOrder, book: int) -> Payer | None:
        """Who pays, None when nobody said, for readers who may know: use it at once, keep and log nothing of it.

        Raises `SubjectErased`, and `SealBroken` when somebody has changed the log.
        """
        given = order.payer
        if given is None:
            return None
        mandate = None
        if order.mandate is not None:
            parts = [self._opened(order.mandate, book, name) or "" for name in Mandate._fields]
            mandate = Mandate(*parts)
        name, email, iban = (self._opened(given, book, field) for field in FIELDS)
        return Payer(given.subject, name, email, iban, mandate)

    def _opened(self, given: PayerGiven | MandateGiven, book: int, name: str) -> str | None:
        sealed: Sealed | None = getattr(given, name)
        if sealed is None:
            return None
        return self._seals.open(sealed, Place(book, given.originator_id, given.originator_version, name))

    def _fingerprint(self, subject: str, command: CreateOrder) -> str:
        assert command.payer is not None  # noqa: S101 - narrowing only
        texts: dict[str, object] = {**_texts(command.payer)}
        if command.payer.mandate is not None:
            texts["mandate"] = _mandate_texts(command.payer.mandate)
        return self._seals.fingerprint(subject, command.book, msgspec.json.encode(texts).decode())


def subject_of(book: int, order_id: str, payer: PayerPart) -> str:
    """The payer's subject: as given, else one made from the order, which stands for the payer of that order alone."""
    if payer.subject is not None:
        return payer.subject
    return str(uuid5(stream_id(book, PaymentOrder.TOPIC, order_id), _SUBJECT_OF_ORDER))


def _texts(payer: PayerPart) -> dict[str, str | None]:
    return {name: getattr(payer, name) for name in FIELDS}


def _mandate_texts(mandate: MandatePart) -> dict[str, str]:
    return {"reference": mandate.reference, "signed_on": mandate.signed_on.isoformat()}
