"""A rail that answers what a test tells it to, for what no real one can be made to do at will."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rails.port import (
    AuthoriseReply,
    AuthoriseRequest,
    CaptureReply,
    CaptureRequest,
    InquiryReply,
    InquiryRequest,
    VoidReply,
    VoidRequest,
)
from rails.simulated import SimulatedRail

WITH_KEYS = SimulatedRail.capabilities
WITHOUT_KEYS = replace(WITH_KEYS, idempotency_keys=False)


class Answering:
    """A rail that gives these replies in turn to whatever it is asked, the last one for ever."""

    name = "scripted"

    def __init__(self, *replies: Any, capabilities: Any = WITH_KEYS) -> None:
        self.capabilities = capabilities
        self.replies = list(replies)
        self.asked: list[Any] = []

    def _next(self, request: Any) -> Any:
        self.asked.append(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def authorise(self, request: AuthoriseRequest) -> AuthoriseReply:
        return self._next(request)

    def capture(self, request: CaptureRequest) -> CaptureReply:
        return self._next(request)

    def void(self, request: VoidRequest) -> VoidReply:
        return self._next(request)

    def inquire(self, request: InquiryRequest) -> InquiryReply:
        return self._next(request)

    def facts(self, after: int) -> Any:
        return self._next(after)

    def close(self) -> None:
        return None
