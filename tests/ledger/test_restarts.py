"""What an engine that was started again still knows: answers to keys, and on which side monitors are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from domain.ids import wallet_stream_id
from ledger.wire import (
    Bulk,
    CommitHold,
    CreateMonitor,
    Order,
    PlaceHold,
    Post,
    PostLine,
    Reply,
    Revert,
    Single,
    VoidHold,
)
from tests.ledger.engines import RunningEngine

BANK, ALICE = (wallet_stream_id(1, address, "EUR") for address in ("bank:main:cash", "wallet:alice"))


def lines(amount: int) -> tuple[PostLine, ...]:
    """Money for Alice; taken from her when it is below zero."""
    return PostLine(BANK, "EUR", amount), PostLine(ALICE, "EUR", -amount)


def open_two(engine: RunningEngine) -> None:
    """A bank that gives without limit, and Alice with 1,000."""
    for address, limit in (("bank:main:cash", None), ("wallet:alice", 0)):
        engine.client.open_wallet(book=1, key=address, address=address, currency="EUR", overdraft_limit_minor=limit)
    assert engine.ask(Post(book=1, key="seed", lines=lines(1_000))).status == "posted"


def plain(reply: Reply) -> Reply:
    """A reply without what differs between the first time and a repetition."""
    items = tuple(plain(item) for item in reply.items)
    return msgspec.structs.replace(reply, id=0, replayed=False, items=items)


def test_every_request_is_answered_alike_by_an_engine_that_was_started_again(database_url: str, tmp_path: Path) -> None:
    asked: list[Order] = []
    with RunningEngine(database_url, tmp_path / "e.sock") as engine:
        open_two(engine)
        later = datetime.now(UTC) + timedelta(days=1)
        hold = PlaceHold(book=1, key="h", lines=lines(-300), expires_at=later)
        asked.append(hold)
        first = [engine.ask(hold)]
        hold_id = first[0].posting_id
        assert hold_id is not None
        post = Post(book=1, key="p", lines=lines(20), reference="r")
        items: tuple[Single, ...] = (
            Post(book=1, key="b1", lines=lines(1)),
            Post(book=1, key="b2", lines=lines(-9_999)),
            PlaceHold(book=1, key="b3", lines=lines(-5)),
        )
        asked += [post, CommitHold(book=1, key="c", hold_id=hold_id, amount_minor=100, final=False)]
        asked += [VoidHold(book=1, key="v", hold_id=hold_id), Bulk(book=1, key="bulk", items=items)]
        asked += [Bulk(book=1, key="all", atomic=True, items=(Post(book=1, key="a1", lines=lines(3)), *items[1:2]))]
        asked += [Bulk(book=1, key="fine", atomic=True, items=(Post(book=1, key="a2", lines=lines(4)),))]
        first += [engine.ask(order) for order in asked[1:]]
        posted = first[1].posting_id
        assert posted is not None
        asked.append(Revert(book=1, key="back", posting_id=posted))
        first.append(engine.ask(asked[-1]))
    assert [reply.status for reply in first] == [
        "held", "posted", "committed", "voided", "applied", "refused", "applied", "reverted",
    ]  # fmt: skip
    with RunningEngine(database_url, tmp_path / "again.sock") as engine:
        for order, before in zip(asked, first, strict=True):
            again = engine.ask(order)
            assert again.replayed
            assert plain(again) == plain(before)


@pytest.mark.parametrize("threshold", [500, 2_000])
def test_a_monitor_that_was_never_crossed_is_not_crossed_by_a_restart(
    database_url: str, tmp_path: Path, threshold: int
) -> None:
    with RunningEngine(database_url, tmp_path / "e.sock") as engine:
        open_two(engine)
        asked = CreateMonitor(book=1, key="m", wallet_id=ALICE, measure="available", threshold_minor=threshold)
        assert engine.ask(asked).status == "created"
    with RunningEngine(database_url, tmp_path / "again.sock") as engine:
        assert engine.ask(Post(book=1, key="1", lines=lines(10))).status == "posted"
        crossed = engine.recorder.read(0, 1_000, topics=["monitor.crossed.v1"])
        assert crossed == []
        across = -600 if threshold == 500 else 1_000
        assert engine.ask(Post(book=1, key="2", lines=lines(across))).status == "posted"
        assert len(engine.recorder.read(0, 1_000, topics=["monitor.crossed.v1"])) == 1
