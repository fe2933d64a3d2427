"""When a request is about: a position or a time that has passed, and what cannot be said of a moment yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Flask, Response
from marshmallow import Schema

from api.fields import Position
from api.problem import ProblemError, problem_response
from api.query_fields import AsOf
from api.services import current_services
from projections.queries import PastUnderWay, ViewsApart

WAIT_S = 2.0
PAUSE_S = 0.02
AS_OF = {"description": "As of a position of the log, or of a time that has passed; the present unless given"}
AS_OF_ANSWERED = {"description": "The position that was asked for; only where one was"}


class MomentQuery(Schema):
    """As of when; the present unless given."""

    as_of = AsOf(load_default=None, metadata=AS_OF)


def answered_as_of() -> Position:
    """The field of a single thing's schema that says as of when it is shown."""
    return Position(metadata=AS_OF_ANSWERED)


def position_of(as_of: int | datetime | None, field: str = "as_of") -> int | None:
    """The position that a position or a time means, once all that will ever stand up to it can be read.

    Raises MomentNotReached, naming the field, and `ProblemError` 503 when what is being written takes long.
    """
    if as_of is None:
        return None
    queries = current_services().queries
    position = queries.position_as_of(as_of, field)
    waited_for(lambda: queries.settled(position), lambda: f"What stands up to position {position} is being written")
    return position


def version_of(stream_id: UUID, as_of: int | None) -> int | None:
    """The version that a stream had come to at a position: 0 before there was anything of it, None for now."""
    return None if as_of is None else current_services().queries.version_as_of(stream_id, as_of)


def waited_for(come: Callable[[], bool], waiting: Callable[[], str]) -> None:
    """Return once something has come; raises `ProblemError` 503 that says what for when it does not in time."""
    deadline = time.monotonic() + WAIT_S
    while not come():
        if time.monotonic() >= deadline:
            raise _ask_again(f"{waiting()}; ask again.")
        time.sleep(PAUSE_S)


def as_known(document: dict[str, Any], as_of: int | None) -> dict[str, Any]:
    """A single thing's document, which says as of when it is if it is not about the present."""
    return document if as_of is None else {**document, "as_of": str(as_of)}


def answer_moments(app: Flask) -> None:
    """Answer 503 to what cannot be said for the moment, and can be soon."""

    def later(error: Exception) -> Response:
        return problem_response(_ask_again(str(error)))

    app.register_error_handler(ViewsApart, later)
    app.register_error_handler(PastUnderWay, later)


def _ask_again(detail: str) -> ProblemError:
    return ProblemError(503, "view_behind", detail, headers={"Retry-After": "1"})
