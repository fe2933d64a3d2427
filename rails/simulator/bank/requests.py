"""The body of a transfer, checked field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rails.simulator import fields
from rails.simulator.bank.iban import is_iban
from rails.simulator.problem import invalid

if TYPE_CHECKING:
    from rails.simulator.fields import Body


@dataclass(frozen=True, slots=True)
class Transfer:
    """Body of POST /bank/v1/transfers: what a customer fills in at the bank."""

    creditor_iban: str
    amount_minor: int
    currency: str
    debtor_name: str
    debtor_iban: str | None
    end_to_end_id: str
    remittance: str | None


def read_transfer(body: Body) -> Transfer:
    """Raises `Problem` 400 that names the field. Lengths are those of the statements it will stand in."""
    required = ("creditor_iban", "amount_minor", "currency", "debtor_name")
    fields.only(body, *required, "debtor_iban", "end_to_end_id", "remittance")
    return Transfer(
        creditor_iban=_iban(body, "creditor_iban"),
        amount_minor=fields.integer(body, "amount_minor"),
        currency=fields.currency(body),
        debtor_name=fields.text(body, "debtor_name", 70),
        debtor_iban=_iban(body, "debtor_iban") if body.get("debtor_iban") is not None else None,
        end_to_end_id=fields.optional_text(body, "end_to_end_id", 35) or "NOTPROVIDED",
        remittance=fields.optional_text(body, "remittance", 140),
    )


def _iban(body: Body, field: str) -> str:
    value = fields.text(body, field)
    if not is_iban(value):
        raise invalid(field, "must be an IBAN with right check digits, without spaces")
    return value
