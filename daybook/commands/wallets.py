"""``daybook wallets``: show one wallet as its own events tell it."""

from __future__ import annotations

import json
from uuid import UUID

import click
from eventsourcing.application import AggregateNotFoundError

from daybook.commands import read_settings
from daybook.logs import configure_logging
from daybook.session import EXIT_FINDING, session
from domain.ids import NotAUuid, canonical_uuid, wallet_stream_id
from domain.wallet import WalletAccount


@click.group()
def command() -> None:
    """Wallets: show one."""


@command.command("show")
@click.argument("wallet_id")
@click.option("--currency", help="With an address as WALLET_ID: the currency of the wallet, like BRL.")
@click.option("--json", "as_json", is_flag=True, help="Print the wallet as one line of JSON.")
def show(wallet_id: str, currency: str | None, as_json: bool) -> None:
    """Show one wallet by its id, or by its address with --currency. Amounts are minor units."""
    settings = read_settings()
    configure_logging(settings.log_level, "wallets")
    stream = _stream(settings.book, wallet_id, currency)
    with session(settings, roles=()) as opened:
        try:
            wallet: WalletAccount = opened.log.repository.get(stream)
        except AggregateNotFoundError:
            wallet_found = None
        else:
            wallet_found = wallet
    # A stream id names one book's stream only, but anybody may paste the id of another book's wallet.
    if not isinstance(wallet_found, WalletAccount) or not _is_of(wallet_found, settings.book):
        click.echo(f"there is no wallet {wallet_id} in book {settings.book}", err=True)
        raise SystemExit(EXIT_FINDING)
    facts = {
        "wallet_id": str(wallet_found.id),
        "address": wallet_found.address,
        "currency": wallet_found.currency,
        "kind": wallet_found.head.account_kind,
        "posted_minor": wallet_found.head.natural,
        "held_minor": wallet_found.head.held,
        "available_minor": wallet_found.head.available,
        "closed": wallet_found.head.closed,
        "version": wallet_found.version,
    }
    click.echo(json.dumps(facts) if as_json else "\n".join(f"{name:<18}{value}" for name, value in facts.items()))


def _stream(book: int, wallet_id: str, currency: str | None) -> UUID:
    if currency is not None:
        return wallet_stream_id(book, wallet_id, currency.upper())
    try:
        return UUID(canonical_uuid(wallet_id, "WALLET_ID"))
    except NotAUuid as wrong:
        raise click.UsageError(f"{wrong}; or give an address with --currency") from None


def _is_of(wallet: WalletAccount, book: int) -> bool:
    return wallet.id == wallet_stream_id(book, wallet.address, wallet.currency)
