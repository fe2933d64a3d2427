"""One batch: facts and requests in, events out. Pure: no clock, no log, nothing changes until `Heads.merge`.

A batch works on an overlay of the wallets it touches, so that a failed commit costs nothing but the overlay. Events are
made directly, without aggregates and dataclass constructors: this is the path every movement of money takes, and the
frozen constructor alone costs more than the rest of a line.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from eventsourcing.utils import get_topic

from domain.chart import account_kind, suspense_psp
from domain.ids import stream_id
from domain.posting import Line, Posting, check_balanced
from domain.wallet import WalletAccount, WalletHead
from ledger.decisions import Decision, order_reference, order_rule, repeated
from ledger.heads import Account
from ledger.refusals import UNKNOWN_WALLET, WALLET_EXISTS, close_refusal, transfer_refusal
from ledger.wire import CloseWallet, OpenWallet, Order, Reply, Transfer

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from datetime import datetime
    from uuid import UUID

    from domain.posting_rules import PostingDraft
    from ledger.heads import Heads

# A frozen event takes its fields as a whole dictionary: its constructor would set them one by one.
_new, _set = object.__new__, object.__setattr__
NOTHING_BELOW: Mapping[UUID, Account] = MappingProxyType({})
_POSTING, _WALLET = get_topic(Posting), get_topic(WalletAccount)


class Batch:
    """Decides intents one after the other; each sees the wallets as the ones before it left them."""

    def __init__(
        self,
        heads: Heads,
        at: datetime,
        settled: Container[UUID] = (),
        below: Mapping[UUID, Account] = NOTHING_BELOW,
    ) -> None:
        """`settled` are postings known to be in the log already: their facts are passed over. `below` are the wallets
        as an earlier batch leaves them that is not committed yet."""
        self._below = below
        self.events: list[Any] = []
        self.overlay: dict[UUID, Account] = {}
        self.decided: dict[UUID, Decision] = {}
        self.postings = 0
        self.lines = 0
        self.refusals = 0
        self.to_suspense = 0
        self._heads = heads
        self._book = heads.book
        self._at = at
        self._settled = settled
        self._facts: set[UUID] = set()

    @property
    def posting_ids(self) -> list[UUID]:
        """The posting streams that this batch begins: whichever exists already makes its commit a conflict."""
        return [*self.decided, *self._facts]

    # facts

    def fact(self, draft: PostingDraft, cause_position: int) -> None:
        """Post what has happened. Never refused: what a closed account cannot take goes to suspense with the reason.

        Raises PostingUnbalanced: a posting rule is wrong then, and nothing of the batch may be committed.
        """
        posting_id = stream_id(self._book, "posting", draft.reference)
        if posting_id in self._settled or posting_id in self._facts:
            return
        metadata = draft.metadata
        lines: list[Line] = []
        accounts: list[Account] = []
        for drafted in draft.lines:
            account = self._account_of(drafted.address, drafted.currency, drafted.account_kind)
            if account.head.closed:
                reason = f"{account.address} is closed"
                metadata = {**metadata, f"suspense_{len(lines)}": reason}
                account = self._account_of(suspense_psp(), drafted.currency, account_kind(suspense_psp()))
                self.to_suspense += 1
            accounts.append(account)
            lines.append(Line(account.wallet_id, account.address, account.currency, drafted.amount_minor))
        check_balanced(lines)
        self._facts.add(posting_id)
        self._record(
            posting_id, draft.reference, draft.rule, cause_position, draft.effective_at, lines, dict(metadata), None
        )
        self._post_lines(posting_id, accounts, lines, draft.effective_at)

    # requests

    def request(self, order: Order, posting_id: UUID, asked: str) -> Decision:
        """Decide a request, or give the decision of the same request earlier in this batch.

        `posting_id` is `order_posting_id(order)` and `asked` its `fingerprint`, computed once where it arrived.
        """
        earlier = self.decided.get(posting_id)
        if earlier is not None:
            return Decision(repeated(earlier.reply, earlier.fingerprint == asked), earlier.index, asked)
        if isinstance(order, Transfer):
            decision = self._transfer(order, posting_id, asked)
        elif isinstance(order, OpenWallet):
            decision = self._open(order, posting_id, asked)
        else:
            decision = self._close(order, posting_id, asked)
        self.decided[posting_id] = decision
        return decision

    def _transfer(self, order: Transfer, posting_id: UUID, asked: str) -> Decision:
        source, destination = self._find(order.source), self._find(order.destination)
        lines = [
            _line(order.source, source, order.currency, order.amount_minor),
            _line(order.destination, destination, order.currency, -order.amount_minor),
        ]
        refusal = transfer_refusal(order, source, destination)
        if refusal is not None or source is None or destination is None:
            code, detail = refusal or (UNKNOWN_WALLET, "")
            return self._refuse(order, posting_id, asked, code, detail, lines)
        source, destination = self._writable(source), self._writable(destination)
        effective_at = order.effective_at or self._at
        index = self._record(
            posting_id, order_reference(order), "transfer", None, effective_at, lines, dict(order.metadata), asked
        )
        self._post_lines(posting_id, [source, destination], lines, effective_at)
        reply = Reply(
            status="posted",
            posting_id=posting_id,
            version=1,
            source_posted_after=source.head.posted,
            destination_posted_after=destination.head.posted,
        )
        return Decision(reply, index, asked)

    def _open(self, order: OpenWallet, posting_id: UUID, asked: str) -> Decision:
        wallet_id = self._heads.wallet_id(order.address, order.currency)
        if self._find(wallet_id) is not None:
            detail = f"wallet {order.address} in {order.currency} was opened before; use {wallet_id}"
            return self._refuse(order, posting_id, asked, WALLET_EXISTS, detail, [])
        index = self._record_wallet_order(order, posting_id, asked, wallet_id)
        self._open_account(
            wallet_id,
            order.address,
            order.currency,
            account_kind(order.address),
            order.overdraft_limit_minor,
            order.merchant_id,
        )
        return Decision(Reply(status="opened", posting_id=posting_id, version=1, wallet_id=wallet_id), index, asked)

    def _close(self, order: CloseWallet, posting_id: UUID, asked: str) -> Decision:
        account = self._find(order.wallet_id)
        refusal = close_refusal(order, account)
        if refusal is not None or account is None:
            code, detail = refusal or (UNKNOWN_WALLET, "")
            return self._refuse(order, posting_id, asked, code, detail, [])
        account = self._writable(account)
        index = self._record_wallet_order(order, posting_id, asked, order.wallet_id)
        head = account.head
        head.version += 1
        head.closed = True
        self._event(WalletAccount.Closed, order.wallet_id, head.version, {"reason": ""})
        return Decision(
            Reply(status="closed", posting_id=posting_id, version=1, wallet_id=order.wallet_id), index, asked
        )

    # events

    def _refuse(
        self, order: Order, posting_id: UUID, asked: str, code: str, detail: str, lines: list[Line]
    ) -> Decision:
        fields = {
            "originator_topic": _POSTING,
            "reference": order_reference(order),
            "rule": order_rule(order),
            "code": code,
            "detail": detail,
            "lines": lines,
            "fingerprint": asked,
        }
        index = self._event(Posting.Refused, posting_id, 1, fields)
        self.refusals += 1
        reply = Reply(status="refused", code=code, detail=detail, posting_id=posting_id, version=1)
        return Decision(reply, index, asked)

    def _record_wallet_order(
        self, order: OpenWallet | CloseWallet, posting_id: UUID, asked: str, wallet_id: UUID
    ) -> int:
        """A posting without lines: it moves nothing, it is what makes the key of the request final."""
        metadata = {"wallet_id": str(wallet_id)}
        return self._record(posting_id, order_reference(order), order_rule(order), None, self._at, [], metadata, asked)

    def _record(
        self,
        posting_id: UUID,
        reference: str,
        rule: str,
        cause_position: int | None,
        effective_at: datetime,
        lines: list[Line],
        metadata: dict[str, str],
        asked: str | None,
    ) -> int:
        self.postings += 1
        return self._event(
            Posting.Recorded,
            posting_id,
            1,
            {
                "originator_topic": _POSTING,
                "reference": reference,
                "rule": rule,
                "cause_position": cause_position,
                "effective_at": effective_at,
                "lines": lines,
                "metadata": metadata,
                "fingerprint": asked,
                "external_reference": None,
                "reverts": None,
            },
        )

    def _post_lines(self, posting_id: UUID, accounts: list[Account], lines: list[Line], effective_at: datetime) -> None:
        self.lines += len(lines)
        at, append = self._at, self.events.append
        for number, account in enumerate(accounts):
            head = account.head
            amount = lines[number].amount_minor
            head.version += 1
            head.posted += amount
            # Written out instead of calling `_event`: most events of the log are made right here.
            event: Any = _new(WalletAccount.Posted)
            _set(
                event,
                "__dict__",
                {
                    "originator_id": account.wallet_id,
                    "originator_version": head.version,
                    "timestamp": at,
                    "posting_id": posting_id,
                    "line": number,
                    "amount_minor": amount,
                    "posted_after": head.posted,
                    "held_after": head.held,
                    "effective_at": effective_at,
                },
            )
            append(event)

    def _event(self, event_class: type, stream: UUID, version: int, fields: dict[str, Any]) -> int:
        fields["originator_id"] = stream
        fields["originator_version"] = version
        fields["timestamp"] = self._at
        event: Any = _new(event_class)
        _set(event, "__dict__", fields)
        self.events.append(event)
        return len(self.events) - 1

    # wallets

    def _find(self, wallet_id: UUID) -> Account | None:
        return self.overlay.get(wallet_id) or self._below.get(wallet_id) or self._heads.accounts.get(wallet_id)

    def _writable(self, account: Account) -> Account:
        mine = self.overlay.get(account.wallet_id)
        if mine is None:
            mine = self.overlay[account.wallet_id] = account.copy()
        return mine

    def _account_of(self, address: str, currency: str, kind: str) -> Account:
        """The wallet of a fact's line, opened with its first posting; facts may overdraw it without limit."""
        wallet_id = self._heads.wallet_id(address, currency)
        mine = self.overlay.get(wallet_id)
        if mine is not None:
            return mine
        stored = self._below.get(wallet_id) or self._heads.accounts.get(wallet_id)
        if stored is not None:
            return self._writable(stored)
        # Requests never take a chart account below zero: what merchants are owed is not ours to lend.
        limit = 0 if kind == "liability" else None
        return self._open_account(wallet_id, address, currency, kind, limit, None)

    def _open_account(
        self, wallet_id: UUID, address: str, currency: str, kind: str, limit: int | None, merchant_id: str | None
    ) -> Account:
        account = Account(wallet_id, address, currency, WalletHead(kind, limit, version=1))
        self.overlay[wallet_id] = account
        self._event(
            WalletAccount.Opened,
            wallet_id,
            1,
            {
                "originator_topic": _WALLET,
                "address": address,
                "currency": currency,
                "account_kind": kind,
                "overdraft_limit_minor": limit,
                "merchant_id": merchant_id,
            },
        )
        return account


def _line(wallet_id: UUID, account: Account | None, currency: str, amount_minor: int) -> Line:
    return Line(wallet_id, account.address if account else "", currency, amount_minor)
