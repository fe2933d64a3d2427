"""A planted bug is found by the comparison, mended by a swap, and taken back by a rollback; nobody sees a mix."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from eventlog.application import EventLog
from eventlog.connections import connect
from projections.registry import add_modules, forget_modules, view
from replay import builds, compare, report, swap
from replay.causes import add_causes
from replay.rebuild import Wanted, rebuild
from tests.replay.history import History, catch_up, digest_of, view_machine

SUMS = "select seller_id, gross_minor, commission_minor, net_minor from views.earnings order by seller_id"


@pytest.fixture
def history(log: EventLog, database_url: str, planted: None) -> History:
    add_modules(["tests.replay.planted.wrong_fees"])
    made = History(log)
    made.open_wallets(4)
    made.write(200)
    catch_up(log, database_url)
    return made


def compared(log: EventLog, database_url: str) -> compare.Comparison:
    with connect(database_url) as connection:
        first, second = compare.newest(connection, "earnings")
    found = compare.compare(database_url, first, second)
    recorder: Any = log.log_recorder
    add_causes(found, [first.view, second.view], recorder, log.log_mapper.decode, recorder.read_streams)
    return found


def test_a_wrong_fee_rule_is_found_mended_and_taken_back(history: History, log: EventLog, database_url: str) -> None:
    add_modules(["tests.replay.planted.right_fees"])
    with connect(database_url) as connection:
        wrong = connection.execute(SUMS).fetchall()
    rebuild(database_url, Wanted(view("earnings"), workers=2))
    catch_up(log, database_url)
    found = compared(log, database_url)
    events = [
        log.log_mapper.decode(row) for row in log.log_recorder.read(0, 10**6, topics=["payment-order.captured.v1"])
    ]
    shares = [share for event in events for share in event.shares]
    too_much = sum(-(-share.gross_minor // 10) - share.commission_minor for share in shares)
    assert too_much > 0
    assert (found.changed, found.added, found.removed) == (1, 0, 0)
    assert found.money == {"EUR": {"commission_minor": -too_much, "net_minor": too_much}}
    assert found.differences[0].cause_count == len(events)
    rows = log.log_recorder.read(0, 10**6, topics=["payment-order.captured.v1"])
    wrong_by = [-(-share.gross_minor // 10) - share.commission_minor for share in shares]
    decisive = [row for row, amount in zip(rows, wrong_by, strict=True) if amount]
    assert [cause.position for cause in found.differences[0].decisive] == [row.position for row in decisive[:50]]
    assert found.differences[0].decisive_count == len(decisive) < len(events)
    assert found.since == decisive[0].recorded_at
    assert report.facts(found)["differences"][0]["columns"]["net_minor"][0] == wrong[0][3]
    done = swap.swap(database_url, "earnings")
    assert (done.live, done.kept) == (2, 1)
    with connect(database_url) as connection:
        mended = connection.execute(SUMS).fetchall()
    assert [(row[1], row[3] - old[3]) for row, old in zip(mended, wrong, strict=True)] == [(wrong[0][1], too_much)]
    history.write(30)
    catch_up(log, database_url)
    assert compared(log, database_url).changed == 1  # the old rule is kept up with the old code
    swap.roll_back(database_url, "earnings")
    swap.drop(database_url, "earnings", 2)
    rebuild(database_url, Wanted(view("earnings")))
    catch_up(log, database_url)
    swap.swap(database_url, "earnings")
    with connect(database_url) as connection:
        assert [row["state"] for row in builds.listed(connection, "earnings")] == ["kept", "live"]


def test_equal_builds_differ_in_nothing_and_a_live_one_is_not_dropped(
    history: History, log: EventLog, database_url: str
) -> None:
    rebuild(database_url, Wanted(view("earnings")))
    found = compared(log, database_url)
    assert found.equal
    assert report.facts(found)["changed"] == 0
    with pytest.raises(builds.NoSuchBuild, match="is live"):
        swap.drop(database_url, "earnings", 1)
    with pytest.raises(builds.NoSuchBuild, match="has no kept build"):
        swap.roll_back(database_url, "earnings")


def test_a_build_that_was_rolled_back_from_is_swapped_in_again_and_an_older_one_never(
    history: History, log: EventLog, database_url: str
) -> None:
    add_modules(["tests.replay.planted.right_fees"])
    for _ in range(2):
        rebuild(database_url, Wanted(view("earnings")))
    catch_up(log, database_url)
    assert swap.swap(database_url, "earnings").live == 3
    assert swap.roll_back(database_url, "earnings").live == 1
    assert swap.swap(database_url, "earnings").live == 3
    with pytest.raises(builds.NoSuchBuild, match=r"newer than the live one; its builds: 1 \(kept\), 2 \(shadow\)"):
        swap.swap(database_url, "earnings")
    with connect(database_url) as connection:
        assert [build.number for build in compare.newest(connection, "earnings")] == [3, 1]


def test_without_the_code_of_the_live_build_nothing_is_filled_and_a_kept_build_can_still_be_dropped(
    history: History, log: EventLog, database_url: str
) -> None:
    right_only = ["tests.replay.planted.right_fees"]
    forget_modules()
    add_modules(right_only)
    with pytest.raises(builds.NoSuchBuild, match="list that class as it was in EARLIER"):
        rebuild(database_url, Wanted(view("earnings")))
    with connect(database_url) as connection:
        assert [row["state"] for row in builds.listed(connection, "earnings")] == ["live"]
    add_modules(["tests.replay.planted.wrong_fees"])
    rebuild(database_url, Wanted(view("earnings")))
    catch_up(log, database_url)
    swap.swap(database_url, "earnings")
    forget_modules()
    add_modules(right_only)
    with pytest.raises(builds.NoSuchBuild, match="daybook replay drop earnings 1"):
        swap.roll_back(database_url, "earnings")
    assert swap.drop(database_url, "earnings", 1).name == "earnings build 1"
    with connect(database_url) as connection:
        assert [row["build"] for row in builds.listed(connection, "earnings")] == [2]


def test_a_view_that_the_program_has_no_more_goes_with_all_its_builds(
    history: History, log: EventLog, database_url: str
) -> None:
    rebuild(database_url, Wanted(view("earnings"), workers=2))
    forget_modules()
    with psycopg.connect(database_url, autocommit=True) as somebody:
        somebody.execute("create view public.of_mine as select * from views.earnings")
        with pytest.raises(swap.ReadersInTheWay, match=r"view public\.of_mine depends on .*; drop that first"):
            swap.remove(database_url, "earnings")
        somebody.execute("drop view public.of_mine")
    assert swap.remove(database_url, "earnings") == 2
    with connect(database_url) as connection:
        assert builds.listed(connection, "earnings") == []
        left = "select relname from pg_class where relname like 'earnings%'"
        assert connection.execute(left).fetchall() == []
    with pytest.raises(builds.NoSuchBuild, match="there is no view earnings"):
        swap.remove(database_url, "earnings")


def test_a_row_that_somebody_changed_by_hand_has_events_that_touched_it_and_none_that_is_decisive(
    history: History, log: EventLog, database_url: str
) -> None:
    rebuild(database_url, Wanted(view("earnings")))
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("update views.earnings_v1 set net_minor = net_minor + 7")
    (one,) = compared(log, database_url).differences
    captures = log.log_recorder.read(0, 10**6, topics=["payment-order.captured.v1"])
    assert (one.decisive, one.decisive_count) == ([], 0)
    assert one.cause_count == len(captures)


def test_builds_that_are_not_level_are_neither_compared_nor_swapped(
    history: History, log: EventLog, database_url: str
) -> None:
    rebuild(database_url, Wanted(view("earnings")))
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("update views.builds set position = position - 1 where view = 'earnings' and state = 'live'")
    with connect(database_url) as connection:
        first, second = compare.newest(connection, "earnings")
    with pytest.raises(compare.NotLevel):
        compare.compare(database_url, first, second, patience_s=0.1)
    with pytest.raises(swap.BuildNotReady):
        swap.swap(database_url, "earnings", patience_s=0.1)


def test_a_swap_waits_for_old_snapshots_and_names_them_when_they_stay(
    history: History, log: EventLog, database_url: str
) -> None:
    with psycopg.connect(database_url) as reader:
        reader.execute("set transaction isolation level repeatable read")
        pid = reader.execute("select pg_backend_pid(), count(*) from log.events").fetchone()[0]
        rebuild(database_url, Wanted(view("earnings")))
        with pytest.raises(swap.ReadersInTheWay, match=str(pid)):
            swap.swap(database_url, "earnings", patience_s=0.3)
    swap.swap(database_url, "earnings")


def test_a_reader_who_holds_the_view_is_waited_for_and_nothing_changes(
    history: History, log: EventLog, database_url: str
) -> None:
    rebuild(database_url, Wanted(view("earnings")))
    with psycopg.connect(database_url) as reader:
        reader.execute(SUMS).fetchall()
        with pytest.raises(swap.ReadersInTheWay, match="earnings"):
            swap.swap(database_url, "earnings", patience_s=0.3)
        with connect(database_url) as other:
            other.execute(SUMS).fetchall()
    with connect(database_url) as connection:
        assert builds.find(connection, "earnings", "live").number == 1


@pytest.mark.parametrize("cycles", [50, pytest.param(1000, marks=pytest.mark.long)])
def test_readers_see_one_build_or_the_other_through_every_swap_and_never_an_error(
    history: History, log: EventLog, database_url: str, cycles: int
) -> None:
    add_modules(["tests.replay.planted.right_fees"])
    with connect(database_url) as connection:
        wrong = connection.execute(SUMS).fetchall()
    rebuild(database_url, Wanted(view("earnings")))
    catch_up(log, database_url)
    swap.swap(database_url, "earnings")
    with connect(database_url) as connection:
        right = connection.execute(SUMS).fetchall()
    assert right != wrong
    ended, seen, errors = threading.Event(), [], []
    readers = [threading.Thread(target=read, args=(database_url, ended, seen, errors)) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(cycles):
        swap.roll_back(database_url, "earnings")
    ended.set()
    for reader in readers:
        reader.join()
    assert errors == []
    assert {tuple(rows) for rows in seen} == {tuple(wrong), tuple(right)}


def read(database_url: str, ended: threading.Event, seen: list[Any], errors: list[Exception]) -> None:
    """Reads twice in a transaction until told to stop: both times must show the same build."""
    try:
        with psycopg.connect(database_url) as connection:
            while not ended.is_set():
                connection.execute("set transaction isolation level repeatable read")
                first, second = (connection.execute(SUMS, prepare=True).fetchall() for _ in range(2))
                assert first == second
                seen.append(first)
                connection.commit()
    except Exception as problem:  # noqa: BLE001 - whatever a reader meets is what the test is about
        errors.append(problem)


def test_an_append_that_commits_after_the_rebuild_is_finished_is_not_lost(
    history: History, log: EventLog, database_url: str
) -> None:
    """The race published against another tool: the append begins while the view is rebuilt and commits afterwards."""
    with psycopg.connect(database_url) as slow:
        slow.execute("select log.open()")
        slow.execute("select count(*) from log.events")
        history.write(10)  # others commit meanwhile, above the writer that is still under way
        rebuild(database_url, Wanted(view("earnings")))
        with connect(database_url) as connection:
            before = builds.find(connection, "earnings", "shadow").position
        row = log.log_recorder.read(0, 1, topics=["payment-order.captured.v1"])[0]
        slow.execute("set role none")
        slow.execute(
            "insert into log.events select log.base() + (pg_current_xact_id()::text::bigint << 20), 1,"
            " gen_random_uuid(), 1, topic, clock_timestamp(), '{}', state from log.events where position = %s",
            [row.position],
        )
        slow.commit()
    machine = view_machine(log, database_url)
    machine.catch_up()
    machine.close()
    with connect(database_url) as connection:
        late = connection.execute(
            "select max(position) from log.events where version = 1 and topic = %s", ["payment-order.captured.v1"]
        ).fetchone()
        assert late is not None
        assert before < late[0] <= builds.find(connection, "earnings", "shadow").position
    swap.swap(database_url, "earnings")
    assert digest_of(database_url, "earnings", "live") == digest_of(database_url, "earnings", "kept")
    rebuild(database_url, Wanted(view("earnings")))
    assert digest_of(database_url, "earnings", "shadow") == digest_of(database_url, "earnings", "live")
