"""What crosses the engine's Unix socket: length-prefixed MessagePack frames, checked against these types on arrival.

A frame is four bytes of big-endian length and one message. `id` pairs a reply with its request on one connection only;
what makes a request safe to repeat is its `key`. Amounts are minor units; those of lines are signed, + for a debit.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec

from domain.conditions import Condition

MAX_FRAME = 1 << 20
LENGTH_BYTES = 4

Status = Literal[
    "posted", "held", "committed", "voided", "expired", "reverted", "opened", "changed", "closed", "created", "removed",
    "applied", "refused", "found", "error",
]  # fmt: skip
WalletChange = Literal["freeze", "unfreeze", "close", "reopen", "limit"]

# The one error after which the same key may be sent again at once: nothing was decided here.
ENGINE_UNAVAILABLE = "engine_unavailable"


class FrameTooLong(ValueError):
    """A frame announces more bytes than `MAX_FRAME`: the peer does not speak this protocol."""


class _Asked(msgspec.Struct, tag_field="op", frozen=True, kw_only=True, omit_defaults=True):
    """What every request has. `key` is empty where a request changes nothing."""

    id: int = 0
    book: int
    key: str = ""


class PostLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One wallet's part of a posting that is asked for."""

    wallet_id: UUID
    currency: str
    amount_minor: int


class Transfer(_Asked, tag="transfer", frozen=True, kw_only=True, omit_defaults=True):
    """Move `amount_minor` (above zero): debit `source`, credit `destination`. The commonest posting there is."""

    source: UUID
    destination: UUID
    amount_minor: int
    currency: str
    effective_at: datetime | None = None
    metadata: dict[str, str] = {}
    reference: str | None = None
    conditions: tuple[Condition, ...] = ()
    dry_run: bool = False


class Post(_Asked, tag="post", frozen=True, kw_only=True, omit_defaults=True):
    """Post any balanced lines. `reference` is the caller's own, unique in the book."""

    lines: tuple[PostLine, ...]
    effective_at: datetime | None = None
    metadata: dict[str, str] = {}
    reference: str | None = None
    conditions: tuple[Condition, ...] = ()
    dry_run: bool = False


class PlaceHold(_Asked, tag="hold", frozen=True, kw_only=True, omit_defaults=True):
    """Reserve what these lines would take, until committed, voided or expired."""

    lines: tuple[PostLine, ...]
    expires_at: datetime | None = None
    effective_at: datetime | None = None
    metadata: dict[str, str] = {}
    reference: str | None = None
    conditions: tuple[Condition, ...] = ()
    dry_run: bool = False


class CommitHold(_Asked, tag="commit_hold", frozen=True, kw_only=True, omit_defaults=True):
    """Post a hold: all that remains, `amount_minor` of a hold of two lines, or `lines`. `final` gives back the rest."""

    hold_id: UUID
    amount_minor: int | None = None
    lines: tuple[PostLine, ...] | None = None
    final: bool = True
    effective_at: datetime | None = None
    metadata: dict[str, str] = {}
    dry_run: bool = False


class VoidHold(_Asked, tag="void_hold", frozen=True, kw_only=True, omit_defaults=True):
    """Give back what a hold still reserves."""

    hold_id: UUID
    dry_run: bool = False


class ExpireHold(_Asked, tag="expire_hold", frozen=True, kw_only=True, omit_defaults=True):
    """End a hold whose time has run out; asked by the timers."""

    hold_id: UUID


class Revert(_Asked, tag="revert", frozen=True, kw_only=True, omit_defaults=True):
    """Take a posting back: all that is left of it, or `amount_minor` of one of two lines; when it was effective, at
    `effective_at`, or now."""

    posting_id: UUID
    amount_minor: int | None = None
    at_effective_date: bool = False
    effective_at: datetime | None = None
    metadata: dict[str, str] = {}
    reference: str | None = None
    dry_run: bool = False


class OpenWallet(_Asked, tag="open_wallet", frozen=True, kw_only=True, omit_defaults=True):
    """Open the account `address` in `currency`; `overdraft_limit_minor` None means that it may fall without limit."""

    address: str
    currency: str
    overdraft_limit_minor: int | None = 0
    merchant_id: str | None = None


class ChangeWallet(_Asked, tag="change_wallet", frozen=True, kw_only=True, omit_defaults=True):
    """Freeze, unfreeze, close (only when empty) or reopen a wallet, or change how far it may be overdrawn."""

    wallet_id: UUID
    change: WalletChange
    reason: str = ""
    overdraft_limit_minor: int | None = None


class SetMetadata(_Asked, tag="set_metadata", frozen=True, kw_only=True, omit_defaults=True):
    """Change the notes on a posting or a wallet; None removes one."""

    target: Literal["posting", "wallet"]
    target_id: UUID
    changes: dict[str, str | None]


class ClosePeriod(_Asked, tag="close_period", frozen=True, kw_only=True, omit_defaults=True):
    """Let nothing take effect on or before this day (UTC) any more."""

    through: date


class CreateMonitor(_Asked, tag="create_monitor", frozen=True, kw_only=True, omit_defaults=True):
    """Record whenever a number of a wallet crosses a threshold (natural sign)."""

    wallet_id: UUID
    measure: Literal["posted", "held", "available"]
    threshold_minor: int
    reference: str | None = None


class RemoveMonitor(_Asked, tag="remove_monitor", frozen=True, kw_only=True, omit_defaults=True):
    """Watch no more."""

    monitor_id: UUID


class ReadWallet(_Asked, tag="wallet", frozen=True, kw_only=True, omit_defaults=True):
    """Ask for a wallet's numbers as last committed."""

    wallet_id: UUID


class Ping(_Asked, tag="ping", frozen=True, kw_only=True, omit_defaults=True):
    """Ask whether the engine is there and owns `book`."""


Single = (
    Transfer | Post | PlaceHold | CommitHold | VoidHold | ExpireHold | Revert | OpenWallet | ChangeWallet | SetMetadata
    | ClosePeriod | CreateMonitor | RemoveMonitor
)  # fmt: skip


class Bulk(_Asked, tag="bulk", frozen=True, kw_only=True, omit_defaults=True):
    """Several requests at once, in order: each as if alone, or (`atomic`) all or none. Each item has a key of its
    own."""

    items: tuple[Single, ...]
    atomic: bool = False


Order = Single | Bulk
Request = Order | ReadWallet | Ping


class WalletNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet after the event `version`: signed `posted` (+ = debit), `held` and `available` in minor units."""

    wallet_id: UUID
    address: str
    currency: str
    version: int
    posted_minor: int
    held_minor: int
    available_minor: int
    overdraft_limit_minor: int | None = None
    frozen: bool = False
    closed: bool = False


class LineAfter(msgspec.Struct, frozen=True):
    """A line as it was posted, with the signed balance of its wallet right after it."""

    wallet_id: UUID
    amount_minor: int
    posted_after: int
    held_after: int


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The engine's answer. `refused` is a recorded, final decision on the key; `error` changed nothing.

    `position` is that of the posting's event in the log; it is 0 after a dry run. `posting_id` is the stream that holds
    the decision: of a hold, the hold's id; of a monitor, where `target_id` is the monitor. `replayed` says that the key
    had been decided before.
    """

    id: int = 0
    status: Status
    code: str = ""
    detail: str = ""
    replayed: bool = False
    dry_run: bool = False
    posting_id: UUID | None = None
    version: int = 0
    position: int = 0
    wallet_id: UUID | None = None
    target_id: UUID | None = None
    lines: tuple[LineAfter, ...] = ()
    items: tuple[Reply, ...] = ()
    wallet: WalletNumbers | None = None


_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def frame(message: Request | Reply) -> bytes:
    """The bytes to send for a message. Raises FrameTooLong when it would exceed `MAX_FRAME`."""
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME:
        raise FrameTooLong(f"a message of {len(body)} bytes exceeds {MAX_FRAME}; send fewer items or less metadata")
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def read_request(body: bytes) -> Request:
    """The request in a frame. Raises msgspec.ValidationError naming the field, DecodeError for no MessagePack."""
    return _requests.decode(body)


def read_reply(body: bytes) -> Reply:
    """The reply in a frame. Raises like `read_request`."""
    return _replies.decode(body)


def request_id(body: bytes) -> int:
    """The id of a frame that is no valid request, so that its sender can be told; 0 when even that is unreadable."""
    try:
        fields = msgspec.msgpack.decode(body)
    except msgspec.DecodeError:
        return 0
    found = fields.get("id") if isinstance(fields, dict) else None
    return found if isinstance(found, int) else 0


def fingerprint(order: Order) -> str:
    """A digest of what a request asks for, without `id` and `key`: the same key with another digest is a mistake."""
    asked = msgspec.structs.replace(order, id=0, key="")
    return hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).hexdigest()[:32]
