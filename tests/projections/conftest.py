"""A ledger on a database of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.projections.ledger import Ledger


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    made = Ledger(database_url)
    yield made
    made.close()
