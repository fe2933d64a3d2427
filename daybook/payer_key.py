"""The key that payers' secrets are made with: 32 random bytes in a file of this installation, made on first use.

Without the file every secret that was given out is worth nothing, and payers' pages ask for a new one; it guards no
money and no name, so it is not backed up with anything.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from api.payer_secrets import KEY_BYTES
from eventlog.sealing.private_files import OWNER_ONLY, make_directory, write_new


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
    make_directory(path)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        write_new(fresh, secrets.token_bytes(KEY_BYTES))
        try:
            os.link(fresh, path)
        except FileExistsError:  # another process was first
            return
    finally:
        fresh.unlink(missing_ok=True)
