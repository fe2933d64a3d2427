"""The adapter of the simulator: the rail that newcomers, tests and load runs pay with.

Its settings: `url` (where the simulator listens), `read_timeout` in seconds (default 25), and for an operation of its
own such as `read_timeout.inquire`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import httpx
import msgspec

from rails.facts import FactsPage
from rails.http_calls import ReadTimeouts, problem_code, read_timeouts, sent, undecided
from rails.port import (
    OPERATIONS,
    Authorised,
    Capabilities,
    Captured,
    Declined,
    NotFound,
    NotSent,
    Takes,
    Unknown,
    Voided,
)
from rails.simulated_replies import (
    Authorisation,
    Capture,
    Days,
    Reply,
    Report,
    Told,
    action_of,
    after_day,
    decoded,
    decoded_refusal,
    settled,
    told_of_attempt,
    told_of_capture,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

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

NAME: Final = "simulated"
TAKES: Final = Takes(token_prefixes=("tok_",))
CONNECTIONS: Final = 64
USUAL_TIMEOUTS: Final = ReadTimeouts()


class SimulatorSettingInvalid(ValueError):
    """A setting of the simulated rail is missing or cannot be what it says."""


class SimulatedRail:
    """Speaks the protocol of `rails/simulator/README.md`. One HTTP connection pool, shared by the calling threads."""

    name: Final = NAME
    capabilities: Final = Capabilities(
        authorise=True,
        capture=True,
        partial_capture=True,
        multiple_capture=True,
        void=True,
        inquiry=True,
        idempotency_keys=True,
        calls=True,
        action=True,
        facts=True,
        token_prefixes=TAKES.token_prefixes,
    )

    def __init__(self, url: str, timeouts: ReadTimeouts = USUAL_TIMEOUTS) -> None:
        self._timeouts = {operation: timeouts.of(operation) for operation in OPERATIONS}
        self._client = httpx.Client(
            base_url=url,
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
            trust_env=False,
        )

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def authorise(self, request: AuthoriseRequest) -> AuthoriseReply:
        """One POST under the attempt's key."""
        body = {
            "order_id": request.order_id,
            "attempt": request.attempt,
            "amount_minor": request.amount_minor,
            "currency": request.currency,
            "payment_token": request.payment_token,
            "capture": request.capture,
        }
        if request.return_url is not None:
            body["return_url"] = request.return_url
        reply = self._post("authorise", "/v1/authorisations", request.attempt_key, body, Authorisation)
        if not isinstance(reply, Authorisation):
            return reply
        if reply.attempt_key != request.attempt_key or reply.currency != request.currency:
            return Unknown("the reply is about another attempt or currency")
        if reply.status == "requires_action":
            return action_of(reply)
        if request.capture and reply.status == "captured":
            return Captured(reply.id, reply.captured_minor, reply.cost_minor)
        if not request.capture and reply.status == "authorised":
            return Authorised(reply.id, reply.amount_minor, reply.capture_before)
        return Unknown(f"the reply says {reply.status!r}, which was not asked for")

    def capture(self, request: CaptureRequest) -> CaptureReply:
        """One POST under the capture's own key."""
        body = {"amount_minor": request.amount_minor, "currency": request.currency, "final": request.final}
        path = f"/v1/authorisations/{quote(request.rail_reference, safe='')}/captures"
        reply = self._post("capture", path, request.capture_key, body, Capture)
        if not isinstance(reply, Capture):
            return reply
        if reply.capture_key != request.capture_key or reply.currency != request.currency:
            return Unknown("the reply is about another capture or currency")
        return told_of_capture(reply)

    def void(self, request: VoidRequest) -> VoidReply:
        """One POST under the void's own key."""
        path = f"/v1/authorisations/{quote(request.rail_reference, safe='')}/voids"
        reply = self._post("void", path, request.void_key, {}, Authorisation)
        if not isinstance(reply, Authorisation):
            return reply
        if reply.id != request.rail_reference or reply.status != "voided":
            return Unknown(f"the reply says {reply.id!r} is {reply.status!r}")
        return Voided(reply.id, reply.released_minor)

    def inquire(self, request: InquiryRequest) -> InquiryReply:
        """One GET, by the attempt's key or the capture's."""
        if request.capture_key is None:
            attempt = self._get("/v1/authorisations/by-key/", request.attempt_key, Authorisation)
            if not isinstance(attempt, Authorisation):
                return attempt
            same = attempt.attempt_key == request.attempt_key
            return told_of_attempt(attempt) if same else Unknown("the reply is about another attempt")
        capture = self._get("/v1/captures/by-key/", request.capture_key, Capture)
        if not isinstance(capture, Capture):
            return capture
        same = capture.capture_key == request.capture_key
        return told_of_capture(capture) if same else Unknown("the reply is about another capture")

    def facts(self, after: int) -> FactsPage | NotSent | Unknown:
        """The settlement of the first day after one that is settled, a day by its ordinal number (`date.toordinal`)."""
        days = self._told(f"/v1/settlements?limit=1{after_day(after)}", Days)
        if not isinstance(days, Days):
            return days
        if not days.settlements:
            return FactsPage((), after)
        day = days.settlements[0].date
        report = self._told(f"/v1/settlements/{day.isoformat()}", Report)
        if not isinstance(report, Report):
            return report
        return FactsPage(
            tuple(settled(line, batch) for batch in report.batches for line in batch.lines), day.toordinal()
        )

    def _told(self, path: str, kind: type[Told]) -> Told | NotSent | Unknown:
        response = sent(self._client, self._client.build_request("GET", path, timeout=self._timeouts["facts"]))
        if isinstance(response, (NotSent, Unknown)):
            return response
        return decoded(response, kind) if response.status_code == 200 else undecided(response)

    def _post(
        self, operation: str, path: str, key: str, body: object, kind: type[Reply]
    ) -> Reply | Declined | NotSent | Unknown:
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        request = self._client.build_request(
            "POST", path, content=msgspec.json.encode(body), headers=headers, timeout=self._timeouts[operation]
        )
        response = sent(self._client, request)
        if isinstance(response, (NotSent, Unknown)):
            return response
        if response.status_code == 201:
            return decoded(response, kind)
        if response.status_code in (402, 422):
            refusal = decoded_refusal(response, operation)
            if refusal is not None:
                return refusal
        return undecided(response)

    def _get(self, path: str, key: str, kind: type[Reply]) -> Reply | NotFound | NotSent | Unknown:
        request = self._client.build_request("GET", path + quote(key, safe=""), timeout=self._timeouts["inquire"])
        response = sent(self._client, request)
        if isinstance(response, (NotSent, Unknown)):
            return response
        if response.status_code == 200:
            return decoded(response, kind)
        if response.status_code == 404 and problem_code(response) == "not_found":
            return NotFound(key)
        return undecided(response)


def from_settings(settings: Mapping[str, str]) -> SimulatedRail:
    """Raises `SimulatorSettingInvalid`."""
    url = settings.get("url", "")
    if not url.startswith(("http://", "https://")):
        raise SimulatorSettingInvalid(f"url is {url!r}: give the simulator's address, such as http://127.0.0.1:8081")
    return SimulatedRail(url, read_timeouts(settings, OPERATIONS, SimulatorSettingInvalid))
