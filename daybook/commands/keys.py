"""``daybook keys``: API keys; each opens one book, and a merchant's only what is that merchant's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import click
from psycopg_pool import ConnectionPool

from api.auth import ROLES, PostgresApiKeys, create_key
from daybook.api_keys import COLUMNS, listed
from daybook.commands._ledger import Asking, asking, json_option, print_facts, refuse
from domain.ids import NotAUuid, canonical_uuid

ONE_CONNECTION: dict[str, Any] = {"min_size": 1, "max_size": 1, "open": True}


@click.group()
def command() -> None:
    """API keys: create one, revoke one, list them."""


@command.command("create")
@click.option("--book", type=click.IntRange(min=1, max=2**31 - 1), required=True, help="The book that it opens.")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What it may do there.")
@click.option("--merchant", metavar="ID", help="The merchant of a key of the role merchant.")
@click.option("--days", type=click.IntRange(min=1), help="How long it is good for; for ever unless given.")
@json_option
def create(book: int, role: Any, merchant: str | None, days: int | None, as_json: bool) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    with _keys() as (asked, pool):
        keys = PostgresApiKeys(pool)
        asked.opened.checkout.commission_bps(book)  # refuses a book that is not open
        try:
            owner = None if merchant is None else canonical_uuid(merchant, "--merchant")
            life = None if days is None else timedelta(days=days)
            text = create_key(keys, book=book, role=role, at=datetime.now(UTC), merchant_id=owner, life=life)
        except (ValueError, NotAUuid) as wrong:
            refuse(str(wrong))
        made = keys.find(hashlib.sha256(text.encode("ascii")).digest())
    facts = {} if made is None else {name: getattr(made, name) for name in COLUMNS}
    print_facts({"api_key": text, **facts}, as_json)


@command.command("revoke")
@click.argument("key_id", type=click.UUID)
@json_option
def revoke(key_id: UUID, as_json: bool) -> None:
    """Close a key for ever; processes that have just seen it honour it for up to five seconds."""
    with _keys() as (_, pool):
        PostgresApiKeys(pool).revoke(key_id, datetime.now(UTC))
        found = [key for key in listed(pool, None) if key["key_id"] == key_id]
    if not found:
        refuse(f"there is no key {key_id}")
    print_facts(found[0], as_json)


@command.command("list")
@click.option("--book", type=click.IntRange(min=1, max=2**31 - 1), help="Only of this book.")
@json_option
def list_(book: int | None, as_json: bool) -> None:
    """List keys, revoked ones too; the keys themselves are known to nobody but their holders."""
    with _keys() as (_, pool):
        rows = listed(pool, book)
    print_facts(rows, as_json)


@contextmanager
def _keys() -> Iterator[tuple[Asking, ConnectionPool]]:
    with asking("keys", roles=()) as asked, ConnectionPool(asked.opened.database_url, **ONE_CONNECTION) as pool:
        yield asked, pool
