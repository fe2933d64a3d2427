"""The payment order's state machine as data: which event leads from which status to which.

The status itself is derived from counters and attempts (`payment_status`); the table says what those may do, a test
holds the two together, and the diagram in docs/reference is written from the table (`python -m domain.payment_states`).
Source: payments reference, section 1, without the parts (refunds, disputes, 3-D Secure) that later work adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domain.payment_status import STATUSES


@dataclass(frozen=True, slots=True)
class Transition:
    """An event may lead from any of `from_states` to `to_state`; `when` says under which condition, for the diagram."""

    from_states: tuple[str, ...]
    topic: str
    to_state: str
    when: str = ""


START: Final = "[*]"
_OPEN: Final = ("created", "declined")
_IN_DOUBT: Final = ("submitting", "unknown")
_UNDECIDED: Final = (*_IN_DOUBT, "requires_action", "processing")
_UNDECIDED_BY_OTHERS: Final = (*_IN_DOUBT, "processing")
"""Where an order may be by another attempt, when an earlier decline is asked about once more."""
_HOLDING: Final = ("authorized", "partially_captured", "unknown")
_RECORDED: Final = "recorded rail"
_NOTHING_HELD: Final = ("captured", "cancelled", "expired")


def _topic(name: str) -> str:
    return f"payment-order.{name}.v1"


def _stays(topic: str, *states: str, when: str = "") -> tuple[Transition, ...]:
    return tuple(Transition((state,), topic, state, when) for state in states)


TRANSITIONS: Final[tuple[Transition, ...]] = (
    Transition((START,), _topic("created"), "created"),
    *_stays(_topic("method-chosen"), "created"),
    *_stays(_topic("payer-given"), "created"),
    *_stays(_topic("mandate-given"), "created"),
    Transition(_OPEN, _topic("attempt-started"), "submitting"),
    Transition(("cancelled", "expired"), _topic("attempt-started"), "submitting", _RECORDED),
    *_stays(_topic("attempt-started"), "submitting", "captured", when=_RECORDED),
    Transition(_IN_DOUBT, _topic("action-required"), "requires_action"),
    Transition((*_IN_DOUBT, "requires_action"), _topic("attempt-pending"), "processing"),
    *_stays(_topic("attempt-inquired"), "unknown"),
    *_stays(_topic("doubt-escalated"), "unknown"),
    *_stays(_topic("attempt-deferred"), *_OPEN),
    Transition(_IN_DOUBT, _topic("attempt-not-received"), "created"),
    *_stays(_topic("late-success-voided"), "conflicted"),
    Transition(_UNDECIDED, _topic("authorized"), "authorized"),
    *_stays(_topic("capture-requested"), "authorized", "partially_captured"),
    Transition(("submitting", "requires_action", "processing", *_HOLDING), _topic("captured"), "captured"),
    Transition(_HOLDING, _topic("captured"), "partially_captured"),
    *_stays(_topic("captured"), "captured", when="the rest of a transfer"),
    *_stays(_topic("captured"), "submitting", "created", "captured", "cancelled", "expired", when=_RECORDED),
    Transition(("created", "cancelled", "expired"), _topic("captured"), "captured", _RECORDED),
    Transition(("submitting",), _topic("captured"), "created", "nothing taken"),
    Transition(("submitting",), _topic("captured"), "cancelled", "nothing taken"),
    Transition(("submitting",), _topic("captured"), "expired", "nothing taken"),
    *_stays(_topic("capture-failed"), "authorized", "partially_captured", *_NOTHING_HELD),
    Transition(("unknown",), _topic("capture-failed"), "authorized"),
    Transition(("unknown",), _topic("capture-failed"), "partially_captured"),
    Transition(_UNDECIDED, _topic("attempt-declined"), "declined", "soft"),
    Transition(_UNDECIDED, _topic("attempt-declined"), "failed", "hard"),
    Transition(("submitting", "authorized", "partially_captured"), _topic("attempt-outcome-unknown"), "unknown"),
    Transition(("unknown",), _topic("attempt-resolved"), "submitting"),
    Transition(("unknown",), _topic("attempt-resolved"), "authorized"),
    Transition(("unknown",), _topic("attempt-resolved"), "partially_captured"),
    *_stays(_topic("void-requested"), "authorized", "partially_captured"),
    Transition(("authorized", "unknown"), _topic("voided"), "cancelled"),
    Transition(("partially_captured", "unknown"), _topic("voided"), "captured"),
    Transition(("partially_captured", "unknown"), _topic("voided"), "returned", "of what was taken nothing is left"),
    Transition(("authorized", "unknown"), _topic("authorization-expired"), "expired"),
    Transition(("partially_captured", "unknown"), _topic("authorization-expired"), "captured"),
    Transition(
        ("partially_captured", "unknown"),
        _topic("authorization-expired"),
        "returned",
        "of what was taken nothing is left",
    ),
    Transition(_OPEN, _topic("cancelled"), "cancelled"),
    Transition(_OPEN, _topic("expired"), "expired"),
    *_stays(_topic("funds-released"), "captured", "partially_captured", "unknown"),
    Transition(("captured",), _topic("payment-returned"), "returned"),
    *_stays(_topic("payment-returned"), "captured", "partially_captured", "unknown", when="a part"),
    *_stays(_topic("decline-confirmed"), *_UNDECIDED_BY_OTHERS, *_OPEN, "authorized", *_NOTHING_HELD),
    Transition(
        tuple(status for status in STATUSES if status != "conflicted"), _topic("late-success-detected"), "conflicted"
    ),
)


def allows(before: str, topic: str, after: str) -> bool:
    """Whether the table lets an event lead from one status to another. A conflict stays whatever else is recorded."""
    if before == "conflicted":
        return after == "conflicted"
    return any(topic == row.topic and after == row.to_state and before in row.from_states for row in TRANSITIONS)


def mermaid() -> str:
    """The state machine as a Mermaid diagram; events that change no status are left out."""
    lines = ["stateDiagram-v2"]
    for row in TRANSITIONS:
        label = row.topic.removeprefix("payment-order.").removesuffix(".v1")
        if row.when:
            label = f"{label} ({row.when})"
        lines += [f"    {state} --> {row.to_state}: {label}" for state in row.from_states if state != row.to_state]
    return "\n".join(lines) + "\n"


def reference_page() -> str:
    """The reference page: what each status means, the diagram, and the events that change no status."""
    rows = "".join(f"| `{status}` | {meaning} |\n" for status, meaning in STATUSES.items())
    staying = sorted(
        {f"| `{row.topic}` | `{row.to_state}` |\n" for row in TRANSITIONS if row.to_state in row.from_states}
    )
    return (
        "# States of a payment order\n\n"
        "Written by `python -m domain.payment_states`; change `domain/payment_states.py`, not this page.\n\n"
        "The status is derived from the order's amounts and attempts and is never stored.\n\n"
        f"| status | meaning |\n|---|---|\n{rows}\n"
        f"```mermaid\n{mermaid()}```\n\n"
        "Events that leave the status as it is:\n\n"
        f"| event | status |\n|---|---|\n{''.join(staying)}\n"
        "`conflicted` stays whatever else is recorded, until people or an automatic refund settle it.\n"
    )


def main() -> None:
    """Write the reference page."""
    page = Path(__file__).resolve().parent.parent / "docs" / "reference" / "payment-states.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(reference_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
