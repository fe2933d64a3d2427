"""How files get to the bank and back: `BankApi` is all that the rail needs of a channel, `HttpBank` is the one we have.

Another channel (EBICS, files by SFTP) is another class with these four methods.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final, Literal, Protocol

import httpx
import msgspec

from rails.http_calls import ReadTimeouts, problem_code, sent, undecided
from rails.port import NotSent, Unknown
from rails.sepa import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECTIONS: Final = 16
PAGE: Final = 500
NEXT_AFTER: Final = "X-Next-After"
XML: Final = "application/xml"


class DebitState(msgspec.Struct, frozen=True):
    """What the bank knows of a direct debit it was sent. `booked` is when money came in, `returned` once it went back;
    `reason` is of a rejection. `entry` is the booking's number, None before there was one."""

    end_to_end_id: str
    creditor_iban: str
    amount_minor: int
    currency: str
    status: Literal["accepted", "rejected", "booked", "returned"]
    reason: str | None
    book_on: date | None
    entry: int | None


class _Debits(msgspec.Struct, frozen=True):
    direct_debits: tuple[DebitState, ...]


class BookingsPage(msgspec.Struct, frozen=True):
    """Bookings as camt.054, and where to go on. `document` is None when there is nothing after."""

    document: bytes | None
    next_after: int


class BankApi(Protocol):
    """A channel to one bank. Nothing raises for what the bank or the network does."""

    def submit(self, file: bytes) -> bytes | NotSent | Unknown:
        """Sends a pain.008; the bank's pain.002 on it."""

    def debits(self, end_to_end_id: str) -> tuple[DebitState, ...] | NotSent | Unknown:
        """All that the bank was ever sent under that id, oldest first."""

    def bookings(self, iban: str, after: int) -> BookingsPage | NotSent | Unknown:
        """The next bookings on an account after a number; 0 begins at the first."""

    def statement(self, iban: str, day: date) -> bytes | NotSent | Unknown | None:
        """The camt.053 of a day that is over; None when there is none."""

    def close(self) -> None:
        """Releases connections."""


class HttpBank:
    """The bank's HTTP interface, as `rails/simulator/README.md` describes it. One pool, shared by calling threads."""

    def __init__(self, url: str, timeouts: ReadTimeouts, transport: httpx.BaseTransport | None = None) -> None:
        self._timeouts = {operation: timeouts.of(operation) for operation in OPERATIONS}
        self._client = httpx.Client(
            base_url=url,
            transport=transport,
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
            trust_env=False,
        )

    def submit(self, file: bytes) -> bytes | NotSent | Unknown:
        """One POST."""
        headers, timeout = {"Content-Type": XML}, self._timeouts["authorise"]
        request = self._client.build_request(
            "POST", "/bank/v1/direct-debits", content=file, headers=headers, timeout=timeout
        )
        response = sent(self._client, request)
        if not isinstance(response, httpx.Response):
            return response
        return response.content if _is_document(response) else undecided(response)

    def debits(self, end_to_end_id: str) -> tuple[DebitState, ...] | NotSent | Unknown:
        """One GET."""
        response = self._get("inquire", "/bank/v1/direct-debits", {"end_to_end_id": end_to_end_id, "limit": str(PAGE)})
        if not isinstance(response, httpx.Response):
            return response
        if response.status_code != 200:
            return undecided(response)
        try:
            return msgspec.json.decode(response.content, type=_Debits).direct_debits
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return Unknown(f"the reply cannot be read: {error}")

    def bookings(self, iban: str, after: int) -> BookingsPage | NotSent | Unknown:
        """One GET."""
        path = f"/bank/v1/accounts/{iban}/notifications"
        response = self._get("facts", path, {"after": str(after), "limit": str(PAGE)})
        if not isinstance(response, httpx.Response):
            return response
        if _knows_nothing(response):
            return BookingsPage(None, after)
        following = response.headers.get(NEXT_AFTER, "")
        if not (_is_document(response) and following.isascii() and following.isdigit()):
            return undecided(response)
        return BookingsPage(response.content if int(following) > after else None, max(int(following), after))

    def statement(self, iban: str, day: date) -> bytes | NotSent | Unknown | None:
        """One GET."""
        response = self._get("facts", f"/bank/v1/accounts/{iban}/statements/{day.isoformat()}", {})
        if not isinstance(response, httpx.Response):
            return response
        if _knows_nothing(response):
            return None
        return response.content if _is_document(response) else undecided(response)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _get(self, operation: str, path: str, query: Mapping[str, str]) -> httpx.Response | NotSent | Unknown:
        timeout = self._timeouts[operation]
        return sent(self._client, self._client.build_request("GET", path, params=dict(query), timeout=timeout))


def _is_document(response: httpx.Response) -> bool:
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
    return response.status_code == 200 and kind in (XML, "text/xml")


def _knows_nothing(response: httpx.Response) -> bool:
    """A 404 of a proxy or of a wrong address must not pass for the bank's word that there is nothing."""
    return response.status_code == 404 and problem_code(response) in ("not_found", "not_ready")
