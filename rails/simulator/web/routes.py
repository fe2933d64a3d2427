"""What is answered where: the table of endpoints, and how a request finds its line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from rails.simulator.problem import Problem
from rails.simulator.web import bank, control, provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from rails.simulator.web.call import Answer, Call

SMALL: Final = 65_536
LARGE: Final = 16 * 1_048_576
"""A file of direct debits may have tens of thousands of them."""


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. Without an operation it belongs to the control desk, and nothing ever goes wrong with it."""

    method: str
    path: str
    answer: Callable[[Call], Answer]
    operation: str | None = None
    greatest_body: int = SMALL


ROUTES: Final = (
    Route("POST", "/v1/authorisations", provider.authorise, "authorise"),
    Route("POST", "/v1/authorisations/{id}/captures", provider.capture, "capture"),
    Route("POST", "/v1/authorisations/{id}/voids", provider.void, "void"),
    Route("GET", "/v1/authorisations/by-key/{key}", provider.authorisation_by_key, "inquiry"),
    Route("GET", "/v1/captures/by-key/{key}", provider.capture_by_key, "inquiry"),
    Route("GET", "/v1/authorisations/{id}", provider.authorisation, "inquiry"),
    Route("GET", "/v1/authorisations", provider.authorisations),
    Route("GET", "/3ds/{id}", provider.challenge, "challenge"),
    Route("POST", "/3ds/{id}/{decision}", provider.decide, "challenge"),
    Route("GET", "/v1/settlements", provider.settlements, "settlement"),
    Route("GET", "/v1/settlements/{date}", provider.settlement, "settlement"),
    Route("GET", "/v1/settlements/{date}/csv", provider.settlement_csv, "settlement"),
    Route("GET", "/v1/terms", provider.terms),
    Route("PUT", "/v1/terms", provider.change_terms),
    Route("POST", "/bank/v1/direct-debits", bank.submit, "direct_debit", LARGE),
    Route("GET", "/bank/v1/direct-debits", bank.direct_debits),
    Route("POST", "/bank/v1/transfers", bank.transfer, "transfer"),
    Route("GET", "/bank/v1/accounts", bank.accounts),
    Route("PUT", "/bank/v1/accounts/{iban}", bank.open_account),
    Route("GET", "/bank/v1/accounts/{iban}", bank.account),
    Route("GET", "/bank/v1/accounts/{iban}/statements", bank.statements, "statement"),
    Route("GET", "/bank/v1/accounts/{iban}/statements/{date}", bank.statement, "statement"),
    Route("GET", "/bank/v1/accounts/{iban}/notifications", bank.notifications, "notification"),
    Route("GET", "/bank/v1/test-accounts", bank.accounts_with_a_fate),
    Route("GET", "/v1/totals", control.totals),
    Route("GET", "/v1/payments", control.payments),
    Route("GET", "/clock", control.clock),
    Route("POST", "/clock", control.change_clock),
    Route("GET", "/faults", control.faults),
    Route("POST", "/faults", control.change_faults),
    Route("POST", "/reset", control.reset),
    Route("GET", "/healthz", control.healthz),
)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))


_FIXED: Final = {(route.method, route.path): route for route in ROUTES if "{" not in route.path}
_OPEN: Final = tuple((_pattern(route.path), route) for route in ROUTES if "{" in route.path)
_LARGE: Final = frozenset(route.path for route in ROUTES if route.greatest_body > SMALL)


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The line of a request and what its path says. Raises `Problem` 404, 405."""
    fixed = _FIXED.get((method, path))
    if fixed is not None:
        return fixed, {}
    others = {route.method for route in ROUTES if route.path == path}
    for pattern, route in _OPEN:
        match = pattern.fullmatch(path)
        if match and route.method == method:
            return route, {name: unquote(value) for name, value in match.groupdict().items()}
        if match:
            others.add(route.method)
    if others:
        raise Problem(405, "method_not_allowed", f"{path} takes {' and '.join(sorted(others))}, not {method}")
    raise Problem(404, "no_such_path", f"there is nothing at {path}")


def greatest_body(path: str) -> int:
    """How many bytes may come with a request to a path."""
    return LARGE if path in _LARGE else SMALL
