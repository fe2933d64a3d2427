"""When something is due next: a request looks at one moment, and not at four indexes, to know that it is not."""

from __future__ import annotations

from datetime import datetime


class Agenda:
    """`next` is the earliest moment anything is due, or None when that has to be looked up."""

    def __init__(self) -> None:
        self.next: datetime | None = None

    def add(self, moment: datetime) -> None:
        """Something was written that is due then."""
        if self.next is not None and moment < self.next:
            self.next = moment
