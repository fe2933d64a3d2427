"""Postings and holds as they are shown: folded from their streams, so that everybody reads their own writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marshmallow import Schema, fields

from api.moments import answered_as_of
from domain.lines import Line
from domain.posting import Posting


class LineSchema(Schema):
    """One wallet's part; `reverted_minor` is what reversals have taken back, `remaining_minor` what a hold reserves."""

    wallet_id = fields.UUID(required=True)
    address = fields.String(required=True)
    currency = fields.String(required=True)
    amount_minor = fields.Integer(required=True, metadata={"description": "Signed: + is a debit"})
    reverted_minor = fields.Integer()
    remaining_minor = fields.Integer()


class NotesChangeSchema(Schema):
    """One change of metadata: since when, by which version of the stream, and what."""

    version = fields.Integer(required=True)
    changed_at = fields.AwareDateTime(required=True)
    changes = fields.Dict(required=True)


class ShownSchema(Schema):
    """What every posting has."""

    posting_id = fields.UUID(required=True)
    rule = fields.String(required=True, metadata={"description": "Which kind of request, or which fact, it is"})
    state = fields.String(required=True)
    reference = fields.String(required=True, allow_none=True)
    effective_at = fields.AwareDateTime(required=True, allow_none=True)
    recorded_at = fields.AwareDateTime(required=True)
    version = fields.Integer(required=True)
    lines = fields.List(fields.Nested(LineSchema), required=True)
    metadata = fields.Dict(required=True)
    metadata_history = fields.List(fields.Nested(NotesChangeSchema), required=True)
    as_of = answered_as_of()


class PostingSchema(ShownSchema):
    """A posting with its links: `reverts` is what it takes back, `reversals` what takes it back."""

    reverts = fields.UUID(required=True, allow_none=True)
    reversals = fields.List(fields.UUID(), required=True)
    hold_id = fields.UUID(required=True, allow_none=True, metadata={"description": "The hold that it commits"})
    cause_position = fields.String(required=True, allow_none=True)
    refusal = fields.Dict(required=True, allow_none=True)


class HoldSchema(ShownSchema):
    """A hold with what is left of it and the postings that committed it."""

    hold_id = fields.UUID(required=True)
    expires_at = fields.AwareDateTime(required=True, allow_none=True)
    commits = fields.List(fields.UUID(), required=True)


def posting_document(posting: Posting, lines: Sequence[Line] | None = None) -> dict[str, Any]:
    """A posting; `lines` are those that the reader may see, all by default. Metadata speaks of all lines."""
    refusal = {"code": posting.refusal_code, "detail": posting.refusal_detail} if posting.refused else None
    is_commit = posting.rule == "hold-commit" and not posting.refused
    return {
        **_shown(posting, lines, posting.reverted, "reverted_minor"),
        "state": _state(posting),
        "reverts": posting.reverts,
        "reversals": posting.reversals,
        "hold_id": posting.metadata.get("hold_id") if is_commit else None,
        "cause_position": None if posting.cause_position is None else str(posting.cause_position),
        "refusal": refusal,
    }


def hold_document(hold: Posting, lines: Sequence[Line] | None = None) -> dict[str, Any]:
    """A hold; `lines` as for `posting_document`."""
    return {
        **_shown(hold, lines, hold.remaining, "remaining_minor"),
        "hold_id": hold.id,
        "expires_at": hold.expires_at,
        "commits": hold.commits,
    }


def _shown(posting: Posting, lines: Sequence[Line] | None, counted: Sequence[int], name: str) -> dict[str, Any]:
    visible = posting.lines if lines is None else lines
    whole = len(visible) == len(posting.lines)
    counts = list(counted) or [0] * len(posting.lines)
    return {
        "posting_id": posting.id,
        "rule": posting.rule,
        "state": posting.state,
        "reference": posting.external_reference,
        "effective_at": posting.effective_at,
        "recorded_at": posting.created_on,
        "version": posting.version,
        "lines": [
            {
                "wallet_id": line.wallet_id,
                "address": line.address,
                "currency": line.currency,
                "amount_minor": line.amount_minor,
                name: count,
            }
            for line, count in zip(posting.lines, counts, strict=True)
            if line in visible
        ],
        "metadata": posting.metadata if whole else {},
        "metadata_history": posting.metadata_history if whole else [],
    }


def _state(posting: Posting) -> str:
    """A recorded posting is told apart by what reversals have left of it."""
    if posting.state != "recorded" or not any(posting.reverted):
        return posting.state
    return "partially_reverted" if any(posting.left_to_revert) else "reverted"
