"""What each payment token stands for, as data: which method, and what the customer's bank makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rails.simulator.magic import Decline

USUAL_METHOD: Final = "card"
METHODS: Final = ("visa", "mastercard", "amex", "maestro", USUAL_METHOD)


@dataclass(frozen=True, slots=True)
class Instrument:
    """What is behind a token. `challenge`: the customer has to be asked, in the manner of 3-D Secure.

    With a challenge, `decline` is what the bank says after the customer has agreed.
    """

    method: str
    decline: Decline | None = None
    challenge: bool = False
    authentication: str | None = None


def _declined(code: str, decline_class: str) -> Instrument:
    return Instrument("visa", Decline(code, decline_class))


INSTRUMENTS: Final = {
    "tok_visa": Instrument("visa"),
    "tok_mastercard": Instrument("mastercard"),
    "tok_amex": Instrument("amex"),
    "tok_maestro": Instrument("maestro"),
    "tok_insufficient_funds": _declined("insufficient_funds", "soft"),
    "tok_do_not_honour": _declined("do_not_honour", "soft"),
    "tok_limit_exceeded": _declined("limit_exceeded", "soft"),
    "tok_issuer_unavailable": _declined("issuer_unavailable", "soft"),
    "tok_try_again_later": _declined("try_again_later", "soft"),
    "tok_card_declined": _declined("card_declined", "hard"),
    "tok_expired_card": _declined("expired_card", "hard"),
    "tok_stolen_card": _declined("stolen_card", "hard"),
    "tok_lost_card": _declined("lost_card", "hard"),
    "tok_invalid_card": _declined("invalid_card", "hard"),
    "tok_suspected_fraud": _declined("suspected_fraud", "hard"),
    "tok_transaction_not_permitted": _declined("transaction_not_permitted", "hard"),
    "tok_3ds": Instrument("visa", challenge=True),
    "tok_3ds_mastercard": Instrument("mastercard", challenge=True),
    "tok_3ds_insufficient_funds": Instrument("visa", Decline("insufficient_funds", "soft"), challenge=True),
    "tok_3ds_frictionless": Instrument("visa", authentication="frictionless"),
}


def instrument(token: str) -> Instrument:
    """Any token that is not in the table is a card that pays. What follows a full stop tells cards of one kind apart:
    each token is a card, and whoever counts the declines of cards counts those of `tok_do_not_honour.4711` alone."""
    return INSTRUMENTS.get(token.partition(".")[0], Instrument(USUAL_METHOD))
