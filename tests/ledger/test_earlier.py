"""What was decided earlier counts also where nothing is appended that could conflict with it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from domain.ids import wallet_stream_id
from ledger.batch import Batch
from ledger.decisions import order_posting_id
from ledger.heads import Heads
from ledger.wire import Bulk, OpenWallet, Order, Post, PostLine, Reply, fingerprint
from tests.ledger.engines import RunningEngine

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BANK, ALICE = (wallet_stream_id(1, address, "EUR") for address in ("bank:main:cash", "wallet:alice"))


def post(key: str, amount: int, *, reference: str | None = None, dry_run: bool = False) -> Post:
    """Money for Alice; taken from her when it is below zero."""
    lines = PostLine(BANK, "EUR", amount), PostLine(ALICE, "EUR", -amount)
    return Post(book=1, key=key, lines=lines, reference=reference, dry_run=dry_run)


def openings() -> list[OpenWallet]:
    """A bank that gives without limit, and Alice, who has nothing."""
    return [
        OpenWallet(book=1, key=address, address=address, currency="EUR", overdraft_limit_minor=limit)
        for address, limit in (("bank:main:cash", None), ("wallet:alice", 0))
    ]


def test_an_atomic_bulk_knows_its_items_that_were_posted_before_the_engine_was_started_again(
    database_url: str, tmp_path: Path
) -> None:
    spent = post("out", -100)
    with RunningEngine(database_url, tmp_path / "e.sock") as engine:
        assert [engine.ask(each).status for each in (*openings(), post("in", 100), spent)][2:] == ["posted", "posted"]
    with RunningEngine(database_url, tmp_path / "again.sock") as engine:
        reply = engine.ask(Bulk(book=1, key="b", items=(spent, post("more", 5)), atomic=True))
        assert (reply.status, [item.replayed for item in reply.items]) == ("applied", [True, False])
        numbers = engine.client.wallet(book=1, wallet_id=ALICE).wallet
    assert numbers is not None
    assert numbers.available_minor == 5


def test_a_dry_run_knows_that_a_reference_is_taken(database_url: str, tmp_path: Path) -> None:
    with RunningEngine(database_url, tmp_path / "e.sock") as engine:
        replies = [engine.ask(each) for each in (*openings(), post("1", 100, reference="r"))]
        assert replies[-1].status == "posted"
        rehearsal = engine.ask(post("2", 5, reference="r", dry_run=True))
        real = engine.ask(post("2", 5, reference="r"))
    assert (rehearsal.status, rehearsal.code) == ("refused", "reference_taken")
    assert (rehearsal.status, rehearsal.code, rehearsal.detail) == (real.status, real.code, real.detail)


def test_a_refusal_that_hangs_on_a_key_of_the_batch_before_is_decided_again_once_that_is_durable() -> None:
    heads = Heads(1)
    first = Batch(heads, AT)

    def decide(batch: Batch, order: Order) -> Reply:
        return batch.request(order, order_posting_id(order), fingerprint(order)).reply

    spent = post("out", -100)
    for each in (*openings(), post("in", 100), spent):
        decide(first, each)
    second = Batch(heads, AT, below=first)
    assert decide(second, Bulk(book=1, key="b", items=(spent,), atomic=True)).status == "refused"
    assert second.unsettled
    third = Batch(heads, AT, below=first)
    assert decide(third, post("other", -1)).status == "refused"
    assert not third.unsettled
