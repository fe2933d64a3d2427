"""The drill: a wrong fee rule, live over 20,000 real orders, is found, mended and swapped out under traffic.

Each command is a process of its own beside a whole running copy. Everything is done once, in the fixture; the tests
look at what came of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psycopg
import pytest

from daybook.running import child_environment
from daybook.session import session
from daybook.views import wait_for_views
from tests.conftest import ROOT, temporary_server_directory
from tests.e2e.planted_bug import Earned, Expected, Misjudged, Readers, misjudged_until, shares_of_files, shown
from tests.e2e.test_import import DATA
from tests.faults.running_copy import PATIENCE_S, RunningCopy, wait_until
from tests.faults.traffic import Traffic

WRONG = "tests.replay.planted.wrong_fees"
FIXED = f"{WRONG},tests.replay.planted.right_fees"
ITEMS, PAYMENTS = DATA / "order_items.csv", DATA / "payments.csv"
SEED = 65
MORE = 8
"""Payments that go through before the drill goes on."""
LAST = "select max(position) from log.events"
UNPAID = """
select count(*) filter (where topic = 'payment-order.created.v1')
     - count(distinct stream_id) filter (where topic = 'payment-order.captured.v1') from log.events
 where position > %s
"""
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the marketplace data is not in {DATA}")


@dataclass
class Drill:
    """What was seen on the way. `wrong` and `right` are what the two rules come to where the builds were compared."""

    imported: dict[str, Any]
    live_at_first: Earned
    wrong_at_first: Earned
    rebuilt: dict[str, Any]
    found: dict[str, Any]
    page: str
    wrong: Earned
    right: Earned
    misjudged: Misjudged
    seen_before_the_swap: list[list[str]]
    swaps: list[dict[str, Any]]
    seen: list[list[str]]
    paid_meanwhile: int
    unexpected: list[str]
    live_at_last: Earned
    right_at_last: Earned
    verified: dict[str, Any]

    @property
    def differing(self) -> dict[tuple[str, str], int]:
        """What each seller with a wrong row should have had more, by currency."""
        more = {place: self.right[place][2] - self.wrong[place][2] for place in self.right}
        return {place: amount for place, amount in more.items() if amount}


class Operator:
    """Somebody at a terminal."""

    def __init__(self, copy: RunningCopy, directory: Path) -> None:
        self._copy, self._directory = copy, directory

    def run(self, *words: str, status: int = 0) -> dict[str, Any]:
        """The JSON of a command that ends with `status`."""
        environment = {**child_environment(self._copy.settings), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-m", "daybook", *words, "--json"],
            env=environment, cwd=self._directory, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == status, f"daybook {' '.join(words)}: {done.stdout[-2000:]} {done.stderr}"
        facts: dict[str, Any] = json.loads(done.stdout)
        return facts

    def restart(self, view_modules: str) -> None:
        """Stops everything and starts it with these modules."""
        self._copy.stop()
        self._copy.settings = self._copy.settings.model_copy(update={"view_modules": view_modules})
        self._copy.start()


@pytest.fixture(scope="module")
def drill() -> Iterator[Drill]:
    with temporary_server_directory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        copy = RunningCopy(Path(directory))
        copy.settings = copy.settings.model_copy(update={"view_modules": WRONG, "api_processes": 1})
        with copy:
            yield played(copy, Operator(copy, Path(directory)), Path(directory) / "report.html")
            copy.stop()


def played(copy: RunningCopy, operator: Operator, report: Path) -> Drill:
    """The wrong rule live, then the fix beside it, then the two swapped to and fro under traffic."""
    imported = operator.run("orders", "import", "--items", str(ITEMS), "--payments", str(PAYMENTS))
    with psycopg.connect(copy.database_url, autocommit=True) as connection:
        until = connection.execute(LAST).fetchone()[0]  # type: ignore[index]
        expected = Expected(shares_of_files(ITEMS, PAYMENTS), until)
        live_at_first, (wrong_at_first, _) = shown(connection), expected.at(connection, until)
    operator.restart(FIXED)
    traffic = Traffic(copy.settings.api_url, copy.api_key, SEED, payers=2, movers=0)
    traffic.start()
    try:
        with Readers(copy.database_url, expected, 2) as readers:
            traffic.wait_for_more(MORE, 0)
            rebuilt = operator.run("replay", "rebuild", "earnings", "--workers", "2")
            traffic.wait_for_more(MORE, 0)
            found = operator.run("replay", "diff", "earnings", "--html", str(report), status=1)
            readers.wait_until_all_see("wrong")
            before_the_swap = [list(turns) for turns in readers.seen]
            swaps = [swapped(operator, traffic, readers, *turn) for turn in TURNS]
    finally:
        traffic.stop()
    paid = len(traffic.acknowledged.captured)
    live_at_last, right_at_last = at_rest(copy, expected, until)
    with psycopg.connect(copy.database_url, autocommit=True) as connection:
        wrong, right = expected.at(connection, int(found["position"]))
        misjudged = misjudged_until(connection, int(found["position"]))
    verified = operator.run("verify", "--check", "views")
    return Drill(
        imported, live_at_first, wrong_at_first, rebuilt, found, report.read_text(encoding="utf-8"), wrong, right,
        misjudged, before_the_swap, swaps, readers.seen, paid, traffic.unexpected, live_at_last, right_at_last,
        verified,
    )  # fmt: skip


TURNS = (("swap", "right"), ("rollback", "wrong"), ("swap", "right"))


def swapped(operator: Operator, traffic: Traffic, readers: Readers, command: str, rule: str) -> dict[str, Any]:
    """Readers see the other build from then on, and people go on paying."""
    done = operator.run("replay", command, "earnings")
    readers.wait_until_all_see(rule)
    traffic.wait_for_more(MORE, 0)
    return done


def at_rest(copy: RunningCopy, expected: Expected, imported_until: int) -> tuple[Earned, Earned]:
    """When everything is paid and the views have seen it: what they show, and what is right."""
    with psycopg.connect(copy.database_url, autocommit=True) as connection:
        wait_until(lambda: connection.execute(UNPAID, [imported_until]).fetchone() == (0,), "every order is paid")
        with session(copy.settings, roles=()) as opened:
            assert opened.wait_for_books(PATIENCE_S)
            assert wait_for_views(opened, PATIENCE_S)
        last = connection.execute(LAST).fetchone()[0]  # type: ignore[index]
        return shown(connection), expected.at(connection, last)[1]


def test_the_wrong_view_is_live_over_every_order_of_the_files(drill: Drill) -> None:
    assert (drill.imported["orders"], drill.imported["payments"]) == (20_000, 21_280)
    assert drill.live_at_first == drill.wrong_at_first
    assert sum(row[0] for row in drill.live_at_first.values()) == drill.imported["captured_minor"] == 319_449_992
    assert len(drill.live_at_first) == 1_164


def test_the_comparison_names_exactly_the_wrong_rows_with_their_amounts(drill: Drill) -> None:
    found, differing = drill.found, drill.differing
    assert (found["changed"], found["added"], found["removed"]) == (len(differing), 0, 0)
    assert found["rows"] == {"first": len(drill.wrong), "second": len(drill.right)}
    assert found["columns"] == {"commission_minor": len(differing), "net_minor": len(differing)}
    told = {(one["key"][1], one["key"][2]): one for one in found["differences"]}
    assert len(told) == len(found["differences"])
    assert told.keys() == differing.keys()
    for place, one in told.items():
        wrong, right = drill.wrong[place], drill.right[place]
        assert one["change"] == "changed"
        assert one["columns"] == {"commission_minor": [wrong[1], right[1]], "net_minor": [wrong[2], right[2]]}
        assert one["cause_count"] == right[3]
        assert one["decisive_count"] == len(drill.misjudged[place])
        assert one["decisive"][0]["position"] == str(drill.misjudged[place][0][0])
    of_files = [amount for (_, currency), amount in differing.items() if currency == "BRL"]
    assert (len(of_files), sum(of_files)) == (950, 9_065)


def test_the_comparison_sums_the_money_by_currency_and_by_merchant_and_says_since_when(drill: Drill) -> None:
    totals: dict[str, dict[str, int]] = {}
    merchants: dict[str, dict[str, dict[str, int]]] = {}
    for (seller, currency), amount in drill.differing.items():
        sums = {"commission_minor": -amount, "net_minor": amount}
        merchants.setdefault(seller, {})[currency] = sums
        total = totals.setdefault(currency, {"commission_minor": 0, "net_minor": 0})
        for column, more in sums.items():
            total[column] += more
    assert drill.found["money_minor"] == totals
    assert drill.found["merchants"] == merchants
    assert totals["BRL"] == {"commission_minor": -9_065, "net_minor": 9_065}
    assert drill.found["since"] == min(events[0][1] for events in drill.misjudged.values()).isoformat()


class Page(HTMLParser):
    """The rows of a page's tables by their captions, and whatever a page could load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.foreign: list[str] = []
        self._in, self._caption = "", ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._in = tag
        if tag in ("script", "link", "img", "iframe", "a", "form") or {"src", "href"} & {
            name for name, _ in attributes
        }:
            self.foreign.append(tag)
        if tag == "tr":
            self.tables[self._caption].append([])
        elif tag in ("td", "th"):
            self.tables[self._caption][-1].append("")

    def handle_data(self, data: str) -> None:
        if self._in == "caption":
            self._caption = data
            self.tables[data] = []
        elif self._caption and self.tables[self._caption] and self.tables[self._caption][-1]:
            self.tables[self._caption][-1][-1] += data


def money(minor: int, currency: str) -> str:
    """As the page writes a difference."""
    return f"{'-' if minor < 0 else '+'}{abs(minor) // 100}.{abs(minor) % 100:02} {currency}"


def test_the_page_to_be_mailed_needs_nothing_else_and_names_the_same_money(drill: Drill) -> None:
    page = Page(drill.page)
    assert page.foreign == []
    assert not any(outside in drill.page for outside in ("http:", "https:", "url(", "@import"))
    (title,) = (caption for caption in page.tables if caption.startswith("Money"))
    assert page.tables[title][1:] == [
        [currency, column, money(amount, currency)]
        for currency, sums in sorted(drill.found["money_minor"].items())
        for column, amount in sorted(sums.items())
    ]
    told = {(row[0], row[1], row[2]): row[3] for row in page.tables["Merchants"][1:]}
    assert told == {
        (seller, currency, column): money(sign * amount, currency)
        for (seller, currency), amount in drill.differing.items()
        for column, sign in (("commission_minor", -1), ("net_minor", 1))
    }
    rows = {row[0] for row in page.tables["Differences"][1:]}
    assert rows == {f"1 {seller} {currency}" for seller, currency in drill.differing}


def test_the_live_build_is_untouched_until_the_swap(drill: Drill) -> None:
    assert drill.rebuilt["build"] == 2
    assert drill.rebuilt["events"] >= drill.imported["payments"]
    assert drill.seen_before_the_swap == [["wrong"], ["wrong"]]


def test_every_read_under_traffic_is_wholly_by_one_rule_through_swap_rollback_and_swap(drill: Drill) -> None:
    assert drill.unexpected == []
    assert drill.paid_meanwhile >= 5 * MORE
    assert drill.seen == [["wrong", "right", "wrong", "right"]] * 2
    assert [(done["live"], done["kept"]) for done in drill.swaps] == [(2, 1), (1, 2), (2, 1)]
    positions = [int(done["position"]) for done in drill.swaps]
    assert int(drill.found["position"]) <= positions[0] <= positions[1] <= positions[2]


def test_in_the_end_the_view_is_right_and_verify_finds_nothing(drill: Drill) -> None:
    assert drill.live_at_last == drill.right_at_last
    assert {currency for _, currency in drill.live_at_last} == {"BRL", "EUR", "USD"}
    assert drill.verified["findings"] == []
    assert drill.verified["verdict"] == "sound"
    assert [one["check"] for one in drill.verified["checks"]] == ["views"]
