"""What an operator sees of the engine: how much it posts, in what batches, and how long commits take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.batch import Batch
    from ledger.decisions import Decision

POSTINGS = Counter("daybook_engine_postings_total", "Postings committed, by result", ["result"])
LINES = Counter("daybook_engine_lines_total", "Wallet lines committed")
SUSPENSE = Counter(
    "daybook_engine_suspense_lines_total", "Lines of facts that went to suspense: their account is closed"
)
REPLAYS = Counter("daybook_engine_replays_total", "Requests answered from an earlier decision on their key")
TAKEOVERS = Counter("daybook_engine_takeovers_total", "Times the writer lock was taken and the heads read from the log")
BATCH = Histogram(
    "daybook_engine_batch_postings",
    "Postings and refusals per commit",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
)
COMMIT = Histogram(
    "daybook_engine_commit_seconds",
    "Seconds from the append to its commit",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0),
)
QUEUE = Gauge("daybook_engine_queued_requests", "Requests that wait for a batch")


def count(batch: Batch, decisions: Sequence[Decision]) -> None:
    """What a committed batch and its answers add to the counters."""
    LINES.inc(batch.lines)
    POSTINGS.labels("posted").inc(batch.postings)
    POSTINGS.labels("refused").inc(batch.refusals)
    SUSPENSE.inc(batch.to_suspense)
    REPLAYS.inc(sum(decision.reply.replayed for decision in decisions))
    BATCH.observe(batch.postings + batch.refusals)
