"""Marshmallow fields that the resources share: money, currencies, ids, positions.

Why of our own: marshmallow's `Integer` takes "10" and 10.0 unless told otherwise, and its messages would not say what a
minor unit is. Validators are made once, with the module.
"""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate

from api.headers import uuid_text
from domain.money import AMOUNT_MINOR_MAX, EXPONENTS

POSITION_MAX = 2**63 - 1


class MinorUnits(fields.Integer):
    """A whole number of minor units, 1 to `AMOUNT_MINOR_MAX` unless the bounds are widened (a limit may be 0)."""

    default_error_messages = {
        "invalid": "must be a whole JSON number of minor units: 12.34 EUR is 1234, 12 JPY is 12, 1.234 KWD is 1234",
        "low": "must be at least {low}",
        "high": "must be at most {high}",
    }

    def __init__(self, *, low: int = 1, high: int = AMOUNT_MINOR_MAX, **kwargs: Any) -> None:
        metadata = {"minimum": low, "maximum": high, **kwargs.pop("metadata", {})}
        super().__init__(strict=True, metadata=metadata, **kwargs)
        self.low = low
        self.high = high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        # type() and not isinstance(): true is an int to Python, and 10.0 is not a count of cents.
        if type(value) is not int:
            raise self.make_error("invalid")
        if value < self.low:
            raise self.make_error("low", low=self.low)
        if value > self.high:
            raise self.make_error("high", high=self.high)
        return value


class Currency(fields.String):
    """An active ISO 4217 code in capitals."""

    default_error_messages = {"unknown": "must be an active ISO 4217 currency code in capitals, such as EUR"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"pattern": "^[A-Z]{3}$", **kwargs.pop("metadata", {})}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is not str or value not in EXPONENTS:
            raise self.make_error("unknown")
        return value


class UuidText(fields.String):
    """128 bits as UUID text, answered in lower case; no version bits are demanded, imported ids carry none."""

    default_error_messages = {"malformed": "must be a UUID such as 00000000-0000-0000-0000-000000000001"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"format": "uuid", **kwargs.pop("metadata", {})}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        found = uuid_text(value) if type(value) is str else None
        if found is None:
            raise self.make_error("malformed")
        return found


class Position(fields.String):
    """A position in the log as decimal text: JavaScript loses integers above 2^53."""

    default_error_messages = {"malformed": "must be a position: a decimal number as text, 0 to 2^63 - 1"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"pattern": "^[0-9]{1,19}$", **kwargs.pop("metadata", {})}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:  # type: ignore[override]
        if type(value) is not str or not value.isascii() or not value.isdigit() or len(value) > 19:
            raise self.make_error("malformed")
        if int(value) > POSITION_MAX:
            raise self.make_error("malformed")
        return int(value)


class TextMap(fields.Dict):
    """Up to 50 short texts by name, for the caller's own use; never personal data, never card numbers."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            keys=fields.String(
                validate=validate.Regexp(r"^[A-Za-z0-9_.-]{1,40}$", error="must be 1 to 40 of A-Z a-z 0-9 _ . -")
            ),
            values=Text(),
            **kwargs,
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[Any, Any]:
        if isinstance(value, dict):
            if not value:
                return {}
            if len(value) > 50:
                raise ValidationError("must have at most 50 members")
        loaded: dict[Any, Any] = super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        return loaded


class Text(fields.String):
    """A text of 1 to `longest` characters."""

    def __init__(self, *, longest: int = 255, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(min=1, max=longest), **kwargs)


class Cursor(Text):
    """Which page of a list is asked for; the first one without it."""

    def __init__(self) -> None:
        super().__init__(longest=500, load_default=None, metadata={"description": "next_cursor of the page before"})


class Limit(fields.Integer):
    """How many rows of a list are answered at once."""

    def __init__(self, *, largest: int = 500, usual: int = 50) -> None:
        super().__init__(load_default=usual, validate=validate.Range(min=1, max=largest))
