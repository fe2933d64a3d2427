"""The rail of Stripe: cards by PaymentIntents, over the official SDK.

Its settings: `key` (a secret or restricted key of the account), `url` (default Stripe's own API), `read_timeout` in
seconds (default 25), for an operation of its own such as `read_timeout.inquire`, and `omit`: which of `OPTIONAL`,
separated by commas, are not sent to a server that does not take them. Stripe takes all. Without `capture.metadata` an
inquiry cannot tell which capture took the money.

Stripe finds a payment by its own id at once, by anything else only through a search that lags and that some countries
do not have. So an inquiry needs the reference, and an attempt whose reply was lost is sent again under its key: Stripe
keeps the first answer for at least 24 hours. Later the same key would pay a second time. Source:
docs.stripe.com/api/idempotent_requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from rails.http_calls import read_timeouts
from rails.port import Takes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rails.port import Rail

NAME: Final = "stripe"
TAKES: Final = Takes(token_prefixes=("pm_", "card_", "src_"))
"""PaymentMethods, and what may stand in for one from before there were any."""
OPERATIONS: Final = ("authorise", "capture", "void", "inquire")
DEFAULT_URL: Final = "https://api.stripe.com"
OPTIONAL: Final = frozenset({"create.allowed_payment_method_types", "create.return_url", "capture.metadata"})
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class StripeSettingInvalid(ValueError):
    """A setting of the Stripe rail is missing or cannot be what it says."""


def from_settings(settings: Mapping[str, str]) -> Rail:
    """Raises `StripeSettingInvalid`, whose message never shows the key."""
    # Only here: the SDK is of no use to the processes that do not pay.
    from rails.stripe_intents import StripeRail

    key = settings.get("key", "")
    if not key.startswith(("sk_", "rk_")) or not key.isascii() or not key.replace("_", "").isalnum():
        raise StripeSettingInvalid("key is not a secret key: give one that begins with sk_ or rk_, without spaces")
    omit = frozenset(filter(None, settings.get("omit", "").split(",")))
    if not omit <= OPTIONAL:
        raise StripeSettingInvalid(f"omit is {settings['omit']!r}: give some of {', '.join(sorted(OPTIONAL))}")
    url = _checked_url(settings.get("url", DEFAULT_URL))
    return StripeRail(key, url, read_timeouts(settings, OPERATIONS, StripeSettingInvalid), omit)


def _checked_url(url: str) -> str:
    """The key goes with every request: it may leave this machine encrypted only."""
    parts = urlsplit(url)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not safe or not parts.hostname:
        raise StripeSettingInvalid(f"url is {url!r}: give an https:// address, or an http:// one on this machine")
    return url.rstrip("/")
