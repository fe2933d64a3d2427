"""What is set aside and taken later leaves no trace; what was given up stays so in every build that comes after."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from eventlog.application import EventLog
from eventlog.connections import connect
from eventlog.recorded import Recorded
from projections.registry import view, views
from replay import parked, swap
from replay import rebuild as rebuilds
from replay.builds import Build, find
from replay.digest import digest
from replay.fill import EventRefused
from replay.machine import ViewMachine
from replay.progress import progress
from replay.rebuild import Wanted, rebuild
from tests.last_written import last_written
from tests.replay.history import MERCHANT, History, catch_up, digest_of, view_machine


@pytest.fixture
def history(log: EventLog) -> History:
    made = History(log, seed=7)
    made.open_wallets(6)
    made.open_wallets(1, MERCHANT)
    made.write(60)
    made.write_each(4)
    return made


def refusing(log: EventLog, refused: Callable[[Recorded], bool]) -> Callable[[Recorded], Any]:
    """Reads the log, but for some of its events."""

    def decode(row: Recorded) -> Any:
        if refused(row):
            raise ValueError("cannot be read today")
        return log.log_mapper.decode(row)

    return decode


def fold(log: EventLog, database_url: str, decode: Callable[[Recorded], Any]) -> None:
    """Lets the machine take what there is, as `decode` reads it."""
    recorder = log.log_recorder
    machine = ViewMachine(database_url, recorder, recorder.horizon, decode, list(views().values()))
    machine.catch_up()
    machine.close()


def every_second(log: EventLog) -> Callable[[Recorded], bool]:
    """Every second event of each topic, so that each view has streams that wait while others flow."""
    seen: dict[str, int] = {}
    chosen = set()
    for row in log.log_recorder.read(0, 10**6):
        seen[row.topic] = seen.get(row.topic, 0) + 1
        if seen[row.topic] % 2 == 0:
            chosen.add(row.position)
    return lambda row: row.position in chosen


def retry(log: EventLog, connection: psycopg.Connection[Any], build: Build, stream_id: UUID) -> int:
    return parked.retry(connection, build, stream_id, log.log_recorder, log.log_mapper.decode)


def give_up_the_first(log: EventLog, connection: psycopg.Connection[Any], build: Build, stream_id: UUID) -> None:
    """The first event of a stream that waits, and whatever cannot be taken without it."""
    while waiting := parked.listed(connection, build.view.name, stream_id, build=build.number):
        parked.discard(connection, build, waiting[0].position, "entered twice")
        with contextlib.suppress(Exception):
            retry(log, connection, build, stream_id)


def records(connection: psycopg.Connection[Any], build: Build) -> list[tuple[Any, ...]]:
    """What is parked and discarded in a build, without its number; what is discarded, with when it was parked."""
    found = parked.listed(connection, build.view.name, build=build.number, with_discarded=True)
    return [(one.position, one.topic, one.reason, one.discarded and one.parked_at, one.discarded) for one in found]


@pytest.mark.usefixtures("history")
def test_every_view_that_took_parked_events_later_is_what_a_rebuild_makes(log: EventLog, database_url: str) -> None:
    fold(log, database_url, refusing(log, every_second(log)))
    with connect(database_url) as connection:
        waiting = {(entry.view, entry.stream_id) for entry in parked.listed(connection)}
        assert {name for name, _ in waiting} == set(views())
        for name, stream_id in sorted(waiting):
            retry(log, connection, find(connection, name, "live"), stream_id)
        assert parked.listed(connection) == []
    for name in views():
        rebuild(database_url, Wanted(view(name)))
        assert digest_of(database_url, name, "live") == digest_of(database_url, name, "shadow") != "empty", name


@pytest.mark.usefixtures("history")
def test_what_was_given_up_for_the_live_build_is_left_out_of_every_build_after_it(
    log: EventLog, database_url: str
) -> None:
    """Though its code can take it now; and the rebuilds are not asked to park anything."""
    fold(log, database_url, refusing(log, every_second(log)))
    with connect(database_url) as connection:
        for name, stream_id in sorted({(entry.view, entry.stream_id) for entry in parked.listed(connection)}):
            give_up_the_first(log, connection, find(connection, name, "live"), stream_id)
        assert parked.listed(connection) == []
        for name in views():
            live = find(connection, name, "live")
            wanted = records(connection, live), digest(connection, live)
            for more in ({}, {"workers": 2, "side_by_side_events": 1}, {"as_of": live.position}):
                told = rebuild(database_url, Wanted(view(name), **more))
                made = find(connection, name, number=told.build)
                assert (records(connection, made), digest(connection, made)) == wanted, (name, more)
            assert wanted[0], name
            assert wanted[1] != "empty", name


@pytest.mark.usefixtures("history")
def test_where_the_last_event_was_given_up_that_made_others_superfluous_the_one_before_it_counts(
    log: EventLog, database_url: str
) -> None:
    last = log.log_recorder.read(0, 10**6, topics=["wallet.posted.v1"])[-1]
    fold(log, database_url, refusing(log, lambda row: row.position == last.position))
    with connect(database_url) as connection:
        give_up_the_first(log, connection, find(connection, "balances", "live"), last.stream_id)
    rebuild(database_url, Wanted(view("balances")))
    assert digest_of(database_url, "balances", "shadow") == digest_of(database_url, "balances", "live")


@pytest.mark.usefixtures("history")
def test_the_machine_leaves_out_what_was_given_up_wherever_a_build_stands(log: EventLog, database_url: str) -> None:
    fold(log, database_url, refusing(log, every_second(log)))
    with connect(database_url) as connection:
        for entry in parked.listed(connection, "wallet_days"):
            give_up_the_first(log, connection, find(connection, "wallet_days", "live"), entry.stream_id)
        live = find(connection, "wallet_days", "live")
        wanted = records(connection, live), digest(connection, live)
        machine = view_machine(log, database_url)
        machine.reset(view("wallet_days"))
        machine.catch_up()
        machine.close()
        assert (records(connection, live), digest(connection, live)) == wanted


def one_given_up(log: EventLog, database_url: str) -> tuple[int, UUID]:
    """One posting of a wallet that days of wallets were given up for, and those after it that were taken."""
    (one, *_) = log.log_recorder.read(0, 1, topics=["wallet.posted.v1"])
    fold(log, database_url, refusing(log, lambda row: row.position == one.position))
    with connect(database_url) as connection:
        live = find(connection, "wallet_days", "live")
        parked.discard(connection, live, one.position, "entered twice")
        assert retry(log, connection, live, one.stream_id)
    return one.position, one.stream_id


@pytest.mark.usefixtures("history")
def test_what_is_to_be_tried_again_is_taken_by_the_next_build_and_the_live_one_stays(
    log: EventLog, database_url: str
) -> None:
    position, wallet = one_given_up(log, database_url)
    entries = "select sum(entries)::int from {} where wallet_id = %s"
    with connect(database_url) as connection:
        live = find(connection, "wallet_days", "live")
        before = connection.execute(entries.format(live.table), [wallet]).fetchone()
        with pytest.raises(parked.NothingParked, match="no discarded event at position 1"):
            parked.reconsider(connection, live, 1)
        parked.reconsider(connection, live, position)
        past = find(connection, "wallet_days", number=rebuild(database_url, as_of(live)).build)
        assert digest(connection, past) == digest(connection, live)
        rebuild(database_url, Wanted(view("wallet_days")))
        made = find(connection, "wallet_days", "shadow")
        assert records(connection, made) == []
        assert connection.execute(entries.format(made.table), [wallet]).fetchone() == (before[0] + 1,)
        assert connection.execute(entries.format(live.table), [wallet]).fetchone() == before
        assert [one[-1] for one in records(connection, live)] == ["entered twice"]


def as_of(build: Build) -> Wanted:
    return Wanted(build.view, as_of=build.position)


def test_a_build_that_lacks_what_the_live_one_took_after_a_discard_is_not_swapped_in(
    history: History, log: EventLog, database_url: str
) -> None:
    catch_up(log, database_url)
    rebuild(database_url, Wanted(view("wallet_days")))
    end = last_written(log)
    history.write(30)
    fold(log, database_url, refusing(log, every_second(log)))
    with connect(database_url) as connection:
        live, shadow = find(connection, "wallet_days", "live"), find(connection, "wallet_days", "shadow")
        streams = {one.stream_id for one in parked.listed(connection, "wallet_days") if one.position > end}
        for stream_id in streams:
            give_up_the_first(log, connection, live, stream_id)
        lacking = {
            one.stream_id for one in parked.listed(connection, build=shadow.number) if one.reason == parked.BEHIND
        }
        assert lacking
        with pytest.raises(swap.BuildNotReady, match=f"set {len(lacking)} streams aside that the live build took"):
            swap.swap(database_url, "wallet_days")
        for stream_id in streams:
            give_up_the_first(log, connection, shadow, stream_id)
        assert swap.swap(database_url, "wallet_days").live == shadow.number
        assert digest(connection, live) == digest(connection, shadow)


def test_rows_taken_over_from_the_live_build_come_with_what_it_holds_back(
    history: History, log: EventLog, database_url: str
) -> None:
    catch_up(log, database_url)
    one, waits, other = history.wallets[:3]
    ends = {wallet.id: wallet.version for wallet in (one, waits)}
    history.write(40)
    assert all(wallet.version > ends[wallet.id] + 2 for wallet in (one, waits))
    late = refusing(log, lambda row: row.version == ends.get(row.stream_id, -1) + 1)
    fold(log, database_url, late)
    with connect(database_url) as connection:
        live = find(connection, "wallet_entries", "live")
        give_up_the_first(log, connection, live, one.id)
        wanted = records(connection, live)
        assert {given_up for *_, given_up in wanted} == {None, "entered twice"}
        told = rebuild(database_url, Wanted(view("wallet_entries"), scope={"wallet": str(other.id)}))
        made = find(connection, "wallet_entries", number=told.build)
        assert records(connection, made) == wanted
        history.write(20)
        catch_up(log, database_url)
        assert records(connection, made) == records(connection, live) != wanted
        assert digest(connection, made) == digest(connection, live)
        retry(log, connection, made, waits.id)
        told = rebuild(database_url, Wanted(view("wallet_entries")))
        assert digest(connection, made) == digest(connection, find(connection, "wallet_entries", number=told.build))


@pytest.mark.usefixtures("history")
def test_a_rebuild_that_set_streams_aside_is_not_gone_on_with_as_one_that_sets_none_aside(
    log: EventLog, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    catch_up(log, database_url)
    one = view("wallet_days")
    bad = log.log_recorder.read(0, 3, topics=["wallet.posted.v1"])[-1]
    sizes = {"batch_events": 30, "page_events": 30}
    with psycopg.connect(database_url, autocommit=True) as owner, monkeypatch.context() as cut_off:
        owner.execute("update log.events set state = '{' where position = %s", [bad.position])
        cut_off.setattr(rebuilds, "_merge", interrupt)
        with pytest.raises(KeyboardInterrupt):
            rebuild(database_url, Wanted(one, park=True, **sizes))
    again = rf"build 2, has set 1 streams aside: .* at position {bad.position} .* go on with it with --park, or"
    with pytest.raises(EventRefused, match=again):
        rebuild(database_url, Wanted(one, **sizes))
    with connect(database_url) as connection:
        assert find(connection, one.name, "filling").number == 2
        told = rebuild(database_url, Wanted(one, park=True, **sizes))
        assert (told.build, told.streams_set_aside, told.facts["streams_set_aside"]) == (2, 1, 1)
        waiting = parked.listed(connection, one.name, build=2)
        for entry in waiting[:2]:
            parked.discard(connection, find(connection, one.name, "shadow"), entry.position, "cannot be read")
        (told,) = progress(connection)
        assert (told.streams_set_aside, told.events_given_up) == (1, 2)


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
