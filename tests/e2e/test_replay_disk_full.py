"""The disk is full in the middle of a rebuild: it says so, traffic goes on, and with room made the rebuild is done."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from daybook.running import running
from daybook.settings import Settings
from eventlog.application import EventLog
from eventlog.connections import connect
from eventlog.postgres import PostgresRecorder
from projections.registry import view
from replay.progress import Progress, progress
from replay.rebuild import Wanted, rebuild
from tests.e2e.test_ledger_commands import Shell
from tests.faults.running_copy import wait_until
from tests.replay.history import History, catch_up, digest_of, view_machine
from tests.replay.small_disk import SmallDisk

SHOWN = "select count(*) from views.payment_orders"
VIEW = "wallet_entries"
BEHIND = """
select count(*) from views.builds where state = any(%s) and position < (select max(position) from log.events)
"""


class Traffic:
    """Orders that are created and paid, one after the other, until it is ended."""

    def __init__(self, history: History) -> None:
        self.orders = 0
        self._history = history
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def goes_on(self, owner: psycopg.Connection[tuple[int]]) -> None:
        """Returns when more orders were taken, and readers see them."""
        wanted = self.orders + 5
        wait_until(lambda: self.orders >= wanted, "more orders are taken")
        shown = (owner.execute(SHOWN).fetchone() or (0,))[0]
        wait_until(lambda: (owner.execute(SHOWN).fetchone() or (0,))[0] > shown, "readers see them")

    def _run(self) -> None:
        while not self._stop.is_set():
            self._history._count += 1
            self._history._order()
            self.orders += 1


@pytest.fixture
def disk(server_directory: Path) -> Iterator[SmallDisk]:
    with SmallDisk(server_directory, "10m") as disk:
        yield disk


@pytest.fixture
def history(disk: SmallDisk) -> Iterator[History]:
    with closing(EventLog(PostgresRecorder(disk.database_url))) as log:
        made = History(log)
        made.open_wallets(20)
        made.write(1_000)
        yield made


def up_to_date(owner: psycopg.Connection[tuple[int]], states: Sequence[str] = ("live",)) -> None:
    wait_until(lambda: bool(owner.execute("select from views.builds").rowcount), "there are builds")
    wait_until(lambda: owner.execute(BEHIND, [list(states)]).fetchone() == (0,), "the views have read the log")


def test_a_full_disk_ends_a_rebuild_and_nothing_else(disk: SmallDisk, history: History, tmp_path: Path) -> None:
    url, traffic = disk.database_url, Traffic(history)
    settings = Settings(home=tmp_path / "home", database_url=url)
    with running(settings, ("engine", "views")) as copy, psycopg.connect(url, autocommit=True) as owner:
        up_to_date(owner)
        shell = Shell(copy.settings)
        shell.run("trial-balance")  # the engine has posted all there is
        before = digest_of(url, VIEW, "live")
        disk.resize("200k")
        with pytest.raises(psycopg.errors.DiskFull):
            rebuild(url, Wanted(view(VIEW), batch_events=100, page_events=100))
        assert digest_of(url, VIEW, "live") == before
        (half,) = recorded(url)
        assert (half.status, half.state) == ("interrupted", "filling")
        assert 0 < half.events < 2_000
        with traffic.running():
            for workers in ("1", "2"):
                told = shell.run("replay", "rebuild", VIEW, "--workers", workers, status=3)
                assert "the database has no room left: could not extend file" in told
                assert "No space left on device; the live build is untouched; make room and run it again" in told
                assert "Traceback" not in told
            assert "interrupted" in shell.run("replay", "status")
            traffic.goes_on(owner)
            disk.resize("20m")
            done = shell.facts("replay", "rebuild", VIEW)
            traffic.goes_on(owner)
        assert (done["replay_id"], done["state"]) == (str(half.replay_id), "done")
        assert done["resumed_at"] is not None
        shell.run("trial-balance")
        up_to_date(owner, ("live", "shadow"))
        assert before != digest_of(url, VIEW, "live") == digest_of(url, VIEW, "shadow")
        assert "equal" in shell.run("replay", "diff", VIEW)


def test_a_worker_that_is_a_process_says_that_the_disk_is_full(disk: SmallDisk, history: History) -> None:
    """And not merely that it was lost."""
    catch_up(history.log, disk.database_url)
    disk.resize("200k")
    for _ in range(3):
        with pytest.raises(psycopg.errors.DiskFull, match="No space left on device"):
            rebuild(disk.database_url, Wanted(view(VIEW), 3, batch_events=50, page_events=50, side_by_side_events=1))
    disk.resize("20m")
    rebuild(disk.database_url, Wanted(view(VIEW), 3))
    assert len(recorded(disk.database_url)) == 1
    assert digest_of(disk.database_url, VIEW, "live") == digest_of(disk.database_url, VIEW, "shadow")


@pytest.mark.parametrize(("name", "workers"), [(VIEW, 1), ("postings", 2), ("trial_balance", 2)])
def test_wherever_the_room_ends_the_rebuild_goes_on_from_there(
    disk: SmallDisk, history: History, name: str, workers: int
) -> None:
    """In a batch, in the merging of parts, in the making of an index: the disk grows by a fifth each time."""
    url, pages = disk.database_url, 10
    catch_up(history.log, url)
    before, seen = digest_of(url, name, "live"), set()
    while True:
        disk.resize(f"{4 * pages}k")
        try:
            done = rebuild(url, Wanted(view(name), workers, batch_events=400, page_events=400))
            break
        except psycopg.errors.DiskFull:
            pages += max(2, pages // 5)
            assert digest_of(url, name, "live") == before
            seen |= {(one.replay_id, one.state) for one in recorded(url)}
    assert done.resumed_at is not None
    assert len({replay_id for replay_id, _ in seen}) == 1
    assert digest_of(url, name, "shadow") == before


def test_a_shadow_without_room_waits_and_the_live_views_go_on(disk: SmallDisk, history: History) -> None:
    url, stop = disk.database_url, threading.Event()
    catch_up(history.log, url)
    rebuild(url, Wanted(view(VIEW)))
    machine = view_machine(history.log, url)
    running = threading.Thread(target=machine.run, args=(stop,))
    with psycopg.connect(url, autocommit=True) as owner:
        disk.fill()
        running.start()
        try:
            history.write(300)
            up_to_date(owner)
            assert digest_of(url, VIEW, "live") != digest_of(url, VIEW, "shadow")
            disk.resize("20m")
            up_to_date(owner, ("live", "shadow"))
            assert digest_of(url, VIEW, "live") == digest_of(url, VIEW, "shadow")
        finally:
            stop.set()
            running.join()


def recorded(database_url: str) -> list[Progress]:
    with connect(database_url) as connection:
        return progress(connection)
