"""A rebuild that is killed at any point goes on after its last batch and ends with the same rows."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from eventlog.application import EventLog
from eventlog.connections import connect
from projections.registry import view
from replay import builds, replays
from replay.progress import Progress, progress
from replay.rebuild import Wanted, last_position, rebuild
from tests.replay.history import History, catch_up, digest_of

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
BATCH = 40
COUNT = "select count(*) from log.events where topic = any(%s)"
SCRIPT = """
import json, sys
from projections.registry import view
from replay.rebuild import Wanted, last_position, rebuild
if __name__ == "__main__":
    url, name, workers, batch = json.loads(sys.argv[1])
    rebuild(url, Wanted(view(name), workers, batch_events=batch, page_events=batch, side_by_side_events=1))
"""


WAITING = "select count(*) from pg_locks where not granted and locktype = 'relation' and relation = %s::regclass"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("killed") / "rebuild_once.py"
    path.write_text(SCRIPT)
    return path


def newest(database_url: str) -> Progress | None:
    with connect(database_url) as connection:
        found = progress(connection, limit=1)
    return found[0] if found else None


def started(script: Path, database_url: str, name: str, workers: int) -> subprocess.Popen[bytes]:
    """A rebuild, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(script), json.dumps([database_url, name, workers, BATCH])],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


def killed_at(script: Path, database_url: str, name: str, workers: int, target: int) -> bool:
    """Runs a rebuild and kills it once it has written `target` events; False when it was finished before."""
    process = started(script, database_url, name, workers)
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None:
        assert time.monotonic() < deadline
        told = newest(database_url)
        if told is not None and told.state == "filling" and told.events >= target:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
    assert process.returncode == 0
    return False


@pytest.mark.parametrize(
    ("name", "workers", "kills"),
    [
        ("wallet_entries", 1, 5),
        ("trial_balance", 2, 5),
        pytest.param("wallet_days", 1, 60, marks=pytest.mark.long),
        pytest.param("postings", 2, 60, marks=pytest.mark.long),
        pytest.param("trial_balance", 2, 80, marks=pytest.mark.long),
    ],
)
def test_a_killed_rebuild_goes_on_after_its_last_batch(
    script: Path, log: EventLog, database_url: str, name: str, workers: int, kills: int
) -> None:
    dice = random.Random(f"{name}/{kills}")
    history = History(log)
    history.open_wallets(10)
    history.write(600)
    catch_up(log, database_url)
    with connect(database_url) as connection:
        row = connection.execute(COUNT, [list(view(name).topics)]).fetchone()
    total = int(row[0]) if row else 0
    done, replays_seen = 0, set()
    while done < kills:
        told = newest(database_url)
        written = told.events if told is not None and told.state == "filling" else 0
        done += killed_at(script, database_url, name, workers, dice.randint(written, max(written, total - 1)))
        told = newest(database_url)
        assert told is not None
        assert told.events >= written  # what was written before is not done again
        replays_seen.add(told.replay_id)
    last = rebuild(database_url, Wanted(view(name), workers, batch_events=BATCH, page_events=BATCH))
    assert last.events == total  # nothing was counted, or folded, twice
    assert digest_of(database_url, name, "shadow") == digest_of(database_url, name, "live")


@pytest.mark.parametrize(
    ("name", "workers", "held_by"), [("trial_balance", 2, "access share"), ("postings", 1, "row exclusive")]
)
def test_one_that_is_killed_while_it_merges_its_parts_or_makes_indexes_goes_on_there(
    script: Path, log: EventLog, database_url: str, name: str, workers: int, held_by: str
) -> None:
    """Somebody's lock on the build's table lets it go as far as that, and no further."""
    history = History(log)
    history.open_wallets(5)
    history.write(400)
    catch_up(log, database_url)
    with connect(database_url) as connection, connection.transaction():  # what one that is killed at once leaves
        half = builds.create(connection, view(name), "filling")
        replays.begin(connection, half, last_position(connection), workers, {})
    with psycopg.connect(database_url) as locking, psycopg.connect(database_url, autocommit=True) as owner:
        locking.execute(f"lock table {half.table} in {held_by} mode")
        process = started(script, database_url, name, workers)
        deadline = time.monotonic() + PATIENCE_S
        while owner.execute(WAITING, [half.table]).fetchone() != (1,):
            assert time.monotonic() < deadline
            assert process.poll() is None
        told = newest(database_url)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert told is not None
    assert told.state == "finishing"
    last = rebuild(database_url, Wanted(view(name), workers, batch_events=BATCH, page_events=BATCH))
    assert (last.replay_id, last.events) == (told.replay_id, told.events)
    assert digest_of(database_url, name, "shadow") == digest_of(database_url, name, "live")
