"""The key of payers' secrets is made once, whole, for its owner alone, whoever asks first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from daybook.payer_key import PayerKeyUnusable, payer_key


def test_everybody_gets_the_same_key_however_many_ask_at_once(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "payer-secrets.key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: payer_key(path), range(64)))
    assert keys == {path.read_bytes()}
    assert (len(path.read_bytes()), path.stat().st_mode & 0o777) == (32, 0o600)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_key_that_others_can_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "payer-secrets.key"
    payer_key(path)
    path.chmod(0o644)
    with pytest.raises(PayerKeyUnusable, match=r"can be read by others .* chmod 600 it"):
        payer_key(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(PayerKeyUnusable, match="holds no key of 32 bytes: remove it"):
        payer_key(path)
