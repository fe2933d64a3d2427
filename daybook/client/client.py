"""The client: one API, one API key, everything that it can be asked, by resource."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import httpx

from daybook.client.books import Adjustments, ClosedPeriods, Events, Monitors, Probes, Sums
from daybook.client.connection import Connection, Retries
from daybook.client.holds import Holds
from daybook.client.movements import Bulks, Postings, Transfers
from daybook.client.orders import Merchants, PaymentOrders
from daybook.client.rails import Rails
from daybook.client.replays import Replays
from daybook.client.wallets import Wallets


class Client:
    """Asks a Daybook API; safe to share between threads. Use it in a `with` block, or `close` it.

    Calls that change something are repeated with their key while no answer comes, so each has one effect. Each call
    raises a `Problem` (what the API says no with), NoAnswer (unknown whether it happened) or UnexpectedAnswer.
    """

    def __init__(
        self,
        url: str,
        api_key: str = "",
        *,
        timeout_s: float = 10.0,
        retries: Retries | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        """`timeout_s` is for each try. `http` brings proxies, certificates or a transport; its address and key are
        set here, and it is closed with this client."""
        self._http = http or httpx.Client(timeout=timeout_s)
        self._http.base_url = httpx.URL(url)
        if api_key:
            self._http.headers["Authorization"] = f"Bearer {api_key}"
        connection = Connection(self._http, retries or Retries())
        self.merchants = Merchants(connection)
        self.wallets = Wallets(connection)
        self.transfers = Transfers(connection)
        self.postings = Postings(connection)
        self.holds = Holds(connection)
        self.bulks = Bulks(connection)
        self.periods = ClosedPeriods(connection)
        self.monitors = Monitors(connection)
        self.adjustments = Adjustments(connection)
        self.sums = Sums(connection)
        self.payment_orders = PaymentOrders(connection)
        self.events = Events(connection)
        self.replays = Replays(connection)
        self.rails = Rails(connection)
        self.probes = Probes(connection)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
