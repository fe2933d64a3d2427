"""What the accounts would hold under a changed posting rule: both rules are asked about every fact of history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from domain.chart import account_kind
from domain.posting_rules import PostingDraft, posting_for
from domain.registry import ALL_EVENTS
from replay.compare import Cause, merchant_of
from replay.what_if.changes import FAILURES, PostingRule
from replay.what_if.reading import CAUSES_KEPT, Told, refused

ENGINE_KINDS = ("wallet", "posting", "claim", "monitor")
"""Streams that the posting engine itself writes; all else is a fact that a rule may post."""
FACT_TOPICS = frozenset(topic for topic in ALL_EVENTS if topic.partition(".")[0] not in ENGINE_KINDS)


class DraftUnbalanced(ValueError):
    """A rule made a posting whose lines do not sum to zero in a currency."""


class Account(NamedTuple):
    """An account of a book in one currency."""

    book: int
    address: str
    currency: str


@dataclass
class AccountDifference:
    """An account that would have been posted otherwise; minor units, + is a debit, over the whole history."""

    account: Account
    before_minor: int = 0
    after_minor: int = 0
    events: list[Cause] = field(default_factory=list)
    event_count: int = 0

    @property
    def difference_minor(self) -> int:
        return self.after_minor - self.before_minor


@dataclass
class PostingDifference:
    """Facts that were asked about, how many would post other lines, and how many the same lines at another time.

    `merchants` is what merchants would be owed more (minor units, by merchant and currency), over all their accounts.
    """

    facts: int = 0
    changed: int = 0
    moved: int = 0
    accounts: list[AccountDifference] = field(default_factory=list)
    merchants: dict[str, dict[str, int]] = field(default_factory=dict)


class PostingComparison:
    """Asks the rule in force and a changed one; a listener of the pass."""

    topics: Collection[str] = FACT_TOPICS

    def __init__(self, rule: PostingRule, module: str) -> None:
        self._rule, self._who = rule, f"posting_for of {module}"
        self._accounts: dict[Account, AccountDifference] = {}
        self._found = PostingDifference()

    def take(self, page: Sequence[Told]) -> None:
        """Raises EventRefused where the changed rule fails, is not balanced or names an unknown account."""
        for told in page:
            self._ask(told)

    def _ask(self, told: Told) -> None:
        event, book = told.fact.event, told.fact.book
        before = posting_for(event, book)
        try:
            after = self._rule(event, book)
            old, new = _amounts(before, book), _amounts(after, book)
            _check(new)
        except FAILURES as problem:
            raise refused(self._who, told, problem) from problem
        self._found.facts += 1
        self._found.changed += old != new
        self._found.moved += old == new and _moment(before) != _moment(after)
        for account in old.keys() | new.keys():
            known = self._accounts.get(account)
            if known is None:
                known = self._accounts[account] = AccountDifference(account)
            known.before_minor += old.get(account, 0)
            known.after_minor += new.get(account, 0)
            if old.get(account, 0) != new.get(account, 0):
                known.event_count += 1
                if len(known.events) < CAUSES_KEPT:
                    known.events.append(told.cause)

    def result(self) -> PostingDifference:
        """What was found so far; accounts in the order of their addresses."""
        found = self._found
        found.accounts = [known for _, known in sorted(self._accounts.items()) if known.event_count]
        found.merchants = {}
        for known in found.accounts:
            merchant = merchant_of({"address": known.account.address})
            if merchant is not None:
                owed, currency = found.merchants.setdefault(merchant, {}), known.account.currency
                owed[currency] = owed.get(currency, 0) - known.difference_minor
        return found


def _amounts(draft: PostingDraft | None, book: int) -> dict[Account, int]:
    """What a draft does to each account; several lines of one are added up, and what moves nothing is left out."""
    sums: dict[Account, int] = defaultdict(int)
    for line in () if draft is None else draft.lines:
        sums[Account(book, line.address, line.currency)] += line.amount_minor
    return {account: amount for account, amount in sums.items() if amount}


def _check(amounts: dict[Account, int]) -> None:
    sums: dict[str, int] = defaultdict(int)
    for account, amount in amounts.items():
        account_kind(account.address)
        sums[account.currency] += amount
    for currency, amount in sums.items():
        if amount:
            raise DraftUnbalanced(f"its lines in {currency} sum to {amount} minor units, not to zero")


def _moment(draft: PostingDraft | None) -> Any:
    return None if draft is None else draft.effective_at
