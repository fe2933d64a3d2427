"""What adapters that speak HTTP have in common: how long they wait, and what a failed call says about the money."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import httpx
import msgspec

from rails.port import NotSent, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONNECT_TIMEOUT_SECONDS: Final = 2.0
"""A connection that is not there within 2 s will not be there."""
DEFAULT_READ_TIMEOUT_SECONDS: Final = 25.0
"""The middle of the usual 20 to 30 s: shorter than the rail's slowest honest answers means asking for unknown
outcomes."""
LONGEST_READ_TIMEOUT_SECONDS: Final = 300.0
USUAL_TIMEOUT: Final = "read_timeout"
BUSY: Final = frozenset({429, 503})
"""Statuses with which a peer may say when it wants to be asked again."""
NOTHING_LEFT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""No connection was made or to be had: no byte of the request is anywhere but here. Anything that happens on an open
connection leaves it open whether the request arrived."""


@dataclass(frozen=True, slots=True)
class ReadTimeouts:
    """How long a rail's answer is waited for, in seconds: `usual_s`, and `by_operation` where that differs. Confirming
    a card takes a bank seconds; an inquiry that takes as long is better asked again."""

    usual_s: float = DEFAULT_READ_TIMEOUT_SECONDS
    by_operation: Mapping[str, float] = field(default_factory=dict)

    def of(self, operation: str) -> httpx.Timeout:
        """The time-outs of one request, those of getting a connection among them."""
        seconds = self.by_operation.get(operation, self.usual_s)
        return httpx.Timeout(seconds, connect=CONNECT_TIMEOUT_SECONDS, pool=CONNECT_TIMEOUT_SECONDS)


def read_timeouts(settings: Mapping[str, str], operations: Iterable[str], invalid: type[ValueError]) -> ReadTimeouts:
    """The rail's setting `read_timeout`, and for an operation of its own `read_timeout.authorise`. Raises `invalid`."""
    usual_s = _seconds(settings, USUAL_TIMEOUT, invalid) or DEFAULT_READ_TIMEOUT_SECONDS
    given = {operation: _seconds(settings, f"{USUAL_TIMEOUT}.{operation}", invalid) for operation in operations}
    return ReadTimeouts(usual_s, {operation: seconds for operation, seconds in given.items() if seconds is not None})


def _seconds(settings: Mapping[str, str], name: str, invalid: type[ValueError]) -> float | None:
    given = settings.get(name)
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_READ_TIMEOUT_SECONDS:
        raise invalid(f"{name} is {given!r}: give seconds, above 0 and at most {LONGEST_READ_TIMEOUT_SECONDS:g}")
    return seconds


def sent(client: httpx.Client, request: httpx.Request) -> httpx.Response | NotSent | Unknown:
    """One request, never repeated here; any whole response, whatever its status."""
    try:
        return client.send(request)
    except NOTHING_LEFT as error:
        return NotSent(f"{type(error).__name__}: {error}")
    except httpx.HTTPError as error:
        return Unknown(f"{type(error).__name__}: {error}")


def retry_after_s(status: int, headers: Mapping[str, str]) -> float | None:
    """For how long a peer asks to be left alone; None where it does not say so in words that can be read.

    >>> retry_after_s(503, {"Retry-After": "120"}), retry_after_s(500, {"Retry-After": "120"})
    (120.0, None)
    """
    given = headers.get("Retry-After", "").strip() if status in BUSY else ""
    if given.isascii() and given.isdecimal():
        return float(given)
    try:
        until = parsedate_to_datetime(given)
    except (ValueError, IndexError):  # the library's own reader of dates stumbles over some texts
        return None
    # a date without a zone is of RFC 9110 all the same, which knows GMT only
    until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def undecided(response: httpx.Response) -> Unknown:
    """A response that decides nothing, and how soon the peer wants to hear of it again."""
    return Unknown(unexpected(response), retry_after_s(response.status_code, response.headers))


def problem_code(response: httpx.Response) -> str | None:
    """The `code` of a problem document. A 404 of a proxy or of a wrong address must not pass for the rail's word that
    it knows nothing."""
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, str) else None


def unexpected(response: httpx.Response) -> str:
    """A response that decides nothing, in words for the log."""
    return f"status {response.status_code}, code {problem_code(response)!r}"
