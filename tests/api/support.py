"""What the API's tests share: an application over a log of choice, a book that is open, and keys of every role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from api.auth import ROLES, ApiKeys, MemoryApiKeys, create_key
from api.payer_secrets import PayerSecrets
from api.services import Services
from api.waiters import Waiters
from eventlog.application import EventLog
from eventlog.follower import Follower
from eventlog.memory import MemoryRecorder
from eventlog.postgres import PostgresRecorder
from eventlog.sealing.keys import KeyStore
from eventlog.sealing.memory_keys import MemoryKeyStore
from eventlog.sealing.seals import KeyedSeals
from ledger.client import LedgerClient
from payments.checkout import Checkout
from payments.commands import OpenBook
from payments.offered import Offered

MERCHANT = "00000000-0000-0000-0000-00000000aaaa"
OTHER_MERCHANT = "00000000-0000-0000-0000-00000000bbbb"
BOOK = 1
OTHER_BOOK = 2


class SystemClock:
    """The time of day."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class EmptyPage:
    """No rows."""

    items: Sequence[Mapping[str, Any]] = ()
    next_cursor: str | None = None


class EmptyViews:
    """Views that nothing has filled yet: they stand at the position that a test gives them."""

    def __init__(self) -> None:
        self.reached = 0

    def position(self, view: str) -> int:
        return self.reached

    def __getattr__(self, name: str) -> Any:
        """Any list: it has no rows."""
        return lambda *_, **__: EmptyPage()


@dataclass
class Shop:
    """An application and what a test needs to talk to it. `keys` by role; `foreign` is an admin of another book;
    `people` are the keys of payers."""

    app: Flask
    log: EventLog
    services: Services
    views: EmptyViews
    keys: dict[str, str]
    foreign: str
    people: KeyStore

    def client(self) -> FlaskClient:
        return self.app.test_client()

    def headers(self, role: str = "admin", **more: str) -> dict[str, str]:
        key = self.foreign if role == "foreign" else self.keys[role]
        return {"Authorization": f"Bearer {key}", **{name.replace("_", "-"): text for name, text in more.items()}}


def open_shop(
    recorder: MemoryRecorder | PostgresRecorder, api_keys: ApiKeys, engine_socket: str, connect_timeout: float = 2.0
) -> Shop:
    """Open two books over a recorder; the caller closes `services.waiters`, `services.ledger` and the log."""
    log = EventLog(recorder)
    clock = SystemClock()
    people = MemoryKeyStore()
    checkout = Checkout(log, clock, offered=Offered({"simulated"}), seals=KeyedSeals(people))
    waiters = Waiters(Follower(recorder, recorder.horizon))
    waiters.start()
    views = EmptyViews()
    services = Services(
        log=log,
        reader=recorder,
        checkout=checkout,
        ledger=LedgerClient(engine_socket, timeout=20.0, connect_timeout=connect_timeout),
        queries=views,
        keys=api_keys,
        clock=clock,
        waiters=waiters,
        payer_secrets=PayerSecrets(bytes(32)),
    )
    return in_books(Shop(create_app(services), log, services, views, {}, "", people), BOOK, OTHER_BOOK)


def in_books(shop: Shop, book: int, other_book: int) -> Shop:
    """The same shop seen from two new books: no posting, key or query crosses books, so it is as good as a new one."""
    services, at = shop.services, shop.services.clock.now()
    for number in (book, other_book):
        services.checkout.open_book(OpenBook(book=number, name=f"book {number}", commission_bps=1000))
    keys = {
        role: create_key(
            services.keys, book=book, role=role, at=at, merchant_id=MERCHANT if role == "merchant" else None
        )
        for role in ROLES
    }
    return replace(shop, keys=keys, foreign=create_key(services.keys, book=other_book, role="admin", at=at))


def close_shop(shop: Shop) -> None:
    """Close what `open_shop` opened; the horizon first, which wakes whoever waits for the log."""
    shop.services.reader.horizon.close()
    shop.services.waiters.close()
    shop.services.ledger.close()
    shop.log.close()


def memory_shop(engine_socket: str) -> Shop:
    """A shop whose log lives in memory; nothing listens on its engine socket."""
    return open_shop(MemoryRecorder(), MemoryApiKeys(), engine_socket, connect_timeout=0.1)
