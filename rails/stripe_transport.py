"""How the SDK reaches Stripe: over our own HTTP client, so that time-outs are ours and what was never sent is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx
import msgspec
import stripe

from rails.http_calls import CONNECT_TIMEOUT_SECONDS, NOTHING_LEFT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONNECTIONS: Final = 64


class Transport(stripe.HTTPClient):
    """One pool of connections for all threads. Unlike the SDK's own clients it tells connecting from reading, and sends
    nothing twice. A proxy that the environment names is used, as the way out of a closed network."""

    name = "httpx"

    def __init__(self, read_timeout: float) -> None:
        super().__init__()
        self._client = httpx.Client(
            timeout=httpx.Timeout(read_timeout, connect=CONNECT_TIMEOUT_SECONDS, pool=CONNECT_TIMEOUT_SECONDS),
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        )

    def request(  # type: ignore[override]  # the SDK's own clients give bytes where it promises text
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One request. Raises the SDK's `APIConnectionError` when no whole reply came, and its `APIError` for a reply
        that is no object of Stripe's, over which the SDK itself would stumble."""
        try:
            response = self._client.request(method, url, headers=headers, content=post_data)
        except httpx.HTTPError as error:
            failed: Callable[[str], stripe.APIConnectionError] = stripe.APIConnectionError
            raise failed(type(error).__name__) from error
        if not _is_stripes(response):
            raise stripe.APIError("not a reply of Stripe's", http_status=response.status_code)
        return response.content, response.status_code, response.headers

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


def _is_stripes(response: httpx.Response) -> bool:
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return isinstance(body, dict) and (response.is_success or isinstance(body.get("error"), dict))


def was_never_sent(error: stripe.APIConnectionError) -> bool:
    """Whether it is certain that no byte of the request left."""
    return isinstance(error.__cause__, NOTHING_LEFT)
