"""How requests name a wallet: by its id, or by its address of the chart and a currency."""

from __future__ import annotations

from uuid import UUID

from api.body import refuse_unsafe_text
from api.headers import uuid_text
from api.problem import unprocessable
from domain.chart import ADDRESS_LENGTH_MAX, UnknownAccount, account_kind
from domain.ids import wallet_stream_id
from domain.money import check_currency


def wallet_id_of(book: int, text: str, currency: str | None, field: str) -> UUID:
    """The id of the wallet that `text` names in this book; whether it exists is not looked at.

    An id is taken as it is: what it names may belong to another book, so the reader must check that. Raises
    `ProblemError` 422 for an address without a currency or outside the chart, `UnknownCurrency` for a currency that
    does not exist.
    """
    refuse_unsafe_text(field, text)
    if uuid_text(text) is not None:
        return UUID(text)
    if not text or len(text) > ADDRESS_LENGTH_MAX:
        raise unprocessable(field, f"must be a wallet id or an address of 1 to {ADDRESS_LENGTH_MAX} characters")
    if currency is None:
        raise unprocessable("currency", "an address alone names no wallet: give its currency, or the wallet id")
    try:
        account_kind(text)
    except UnknownAccount as unknown:
        raise unprocessable(field, unknown.message, code=unknown.code) from None
    return wallet_stream_id(book, text, check_currency(currency))
