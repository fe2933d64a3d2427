"""The machine fills views in any batch size alike, loses nothing, and parks what a view cannot take."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.payment_order import PaymentOrder
from domain.posting_rules import posting_for
from domain.splitting import Split
from domain.wallet import WalletAccount
from eventlog.application import EventLog
from eventlog.connections import connect
from eventlog.postgres import PostgresRecorder
from eventlog.recorded import Recorded
from projections.queries import CursorUnreadable, Queries
from projections.registry import view, views
from projections.view import Fact, Rows
from replay import parked
from replay.builds import Build, find
from replay.digest import digest
from replay.machine import ViewMachine, ViewStopped
from replay.rebuild import Wanted, rebuild
from tests.last_written import last_written

AT = datetime(2026, 1, 1, tzinfo=UTC)
SELLERS = [str(uuid.UUID(int=n)) for n in (1, 2)]


class Asker:
    book = 1
    merchant_id: str | None = None


@pytest.fixture
def log(database_url: str) -> Iterator[EventLog]:
    made = EventLog(PostgresRecorder(database_url))
    yield made
    made.close()


def machine(log: EventLog, database_url: str, **options: Any) -> ViewMachine:
    recorder = log.log_recorder
    options.setdefault("views", list(views().values()))
    return ViewMachine(database_url, recorder, recorder.horizon, log.log_mapper.decode, **options)


def pay(log: EventLog, number: int, due: int = 1000, paid: int | None = 1000) -> uuid.UUID:
    """An order of two sellers, paid on the recorded rail, and its posting's wallets."""
    order = PaymentOrder.create(
        book=1, order_id=str(uuid.UUID(int=1000 + number)), amount_minor=due, currency="EUR",
        at=AT + timedelta(minutes=number), splits=[Split(SELLERS[0], due - 300), Split(SELLERS[1], 300)],
        commission_bps=1000, expires_at=AT + timedelta(days=1),
    )  # fmt: skip
    if paid is not None:
        order.start_attempt(rail="recorded", method="card", amount_minor=paid, attempt_key=f"{order.order_id}/1", at=AT)
        order.capture(
            attempt=1, capture_id=str(uuid.UUID(int=2000 + number)), amount_minor=paid, currency="EUR",
            rail_reference="r", at=AT, effective_at=AT,
        )  # fmt: skip
    log.save(order)
    return order.id


def post_wallet(log: EventLog, name: str, amounts: list[int]) -> uuid.UUID:
    wallet = WalletAccount.open(book=1, address=f"wallet:{name}", currency="EUR", at=AT, overdraft_limit_minor=None)
    for number, amount in enumerate(amounts):
        wallet.post(posting_id=uuid.UUID(int=number), line=0, amount_minor=amount, effective_at=AT, at=AT)
    log.save(wallet)
    return wallet.id


def digests(database_url: str) -> dict[str, str]:
    with connect(database_url) as connection:
        return {name: digest(connection, find(connection, name, "live")) for name in views()}


def test_every_batch_size_gives_the_same_rows_and_redelivery_changes_nothing(log: EventLog, database_url: str) -> None:
    for number in range(12):
        pay(log, number, paid=[1000, 900, None][number % 3])
    post_wallet(log, "alice", [-500, 200])
    found = []
    for size in (1, 7, 100, 5000):
        runner = machine(log, database_url, batch_events=size)
        for each in views().values():
            runner.reset(each)
        runner.catch_up()
        runner.catch_up()
        runner.close()
        found.append(digests(database_url))
    assert all(one == found[0] for one in found)
    assert found[0]["payment_orders"] != "empty"


def test_lists_show_the_orders_differences_and_timers_that_the_events_say(log: EventLog, database_url: str) -> None:
    for number in range(5):
        pay(log, number, paid=[1000, 900, None, 1000, 1000][number])
    runner = machine(log, database_url)
    runner.catch_up()
    runner.close()
    recorder = log.log_recorder
    assert isinstance(recorder, PostgresRecorder)
    queries = Queries(recorder.readers.read)
    first = queries.payment_orders(Asker(), limit=3)
    second = queries.payment_orders(Asker(), limit=3, cursor=first.next_cursor)
    statuses = [item["status"] for item in [*first.items, *second.items]]
    assert statuses == ["captured", "captured", "created", "captured", "captured"]
    assert second.next_cursor is None
    assert [row["difference_minor"] for row in queries.order_differences(Asker())] == [-100]
    kinds = sorted(row["kind"] for row in queries.due(AT + timedelta(days=30)))
    assert kinds == ["funds-release"] * 4 + ["order-expiry"]
    other = Asker()
    other.merchant_id = str(uuid.UUID(int=99))
    assert queries.payment_orders(other).items == []
    with pytest.raises(CursorUnreadable):
        queries.payment_orders(Asker(), cursor="nonsense")


def test_wallets_are_listed_page_by_page_to_those_who_own_them(log: EventLog, database_url: str) -> None:
    for name in ("a", "b", "c"):
        post_wallet(log, name, [-500])
    runner = machine(log, database_url)
    runner.catch_up()
    runner.close()
    recorder = log.log_recorder
    assert isinstance(recorder, PostgresRecorder)
    queries = Queries(recorder.readers.read)
    first = queries.wallets(Asker(), limit=2)
    second = queries.wallets(Asker(), limit=2, cursor=first.next_cursor)
    assert [row["address"] for row in [*first.items, *second.items]] == ["wallet:a", "wallet:b", "wallet:c"]
    assert second.next_cursor is None
    assert [row["posted_minor"] for row in queries.wallets(Asker(), address="wallet:b").items] == [500]
    stranger = Asker()
    stranger.merchant_id = str(uuid.UUID(int=99))
    assert queries.wallets(stranger).items == []


class Failing:
    """The balances view with a bug: it cannot take an amount of 13."""

    def __init__(self) -> None:
        self.broken = True

    def __getattr__(self, name: str) -> Any:
        return getattr(view("balances"), name)

    def fold(self, rows: Rows, fact: Fact) -> None:
        if self.broken and getattr(fact.event, "amount_minor", 0) == 13:
            raise ValueError("thirteen")
        view("balances").fold(rows, fact)


def live(connection: Any, failing: Failing) -> Build:
    """The live build of balances, folded by the code that fails."""
    return replace(find(connection, "balances", "live"), view=failing)


def test_a_parked_stream_holds_its_later_events_while_others_flow_and_a_retry_converges(
    log: EventLog, database_url: str
) -> None:
    bad, good = post_wallet(log, "bad", [1, 13, 2]), post_wallet(log, "good", [5])
    failing = Failing()
    runner = machine(log, database_url, views=[failing], policy="park")
    runner.catch_up()
    wallet = log.repository.get(bad)
    wallet.post(posting_id=uuid.UUID(int=9), line=0, amount_minor=4, effective_at=AT, at=AT)
    log.save(wallet)
    runner.catch_up()
    with connect(database_url) as connection:
        shown = dict(connection.execute("select wallet_id, posted_minor from views.balances").fetchall())
        held = parked.listed(connection)
        assert shown == {bad: 1, good: 5}
        assert [entry.reason for entry in held] == ["thirteen", parked.BEHIND, parked.BEHIND]
        with pytest.raises(ValueError, match="thirteen"):
            parked.retry(connection, live(connection, failing), bad, log.log_recorder, log.log_mapper.decode)
        failing.broken = False
        assert parked.retry(connection, live(connection, failing), bad, log.log_recorder, log.log_mapper.decode) == 3
        with pytest.raises(parked.NothingParked):
            parked.retry(connection, live(connection, failing), bad, log.log_recorder, log.log_mapper.decode)
        converged = digest(connection, find(connection, "balances", "live"))
    runner.reset(failing)
    runner.catch_up()
    runner.close()
    with connect(database_url) as connection:
        assert digest(connection, find(connection, "balances", "live")) == converged


def test_an_event_can_be_given_up_with_a_reason_that_stays(log: EventLog, database_url: str) -> None:
    bad = post_wallet(log, "bad", [13, 2])
    failing = Failing()
    runner = machine(log, database_url, views=[failing], policy="park")
    runner.catch_up()
    runner.close()
    with connect(database_url) as connection:
        first = parked.listed(connection)[0]
        parked.discard(connection, live(connection, failing), first.position, "entered twice")
        parked.retry(connection, live(connection, failing), bad, log.log_recorder, log.log_mapper.decode)
        kept = parked.listed(connection, with_discarded=True)
        assert [(entry.position, entry.discarded) for entry in kept] == [(first.position, "entered twice")]
        with pytest.raises(parked.NothingParked):
            parked.discard(connection, live(connection, failing), first.position, "again")


def test_a_view_that_stops_names_the_event_and_writes_nothing_of_it(log: EventLog, database_url: str) -> None:
    post_wallet(log, "bad", [1, 13])
    runner = machine(log, database_url, views=[Failing()], policy="stop")
    with pytest.raises(ViewStopped, match="thirteen"):
        runner.catch_up()
    runner.close()
    with connect(database_url) as connection:
        assert connection.execute("select posted_minor from views.balances").fetchone() == (1,)


def test_a_damaged_row_parks_its_stream_alone(log: EventLog, database_url: str) -> None:
    bad, good = post_wallet(log, "bad", [1]), post_wallet(log, "good", [5])

    def decode(row: Recorded) -> Any:
        if row.stream_id == bad and row.version == 2:
            raise ValueError("damaged")
        return log.log_mapper.decode(row)

    recorder = log.log_recorder
    runner = ViewMachine(database_url, recorder, recorder.horizon, decode, [view("balances")])
    runner.catch_up()
    runner.close()
    with connect(database_url) as connection:
        shown = dict(connection.execute("select wallet_id, posted_minor from views.balances").fetchall())
        assert shown == {bad: 0, good: 5}
        assert [entry.reason for entry in parked.listed(connection)] == ["damaged"]


def test_two_machines_at_once_fold_nothing_twice(log: EventLog, database_url: str) -> None:
    post_wallet(log, "alice", [1] * 50)
    first, second = machine(log, database_url, batch_events=5), machine(log, database_url, batch_events=7)
    end = last_written(log)
    assert log.log_recorder.horizon.wait(end - 1, 20) >= end  # both can read all of it from the start
    for _ in range(20):
        first.run_once()
        second.run_once()
    first.close()
    second.close()
    once = digests(database_url)
    alone = machine(log, database_url)
    for each in views().values():
        alone.reset(each)
    alone.catch_up()
    alone.close()
    assert digests(database_url) == once


def test_a_shadow_far_behind_holds_no_reader_up(log: EventLog, database_url: str) -> None:
    post_wallet(log, "alice", [1] * 100)
    runner = machine(log, database_url, batch_events=10)
    runner.catch_up()
    rebuild(database_url, Wanted(view("balances")))
    with connect(database_url) as connection:
        shadow = find(connection, "balances", "shadow")
        connection.execute(f"truncate {shadow.table}")
        connection.execute("update views.builds set position = 0 where view = %s and build = %s", [*shadow.key])
        for amount in (20, 30):
            end = last_written(log)
            post_wallet(log, f"bob{amount}", [amount])
            assert log.log_recorder.horizon.wait(end, 20) > end
            runner.run_once()
            runner.run_once()
            shown = connection.execute("select max(posted_minor) from views.balances where posted_minor < 100")
            assert shown.fetchone() == (amount,)
            assert find(connection, "balances", "shadow").position < end
        runner.catch_up()
        rows = digest(connection, find(connection, "balances", "shadow"))
        assert rows == digest(connection, find(connection, "balances", "live"))
    runner.close()


def test_a_posting_of_every_capture_is_balanced_in_the_trial_balance_rule(log: EventLog) -> None:
    order = log.repository.get(pay(log, 1))
    events = [event for event in log.events.get(order.id) if isinstance(event, PaymentOrder.Captured)]
    draft = posting_for(events[0], 1)
    assert draft is not None
    assert sum(line.amount_minor for line in draft.lines) == 0
