"""Everything that can be asked of the ledger, in any order, with crashes and restarts, compared with the dict model."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.ids import stream_id
from eventlog.recorded import Recorded
from ledger.heads import Heads
from ledger.wire import Reply, WalletNumbers
from tests.properties.ledger_audit import Audit
from tests.properties.ledger_commands import COMMON, EUR, SINGLE, SOMETIMES, USD, altered, opening, seeds
from tests.properties.ledger_model import Model
from tests.properties.ledger_parts import FAILED, Answer, Asked
from tests.properties.ledger_worlds import Names

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class World(Protocol):
    """What the machine needs of the place where it runs."""

    names: Names
    now: datetime
    asked_again: bool

    @property
    def heads(self) -> Heads: ...
    def ask(self, flights: list[list[Asked]]) -> list[Reply]: ...
    def restart(self) -> None: ...
    def lose_next(self, when: str) -> None: ...
    def folded(self) -> Heads: ...
    def rows(self, after: int) -> list[Recorded]: ...
    def numbers(self, wallet_id: UUID) -> WalletNumbers | None: ...
    def close(self) -> None: ...


class LedgerMachine(RuleBasedStateMachine):
    """One book from its opening on."""

    def __init__(self, world: World, restarts_max: int = 1_000) -> None:
        super().__init__()
        self.restarts_left = restarts_max
        self.world, self.model, self.audit = world, Model(START), Audit()
        self.answered: list[Asked] = []
        self.acknowledged: list[tuple[UUID, int]] = []
        self.before: dict[str, tuple[int, Any]] = {}
        self.keys = 0

    @initialize()
    def begin(self) -> None:
        """Wallets with money, and some without."""
        self._ask([opening(name) for name in (*EUR, *USD)])
        self._ask(seeds())

    @rule(data=st.data(), kind=COMMON)
    def move_money(self, data: st.DataObject, kind: str) -> None:
        """What is asked most."""
        self._ask([self._drawn(data, kind)])

    @rule(data=st.data(), kind=st.sampled_from(sorted(SINGLE)))
    def ask_anything(self, data: st.DataObject, kind: str) -> None:
        """Any single request."""
        self._ask([self._drawn(data, kind)])

    @rule(data=st.data(), kind=COMMON)
    def predict(self, data: st.DataObject, kind: str) -> None:
        """A dry run, and then the real thing: the same answer."""
        asked = self._drawn(data, kind)
        if "dry_run" not in asked:
            return
        real, rehearsal = {**asked, "dry_run": False}, {**asked, "dry_run": True}
        (dry,) = self._ask([rehearsal])
        (done,) = self._ask([real])
        same = [msgspec.structs.replace(each, id=0, position=0, dry_run=False) for each in (dry, done)]
        assert same[0] == same[1], f"{same[0]} and {same[1]}"
        assert (dry.dry_run, dry.position, done.dry_run) == (dry.status != "error", 0, False)

    @rule(data=st.data(), kinds=st.lists(st.sampled_from(sorted(SINGLE)), min_size=1, max_size=4), atomic=st.booleans())
    def bulk(self, data: st.DataObject, kinds: list[str], atomic: bool) -> None:
        """Several, of which some may build on others, or be there twice."""
        scratch, items = deepcopy(self.model), []
        for kind in kinds:
            if items and data.draw(SOMETIMES):
                earlier = [each for each in self.answered if each["op"] != "bulk"]
                items.append(data.draw(st.sampled_from([*items, *earlier])))
            else:
                items.append(self._drawn(data, kind, scratch))
            scratch.ask(items[-1])
        self.keys += 1
        self._ask([{"op": "bulk", "key": f"k{self.keys}", "items": items, "atomic": atomic}])

    @rule(data=st.data(), kinds=st.lists(COMMON, min_size=2, max_size=5), cut=st.integers(1, 4))
    def in_flight_together(self, data: st.DataObject, kinds: list[str], cut: int) -> None:
        """Two batches, the second decided while the first is on its way; now and then with a key of the first."""
        scratch, asked = deepcopy(self.model), []
        for kind in kinds:
            again = asked and data.draw(SOMETIMES)
            asked.append(data.draw(st.sampled_from(asked)) if again else self._drawn(data, kind, scratch))
            scratch.ask(asked[-1])
        self._ask(asked, cut)

    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        """The same key, the same request: the same answer, and nothing happens."""
        self._ask([data.draw(st.sampled_from(self.answered))])

    @rule(data=st.data())
    def reuse_a_key(self, data: st.DataObject) -> None:
        """The same key for another request."""
        self._ask([altered(data.draw(st.sampled_from(self.answered)), self.model)])

    @rule(data=st.data(), kind=COMMON, when=st.sampled_from(("before", "after")))
    def lose_a_commit(self, data: st.DataObject, kind: str, when: str) -> None:
        """The batch is decided and lost, or durable and its reply is lost; what was asked is asked again."""
        self.world.lose_next(when)
        self._ask([self._drawn(data, kind)], lost=True)
        self.world.lose_next("")

    @precondition(lambda self: self.restarts_left > 0)
    @rule()
    def restart(self) -> None:
        """Everything is known from the log alone."""
        self.restarts_left -= 1
        self.world.restart()

    @rule(hours=st.sampled_from((1, 5, 24)))
    def let_time_pass(self, hours: int) -> None:
        """Holds come to their end, days are over."""
        self.model.now += timedelta(hours=hours)
        self.world.now = self.model.now

    def _drawn(self, data: st.DataObject, kind: str, model: Model | None = None) -> Asked:
        self.keys += 1
        asked = SINGLE[kind](data.draw, model or self.model)
        return {**asked, "key": f"k{self.keys}"}

    def _ask(self, asked: list[Asked], cut: int = 0, *, lost: bool = False) -> list[Reply]:
        """Ask the ledger and the model, and compare."""
        self.before = {name: (self.model.available(name), w["limit"]) for name, w in self.model.wallets.items()}
        flights = [each for each in (asked[:cut], asked[cut:]) if each]
        replies = self.world.ask(flights)
        lost = lost or self.world.asked_again
        for each, reply in zip(asked, replies, strict=True):
            self._compare(each, reply, self.model.ask(each), lost=lost)
        self.answered += [each for each in asked if each not in self.answered]
        return replies

    def _compare(self, asked: Asked, reply: Reply, answer: Answer, *, lost: bool) -> None:
        told = (asked, reply, answer)
        assert reply.status == answer.status, told
        assert reply.code in answer.reasons if answer.reasons else reply.code == "", told
        assert reply.replayed == answer.replayed or lost, told
        if reply.status == "error":
            return
        assert reply.posting_id == self.world.names.posting(f"{asked['op']}/{asked['key']}"), told
        if reply.position:
            self.acknowledged.append((reply.posting_id, reply.position))
        else:
            assert reply.dry_run, told
        self._compare_lines(asked, reply, answer)
        uncertain = lost or answer.replayed
        for item, got, expected in zip(asked.get("items", ()), reply.items, answer.items, strict=not answer.reasons):
            if not (uncertain and item.get("dry_run")):  # a dry run inside is predicted anew
                self._compare(item, got, expected, lost=uncertain)

    def _compare_lines(self, asked: Asked, reply: Reply, answer: Answer) -> None:
        """The numbers in a reply: what moved, and what each wallet had right after it."""
        if reply.status in FAILED or not reply.lines:
            return
        wallet, told = self.world.names.wallet, (asked, reply, answer)
        moved = {wallet(name): amount for name, amount in answer.moved.items()}
        after = {wallet(name): numbers for name, numbers in answer.after.items()}
        if asked["op"] not in ("hold", "void", "expire"):
            sums = dict.fromkeys(moved, 0)
            for line in reply.lines:
                sums[line.wallet_id] += line.amount_minor
            assert sums == moved, told
        for line in {line.wallet_id: line for line in reply.lines}.values():
            posted, held = after[line.wallet_id]
            assert line.posted_after == posted, told
            assert line.held_after == held or asked["op"] == "commit", told  # the rest is given back behind its lines

    @invariant()
    def every_number_is_as_predicted(self) -> None:
        """Balances, what is held and available, states and versions."""
        holds = self.model.open_holds()
        for name, wallet in self.model.wallets.items():
            numbers = self.world.numbers(self.world.names.wallet(name))
            assert numbers is not None, name
            found = (numbers.posted_minor, numbers.held_minor, numbers.available_minor, numbers.overdraft_limit_minor)
            assert found == (wallet["posted"], wallet["held"], self.model.available(name), wallet["limit"]), name
            state = (numbers.frozen, numbers.closed, numbers.version)
            assert state == (wallet["frozen"], wallet["closed"], wallet["version"]), name
            assert 0 <= numbers.held_minor == holds[name], name

    @invariant()
    def no_request_takes_a_wallet_below_its_limit(self) -> None:
        """One may be there because its limit was lowered; then nothing takes it further down."""
        for name, wallet in self.model.wallets.items():
            numbers = self.world.numbers(self.world.names.wallet(name))
            limit, (before, limit_before) = wallet["limit"], self.before.get(name, (0, wallet["limit"]))
            if limit is not None and numbers is not None and limit == limit_before:
                assert numbers.available_minor >= min(-limit, before), name

    @invariant()
    def the_log_balances_and_has_all_that_was_acknowledged(self) -> None:
        """By its rows alone."""
        self.audit.read(self.world.rows(self.audit.position))
        for posting_id, position in self.acknowledged:
            assert self.audit.begun.get(position) == posting_id
        self.acknowledged.clear()
        names = self.world.names
        for name, wallet in self.model.wallets.items():
            found = (self.audit.posted[names.wallet(name)], self.audit.held[names.wallet(name)])
            assert found == (wallet["posted"], wallet["held"]), name
        for key, monitor in self.model.monitors.items():
            assert self.audit.crossings[stream_id(names.book, "monitor", key)] == monitor["crossings"], key

    @invariant()
    def memory_is_what_the_log_says(self) -> None:
        """A fold of the rows, from the first one on, comes to the same."""
        mine, theirs = _plain(self.world.heads), _plain(self.world.folded())
        for one, other in zip(mine, theirs, strict=True):
            assert one == other, f"{one} and {other}"

    def teardown(self) -> None:
        """Leave nothing running."""
        self.world.close()


def _plain(heads: Heads) -> tuple[Any, ...]:
    wallets = {key: account.numbers() for key, account in heads.accounts.items()}
    watched = {
        key: (m.wallet_id, m.measure, m.threshold_minor, m.removed or m.side) for key, m in heads.monitors.items()
    }
    monitors = {key: set(account.monitors) for key, account in heads.accounts.items()}
    return wallets, watched, monitors, heads.period.through if heads.period is not None else None
