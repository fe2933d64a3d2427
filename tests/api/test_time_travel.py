"""Every read as of a position answers what it answered then, to each role; so do pages, and moments that are wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

import api.moments
from domain.ids import stream_id
from domain.payment_order import PaymentOrder
from projections.queries import PastUnderWay, Queries
from tests.api.ledger import lines, ok, open_wallet, problem, send, written
from tests.api.reading import Reading, reading_shop
from tests.api.support import BOOK, MERCHANT, Shop

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
LAST_YEAR = (TODAY - timedelta(days=400)).date()
ROLES = ("admin", "auditor", "merchant", "foreign")
OWN = f"merchant:{MERCHANT}:available"


class Story:
    """Something of every kind happens, step by step; `paths` are the reads of what there is by then."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.paths = [
            "/payment-orders", "/payment-orders?status=captured", "/postings", "/postings?state=refused", "/holds",
            "/holds?open=true", "/monitors", "/adjustments", "/adjustments?state=approved", "/periods", "/wallets",
            "/wallets?address=merchant:*:available", "/balances", "/balances?group_by=address",
            "/volumes?group_by=address", "/events?limit=1000",
        ]  # fmt: skip

    def steps(self) -> Iterator[None]:
        """Each is followed by reads."""
        self._wallet("bank:main:cash", overdraft_limit_minor=None)
        self._wallet("wallet:alice")
        yield
        self._wallet(OWN)
        first = self._made("/postings", {"lines": lines("bank:main:cash", "wallet:alice", 1_000)}, "posting_id")
        yield
        self._made("/postings", {"lines": lines("bank:main:cash", OWN, 300), "metadata": {"note": "x"}}, "posting_id")
        hold = self._made("/holds", {"lines": lines("wallet:alice", OWN, 400)}, "hold_id")
        yield
        monitor = {"wallet": "wallet:alice", "currency": "EUR", "measure": "available", "threshold_minor": 500}
        watched = self._made("/monitors", monitor, "monitor_id")
        self._ask("POST", f"{hold}/commit", {"amount_minor": 150, "final": False})
        yield
        self._ask("POST", f"{first}/revert", {"amount_minor": 100})
        self._ask("PATCH", f"{first}/metadata", {"metadata": {"why": "checked"}})
        yield
        self._ask("POST", f"{hold}/void")
        self._ask("DELETE", watched)
        self._ask("POST", "/wallets/wallet:alice/freeze?currency=EUR", {"reason": "asked to"})
        yield
        yield from self._orders()
        yield from self._corrections()

    def _orders(self) -> Iterator[None]:
        split = [{"seller_id": MERCHANT, "amount_minor": 900}]
        order = {"amount_minor": 900, "currency": "EUR", "splits": split, "merchant_id": MERCHANT}
        key = self._made("/payment-orders", order, "order_id").rpartition("/")[2]
        self.paths.append(f"/payment-orders/{key}/explanation")
        yield
        self._change_order(key, lambda o: o.start_attempt(
            rail="simulated", method="card", amount_minor=900, attempt_key=key, at=datetime.now(UTC)
        ))  # fmt: skip
        yield
        self._change_order(key, lambda o: o.capture(
            attempt=1, capture_id=str(uuid4()), amount_minor=900, currency="EUR", rail_reference="r",
            at=datetime.now(UTC), effective_at=datetime.now(UTC),
        ))  # fmt: skip
        self._wait_for(f"/wallets/merchant:{MERCHANT}:pending?currency=EUR")
        yield

    def _corrections(self) -> Iterator[None]:
        correction = [
            {"address": "exp:writeoff", "currency": "EUR", "amount_minor": 500},
            {"address": "suspense:psp", "currency": "EUR", "amount_minor": -500},
        ]
        proposed = self._made("/adjustments", {"lines": correction, "reason": "audit"}, "adjustment_id", "operator")
        yield
        approved = self._ask("POST", f"{proposed}/approve", role="admin")
        self._wait_for(f"/postings/{approved['posting_id']}")
        self._ask("POST", "/periods/close", {"through": LAST_YEAR.isoformat()})
        yield
        self._ask("POST", "/wallets/wallet:alice/unfreeze?currency=EUR", {"reason": "asked to"})
        self._ask("POST", "/wallets/wallet:alice/limit?currency=EUR", {"overdraft_limit_minor": 50})
        self._ask("PATCH", "/wallets/wallet:alice/metadata?currency=EUR", {"metadata": {"tier": "gold"}})
        yield

    def _wallet(self, address: str, **more: Any) -> None:
        found, name = open_wallet(self.shop, address, **more), f"/wallets/{address}"
        self.paths += [f"/wallets/{found}", f"{name}?currency=EUR", f"{name}/balance?currency=EUR"]
        self.paths += [f"{name}/{what}?currency=EUR" for what in ("entries", "statement", "explanation")]

    def _made(self, path: str, body: Any, named: str, role: str = "admin") -> str:
        """The path of what was made, which is read from now on."""
        key = str(uuid4())
        answer = send(self.shop, "POST", f"/v1{path}", body, key=key, role=role)
        assert answer.status_code in (201, 202), answer.text
        found = f"{path}/{answer.get_json()[named]}"
        self.paths.append(found)
        return found

    def _ask(self, method: str, path: str, body: Any = None, role: str = "admin") -> dict[str, Any]:
        return ok(send(self.shop, method, f"/v1{path}", body, role=role))

    def _change_order(self, key: str, change: Callable[[PaymentOrder], Any]) -> None:
        order: PaymentOrder = self.shop.log.repository.get(stream_id(BOOK, "payment-order", key))
        change(order)
        self.shop.log.save(order, book=BOOK)

    def _wait_for(self, path: str) -> None:
        """What the engine makes of a fact comes by itself."""
        for _ in range(400):
            if send(self.shop, "GET", f"/v1{path}").status_code == 200:
                return
            threading.Event().wait(0.05)
        pytest.fail(f"{path} did not come")


def told(reading: Reading, path: str, role: str, as_of: object = None) -> Any:
    """What a role is told of a path, without how far views have come and as of when it is."""
    asked = path if as_of is None else f"{path}{'&' if '?' in path else '?'}as_of={as_of}"
    answer = reading.get(asked, role)
    if answer.status_code != 200:
        return answer.status_code
    return {name: value for name, value in answer.get_json().items() if name not in ("position", "as_of")}


def test_every_read_as_of_a_position_is_what_it_was_then(live: Shop, database_url: str) -> None:
    story = Story(live)
    kept: list[tuple[int, dict[tuple[str, str], Any]]] = []
    with reading_shop(live, step_events=8, checkpoints_max=3) as reading:
        for _ in story.steps():
            reading.machine.catch_up()
            now = {(path, role): told(reading, path, role) for path in story.paths for role in ROLES}
            kept.append((written(live), now))
        reading.machine.catch_up()
        for position, then in reversed(kept):
            wrong = [asked for asked, answer in then.items() if told(reading, *asked, position) != answer]
            assert wrong == [], position
        late = [path for path in story.paths if path not in {path for path, _ in kept[0][1]}]
        assert [path for path in late if told(reading, path, "admin", kept[0][0]) != 404] == []


@pytest.fixture
def stocked(reading: Reading) -> Reading:
    """Seven postings to Alice."""
    open_wallet(reading.shop, "bank:main:cash", overdraft_limit_minor=None)
    open_wallet(reading.shop, "wallet:alice")
    for amount in range(1, 8):
        reading.post("bank:main:cash", "wallet:alice", amount)
    reading.machine.catch_up()
    return reading


@pytest.mark.parametrize("path", ["/postings", "/wallets/wallet:alice/entries"])
def test_pages_of_then_are_whole_while_new_rows_come(stocked: Reading, path: str) -> None:
    asked: dict[str, Any] = {"as_of": written(stocked.shop), "limit": 2, "currency": "EUR"}
    if path == "/postings":
        asked["wallet"] = "wallet:alice"
    found, cursor = [], None
    while True:
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        page = ok(stocked.get(f"{path}?{query}" + (f"&cursor={cursor}" if cursor else "")))
        assert page["as_of"] == str(asked["as_of"])
        found += [row["posting_id"] for row in page["items"]]
        stocked.post("bank:main:cash", "wallet:alice", 1)
        stocked.machine.catch_up()
        if (cursor := page["next_cursor"]) is None:
            break
    assert (len(found), len(set(found))) == (7, 7)


def test_a_time_means_what_was_known_by_then(stocked: Reading) -> None:
    long_ago = "2001-01-01T00:00:00Z"
    assert ok(stocked.get(f"/postings?as_of={long_ago}")) == {
        "items": [], "next_cursor": None, "as_of": "0", "position": str(written(stocked.shop)),
    }  # fmt: skip
    problem(stocked.get(f"/wallets/wallet:alice?currency=EUR&as_of={long_ago}"), 404, "not_found")


@pytest.mark.parametrize(
    "path",
    ["/postings", "/wallets/wallet:alice", "/periods", "/payment-orders", "/events", "/wallets/wallet:alice/statement"],
)
def test_a_moment_that_is_wrong_or_still_to_come_is_refused_by_name(stocked: Reading, path: str) -> None:
    for moment in ("x", "-1", "2026-01-01", str(2**63)):
        problem(stocked.get(f"{path}?as_of={moment}{currency_of(path)}"), 422, "invalid_request", "as_of")
    for moment in (str(2**62), "2999-01-01T00:00:00Z"):
        problem(stocked.get(f"{path}?as_of={moment}{currency_of(path)}"), 422, "moment_not_reached", "as_of")


def currency_of(path: str) -> str:
    """A wallet that is named by its address needs it."""
    return "&currency=EUR" if "alice" in path else ""


def test_who_cannot_be_answered_yet_is_told_to_ask_again(stocked: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.moments, "WAIT_S", 0.1)
    position = written(stocked.shop)
    monkeypatch.setattr(Queries, "settled", lambda *_: False)
    answer = stocked.get(f"/periods?as_of={position}")
    assert (problem(answer, 503, "view_behind")["retryable"], answer.headers["Retry-After"]) == (True, "1")
    monkeypatch.undo()

    def away(*_: Any, **__: Any) -> Any:
        raise PastUnderWay("view postings is being folded to about that moment; ask again")

    monkeypatch.setattr(Queries, "postings", away)
    answer = stocked.get(f"/postings?as_of={position}")
    assert (problem(answer, 503, "view_behind")["retryable"], answer.headers["Retry-After"]) == (True, "1")


NOT_OF_THE_LOG = {
    "/v1/payment-orders/{order_id}/events": "follows what comes",
    "/v1/replays": "rebuilds have a record of their own",
    "/v1/replays/{replay_id}": "the same",
    "/v1/rails": "is measured by the payment process, and forgotten",
}


def test_every_read_of_the_log_takes_as_of(shop: Shop) -> None:
    """Also one that somebody adds; what does not is named here with its reason."""
    paths = shop.client().get("/openapi.json").get_json()["paths"]
    reads = {path: paths[path]["get"] for path in paths if path.startswith("/v1/") and "get" in paths[path]}
    without = {
        path for path, read in reads.items() if "as_of" not in {one.get("name") for one in read.get("parameters", ())}
    }
    assert without == NOT_OF_THE_LOG.keys()
