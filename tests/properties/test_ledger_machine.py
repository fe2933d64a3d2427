"""The whole ledger against a model of a few dicts: in memory, and by the real engine on a real PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.ledger_machine import START, LedgerMachine
from tests.properties.ledger_worlds import InMemory, OnPostgres

EVERY_PHASE = tuple(Phase)


def wanted(examples: int, steps: int, phases: Sequence[Phase] = EVERY_PHASE) -> settings:
    """The same examples in every run; machines of this size are slow to begin with."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=phases,
        deadline=None,
        derandomize=True,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


def run_in_memory(examples: int, steps: int, phases: Sequence[Phase] = EVERY_PHASE) -> None:
    """The machine over rows in a list."""
    run_state_machine_as_test(lambda: LedgerMachine(InMemory(START)), settings=wanted(examples, steps, phases))


def run_on_postgres(database_url: str, directory: Path, examples: int, steps: int, restarts_max: int) -> None:
    """The machine over the engine's socket; each example has a book of its own. Shorter cases are sought in memory."""
    books = itertools.count(1)
    run_state_machine_as_test(
        lambda: LedgerMachine(OnPostgres(START, database_url, directory, next(books)), restarts_max),
        settings=wanted(examples, steps, [Phase.generate]),
    )


def test_the_ledger_does_what_the_model_says_whatever_is_asked() -> None:
    run_in_memory(100, 40)


def test_the_engine_does_what_the_model_says_on_postgresql(database_url: str, tmp_path: Path) -> None:
    run_on_postgres(database_url, tmp_path, examples=3, steps=40, restarts_max=1)


@pytest.mark.long
def test_the_ledger_does_what_the_model_says_in_many_more_cases() -> None:
    run_in_memory(1_500, 60)


@pytest.mark.long
def test_the_engine_does_what_the_model_says_on_postgresql_in_many_more_cases(
    database_url: str, tmp_path: Path
) -> None:
    run_on_postgres(database_url, tmp_path, examples=100, steps=60, restarts_max=3)
