"""Swaps, rollbacks and drops in every order: the way back leads to what readers saw, and nothing live is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from eventlog.application import EventLog
from eventlog.connections import connect
from projections.registry import add_modules, view
from replay import builds, compare, exchanges, swap
from replay.alone import AlreadyRebuilding, alone
from replay.exchanges import Span
from replay.rebuild import Wanted, rebuild
from tests.faults.running_copy import wait_until
from tests.replay.history import History, catch_up, digest_of, view_machine
from tests.replay.planted.earnings import Earnings

SUMS = "select seller_id, gross_minor, commission_minor, net_minor from views.earnings order by seller_id"
WAITING = "select count(*) from pg_locks where not granted and locktype = 'relation'"
NAME = "earnings"


@pytest.fixture
def history(log: EventLog, database_url: str, planted: None) -> History:
    """The wrong view is live, as build 1; the module of the right one is there."""
    add_modules(["tests.replay.planted.wrong_fees"])
    made = History(log)
    made.open_wallets(4)
    made.write(60)
    catch_up(log, database_url)
    add_modules(["tests.replay.planted.right_fees"])
    return made


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def states(database_url: str) -> dict[int, str]:
    with connect(database_url) as connection:
        return {row["build"]: row["state"] for row in builds.listed(connection, NAME)}


def rebuilt(log: EventLog, database_url: str) -> int:
    """The number of a new build that is level with the live one."""
    number = rebuild(database_url, Wanted(view(NAME), fresh=True)).build
    catch_up(log, database_url)
    return number


def beside(work: Callable[[], Any]) -> Future[Any]:
    """Work in a thread of its own."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future


def test_the_way_back_leads_to_the_build_that_readers_saw_before_and_not_to_the_newest_kept(
    history: History, log: EventLog, database_url: str
) -> None:
    rebuilt(log, database_url)
    swap.swap(database_url, NAME)
    swap.roll_back(database_url, NAME)
    rebuilt(log, database_url)
    assert swap.swap(database_url, NAME).live == 3
    with connect(database_url) as connection:
        assert [build.number for build in compare.newest(connection, NAME)] == [3, 1]
    assert (swap.roll_back(database_url, NAME).live, states(database_url)) == (1, {1: "live", 2: "kept", 3: "kept"})
    assert swap.roll_back(database_url, NAME).live == 3
    swap.drop(database_url, NAME, 1)
    with pytest.raises(builds.NoSuchBuild, match="has no kept build 1, which was live before: rebuild the view"):
        swap.roll_back(database_url, NAME)


def test_it_is_on_record_between_which_positions_readers_saw_a_build(
    history: History, log: EventLog, database_url: str
) -> None:
    rebuilt(log, database_url)
    with connect(database_url) as connection:
        assert exchanges.spans(connection, builds.find(connection, NAME, number=1)) == [Span(0, None)]
        assert exchanges.spans(connection, builds.find(connection, NAME, number=2)) == []
    places = []
    for exchange in (swap.swap, swap.roll_back, swap.swap):
        history.write(5)
        catch_up(log, database_url)
        places.append(exchange(database_url, NAME).position)
    first, back, last = places
    assert first < back < last
    with connect(database_url) as connection:
        of = {number: exchanges.spans(connection, builds.find(connection, NAME, number=number)) for number in (1, 2)}
    assert of == {1: [Span(0, first), Span(back, last)], 2: [Span(first, back), Span(last, None)]}


def test_of_two_swaps_at_once_one_is_done_and_the_other_says_so(
    history: History, log: EventLog, database_url: str, owner: psycopg.Connection[Any]
) -> None:
    """Both have chosen the same build when a reader lets go of the view."""
    rebuilt(log, database_url)
    with psycopg.connect(database_url) as reader:
        reader.execute(SUMS).fetchall()
        both = [beside(lambda: swap.swap(database_url, NAME)) for _ in range(2)]
        wait_until(lambda: owner.execute(WAITING).fetchone() != (0,), "a swap waits for the reader")
        reader.rollback()
    problems = [future.exception(timeout=60) for future in both]
    (refused,) = (problem for problem in problems if problem is not None)
    assert isinstance(refused, builds.NoSuchBuild)
    assert states(database_url) == {1: "kept", 2: "live"}
    with connect(database_url) as connection:
        assert connection.execute("select count(*) from views.exchanges").fetchone() == (1,)


def test_what_a_rollback_makes_live_is_not_dropped_meanwhile(
    history: History, log: EventLog, database_url: str, owner: psycopg.Connection[Any]
) -> None:
    """Both wait for the same reader, and whichever comes first, readers have a build with all its rows."""
    wrong = owner.execute(SUMS).fetchall()
    rebuilt(log, database_url)
    swap.swap(database_url, NAME)
    with psycopg.connect(database_url) as reader:
        reader.execute(SUMS).fetchall()
        back = beside(lambda: swap.roll_back(database_url, NAME))
        wait_until(lambda: owner.execute(WAITING).fetchone() != (0,), "the rollback waits for the reader")
        gone = beside(lambda: swap.drop(database_url, NAME, 1))
        reader.rollback()
    problems = [type(future.exception(timeout=60)) for future in (back, gone)]
    assert problems.count(builds.NoSuchBuild) == 1
    assert list(states(database_url).values()).count("live") == 1
    assert (owner.execute(SUMS).fetchall() == wrong) == (problems[0] is type(None))


def test_a_build_that_somebody_reads_is_dropped_later_and_the_views_go_on(
    history: History, log: EventLog, database_url: str, owner: psycopg.Connection[Any]
) -> None:
    rebuilt(log, database_url)
    stop = threading.Event()
    machine = view_machine(log, database_url)
    running = threading.Thread(target=machine.run, args=(stop,))
    with psycopg.connect(database_url) as reader:
        reader.execute("select count(*) from views.earnings_v2_b2")
        gone = beside(lambda: swap.drop(database_url, NAME, 2))
        wait_until(lambda: owner.execute(WAITING).fetchone() != (0,), "the drop waits for the reader")
        running.start()
        try:
            for _ in range(3):
                history.write(3)
                last = owner.execute("select max(position) from log.events").fetchone()
                read = "select min(position) from views.builds where state = 'live'"
                wait_until(lambda read=read, last=last: owner.execute(read).fetchone() == last, "the views go on")
            assert not gone.done()
            reader.rollback()
            assert gone.result(timeout=60).number == 2
        finally:
            stop.set()
            running.join()
    assert states(database_url) == {1: "live"}


def test_what_another_process_fills_is_not_dropped(history: History, log: EventLog, database_url: str) -> None:
    with connect(database_url) as connection:
        with connection.transaction():
            builds.create(connection, view(NAME), "filling")
        with alone(connection, NAME), pytest.raises(AlreadyRebuilding):
            swap.drop(database_url, NAME, 2)
    assert swap.drop(database_url, NAME, 2).number == 2


def test_no_number_is_given_twice_and_builds_made_at_once_get_two(
    history: History, log: EventLog, database_url: str
) -> None:
    first = rebuilt(log, database_url)
    swap.drop(database_url, NAME, first)

    def created() -> int:
        with connect(database_url) as connection, connection.transaction():
            return builds.create(connection, view(NAME), "past").number

    both = [beside(created) for _ in range(4)]
    assert sorted(future.result(timeout=60) for future in both) == [3, 4, 5, 6]


def test_the_way_back_is_open_at_once_beside_a_long_read_and_not_where_a_build_fell_behind(
    history: History, log: EventLog, database_url: str, owner: psycopg.Connection[Any]
) -> None:
    """A backup, say, that began after the swap."""
    rebuilt(log, database_url)
    swap.swap(database_url, NAME)
    with psycopg.connect(database_url) as backup:
        backup.execute("set transaction isolation level repeatable read")
        backup.execute("select count(*) from log.events")
        assert swap.roll_back(database_url, NAME, patience_s=0.3).live == 1
        owner.execute("update views.builds set position = position - 1 where view = 'earnings' and build = 2")
        history.write(3)
        catch_up(log, database_url)
        with pytest.raises(swap.ReadersInTheWay, match="transactions that began before"):
            swap.swap(database_url, NAME, patience_s=0.3)
    assert swap.swap(database_url, NAME).live == 2


def test_a_build_of_code_that_has_changed_since_is_not_swapped_in(
    history: History, log: EventLog, database_url: str, owner: psycopg.Connection[Any]
) -> None:
    rebuilt(log, database_url)
    owner.execute("update views.builds set code_version = '0.1+0123456789ab' where view = 'earnings' and build = 2")
    with pytest.raises(swap.BuildNotReady, match="filled by code that has changed since"):
        swap.swap(database_url, NAME)
    digest = builds.code_version(view(NAME)).partition("+")[2]
    owner.execute("update views.builds set code_version = '0.1+' || %s where view = 'earnings' and build = 2", [digest])
    assert swap.swap(database_url, NAME).live == 2


class WithTips(Earnings):
    """A version with a column more, at the end."""

    version = 3
    columns = {**Earnings.columns, "tips_minor": "bigint"}

    def commission(self, share: Any) -> int:
        return 0


def test_a_version_with_other_columns_keeps_the_grants_and_names_what_is_made_of_the_view(
    history: History, log: EventLog, database_url: str, owner: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways, so that nobody goes where there is no way back."""
    rebuilt(log, database_url)
    swap.swap(database_url, NAME)
    owner.execute("create role analyst_of_earnings")
    owner.execute("grant select on views.earnings to analyst_of_earnings")
    owner.execute("create view public.of_mine as select net_minor from views.earnings")
    tips = WithTips()
    monkeypatch.setattr("replay.builds.versions", lambda: {(NAME, 2): view(NAME), (NAME, 3): tips})
    rebuild(database_url, Wanted(tips))
    owner.execute("update views.builds set position = (select max(position) from log.events) where view = 'earnings'")
    with pytest.raises(swap.ReadersInTheWay, match=r"of_mine is made of view earnings, whose columns change: drop it"):
        swap.swap(database_url, NAME)
    assert states(database_url)[3] == "shadow"
    owner.execute("drop view public.of_mine")
    assert swap.swap(database_url, NAME).live == 3
    assert owner.execute("select count(tips_minor) > 0 from views.earnings").fetchone() == (True,)
    owner.execute("create view public.of_mine as select net_minor from views.earnings")
    with pytest.raises(swap.ReadersInTheWay, match="of_mine is made of view earnings"):
        swap.roll_back(database_url, NAME)
    owner.execute("drop view public.of_mine")
    swap.roll_back(database_url, NAME)
    allowed = "select has_table_privilege('analyst_of_earnings', 'views.earnings', 'select')"
    assert owner.execute(allowed).fetchone() == (True,)
    owner.execute("drop owned by analyst_of_earnings")
    owner.execute("drop role analyst_of_earnings")


def test_a_view_whose_build_is_on_record_no_more_begins_anew_and_counts_nothing_twice(
    history: History, log: EventLog, database_url: str, owner: psycopg.Connection[Any]
) -> None:
    right = digest_of(database_url, "trial_balance", "live")
    owner.execute("delete from views.builds where view = 'trial_balance'")
    catch_up(log, database_url)
    assert digest_of(database_url, "trial_balance", "live") == right
