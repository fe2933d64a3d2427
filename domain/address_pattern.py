"""Address patterns: how callers say which accounts they mean, such as `merchant:*:available` or `wallet:**`.

Pure: a pattern answers for one address, and translates itself for the tables that hold many.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from domain.chart import ADDRESS_LENGTH_MAX, CHART
from domain.errors import RuleViolation

ONE: Final = "*"
REST: Final = "**"

_NAME = re.compile(r"[a-z0-9._-]+", re.ASCII)
_NAMED = re.compile(r"\{[a-z_]+\}", re.ASCII)
_ANY_NAME: Final = "[a-z0-9._-]+"
_LIKE_SPECIAL = re.compile(r"[\\%_]")
_ALLOWED: Final = (
    "segments of a-z, 0-9, '.', '_' and '-' joined by ':'; '*' or a name in braces stands for one segment, a final "
    "'**' for one or more, such as merchant:*:available or wallet:**"
)


class UnknownPattern(RuleViolation):
    """The text is no pattern of addresses, or one that no account of the chart can ever match."""

    code: ClassVar[str] = "unknown_pattern"


@dataclass(frozen=True, slots=True)
class AddressPattern:
    """A pattern that was parsed: `*` stands for one segment, a final `**` for one or more, all else for itself."""

    segments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, field: str = "address") -> AddressPattern:
        """Read a pattern; a name in braces, as in `merchant:{id}:available`, means `*`.

        Raises `UnknownPattern` for `field` when it is malformed or when the chart has no account that it could match.
        """
        segments = [ONE if _NAMED.fullmatch(segment) else segment for segment in text.split(":")]
        last = len(segments) - 1
        wrong = [
            segment
            for index, segment in enumerate(segments)
            if segment != ONE and not (segment == REST and index == last) and _NAME.fullmatch(segment) is None
        ]
        if wrong or len(text) > ADDRESS_LENGTH_MAX:
            raise UnknownPattern(f"{field} must be {_ALLOWED}", field)
        if not any(_can_meet(segments, row.pattern.split(":")) for row in CHART):
            known = ", ".join(sorted({row.pattern.split(":")[0] for row in CHART}))
            message = f"{field} {text!r} matches no account of the chart; addresses begin with one of {known}"
            raise UnknownPattern(message, field)
        return cls(tuple(segments))

    @property
    def exact(self) -> bool:
        """Whether it is an address itself, and so matches at most that one."""
        return not any(segment in (ONE, REST) for segment in self.segments)

    def matches(self, address: str) -> bool:
        """Whether this address (of an account that exists, hence well formed) is meant."""
        have = address.split(":")
        wanted = self.segments
        if wanted[-1] == REST:
            wanted = wanted[:-1]
            if len(have) <= len(wanted):
                return False
        elif len(have) != len(wanted):
            return False
        return all(want in (ONE, name) for want, name in zip(wanted, have, strict=False))

    def to_sql_regex(self) -> str:
        """The pattern as a POSIX regular expression for `address ~ %s`, anchored at both ends; matches exactly."""
        parts = []
        for segment in self.segments:
            if segment == REST:
                parts.append(f"{_ANY_NAME}(:{_ANY_NAME})*")
            else:
                parts.append(_ANY_NAME if segment == ONE else segment.replace(".", r"\."))
        return f"^{':'.join(parts)}$"

    def to_sql_like(self) -> str:
        """The pattern for `address LIKE %s` (escape character: backslash), which an index can serve.

        LIKE knows no segments, so this lets through more than is meant; add `to_sql_regex` unless the pattern is exact.
        """
        parts = ("%" if segment in (ONE, REST) else _LIKE_SPECIAL.sub(r"\\\g<0>", segment) for segment in self.segments)
        return ":".join(parts)

    def __str__(self) -> str:
        return ":".join(self.segments)


def _can_meet(one: list[str], other: list[str]) -> bool:
    """Whether some address matches both patterns."""
    first, second = (pattern[:-1] if pattern[-1] == REST else pattern for pattern in (one, other))
    open_ended = (one[-1] == REST, other[-1] == REST)
    shortest, longest = len(first) + open_ended[0], len(second) + open_ended[1]
    if (shortest < longest and not open_ended[0]) or (longest < shortest and not open_ended[1]):
        return False
    return all(ONE in (mine, yours) or mine == yours for mine, yours in zip(first, second, strict=False))
