"""Project Wycheproof's AES-GCM vectors, through the very functions that seal fields and wrap keys."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from eventlog.sealing.cipher import KEY_BYTES, NONCE_BYTES, Forged, decrypt, encrypt

SHARED = Path(os.environ.get("DAYBOOK_SHARED", Path(__file__).parents[3] / "shared"))
VECTORS = SHARED / "data" / "vectors" / "wycheproof" / "aes_gcm_test.json"
CASES = 316
OURS = 66
"""With the one size of key and of nonce that we take."""


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    if not VECTORS.is_file():
        pytest.skip(
            f"WYCHEPROOF NOT RUN: the AES-GCM vectors are not in {VECTORS}; set DAYBOOK_SHARED to where they are"
        )
    groups = json.loads(VECTORS.read_bytes())["testGroups"]
    return [
        {**case, "keySize": group["keySize"], "ivSize": group["ivSize"]} for group in groups for case in group["tests"]
    ]


def taken(case: dict[str, Any]) -> bool:
    return bool(case["keySize"] == 8 * KEY_BYTES and case["ivSize"] == 8 * NONCE_BYTES)


def parts(case: dict[str, Any]) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    key, nonce, text, ciphertext, tag, associated = (
        bytes.fromhex(case[name]) for name in ("key", "iv", "msg", "ct", "tag", "aad")
    )
    return key, nonce, text, ciphertext + tag, associated


def test_valid_vectors_encrypt_to_their_ciphertext_and_back_and_invalid_ones_are_refused(
    cases: list[dict[str, Any]],
) -> None:
    ours = [case for case in cases if taken(case)]
    assert (len(cases), len(ours)) == (CASES, OURS)
    for case in ours:
        key, nonce, text, ciphertext, associated = parts(case)
        if case["result"] == "valid":
            assert encrypt(key, nonce, text, associated) == ciphertext, case["tcId"]
            assert decrypt(key, nonce, ciphertext, associated) == text, case["tcId"]
        else:
            with pytest.raises(Forged):
                decrypt(key, nonce, ciphertext, associated)


def test_vectors_with_other_sizes_of_key_or_nonce_are_not_taken_at_all(cases: list[dict[str, Any]]) -> None:
    others = [case for case in cases if not taken(case)]
    assert len(others) == CASES - OURS
    for case in others:
        key, nonce, text, ciphertext, associated = parts(case)
        with pytest.raises(ValueError, match="has"):
            encrypt(key, nonce, text, associated)
        with pytest.raises(ValueError, match="has"):
            decrypt(key, nonce, ciphertext, associated)


def test_a_ciphertext_shorter_than_its_tag_is_forged() -> None:
    with pytest.raises(Forged):
        decrypt(bytes(KEY_BYTES), bytes(NONCE_BYTES), b"short", b"")
