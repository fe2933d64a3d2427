"""What an undecided attempt waits for: the payer, the rail, or evidence; and what is known when the waiting ends.

Facts again, never refused; one that is known already, or that comes after the attempt was decided, changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from domain import waiting_events as events
from domain.attempts import AUTO
from domain.payment_facts import PaymentFacts


class PaymentWaiting(PaymentFacts):
    """The reports of rails about attempts whose outcome is still to come."""

    def require_action(
        self,
        *,
        attempt: int,
        rail_reference: str,
        url: str | None,
        instructions: Mapping[str, str],
        expires_at: datetime | None,
        at: datetime,
    ) -> bool:
        """The payer must do something before the rail decides; False when known or decided."""
        known = self.attempt(attempt)
        if known.state != "submitting":
            return False
        self.trigger_event(
            events.ActionRequired,
            timestamp=at,
            attempt=attempt,
            rail_reference=rail_reference,
            url=url,
            instructions=dict(instructions),
            expires_at=expires_at,
        )
        return True

    def mark_pending(self, *, attempt: int, rail_reference: str, expected_by: datetime | None, at: datetime) -> bool:
        """The rail has taken the payment on and will tell later; False when known or decided."""
        known = self.attempt(attempt)
        if known.state not in ("submitting", "requires_action"):
            return False
        self.trigger_event(
            events.AttemptPending,
            timestamp=at,
            attempt=attempt,
            rail_reference=rail_reference,
            expected_by=expected_by,
        )
        return True

    def record_inquiry(self, *, attempt: int, answer: str, reason: str, next_at: datetime, at: datetime) -> bool:
        """An inquiry did not end the doubt ("unknown", "not_found"); False when there is no doubt any more."""
        known = self.attempt(attempt)
        if known.unknown_operation is None:
            return False
        self.trigger_event(
            events.AttemptInquired,
            timestamp=at,
            attempt=attempt,
            count=known.inquiries + 1,
            answer=answer,
            reason=reason,
            next_at=next_at,
        )
        return True

    def not_received(self, *, attempt: int, evidence: Mapping[str, str], at: datetime) -> bool:
        """The rail never took the attempt on, and that is known; False when the attempt was taken on or is closed."""
        known = self.attempt(attempt)
        if known.state != "submitting":
            return False
        self.trigger_event(events.AttemptNotReceived, timestamp=at, attempt=attempt, evidence=dict(evidence))
        return True

    def escalate(self, *, attempt: int, at: datetime) -> bool:
        """Show a doubt to people that asking has not ended; False when done, or when there is none."""
        known = self.attempt(attempt)
        if known.unknown_operation is None or known.escalated:
            return False
        self.trigger_event(
            events.DoubtEscalated,
            timestamp=at,
            attempt=attempt,
            operation=known.unknown_operation,
            asked=known.inquiries,
        )
        return True

    def defer(self, *, rail: str, reason: str, at: datetime) -> bool:
        """No rail can be asked now, or, for `AUTO`, none is left; False when that is known since the last attempt,
        or the order takes none."""
        known = self.deferred == AUTO if rail == AUTO else self.deferred is not None
        if known or self.status not in ("created", "declined"):
            return False
        self.trigger_event(events.AttemptDeferred, timestamp=at, rail=rail, reason=reason)
        return True

    def void_late_success(self, *, attempt: int, rail_reference: str, amount_minor: int, at: datetime) -> bool:
        """The rail gave back what it held against the books; False when known, or when it held nothing so."""
        if rail_reference in self.late_voided or (attempt, "authorise", rail_reference) not in self.late_successes:
            return False
        self.trigger_event(
            events.LateSuccessVoided,
            timestamp=at,
            attempt=attempt,
            rail=self.attempt(attempt).rail,
            rail_reference=rail_reference,
            amount_minor=amount_minor,
            currency=self.currency,
        )
        return True
