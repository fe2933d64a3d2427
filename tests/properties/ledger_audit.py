"""What the rows of the log themselves must say, read as plain JSON: numbered without gaps, balanced, nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from eventlog.recorded import Recorded


class Audit:
    """Goes through the log once, as it grows."""

    def __init__(self) -> None:
        self.position = 0
        self.versions: Counter[UUID] = Counter()
        self.begun: dict[int, UUID] = {}
        self.posted: Counter[UUID] = Counter()
        self.held: Counter[UUID] = Counter()
        self.currencies: dict[UUID, str] = {}
        self.crossings: Counter[UUID] = Counter()

    def read(self, rows: Sequence[Recorded]) -> None:
        """Check the next rows: whole batches."""
        asked: Counter[tuple[str, str, int]] = Counter()
        moved: Counter[tuple[str, str, int]] = Counter()
        for row in rows:
            self.position = row.position
            self.versions[row.stream_id] += 1
            assert row.version == self.versions[row.stream_id], f"{row.stream_id} has a gap or something twice"
            state = json.loads(row.state)
            if row.version == 1:
                self.begun[row.position] = row.stream_id
            if row.topic == "posting.recorded.v1":
                lines = state["lines"]
                asked.update((str(row.stream_id), line["wallet_id"], line["amount_minor"]) for line in lines)
            elif row.topic == "wallet.posted.v1":
                moved[state["posting_id"], str(row.stream_id), state["amount_minor"]] += 1
                self._posted(row.stream_id, state)
            elif row.topic == "wallet.held.v1":
                self.held[row.stream_id] += state["held_minor"]
                assert state["held_after"] == self.held[row.stream_id]
            elif row.topic == "wallet.opened.v1":
                self.currencies[row.stream_id] = state["currency"]
            elif row.topic == "monitor.crossed.v1":
                self.crossings[row.stream_id] += 1
        assert asked == moved, "what postings say and what was posted to wallets differ"
        self._check_sums()

    def _posted(self, wallet_id: UUID, state: dict[str, Any]) -> None:
        self.posted[wallet_id] += state["amount_minor"]
        assert state["posted_after"] == self.posted[wallet_id]
        self.held[wallet_id] = state["held_after"]  # a line that commits a hold takes its part off

    def _check_sums(self) -> None:
        sums: Counter[str] = Counter()
        for wallet_id, amount in self.posted.items():
            sums[self.currencies[wallet_id]] += amount
        assert not any(sums.values()), f"the books do not balance: {dict(sums)}"
        assert all(held >= 0 for held in self.held.values()), "more is given back than was held"
