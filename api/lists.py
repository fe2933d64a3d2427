"""Lists that come from views: pages by cursor, and `at_least` for those who have just written.

A view trails the log by milliseconds. Every page says how far its view has come (`position`); who must see a write of
theirs sends its position as `at_least` and the request waits briefly for the view.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from flask import Response
from marshmallow import Schema, fields, validate

from api.fields import Position
from api.json_response import json_response
from api.problem import ProblemError

AT_LEAST_WAIT_S = 2.0
AT_LEAST_PAUSE_S = 0.02


class ViewPage(Protocol):
    """A page of a view: rows ready to show, and the cursor of the next page, None on the last."""

    @property
    def items(self) -> Sequence[Mapping[str, Any]]:
        """Rows in the order of the list."""

    @property
    def next_cursor(self) -> str | None:
        """What to send as `cursor` for the rows after these."""


class ViewPositions(Protocol):
    """What knows how far views have come."""

    def position(self, view: str) -> int:
        """How far the live build of a view has come; 0 before it has started."""


class CursorQuery(Schema):
    """What every list of a view takes."""

    cursor = fields.String(
        load_default=None,
        validate=validate.Length(min=1, max=500),
        metadata={"description": "next_cursor of the page before"},
    )
    at_least = Position(
        load_default=0, metadata={"description": "Wait until the view has come this far; 503 when it does not in time"}
    )


def view_page(queries: ViewPositions, view: str, at_least: int, fetch: Callable[[], ViewPage], **more: Any) -> Response:
    """Answer a page of `view` once it has come to `at_least`; raises `ProblemError` 503 when it does not in time.

    `more` are members of the answer beside the page.
    """
    position = reached(queries, view, at_least)
    page = fetch()
    return json_response({"items": page.items, "next_cursor": page.next_cursor, "position": str(position), **more})


def reached(queries: ViewPositions, view: str, at_least: int) -> int:
    """The view's position, read before the rows: a page may show more than it promises, never less."""
    deadline = time.monotonic() + AT_LEAST_WAIT_S
    while (position := queries.position(view)) < at_least:
        if time.monotonic() >= deadline:
            raise ProblemError(
                503,
                "view_behind",
                f"The view has come to position {position}, not yet to {at_least}; ask again.",
                headers={"Retry-After": "1"},
            )
        time.sleep(AT_LEAST_PAUSE_S)
    return position
