"""What may be asked of payment orders, merchants and books: validated once, here, whoever asks (API, import, console).

Unknown fields are refused and integers are strict: 10.0, "10" and true are not amounts. A text that holds a card
number is refused before any other rule is looked at, and no message ever quotes the input. Rules that need more than
one field of the domain (splits that sum to the amount, currencies that exist, limits of amounts) are the domain's own.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    model_validator,
)

from payments.card_numbers import refuse_card_numbers
from payments.payer_fields import IBAN_TYPED_LENGTH_MAX, MANDATE_REFERENCE, NAME_LENGTH_MAX, email_of, iban_of

MAX_ATTEMPTS = 100
MAX_SPLITS = 500

_UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _uuid_text(value: str) -> str:
    lowered = value.lower()
    if _UUID_TEXT.fullmatch(lowered) is None:
        raise ValueError("must be a UUID as text, like 1b4e28ba-2fa1-11d2-883f-0016d3cca427")
    return lowered


def _printable(value: str) -> str:
    if any(ord(char) < 0x20 or 0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise ValueError("must not hold control characters")
    return value


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _sorted(value: dict[str, str]) -> dict[str, str]:
    return dict(sorted(value.items()))


def _web_address(value: str) -> str:
    parts = urlsplit(_printable(value))
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in value:
        raise ValueError("must be a web address, like https://shop.example/orders/3")
    return value


UuidText = Annotated[str, Field(strict=True), AfterValidator(_uuid_text)]
"""128 bits in the usual text form; version and variant bits are not demanded, ids of other systems seldom have them."""
Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=255), AfterValidator(_printable)]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
CurrencyCode = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Z]{3}$")]
MinorUnits = Annotated[int, Field(strict=True)]
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
BookNumber = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
MetadataKey = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_.-]{1,40}$")]

PersonName = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=NAME_LENGTH_MAX), AfterValidator(_printable)
]
Email = Annotated[str, Field(strict=True), AfterValidator(email_of)]
Iban = Annotated[str, StringConstraints(strict=True, max_length=IBAN_TYPED_LENGTH_MAX), AfterValidator(iban_of)]

Method = Literal["card", "bank_transfer", "direct_debit"]
ReturnUrl = Annotated[str, StringConstraints(strict=True, max_length=2_000), AfterValidator(_web_address)]
MandateReference = Annotated[str, StringConstraints(strict=True, pattern=MANDATE_REFERENCE)]

Texts = Annotated[dict[MetadataKey, Text], Field(max_length=50), AfterValidator(_sorted)]


SEARCHED: dict[str, bool] = {"searched": True}
"""The context that says that no text of the input holds a card number: somebody has looked already."""


class Command(BaseModel):
    """A request as somebody sent it. Raises pydantic.ValidationError (without the input) or CardNumberRefused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _no_card_number(cls, data: Any, info: ValidationInfo) -> Any:
        if isinstance(data, dict) and info.context is not SEARCHED:
            refuse_card_numbers(data)
        return data

    @classmethod
    def of_searched(cls, **fields: Any) -> Self:
        """A command from a body that was searched for card numbers where it came in, as the API does with each."""
        return cls.model_validate(fields, context=SEARCHED)


class Part(BaseModel):
    """A member of a command that is an object of its own; the command it is part of has looked at its texts."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SplitPart(Part):
    """What of the order's amount is due to one seller, in minor units of the order's currency."""

    seller_id: Text
    amount_minor: MinorUnits


class MandatePart(Part):
    """What the payer of a direct debit has signed: the reference that banks know it by, and the day of the signature.
    The characters are those that SEPA knows."""

    reference: MandateReference = Field(repr=False)
    signed_on: date = Field(repr=False)


class PayerPart(Part):
    """Who pays. `subject` is a UUID that the caller keeps for this person, so that one erasure reaches all orders of
    theirs; without it the order gets one of its own. At least one text is given, and none shown when this is printed.
    """

    subject: UuidText | None = None
    name: PersonName | None = Field(default=None, repr=False)
    email: Email | None = Field(default=None, repr=False)
    iban: Iban | None = Field(default=None, repr=False)
    mandate: MandatePart | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.name is None and self.email is None and self.iban is None:
            raise ValueError("must have a name, an email or an iban")
        return self


class RecordedPayment(Part):
    """A payment that already happened elsewhere: a fact that becomes an attempt on the rail `recorded`, without a call.

    Zero is allowed (a voucher used up): it is recorded and posts nothing. `effective_at` is when the money moved.
    """

    method: Name
    amount_minor: Annotated[int, Field(strict=True, ge=0)]
    effective_at: Moment
    cost_minor: Annotated[int, Field(strict=True, ge=0)] = 0
    rail_reference: Text | None = None
    details: Texts = Field(default_factory=dict)


class CreateOrder(Command):
    """Ask for a payment order. `order_id` is the idempotency key; `merchant_id` its owner, null for the book's own
    orders.

    No splits = all of it is due to the owner. `rail` null = payments are recorded or come later, nothing is called.
    """

    book: BookNumber
    order_id: UuidText
    amount_minor: MinorUnits
    currency: CurrencyCode
    merchant_id: UuidText | None = None
    splits: Annotated[tuple[SplitPart, ...], Field(max_length=MAX_SPLITS)] = ()
    capture_mode: Literal["automatic", "manual"] = "automatic"
    rail: Name | None = None
    payment_token: Text | None = None
    method: Method = "card"
    return_url: ReturnUrl | None = None
    reference: Text | None = None
    metadata: Texts = Field(default_factory=dict)
    expires_at: Moment | None = None
    recorded: Annotated[tuple[RecordedPayment, ...], Field(max_length=MAX_ATTEMPTS)] = ()
    payer: PayerPart | None = None


class CaptureOrder(Command):
    """Take (a part of) what is authorised. `capture_id` is this capture's own idempotency key; no amount = the rest.

    `final` gives back what this capture leaves uncaptured.
    """

    book: BookNumber
    order_id: UuidText
    capture_id: UuidText
    amount_minor: MinorUnits | None = None
    final: Annotated[bool, Field(strict=True)] = True


class CancelOrder(Command):
    """Give an order up: without attempts it ends at once, an authorisation is asked back from its rail."""

    book: BookNumber
    order_id: UuidText
    reason: Text = "requested"


class RegisterMerchant(Command):
    """Make a merchant known to a book. The same id with the same reference again changes nothing."""

    book: BookNumber
    merchant_id: UuidText
    reference: Text | None = None


class OpenBook(Command):
    """Open a tenant's ledger. The commission is what the platform keeps of each seller's share, in basis points."""

    book: BookNumber
    name: Text
    commission_bps: Annotated[int, Field(strict=True, ge=0, le=10_000)]


_KEYS: Final[dict[str, Any]] = {"book": True, "order_id": True, "capture_id": True}
_PERSON: Final = {"name": True, "email": True, "iban": True, "mandate": True}
_LATER: Final = ("method", "return_url")
"""Members that commands did not have at first: left out where they say nothing."""


def fingerprint(command: Command) -> str:
    """SHA-256 of the command's canonical JSON (members sorted, defaults filled in, times in UTC), key and book left
    out.

    Two bodies that mean the same have the same fingerprint; it is kept in the event that the key created. Of a payer
    only the subject is in it: a digest without a key gives a name or an IBAN away to whoever can guess it. The rest has
    a fingerprint of its own, under the subject's key, in the event that seals it (`payments.payers`). A body without
    what came to commands later has the fingerprint that it had before.
    """
    left_out = {**_KEYS, "payer": True if getattr(command, "payer", None) is None else _PERSON}
    fields = type(command).model_fields
    left_out |= {name: True for name in _LATER if name in fields and getattr(command, name) == fields[name].default}
    return hashlib.sha256(command.model_dump_json(exclude=left_out).encode()).hexdigest()
