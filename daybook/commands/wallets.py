"""``daybook wallets``: open, freeze, close and limit wallets, and show one as its own events tell it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from api.moments import as_known
from daybook.commands._ledger import (
    LimitMinor,
    asking,
    currency_option,
    decision,
    json_option,
    key_option,
    print_facts,
    reason_option,
)
from daybook.commands._moments import as_of_option, position_of
from daybook.commands._streams import wallet_of
from domain.ids import NotAUuid, canonical_uuid, wallet_stream_id
from domain.wallet import WalletAccount
from ledger.wire import ChangeWallet, OpenWallet, WalletChange


@click.group()
def command() -> None:
    """Wallets: open one, change it, show it."""


@command.command("open")
@click.argument("address")
@click.argument("currency")
@click.option(
    "--overdraft-limit-minor", type=LimitMinor(), default=0, show_default=True, help="How far below zero, or none."
)
@click.option("--merchant", metavar="ID", help="The merchant whose wallet it is.")
@key_option
@json_option
def open_(
    address: str, currency: str, overdraft_limit_minor: int | None, merchant: str | None, key: str, as_json: bool
) -> None:
    """Open the account ADDRESS of the chart in CURRENCY."""
    try:
        owner = None if merchant is None else canonical_uuid(merchant, "--merchant")
    except NotAUuid as wrong:
        raise click.UsageError(str(wrong)) from None
    with asking("wallets") as asked:
        order = OpenWallet(
            book=asked.book,
            key=key,
            address=address,
            currency=currency.upper(),
            overdraft_limit_minor=overdraft_limit_minor,
            merchant_id=owner,
        )
        reply = asked.ask(order, "opened")
    print_facts(decision(reply, key=key, wallet_id=reply.wallet_id), as_json)


def _reasoned(change: WalletChange, meaning: str) -> None:
    """Make the command of a change that needs nothing but its reason."""

    @command.command(change, help=meaning)
    @click.argument("wallet")
    @currency_option
    @reason_option
    @key_option
    @json_option
    def changed(wallet: str, currency: str | None, reason: str, key: str, as_json: bool) -> None:
        _change(wallet, currency, key, as_json, lambda book, wallet_id: ChangeWallet(
            book=book, key=key, wallet_id=wallet_id, change=change, reason=reason
        ))  # fmt: skip


_reasoned("freeze", "Take no more requests; facts still pass.")
_reasoned("unfreeze", "Take requests again.")
_reasoned("close", "Close an empty wallet: requests are refused, facts go to suspense.")
_reasoned("reopen", "Undo closing; a wallet that was frozen is frozen still.")


@command.command("limit")
@click.argument("wallet")
@click.argument("overdraft_limit_minor", type=LimitMinor())
@currency_option
@key_option
@json_option
def limit(wallet: str, overdraft_limit_minor: int | None, currency: str | None, key: str, as_json: bool) -> None:
    """Change how far below zero requests may take a wallet: minor units, or none for no limit."""
    _change(wallet, currency, key, as_json, lambda book, wallet_id: ChangeWallet(
        book=book, key=key, wallet_id=wallet_id, change="limit", overdraft_limit_minor=overdraft_limit_minor
    ))  # fmt: skip


@command.command("show")
@click.argument("wallet_id")
@currency_option
@as_of_option
@json_option
def show(wallet_id: str, currency: str | None, as_of: int | datetime | None, as_json: bool) -> None:
    """Show one wallet by its id, or by its address with --currency. Amounts are minor units."""
    with asking("wallets", roles=()) as asked:
        then = position_of(asked.opened, as_of)
        facts = as_known(_facts(wallet_of(asked, _stream(asked.book, wallet_id, currency), then)), then)
    print_facts(facts, as_json)


def _change(
    wallet: str, currency: str | None, key: str, as_json: bool, order: Callable[[int, UUID], ChangeWallet]
) -> None:
    with asking("wallets") as asked:
        wallet_id = asked.wallet(wallet, currency)
        reply = asked.ask(order(asked.book, wallet_id), "changed")
    print_facts(decision(reply, key=key, wallet_id=wallet_id), as_json)


def _facts(wallet: WalletAccount) -> dict[str, Any]:
    head = wallet.head
    return {
        "wallet_id": wallet.id,
        "address": wallet.address,
        "currency": wallet.currency,
        "kind": head.account_kind,
        "posted_minor": head.natural,
        "held_minor": head.held,
        "available_minor": head.available,
        "overdraft_limit_minor": head.overdraft_limit_minor,
        "frozen": head.frozen,
        "closed": head.closed,
        "metadata": wallet.metadata,
        "version": wallet.version,
    }


def _stream(book: int, wallet_id: str, currency: str | None) -> UUID:
    if currency is not None:
        return wallet_stream_id(book, wallet_id, currency.upper())
    try:
        return UUID(canonical_uuid(wallet_id, "WALLET_ID"))
    except NotAUuid as wrong:
        raise click.UsageError(f"{wrong}; or give an address with --currency") from None
