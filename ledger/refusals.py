"""Rules by which a request can be refused, and the event that a refusal leaves.

Codes are part of the API. A refusal uses the key up: the same request gets the same answer for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from domain.lines import Line
from domain.posting import Posting
from domain.wallet import INSUFFICIENT_FUNDS, WALLET_CLOSED, WALLET_FROZEN
from ledger.decisions import Decision, order_reference, order_rule
from ledger.wire import CommitHold, PlaceHold, Post, PostLine, Reply, Transfer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.conditions import Condition
    from domain.wallet import WalletHead
    from ledger.batch import Batch
    from ledger.heads import Account
    from ledger.wire import Order

UNKNOWN_WALLET: Final = "unknown_wallet"
UNKNOWN_POSTING: Final = "unknown_posting"
UNKNOWN_MONITOR: Final = "unknown_monitor"
SAME_WALLET: Final = "same_wallet"
CURRENCY_MISMATCH: Final = "currency_mismatch"
WALLET_EXISTS: Final = "wallet_exists"
WALLET_NOT_EMPTY: Final = "wallet_not_empty"
WALLET_NEEDED: Final = "wallet_needed"
REFERENCE_TAKEN: Final = "reference_taken"
PERIOD_CLOSED: Final = "period_closed"
EFFECTIVE_IN_FUTURE: Final = "effective_in_future"
FACT_NOT_REVERTIBLE: Final = "fact_not_revertible"
BULK_REFUSED: Final = "bulk_refused"


class RequestRefused(Exception):
    """A rule says no to a request; raised before anything of it is written."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def refuse(batch: Batch, order: Order, posting_id: UUID, asked: str, code: str, detail: str) -> Decision:
    """Record that a request was refused."""
    fields = {
        "originator_topic": Posting.TOPIC,
        "reference": order_reference(order),
        "rule": order_rule(order),
        "code": code,
        "detail": detail,
        "lines": _lines_asked(batch, order),
        "fingerprint": asked,
    }
    index = batch.store(posting_id, 1, Posting.Refused.TOPIC, fields)
    batch.refusals += 1
    return Decision(Reply(status="refused", code=code, detail=detail, posting_id=posting_id, version=1), index, asked)


def lines_of(order: Transfer | Post | PlaceHold) -> tuple[PostLine, ...]:
    """A movement as lines, + for a debit."""
    if not isinstance(order, Transfer):
        return order.lines
    return (
        PostLine(order.source, order.currency, order.amount_minor),
        PostLine(order.destination, order.currency, -order.amount_minor),
    )


def field_of(order: Order, number: int) -> str:
    """What the caller calls line `number`."""
    if isinstance(order, Transfer):
        return ("source", "destination")[number]
    return f"lines.{number}"


def _lines_asked(batch: Batch, order: Order) -> list[Line]:
    if isinstance(order, (Transfer, Post, PlaceHold)):
        asked: Sequence[PostLine] = lines_of(order)
    elif isinstance(order, CommitHold) and order.lines is not None:
        asked = order.lines
    else:
        return []
    found = [(line, batch.find(line.wallet_id)) for line in asked]
    return [Line(line.wallet_id, a.address if a else "", line.currency, line.amount_minor) for line, a in found]


def known_account(batch: Batch, wallet_id: UUID, field: str) -> Account:
    """The account of this book with that id; refuses what there is none of. Another book's is unknown here."""
    account = batch.find(wallet_id)
    if account is None:
        detail = f"{field}: book {batch.heads.book} has no wallet {wallet_id}; open it first"
        raise RequestRefused(UNKNOWN_WALLET, detail)
    return account


def standing(code: str | None, head: WalletHead, account: Account, field: str, wanted_minor: int) -> None:
    """Refuse with what a head said (`code`), in words; nothing when it said nothing."""
    if code is None:
        return
    if code == INSUFFICIENT_FUNDS:
        numbers = f"available {head.available}, overdraft limit {head.overdraft_limit_minor} minor units"
        detail = f"cannot give {wanted_minor}: {numbers}"
    else:
        detail = {WALLET_CLOSED: "is closed", WALLET_FROZEN: "is frozen; unfreeze it first"}[code]
    raise RequestRefused(code, f"{field}: wallet {account.wallet_id} ({account.address}) {detail}")


def check_conditions(batch: Batch, conditions: Sequence[Condition]) -> None:
    """Refuse unless every condition holds right now."""
    for condition in conditions:
        account = known_account(batch, condition.wallet_id, "conditions")
        refusal = condition.refusal(batch.head_of(account))
        if refusal is not None:
            raise RequestRefused(*refusal)


def effective_moment(batch: Batch, asked: datetime | None) -> datetime:
    """When a request takes effect: as asked, in an open period and not in the future; else now."""
    if asked is None:
        return batch.at
    if asked > batch.at:
        detail = f"effective_at: {asked.isoformat()} is in the future; the present is {batch.at.isoformat()}"
        raise RequestRefused(EFFECTIVE_IN_FUTURE, detail)
    if batch.period is not None and asked < batch.period.closed_until:
        detail = f"effective_at: {asked.isoformat()} lies in a period that is closed through {batch.period.through}"
        raise RequestRefused(PERIOD_CLOSED, detail)
    return asked
