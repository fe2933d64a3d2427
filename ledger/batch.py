"""One batch: facts and requests in, rows of the log out. Pure: no clock, no log, nothing changes until it is merged.

A batch works on an overlay of the wallets it touches, so that a failed commit costs nothing but the overlay; a dry run
and an atomic bulk are batches on top of a batch. Rows are made directly, without aggregates: this is the path every
movement of money takes. A test holds them to what the mapper makes of the domain's own events.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

import msgspec
from eventsourcing.utils import get_topic

from domain.chart import account_kind, suspense_psp
from domain.claim import Claim
from domain.ids import stream_id
from domain.lines import Line, check_balanced, reserved_minor
from domain.monitor import Monitor, measured, side_of
from domain.period import Period
from domain.posting import Posting
from domain.wallet import WalletAccount, WalletHead
from eventlog.mapper import LogMapper, stored_row
from ledger.decisions import Decision, Known, order_posting_id, repeated
from ledger.earlier import learn
from ledger.heads import Account
from ledger.recall import fold
from ledger.requests import decide
from ledger.wire import Bulk, LineAfter, Order, Reply, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from eventsourcing.persistence import StoredEvent

    from domain.posting_rules import PostingDraft
    from ledger.heads import Heads
    from ledger.recall import Recalled

_encode = msgspec.json.Encoder().encode
_to_stored = LogMapper().to_stored_event
_POSTING, _WALLET, _CLAIM = get_topic(Posting), get_topic(WalletAccount), get_topic(Claim)
_POSTED: Final = WalletAccount.Posted.TOPIC
_POSTED_STATE: Final = (
    b'{"posting_id":"%b","line":%d,"amount_minor":%d,"posted_after":%d,"held_after":%d,'
    b'"effective_at":%b,"timestamp":%b}'
)


class Batch:
    """Decides intents one after the other; each sees the book as the ones before it left it."""

    def __init__(
        self,
        heads: Heads,
        at: datetime,
        *,
        known: Sequence[Known] = (),
        posted: Container[UUID] = (),
        taken: Iterable[UUID] = (),
        below: Batch | None = None,
        lookup: Callable[[UUID], Posting | None] | None = None,
        recall: Callable[[Sequence[UUID]], Recalled] | None = None,
    ) -> None:
        """`known` tells decisions on keys that are durable, `posted` which facts are, `taken` which claims belong to
        others. `below` is a batch that comes first and is not committed yet; `lookup` reads a posting's stream,
        `recall` what is durable of streams where no conflict would tell of it."""
        self.heads, self.at, self.below = heads, at, below
        self.stored: list[StoredEvent] = []
        self.overlay: dict[Account, WalletHead] = {}
        self.opened: dict[tuple[str, str], Account] = {}
        self.decided: dict[UUID, Decision] = {}
        self.claims: dict[UUID, UUID] = {}
        self.facts: set[UUID] = set()
        self.changed_postings: dict[UUID, Posting] = {}
        self.monitors: dict[UUID, Monitor] = {}
        self.watching: bool = below.watching if below is not None else False
        self.period: Period | None = below.period if below is not None else heads.period
        self.postings = self.lines = self.refusals = self.to_suspense = 0
        self.known, self.taken, self._posted, self._lookup = [*known], {*taken}, posted, lookup
        self.recall, self.is_top, self.unsettled = recall, False, False
        self._stamp: bytes = _encode(at)

    @property
    def deciding_ids(self) -> list[UUID]:
        """The streams that this batch begins and others may have begun: posting streams and claims."""
        return [*self.decided, *self.facts, *self.claims]

    def on_top(self) -> Batch:
        """A batch that sees what this one decided and can be absorbed or forgotten."""
        top = Batch(self.heads, self.at, below=self, lookup=self._lookup, recall=self.recall)
        top.known, top.taken, top.is_top = self.known, self.taken, True
        return top

    def absorb(self, top: Batch) -> None:
        """Take over what a batch on top of this one decided."""
        shift = len(self.stored)
        for decision in top.decided.values():
            if decision.index >= 0:
                decision.index += shift
        self.stored += top.stored
        self.overlay.update(top.overlay)
        self.opened.update(top.opened)
        self.decided.update(top.decided)
        self.claims.update(top.claims)
        self.changed_postings.update(top.changed_postings)
        self.monitors.update(top.monitors)
        self.watching, self.period = top.watching, top.period
        self.postings += top.postings
        self.lines += top.lines
        self.refusals += top.refusals

    def merge(self, position: int) -> None:
        """Take the batch over into memory, once it is durable up to `position`."""
        self.heads.merge(self.overlay, self.opened.values(), position)
        self.heads.period = self.period
        for monitor in self.monitors.values():
            self.heads.watch(monitor)

    # facts

    def fact(self, draft: PostingDraft, cause_position: int) -> None:
        """Post what has happened. Never refused: what a closed account cannot take goes to suspense with the reason,
        what is late for a closed period takes effect on the first open moment.

        Raises PostingUnbalanced: a posting rule is wrong then, and nothing of the batch may be committed.
        """
        posting_id = stream_id(self.heads.book, "posting", draft.reference)
        if posting_id in self._posted or posting_id in self.facts:
            return
        metadata, effective_at = draft.metadata, draft.effective_at
        if self.period is not None and effective_at < self.period.closed_until:
            metadata = {**metadata, "effective_at_reported": effective_at.isoformat()}
            effective_at = self.period.closed_until
        lines: list[Line] = []
        accounts: list[Account] = []
        for drafted in draft.lines:
            account = self._account_of(drafted.address, drafted.currency, drafted.account_kind)
            if self.overlay[account].closed:
                metadata = {**metadata, f"suspense_{len(lines)}": f"{account.address} is closed"}
                account = self._account_of(suspense_psp(), drafted.currency, account_kind(suspense_psp()))
                self.to_suspense += 1
            accounts.append(account)
            lines.append(Line(account.wallet_id, account.address, account.currency, drafted.amount_minor))
        check_balanced(lines)
        self.facts.add(posting_id)
        self.record(posting_id, draft.reference, draft.rule, effective_at, lines, metadata, cause=cause_position)
        self.post_lines(posting_id, accounts, lines, effective_at)

    # requests

    def request(self, order: Order, posting_id: UUID, asked: str) -> Decision:
        """Decide a request, or give the decision on its key again.

        `posting_id` is `order_posting_id(order)` and `asked` its `fingerprint`, computed once where it arrived.
        """
        earlier = self._decided(posting_id)
        if earlier is not None:
            reply = repeated(earlier.reply, earlier.fingerprint == asked)
            return Decision(reply, -1, asked, earlier.items, earlier)
        for known in self.known:
            settled = known.get(posting_id)
            if settled is not None:
                reply = repeated(settled.reply, settled.fingerprint == asked)
                return Decision(reply, -1, asked, self._items_again(order, reply))
        if getattr(order, "dry_run", False) and learn(self, [order]):  # nothing will be appended, so nothing conflict
            return self.request(order, posting_id, asked)
        decision = decide(self, order, posting_id, asked)
        if decision.index >= 0:
            self.decided[posting_id] = decision
        return decision

    def _items_again(self, order: Order, reply: Reply) -> list[Decision]:
        """The answers to the items of a bulk that was applied before, where its reply no longer has them."""
        if not isinstance(order, Bulk) or reply.status != "applied" or reply.items:
            return []
        return [self.request(item, order_posting_id(item), fingerprint(item)) for item in order.items]

    def _decided(self, posting_id: UUID) -> Decision | None:
        """Earlier in this commit. What lies in the one before is durable first, and a conflict then tells of it."""
        found = self.decided.get(posting_id)
        if found is None and self.is_top and self.below is not None:
            return self.below._decided(posting_id)
        return found

    # the book, as far as it has been decided

    def find(self, wallet_id: UUID) -> Account | None:
        """The account with this id."""
        found = self.heads.accounts.get(wallet_id)
        if found is None:
            for batch in self._layers():
                for account in batch.opened.values():
                    if account.wallet_id == wallet_id:
                        return account
        return found

    def head_of(self, account: Account) -> WalletHead:
        """A wallet's numbers; to read, never to change."""
        head = self.overlay.get(account)
        if head is None:
            return account.head if self.below is None else self.below.head_of(account)
        return head

    def writable(self, account: Account) -> WalletHead:
        """A wallet's numbers, to change."""
        head = self.overlay.get(account)
        if head is None:
            head = self.overlay[account] = (account.head if self.below is None else self.below.head_of(account)).copy()
        return head

    def posting(self, posting_id: UUID) -> Posting | None:
        """A posting to change: as its stream or an undecided batch has it."""
        for batch in self._layers():
            changed = batch.changed_postings.get(posting_id)
            if changed is not None:
                return changed
        for batch in self._layers():
            begun = [event for event in batch.stored if event.originator_id == posting_id]
            if begun:
                return fold(begun)
        return self._lookup(posting_id) if self._lookup is not None else None

    def monitor(self, monitor_id: UUID) -> Monitor | None:
        """A monitor as far as it has been decided."""
        for batch in self._layers():
            if monitor_id in batch.monitors:
                return batch.monitors[monitor_id]
        return self.heads.monitors.get(monitor_id)

    def claimed(self, claim_id: UUID) -> bool:
        """Whether a reference belongs to another posting already."""
        return claim_id in self.taken or any(claim_id in batch.claims for batch in self._layers())

    def _layers(self) -> Iterator[Batch]:
        layer: Batch | None = self
        while layer is not None:
            yield layer
            layer = layer.below

    def _account_of(self, address: str, currency: str, kind: str) -> Account:
        """The account of a fact's line, in the overlay; opened with its first posting. Facts may overdraw it."""
        name = (address, currency)
        account = self.heads.named.get(name)
        if account is None:
            for batch in self._layers():
                account = batch.opened.get(name)
                if account is not None:
                    break
            else:
                # Requests never take a chart account below zero: what merchants are owed is not ours to lend.
                return self.open_account(address, currency, kind, 0 if kind == "liability" else None, None)
        if account not in self.overlay:
            self.writable(account)
        return account

    # rows

    def open_account(
        self, address: str, currency: str, kind: str, limit: int | None, merchant_id: str | None
    ) -> Account:
        """Open a wallet that there is not yet."""
        wallet_id = self.heads.wallet_id(address, currency)
        account = Account(wallet_id, address, currency, WalletHead(kind, limit, version=1))
        self.overlay[account] = account.head
        self.opened[address, currency] = account
        fields = {
            "originator_topic": _WALLET,
            "address": address,
            "currency": currency,
            "account_kind": kind,
            "overdraft_limit_minor": limit,
            "merchant_id": merchant_id,
        }
        self.store(wallet_id, 1, WalletAccount.Opened.TOPIC, fields)
        return account

    def record(
        self,
        posting_id: UUID,
        reference: str,
        rule: str,
        effective_at: datetime,
        lines: Sequence[Line],
        metadata: dict[str, str],
        *,
        cause: int | None = None,
        asked: str | None = None,
        external_reference: str | None = None,
        reverts: UUID | None = None,
    ) -> int:
        """Begin the stream of a posting that moves money (or, without lines, makes the key of a request final)."""
        self.postings += 1
        fields: dict[str, Any] = {
            "originator_topic": _POSTING,
            "reference": reference,
            "rule": rule,
            "cause_position": cause,
            "effective_at": effective_at,
            "lines": lines,
            "metadata": metadata,
            "fingerprint": asked,
            "external_reference": external_reference,
            "reverts": reverts,
        }
        return self.store(posting_id, 1, Posting.Recorded.TOPIC, fields)

    def claim(self, reference: str, posting_id: UUID) -> None:
        """Make a caller's reference this posting's own, for ever."""
        claim_id = stream_id(self.heads.book, "claim", reference)
        self.claims[claim_id] = posting_id
        fields = {"originator_topic": _CLAIM, "reference": reference, "posting_id": posting_id}
        self.store(claim_id, 1, Claim.Made.TOPIC, fields)

    def post_lines(
        self,
        posting_id: UUID,
        accounts: Sequence[Account],
        lines: Sequence[Line],
        effective_at: datetime,
        *,
        after: list[LineAfter] | None = None,
        from_hold: bool = False,
    ) -> None:
        """Move the money, and tell `after` how; lines that commit a hold take their part off what is held."""
        self.lines += len(lines)
        text, effective, stamp = str(posting_id).encode(), _encode(effective_at), self._stamp
        overlay, add = self.overlay, self.stored.append
        watched = self.watching
        for number, account in enumerate(accounts):
            head = overlay.get(account) or self.writable(account)
            amount = lines[number].amount_minor
            if from_hold:
                head.held -= reserved_minor(lines[number], head.account_kind)
            head.version += 1
            head.posted += amount
            state = _POSTED_STATE % (text, number, amount, head.posted, head.held, effective, stamp)
            add(stored_row(account.wallet_id, head.version, _POSTED, state))
            if after is not None:
                after.append(LineAfter(account.wallet_id, amount, head.posted, head.held))
            watched = watched or account.monitors != ()
        if watched:
            self.watch(accounts)

    def watch(self, accounts: Sequence[Account]) -> None:
        """Record which thresholds these wallets have crossed."""
        for account in dict.fromkeys(accounts):
            self._check(account)

    def _check(self, account: Account) -> None:
        head = self.head_of(account)
        begun = [m.id for batch in self._layers() for m in batch.monitors.values() if m.wallet_id == account.wallet_id]
        for monitor_id in dict.fromkeys([*account.monitors, *begun]):
            monitor = self.monitor(monitor_id)
            if monitor is None or monitor.removed:
                continue
            balance = measured(head, monitor.measure)
            if side_of(balance, monitor.threshold_minor) != monitor.side:
                monitor = deepcopy(monitor)
                monitor.cross(balance_minor=balance, wallet_version=head.version, at=self.at)
                self.keep_monitor(monitor)

    def keep_monitor(self, monitor: Monitor) -> None:
        """Write what happened to a monitor."""
        self.watching = True
        self.monitors[monitor.id] = monitor
        self.stored += [_to_stored(event) for event in monitor.collect_events()]

    def keep_posting(self, posting: Posting) -> None:
        """Write what happened to a posting."""
        self.changed_postings[posting.id] = posting
        self.stored += [_to_stored(event) for event in posting.collect_events()]

    def keep_period(self, period: Period) -> None:
        """Write a closing."""
        self.period = period
        self.stored += [_to_stored(event) for event in period.collect_events()]

    def store(self, stream: UUID, version: int, topic: str, fields: dict[str, Any]) -> int:
        """A row from the fields of an event; its place among the rows of the batch."""
        fields["timestamp"] = self.at
        self.stored.append(stored_row(stream, version, topic, _encode(fields)))
        return len(self.stored) - 1
