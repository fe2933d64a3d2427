"""Whatever happened, and however it is rebuilt, a view comes to the same rows: whole, in part, as of any position."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from eventlog.application import EventLog
from eventlog.connections import connect
from eventlog.postgres import PostgresRecorder
from projections.registry import view, views
from replay import builds
from replay.archive.writing import ArchiveExport
from replay.rebuild import Wanted, rebuild
from tests.conftest import fresh_database
from tests.replay.history import MERCHANT, History, catch_up, digest_of
from tests.replay.replayed import positions, rows_replayed, rows_written

BATCHES = (1, 7, 40, 1_000, 500_000)
OF_A_WALLET = ("balances", "wallet_days", "wallet_entries")
OF_A_MERCHANT = (*OF_A_WALLET, "payment_orders", "order_differences")


def examples(count: int) -> settings:
    """The same in every run; each writes a history to a database of its own."""
    return settings(
        max_examples=count, phases=[Phase.generate], deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


HAPPENINGS = st.lists(st.tuples(st.booleans(), st.integers(1, 25)), min_size=2, max_size=5)
"""Some of everything, or so many transfers and orders."""


def cases(check: Callable[..., None], count: int) -> None:
    """Runs a check over that many histories."""
    examples(count)(given(st.integers(0, 2**32), HAPPENINGS, st.data())(check))()


class World:
    """A database with a history whose views have read all of it."""

    def __init__(self, database_url: str, seed: int, happenings: list[tuple[bool, int]]) -> None:
        self.url = database_url
        self.log = EventLog(PostgresRecorder(database_url))
        history = History(self.log, seed)
        history.open_wallets(4)
        history.open_wallets(1, MERCHANT)
        for everything, count in happenings:
            if everything:
                history.write_each()
            else:
                history.write(count)
        self.wallets = history.wallets
        catch_up(self.log, database_url)

    def whole_log_in_any_way(self, data: st.DataObject, directory: Path) -> None:
        """By 1 to 8 workers, in batches and pages of any size, from the log or from an archive of a part of it."""
        name = data.draw(st.sampled_from(sorted(views())))
        workers, batch = data.draw(st.sampled_from((1, 2, 4, 8))), data.draw(st.sampled_from(BATCHES))
        archive = None
        if data.draw(st.booleans()):
            there = positions(self.log)
            since, until = sorted(data.draw(st.tuples(*[st.sampled_from([0, *there])] * 2)))
            archive = directory / f"{since}-{until}"
            ArchiveExport(self.log.log_recorder, archive, after=since, until=until).run()
        # Workers that are processes are slow to start; what they do, those that come one after the other do too.
        at_once = 1 if view(name).supersedes or workers == 2 else 500_000
        told = rebuild(
            self.url,
            Wanted(
                view(name), workers, fresh=True, archive=archive, batch_events=batch,
                page_events=data.draw(st.sampled_from((1, 9, 20_000))), side_by_side_events=at_once,
            ),
        )  # fmt: skip
        assert digest_of(self.url, name, "shadow") == digest_of(self.url, name, "live"), told

    def as_of(self, data: st.DataObject) -> None:
        """A build of the past is a replay from the beginning to there."""
        one = view(data.draw(st.sampled_from(sorted(views()))))
        position = data.draw(st.sampled_from([0, *positions(self.log)]))
        rebuild(self.url, Wanted(one, data.draw(st.sampled_from((1, 2))), as_of=position, batch_events=40))
        with connect(self.url) as connection:
            rows = rows_written(connection, one, builds.find(connection, one.name, "past").table)
        assert rows == rows_replayed(self.log, one, position)

    def in_part(self, data: st.DataObject) -> None:
        """Some rows of a wallet, or a merchant, were changed or lost: rebuilt alone they make the view whole again."""
        merchants = data.draw(st.booleans())
        name = data.draw(st.sampled_from(OF_A_MERCHANT if merchants else OF_A_WALLET))
        wallet = self.wallets[-1 if merchants else data.draw(st.integers(0, len(self.wallets) - 1))]
        whole = digest_of(self.url, name, "live")
        mine = f"merchant_id = '{MERCHANT}'" if name in OF_A_MERCHANT[3:] else f"wallet_id = '{wallet.id}'"
        columns, key = view(name).columns, view(name).key
        number = next(column for column, kind in columns.items() if kind == "bigint" and column not in key)
        damage = data.draw(st.sampled_from(("delete from {} where {}", f"update {{}} set {number} = 1 where {{}}")))
        with psycopg.connect(self.url, autocommit=True) as owner:
            owner.execute(damage.format(f"views.{name}_v1", mine))
        scope = {"merchant": MERCHANT} if merchants else {"wallet": str(wallet.id)}
        rebuild(self.url, Wanted(view(name), scope=scope))
        assert digest_of(self.url, name, "shadow") == whole


@pytest.mark.parametrize("count", [4, pytest.param(250, marks=pytest.mark.long)])
def test_any_rebuild_of_any_history_comes_to_the_same_rows(count: int, server_url: str, template_database: str) -> None:
    def check(seed: int, happenings: list[tuple[bool, int]], data: st.DataObject) -> None:
        with fresh_database(server_url, template_database) as url, TemporaryDirectory() as directory:
            world = World(url, seed, happenings)
            try:
                for _ in range(3):
                    world.whole_log_in_any_way(data, Path(directory))
                    world.as_of(data)
                world.in_part(data)
            finally:
                world.log.close()

    cases(check, count)
