"""Why banks reject and return direct debits, and whether another try can ever succeed.

Codes and meanings are those of ISO 20022's external code sets (ExternalStatusReason1Code, ExternalReturnReason1Code) as
SEPA's schemes use them. The class is drawn from what the European Payments Council advises creditors to do (Guidance on
Reason Codes for SDD R-transactions): hard where the debtor must be spoken to before anything is collected again, soft
where another day may do, or where the fault is in our own data and another rail may do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from rails.port import DeclineClass


class ReasonCode(NamedTuple):
    """What a code means, and how final it is for the payer's account."""

    meaning: str
    decline_class: DeclineClass


REASON_CODES: Final = {
    "AC01": ReasonCode("the account number is wrong", "hard"),
    "AC03": ReasonCode("the creditor's account is wrong", "soft"),
    "AC04": ReasonCode("the account is closed", "hard"),
    "AC06": ReasonCode("the account is blocked", "hard"),
    "AC13": ReasonCode("the account is of a kind that this scheme does not debit", "hard"),
    "AG01": ReasonCode("the account does not allow direct debits", "hard"),
    "AG02": ReasonCode("the kind of transaction is wrong", "soft"),
    "AM01": ReasonCode("the amount is zero", "hard"),
    "AM02": ReasonCode("the amount is above what is allowed", "soft"),
    "AM03": ReasonCode("the currency is not processed", "hard"),
    "AM04": ReasonCode("there are not sufficient funds", "soft"),
    "AM10": ReasonCode("the file's control sum is wrong", "soft"),
    "AM14": ReasonCode("the amount is above what was agreed with the bank", "soft"),
    "BE05": ReasonCode("the creditor's identifier is wrong", "soft"),
    "CNOR": ReasonCode("the creditor's bank is not reachable by this scheme", "soft"),
    "DNOR": ReasonCode("the debtor's bank is not reachable by this scheme", "hard"),
    "DT01": ReasonCode("the collection date cannot be", "soft"),
    "ED05": ReasonCode("settlement failed", "soft"),
    "FF01": ReasonCode("the file's form is wrong", "soft"),
    "FF05": ReasonCode("the local instrument is wrong", "soft"),
    "FRAD": ReasonCode("fraud is suspected", "hard"),
    "MD01": ReasonCode("there is no valid mandate", "hard"),
    "MD02": ReasonCode("what is said of the mandate is not complete", "soft"),
    "MD06": ReasonCode("the debtor asked for the money back", "hard"),
    "MD07": ReasonCode("the debtor has died", "hard"),
    "MS02": ReasonCode("the debtor refused", "hard"),
    "MS03": ReasonCode("the bank gives no reason", "soft"),
    "RC01": ReasonCode("the bank's identifier is wrong", "hard"),
    "RR01": ReasonCode("the debtor's account is missing, for regulators", "hard"),
    "RR02": ReasonCode("the debtor's name or address is missing, for regulators", "soft"),
    "RR03": ReasonCode("the creditor's name or address is missing, for regulators", "soft"),
    "RR04": ReasonCode("for regulatory reasons", "hard"),
    "SL01": ReasonCode("the debtor lets his bank stop collections", "hard"),
    "TM01": ReasonCode("the file came after the cut-off", "soft"),
}
"""A code that is not here is soft: nobody says that the account will never pay."""

DUPLICATES: Final = frozenset({"AM05", "DUPL", "DU01", "DU02", "DU03", "DU04", "DU05"})
"""The bank has had this file or payment before. That is no decline: the one it had before may be on its way."""


def decline_class(code: str) -> DeclineClass:
    """How final a reason is."""
    known = REASON_CODES.get(code)
    return known.decline_class if known is not None else "soft"
