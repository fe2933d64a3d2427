"""What can go wrong with the log itself, as distinct from a version conflict (`eventsourcing`'s IntegrityError)."""

from __future__ import annotations


class LogUnavailable(Exception):
    """The log could not be reached within the time allowed. A write that raised this may or may not be stored:
    look its stream up before doing anything else."""


class FenceLost(Exception):
    """The connection that held a book's writer lock is gone: nothing may be written until the lock is held again
    and the state in memory has been read anew from the log."""


class WriterAlreadyRunning(Exception):
    """Another process holds the writer lock of this book: a book has one posting engine."""
