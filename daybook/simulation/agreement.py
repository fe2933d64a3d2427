"""Two sets of books laid side by side: what we say of every attempt, and what the rail says. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Standing:
    """An attempt as one side has it; amounts in minor units. `captured_minor` is what was taken and did not go back,
    with what came against the books; `held_minor` what still stands. `decided` is false while its outcome is open."""

    order_id: str
    key: str
    currency: str
    captured_minor: int
    held_minor: int
    decided: bool = True
    not_received: bool = False


@dataclass(frozen=True)
class Disagreement:
    """Where the books differ, in words, with what each of them says."""

    kind: str
    order_id: str
    key: str
    ours: str
    theirs: str


@dataclass
class Agreement:
    """`disagreements` is empty when every attempt agrees; the counts are of orders."""

    attempts: int = 0
    double_charges: int = 0
    lost_captures: int = 0
    guesses: int = 0
    open: int = 0
    disagreements: list[Disagreement] = field(default_factory=list)
    captured_minor: dict[str, int] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Nothing was charged twice, lost, guessed or left open, and every amount is the same on both sides."""
        return not (self.disagreements or self.double_charges or self.lost_captures or self.guesses or self.open)


def compare(ours: Iterable[Standing], theirs: Iterable[Standing], intended: Iterable[str] = ()) -> Agreement:
    """Attempt by attempt, by key. `intended` are orders whose payers paid twice themselves: no rail charged them so."""
    mine, yours = {one.key: one for one in ours}, {one.key: one for one in theirs}
    found = Agreement(attempts=len(mine))
    charged: dict[str, int] = defaultdict(int)
    sums: Counter[str] = Counter()
    for key in sorted(mine.keys() | yours.keys()):
        _lay(found, mine.get(key), yours.get(key))
        told = yours.get(key)
        if told is not None:
            sums[told.currency] += told.captured_minor
            charged[told.order_id] += told.captured_minor > 0
    paid_twice = set(intended)
    found.double_charges = sum(times > 1 and order not in paid_twice for order, times in charged.items())
    found.captured_minor = dict(sums)
    return found


def _lay(found: Agreement, mine: Standing | None, yours: Standing | None) -> None:
    if mine is None:
        assert yours is not None  # noqa: S101 - a key is on one of both sides
        if yours.captured_minor or yours.held_minor:
            found.lost_captures += yours.captured_minor > 0
            _differ(found, "unknown to us", mine, yours)
        return
    found.open += not mine.decided
    captured, held = (yours.captured_minor, yours.held_minor) if yours is not None else (0, 0)
    if mine.not_received and yours is not None:
        found.guesses += 1
        _differ(found, "said not to have been received", mine, yours)
    elif captured != mine.captured_minor:
        found.lost_captures += captured > mine.captured_minor
        _differ(found, "captured", mine, yours)
    elif held != mine.held_minor:
        _differ(found, "held", mine, yours)


def _differ(found: Agreement, kind: str, mine: Standing | None, yours: Standing | None) -> None:
    told = mine or yours
    assert told is not None  # noqa: S101 - as above
    found.disagreements.append(Disagreement(kind, told.order_id, told.key, _said(mine), _said(yours)))


def _said(standing: Standing | None) -> str:
    if standing is None:
        return "nothing"
    state = "" if standing.decided else ", open"
    return f"captured {standing.captured_minor}, held {standing.held_minor} {standing.currency}{state}"
