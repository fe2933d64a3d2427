"""Metadata: notes that callers keep on postings and wallets, and may change; what was known when stays known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec


class MetadataChange(msgspec.Struct, frozen=True):
    """One change, with the version of the stream that made it and the moment it was made; None removed a key."""

    version: int
    changed_at: datetime
    changes: dict[str, str | None]


def merged(metadata: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Metadata after these changes: a value sets its key, None removes it, other keys stay."""
    after: dict[str, str | None] = {**metadata, **changes}
    return {key: value for key, value in after.items() if value is not None}


def real_changes(metadata: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str | None]:
    """The changes that make a difference, so that a request repeated without a key leaves no empty event behind."""
    return {key: value for key, value in changes.items() if metadata.get(key) != value}
