"""How the SDK reaches Stripe: over our own HTTP client, so that time-outs are ours and what was never sent is known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import httpx
import msgspec
import stripe

from rails.http_calls import NOTHING_LEFT, retry_after_s

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONNECTIONS: Final = 64


def connections() -> httpx.Client:
    """One pool for all threads and operations. A proxy that the environment names is used, as the way out of a closed
    network."""
    return httpx.Client(limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS))


class Transport(stripe.HTTPClient):
    """One operation's way over the connections of all. Unlike the SDK's own clients it tells connecting from reading,
    and sends nothing twice."""

    name = "httpx"

    def __init__(self, client: httpx.Client, timeout: httpx.Timeout) -> None:
        super().__init__()
        self._client, self._timeout = client, timeout

    def request(  # type: ignore[override]  # the SDK's own clients give bytes where it promises text
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One request. Raises the SDK's `APIConnectionError` when no whole reply came, and its `APIError` for a reply
        that is no object of Stripe's, over which the SDK itself would stumble."""
        try:
            response = self._client.request(method, url, headers=headers, content=post_data, timeout=self._timeout)
        except httpx.HTTPError as error:
            failed: Callable[[str], stripe.APIConnectionError] = stripe.APIConnectionError
            raise failed(type(error).__name__) from error
        if not _is_stripes(response):
            told = dict(response.headers)
            raise stripe.APIError("not a reply of Stripe's", http_status=response.status_code, headers=told)
        return response.content, response.status_code, response.headers

    def close(self) -> None:
        """The connections are not its own."""


def _is_stripes(response: httpx.Response) -> bool:
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return isinstance(body, dict) and (response.is_success or isinstance(body.get("error"), dict))


def retry_after_of(error: stripe.StripeError) -> float | None:
    """For how long Stripe asks to be left alone with this request; infinite where it says that sending it again would
    bring the same."""
    headers = httpx.Headers(dict(error.headers or {}))
    if headers.get("Stripe-Should-Retry") == "false":
        return math.inf
    return retry_after_s(error.http_status or 0, headers)


def was_never_sent(error: stripe.APIConnectionError) -> bool:
    """Whether it is certain that no byte of the request left."""
    return isinstance(error.__cause__, NOTHING_LEFT)
