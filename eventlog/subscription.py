"""The library's subscription over our horizon, so that its runners and tests work on this log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsourcing.persistence import ApplicationRecorder, Notification, Subscription

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventlog.horizon import Horizon

PAGE = 500
WAIT_SECONDS = 0.25


class HorizonSubscription(Subscription[ApplicationRecorder]):
    """Yields notifications for ever; `stop()` from another thread ends it within a quarter of a second."""

    def __init__(
        self, recorder: ApplicationRecorder, horizon: Horizon, gt: int | None = None, topics: Sequence[str] = ()
    ) -> None:
        super().__init__(recorder, gt, topics)
        self._horizon = horizon
        self._page: list[Notification] = []

    def __next__(self) -> Notification:
        while not self._has_been_stopped:
            if self._page:
                return self._page.pop()
            after = self._last_notification_id or 0
            last = self._horizon.wait(after, WAIT_SECONDS)
            page = self._recorder.select_notifications(after, PAGE, topics=self._topics, inclusive_of_start=False)
            if page:
                self._last_notification_id = page[-1].id
                self._page = list(reversed(page))
            elif last > after:
                self._last_notification_id = last
        raise StopIteration
