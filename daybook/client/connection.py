"""How a call travels: with a key that makes repeating it safe, repeated while no answer comes, answered as a model.

A request that was sent and not answered may have been carried out. Because the same key goes along each time, asking
again cannot do it twice: the second answer is the first one's.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx
from pydantic import ValidationError

from daybook.client.answer import Answer
from daybook.client.errors import DaybookError, NoAnswer, UnexpectedAnswer, problem

RETRIED_STATUSES = frozenset({429, 503, 504})
WAIT_MARGIN_S = 5.0
# Nothing that is repeated makes these right.
_HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)

Found = TypeVar("Found", bound=Answer)


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often and how long apart a call is repeated; seconds.

    The pause before repetition n lies anywhere between 0 and `first_s * 2**n`, at most `longest_s` (capped exponential
    back-off with full jitter), and never under what a Retry-After header asks for. `sleep` and `chance` (0 to 1) are
    there for tests.
    """

    attempts: int = 8
    first_s: float = 0.1
    longest_s: float = 5.0
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def pause_s(self, repetition: int, retry_after_s: float = 0.0) -> float:
        """How long to wait before repetition 0, 1, ..."""
        return max(retry_after_s, self.chance() * min(self.longest_s, self.first_s * 2.0**repetition))


class Connection:
    """One API, one API key. Safe to share between threads, as httpx is."""

    def __init__(self, http: httpx.Client, retries: Retries) -> None:
        self._http = http
        self._retries = retries

    def ask(
        self,
        model: type[Found],
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
        wait_s: int | None = None,
        also: int | None = None,
    ) -> Found:
        """The answer to one call, `replayed` set where the API says so. `also` is an error status that counts as one.

        Raises a `Problem`, NoAnswer, UnexpectedAnswer.
        """
        response = self.send(method, path, query=query, body=body, key=key, wait_s=wait_s, also=also)
        try:
            answer = model.model_validate_json(response.content)
        except ValidationError as wrong:
            raise UnexpectedAnswer(f"{method} {path}: {wrong}", key) from None
        if response.headers.get("Idempotent-Replayed") == "true":
            return answer.model_copy(update={"replayed": True})
        return answer

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
        wait_s: int | None = None,
        also: int | None = None,
    ) -> httpx.Response:
        """As `ask`, with the answer as it came."""
        request = self._request(method, path, query, body, key, wait_s)
        repetition = 0
        while True:
            last = repetition + 1 >= self._retries.attempts
            retry_after_s = 0.0
            try:
                response = self._http.send(request)
            except _HOPELESS as wrong:
                raise DaybookError(f"{method} {path}: {wrong}", key) from wrong
            except httpx.TransportError as away:
                if last:
                    raise NoAnswer(f"{method} {path}: {type(away).__name__} {away}".rstrip(), key) from away
            else:
                if response.is_success or response.status_code == also:
                    return response
                if last or response.status_code not in RETRIED_STATUSES:
                    raise problem(response.status_code, _document(response, key), key)
                retry_after_s = _retry_after_s(response)
            self._retries.sleep(self._retries.pause_s(repetition, retry_after_s))
            repetition += 1

    def messages(self, model: type[Found], path: str, last_event_id: str | None = None) -> Iterator[tuple[str, Found]]:
        """Ids and data of a stream of Server-Sent Events, until the server ends it.

        Raises a `Problem`, NoAnswer when it cannot be reached, or is cut off, and UnexpectedAnswer.
        """
        headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        try:
            with self._http.stream("GET", path, headers=headers) as response:
                if not response.is_success:
                    response.read()
                    raise problem(response.status_code, _document(response, None), None)
                for number, data in _blocks(response.iter_lines()):
                    try:
                        yield number, model.model_validate_json(data)
                    except ValidationError as wrong:
                        raise UnexpectedAnswer(f"GET {path}: {wrong}") from None
        except httpx.TransportError as away:
            raise NoAnswer(f"GET {path}: {type(away).__name__} {away}".rstrip(), None) from away

    def pause(self, seconds: float) -> None:
        """Wait between two calls, by the clock of the retries."""
        self._retries.sleep(seconds)

    def rows(self, model: type[Found], path: str, query: Mapping[str, Any]) -> Iterator[Found]:
        """The rows of a list, page after page; each page is asked for when its first row is wanted."""
        cursor: str | None = None
        while True:
            response = self.send("GET", path, query={**query, "cursor": cursor})
            try:
                page = json.loads(response.content)
                found = [model.model_validate_json(json.dumps(row)) for row in page["items"]]
                cursor = page["next_cursor"]
            except (ValueError, KeyError, TypeError) as wrong:
                raise UnexpectedAnswer(f"GET {path}: {wrong}") from None
            yield from found
            if cursor is None:
                return

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
        key: str | None,
        wait_s: int | None,
    ) -> httpx.Request:
        headers = {} if key is None else {"Idempotency-Key": key}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body, default=_plain).encode()
        timeout = self._http.timeout
        if wait_s is not None:
            headers["Prefer"] = f"wait={wait_s}"
            if timeout.read is not None:  # the answer is allowed to take that long
                timeout = httpx.Timeout(**{**timeout.as_dict(), "read": timeout.read + wait_s + WAIT_MARGIN_S})
        given = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        return self._http.build_request(method, path, params=given, content=content, headers=headers, timeout=timeout)


def _blocks(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Id and data of each message; a message without data is a comment, or the pause before one comes back."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name:
            fields[name] = value.removeprefix(" ")
        elif not line:
            if "data" in fields:
                yield fields.get("id", ""), fields["data"]
            fields = {}


def given(**fields: Any) -> dict[str, Any]:
    """The fields that are not None: what is left out means what the API's document says."""
    return {name: value for name, value in fields.items() if value is not None}


def in_path(part: object) -> str:
    """An id or an address as one segment of a path."""
    return quote(str(part), safe="")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(_plain(value)) if isinstance(value, date | UUID) else str(value)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no offset: it would mean another moment on each machine")
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


def _document(response: httpx.Response, key: str | None) -> dict[str, Any]:
    try:
        document = json.loads(response.content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UnexpectedAnswer(f"{response.status_code} without a problem document", key)
    return document


def _retry_after_s(response: httpx.Response) -> float:
    """Seconds of a Retry-After header, in either of its forms; 0 without one that can be read."""
    text = response.headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0
