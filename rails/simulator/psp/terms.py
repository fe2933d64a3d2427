"""What the merchant agreed with the provider: fees per method, when and where payouts arrive, how long holds last."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from rails.simulator import fields
from rails.simulator.bank.iban import account_of_currency, is_iban
from rails.simulator.problem import invalid
from rails.simulator.psp.fees import USUAL_FEE, Fee
from rails.simulator.psp.tokens import METHODS

if TYPE_CHECKING:
    from rails.simulator.store import Store

SETTING: Final = "terms"
DEFAULT: Final = "default"
USUAL: Final[dict[str, Any]] = {
    "fees": {DEFAULT: {"basis_points": USUAL_FEE.basis_points, "fixed_minor": USUAL_FEE.fixed_minor}},
    "payout_days": 2,
    "payout_accounts": {},
    "capture_window_s": 7 * 86_400,
    "challenge_window_s": 900,
}
"""Seven days is Stripe's window for Visa payments a customer starts; Adyen and Braintree give 10 and 8 days."""
LONGEST_WINDOW_S: Final = 366 * 86_400


class Terms:
    """The terms in force; a change is for what is captured, held or settled from then on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._terms = USUAL
        self._fees: dict[str, Fee] = {}
        self.load()

    def load(self) -> None:
        """What the file says, the usual terms when it says nothing."""
        self._terms = self._store.setting(SETTING) or USUAL
        self._fees = {name: Fee(**parts) for name, parts in self._terms["fees"].items()}
        self.capture_window = timedelta(seconds=self._terms["capture_window_s"])
        self.challenge_window = timedelta(seconds=self._terms["challenge_window_s"])
        self.payout_days = timedelta(days=self._terms["payout_days"])

    def fee(self, method: str, amount_minor: int) -> int:
        """What a capture costs, in minor units."""
        return (self._fees.get(method) or self._fees[DEFAULT]).of(amount_minor)

    def payout_account(self, currency: str) -> str:
        """The IBAN that payouts in a currency go to: one of the merchant's choice, or the one the bank opens for it."""
        return str(self._terms["payout_accounts"].get(currency) or account_of_currency(currency))

    def state(self) -> dict[str, Any]:
        """As GET /v1/terms tells them."""
        return self._terms

    def change(self, body: fields.Body) -> None:
        """PUT /v1/terms: members that are left out stay. Raises `Problem` 400."""
        fields.only(body, *USUAL)
        changed = dict(self._terms)
        if "fees" in body:
            changed["fees"] = _fees(fields.mapping(body, "fees"))
        if "payout_days" in body:
            changed["payout_days"] = fields.integer(body, "payout_days", 1, 60)
        if "payout_accounts" in body:
            changed["payout_accounts"] = _accounts(fields.mapping(body, "payout_accounts"))
        for window in ("capture_window_s", "challenge_window_s"):
            if window in body:
                changed[window] = fields.integer(body, window, 1, LONGEST_WINDOW_S)
        with self._store.operation():
            self._store.keep_setting(SETTING, changed)
        self.load()


def _fees(table: fields.Body) -> dict[str, dict[str, int]]:
    known = (DEFAULT, *METHODS)
    for method in table:
        if method not in known:
            raise invalid(f"fees.{method}", f"is no method: use {', '.join(known)}")
    if DEFAULT not in table:
        raise invalid(f"fees.{DEFAULT}", "is missing: it is for every method that has no line of its own")
    read = {}
    for method in table:
        parts = fields.mapping(table, method)
        fields.only(parts, "basis_points", "fixed_minor")
        read[method] = {
            "basis_points": fields.integer(parts, "basis_points", 0, 10_000),
            "fixed_minor": fields.integer(parts, "fixed_minor", 0, 10**6),
        }
    return read


def _accounts(table: fields.Body) -> dict[str, str]:
    for currency, iban in table.items():
        if fields.CURRENCY.fullmatch(currency) is None:
            raise invalid(f"payout_accounts.{currency}", "is not named after a currency")
        if not isinstance(iban, str) or not is_iban(iban):
            raise invalid(f"payout_accounts.{currency}", "must be an IBAN with right check digits, without spaces")
    return {currency: str(iban) for currency, iban in table.items()}
