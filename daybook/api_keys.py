"""API keys as an operator sees them: which there are, never what they are."""

from __future__ import annotations

from typing import Any

from psycopg_pool import ConnectionPool

LISTED = """
select key_id, book, role, merchant_id, created_at, expires_at, revoked_at from api_keys
 where %s::int is null or book = %s order by created_at, key_id
"""
COLUMNS = ("key_id", "book", "role", "merchant_id", "created_at", "expires_at", "revoked_at")


def listed(pool: ConnectionPool, book: int | None) -> list[dict[str, Any]]:
    """The keys of one book or of all, oldest first."""
    with pool.connection() as connection:
        rows = connection.execute(LISTED, (book, book)).fetchall()
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]
