"""Fields of query strings that ask about the ledger: times, positions, patterns, amounts, metadata.

A query string holds texts only, so each field reads one text strictly and says in its message how it is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from marshmallow import Schema, ValidationError, fields, pre_load

from api.fields import POSITION_MAX, Currency, Text, TextMap
from domain.address_pattern import AddressPattern
from projections.queries import Grouping

KINDS = ("asset", "liability", "income", "expense", "memo")
_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_POSITION = re.compile(r"[0-9]{1,19}", re.ASCII)
_YEARS = range(1900, 9999)
METADATA = "metadata."


class Moment(fields.AwareDateTime):
    """A moment with its offset."""

    default_error_messages = {
        "invalid": "must be an RFC 3339 time with an offset, such as 2026-01-31T12:00:00Z; write + as %2B",
        "invalid_awareness": "must have an offset, such as 2026-01-31T12:00:00Z",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        moment: datetime = super()._deserialize(value, attr, data, **kwargs)
        if moment.year not in _YEARS:  # at the ends of the calendar a change of offset has no result
            raise ValidationError(f"must lie in the years {_YEARS.start} to {_YEARS.stop - 1}")
        return moment


class AsOf(Moment):
    """A position of the log, or a time that has passed."""

    default_error_messages = {
        "invalid": "must be a position in decimal digits, or an RFC 3339 time such as 2026-01-31T12:00:00Z, + as %2B",
        "too_high": "must be a position of at most 2^63 - 1",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str) and _POSITION.fullmatch(value):
            if int(value) > POSITION_MAX:
                raise self.make_error("too_high")
            return int(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Amount(fields.Integer):
    """A whole number of minor units, either sign, written in decimal digits."""

    default_error_messages = {"invalid": "must be a whole number of minor units, such as -1250", "wide": "is too large"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not _WHOLE.fullmatch(value):
            raise self.make_error("invalid")
        if abs(int(value)) > POSITION_MAX:
            raise self.make_error("wide")
        return int(value)


class Truth(fields.String):
    """true or false."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:  # type: ignore[override]
        if value not in ("true", "false"):
            raise ValidationError("must be true or false")
        return bool(value == "true")


class Pattern(fields.String):
    """A pattern of addresses. Raises the domain's UnknownPattern, which names the field."""

    def __init__(self, **kwargs: Any) -> None:
        description = "An address, or a pattern: * for one segment, a final ** for one or more"
        super().__init__(metadata={"description": description, "example": "merchant:*:available"}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return AddressPattern.parse(str(value), attr or "address")


class Groups(fields.String):
    """By what numbers are summed. Raises the domain's GroupUnknown, which names the field."""

    def __init__(self, **kwargs: Any) -> None:
        description = "address, segment.N, metadata.KEY, joined by commas; currency and kind are always kept apart"
        super().__init__(metadata={"description": description, "example": "segment.2"}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return Grouping.parse(str(value), attr or "group_by")


class MetadataQuery(Schema):
    """Takes `metadata.KEY=VALUE` parameters, any number of them; all must hold."""

    metadata = TextMap(
        load_default=None, metadata={"description": "Written metadata.KEY=VALUE, once for each key; all must hold"}
    )

    @pre_load
    def _gather(self, data: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """Bring parameters that begin with `metadata.` together under one name."""
        plain = {name: data[name] for name in data if not name.startswith(METADATA)}
        notes = {name.removeprefix(METADATA): data[name] for name in data if name.startswith(METADATA)}
        if "metadata" in plain:
            raise ValidationError("write metadata.KEY=VALUE, with the key in the name", "metadata")
        return plain | {"metadata": notes} if notes else plain


class WalletsQuery(MetadataQuery):
    """Which wallets are meant."""

    address = Pattern(load_default=None)
    currency = Currency(load_default=None)
    kind = fields.String(
        load_default=None,
        validate=lambda kind: _one_of(kind, KINDS),
        metadata={"description": f"One of {', '.join(KINDS)}"},
    )
    frozen = Truth(load_default=None)
    closed = Truth(load_default=None)


class NamedWalletQuery(Schema):
    """A wallet, by its id, or by its address and currency."""

    wallet = Text(longest=200, load_default=None)
    currency = Currency(load_default=None, metadata={"description": "Needed when the wallet is named by its address"})


def _one_of(value: str, known: tuple[str, ...]) -> Literal[True]:
    if value not in known:
        raise ValidationError(f"must be one of {', '.join(known)}")
    return True
