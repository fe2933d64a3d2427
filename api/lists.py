"""Lists that come from views: pages by cursor, and `at_least` for those who have just written.

A view trails the log by milliseconds. Every page says how far its view has come (`position`); who must see a write of
theirs sends its position as `at_least` and the request waits briefly for the view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from flask import Response
from marshmallow import Schema, fields

from api.fields import Cursor, Position
from api.json_response import json_response
from api.moments import AS_OF, position_of, waited_for
from api.query_fields import AsOf
from api.services import current_services


class ViewPage(Protocol):
    """A page of a view: rows ready to show, and the cursor of the next page, None on the last."""

    @property
    def items(self) -> Sequence[Mapping[str, Any]]:
        """Rows in the order of the list."""

    @property
    def next_cursor(self) -> str | None:
        """What to send as `cursor` for the rows after these."""


class CursorQuery(Schema):
    """What every list takes that is about the present."""

    cursor = Cursor()
    at_least = Position(
        load_default=0, metadata={"description": "Wait until the view has come this far; 503 when it does not in time"}
    )


class ViewQuery(CursorQuery):
    """What every list of a view takes."""

    as_of = AsOf(load_default=None, metadata=AS_OF)


class ViewPageSchema(Schema):
    """A page of rows. `position` is how far the view has come, `as_of` the position that was asked for (null: now)."""

    items = fields.List(fields.Dict(), required=True)
    next_cursor = fields.String(required=True, allow_none=True)
    position = Position(required=True)
    as_of = Position(required=True, allow_none=True)


class Asked(NamedTuple):
    """Which page of a list, and of when."""

    cursor: str | None
    limit: int
    at_least: int
    as_of: int | None


def taken_page(query: dict[str, Any]) -> Asked:
    """What every list of a view takes, out of the query. Raises MomentNotReached."""
    cursor, limit, at_least = (query.pop(name) for name in ("cursor", "limit", "at_least"))
    return Asked(cursor, limit, at_least, position_of(query.pop("as_of")))


def view_page(view: str, page: Asked, fetch: Callable[..., ViewPage]) -> Response:
    """Answer a page of `view` once it has come to `at_least`, and to `as_of` where the page is about then.

    `fetch` is called with `cursor`, `limit` and `as_of`. Raises `ProblemError` 503 when the view does not come in time.
    """
    position = reached(view, max(page.at_least, page.as_of or 0))
    found = fetch(cursor=page.cursor, limit=page.limit, as_of=page.as_of)
    answer = {"items": found.items, "next_cursor": found.next_cursor, "position": str(position)}
    return json_response(answer | {"as_of": None if page.as_of is None else str(page.as_of)})


def reached(view: str, at_least: int) -> int:
    """The view's position, read before the rows: a page may show more than it promises, never less."""
    queries, position = current_services().queries, 0

    def come() -> bool:
        nonlocal position
        position = queries.position(view)
        return position >= at_least

    waited_for(come, lambda: f"The view has come to position {position}, not yet to {at_least}")
    return position
