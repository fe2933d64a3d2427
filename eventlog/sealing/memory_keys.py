"""A key store in memory: what tests use, and the measure of what any other store must do."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime

from domain.sealed import KeysUnavailable, SubjectErased
from eventlog.sealing.cipher import KEY_BYTES
from eventlog.sealing.keys import DataKey, Heard, KeyState, Rotation, unheard


class MemoryKeyStore:
    """Implements `KeyStore`; gone with its process."""

    def __init__(self) -> None:
        """Empty."""
        self._lock = threading.Lock()
        self._keys: dict[tuple[int, str], bytes] = {}
        self._states: dict[tuple[int, str], KeyState] = {}
        self._master = 1

    def data_key(self, book: int, subject: str) -> DataKey:
        """See KeyStore."""
        with self._lock:
            if (book, subject) not in self._states:
                self._keys[book, subject] = os.urandom(KEY_BYTES)
                key_id, now = os.urandom(16).hex(), datetime.now(UTC)
                self._states[book, subject] = KeyState(book, subject, key_id, self._master, now, None)
            return self._known(book, subject)

    def known_key(self, book: int, subject: str) -> DataKey:
        """See KeyStore."""
        with self._lock:
            return self._known(book, subject)

    def _known(self, book: int, subject: str) -> DataKey:
        state = self._states.get((book, subject))
        if state is None:
            raise KeysUnavailable(f"there is no key of subject {subject} in this store")
        if state.erased_at is not None:
            raise SubjectErased(f"subject {subject} was erased", "subject")
        return DataKey(state.key_id, self._keys[book, subject])

    def erase(self, book: int, subject: str) -> KeyState | None:
        """See KeyStore."""
        with self._lock:
            state = self._states.get((book, subject))
            if state is None or state.erased_at is not None:
                return state
            del self._keys[book, subject]
            self._states[book, subject] = state._replace(master=None, erased_at=datetime.now(UTC))
            return self._states[book, subject]

    def state(self, book: int, subject: str) -> KeyState | None:
        """See KeyStore."""
        with self._lock:
            return self._states.get((book, subject))

    def states(self, book: int) -> list[KeyState]:
        """See KeyStore."""
        with self._lock:
            return sorted(state for (of, _), state in self._states.items() if of == book)

    def rotate(self, heard: Heard = unheard) -> Rotation:
        """See KeyStore; nothing is wrapped here, so only the version changes."""
        with self._lock:
            self._master += 1
            kept = [state for state in self._states.values() if state.erased_at is None]
            for state in kept:
                self._states[state.book, state.subject] = state._replace(master=self._master)
            heard(len(kept))
            return Rotation(self._master, len(kept), False)

    def check(self) -> int | None:
        """See KeyStore."""
        return self._master if self._states else None

    def close(self) -> None:
        """Nothing is open."""
