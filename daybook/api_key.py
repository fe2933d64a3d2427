"""The API key that `daybook run` prints, so that a newcomer's first payment is one paste away."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime

from psycopg_pool import ConnectionPool

from api.auth import PostgresApiKeys, create_key
from daybook.settings import Settings

KEY_FILE = "test-api-key"


def ensure_test_key(settings: Settings) -> str:
    """Give the key kept under home, making one on first use or when the database no longer knows it.

    The file is readable by its owner alone; the database holds only the key's hash.
    """
    if settings.database_url is None:
        raise ValueError("database_url: a key can be kept only in a database that runs")
    path = settings.home / KEY_FILE
    with ConnectionPool(settings.database_url, min_size=1, max_size=1, open=True) as pool:
        keys = PostgresApiKeys(pool)
        if path.exists():
            kept = path.read_text().strip()
            found = keys.find(hashlib.sha256(kept.encode("ascii")).digest())
            if found is not None and found.book == settings.book and found.usable(datetime.now(UTC)):
                return kept
        made = create_key(keys, book=settings.book, role="operator", at=datetime.now(UTC))
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(made + "\n")
    return made
