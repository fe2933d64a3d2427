"""What a row of the log looks like to those who read it, and what a writer says about the reason of a write."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

DEFAULT_BOOK = 1


class Recorded(NamedTuple):
    """One stored event, exactly as the row says, so that every reader shares one decoding.

    `position` orders the whole log (above 2^53: show it to JavaScript as text); `version` counts from 1 inside the
    stream; `recorded_at` is the database's clock and is not monotone in `position`; `state` is plain JSON.
    """

    position: int
    book: int
    stream_id: UUID
    version: int
    topic: str
    recorded_at: datetime
    meta: dict[str, str]
    state: bytes


class Meta(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why an event was written: for auditors and tracing, never for rules.

    `correlation` names the request that started it all, `causation` the event that led to this one, `actor` the API
    key or process, `rule` and `code` the versions of the posting rule and of the program.
    """

    correlation: str = ""
    causation: str = ""
    actor: str = ""
    rule: str = ""
    code: str = ""


NO_META = Meta()
