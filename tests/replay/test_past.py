"""Views as they were: equal to a replay from the beginning up to there, from whatever checkpoint; few are kept."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from eventlog.application import EventLog
from eventlog.connections import connect
from eventlog.recorded import Recorded
from projections.queries.reading import PastUnderWay, Then, fetch
from projections.registry import view, views
from projections.view import View
from replay import builds, checkpoints, parked
from replay.machine import ViewMachine
from replay.past import PastViews
from tests.replay.history import MERCHANT, History, catch_up
from tests.replay.replayed import line, positions, rows_replayed

STEP_EVENTS, CHECKPOINTS_MAX = 40, 2
PASTS = "select build from views.builds where view = %s and state = 'past' order by build"


@pytest.fixture
def history(log: EventLog, database_url: str) -> History:
    made = History(log, seed=5)
    made.open_wallets(8)
    made.open_wallets(1, MERCHANT)
    made.write(80)
    made.write_each(4)
    made.write(80)
    catch_up(log, database_url)
    return made


@pytest.fixture
def past(log: EventLog, database_url: str) -> Iterator[PastViews]:
    with closing(past_views(log, database_url)) as past:
        yield past


def past_views(log: EventLog, database_url: str, **more: Any) -> PastViews:
    bounds = {"checkpoints_max": CHECKPOINTS_MAX, "step_events": STEP_EVENTS} | more
    return PastViews(database_url, log.log_recorder, log.log_mapper.decode, **bounds)


def rows_then(past: PastViews, one: View, position: int, book: int | None = None) -> list[str]:
    """The rows of a view at a position, as lines; before what the view shows of them."""
    query = f"select * from {one.name}_whole"
    return sorted(line(row) for row in past.read(Then((one.name,), position, book), lambda c: fetch(c, query, None)))


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("points", [6, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", views())
def test_a_view_at_any_position_is_what_a_replay_to_there_makes(
    name: str, points: int, log: EventLog, past: PastViews
) -> None:
    one, there, dice = view(name), positions(log), random.Random(name)
    assert rows_replayed(log, one, there[-1])
    for position in (0, *dice.sample(there, points), there[-1], there[3] + 1):
        assert rows_then(past, one, position) == rows_replayed(log, one, position), position


def test_only_the_checkpoints_that_were_asked_for_last_are_kept(
    log: EventLog, database_url: str, history: History, past: PastViews
) -> None:
    one, there = view("postings"), positions(log)
    for position in there[:: len(there) // 8]:
        assert rows_then(past, one, position) == rows_replayed(log, one, position)
        with connect(database_url) as connection:
            assert len(connection.execute(PASTS, [one.name]).fetchall()) <= CHECKPOINTS_MAX
            tables = "select count(*) from pg_class where relname like 'postings_v1_b%%' and relkind = 'r'"
            assert connection.execute(tables).fetchone()[0] <= CHECKPOINTS_MAX + 1  # type: ignore[index]
    history.write(5)
    assert rows_then(past, one, there[-1]) == rows_replayed(log, one, there[-1])


def test_a_question_near_a_checkpoint_makes_none(
    log: EventLog, database_url: str, history: History, past: PastViews
) -> None:
    one, there = view("postings"), positions(log)
    rows_then(past, one, there[150])
    with connect(database_url) as connection:
        before = connection.execute(PASTS, [one.name]).fetchall()
        for position in there[140:160]:
            rows_then(past, one, position)
        assert connection.execute(PASTS, [one.name]).fetchall() == before


@pytest.mark.usefixtures("history")
def test_a_build_that_somebody_made_is_a_checkpoint_and_is_never_dropped(
    log: EventLog, database_url: str, past: PastViews, monkeypatch: pytest.MonkeyPatch
) -> None:
    from replay.rebuild import Wanted, rebuild

    one, there = view("balances"), positions(log)
    rebuild(database_url, Wanted(one, as_of=there[100]))
    with connect(database_url) as connection:
        made = connection.execute(PASTS, [one.name]).fetchall()
        assert rows_then(past, one, there[110]) == rows_replayed(log, one, there[110])
        assert connection.execute(PASTS, [one.name]).fetchall() == made
        for position in there[::30]:
            rows_then(past, one, position)
        assert made[0] in connection.execute(PASTS, [one.name]).fetchall()


@pytest.mark.usefixtures("history")
def test_other_code_takes_no_checkpoint_of_this_one(
    log: EventLog, database_url: str, past: PastViews, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, there = view("postings"), positions(log)
    rows_then(past, one, there[200])
    with connect(database_url) as connection:
        before = connection.execute(PASTS, [one.name]).fetchall()
        connection.execute("update views.builds set code_version = 'other' where state = 'past'")
        assert rows_then(past, one, there[200]) == rows_replayed(log, one, there[200])
        after = connection.execute(PASTS, [one.name]).fetchall()
    assert (len(after), after != before) == (CHECKPOINTS_MAX, True)


def test_a_checkpoint_that_was_not_finished_is_nobodys_and_makes_room(
    log: EventLog, database_url: str, history: History, past: PastViews
) -> None:
    one, there = view("postings"), positions(log)
    with connect(database_url) as connection:
        for _ in range(CHECKPOINTS_MAX):
            half = builds.create(connection, one, "past")
            connection.execute(checkpoints.ASKED_FOR, [*half.key])
        assert rows_then(past, one, there[200]) == rows_replayed(log, one, there[200])
        rows_then(past, one, there[60])
        assert len(connection.execute(PASTS, [one.name]).fetchall()) == CHECKPOINTS_MAX


def test_a_stream_that_a_view_cannot_take_is_left_out_from_there_on(
    log: EventLog, database_url: str, history: History, server_url: str, past: PastViews
) -> None:
    one, there = view("payment_orders"), positions(log)
    captured = log.log_recorder.read(0, 1_000_000, topics=["payment-order.captured.v1"])
    damaged = captured[len(captured) // 2]
    whole_before = rows_then(past, one, damaged.position - 1)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("alter table log.events disable trigger all")
        connection.execute("update log.events set state = '{}' where position = %s", [damaged.position])
        connection.execute("update views.builds set code_version = 'other' where state = 'past'")
    assert rows_then(past, one, damaged.position - 1) == whole_before
    created = log.log_recorder.read(0, 1_000_000, topics=["payment-order.created.v1"])
    (row,) = (line for line in whole_before if str(damaged.stream_id) in line)
    now = rows_then(past, one, there[-1])
    assert (row in now, len(now)) == (True, len(created))


@pytest.mark.parametrize("step_events", [STEP_EVENTS, 100_000])
def test_the_past_leads_to_what_readers_see_of_a_stream_of_which_an_event_was_given_up(
    log: EventLog, database_url: str, history: History, step_events: int
) -> None:
    """Also where a checkpoint was made before that, and although the code could take the event."""
    one, wallet = view("wallet_days"), history.wallets[0]
    first = wallet.version + 1
    history.write(80)

    def decode(row: Recorded) -> Any:
        if (row.stream_id, row.version) == (wallet.id, first):
            raise ValueError("cannot be read today")
        return log.log_mapper.decode(row)

    recorder = log.log_recorder
    with (
        closing(past_views(log, database_url, step_events=step_events)) as past,
        closing(ViewMachine(database_url, recorder, recorder.horizon, decode, [one])) as machine,
        connect(database_url) as connection,
    ):
        machine.catch_up()
        live, end = builds.find(connection, one.name, "live"), positions(log)[-1]
        bad = parked.listed(connection, one.name)[0]
        assert rows_then(past, one, end) == rows_replayed(log, one, end), "nothing was given up"
        parked.discard(connection, live, bad.position, "entered twice")
        assert parked.retry(connection, live, wallet.id, recorder, log.log_mapper.decode)
        now = sorted(line(row) for row in fetch(connection, f"select * from {live.table}", None))
        assert rows_then(past, one, end) == now != rows_replayed(log, one, end)
        assert rows_then(past, one, bad.position - 1) == rows_replayed(log, one, bad.position - 1)
        assert parked.listed(connection, with_discarded=True) == parked.listed(
            connection, build=live.number, with_discarded=True
        )


@pytest.mark.usefixtures("history")
def test_many_ask_at_once_about_different_moments(log: EventLog, database_url: str) -> None:
    one, there = view("postings"), positions(log)
    asked = random.Random(3).sample(there, 12)
    wanted = {position: rows_replayed(log, one, position) for position in asked}
    wrong: list[int] = []
    with (
        closing(past_views(log, database_url, checkpoints_max=4)) as first,
        closing(past_views(log, database_url, checkpoints_max=4)) as second,
    ):

        def ask(past: PastViews, some: list[int]) -> None:
            wrong.extend(position for position in some if rows_then(past, one, position) != wanted[position])

        threads = [threading.Thread(target=ask, args=(past, asked[n::4])) for n, past in enumerate([first, second] * 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


@pytest.mark.usefixtures("history")
def test_who_cannot_wait_is_told_so_and_finds_the_checkpoint_later(log: EventLog, database_url: str) -> None:
    one, position = view("postings"), positions(log)[200]
    with connect(database_url) as other, closing(past_views(log, database_url, wait_s=0.05)) as past:
        other.execute(checkpoints.LOCK, [one.name])
        with pytest.raises(PastUnderWay, match="view postings is being folded to about that moment; ask again"):
            rows_then(past, one, position)
        other.execute("select pg_advisory_unlock_all()")
        past._making[one.name].join(20)
        assert rows_then(past, one, position) == rows_replayed(log, one, position)
