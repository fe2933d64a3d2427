"""What the API needs of the rest of Daybook, handed in by the composition root; nothing here opens a connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from flask import current_app, g

from api.auth import ApiKeys, Caller
from eventlog.recorded import Meta

if TYPE_CHECKING:
    from api.payer_secrets import PayerSecrets
    from api.waiters import Waiters
    from domain.ports import Clock
    from eventlog.application import EventLog
    from eventlog.follower import LogReader
    from ledger.client import LedgerClient
    from payments.checkout import Checkout
    from projections.queries import Queries
    from projections.queries.reading import Reader


@dataclass(frozen=True)
class Services:
    """One application's collaborators.

    `reader` is the recorder of the log as a follower reads it; `checks` are the readiness probes by name: each answers
    None when all is well, else what is wrong in a few words that are safe to show. `scraped` reads what metrics tell of
    the views, and gives up soon: whoever scrapes does not wait long; None where nobody scrapes.
    `payer_secrets` makes what payers follow their order with; None where nobody pays. `opened_rails` are the names of
    those that the payment process calls.
    """

    log: EventLog
    reader: LogReader
    checkout: Checkout
    ledger: LedgerClient
    queries: Queries
    keys: ApiKeys
    clock: Clock
    waiters: Waiters
    payer_secrets: PayerSecrets | None = None
    checks: Mapping[str, Callable[[], str | None]] = field(default_factory=dict)
    scraped: Reader | None = None
    opened_rails: frozenset[str] = frozenset()


EXTENSION = "daybook"


def current_services() -> Services:
    """The services of the application that handles this request."""
    return cast(Services, current_app.extensions[EXTENSION])


def current_caller() -> Caller:
    """The authenticated caller of this request."""
    return cast(Caller, g.caller)


def current_meta() -> Meta:
    """Who asked for a write, and in which request: for auditors."""
    return Meta(correlation=g.request_id, actor=f"key:{g.caller.key_id}")
