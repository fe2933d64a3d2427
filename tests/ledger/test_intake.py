"""How much of what waits is taken into one batch: a bulk counts as many requests as it has items."""

from __future__ import annotations

from uuid import UUID

from ledger.intake import REQUESTS_PER_BATCH, Ask, Intake
from ledger.wire import Reply, Transfer

ORDER = Transfer(
    book=1, key="k", source=UUID(int=1), destination=UUID(int=2), amount_minor=1, currency="EUR"
)  # fmt: skip


def ask(weight: int) -> Ask:
    """A request that stands for so many."""

    def unheard(reply: Reply) -> None:
        """Nobody listens."""

    return Ask(ORDER, UUID(int=3), "", unheard, weight)


def test_a_batch_takes_bulks_whole_and_no_more_than_its_measure_of_requests() -> None:
    intake = Intake()
    for weight in (1, REQUESTS_PER_BATCH - 2, 1_000, 1, 1):
        intake.ask(ask(weight))
    assert intake.waiting == intake.queued == REQUESTS_PER_BATCH + 1_001
    assert [taken.weight for taken in intake.take(0).asks] == [1, REQUESTS_PER_BATCH - 2, 1_000]
    assert intake.waiting == 2
    intake.ask_again([ask(5)])
    assert intake.waiting == 7
    assert [taken.weight for taken in intake.take(0).asks] == [5, 1, 1]
    assert (intake.waiting, intake.take(0).asks) == (0, [])


def test_what_is_withdrawn_waits_no_longer() -> None:
    intake = Intake()
    intake.ask(ask(100))
    assert len(intake.withdraw()) == 1
    assert intake.waiting == 0
