"""The key that payers' secrets are made with: 32 random bytes in a file of this installation, made on first use.

Without the file every secret that was given out is worth nothing, and payers' pages ask for a new one; it guards no
money and no name, so it is not backed up with anything.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from api.payer_secrets import KEY_BYTES

OWNER_ONLY = 0o600


class PayerKeyUnusable(RuntimeError):
    """The file holds no key, or others than its owner may read it; the message says which, and what to do."""


def payer_key(path: Path) -> bytes:
    """The key in a file. Several processes may ask at once. Raises PayerKeyUnusable."""
    if not path.exists():
        _make(path)
    mode = path.stat().st_mode & 0o777
    if mode & ~OWNER_ONLY:
        raise PayerKeyUnusable(f"{path} can be read by others (mode {mode:o}): chmod 600 it")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise PayerKeyUnusable(f"{path} holds no key of {KEY_BYTES} bytes: remove it, and payers get new secrets")
    return key


def _make(path: Path) -> None:
    """Whole or not at all: a file of half a key would be there for ever."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:  # another process was first
            return
    finally:
        fresh.unlink(missing_ok=True)
