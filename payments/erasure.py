"""Erasing a person: the key goes first, then the log says so; and what is known of subjects without opening anything.

Killed between the two, the command is given again: the key cannot come back, and the event is written then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from eventsourcing.application import AggregateNotFoundError
from eventsourcing.persistence import IntegrityError

from domain.errors import RuleViolation
from domain.ids import canonical_uuid, stream_id
from domain.payer import MandateGiven, PayerGiven
from domain.ports import Clock
from domain.subject import Subject
from eventlog.application import EventLog
from eventlog.recorded import Meta
from eventlog.sealing.keys import KeyState, KeyStore
from payments.payers import FIELDS, Mandate

PAGE = 5_000
META = Meta(actor="privacy")
READABLE, ERASED, ERASE_AGAIN = "readable", "erased", "to be erased again"


class SubjectUnknown(RuleViolation):
    """Neither the key store nor the log knows anything of that subject."""

    code = "unknown_subject"


class SubjectTold(NamedTuple):
    """A subject without anything personal. `state` is `readable`, `erased`, or `to be erased again`: the log says that
    it was erased, and the key store, put back from an old copy, has the key all the same. `orders` name it as payer in
    `fields` sealed fields, None where they were not counted. Moments are in UTC."""

    subject: str
    state: str
    key_id: str | None
    master_key: int | None
    made_at: datetime | None
    erased_at: datetime | None
    orders: int | None
    fields: int | None


class _Recorded(NamedTuple):
    """What the log says of an erasure."""

    key_id: str | None
    erased_at: datetime


class Erasure:
    """What may be done to subjects. Raises `KeysUnavailable` throughout, `NotAUuid` for what is no subject."""

    def __init__(self, log: EventLog, keys: KeyStore, clock: Clock) -> None:
        """Both stay the caller's."""
        self._log = log
        self._keys = keys
        self._clock = clock

    def erase(self, book: int, subject: str) -> tuple[SubjectTold, bool]:
        """Destroy the subject's key and record it; answers how it stands now, and whether it stood so before.

        Raises `SubjectUnknown`.
        """
        key = canonical_uuid(subject, "SUBJECT")
        stood, recorded = self._known(book, key)
        before = _told(key, stood, recorded).state
        state = self._keys.erase(book, key)
        if recorded is None:
            erased = Subject.erase(book=book, subject=key, key_id=state and state.key_id, at=self._clock.now())
            with suppress(IntegrityError):  # somebody else was erasing it, too
                self._log.save(erased, book=book, meta=META)
        return self.show(book, key), recorded is not None and before == ERASED

    def show(self, book: int, subject: str) -> SubjectTold:
        """How one subject stands, with what events hold of it. Raises `SubjectUnknown`."""
        key = canonical_uuid(subject, "SUBJECT")
        told = _told(key, *self._known(book, key))
        sealed = [sum(getattr(given, name) is not None for name in FIELDS) for given in self._given(book, key)]
        signed = sum(len(Mandate._fields) for _ in self._given(book, key, MandateGiven))
        return told._replace(orders=len(sealed), fields=sum(sealed) + signed)

    def subjects(self, book: int) -> list[SubjectTold]:
        """How all subjects of a book stand, by subject."""
        erased = self._events(book, Subject.Erased.TOPIC)
        recorded = {event.subject: _Recorded(event.key_id, event.timestamp) for event in erased}
        states = {state.subject: state for state in self._keys.states(book)}
        return [_told(subject, states.get(subject), recorded.get(subject)) for subject in sorted({*recorded, *states})]

    def _known(self, book: int, subject: str) -> tuple[KeyState | None, _Recorded | None]:
        """What the key store and the log know of a subject. Raises `SubjectUnknown`."""
        state, recorded = self._keys.state(book, subject), self._recorded(book, subject)
        if state is None and recorded is None:
            raise SubjectUnknown(f"book {book} knows no subject {subject}", "SUBJECT")
        return state, recorded

    def _recorded(self, book: int, subject: str) -> _Recorded | None:
        try:
            found: Subject = self._log.repository.get(stream_id(book, Subject.TOPIC, subject))
        except AggregateNotFoundError:
            return None
        return _Recorded(found.key_id, found.created_on)

    def _given(
        self, book: int, subject: str, kind: type[PayerGiven | MandateGiven] = PayerGiven
    ) -> Iterator[PayerGiven | MandateGiven]:
        return (event for event in self._events(book, kind.TOPIC) if event.subject == subject)

    def _events(self, book: int, topic: str) -> Iterator[Any]:
        after = 0
        while rows := self._log.log_recorder.read(after, PAGE, topics=[topic], books=[book]):
            for row in rows:
                yield self._log.log_mapper.decode(row)
            after = rows[-1].position


def _told(subject: str, state: KeyState | None, recorded: _Recorded | None) -> SubjectTold:
    key_id, erased_at = recorded or (None, None)
    if state is None:
        return SubjectTold(subject, ERASED, key_id, None, None, erased_at, None, None)
    word = ERASED
    if state.erased_at is None:
        word = READABLE if recorded is None else ERASE_AGAIN
    erased_at = erased_at or state.erased_at
    return SubjectTold(subject, word, state.key_id, state.master, state.made_at, erased_at, None, None)
