"""What the API answers about everything but movements: merchants, orders, periods, monitors, adjustments, the log."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from daybook.client.answer import Answer, Written
from daybook.client.ledger_models import Decision


class Merchant(Written):
    """A registered merchant."""

    merchant_id: str
    reference: str | None
    registered_at: datetime


class PeriodClosed(Decision):
    """A closing that was decided."""

    through: date


class MonitorDecision(Decision):
    """A monitor that was created or removed."""

    monitor_id: UUID


class Closing(Answer):
    """One closing of a period."""

    through: date
    closed_at: datetime


class Periods(Answer):
    """How far the book is closed."""

    closed_through: date | None
    open_from: datetime | None
    closings: tuple[Closing, ...]
    as_of: str | None = None


class Crossing(Answer):
    """The watched number came to be on this side."""

    side: Literal["below", "at_or_above"]
    balance_minor: int
    wallet_version: int
    crossed_at: datetime


class Monitor(Answer):
    """A monitor with its crossings, newest first."""

    monitor_id: UUID
    wallet_id: UUID
    measure: str
    threshold_minor: int
    reference: str | None
    removed: bool
    crossings: tuple[Crossing, ...]
    as_of: str | None = None


class Adjustment(Written):
    """An adjustment; `posting_id` is what it becomes soon after its approval."""

    adjustment_id: str
    state: Literal["proposed", "approved", "rejected"]
    lines: tuple[dict[str, Any], ...]
    reason: str
    effective_at: datetime | None
    metadata: dict[str, str]
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    rejection_reason: str | None
    posting_id: UUID | None
    as_of: str | None = None


class Split(Answer):
    """A seller's part of an order."""

    seller_id: str
    amount_minor: int


class Attempt(Answer):
    """One try at one rail."""

    attempt: int
    rail: str
    method: str
    amount_minor: int
    state: str
    outcome_unknown: bool
    decline_code: str | None


class Capture(Answer):
    """One taking of money."""

    capture_id: str
    attempt: int
    amount_minor: int
    final: bool
    state: str
    code: str | None


class Payer(Answer):
    """Who pays; without name, email and IBAN for those who may not know, and for ever once `erased`."""

    subject: str
    erased: bool | None = None
    unreadable: bool | None = None
    name: str | None = None
    email: str | None = None
    iban: str | None = None


class OrderExplanation(Answer):
    """A payment order as of a position, with every event, what it changed and what was posted for it."""

    order_id: str
    stream_id: UUID
    merchant_id: str | None
    currency: str
    as_of: str
    amount_minor: int
    commission_bps: int
    status: str
    authorized_minor: int
    captured_minor: int
    returned_minor: int
    released_minor: int
    held_minor: int
    cost_minor: int
    steps: tuple[dict[str, Any], ...]


class NextAction(Answer):
    """What the payer must do: at `url`, or as `instructions` say, until `expires_at`."""

    url: str | None
    instructions: dict[str, str]
    expires_at: datetime | None


class Customer(Answer):
    """What the person who pays may be told: `word` for programs, `message` and `reason` for people."""

    word: str
    message: str
    reason: str | None


class PaymentOrder(Written):
    """A payment order as it stands."""

    order_id: str
    merchant_id: str | None
    status: str
    amount_minor: int
    currency: str
    authorized_minor: int
    captured_minor: int
    released_minor: int
    returned_minor: int
    capturable_minor: int
    splits: tuple[Split, ...]
    capture_mode: str
    method: str
    rail: str | None
    reference: str | None
    metadata: dict[str, str]
    attempts: tuple[Attempt, ...]
    captures: tuple[Capture, ...]
    next_action: NextAction | None
    customer: Customer
    payer: Payer | None
    payer_secret: str | None
    created_at: datetime
    expires_at: datetime | None
    version: int
    as_of: str | None = None


class OrderStep(Answer):
    """Where an order stood after one of its events, in the words for its payer."""

    order_id: str
    version: int
    status: str
    customer: Customer
    next_action: NextAction | None
    amount_minor: int
    captured_minor: int
    currency: str


class Event(Answer):
    """One stored event of the book's log."""

    position: str
    stream_id: UUID
    version: int
    topic: str
    recorded_at: datetime
    meta: dict[str, Any]
    data: dict[str, Any]


class EventsPage(Answer):
    """Events in order; `next_after` is what to send as `after` next time, also when there are none now."""

    items: tuple[Event, ...]
    next_after: str


class Health(Answer):
    """A probe's answer: `ok`, or what is wrong by name of the check."""

    status: str
    checks: dict[str, str] = {}
