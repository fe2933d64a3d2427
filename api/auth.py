"""API keys: making, keeping and recognising them, and who the caller is.

A key is `dbk_test_` and 43 URL-safe characters of 256 random bits; the prefix lets secret scanners find a leaked one.
Kept is its SHA-256: with 256 random bits there is nothing to guess, so a slow password hash would only slow every
request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, get_args
from uuid import UUID, uuid4

import psycopg

from api.problem import ProblemError
from eventlog.errors import LogUnavailable

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

    from domain.ports import Clock

Role = Literal["merchant", "operator", "auditor", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
KEY_PREFIX = "dbk_test_"
_KEY = re.compile(r"dbk_test_[A-Za-z0-9_-]{43}")

CACHE_LIFE_S = 5.0
"""How long a revoked key may still be honoured by a process that has just seen it."""
CACHE_LIMIT = 10_000
LOOK_UP_S_MAX = 15.0
"""How long a request waits for a database that is being started again before it is told to come back (503)."""


class InvalidApiKeyError(ProblemError):
    """401 for a missing, malformed, unknown, expired or revoked key alike, so that no answer helps a guesser."""

    def __init__(self) -> None:
        super().__init__(
            401,
            "unauthenticated",
            "Send a valid API key: Authorization: Bearer dbk_test_...",
            headers={"WWW-Authenticate": 'Bearer realm="daybook"'},
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose eyes a request sees with; handed to every query, so that ownership is enforced in one layer.

    `merchant_id` is set exactly for the role merchant: such a caller sees and touches only what that merchant owns.
    """

    book: int
    role: Role
    merchant_id: str | None
    key_id: UUID


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key: everything but the key itself."""

    key_id: UUID
    hash: bytes
    book: int
    role: Role
    merchant_id: str | None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def usable(self, at: datetime) -> bool:
        """Whether the key opens anything at that moment."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


class ApiKeys(Protocol):
    """Where keys are kept."""

    def add(self, key: ApiKey) -> None:
        """Keep a new key."""

    def find(self, digest: bytes) -> ApiKey | None:
        """The key with this SHA-256, or None."""

    def revoke(self, key_id: UUID, at: datetime) -> None:
        """Close a key for ever; unknown ids change nothing."""


class MemoryApiKeys:
    """Keys of one process, for tests and for the in-memory twin of the log."""

    def __init__(self) -> None:
        self._keys: dict[bytes, ApiKey] = {}

    def add(self, key: ApiKey) -> None:
        """Keep a new key."""
        self._keys[key.hash] = key

    def find(self, digest: bytes) -> ApiKey | None:
        """The key with this SHA-256, or None."""
        return self._keys.get(digest)

    def revoke(self, key_id: UUID, at: datetime) -> None:
        """Close a key for ever."""
        for digest, key in list(self._keys.items()):
            if key.key_id == key_id:
                self._keys[digest] = ApiKey(
                    key.key_id, digest, key.book, key.role, key.merchant_id, key.created_at, key.expires_at, at
                )


class PostgresApiKeys:
    """Keys in the table `api_keys`."""

    _COLUMNS = "key_id, hash, book, role, merchant_id, created_at, expires_at, revoked_at"

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def add(self, key: ApiKey) -> None:
        """Insert a new key; raises psycopg.errors.UniqueViolation for a key id or hash that exists."""
        with self._pool.connection() as connection:
            insert = f"insert into api_keys ({self._COLUMNS})"
            connection.execute(
                f"{insert} values (%s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    key.key_id,
                    key.hash,
                    key.book,
                    key.role,
                    key.merchant_id,
                    key.created_at,
                    key.expires_at,
                    key.revoked_at,
                ),
            )

    def find(self, digest: bytes) -> ApiKey | None:
        """Read one key by its hash, again when the connection was lost. Raises LogUnavailable."""
        query = f"select {self._COLUMNS} from api_keys where hash = %s"  # noqa: S608 - a constant
        row = self._read(query, digest)
        if row is None:
            return None
        key_id, kept, book, role, merchant_id, created_at, expires_at, revoked_at = row
        return ApiKey(key_id, bytes(kept), book, cast(Role, role), merchant_id, created_at, expires_at, revoked_at)

    def _read(self, query: str, digest: bytes) -> tuple[Any, ...] | None:
        """A server that was started again has left every pooled connection dead: each is found out by using it once."""
        give_up_at = time.monotonic() + LOOK_UP_S_MAX
        while True:
            try:
                with self._pool.connection(timeout=LOOK_UP_S_MAX) as connection:
                    return connection.execute(query, (digest,)).fetchone()
            except psycopg.OperationalError as error:  # also what the pool raises when it has none to give
                if time.monotonic() > give_up_at or self._pool.closed:
                    raise LogUnavailable(f"The API keys cannot be read: {error}") from error

    def revoke(self, key_id: UUID, at: datetime) -> None:
        """Mark a key as revoked; the row stays."""
        with self._pool.connection() as connection:
            connection.execute(
                "update api_keys set revoked_at = %s where key_id = %s and revoked_at is null", (at, key_id)
            )


def create_key(
    keys: ApiKeys,
    *,
    book: int,
    role: Role,
    at: datetime,
    merchant_id: str | None = None,
    life: timedelta | None = None,
) -> str:
    """Make and keep a key; the answer is the only time anybody sees it.

    Raises ValueError when a merchant's key names no merchant or another role's key names one.
    """
    if (role == "merchant") != (merchant_id is not None):
        raise ValueError("merchant_id: a key of the role merchant names its merchant, any other key names none")
    text = KEY_PREFIX + secrets.token_urlsafe(32)
    expires_at = None if life is None else at + life
    keys.add(ApiKey(uuid4(), _digest(text), book, role, merchant_id, at, expires_at))
    return text


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("ascii")).digest()


class Authenticator:
    """Turns an Authorization header into a `Caller`, remembering good keys for `CACHE_LIFE_S`.

    Bad keys are not remembered: the cache cannot be filled by guessing, and a key just made works at once.
    """

    def __init__(
        self,
        keys: ApiKeys,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._monotonic = monotonic
        self._cache: dict[bytes, tuple[float, ApiKey, Caller]] = {}
        self._lock = threading.Lock()

    def caller(self, header: str | None) -> Caller:
        """The caller of a request; raises InvalidApiKeyError (401)."""
        scheme, _, text = (header or "").partition(" ")
        if scheme.lower() != "bearer" or _KEY.fullmatch(text) is None:
            raise InvalidApiKeyError
        digest = _digest(text)
        cached = self._cache.get(digest)
        if cached is not None and self._monotonic() < cached[0]:
            key, caller = cached[1], cached[2]
        else:
            key, caller = self._look_up(digest)
        if not key.usable(self._clock.now()):
            raise InvalidApiKeyError
        return caller

    def _look_up(self, digest: bytes) -> tuple[ApiKey, Caller]:
        key = self._keys.find(digest)
        if key is None or not hmac.compare_digest(key.hash, digest):
            raise InvalidApiKeyError
        caller = Caller(key.book, key.role, key.merchant_id, key.key_id)
        with self._lock:
            if len(self._cache) >= CACHE_LIMIT:
                self._cache.clear()
            self._cache[digest] = (self._monotonic() + CACHE_LIFE_S, key, caller)
        return key, caller
