"""Rebuilds of views over HTTP and in the metrics: how far they are, what became of them, and who is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from api.app import create_app
from daybook.client import Client, NotFound
from eventlog.connections import Readers, connect
from projections.queries.reading import Reader, encoded
from projections.registry import view
from replay import replays
from replay.builds import create
from replay.fill import EventRefused
from replay.rebuild import Wanted, rebuild
from tests.api.ledger import ok, open_wallet, problem
from tests.api.proxy import serving
from tests.api.reading import Reading
from tests.api.support import Shop

HOLD_VIEW = "select pg_advisory_lock(hashtextextended('daybook replay of ' || %s, 0))"
CUT_OFF = """
update views.replays set state = 'filling', until = until + (until - (select min(position) from log.events)),
       started_at = started_at - interval '1 hour', ended_at = null where replay_id = %s
"""
SPOIL = """
update log.events set state = '{"amount_minor": ' where position = (
    select max(position) from log.events where topic = 'wallet.opened.v1' and book = %s)
returning position
"""


@pytest.fixture
def books(reading: Reading, database_url: str) -> Iterator[Reading]:
    """Two wallets, views that have read them, and metrics that read their records."""
    for name in ("alice", "bob"):
        open_wallet(reading.shop, f"wallet:{name}")
    reading.machine.catch_up()
    with closing(Readers(database_url, 1, patience_s=0.3)) as scraping:
        services = replace(reading.shop.services, scraped=Reader(scraping.read))
        shop = replace(reading.shop, app=create_app(services), services=services)
        yield replace(reading, shop=shop)


def rebuilt(database_url: str, name: str, **wanted: Any) -> UUID:
    return rebuild(database_url, Wanted(view(name), **wanted)).replay_id


def metrics(shop: Shop) -> dict[str, float]:
    """The samples about views and rebuilds."""
    found = re.findall(r"^(daybook_(?:replay|view)_\S+) (\S+)$", shop.client().get("/metrics").text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def test_rebuilds_are_listed_newest_first_page_by_page_and_read_one_by_one(books: Reading, database_url: str) -> None:
    made = [rebuilt(database_url, name, workers=2) for name in ("balances", "trial_balance", "balances")]
    first = ok(books.get("/replays?limit=2", "operator"))
    second = ok(books.get(f"/replays?limit=2&cursor={first['next_cursor']}", "auditor"))
    shown = [*first["items"], *second["items"]]
    assert [row["replay_id"] for row in shown] == [str(one) for one in reversed(made)]
    assert (len(first["items"]), second["next_cursor"]) == (2, None)
    one = ok(books.get(f"/replays/{made[0]}"))
    assert one == shown[-1]
    assert (one["view"], one["build"], one["version"], one["state"]) == ("balances", 2, 1, "done")
    assert (one["events"], one["percent"], one["scope"], one["problem"]) == (2, 100.0, {}, None)
    assert [part["part"] for part in one["parts"]] == [0, 1]
    assert sum(part["events"] for part in one["parts"]) == one["events"]
    assert int(one["from_position"]) < int(one["position"]) == int(one["until"])
    assert one["code_version"].startswith("0.1.0+")
    assert one["started_at"] < one["ended_at"]
    assert (one["seconds_left"], one["resumed_at"]) == (None, None)
    of_view = ok(books.get("/replays?view=trial_balance"))["items"]
    assert [row["replay_id"] for row in of_view] == [str(made[1])]


def test_one_that_was_cut_off_says_so_and_the_hours_in_between_are_no_work(books: Reading, database_url: str) -> None:
    """The record of a rebuild that is half-way, and was started an hour ago."""
    with connect(database_url) as connection, connect(database_url) as worker:
        build = create(connection, view("balances"), "filling")
        replay = replays.begin(connection, build, replays_end(connection), 1, {})
        with psycopg.connect(database_url, autocommit=True) as owner:
            owner.execute("update views.replay_parts set events = 1, position = %s", [replays_end(connection)])
            owner.execute(CUT_OFF, [replay.replay_id])
        found = ok(books.get(f"/replays/{replay.replay_id}"))
        assert (found["state"], found["seconds_left"]) == ("interrupted", None)
        assert 49 < found["percent"] < 51
        assert found["seconds"] == pytest.approx(3600, abs=60)
        worker.execute(HOLD_VIEW, ["balances"])
        found = ok(books.get(f"/replays/{replay.replay_id}"))
        assert found["state"] == "running"
        assert found["seconds_left"] == pytest.approx(3600, abs=60)
        told = metrics(books.shop)
        assert told['daybook_replay_eta_seconds{build="2",view="balances"}'] == pytest.approx(3600, abs=60)
        assert told['daybook_replay_state{build="2",state="running",view="balances"}'] == 1.0
        with psycopg.connect(database_url, autocommit=True) as owner:
            owner.execute("update views.replay_parts set updated_at = updated_at - interval '50 minutes'")
        cut_off = replays.unfinished(connection, view("balances"))
        assert cut_off is not None
        replays.resume(connection, cut_off)
        found = ok(books.get(f"/replays/{replay.replay_id}"))
        assert found["resumed_at"] is not None
        assert found["seconds"] == pytest.approx(600, abs=60), "it had stood still for 50 minutes"


def replays_end(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("select max(position) from log.events").fetchone()
    return int(row[0]) if row else 0


def test_metrics_tell_how_far_rebuilds_and_builds_are(books: Reading, database_url: str) -> None:
    rebuilt(database_url, "balances")
    rebuilt(database_url, "balances")
    open_wallet(books.shop, "wallet:carol")
    told = metrics(books.shop)
    assert told['daybook_replay_events_total{view="balances"}'] == 4.0
    assert told['daybook_replay_progress_ratio{build="3",view="balances"}'] == 1.0
    assert told['daybook_replay_events_per_second{build="3",view="balances"}'] > 0
    assert told['daybook_replay_state{build="3",state="done",view="balances"}'] == 1.0
    assert told['daybook_replay_state{build="3",state="failed",view="balances"}'] == 0.0
    assert not [name for name in told if name.startswith(("daybook_replay_eta", 'daybook_replay_state{build="2"'))]
    assert told['daybook_view_lag_seconds{build="1",state="live",view="balances"}'] > 0
    assert told['daybook_view_lag_seconds{build="3",state="shadow",view="balances"}'] > 0
    books.machine.catch_up()
    told = metrics(books.shop)
    assert {value for name, value in told.items() if name.startswith("daybook_view_lag_seconds")} == {0.0}
    positions = {value for name, value in told.items() if name.startswith("daybook_view_position")}
    assert len(positions) == 1


def test_metrics_of_requests_are_told_while_the_database_is_away(books: Reading, tmp_path: Path) -> None:
    with closing(Readers(f"host={tmp_path}", 1, patience_s=0.05)) as nowhere:
        app = create_app(replace(books.shop.services, scraped=Reader(nowhere.read)))
        told = app.test_client().get("/metrics")
    assert told.status_code == 200
    assert "daybook_http_requests" in told.text
    assert "daybook_view_lag_seconds" not in told.text


def test_several_processes_tell_the_records_once(
    books: Reading, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebuilt(database_url, "due")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    text = books.shop.client().get("/metrics").text
    assert text.count('daybook_replay_events_total{view="due"}') == 1
    assert text.count('daybook_view_lag_seconds{build="2",state="shadow",view="due"}') == 1


def test_what_is_asked_wrongly_or_by_others_is_refused(books: Reading, database_url: str) -> None:
    made = rebuilt(database_url, "balances")
    for path in ("/replays", f"/replays/{made}"):
        problem(books.get(path, "merchant"), 403, "forbidden")
    for replay_id in (uuid4(), "latest", "0"):
        problem(books.get(f"/replays/{replay_id}"), 404, "not_found")
    crossed = encoded([str(uuid4()), str(datetime.now(UTC))])
    for cursor in ("x", "%C3%A9", "A" * 24, encoded([1, 2]), encoded("x"), crossed):
        problem(books.get(f"/replays?cursor={cursor}"), 422, "cursor_unreadable", "cursor")
    for query, field in (("limit=0", "limit"), ("cursor=", "cursor"), ("state=done", "state"), ("view=", "view")):
        problem(books.get(f"/replays?{query}"), 422, "invalid_request", field)
    future = encoded([datetime.now(UTC) + timedelta(days=1), uuid4()])
    assert len(ok(books.get(f"/replays?cursor={future}"))["items"]) == 1
    assert ok(books.get("/replays?view=nothing")) == {"items": [], "next_cursor": None}


def test_what_is_of_another_book_is_not_told(books: Reading, database_url: str) -> None:
    opened = ok(books.get("/wallets/wallet:alice?currency=EUR"))
    alone = rebuilt(database_url, "balances", scope={"wallet": opened["wallet_id"]})
    assert ok(books.get(f"/replays/{alone}"))["scope"] == {"wallet": opened["wallet_id"]}
    problem(books.get(f"/replays/{alone}", "foreign"), 404, "not_found")
    assert ok(books.get("/replays", "foreign"))["items"] == []
    with psycopg.connect(database_url, autocommit=True) as owner:
        position = owner.execute(SPOIL, [1]).fetchone()
    assert position is not None
    with pytest.raises(EventRefused):
        rebuilt(database_url, "balances")
    own = ok(books.get("/replays"))["items"][0]
    assert own["state"] == "failed"
    assert f"at position {position[0]}" in own["problem"]
    other = ok(books.get("/replays", "foreign"))["items"][0]
    assert (other["replay_id"], other["state"]) == (own["replay_id"], "failed")
    assert other["problem"] == "view balances cannot take an event of another book"


def test_the_client_reads_rebuilds(books: Reading, database_url: str) -> None:
    made = [rebuilt(database_url, "due"), rebuilt(database_url, "balances", workers=2)]
    with serving(books.shop.app) as port, Client(f"http://127.0.0.1:{port}", books.shop.keys["operator"]) as daybook:
        assert [one.replay_id for one in daybook.replays.list(limit=1)] == made[::-1]
        found = daybook.replays.show(made[1])
        assert (found.state, found.view, len(found.parts)) == ("done", "balances", 2)
        with pytest.raises(NotFound):
            daybook.replays.show(uuid4())
