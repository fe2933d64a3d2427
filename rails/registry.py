"""The one place to add a rail: a line in `FACTORIES`; the contract test finds it there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rails import recorded, sepa, simulated, stripe
from rails.port import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rails.port import Now, Rail, Takes

FACTORIES: Final[Mapping[str, Callable[[Mapping[str, str], Now], Rail]]] = {
    recorded.NAME: lambda settings, _: recorded.from_settings(settings),
    sepa.NAME: sepa.from_settings,
    simulated.NAME: lambda settings, _: simulated.from_settings(settings),
    stripe.NAME: lambda settings, _: stripe.from_settings(settings),
}

TAKES: Final[Mapping[str, Takes]] = {sepa.NAME: sepa.TAKES, simulated.NAME: simulated.TAKES, stripe.NAME: stripe.TAKES}
"""What of a rail's capabilities orders are checked against where they come in, without opening the rail."""

OPERATIONS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    sepa.NAME: sepa.OPERATIONS,
    simulated.NAME: OPERATIONS,
    stripe.NAME: stripe.OPERATIONS,
}
"""What each rail that calls anybody is asked for over the network, by the names that time-outs are given under."""


class RailNotRegistered(LookupError):
    """A name that no adapter answers to."""


def _present() -> datetime:
    return datetime.now(UTC)


def open_rail(name: str, settings: Mapping[str, str], now: Now = _present) -> Rail:
    """An adapter that is ready to be called; `settings` are that rail's own (see `from_settings` in its file). `now`
    tells the present to rails that go by days.

    Raises `RailNotRegistered`, and the `ValueError`s of the rail's `from_settings`. Opening sends nothing.
    """
    factory = FACTORIES.get(name)
    if factory is None:
        raise RailNotRegistered(f"rail {name!r} is not registered: choose one of {', '.join(sorted(FACTORIES))}")
    return factory(settings, now)
