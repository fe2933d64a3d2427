"""Movements of money: transfers, postings and bulks of them.

Each call makes a key of its own unless it is given one, and repeats itself with it: one effect only, however often it
is sent. To be safe beyond this process (a crash, a queue that delivers twice) give a key that you have stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from daybook.client.answer import Row
from daybook.client.asked import Condition, MoneyLine, WalletName, key_of
from daybook.client.connection import Connection, given, in_path
from daybook.client.ledger_models import Bulk, Decision, Movement, Posting, Reversal, Transfer
from daybook.client.wallets import metadata_query


class Transfers:
    """The commonest posting there is. Each call raises a `Problem` or NoAnswer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        *,
        source: WalletName,
        destination: WalletName,
        amount_minor: int,
        currency: str,
        effective_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        reference: str | None = None,
        conditions: Sequence[Condition] = (),
        dry_run: bool = False,
        key: str | UUID | None = None,
    ) -> Transfer:
        """Debit `source` and credit `destination` by `amount_minor` (above zero).

        Raises Refused with the rule's code (insufficient_funds, wallet_frozen, condition_failed, ...), which is final
        for the key; NotFound for a wallet that does not exist.
        """
        body = {"source": source, "destination": destination, "amount_minor": amount_minor, "currency": currency}
        more = given(
            effective_at=effective_at, metadata=metadata, reference=reference, conditions=list(conditions) or None
        )
        query = {"dry_run": dry_run or None}
        return self._connection.ask(
            Transfer, "POST", "/v1/transfers", query=query, body={**body, **more}, key=key_of(key)
        )


class Postings:
    """Any balanced lines, per currency. Each call raises a `Problem` or NoAnswer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        lines: Sequence[MoneyLine],
        *,
        effective_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        reference: str | None = None,
        conditions: Sequence[Condition] = (),
        dry_run: bool = False,
        key: str | UUID | None = None,
    ) -> Movement:
        """Post lines that sum to zero in each currency. `reference` is your own name, unique in the book for ever.

        Raises as `Transfers.create`, and Refused (posting_unbalanced, reference_taken).
        """
        body = {"lines": list(lines)} | given(
            effective_at=effective_at, metadata=metadata, reference=reference, conditions=list(conditions) or None
        )
        query = {"dry_run": dry_run or None}
        return self._connection.ask(Movement, "POST", "/v1/postings", query=query, body=body, key=key_of(key))

    def show(self, posting_id: str | UUID, *, as_of: str | datetime | None = None) -> Posting:
        """One posting with its links and the history of its notes; now, or as of a position or a time. Raises
        NotFound."""
        return self._connection.ask(Posting, "GET", f"/v1/postings/{in_path(posting_id)}", query={"as_of": as_of})

    def list(
        self,
        *,
        wallet: WalletName | None = None,
        currency: str | None = None,
        reference: str | None = None,
        ledger_reference: str | None = None,
        rule: str | None = None,
        state: str | None = None,
        metadata: Mapping[str, str] | None = None,
        effective_from: datetime | None = None,
        effective_to: datetime | None = None,
        recorded_from: datetime | None = None,
        recorded_to: datetime | None = None,
        as_of: str | datetime | None = None,
        at_least: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """Postings, holds and refusals, newest first; every condition that is given must hold."""
        query = {
            "wallet": wallet,
            "currency": currency,
            "reference": reference,
            "ledger_reference": ledger_reference,
            "rule": rule,
            "state": state,
            "effective_from": effective_from,
            "effective_to": effective_to,
            "recorded_from": recorded_from,
            "recorded_to": recorded_to,
            "as_of": as_of,
            "at_least": at_least,
            "limit": limit,
        }
        return self._connection.rows(Row, "/v1/postings", {**query, **metadata_query(metadata)})

    def revert(
        self,
        posting_id: str | UUID,
        *,
        amount_minor: int | None = None,
        at_effective_date: bool = False,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
        dry_run: bool = False,
        key: str | UUID | None = None,
    ) -> Reversal:
        """Take a posting back: all that is left of it, or `amount_minor` of one of two lines; now, or when it was
        effective. Raises Refused (already_reverted, reversal_exceeds_posting, fact_not_revertible, ...), NotFound.
        """
        body = given(amount_minor=amount_minor, reference=reference, metadata=metadata)
        path, query = f"/v1/postings/{in_path(posting_id)}/revert", {"dry_run": dry_run or None}
        body["at_effective_date"] = at_effective_date
        return self._connection.ask(Reversal, "POST", path, query=query, body=body, key=key_of(key))

    def change_metadata(
        self, posting_id: str | UUID, metadata: Mapping[str, str | None], *, key: str | UUID | None = None
    ) -> Decision:
        """Change notes: a text sets its name, None removes it, other names stay; a posting shows their history."""
        path = f"/v1/postings/{in_path(posting_id)}/metadata"
        return self._connection.ask(Decision, "PATCH", path, body={"metadata": dict(metadata)}, key=key_of(key))


class Bulks:
    """Up to 1,000 requests in one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self, items: Sequence[Mapping[str, Any]], *, atomic: bool = False, key: str | UUID | None = None
    ) -> Bulk:
        """Apply requests in order: each as if alone, or (`atomic`) all or none.

        An item is a mapping with `action` (transfer, posting, hold, commit, void, revert, open_wallet, freeze,
        unfreeze, close, reopen, limit, metadata), the fields of that single request, and a `key` of its own if it has
        one. Raises Refused for a body that is wrong anywhere, and when an item of an atomic bulk is refused; items of
        another bulk say for themselves what became of them.
        """
        body = {"items": [dict(item) for item in items], "atomic": atomic}
        return self._connection.ask(Bulk, "POST", "/v1/bulk", body=body, key=key_of(key))
