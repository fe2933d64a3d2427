"""What crosses the engine's Unix socket: length-prefixed MessagePack frames, checked against these types on arrival.

A frame is four bytes of big-endian length and one message. `id` pairs a reply with its request on one connection only;
what makes a request safe to repeat is its `key`.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

MAX_FRAME = 1 << 20
LENGTH_BYTES = 4

Status = Literal["posted", "opened", "closed", "refused", "found", "error"]


# The one error after which the same key may be sent again at once: nothing was decided here.
ENGINE_UNAVAILABLE = "engine_unavailable"


class FrameTooLong(ValueError):
    """A frame announces more bytes than `MAX_FRAME`: the peer does not speak this protocol."""


class Transfer(msgspec.Struct, tag_field="op", tag="transfer", frozen=True, kw_only=True, omit_defaults=True):
    """Move `amount_minor` (minor units of `currency`, above zero): debit `source`, credit `destination`."""

    id: int = 0
    book: int
    key: str
    source: UUID
    destination: UUID
    amount_minor: int
    currency: str
    effective_at: datetime | None = None
    metadata: dict[str, str] = {}


class OpenWallet(msgspec.Struct, tag_field="op", tag="open_wallet", frozen=True, kw_only=True, omit_defaults=True):
    """Open the account `address` in `currency`; `overdraft_limit_minor` None means that it may fall without limit."""

    id: int = 0
    book: int
    key: str
    address: str
    currency: str
    overdraft_limit_minor: int | None = 0
    merchant_id: str | None = None


class CloseWallet(msgspec.Struct, tag_field="op", tag="close_wallet", frozen=True, kw_only=True, omit_defaults=True):
    """Close an empty wallet for ever: later requests on it are refused, later facts go to suspense."""

    id: int = 0
    book: int
    key: str
    wallet_id: UUID


class ReadWallet(msgspec.Struct, tag_field="op", tag="wallet", frozen=True, kw_only=True):
    """Ask for a wallet's numbers as last committed."""

    id: int = 0
    book: int
    wallet_id: UUID


class Ping(msgspec.Struct, tag_field="op", tag="ping", frozen=True, kw_only=True):
    """Ask whether the engine is there and owns `book`."""

    id: int = 0
    book: int


Order = Transfer | OpenWallet | CloseWallet
Request = Transfer | OpenWallet | CloseWallet | ReadWallet | Ping


class WalletNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet after the event `version`: signed `posted` (+ = debit), `held` and `available` in minor units."""

    wallet_id: UUID
    address: str
    currency: str
    version: int
    posted_minor: int
    held_minor: int
    available_minor: int
    closed: bool = False


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The engine's answer. `refused` is a recorded, final decision on the key; `error` changed nothing.

    `posted_after` is the signed balance of the transfer's source and destination right after it. `position` is that of
    the posting's event in the log. `replayed` says that the key had been decided before.
    """

    id: int = 0
    status: Status
    code: str = ""
    detail: str = ""
    replayed: bool = False
    posting_id: UUID | None = None
    version: int = 0
    position: int = 0
    wallet_id: UUID | None = None
    source_posted_after: int | None = None
    destination_posted_after: int | None = None
    wallet: WalletNumbers | None = None


_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def frame(message: Request | Reply) -> bytes:
    """The bytes to send for a message. Raises FrameTooLong when it would exceed `MAX_FRAME`."""
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME:
        raise FrameTooLong(f"a message of {len(body)} bytes exceeds {MAX_FRAME}; shorten its metadata")
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


class Frames:
    """Cuts a byte stream into frames, whatever the pieces in which it arrives."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """The frames that `piece` completes, in order. Raises FrameTooLong; the connection is then to be closed."""
        rest = self._rest
        rest += piece
        frames: list[bytes] = []
        start = 0
        while len(rest) - start >= LENGTH_BYTES:
            length = int.from_bytes(rest[start : start + LENGTH_BYTES], "big")
            if length > MAX_FRAME:
                raise FrameTooLong(f"a frame of {length} bytes exceeds {MAX_FRAME}")
            end = start + LENGTH_BYTES + length
            if len(rest) < end:
                break
            frames.append(bytes(rest[start + LENGTH_BYTES : end]))
            start = end
        del rest[:start]
        return frames


def fingerprint(order: Order) -> str:
    """A digest of what a request asks for, without `id` and `key`: the same key with another digest is a mistake."""
    asked = msgspec.structs.replace(order, id=0, key="")
    return hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).hexdigest()[:32]
