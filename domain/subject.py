"""Subject: a person whom events are about, known to the books by a UUID alone."""

from __future__ import annotations

from datetime import datetime

from eventsourcing.domain import Aggregate

from domain.ids import canonical_uuid, stream_id


class Subject(Aggregate):
    """A person. The stream begins when the person is erased: before that there is nothing to say in plain text."""

    TOPIC = "subject"

    class Event(Aggregate.Event):
        """Anything that happens to a subject."""

    class Erased(Event, Aggregate.Created):
        """The subject's key was destroyed, so that no text sealed with it can be read again, in any copy.

        `key_id` names the key, null when no key of the subject was known. The event holds nothing of the person.
        """

        TOPIC = "subject.erased.v1"
        subject: str
        key_id: str | None

    Created = Erased

    def __init__(self, subject: str, key_id: str | None) -> None:
        self.subject = subject
        self.key_id = key_id

    @classmethod
    def erase(cls, *, book: int, subject: str, key_id: str | None, at: datetime) -> Subject:
        """Record that a subject's key is gone; a second time is a version conflict. Raises `NotAUuid`."""
        key = canonical_uuid(subject, "subject")
        return cls._create(cls.Erased, id=stream_id(book, "subject", key), timestamp=at, subject=key, key_id=key_id)
