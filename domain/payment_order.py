"""PaymentOrder: what someone owes and every try to collect it.

Amount counters and attempts decide; the status is derived from them and never stored (payments reference, section 1).
Requests may be refused; facts a rail reports never are: one that contradicts the books is kept as a late success.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from eventsourcing.domain import Aggregate

from domain import payment_events as events
from domain.attempts import Attempt, AttemptState, Capture
from domain.book import check_commission
from domain.ids import canonical_uuid, stream_id
from domain.money import check_amount, check_currency
from domain.payment_requests import PaymentRequests
from domain.payment_rules import CaptureModeUnknown, ExpiryInPast, UnknownAttempt
from domain.splitting import Split, due_list

