"""Two builds that differ: whose money moved, by which events, and what can not be told is not told wrongly."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from domain.posting import Line, Posting
from domain.wallet import WalletAccount
from domain.wallet_events import Frozen
from eventlog.application import EventLog
from eventlog.connections import connect
from eventlog.recorded import Recorded
from projections.balances import Balances
from projections.registry import add_modules, forget_modules, view
from projections.view import Fact, Key, PlainRows, Rows, View
from replay import compare, report, swap
from replay.causes import add_causes
from replay.compare import Comparison, Difference
from replay.correction_sums import Moved, moved
from replay.differing import KeysDiffer
from replay.rebuild import Wanted, rebuild
from tests.replay.history import AT, MERCHANT, History, catch_up
from tests.replay.planted import takings

Changing = Callable[[View], Comparison]
LOST = "delete from views.{} where {} = (select {} from views.{} order by 1 limit 1)"


@pytest.fixture
def add(planted: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Adds a module with a view and the classes that its builds were filled by before."""

    def added(new: View, *earlier: View) -> None:
        module = types.ModuleType(f"made_of_{type(new).__name__}")
        module.VIEW, module.EARLIER = new, earlier  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        forget_modules()
        add_modules([module.__name__])

    return added


@pytest.fixture
def change(log: EventLog, database_url: str, add: Callable[..., None]) -> Changing:
    """A history whose takings another version of the view is rebuilt from and compared with."""
    add(takings.Takings())
    history = History(log)
    history.open_wallets(3)
    history.write(60)
    catch_up(log, database_url)

    def changed(new: View) -> Comparison:
        add(new, takings.Takings())
        return rebuilt(log, database_url, new.name)

    return changed


def rebuilt(log: EventLog, database_url: str, name: str) -> Comparison:
    rebuild(database_url, Wanted(view(name)))
    catch_up(log, database_url)
    return compared(log, database_url, name)


def compared(log: EventLog, database_url: str, name: str, kept_rows: int = compare.KEPT_ROWS) -> Comparison:
    with connect(database_url) as connection:
        first, second = compare.newest(connection, name)
    found = compare.compare(database_url, first, second, kept_rows=kept_rows)
    recorder: Any = log.log_recorder
    add_causes(found, [first.view, second.view], recorder, log.log_mapper.decode, recorder.read_streams)
    return found


def taken_minor(database_url: str) -> int:
    with connect(database_url) as connection:
        row = connection.execute("select sum(amount_minor)::bigint from views.takings_v1").fetchone()
    assert row is not None
    return int(row[0])


def write(database_url: str, statement: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        assert owner.execute(statement).rowcount > 0


def test_money_in_another_currency_leaves_one_sum_and_enters_the_other(change: Changing, database_url: str) -> None:
    found, minor = change(takings.InSek()), taken_minor(database_url)
    assert found.changed == found.rows_first > 0
    assert found.money == {"EUR": {"amount_minor": -minor}, "SEK": {"amount_minor": minor}}
    assert found.merchants == {MERCHANT: found.money}
    assert found.not_summed == 0


def test_money_of_another_merchant_is_missing_from_one_and_found_with_the_other(
    change: Changing, database_url: str
) -> None:
    found, minor = change(takings.OfAnother()), taken_minor(database_url)
    assert found.changed == found.rows_first > 0
    assert found.merchants == {
        MERCHANT: {"EUR": {"amount_minor": -minor}},
        takings.OTHER: {"EUR": {"amount_minor": minor}},
    }
    assert found.money == {"EUR": {"amount_minor": 0}}


def test_a_column_that_one_build_alone_has_counts_the_same_before_a_swap_and_after(
    change: Changing, log: EventLog, database_url: str
) -> None:
    before = change(takings.WithRail())
    assert (before.changed, before.columns) == (before.rows_first, {"rail": before.rows_first})
    assert before.differences[0].columns == {"rail": (None, "simulated")}
    swap.swap(database_url, "takings")
    after = compared(log, database_url, "takings")
    assert (after.first, after.second) == (before.second, before.first)
    assert (after.changed, after.columns) == (before.changed, before.columns)
    assert after.differences[0].columns == {"rail": ("simulated", None)}


@pytest.mark.parametrize(
    "new", [takings.ByCurrency(), takings.ByCapture(), takings.ByText()], ids=lambda one: type(one).__name__
)
def test_builds_with_other_keys_are_refused_with_both_keys_and_a_way_out(change: Changing, new: View) -> None:
    key = ", ".join(rf"{column} {new.columns[column]}" for column in new.key)
    wanted = rf"build 1 has the key \(order_stream uuid\) and build 2 has the key \({key}\), .* a name of its own"
    with pytest.raises(KeysDiffer, match=wanted):
        change(new)


def test_the_same_values_in_another_type_are_equal(change: Changing) -> None:
    assert change(takings.TypedMerchant()).equal


def test_of_a_row_with_other_types_only_the_columns_that_say_something_else_differ(
    change: Changing, database_url: str
) -> None:
    found = change(takings.TypedMerchant(7))
    assert found.columns == {"amount_minor": found.rows_first}
    assert found.money == {"EUR": {"amount_minor": 7 * found.rows_first}}
    assert found.merchants == {MERCHANT: found.money}


def test_corrections_are_summed_over_builds_that_keep_a_merchant_in_other_types(
    change: Changing, database_url: str
) -> None:
    found = change(takings.TypedMerchant(7))
    with connect(database_url) as connection:
        first, second = compare.newest(connection, "takings")
        sums = moved(connection, view("takings"), first, second, 1)
    assert sums == [Moved("amount_minor", 1, "EUR", 7 * found.changed, {"book": 1, "merchant_id": MERCHANT})]


class Relabelled(Balances):
    """Notes that a wallet was frozen, and changes nothing else."""

    version = 2

    def fold(self, rows: Rows, fact: Fact) -> None:
        super().fold(rows, fact)
        row = rows[(fact.stream_id,)]
        if isinstance(fact.event, Frozen) and row is not None:
            row["metadata"] = {"was": "frozen"}


def test_decisive_events_are_found_where_a_view_asks_for_rows_that_are_not_there_yet(
    log: EventLog, database_url: str, add: Callable[..., None]
) -> None:
    history = History(log)
    history.open_wallets(3)
    history.write(60)
    catch_up(log, database_url)
    add(Relabelled())
    found = rebuilt(log, database_url, "balances")
    frozen: dict[UUID, Recorded] = {}
    for row in log.log_recorder.read(0, 10**6, topics=["wallet.frozen.v1"]):
        frozen.setdefault(row.stream_id, row)
    assert {one.key[0]: [cause.position for cause in one.decisive] for one in found.differences} == {
        wallet: [row.position] for wallet, row in frozen.items()
    }
    assert all(one.cause_count > 1 for one in found.differences)
    assert found.since == min(row.recorded_at for row in frozen.values())


@pytest.fixture
def two_currencies(log: EventLog, database_url: str) -> dict[str, int]:
    """Wallets of which each day is said to have 100 minor units more than it had; how much that is by currency."""
    history = History(log)
    history.open_wallets(2)
    history.write(10)
    wallets = [
        WalletAccount.open(book=1, address=f"wallet:j{number}", currency="JPY", at=AT, overdraft_limit_minor=None)
        for number in (1, 2)
    ]
    log.save(*wallets)
    lines = [
        Line(wallet.id, wallet.address, "JPY", amount) for wallet, amount in zip(wallets, (7000, -7000), strict=True)
    ]
    posting = Posting.record(book=1, reference="j", rule="transfer", lines=lines, effective_at=AT, at=AT)
    for place, (wallet, line) in enumerate(zip(wallets, lines, strict=True)):
        wallet.post(posting_id=posting.id, line=place, amount_minor=line.amount_minor, effective_at=AT, at=AT)
    log.save(posting, *wallets)
    catch_up(log, database_url)
    write(database_url, "update views.wallet_days_v1 set debit_minor = debit_minor + 100")
    count = "select currency, 100 * count(*) from views.wallet_days join views.balances using (wallet_id) group by 1"
    with connect(database_url) as connection:
        return dict(connection.execute(count).fetchall())


def test_money_of_wallets_is_summed_in_the_currency_of_each_wallet(
    two_currencies: dict[str, int], log: EventLog, database_url: str
) -> None:
    found = rebuilt(log, database_url, "wallet_days")
    assert two_currencies.keys() == {"EUR", "JPY"}
    assert found.money == {currency: {"debit_minor": -minor} for currency, minor in two_currencies.items()}
    assert {one.currency for one in found.differences} == {"EUR", "JPY"}


def test_money_of_a_currency_that_nobody_knows_is_in_no_sum_and_that_is_said(
    two_currencies: dict[str, int], log: EventLog, database_url: str
) -> None:
    write(database_url, "delete from views.balances_v1 where currency = 'JPY'")
    found = rebuilt(log, database_url, "wallet_days")
    assert found.money == {"EUR": {"debit_minor": -two_currencies["EUR"]}}
    assert found.not_summed == two_currencies["JPY"] // 100 > 0
    assert f"{found.not_summed} of them hold money of a currency that the view does not say" in report.page(found)


def test_when_not_all_rows_are_looked_at_it_is_said_of_how_many_the_moment_is(
    change: Changing, log: EventLog, database_url: str
) -> None:
    every = change(takings.OfAnother())
    some = compared(log, database_url, "takings", kept_rows=3)
    assert (every.since_rows, some.since_rows) == (every.changed, 3)
    assert "(for the first 3 of them)" in report.page(some)
    assert "of them)" not in report.page(every)


@pytest.mark.parametrize(("name", "key"), [("postings", "posting_id"), ("wallet_days", "wallet_id")])
def test_every_difference_can_be_written_as_json(log: EventLog, database_url: str, name: str, key: str) -> None:
    history = History(log)
    history.open_wallets(3)
    history.write(20)
    catch_up(log, database_url)
    table = f"{name}_v{view(name).version}"
    write(database_url, LOST.format(table, key, key, table))
    found = rebuilt(log, database_url, name)
    assert found.added > 0
    assert json.loads(json.dumps(report.facts(found)))["added"] == found.added


class Marked(UUID):
    """Counts how often it is looked up."""

    looked_up = 0

    def __hash__(self) -> int:
        Marked.looked_up += 1
        return super().__hash__()


class Numbers(PlainRows):
    """Folds the position of the last event of a stream."""

    name = "numbers"
    version = 1
    topics = ("demo.happened.v1",)
    key = ("stream_id",)
    stream_column = "stream_id"
    columns = {"stream_id": "uuid", "last": "bigint"}

    def keys(self, fact: Fact) -> tuple[Key, ...]:
        return ((fact.stream_id,),)

    def fold(self, rows: Rows, fact: Fact) -> None:
        rows[(fact.stream_id,)] = {"stream_id": fact.stream_id, "last": fact.position}


def looked_up_by(events: int, differing: int) -> int:
    """How often rows are looked up for these events, beside what is done once for each row that differs."""
    keys = [Marked(int=number) for number in range(1, differing + 1)]
    found = Comparison("numbers", 1, 2, events, differing, differing)
    found.differences = [Difference((key,), "changed", {}, None, None) for key in keys]
    begun = False

    def read_streams(streams: list[UUID], topics: list[str], until: int) -> list[Recorded]:
        nonlocal begun
        if begun:
            return []
        begun, Marked.looked_up = True, 0
        return [
            Recorded(number, 1, keys[0], number, topics[0], datetime.now(UTC), {}, b"")
            for number in range(1, events + 1)
        ]

    add_causes(found, [Numbers(), Numbers()], None, lambda _: None, read_streams)  # type: ignore[arg-type]
    assert found.differences[0].cause_count == events
    return Marked.looked_up


def test_an_event_costs_as_much_however_many_rows_differ() -> None:
    assert looked_up_by(20, 400) == looked_up_by(20, 4)
