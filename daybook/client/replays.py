"""Rebuilds of views: how far they are, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal
from uuid import UUID

from daybook.client.answer import Answer
from daybook.client.connection import Connection, in_path


class ReplayPart(Answer):
    """One worker's share of a rebuild."""

    part: int
    position: str
    events: int
    moved_at: datetime


class Replay(Answer):
    """A rebuild. One that was `interrupted` goes on where it was when it is run again."""

    replay_id: UUID
    view: str
    build: int
    version: int | None
    code_version: str
    state: Literal["running", "interrupted", "done", "failed"]
    problem: str | None
    scope: dict[str, str]
    from_position: str
    position: str
    until: str
    events: int
    percent: float
    seconds: float
    events_per_second: int
    seconds_left: int | None
    streams_set_aside: int
    events_given_up: int
    parts: tuple[ReplayPart, ...]
    started_at: datetime
    resumed_at: datetime | None
    ended_at: datetime | None


class Replays:
    """Rebuilds of views, for those who operate the books. Each call raises a `Problem` or NoAnswer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, *, view: str | None = None, limit: int | None = None) -> Iterator[Replay]:
        """Rebuilds of all views, or of one, newest first."""
        return self._connection.rows(Replay, "/v1/replays", {"view": view, "limit": limit})

    def show(self, replay_id: str | UUID) -> Replay:
        """How far one rebuild is. Raises NotFound."""
        return self._connection.ask(Replay, "GET", f"/v1/replays/{in_path(replay_id)}")
