"""A wrong view is rebuilt, looked at, swapped in, taken back and dropped, by the commands that people type."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from daybook.running import running
from daybook.settings import Settings
from eventlog.application import EventLog
from eventlog.postgres import PostgresRecorder
from projections.registry import forget_modules
from tests.e2e.test_ledger_commands import Shell
from tests.faults.running_copy import wait_until
from tests.last_written import last_written
from tests.replay.history import MERCHANT, History

WRONG = "tests.replay.planted.wrong_fees"
RIGHT = f"{WRONG},tests.replay.planted.right_fees"
TAKINGS = "tests.replay.planted.takings"
TAKEN = "select min(position) >= %s from views.builds where view = 'takings'"
ROLES = ("engine", "views")
EARNED = "select net_minor from views.earnings where seller_id = %s"
COME = "select min(position) >= %s from views.builds where view = 'earnings'"


class Shop:
    """Orders that were paid, and what a seller earned by the events themselves, rightly and by the wrong rule."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url
        self.log = EventLog(PostgresRecorder(database_url))
        self._history = History(self.log, seed=5)

    def sell(self, count: int) -> int:
        """That many orders, most of them paid; the last position."""
        for _ in range(count):
            self._history._order()
            self._history._count += 1
        return last_written(self.log)

    @property
    def captures(self) -> int:
        return len(self._shares())

    @property
    def right(self) -> int:
        return sum(gross - commission for gross, commission in self._shares())

    @property
    def wrong(self) -> int:
        return sum(gross - -(-gross // 10) for gross, _ in self._shares())

    def shown(self, position: int) -> int:
        """What readers see, once all builds have come to a position."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            wait_until(lambda: connection.execute(COME, [position]).fetchone() == (True,), "the builds have come")
            row = connection.execute(EARNED, [MERCHANT]).fetchone()
        return int(row[0]) if row else 0

    def _shares(self) -> list[tuple[int, int]]:
        rows = self.log.log_recorder.read(0, 10**6, topics=["payment-order.captured.v1"])
        return [
            (one.gross_minor, one.commission_minor) for row in rows for one in self.log.log_mapper.decode(row).shares
        ]


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    opened = Shop(database_url)
    yield opened
    opened.log.close()
    forget_modules()


@pytest.fixture
def shell(shop: Shop, tmp_path: Path) -> Iterator[Shell]:
    """A copy that showed what a wrong rule made, and now runs with the code that has the right one beside it."""
    settings = Settings(home=tmp_path / "home", database_url=shop.database_url, view_modules=WRONG)
    with running(settings, ROLES):
        assert shop.shown(shop.sell(30)) == shop.wrong != shop.right
    with running(settings.model_copy(update={"view_modules": RIGHT}), ROLES) as copy:
        yield Shell(copy.settings)


def money(minor: int) -> str:
    return f"{minor / 100:+.2f}"


def test_from_a_wrong_view_to_the_right_one_and_back_and_forth(shell: Shell, shop: Shop, tmp_path: Path) -> None:
    assert shell.run("replay", "status") == "no rebuild yet\n"
    filled = shell.run("replay", "rebuild", "earnings", "--workers", "2")
    assert filled.startswith(f"earnings build 2 is filled ({shop.captures} events in ")
    assert filled.endswith("Next: daybook replay diff earnings\n")
    (line,) = shell.run("replay", "status").splitlines()
    assert re.fullmatch(rf"earnings +build +2  done +100\.0 %  {shop.captures} events  [\d,]+/s", line)
    (told,) = shell.facts("replay", "status")
    assert (told["view"], told["build"], told["state"], len(told["parts"])) == ("earnings", 2, "done", 2)
    assert [row.split()[1:4] for row in shell.run("replay", "builds", "earnings").splitlines()] == [
        ["1", "v1", "live"], ["2", "v2", "shadow"],
    ]  # fmt: skip
    last = shop.sell(3)
    assert shop.shown(last) == shop.wrong, "nothing changes for readers before the swap"
    look_at_the_differences(shell, shop, tmp_path / "report.html")
    swapped = shell.run("replay", "swap", "earnings")
    assert swapped.startswith("earnings: build 2 is live from position ")
    assert "build 1 is kept (readers waited " in swapped
    assert shop.shown(last) == shop.right
    last = shop.sell(5)
    assert shop.shown(last) == shop.right
    back = shell.facts("replay", "rollback", "earnings")
    assert (back["live"], back["kept"], int(back["position"]) >= last) == (1, 2, True)
    assert shop.shown(shop.sell(2)) == shop.wrong, "the old build was kept up by the old rule"
    assert "build 1 is live" in shell.run("replay", "drop", "earnings", "1", status=1)
    assert shell.facts("replay", "swap", "earnings")["live"] == 2
    assert shell.run("replay", "drop", "earnings", "1") == "earnings build 1 dropped\n"
    assert shop.shown(shop.sell(1)) == shop.right
    for way in (("rollback",), ("swap",), ("diff",)):
        assert "its builds: 2 (live)" in shell.run("replay", *way, "earnings", status=1)
    assert [row["build"] for row in shell.facts("replay", "builds", "earnings")] == [2]


def look_at_the_differences(shell: Shell, shop: Shop, page: Path) -> None:
    """As text, as JSON and as a page; all three say the same, and end with 1 because there is a difference."""
    missing = shop.right - shop.wrong
    text = shell.ended("replay", "diff", "earnings", status=1).stdout
    assert "build 1 (live) against build 2" in text
    for part in (MERCHANT, "net_minor", money(missing), money(-missing), "payment-order.captured.v1"):
        assert part in text, text
    found = json.loads(shell.ended("replay", "diff", "earnings", "--json", "--html", str(page), status=1).stdout)
    assert (found["changed"], found["added"], found["removed"]) == (1, 0, 0)
    assert found["money_minor"] == {"EUR": {"commission_minor": -missing, "net_minor": missing}}
    (row,) = found["differences"]
    assert row["columns"]["net_minor"] == [shop.wrong, shop.right]
    assert row["cause_count"] == shop.captures
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert MERCHANT in html
    assert money(missing) in html


def test_since_when_rows_differ_is_the_same_however_many_are_shown_and_another_key_is_refused(
    shop: Shop, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home", database_url=shop.database_url, view_modules=TAKINGS)
    last = shop.sell(30)
    with running(settings, ROLES), psycopg.connect(shop.database_url, autocommit=True) as connection:
        wait_until(lambda: connection.execute(TAKEN, [last]).fetchone() == (True,), "the takings have come")
    with running(settings.model_copy(update={"view_modules": f"{TAKINGS},{TAKINGS}_of_another"}), ROLES) as copy:
        shell = Shell(copy.settings)
        shell.run("replay", "rebuild", "takings")
        every, one = (
            json.loads(shell.ended("replay", "diff", "takings", "--json", "--rows", rows, status=1).stdout)
            for rows in ("1000", "1")
        )
    assert every["changed"] == every["differences_shown"] == one["changed"] == shop.captures
    assert one["differences"] == every["differences"][:1]
    assert one["since"] == every["since"] == min(row["decisive"][0]["recorded_at"] for row in every["differences"])
    first = every["differences"][0]["decisive"][0]["recorded_at"]
    assert first > one["since"], "the row that is shown is not the one that the moment is of"
    with running(settings.model_copy(update={"view_modules": f"{TAKINGS},{TAKINGS}_by_currency"}), ROLES) as copy:
        shell = Shell(copy.settings)
        shell.run("replay", "rebuild", "takings")
        refused = shell.run("replay", "diff", "takings", status=1)
    assert (
        "build 1 has the key (order_stream uuid) and build 3 has the key (order_stream uuid, currency text)" in refused
    )
