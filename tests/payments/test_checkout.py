"""Checkout: what a key protects, what leaves no trace, and what may be given up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from domain.errors import RuleViolation
from domain.payment_rules import KeyReused
from payments.card_numbers import CardNumberRefused
from payments.checkout import BookNotOpen, Checkout, OrderNotFound
from payments.commands import CancelOrder, CreateOrder, OpenBook, RegisterMerchant
from payments.offered import PaymentTokenMissing, RailNotOffered
from tests.payments.shop import BOOK, SELLERS, TOKEN, Shop

PAID_AT = datetime(2020, 2, 3, tzinfo=UTC)


def test_the_same_key_and_body_is_the_same_order_and_writes_nothing(shop: Shop) -> None:
    command = shop.body()
    first, second = shop.checkout.create_order(command), shop.checkout.create_order(command)
    assert (first.replayed, second.replayed) == (False, True)
    assert first.order.id == second.order.id
    assert shop.topics() == ["opened", "created"]


def test_the_same_key_with_another_body_is_refused(shop: Shop) -> None:
    command = shop.body()
    shop.checkout.create_order(command)
    with pytest.raises(KeyReused):
        shop.checkout.create_order(command.model_copy(update={"amount_minor": 1}))


def test_fifty_concurrent_creates_of_one_key_make_one_order_and_fifty_answers(shop: Shop) -> None:
    command = shop.body()
    with ThreadPoolExecutor(50) as pool:
        placed = list(pool.map(lambda _: shop.checkout.create_order(command), range(50)))
    assert sum(not one.replayed for one in placed) == 1
    assert {one.order.amount_minor for one in placed} == {10_000}
    assert shop.topics() == ["opened", "created"]


def test_a_request_that_breaks_a_rule_leaves_its_key_free(shop: Shop) -> None:
    wrong = shop.body(splits=({"seller_id": SELLERS[0], "amount_minor": 9_999},))
    with pytest.raises(RuleViolation):
        shop.checkout.create_order(wrong)
    right = wrong.model_copy(update={"splits": ()})
    assert not shop.checkout.create_order(right).replayed


def test_recorded_payments_come_in_the_same_commit_and_zero_is_one_of_them(shop: Shop) -> None:
    recorded = (
        {"method": "credit_card", "amount_minor": 9_000, "effective_at": PAID_AT},
        {"method": "voucher", "amount_minor": 0, "effective_at": PAID_AT},
    )
    splits = tuple({"seller_id": seller, "amount_minor": 5_000} for seller in SELLERS)
    order = shop.checkout.create_order(shop.body(splits=splits, recorded=recorded, merchant_id=None)).order
    assert shop.topics()[1:] == ["created", "attempt-started", "captured", "attempt-started", "captured"]
    assert order.captured_minor == 9_000
    first, second = order.captures.values()
    assert [(share.gross_minor, share.commission_minor) for share in first.shares] == [(4_500, 450), (4_500, 450)]
    assert (second.amount_minor, first.effective_at) == (0, PAID_AT)


def test_an_order_without_attempts_is_cancelled_at_once_and_only_once(shop: Shop) -> None:
    command = shop.body()
    shop.checkout.create_order(command)
    cancel = CancelOrder(book=BOOK, order_id=command.order_id)
    assert shop.checkout.request_cancel(cancel).order.status == "cancelled"
    assert shop.checkout.request_cancel(cancel).replayed


def test_a_paid_order_is_not_cancelled(shop: Shop) -> None:
    recorded = ({"method": "boleto", "amount_minor": 10_000, "effective_at": PAID_AT},)
    command = shop.body(recorded=recorded)
    shop.checkout.create_order(command)
    with pytest.raises(RuleViolation):
        shop.checkout.request_cancel(CancelOrder(book=BOOK, order_id=command.order_id))


def test_what_is_not_there_is_named(shop: Shop) -> None:
    with pytest.raises(OrderNotFound):
        shop.checkout.order(BOOK, "00000000-0000-0000-0000-00000000dead")
    with pytest.raises(BookNotOpen):
        shop.checkout.create_order(shop.body(book=2))
    with pytest.raises(RailNotOffered):
        shop.checkout.create_order(shop.body(rail="pigeon", payment_token=TOKEN))


def test_a_rail_that_is_called_needs_a_token(rail_shop: Shop) -> None:
    with pytest.raises(PaymentTokenMissing):
        rail_shop.checkout.create_order(rail_shop.body(rail="simulated"))


def test_a_merchant_is_registered_once_and_not_under_another_reference(shop: Shop) -> None:
    command = RegisterMerchant(book=BOOK, merchant_id=SELLERS[0], reference="a")
    assert not shop.checkout.register_merchant(command).replayed
    assert shop.checkout.register_merchant(command).replayed
    with pytest.raises(KeyReused):
        shop.checkout.register_merchant(RegisterMerchant(book=BOOK, merchant_id=SELLERS[0], reference="b"))


def test_a_book_is_not_opened_again_on_other_terms(shop: Shop) -> None:
    assert shop.checkout.open_book(OpenBook(book=BOOK, name="test", commission_bps=1000))
    with pytest.raises(KeyReused):
        shop.checkout.open_book(OpenBook(book=BOOK, name="test", commission_bps=1))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_minor", 10.0),
        ("amount_minor", "10"),
        ("amount_minor", True),
        ("currency", "eur"),
        ("order_id", "not-a-uuid"),
        ("surprise", 1),
        ("reference", "with\nline"),
        ("expires_at", datetime(2030, 1, 1)),  # noqa: DTZ001 - a time without zone is what is refused
    ],
)
def test_input_of_the_wrong_shape_is_refused_by_field_without_quoting_it(shop: Shop, field: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        shop.body(**{field: value})
    assert field in str(refused.value)
    assert "input_value" not in str(refused.value)


@pytest.mark.parametrize("amount", [0, -1, 10**19])
def test_amounts_that_are_no_payment_are_refused(shop: Shop, amount: int) -> None:
    with pytest.raises(RuleViolation):
        shop.checkout.create_order(shop.body(amount_minor=amount))
    assert shop.topics() == ["opened"]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"reference": "4111 1111 1111 1111"}, "reference"),
        ({"metadata": {"note": "paid with 5500-0000-0000-0004"}}, "metadata.note"),
        ({"payment_token": "４１１１１１１１１１１１１１１１"}, "payment_token"),  # noqa: RUF001 - full-width digits are the point
    ],
)
def test_a_card_number_is_refused_by_field_and_never_quoted(shop: Shop, changes: dict[str, object], path: str) -> None:
    with pytest.raises(CardNumberRefused) as refused:
        shop.body(**changes)
    assert refused.value.field == path
    assert "1111" not in str(refused.value)
    assert "0004" not in str(refused.value)


def test_an_expiry_in_the_past_is_refused(shop: Shop) -> None:
    with pytest.raises(RuleViolation):
        shop.checkout.create_order(shop.body(expires_at=shop.clock.now() - timedelta(seconds=1)))


def test_two_spellings_of_one_body_are_the_same_request(shop: Shop) -> None:
    command = shop.body()
    shop.checkout.create_order(command)
    shouted = CreateOrder.model_validate(
        {"book": BOOK, "order_id": command.order_id.upper(), "amount_minor": 10_000, "currency": "EUR", "rail": None}
        | {"merchant_id": SELLERS[0].upper()}
    )
    assert shop.checkout.create_order(shouted).replayed


def test_an_order_that_names_no_expiry_gets_the_usual_one_and_its_repetition_is_still_the_same_request(
    shop: Shop,
) -> None:
    checkout = Checkout(shop.log, shop.clock, order_expiry=timedelta(hours=1))
    body = shop.body()
    first = checkout.create_order(body).order
    assert first.expires_at == shop.clock.now() + timedelta(hours=1)
    shop.clock.pass_(timedelta(minutes=5))
    again = checkout.create_order(body)
    assert again.replayed
    assert again.order.expires_at == first.expires_at
