"""Whatever is asked of the ledger, and however its engine is lost on the way, no check finds anything."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from eventlog.mapper import LogMapper
from replay.checks.check import Scope
from replay.verify import chosen_checks, verify
from tests.properties.ledger_machine import START, LedgerMachine
from tests.properties.ledger_worlds import InMemory

EXAMPLES = 60
STEPS = 40


class VerifiedMachine(LedgerMachine):
    """The ledger's machine; at the end of each case its whole log is verified."""

    verified = 0

    def teardown(self) -> None:
        """All of the log, by every check."""
        world = self.world
        assert isinstance(world, InMemory)
        rows, mapper = world.rows(0), LogMapper()

        def stream(stream_id: object) -> list[object]:
            return [mapper.decode(row) for row in rows if row.stream_id == stream_id]

        report = verify(world._recorder, mapper, Scope(len(rows), stream=stream), chosen_checks())
        assert [result for result in report.results if result.count] == []
        assert report.events == len(rows)
        type(self).verified += report.events
        super().teardown()


def test_no_check_finds_anything_in_what_the_ledger_did() -> None:
    run_state_machine_as_test(
        lambda: VerifiedMachine(InMemory(START)),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            phases=[Phase.generate],
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert VerifiedMachine.verified > EXAMPLES * STEPS
