"""64 clients on one wallet with a limit: it never falls below it, and every refusal was right in its place."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from domain.ids import wallet_stream_id
from eventlog.recorded import Recorded
from ledger.client import LedgerClient
from ledger.wire import Reply
from tests.ledger.engines import RunningEngine

BOOK, CLIENTS, EACH, LIMIT, START = 1, 64, 12, 500, 2_000
HOT, OTHER = (wallet_stream_id(BOOK, f"wallet:{name}", "EUR") for name in ("hot", "other"))


def move(client: LedgerClient, key: str, amount: int, *, back: bool = False) -> Reply:
    """Out of the hot wallet, or back into it."""
    source, destination = (OTHER, HOT) if back else (HOT, OTHER)
    return client.transfer(
        book=BOOK, key=key, source=source, destination=destination, amount_minor=amount, currency="EUR"
    )


def attack(path: Path) -> list[Reply]:
    """All clients at once, each with a connection of its own: most want money out, and more than there is."""
    replies: list[Reply] = []
    start = threading.Barrier(CLIENTS)

    def ask(number: int) -> None:
        client = LedgerClient(path)
        start.wait()
        for turn in range(EACH):
            key, amount = f"{number}/{turn}", 1 + (number * 37 + turn * 101) % 60
            replies.append(move(client, key, amount, back=(number + turn) % 4 == 0))
        client.close()

    threads = [threading.Thread(target=ask, args=[number]) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


def judge(rows: list[Recorded]) -> tuple[int, int]:
    """Go through history: every posting was possible where it stands, no refusal was. How many there were of each."""
    available, posted, refused = 0, 0, 0
    for row in rows:
        state = json.loads(row.state)
        if row.topic == "wallet.posted.v1" and row.stream_id == HOT:
            available -= state["amount_minor"]  # a liability: a debit takes from it
            assert -state["posted_after"] == available
            assert available >= -LIMIT, f"below its limit at position {row.position}"
            posted += 1
        elif row.topic == "posting.refused.v1":
            wanted = {line["wallet_id"]: line["amount_minor"] for line in state["lines"]}
            assert state["code"] == "insufficient_funds"
            assert available - wanted[str(HOT)] < -LIMIT, f"the refusal at position {row.position} was wrong"
            refused += 1
    return posted, refused


def test_a_hot_wallet_never_goes_below_its_limit_and_every_refusal_was_right(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "e.sock"
    with RunningEngine(database_url, path) as engine:
        for name, limit in (("hot", LIMIT), ("other", None)):
            engine.client.open_wallet(
                book=BOOK, key=name, address=f"wallet:{name}", currency="EUR", overdraft_limit_minor=limit
            )
        assert move(engine.client, "start", START, back=True).status == "posted"
        replies = attack(path)
        numbers = engine.client.wallet(book=BOOK, wallet_id=HOT).wallet
        topics = ["wallet.posted.v1", "posting.refused.v1"]
        posted, refused = judge(engine.recorder.read(0, 100_000, topics=topics, books=[BOOK]))
    statuses = [reply.status for reply in replies]
    assert len(replies) == CLIENTS * EACH
    assert (posted, refused) == (statuses.count("posted") + 1, statuses.count("refused"))
    assert refused > 20, "nobody was refused: the attack was too weak to show anything"
    assert numbers is not None
    assert numbers.available_minor >= -LIMIT
