"""Holds: money set aside, committed in all or in parts, or given back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from daybook.client.answer import Row
from daybook.client.asked import Condition, MoneyLine, WalletName, key_of
from daybook.client.connection import Connection, given, in_path
from daybook.client.ledger_models import Hold, HoldDecision


class Holds:
    """Each call raises a `Problem` or NoAnswer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def place(
        self,
        lines: Sequence[MoneyLine],
        *,
        expires_at: datetime | None = None,
        effective_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        reference: str | None = None,
        conditions: Sequence[Condition] = (),
        dry_run: bool = False,
        key: str | UUID | None = None,
    ) -> HoldDecision:
        """Reserve what balanced lines would take (minor units, + is a debit); it leaves `available` at once.

        Raises Refused (insufficient_funds, hold_expiry_in_past, ...), NotFound for an unknown wallet.
        """
        body = {"lines": list(lines)} | given(
            expires_at=expires_at,
            effective_at=effective_at,
            metadata=metadata,
            reference=reference,
            conditions=list(conditions) or None,
        )
        query = {"dry_run": dry_run or None}
        return self._connection.ask(HoldDecision, "POST", "/v1/holds", query=query, body=body, key=key_of(key))

    def show(self, hold_id: str | UUID, *, as_of: str | datetime | None = None) -> Hold:
        """One hold with what is left of it, now or as of a position or a time. Raises NotFound."""
        return self._connection.ask(Hold, "GET", f"/v1/holds/{in_path(hold_id)}", query={"as_of": as_of})

    def list(
        self,
        *,
        wallet: WalletName | None = None,
        currency: str | None = None,
        reference: str | None = None,
        state: str | None = None,
        open: bool | None = None,  # noqa: A002 - the API's own word
        expires_before: datetime | None = None,
        as_of: str | datetime | None = None,
        at_least: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """Holds with what is left of them, newest first. `open` ones still reserve something."""
        query = {
            "wallet": wallet,
            "currency": currency,
            "reference": reference,
            "state": state,
            "open": open,
            "expires_before": expires_before,
            "as_of": as_of,
            "at_least": at_least,
            "limit": limit,
        }
        return self._connection.rows(Row, "/v1/holds", query)

    def commit(
        self,
        hold_id: str | UUID,
        *,
        amount_minor: int | None = None,
        lines: Sequence[MoneyLine] | None = None,
        final: bool = True,
        effective_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        dry_run: bool = False,
        key: str | UUID | None = None,
    ) -> HoldDecision:
        """Post a hold: all that remains, `amount_minor` of one of two lines, or `lines`; `final` gives back the rest.

        Raises Refused (commit_exceeds_hold, hold_not_pending, ...), NotFound.
        """
        body = given(amount_minor=amount_minor, lines=lines, effective_at=effective_at, metadata=metadata)
        path, query = f"/v1/holds/{in_path(hold_id)}/commit", {"dry_run": dry_run or None}
        body["final"] = final
        return self._connection.ask(HoldDecision, "POST", path, query=query, body=body, key=key_of(key))

    def void(self, hold_id: str | UUID, *, dry_run: bool = False, key: str | UUID | None = None) -> HoldDecision:
        """Give back what a hold still reserves. Raises Refused (hold_not_pending), NotFound."""
        path, query = f"/v1/holds/{in_path(hold_id)}/void", {"dry_run": dry_run or None}
        return self._connection.ask(HoldDecision, "POST", path, query=query, key=key_of(key))
