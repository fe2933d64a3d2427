"""Which of Stripe's decline codes are final.

Stripe tells what a code means and what to do next, but gives no class. Here a decline is hard where its next step is
another card, or where the card schemes forbid another try (their lists of stolen, lost and closed cards, and payments
that the holder stopped); everything else may succeed later or elsewhere. A code that is not known yet is soft: hard is
a promise that it will never succeed. Stripe's advice code, where there is one, comes from the issuer and decides.

Sources: docs.stripe.com/declines/codes, docs.stripe.com/error-codes and docs.stripe.com/declines/card (advice codes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rails.port import DeclineClass

_HARD: Final = """
    card_not_supported currency_not_supported do_not_try_again duplicate_transaction expired_card fraudulent
    incorrect_number invalid_account invalid_expiry_month invalid_expiry_year invalid_number live_mode_test_card
    lost_card merchant_blacklist new_account_information_available not_permitted pickup_card restricted_card
    revocation_of_all_authorizations revocation_of_authorization security_violation stolen_card stop_payment_order
    testmode_decline transaction_not_allowed
"""
_SOFT: Final = """
    approve_with_id authentication_not_handled authentication_required call_issuer card_decline_rate_limit_exceeded
    card_declined card_velocity_exceeded do_not_honor generic_decline incorrect_address incorrect_cvc incorrect_pin
    incorrect_zip insufficient_funds invalid_amount invalid_cvc invalid_pin issuer_not_available
    mobile_device_authentication_required no_action_taken offline_pin_required online_or_offline_pin_required
    payment_intent_authentication_failure pin_try_exceeded processing_error reenter_transaction service_not_allowed
    try_again_later withdrawal_count_limit_exceeded
"""
CLASSES: Final[Mapping[str, DeclineClass]] = {
    **dict.fromkeys(_HARD.split(), "hard"),
    **dict.fromkeys(_SOFT.split(), "soft"),
}
"""Decline codes of cards, and the error codes that come in their place where the issuer gave none."""

_ADVICE: Final[Mapping[str, DeclineClass]] = {"do_not_try_again": "hard", "try_again_later": "soft"}


ASKED_NOBODY: Final = frozenset({"card_decline_rate_limit_exceeded", "payment_intent_authentication_failure"})
"""Codes of declines that are Stripe's own: the first when a card was declined too often, the second when its holder did
not confirm the payment. No issuer was asked, so that no scheme counts them."""


def decline_class(code: str, advice_code: str | None) -> DeclineClass:
    """Whether it is worth anything to try again, later or elsewhere."""
    return _ADVICE.get(advice_code or "") or CLASSES.get(code, "soft")
