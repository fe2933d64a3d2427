"""Wallets: open, read, change. Amounts are minor units in the natural sign (what is there, or owed, is positive)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from daybook.client.answer import Row
from daybook.client.asked import WalletName, key_of
from daybook.client.connection import Connection, given, in_path
from daybook.client.ledger_models import (
    Statement,
    StatementEntry,
    Wallet,
    WalletBalance,
    WalletChange,
    WalletExplanation,
)


def metadata_query(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Notes to search by, as the API takes them: metadata.KEY=VALUE."""
    return {f"metadata.{name}": text for name, text in (metadata or {}).items()}


class Wallets:
    """A wallet is named by its id, or by its address with `currency`. Each call raises a `Problem` or NoAnswer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open(
        self,
        address: str,
        currency: str,
        *,
        overdraft_limit_minor: int | None = 0,
        merchant_id: str | UUID | None = None,
    ) -> Wallet:
        """Open an account of the chart; None means that it may fall without limit.

        Address and currency are its key: opening it again with the same terms changes nothing. Raises Conflict when it
        is open with other terms, Refused for an address outside the chart.
        """
        body = {"address": address, "currency": currency, "overdraft_limit_minor": overdraft_limit_minor}
        return self._connection.ask(Wallet, "POST", "/v1/wallets", body={**body, **given(merchant_id=merchant_id)})

    def show(self, wallet: WalletName, currency: str | None = None, *, as_of: str | datetime | None = None) -> Wallet:
        """A wallet as the posting engine last committed it, or as of a position or a time. Raises NotFound."""
        return self._connection.ask(Wallet, "GET", _path(wallet), query={"currency": currency, "as_of": as_of})

    def list(
        self,
        *,
        address: str | None = None,
        currency: str | None = None,
        kind: str | None = None,
        metadata: Mapping[str, str] | None = None,
        frozen: bool | None = None,
        closed: bool | None = None,
        balance_from: int | None = None,
        balance_below: int | None = None,
        as_of: str | datetime | None = None,
        at_least: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """Wallets in the order of address and currency. `address` may be a pattern (merchant:*:available).

        `as_of` is a position or a time: the wallets as they were. `at_least` is a position that the answer must know
        of, `limit` the rows per request.
        """
        query = {
            "address": address,
            "currency": currency,
            "kind": kind,
            "frozen": frozen,
            "closed": closed,
            "balance_from": balance_from,
            "balance_below": balance_below,
            "as_of": as_of,
            "at_least": at_least,
            "limit": limit,
        }
        return self._connection.rows(Row, "/v1/wallets", {**query, **metadata_query(metadata)})

    def entries(
        self,
        wallet: WalletName,
        currency: str | None = None,
        *,
        effective_from: datetime | None = None,
        effective_to: datetime | None = None,
        recorded_from: datetime | None = None,
        recorded_to: datetime | None = None,
        min_amount_minor: int | None = None,
        max_amount_minor: int | None = None,
        as_of: str | datetime | None = None,
        at_least: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """What was posted to a wallet, in the order of the log. Ends of ranges are not included. Raises NotFound."""
        query = {
            "currency": currency,
            "effective_from": effective_from,
            "effective_to": effective_to,
            "recorded_from": recorded_from,
            "recorded_to": recorded_to,
            "min_amount_minor": min_amount_minor,
            "max_amount_minor": max_amount_minor,
            "as_of": as_of,
            "at_least": at_least,
            "limit": limit,
        }
        return self._connection.rows(Row, f"{_path(wallet)}/entries", query)

    def explain(
        self,
        wallet: WalletName,
        currency: str | None = None,
        *,
        as_of: str | datetime | None = None,
        limit: int | None = None,
    ) -> WalletExplanation:
        """What made a wallet's number: its newest `limit` entries with rule and cause. Raises NotFound."""
        query = {"currency": currency, "as_of": as_of, "limit": limit}
        return self._connection.ask(WalletExplanation, "GET", f"{_path(wallet)}/explanation", query=query)

    def balance(
        self,
        wallet: WalletName,
        currency: str | None = None,
        *,
        as_of: str | datetime | None = None,
        effective_at: datetime | None = None,
        at_least: str | None = None,
    ) -> WalletBalance:
        """A wallet's balance as of a position or a time, or of what was true at a moment. Raises NotFound."""
        query = {"currency": currency, "as_of": as_of, "effective_at": effective_at, "at_least": at_least}
        return self._connection.ask(WalletBalance, "GET", f"{_path(wallet)}/balance", query=query)

    def statement(
        self,
        wallet: WalletName,
        currency: str | None = None,
        *,
        effective_from: datetime | None = None,
        effective_to: datetime | None = None,
        recorded_from: str | datetime | None = None,
        recorded_to: str | datetime | None = None,
        as_of: str | datetime | None = None,
        at_least: str | None = None,
        limit: int | None = None,
    ) -> Statement:
        """The whole statement of a range of effective or of recorded time, its pages put together. Raises NotFound."""
        query = {
            "currency": currency,
            "effective_from": effective_from,
            "effective_to": effective_to,
            "recorded_from": recorded_from,
            "recorded_to": recorded_to,
            "as_of": as_of,
            "at_least": at_least,
            "limit": limit,
        }
        path = f"{_path(wallet)}/statement"
        page = self._connection.ask(Statement, "GET", path, query={**query, "format": "json"})
        entries: list[StatementEntry] = [*page.entries]
        while page.next_cursor is not None:
            page = self._connection.ask(Statement, "GET", path, query={**query, "cursor": page.next_cursor})
            entries += page.entries
        return page.model_copy(update={"entries": tuple(entries)})

    def statement_csv(
        self,
        wallet: WalletName,
        currency: str | None = None,
        *,
        effective_from: datetime | None = None,
        effective_to: datetime | None = None,
        recorded_from: str | datetime | None = None,
        recorded_to: str | datetime | None = None,
        as_of: str | datetime | None = None,
    ) -> str:
        """The same as CSV, with a header. Its last line is the closing balance: without it, it is not whole."""
        query = {
            "currency": currency,
            "effective_from": effective_from,
            "effective_to": effective_to,
            "recorded_from": recorded_from,
            "recorded_to": recorded_to,
            "as_of": as_of,
            "format": "csv",
        }
        return self._connection.send("GET", f"{_path(wallet)}/statement", query=query).text

    def freeze(
        self, wallet: WalletName, currency: str | None = None, *, reason: str, key: str | UUID | None = None
    ) -> WalletChange:
        """Take no more requests; facts still pass. Raises Refused when it is frozen already."""
        return self._change(wallet, currency, "freeze", {"reason": reason}, key)

    def unfreeze(
        self, wallet: WalletName, currency: str | None = None, *, reason: str, key: str | UUID | None = None
    ) -> WalletChange:
        """Take requests again. Raises Refused when it is not frozen."""
        return self._change(wallet, currency, "unfreeze", {"reason": reason}, key)

    def close(
        self, wallet: WalletName, currency: str | None = None, *, reason: str, key: str | UUID | None = None
    ) -> WalletChange:
        """Close an empty wallet. Raises Refused while it holds money."""
        return self._change(wallet, currency, "close", {"reason": reason}, key)

    def reopen(
        self, wallet: WalletName, currency: str | None = None, *, reason: str, key: str | UUID | None = None
    ) -> WalletChange:
        """Undo closing. Raises Refused when it is not closed."""
        return self._change(wallet, currency, "reopen", {"reason": reason}, key)

    def limit(
        self,
        wallet: WalletName,
        currency: str | None = None,
        *,
        overdraft_limit_minor: int | None,
        key: str | UUID | None = None,
    ) -> WalletChange:
        """How far below zero requests may take it from now on, in minor units; None: as far as they like."""
        return self._change(wallet, currency, "limit", {"overdraft_limit_minor": overdraft_limit_minor}, key)

    def change_metadata(
        self,
        wallet: WalletName,
        currency: str | None = None,
        *,
        metadata: Mapping[str, str | None],
        key: str | UUID | None = None,
    ) -> WalletChange:
        """Change notes: a text sets its name, None removes it, other names stay."""
        path, query = f"{_path(wallet)}/metadata", {"currency": currency}
        body = {"metadata": dict(metadata)}
        return self._connection.ask(WalletChange, "PATCH", path, query=query, body=body, key=key_of(key))

    def _change(
        self, wallet: WalletName, currency: str | None, change: str, body: dict[str, Any], key: str | UUID | None
    ) -> WalletChange:
        path, query = f"{_path(wallet)}/{change}", {"currency": currency}
        return self._connection.ask(WalletChange, "POST", path, query=query, body=body, key=key_of(key))


def _path(wallet: WalletName) -> str:
    return f"/v1/wallets/{in_path(wallet)}"
