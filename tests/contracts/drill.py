"""What the contract tests know of one rail: how to ask it, and its own books."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rails.port import Authorised, AuthoriseRequest, CaptureRequest, InquiryRequest, Pending, VoidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rails.port import Rail, RailReply

CURRENCY = "EUR"


@dataclass
class Drill:
    """One rail made ready to be examined: amounts by what they provoke, and its own books."""

    rail: Rail
    amounts: dict[str, int]
    totals: Callable[[], dict[str, int]]
    instruments: dict[int, str] = field(default_factory=dict)
    """Payment tokens, by the amount that provokes something, for rails where it is the token that does."""
    instrument: str = "tok_visa"
    act: Callable[[str, bool], None] | None = None
    """Does what the payer is asked to, well or badly, for the payment of that reference."""
    action_can_fail: bool = True
    """Whether the rail ever tells that the payer failed; where nobody but time says so, the process sees to it."""
    pass_time: Callable[[], None] | None = None
    """Lets the days pass after which the rail knows how a pending payment ended."""
    keys: Iterator[int] = field(default_factory=itertools.count)

    def authorisation(self, amount: int, *, capture: bool) -> AuthoriseRequest:
        """A new attempt of a new order."""
        number, token = next(self.keys), self.instruments.get(amount, self.instrument)
        return AuthoriseRequest(f"order-{number}", 1, f"attempt/{number}", amount, CURRENCY, token, capture)

    def hold(self, amount: int) -> tuple[AuthoriseRequest, Authorised]:
        """An attempt that holds `amount`."""
        request = self.authorisation(amount, capture=False)
        reply = self.rail.authorise(request)
        assert isinstance(reply, Authorised)
        return request, reply

    def decided(self, request: AuthoriseRequest, reply: RailReply) -> RailReply:
        """The reply; where the rail tells later, what it tells once its time has passed."""
        if not isinstance(reply, Pending):
            return reply
        assert self.rail.capabilities.pending
        assert self.pass_time is not None, "the drill must let time pass for a rail that tells later"
        self.pass_time()
        return self.rail.inquire(InquiryRequest(request.attempt_key, None, reply.rail_reference))

    def capture_of(self, held: Authorised, amount: int, *, final: bool = False) -> CaptureRequest:
        """A capture under a new key."""
        return CaptureRequest(f"capture/{next(self.keys)}", held.rail_reference, amount, CURRENCY, final)

    def void_of(self, held: Authorised) -> VoidRequest:
        """A void under a new key."""
        return VoidRequest(f"void/{next(self.keys)}", held.rail_reference)


class Moved(dict[str, int]):
    """Sums that moved. One that is zero is as good as one that is not named: some rails tell their cost much later."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and {k: v for k, v in self.items() if v} == {k: v for k, v in other.items() if v}

    __hash__ = None  # type: ignore[assignment]
