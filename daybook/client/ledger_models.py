"""What the API answers about wallets and the money that moves between them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from daybook.client.answer import Answer, Written


class Wallet(Written):
    """A wallet; amounts in the natural sign of its kind."""

    wallet_id: UUID
    address: str
    currency: str
    account_kind: str
    posted_minor: int
    held_minor: int
    available_minor: int
    overdraft_limit_minor: int | None
    version: int
    frozen: bool
    closed: bool
    as_of: str | None = None


class WalletBalance(Answer):
    """A balance at a moment, in the natural sign. At an effective moment nothing is held, or available."""

    wallet_id: UUID
    address: str
    currency: str
    account_kind: str
    posted_minor: int
    held_minor: int | None = None
    available_minor: int | None = None
    as_of: str | None
    effective_at: datetime | None
    position: str


class WalletExplanation(Answer):
    """What a wallet held as of a position and the entries that made it, newest first: opening + shown = posted."""

    wallet_id: UUID
    address: str
    currency: str
    account_kind: str
    as_of: str
    posted_minor: int
    held_minor: int
    available_minor: int
    overdraft_limit_minor: int | None
    frozen: bool
    closed: bool
    opening_minor: int
    shown_minor: int
    entries_before: int
    entries: tuple[dict[str, Any], ...]


class StatementEntry(Answer):
    """An entry with the balance after it, in the natural sign."""

    posting_id: UUID
    line: int
    version: int
    amount_minor: int
    balance_minor: int
    effective_at: datetime
    recorded_at: datetime
    position: str


class Statement(Answer):
    """Opening balance, entries and closing balance of a range, as of one position; natural sign."""

    wallet_id: UUID
    address: str
    currency: str
    account_kind: str
    as_of: str
    opening_minor: int
    entries: tuple[StatementEntry, ...]
    closing_minor: int
    next_cursor: str | None


class LineAfter(Answer):
    """A line as it was decided, with the signed balance (+ = debit) of its wallet right after it, and what is held."""

    wallet_id: UUID
    amount_minor: int
    posted_after: int
    held_after: int


class Transfer(Written):
    """A posted transfer; balances are signed (+ = debit)."""

    transfer_id: str
    status: str
    posting_id: UUID | None
    position: str
    source_posted_after: int | None
    destination_posted_after: int | None
    dry_run: bool = False


class Decision(Written):
    """What was decided. `position` is where it stands in the log; "0" after a dry run."""

    posting_id: UUID
    status: str
    position: str
    dry_run: bool = False


class Movement(Decision):
    """A movement that was decided."""

    lines: tuple[LineAfter, ...]


class Reversal(Movement):
    """A reversal; `reverts` is the posting that it takes back."""

    reverts: UUID


class HoldDecision(Movement):
    """What was decided about a hold; `lines` are those of the commit, or those reserved or given back."""

    hold_id: UUID


class WalletChange(Decision):
    """A change of a wallet that was decided."""

    wallet_id: UUID


class Line(Answer):
    """One wallet's part of a posting or a hold; + is a debit."""

    wallet_id: UUID
    address: str
    currency: str
    amount_minor: int
    reverted_minor: int | None = None
    remaining_minor: int | None = None


class NotesChange(Answer):
    """One change of metadata."""

    version: int
    changed_at: datetime
    changes: dict[str, str | None]


class _Shown(Answer):
    """What postings and holds have in common."""

    posting_id: UUID
    rule: str
    state: str
    reference: str | None
    effective_at: datetime | None
    recorded_at: datetime
    version: int
    lines: tuple[Line, ...]
    metadata: dict[str, str]
    metadata_history: tuple[NotesChange, ...]


class Posting(_Shown):
    """A posting with its links."""

    reverts: UUID | None
    reversals: tuple[UUID, ...]
    hold_id: UUID | None
    cause_position: str | None
    refusal: dict[str, Any] | None
    as_of: str | None = None


class Hold(_Shown):
    """A hold with what is left of it and the postings that committed it."""

    hold_id: UUID
    expires_at: datetime | None
    commits: tuple[UUID, ...]
    as_of: str | None = None


class BulkItem(Answer):
    """What became of one item. `refused` is final for its key; `error` recorded nothing."""

    index: int
    status: str
    key: str
    code: str = ""
    detail: str = ""
    replayed: bool = False
    position: str = "0"
    posting_id: UUID | None = None
    wallet_id: UUID | None = None
    target_id: UUID | None = None
    lines: tuple[LineAfter, ...] = ()


class Bulk(Decision):
    """A bulk that was applied. Independent items may have been refused all the same; look at each."""

    succeeded: int
    failed: int
    items: tuple[BulkItem, ...]


class Balance(Answer):
    """The sum of some wallets of one currency and kind, in the natural sign."""

    currency: str
    account_kind: str
    group: dict[str, Any] = {}
    wallets: int
    posted_minor: int
    held_minor: int | None = None
    available_minor: int | None = None


class Volume(Answer):
    """What moved on some wallets of one currency and kind; both amounts are positive."""

    currency: str
    account_kind: str
    group: dict[str, Any] = {}
    wallets: int
    debit_minor: int
    credit_minor: int
    entries: int
