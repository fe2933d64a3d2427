"""The one root of every refusal the domain makes, so that callers can answer all of them in one place."""

from __future__ import annotations

from typing import ClassVar


class RuleViolation(Exception):
    """A command broke a rule of the books; nothing was recorded.

    Subclasses are named after the rule they protect and live beside it. `code` is stable and machine-readable (it ends
    up in problem documents and in `posting.refused` events); `field` names the input to change, when there is one.
    """

    code: ClassVar[str] = "rule_violation"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
