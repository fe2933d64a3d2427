"""A rebuild fills a build equal to the live one, in any number of parts and batches; one that fails harms nothing."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

from eventlog.application import EventLog
from eventlog.connections import connect
from projections.registry import view, views
from projections.view import Fact, Rows
from replay import builds, parked, tables
from replay.alone import AlreadyRebuilding
from replay.digest import digest
from replay.fill import EventRefused
from replay.progress import progress
from replay.rebuild import PositionAhead, Wanted, last_position, rebuild
from replay.scopes import ScopeRefused
from tests.last_written import last_written
from tests.replay.history import MERCHANT, History, catch_up, digest_of


@pytest.fixture
def history(log: EventLog, database_url: str) -> History:
    made = History(log)
    made.open_wallets(12)
    made.open_wallets(1, MERCHANT)
    made.write(120)
    made.write_each(4)
    made.write(30)
    catch_up(log, database_url)
    return made


@pytest.mark.parametrize("name", views())
def test_a_rebuilt_view_equals_the_live_one_and_is_kept_up_from_then_on(
    name: str, history: History, log: EventLog, database_url: str
) -> None:
    told = rebuild(database_url, Wanted(view(name)))
    assert (told.state, told.percent) == ("done", 100.0)
    assert digest_of(database_url, name, "shadow") == digest_of(database_url, name, "live") != "empty"
    before = digest_of(database_url, name, "live")
    history.write(20)
    history.write_each()
    catch_up(log, database_url)
    assert digest_of(database_url, name, "shadow") == digest_of(database_url, name, "live") != before


MORE = ("postings", "due", "wallet_entries", "payment_orders")
"""Views of several workers like those that are tried every time."""


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    "name",
    ["balances", "trial_balance", "wallet_days", *(pytest.param(name, marks=pytest.mark.long) for name in MORE)],
)
def test_any_number_of_workers_and_any_size_of_batch_give_the_same_rows(name: str, database_url: str) -> None:
    wanted = digest_of(database_url, name, "live")
    for workers, batch in ((1, 1), (1, 7), (1, 100), (2, 64), (4, 1000), (8, 500_000)):
        sizes = {"batch_events": batch, "page_events": 50, "side_by_side_events": 1}
        rebuild(database_url, Wanted(view(name), workers, fresh=True, **sizes))
        assert digest_of(database_url, name, "shadow") == wanted, (workers, batch)


@pytest.mark.parametrize("name", views())
def test_a_build_as_of_a_position_is_what_the_view_was_then(
    name: str, history: History, log: EventLog, database_url: str
) -> None:
    with connect(database_url) as connection:
        position = last_position(connection)
    then = digest_of(database_url, name, "live")
    history.write(20)
    history.write_each()
    catch_up(log, database_url)
    assert digest_of(database_url, name, "live") != then
    rebuild(database_url, Wanted(view(name), as_of=position))
    catch_up(log, database_url)
    assert digest_of(database_url, name, "past") == then
    with pytest.raises(PositionAhead, match="not yet to"):
        rebuild(database_url, Wanted(view(name), as_of=1 << 60))


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("name", "scope"),
    [("wallet_entries", "wallet"), ("balances", "wallet"), ("wallet_days", "merchant"), ("payment_orders", "merchant")],
)
def test_rows_of_one_wallet_or_merchant_are_repaired_alone_and_equal_a_full_rebuild(
    name: str, scope: str, history: History, log: EventLog, database_url: str
) -> None:
    rebuild(database_url, Wanted(view(name)))
    full = digest_of(database_url, name, "shadow")
    wallet = history.wallets[-1]
    rows = f"wallet_id = '{wallet.id}'"
    if name == "payment_orders":
        rows = f"merchant_id = '{MERCHANT}'"
    with connect(database_url) as connection:
        damaged = connection.execute(f"delete from views.{name}_v1 where {rows}")
        assert damaged.rowcount
    told = rebuild(database_url, Wanted(view(name), scope={scope: str(wallet.id) if scope == "wallet" else MERCHANT}))
    assert told.events
    assert digest_of(database_url, name, "shadow") == full


def test_while_rows_are_taken_over_the_machine_goes_on_and_what_it_does_is_not_lost(
    history: History, log: EventLog, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = history.wallets[0]
    copy = tables.copy

    def copy_under_traffic(*arguments: Any) -> None:
        copy(*arguments)
        history.write(20)
        catch_up(log, database_url)

    monkeypatch.setattr(tables, "copy", copy_under_traffic)
    before = last_written(log)
    told = rebuild(database_url, Wanted(view("wallet_entries"), scope={"wallet": str(wallet.id)}))
    assert told.until == before
    catch_up(log, database_url)
    assert digest_of(database_url, "wallet_entries", "shadow") == digest_of(database_url, "wallet_entries", "live")


@pytest.mark.usefixtures("history")
def test_a_build_whose_rows_were_not_taken_over_is_given_up_by_the_next_rebuild(
    history: History, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = {"wallet": str(history.wallets[0].id)}

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    for more in ({}, {"scope": scope}):
        with monkeypatch.context() as cut_off, connect(database_url) as connection:
            cut_off.setattr(tables, "copy", killed)
            with pytest.raises(KeyboardInterrupt):
                rebuild(database_url, Wanted(view("balances"), scope=scope))
            assert [row["state"] for row in builds.listed(connection, "balances")][-1] == "filling"
        rebuild(database_url, Wanted(view("balances"), **more))
        assert digest_of(database_url, "balances", "shadow") == digest_of(database_url, "balances", "live")
        with connect(database_url) as connection:
            assert "filling" not in {row["state"] for row in builds.listed(connection, "balances")}


@pytest.mark.usefixtures("history")
def test_what_cannot_be_rebuilt_for_one_merchant_or_wallet_is_refused(database_url: str) -> None:
    for name, scope in (
        ("trial_balance", {"merchant": MERCHANT}),
        ("postings", {"merchant": MERCHANT}),
        ("payment_orders", {"wallet": str(uuid.uuid4())}),
        ("balances", {"wallet": str(uuid.uuid4())}),
        ("balances", {"merchant": str(uuid.uuid4())}),
    ):
        with pytest.raises(ScopeRefused):
            rebuild(database_url, Wanted(view(name), scope=scope))
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("update log.events set state = 'no JSON' where topic = 'wallet.opened.v1'")
    with pytest.raises(ScopeRefused, match="--only-merchant: not every event can be read that says what is whose"):
        rebuild(database_url, Wanted(view("balances"), scope={"merchant": MERCHANT}))
    with connect(database_url) as connection:
        assert {row["state"] for row in builds.listed(connection)} == {"live"}


class Failing:
    """A view of wallets with a bug: it cannot take an amount above a limit."""

    def __init__(self, limit: int, broken: str = "wallet_days") -> None:
        self.limit, self.broken = limit, broken

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked of an empty one, on its way to a worker process
            raise AttributeError(name)
        return getattr(view(self.broken), name)

    def fold(self, rows: Rows, fact: Fact) -> None:
        if getattr(fact.event, "amount_minor", 0) > self.limit:
            raise ValueError("too much")
        view(self.broken).fold(rows, fact)


class Unfit(Failing):
    """Takes such an amount, and then cannot tell its keys or makes a row of it that does not fit the table."""

    def __init__(self, broken: str, how: str) -> None:
        super().__init__(4000, broken)
        self.how = how

    def keys(self, fact: Fact) -> Any:
        if self.how == "keys" and self._is_hit(fact):
            return (fact.event.nothing,)
        keys = view(self.broken).keys(fact)
        return (*keys, (7, *keys[0][1:])) if self.how == "a key" and self._is_hit(fact) else keys

    def fold(self, rows: Rows, fact: Fact) -> None:
        view(self.broken).fold(rows, fact)
        if self._is_hit(fact):
            (key,) = view(self.broken).keys(fact)
            rows[key] = {**(rows[key] or {}), **UNFIT.get(self.how, {})}

    def _is_hit(self, fact: Fact) -> bool:
        return bool(getattr(fact.event, "amount_minor", 0) > self.limit)


UNFIT = {"a number": {"entries": 2**40}, "a type": {"debit_minor": "many"}, "a text": {"currency": "E\0R"}}
"""The driver refuses all but the last, and that the server."""


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("name", "how", "why"),
    [
        ("wallet_days", "keys", "no attribute 'nothing'"),
        ("wallet_days", "a key", "no attribute 'bytes'"),
        ("wallet_days", "a number", "format requires"),
        ("wallet_days", "a type", "argument"),
        ("balances", "a key", "no attribute 'bytes'"),
        ("balances", "a text", "invalid byte sequence"),
    ],
)
def test_an_event_of_which_no_row_can_be_made_is_refused_or_parked_like_any_other(
    name: str, how: str, why: str, log: EventLog, database_url: str
) -> None:
    posted = log.log_recorder.read(0, 10**6, topics=["wallet.posted.v1"])
    first = next(row.position for row in posted if log.log_mapper.decode(row).amount_minor > 4000)
    for more, where in (({}, first), ({"workers": 4, "side_by_side_events": 1}, r"\d+")):
        told = rf"{name} cannot take wallet\.posted\.v1 at position {where}, .*: .*{why}"
        with pytest.raises(EventRefused, match=told):
            rebuild(database_url, Wanted(Unfit(name, how), **more))
        with connect(database_url) as connection:
            assert [row["state"] for row in builds.listed(connection, name)] == ["live"]
    for more in ({}, {"batch_events": 100, "page_events": 30}):
        found = []
        for failing in (Failing(4000, name), Unfit(name, how)):
            told = rebuild(database_url, Wanted(failing, park=True, fresh=True, **more))
            with connect(database_url) as connection:
                made = builds.find(connection, name, number=told.build)
                aside = [one.position for one in parked.listed(connection, build=told.build)]
                found.append((aside, digest(connection, made)))
        assert found[0] == found[1] != ([], digest_of(database_url, name, "live")), more


@pytest.mark.usefixtures("history")
def test_what_is_no_events_fault_is_put_down_to_none(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of the build is gone, as it is for one who drops a build that is being filled."""
    one = Failing(10_000)

    def dropping(rows: Rows, fact: Fact) -> None:
        with connect(database_url) as other:
            other.execute(f"drop table if exists {builds.find(other, 'wallet_days', 'filling').table}")
        view("wallet_days").fold(rows, fact)

    one.fold = dropping  # type: ignore[method-assign]
    with pytest.raises(psycopg.errors.UndefinedTable):
        rebuild(database_url, Wanted(one, park=True))


@pytest.mark.usefixtures("history")
def test_an_event_the_view_cannot_take_ends_the_rebuild_by_name_and_leaves_the_live_build(database_url: str) -> None:
    before = digest_of(database_url, "wallet_days", "live")
    with pytest.raises(EventRefused, match=r"wallet\.posted\.v1 at position \d+, version \d+ of stream .*: too much"):
        rebuild(database_url, Wanted(Failing(4000)))
    with connect(database_url) as connection:
        assert [row["state"] for row in builds.listed(connection, "wallet_days")] == ["live"]
        (told,) = progress(connection)
        assert told.state == "failed"
        assert "too much" in str(told.problem)
    assert digest_of(database_url, "wallet_days", "live") == before


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(("name", "limit"), [("wallet_entries", 4500), ("balances", 4200)])
def test_one_worker_of_many_that_cannot_go_on_ends_them_all_by_name(name: str, limit: int, database_url: str) -> None:
    before = digest_of(database_url, name, "live")
    with pytest.raises(EventRefused, match=rf"view {name} cannot take wallet\.posted\.v1 at position \d+.*: too much"):
        rebuild(database_url, Wanted(Failing(limit, name), 4, side_by_side_events=1))
    with connect(database_url) as connection:
        assert [row["state"] for row in builds.listed(connection, name)] == ["live"]
    assert digest_of(database_url, name, "live") == before


@pytest.mark.usefixtures("history")
def test_streams_are_set_aside_where_that_is_asked_for_and_the_others_are_whole(database_url: str) -> None:
    failing = Failing(4000)
    rebuild(database_url, Wanted(failing, park=True, batch_events=100, page_events=30))
    with connect(database_url) as connection:
        held = {entry.stream_id for entry in parked.listed(connection)}
        assert held
        shadow, live = builds.find(connection, "wallet_days", "shadow"), builds.find(connection, "wallet_days", "live")
        apart = "select * from {} where not wallet_id = any(%s) order by wallet_id, day"
        first = connection.execute(apart.format(shadow.table), [list(held)]).fetchall()
        assert first == connection.execute(apart.format(live.table), [list(held)]).fetchall()
        reasons = [entry.reason for entry in parked.listed(connection)]
        assert reasons.count("too much") == len(held)
        assert set(reasons) == {"too much", parked.BEHIND}


@pytest.mark.usefixtures("history")
def test_a_damaged_event_is_named_and_the_live_build_is_untouched(database_url: str, server_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            "update log.events set state = '{\"amount_minor\": ' where position = (select min(position) from log.events"
            " where topic = 'posting.recorded.v1')"
        )
    before = digest_of(database_url, "postings", "live")
    with pytest.raises(EventRefused, match=r"posting\.recorded\.v1 at position \d+.*cannot be read"):
        rebuild(database_url, Wanted(view("postings")))
    assert digest_of(database_url, "postings", "live") == before


@pytest.mark.usefixtures("history")
def test_two_rebuilds_of_a_view_do_not_meet(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute("select pg_advisory_lock(hashtextextended('daybook replay of balances', 0))")
        with pytest.raises(AlreadyRebuilding, match="balances"):
            rebuild(database_url, Wanted(view("balances")))


def test_a_view_of_an_empty_log_is_rebuilt_too(log: EventLog, database_url: str) -> None:
    catch_up(log, database_url)
    told = rebuild(database_url, Wanted(view("balances")))
    assert (told.events, told.percent) == (0, 100.0)
    with connect(database_url) as connection:
        assert digest(connection, builds.find(connection, "balances", "shadow")) == "empty"
