"""The plan: which fault befalls which request, decided by a seed and not by chance.

A decision depends on the seed, the operation, the request's key and which try of the key it is, and on nothing else:
the same requests meet the same faults in whatever order and however many at once they come.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rails.simulator import fields, moments
from rails.simulator.bank.fates import RETURNS
from rails.simulator.faults.kinds import KINDS, Fault, fault
from rails.simulator.problem import Problem, invalid

if TYPE_CHECKING:
    from datetime import datetime

    from rails.simulator.store import Store

SETTING: Final = "faults"
PAYMENTS: Final = ("authorise", "capture")
"""Operations of which faults of the books are possible."""
OPERATIONS: Final = {
    "authorise": "psp",
    "capture": "psp",
    "void": "psp",
    "inquiry": "psp",
    "settlement": "psp",
    "challenge": "bank",
    "direct_debit": "bank",
    "transfer": "bank",
    "statement": "bank",
    "notification": "bank",
}
"""What can go wrong, and whose outage it falls under."""
EVERY: Final = "*"
SIDES: Final = ("psp", "bank", "both")
OUTAGE: Final = "outage"
EMPTY: Final[dict[str, Any]] = {"seed": 0, "rates": {}, "parameters": {}, "returns": {}, "outages": []}
_TRY: Final = (
    "insert into tries values (?, ?, 1) on conflict (operation, key) do update set times = times + 1 returning times"
)
_PLAYED: Final = "insert into played values (?, ?, 1) on conflict (operation, fault) do update set times = times + 1"


@dataclass(frozen=True, slots=True)
class _Outage:
    start: datetime
    end: datetime
    sides: tuple[str, ...]
    fault: Fault


class Plan:
    """The plan in force, and the count of what has been played."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.load()

    def load(self) -> None:
        """What the file says; nothing goes wrong by itself when it says nothing."""
        self._kept: dict[str, Any] = self._store.setting(SETTING) or EMPTY
        self.seed: int = self._kept["seed"]
        self.returns: dict[str, float] = self._kept["returns"]
        self._faults = {name: fault(name, self._kept["parameters"].get(name)) for name in KINDS}
        self._rates = {operation: _rates(self._kept["rates"], operation) for operation in OPERATIONS}
        self._outages = [
            _Outage(
                moments.read(outage["from"]),
                moments.read(outage["until"]),
                ("psp", "bank") if outage["of"] == "both" else (outage["of"],),
                fault(outage["fault"], {"status": "503"} if outage["fault"] == "server_error_before" else None),
            )
            for outage in self._kept["outages"]
        ]

    def state(self) -> dict[str, Any]:
        """As GET /faults tells it: the plan, and how often each fault has been played per operation."""
        played: dict[str, dict[str, int]] = {}
        for row in self._store.rows("select * from played order by operation, fault"):
            played.setdefault(row["operation"], {})[row["fault"]] = row["times"]
        return {**self._kept, "played": played}

    def change(self, body: fields.Body) -> None:
        """POST /faults: this plan instead of the one before. Raises `Problem` 400 that names the member."""
        fields.only(body, *EMPTY)
        kept: dict[str, Any] = dict(EMPTY)
        if "seed" in body:
            kept["seed"] = fields.integer(body, "seed", 0, 2**63 - 1)
        if "rates" in body:
            kept["rates"] = _read_rates(fields.mapping(body, "rates"))
        if "parameters" in body:
            kept["parameters"] = _read_parameters(fields.mapping(body, "parameters"))
        if "returns" in body:
            kept["returns"] = _read_shares(fields.mapping(body, "returns"), "returns", RETURNS)
        if "outages" in body:
            kept["outages"] = _read_outages(body["outages"])
        with self._store.operation():
            self._store.keep_setting(SETTING, kept)
        self.load()

    def outage(self, operation: str, now: datetime) -> Fault | None:
        """How the side that an operation belongs to is down now, if it is."""
        for outage in self._outages:
            if outage.start <= now < outage.end and OPERATIONS[operation] in outage.sides:
                return outage.fault
        return None

    def draw(self, operation: str, key: str) -> Fault | None:
        """What the seed has in store for this try of the key. Counts the try."""
        rates = self._rates[operation]
        if not rates:
            return None
        with self._store.operation() as connection:
            times = connection.execute(_TRY, (operation, key)).fetchone()[0]
        digest = hashlib.sha256(f"{self.seed}\n{operation}\n{key}\n{times}".encode()).digest()
        draw = int.from_bytes(digest[:8], "big") / 2**64
        for name, rate in rates:
            draw -= rate
            if draw < 0:
                return self._faults[name]
        return None

    def played(self, operation: str, name: str) -> None:
        """Count a fault that has been played, or an outage that was met."""
        with self._store.operation() as connection:
            connection.execute(_PLAYED, (operation, name))


def check_applies(operation: str, chosen: Fault, field: str) -> None:
    """Raises `Problem` 400 when an operation does not know the fault: nothing would go wrong, unnoticed."""
    if chosen.kind.is_of_the_books and operation not in PAYMENTS:
        raise invalid(field, f"names {chosen.kind.name}, which is for {' and '.join(PAYMENTS)} only")


def _rates(kept: dict[str, dict[str, float]], operation: str) -> list[tuple[str, float]]:
    """An operation's own rates, or those for every operation: as far as it knows the fault."""
    rates = kept.get(operation, kept.get(EVERY, {}))
    known = [name for name, kind in KINDS.items() if operation in PAYMENTS or not kind.is_of_the_books]
    return [(name, rates[name]) for name in known if rates.get(name)]


def _read_rates(table: fields.Body) -> dict[str, dict[str, float]]:
    read = {}
    for operation in table:
        if operation != EVERY and operation not in OPERATIONS:
            raise invalid(f"rates.{operation}", f"is no operation: use {EVERY}, {', '.join(OPERATIONS)}")
        shares = _read_shares(fields.mapping(table, operation), f"rates.{operation}", tuple(KINDS))
        if operation != EVERY:
            for name in shares:
                check_applies(operation, fault(name), f"rates.{operation}.{name}")
        read[operation] = shares
    return read


def _read_shares(table: fields.Body, place: str, known: tuple[str, ...]) -> dict[str, float]:
    shares = {}
    for name in table:
        if name not in known:
            raise invalid(f"{place}.{name}", f"is unknown: use {', '.join(known)}")
        try:
            shares[name] = fields.number(table, name, 0.0, 1.0)
        except Problem as error:
            raise invalid(f"{place}.{name}", "must be a number from 0 to 1") from error
    if sum(shares.values()) > 1.0 + 1e-9:
        raise invalid(place, "must not sum to more than 1")
    return shares


def _read_parameters(table: fields.Body) -> dict[str, dict[str, str]]:
    read = {}
    for name in table:
        given = {key: str(value) for key, value in fields.mapping(table, name).items()}
        fault(name, given, f"parameters.{name}")
        read[name] = given
    return read


def _read_outages(value: object) -> list[dict[str, str]]:
    if not isinstance(value, list) or not all(isinstance(outage, dict) for outage in value):
        raise invalid("outages", "must be a list of objects")
    read = []
    for outage in value:
        fields.only(outage, "from", "until", "of", "fault")
        start, end = fields.moment(outage, "from"), fields.moment(outage, "until")
        if end <= start:
            raise invalid("until", "must be after from")
        befalls = tuple(kind.name for kind in KINDS.values() if not kind.after_effect)
        read.append(
            {
                "from": moments.written(start),
                "until": moments.written(end),
                "of": fields.choice(outage, "of", SIDES),
                "fault": fields.choice({"fault": "server_error_before", **outage}, "fault", befalls),
            }
        )
    return read
