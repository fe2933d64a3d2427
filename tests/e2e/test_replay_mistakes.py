"""`daybook replay` asked wrongly, at the wrong moment, or of a damaged log: what it says, and that nobody is harmed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from daybook.running import child_environment, running
from daybook.settings import Settings
from domain.posting_rules import POSTED_TOPICS
from eventlog.application import EventLog
from eventlog.connections import connect
from eventlog.postgres import PostgresRecorder
from projections.registry import view
from replay import builds, replays
from replay.rebuild import last_position
from tests.e2e.test_ledger_commands import Shell
from tests.faults.running_copy import PATIENCE_S, wait_until
from tests.replay.history import MERCHANT, History, digest_of

ROOT = Path(__file__).resolve().parents[2]
SPOIL = """
update log.events set state = '{"amount_minor": ' where position = (
    select position from log.events where topic = 'posting.recorded.v1' order by position offset 3 limit 1)
returning position, version, stream_id
"""
CHANGE = """
update views.balances_v1 set posted_minor = posted_minor + 1
 where wallet_id = (select wallet_id from views.balances_v1 limit 1) returning wallet_id
"""
POSTED = """
select (select position from log.tracking where name = 'engine/1') >= max(position) from log.events
 where topic = any(%s)
"""
READ = "select min(position) >= (select max(position) from log.events) from views.builds where state <> 'past'"
REBUILDING = """
select count(*) from pg_locks where locktype = 'advisory' and granted
   and (classid::bigint << 32) | objid::bigint = hashtextextended('daybook replay of due', 0)
"""


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Iterator[Settings]:
    """A running copy with orders, wallets and postings, whose views have read all of it."""
    log = EventLog(PostgresRecorder(database_url))
    history = History(log)
    history.open_wallets(5)
    history.open_wallets(1, MERCHANT)
    history.write(60)
    log.close()
    with running(Settings(home=tmp_path / "home", database_url=database_url), ("engine", "views")) as copy:
        with psycopg.connect(database_url, autocommit=True) as owner:
            topics = [sorted(POSTED_TOPICS)]
            wait_until(lambda: owner.execute(POSTED, topics).fetchone() == (True,), "the engine has posted all facts")
            wait_until(lambda: owner.execute(READ).fetchone() == (True,), "the views have read the log")
        yield copy.settings


@pytest.fixture
def shell(settings: Settings) -> Shell:
    return Shell(settings)


def states(shell: Shell, name: str) -> list[str]:
    return [row["state"] for row in shell.facts("replay", "builds", name)]


def test_what_makes_no_sense_is_named_and_begins_nothing(shell: Shell) -> None:
    for arguments, named in (
        (("rebuild", "balance"), "balances, due"),
        (("diff", "balance"), "balance"),
        (("swap", "balance"), "balance"),
        (("builds", "balance"), "balance"),
        (("rebuild", "balances", "--as-of", str(2**61)), "--as-of: the log has come to position"),
        (
            ("rebuild", "balances", "--as-of", "2999-01-01T00:00:00Z"),
            "--as-of: 2999-01-01T00:00:00+00:00 is in the fut",
        ),
        (("rebuild", "balances", "--as-of", "-1"), "--as-of"),
        (("rebuild", "balances", "--as-of", "2026-01-01T00:00:00"), "--as-of"),
        (("rebuild", "balances", "--workers", "0"), "--workers"),
        (("rebuild", "balances", "--archive", "nowhere"), "--archive"),
        (("rebuild", "balances", "--only-wallet", "alice"), "--only-wallet"),
        (("rebuild", "balances", "--only-wallet", str(MERCHANT)), "--only-wallet: there is no wallet"),
        (("rebuild", "balances", "--only-merchant", MERCHANT, "--only-wallet", MERCHANT), "give one of them"),
        (("rebuild", "trial_balance", "--only-merchant", MERCHANT), "rebuild all of it"),
        (("diff", "balances", "--rows", "0"), "--rows"),
        (("drop", "balances", "one"), "BUILD"),
    ):
        assert named in shell.run("replay", *arguments, status=2), arguments
    assert {row["state"] for row in shell.facts("replay", "builds")} == {"live"}
    assert shell.facts("replay", "status") == []


def test_without_another_build_there_is_nothing_to_compare_to_swap_or_to_go_back_to(shell: Shell) -> None:
    for command in ("diff", "swap", "rollback"):
        told = shell.run("replay", command, "balances", status=1)
        assert "view balances has no " in told
        assert "its builds: 1 (live)" in told
    assert "view balances has no build 7; its builds: 1 (live)" in shell.run(
        "replay", "drop", "balances", "7", status=1
    )
    assert "build 1 is live: swap another in" in shell.run("replay", "drop", "balances", "1", status=1)


def test_a_build_that_is_not_complete_or_of_the_past_is_not_swapped_in(shell: Shell, database_url: str) -> None:
    """The first is what a killed rebuild leaves behind."""
    before = digest_of(database_url, "balances", "live")
    with connect(database_url) as connection, connection.transaction():
        half = builds.create(connection, view("balances"), "filling")
        replays.begin(connection, half, last_position(connection), 2, {})
    told = shell.run("replay", "status")
    assert "interrupted" in told
    assert told.endswith("run it again, and it goes on\n")
    for command in ("swap", "diff"):
        assert "its builds: 1 (live), 2 (filling)" in shell.run("replay", command, "balances", status=1)
    again = shell.facts("replay", "rebuild", "balances")
    assert (again["build"], again["state"], len(again["parts"])) == (2, "done", 2)
    shell.run("replay", "drop", "balances", "2")
    position = shell.facts("replay", "builds", "balances")[0]["position"]
    past = shell.run("replay", "rebuild", "balances", "--as-of", position)
    assert "swap" not in past
    for command in ("swap", "diff", "rollback"):
        assert "(past)" in shell.run("replay", command, "balances", status=1)
    assert states(shell, "balances") == ["live", "past"]
    assert digest_of(database_url, "balances", "live") == before


def test_rows_of_one_wallet_are_set_right_by_a_swap_like_any_other(shell: Shell, database_url: str) -> None:
    right = digest_of(database_url, "balances", "live")
    with psycopg.connect(database_url, autocommit=True) as owner:
        row = owner.execute(CHANGE).fetchone()
    assert row is not None
    filled = shell.facts("replay", "rebuild", "balances", "--only-wallet", str(row[0]))
    assert filled["scope"] == {"wallet": str(row[0])}
    assert "1 rows changed" in shell.ended("replay", "diff", "balances", status=1).stdout
    shell.run("replay", "swap", "balances")
    assert digest_of(database_url, "balances", "live") == right


def test_a_damaged_event_is_named_by_its_place_and_can_be_left_out(shell: Shell, database_url: str) -> None:
    before = digest_of(database_url, "postings", "live")
    with psycopg.connect(database_url, autocommit=True) as owner:
        spoilt = owner.execute(SPOIL).fetchone()
    assert spoilt is not None
    position, version, stream = spoilt
    where = f"posting.recorded.v1 at position {position}, version {version} of stream {stream}: "
    for workers in ("1", "2"):
        told = shell.run("replay", "rebuild", "postings", "--workers", workers, status=1)
        assert f"view postings cannot take {where}" in told
        assert "cannot be read" in told
        assert "correct the view, or rebuild with --park" in told
        assert "Traceback" not in told
    assert states(shell, "postings") == ["live"]
    assert [row["state"] for row in shell.facts("replay", "status")] == ["failed", "failed"]
    assert where in shell.run("replay", "status")
    told = shell.run("replay", "rebuild", "postings", "--park")
    assert "build 4 is filled" in told
    assert ", without 1 streams set aside (daybook parked list --view postings --all). Next: " in told
    (parked,) = json.loads(shell.ended("parked", "list", "--view", "postings", "--json", status=1).stdout)
    assert (parked["build"], parked["position"], parked["stream_id"]) == (4, str(position), str(stream))
    assert "1 removed" in shell.ended("replay", "diff", "postings", status=1).stdout
    told = shell.run("replay", "swap", "postings", status=1)
    assert "postings build 4 set 1 streams aside that the live build took: see `daybook parked`" in told
    assert digest_of(database_url, "postings", "live") == before


def test_what_a_build_that_is_not_live_set_aside_is_tried_again_or_given_up_by_its_number(
    shell: Shell, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        spoilt = owner.execute(SPOIL).fetchone()
    assert spoilt is not None
    position, stream = str(spoilt[0]), str(spoilt[2])
    shell.run("replay", "rebuild", "postings", "--park")
    line = shell.ended("parked", "list", status=1).stdout
    assert line.startswith(f"postings  2  {position}  {stream}  posting.recorded.v1  ")
    assert "View postings build 1 holds nothing" in shell.run("parked", "retry", "postings", stream, status=1)
    assert "cannot be read" in shell.run("parked", "retry", "postings", stream, "--build", "2", status=1)
    told = shell.run("parked", "retry", "postings", stream, "--build", "7", status=1)
    assert "view postings has no build 7; its builds: 1 (live), 2 (shadow)" in told
    discard = ("parked", "discard", "postings", position, "--reason", "nobody can read it")
    assert "View postings build 1 holds no event" in shell.run(*discard, status=1)
    shell.run(*discard, "--build", "2")
    assert shell.run("parked", "list") == ""
    assert shell.run("parked", "list", "--all", "--build", "2") == f"{line[:-1]}  discarded: nobody can read it\n"
    assert shell.run("parked", "show", stream, "--all") == shell.run("parked", "list", "--all")
    assert "build 2 is live" in shell.run("replay", "swap", "postings")
    assert "without 1 discarded events" in shell.run("replay", "rebuild", "postings")
    assert "equal" in shell.run("replay", "diff", "postings")
    shell.run("parked", "reconsider", "postings", position)
    told = shell.run("replay", "rebuild", "postings", status=1)
    assert f"view postings cannot take posting.recorded.v1 at position {position}" in told
    assert "no discarded event at position 1." in shell.run("parked", "reconsider", "postings", "1", status=1)


def test_of_two_rebuilds_of_a_view_the_second_is_refused_and_the_first_is_done(
    shell: Shell, settings: Settings, database_url: str
) -> None:
    """The first cannot go on while the record of replays is locked."""
    first = (sys.executable, "-m", "daybook", "replay", "rebuild", "due")
    with psycopg.connect(database_url) as blocking, psycopg.connect(database_url, autocommit=True) as owner:
        blocking.execute("lock table views.replays in exclusive mode")
        process = subprocess.Popen(
            first, env=child_environment(settings), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        wait_until(lambda: owner.execute(REBUILDING).fetchone() == (1,), "the first rebuild has begun")
        told = shell.run("replay", "rebuild", "due", status=1)
        assert "view due is being rebuilt by another process" in told
        blocking.rollback()
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert "due build 2 is filled" in out
    assert states(shell, "due") == ["live", "shadow"]
