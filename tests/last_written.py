"""The end of the log for tests: a position that is written, whether or not readers may see it yet."""

from __future__ import annotations

import psycopg

from eventlog.application import EventLog
from eventlog.postgres import PostgresRecorder

LAST = "select coalesce(max(position), 0) from log.events"


def last_written(log: EventLog) -> int:
    """The position of the last event that is committed, 0 in an empty log.

    Where other processes write too, `max_notification_id` is less: the last *readable* event, which any transaction
    that is still open holds back.
    """
    recorder = log.log_recorder
    if not isinstance(recorder, PostgresRecorder):
        return recorder.max_notification_id() or 0
    with psycopg.connect(recorder.database_url, autocommit=True) as connection:
        row = connection.execute(LAST).fetchone()
    return int(row[0]) if row else 0
