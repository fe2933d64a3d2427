"""What adapters that speak HTTP have in common: how long they wait, and what a failed call says about the money."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import httpx
import msgspec

from rails.port import NotSent, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_TIMEOUT_SECONDS: Final = 2.0
"""A connection that is not there within 2 s will not be there."""
DEFAULT_READ_TIMEOUT_SECONDS: Final = 25.0
"""The middle of the usual 20 to 30 s: shorter than the rail's slowest honest answers means asking for unknown
outcomes."""
LONGEST_READ_TIMEOUT_SECONDS: Final = 300.0
NOTHING_LEFT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""No connection was made or to be had: no byte of the request is anywhere but here. Anything that happens on an open
connection leaves it open whether the request arrived."""


def read_timeout(settings: Mapping[str, str], invalid: type[ValueError]) -> float:
    """The rail's setting of that name, in seconds. Raises `invalid`."""
    given = settings.get("read_timeout", str(DEFAULT_READ_TIMEOUT_SECONDS))
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_READ_TIMEOUT_SECONDS:
        raise invalid(f"read_timeout is {given!r}: give seconds, above 0 and at most {LONGEST_READ_TIMEOUT_SECONDS:g}")
    return seconds


def sent(client: httpx.Client, request: httpx.Request) -> httpx.Response | NotSent | Unknown:
    """One request, never repeated here; any whole response, whatever its status."""
    try:
        return client.send(request)
    except NOTHING_LEFT as error:
        return NotSent(f"{type(error).__name__}: {error}")
    except httpx.HTTPError as error:
        return Unknown(f"{type(error).__name__}: {error}")


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
