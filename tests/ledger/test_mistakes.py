"""What is no request at all is told so at once, and uses no key up."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from ledger.mistakes import mistake
from ledger.wire import Transfer

SOURCE, DESTINATION = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    "effective_at",
    [datetime(1899, 12, 31, 23, 59, tzinfo=UTC), datetime(2026, 1, 1)],  # noqa: DTZ001 - without a zone on purpose
)
def test_a_moment_that_no_book_can_have_is_refused_by_its_field(effective_at: datetime) -> None:
    order = Transfer(
        book=1,
        key="k",
        source=SOURCE,
        destination=DESTINATION,
        amount_minor=1,
        currency="EUR",
        effective_at=effective_at,
    )
    reply = mistake(order)
    assert reply is not None
    assert (reply.status, reply.code, reply.detail.split(":")[0]) == ("error", "bad_request", "effective_at")
