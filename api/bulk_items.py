"""What a bulk can hold: one shape per action, each with the fields of the single request of that name.

Shapes are msgspec structs and not marshmallow schemas: a bulk holds up to 1,000 items, and checking each with the
framework would cost more than posting it. They describe themselves in the OpenAPI document (`COMPONENTS`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct
from msgspec.json import schema_components

from api.problem import FieldError, ProblemError
from api.wallet_refs import wallet_id_of
from domain.conditions import Condition
from domain.money import AMOUNT_MINOR_MAX
from ledger import wire
from ledger.mistakes import ITEMS_MAX, KEY_LENGTH_MAX, LINES_MAX, REFERENCE_LENGTH_MAX
from ledger.wire import PostLine, Single

Amount = Annotated[int, Meta(ge=1, le=AMOUNT_MINOR_MAX)]
Signed = Annotated[int, Meta(ge=-AMOUNT_MINOR_MAX, le=AMOUNT_MINOR_MAX, description="+ is a debit, - a credit")]
Limit = Annotated[int, Meta(ge=0, le=AMOUNT_MINOR_MAX)]
Wallet = Annotated[str, Meta(min_length=1, max_length=200, description="A wallet id or an address")]
Reference = Annotated[str, Meta(min_length=1, max_length=REFERENCE_LENGTH_MAX)]
Moment = Annotated[datetime, Meta(tz=True)]
NoteName = Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,40}$")]
Note = Annotated[str, Meta(min_length=1, max_length=255)]
Notes = Annotated[dict[NoteName, Note], Meta(max_length=50)]
NoteChanges = Annotated[dict[NoteName, Note | None], Meta(min_length=1, max_length=50)]
Reason = Annotated[str, Meta(min_length=1, max_length=255)]


class BulkLine(Struct, frozen=True, forbid_unknown_fields=True):
    """One wallet's part of a movement."""

    wallet: Wallet
    currency: str
    amount_minor: Signed


class ItemCondition(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What must be true of a wallet right before; exactly one of the three numbers is given."""

    wallet: Wallet
    currency: str | None = None
    at_least_minor: Signed | None = None
    exactly_minor: Signed | None = None
    version: int | None = None


Lines = Annotated[list[BulkLine], Meta(min_length=1, max_length=LINES_MAX)]
Conditions = Annotated[list[ItemCondition], Meta(max_length=100)]


class _Item(Struct, tag_field="action", frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`key` makes the item safe to repeat by itself; the bulk's key with the item's index unless it says otherwise."""

    key: Annotated[str, Meta(min_length=1, max_length=KEY_LENGTH_MAX)] | None = None

    def order(self, book: int, key: str, field: str) -> Single:
        """The request to the engine; `field` is what the caller calls this item."""
        raise NotImplementedError


class BulkTransfer(_Item, tag="transfer", frozen=True, kw_only=True):
    """As POST /v1/transfers."""

    source: Wallet
    destination: Wallet
    amount_minor: Amount
    currency: str
    effective_at: Moment | None = None
    metadata: Notes = {}
    reference: Reference | None = None
    conditions: Conditions = []

    def order(self, book: int, key: str, field: str) -> Single:
        return wire.Transfer(
            book=book,
            key=key,
            source=_wallet(book, self.source, self.currency, field, "source"),
            destination=_wallet(book, self.destination, self.currency, field, "destination"),
            amount_minor=self.amount_minor,
            currency=self.currency,
            effective_at=self.effective_at,
            metadata=self.metadata,
            reference=self.reference,
            conditions=_conditions(book, self.conditions, field),
        )


class BulkPosting(_Item, tag="posting", frozen=True, kw_only=True):
    """As POST /v1/postings."""

    lines: Lines
    effective_at: Moment | None = None
    metadata: Notes = {}
    reference: Reference | None = None
    conditions: Conditions = []

    def order(self, book: int, key: str, field: str) -> Single:
        return wire.Post(
            book=book,
            key=key,
            lines=_lines(book, self.lines, field),
            effective_at=self.effective_at,
            metadata=self.metadata,
            reference=self.reference,
            conditions=_conditions(book, self.conditions, field),
        )


class BulkHold(BulkPosting, tag="hold", frozen=True, kw_only=True):
    """As POST /v1/holds."""

    expires_at: Moment | None = None

    def order(self, book: int, key: str, field: str) -> Single:
        return wire.PlaceHold(
            book=book,
            key=key,
            lines=_lines(book, self.lines, field),
            expires_at=self.expires_at,
            effective_at=self.effective_at,
            metadata=self.metadata,
            reference=self.reference,
            conditions=_conditions(book, self.conditions, field),
        )


class BulkCommit(_Item, tag="commit", frozen=True, kw_only=True):
    """As POST /v1/holds/{hold_id}/commit."""

    hold_id: UUID
    amount_minor: Amount | None = None
    lines: Lines | None = None
    final: bool = True
    effective_at: Moment | None = None
    metadata: Notes = {}

    def order(self, book: int, key: str, field: str) -> Single:
        return wire.CommitHold(
            book=book,
            key=key,
            hold_id=self.hold_id,
            amount_minor=self.amount_minor,
            lines=None if self.lines is None else _lines(book, self.lines, field),
            final=self.final,
            effective_at=self.effective_at,
            metadata=self.metadata,
        )


class BulkVoid(_Item, tag="void", frozen=True, kw_only=True):
    """As POST /v1/holds/{hold_id}/void."""

    hold_id: UUID

    def order(self, book: int, key: str, field: str) -> Single:
        return wire.VoidHold(book=book, key=key, hold_id=self.hold_id)


class BulkRevert(_Item, tag="revert", frozen=True, kw_only=True):
    """As POST /v1/postings/{posting_id}/revert."""

    posting_id: UUID
    amount_minor: Amount | None = None
    at_effective_date: bool = False
    reference: Reference | None = None
    metadata: Notes = {}

    def order(self, book: int, key: str, field: str) -> Single:
        return wire.Revert(
            book=book,
            key=key,
            posting_id=self.posting_id,
            amount_minor=self.amount_minor,
            at_effective_date=self.at_effective_date,
            reference=self.reference,
            metadata=self.metadata,
        )


class BulkOpenWallet(_Item, tag="open_wallet", frozen=True, kw_only=True):
    """As POST /v1/wallets."""

    address: Wallet
    currency: str
    overdraft_limit_minor: Limit | None = 0
    merchant_id: UUID | None = None

    def order(self, book: int, key: str, field: str) -> Single:
        return wire.OpenWallet(
            book=book,
            key=key,
            address=self.address,
            currency=self.currency,
            overdraft_limit_minor=self.overdraft_limit_minor,
            merchant_id=None if self.merchant_id is None else str(self.merchant_id),
        )


class BulkWalletChange(_Item, tag="freeze", frozen=True, kw_only=True):
    """As POST /v1/wallets/{wallet}/freeze."""

    wallet: Wallet
    reason: Reason
    currency: str | None = None

    def order(self, book: int, key: str, field: str) -> Single:
        change: Any = self.__struct_config__.tag
        wallet_id = _wallet(book, self.wallet, self.currency, field, "wallet")
        return wire.ChangeWallet(book=book, key=key, wallet_id=wallet_id, change=change, reason=self.reason)


class BulkUnfreeze(BulkWalletChange, tag="unfreeze", frozen=True, kw_only=True):
    """As POST /v1/wallets/{wallet}/unfreeze."""


class BulkClose(BulkWalletChange, tag="close", frozen=True, kw_only=True):
    """As POST /v1/wallets/{wallet}/close."""


class BulkReopen(BulkWalletChange, tag="reopen", frozen=True, kw_only=True):
    """As POST /v1/wallets/{wallet}/reopen."""


class BulkLimit(_Item, tag="limit", frozen=True, kw_only=True):
    """As POST /v1/wallets/{wallet}/limit."""

    wallet: Wallet
    overdraft_limit_minor: Limit | None
    currency: str | None = None

    def order(self, book: int, key: str, field: str) -> Single:
        return wire.ChangeWallet(
            book=book,
            key=key,
            wallet_id=_wallet(book, self.wallet, self.currency, field, "wallet"),
            change="limit",
            overdraft_limit_minor=self.overdraft_limit_minor,
        )


class BulkMetadata(_Item, tag="metadata", frozen=True, kw_only=True):
    """As PATCH .../metadata of the posting or wallet with this id."""

    target: Literal["posting", "wallet"]
    target_id: UUID
    metadata: NoteChanges

    def order(self, book: int, key: str, field: str) -> Single:
        return wire.SetMetadata(book=book, key=key, target=self.target, target_id=self.target_id, changes=self.metadata)


Item = (
    BulkTransfer | BulkPosting | BulkHold | BulkCommit | BulkVoid | BulkRevert | BulkOpenWallet | BulkWalletChange
    | BulkUnfreeze | BulkClose | BulkReopen | BulkLimit | BulkMetadata
)  # fmt: skip


class BulkBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Up to 1,000 requests in order: each as if alone, or (`atomic`) all or none."""

    items: Annotated[list[Item], Meta(min_length=1, max_length=ITEMS_MAX)]
    atomic: bool = False


_REFERENCE = "#/components/schemas/{name}"
COMPONENTS: Mapping[str, dict[str, Any]] = schema_components([BulkBody], ref_template=_REFERENCE)[1]
"""How the OpenAPI document describes a bulk and its items."""


@lru_cache(maxsize=65_536)
def _known(book: int, text: str, currency: str | None, field: str) -> UUID:
    return wallet_id_of(book, text, currency, field)


def _wallet(book: int, text: str, currency: str | None, item: str, field: str) -> UUID:
    """As `wallet_id_of`, remembered: a wallet's id is worked out from its name, and the same ones come again."""
    try:
        return _known(book, text, currency, field)
    except ProblemError as problem:
        errors = [FieldError(f"{item}.{error.field}", error.message) for error in problem.errors]
        raise ProblemError(problem.status, problem.code, f"{item}.{problem.detail}", errors=errors) from None


def _lines(book: int, lines: Sequence[BulkLine], item: str) -> tuple[PostLine, ...]:
    return tuple(
        [
            PostLine(
                _wallet(book, line.wallet, line.currency, f"{item}.lines.{number}", "wallet"),
                line.currency,
                line.amount_minor,
            )
            for number, line in enumerate(lines)
        ]
    )


def _conditions(book: int, conditions: Sequence[ItemCondition], item: str) -> tuple[Condition, ...]:
    if not conditions:
        return ()
    return tuple(
        [
            Condition(
                _wallet(book, condition.wallet, condition.currency, f"{item}.conditions.{number}", "wallet"),
                condition.at_least_minor,
                condition.exactly_minor,
                condition.version,
            )
            for number, condition in enumerate(conditions)
        ]
    )
