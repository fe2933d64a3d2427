"""Every answer that is not a success: a problem document that names what is wrong and where."""

from __future__ import annotations

import json


class Problem(Exception):
    """An answer that is not a success, as RFC 9457 wants it.

    `field` names the member, header or element that has to be changed. `decline_class` is set exactly when the rail has
    decided that nothing moves: it is what tells a client that the outcome is known.
    """

    def __init__(
        self, status: int, code: str, detail: str, decline_class: str | None = None, *, field: str | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.decline_class = decline_class
        self.field = field

    def as_json(self) -> str:
        """The problem document; `type` is a URN because the simulator has no pages to link to."""
        members: dict[str, object] = {
            "type": f"urn:rails-simulator:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.field is not None:
            members["field"] = self.field
        if self.decline_class is not None:
            members["decline_class"] = self.decline_class
        return json.dumps(members)


def invalid(field: str, must: str) -> Problem:
    """The problem of a field that is not what it must be."""
    return Problem(400, "invalid_request", f"{field} {must}", field=field)
