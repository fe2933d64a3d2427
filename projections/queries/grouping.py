"""By what numbers of many wallets are summed: always per currency and kind, and by what the caller adds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from domain.errors import RuleViolation
from projections.queries.reading import CursorUnreadable, Row, decoded

GROUPS_MAX = 3
_SEGMENT = re.compile(r"segment\.([1-9][0-9]?)")
_METADATA = re.compile(r"metadata\.([A-Za-z0-9_.-]{1,40})")
_ALWAYS = {"currency": "b.currency", "kind": "b.account_kind"}


class GroupUnknown(RuleViolation):
    """Wallets are grouped by what they are: address, a segment of it, kind, currency, or a note on them."""

    code: ClassVar[str] = "group_unknown"


@dataclass(frozen=True)
class Grouping:
    """Names of groups in the order asked for, beside currency and kind, which are always there."""

    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, field: str = "group_by") -> Grouping:
        """Read names joined by commas: `segment.2`, `address`, `metadata.KEY`, `kind`, `currency`.

        Raises GroupUnknown.
        """
        names = tuple(name for name in dict.fromkeys(text.split(",")) if name not in ("", *_ALWAYS))
        for name in names:
            if name != "address" and not _SEGMENT.fullmatch(name) and not _METADATA.fullmatch(name):
                known = ("address", "segment.1 to segment.99", "metadata.KEY", "kind", "currency")
                message = f"{field} must be names joined by commas, each one of {', '.join(known)}"
                raise GroupUnknown(message, field)
        if len(names) > GROUPS_MAX:
            raise GroupUnknown(f"{field} takes at most {GROUPS_MAX} names beside kind and currency", field)
        return cls(names)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of the keys in a result, in their order."""
        return ("currency", "account_kind", *(f"group_{number}" for number in range(len(self.names))))

    @cached_property
    def keys(self) -> str:
        """What each wallet `b` is grouped by, as columns."""
        texts = ["b.currency", "b.account_kind"]
        for number, name in enumerate(self.names):
            texts.append(f"{_expression(name, number)} as group_{number}")
        return ", ".join(texts)

    @property
    def groups(self) -> str:
        """The names of the columns."""
        return ", ".join(self.columns)

    @property
    def parameters(self) -> Row:
        """The keys of metadata that the expressions take."""
        found: Row = {}
        for number, name in enumerate(self.names):
            match = _METADATA.fullmatch(name)
            if match is not None:
                found[f"key_{number}"] = match[1]
        return found

    def after(self, cursor: str | None) -> tuple[str, Row]:
        """The condition on groups that come after a cursor, and its parameters. Raises CursorUnreadable."""
        if cursor is None:
            return "", {}
        texts = decoded(cursor, list[str])
        if len(texts) != len(self.columns):
            raise CursorUnreadable("cursor belongs to a list with another group_by", "cursor")
        places = {f"place_{number}": text for number, text in enumerate(texts)}
        return f"where ({self.groups}) > ({', '.join(f'%({name})s' for name in places)})", places

    def shown(self, rows: list[Row]) -> list[Row]:
        """Rows with their keys by name, under `group`; a wallet without that note, or segment, has null."""
        for row in rows:
            found = {name: row.pop(f"group_{number}") or None for number, name in enumerate(self.names)}
            if self.names:
                row["group"] = found
        return rows

    def place(self, row: Row) -> list[Any]:
        """Where a shown row stands in the order of groups."""
        return [row["currency"], row["account_kind"], *(text or "" for text in row.get("group", {}).values())]


def _expression(name: str, number: int) -> str:
    segment = _SEGMENT.fullmatch(name)
    if segment is not None:
        return f"split_part(b.address, ':', {segment[1]})"
    if name == "address":
        return "b.address"
    return f"coalesce(b.metadata ->> %(key_{number})s, '')"


ONLY_KINDS = Grouping()
