"""The orders of a simulation: those of two files, or as many as are wanted made up from a seed."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from typing import Any

from daybook.simulation.wishes import Wish, wish
from payments.commands import CreateOrder
from payments.order_files import OrderFiles

SELLERS = 40


class Sale:
    """An order with the wish of its people."""

    def __init__(self, seed: int, fields: dict[str, Any]) -> None:
        self.wish: Wish = wish(seed, fields["order_id"])
        self.command = CreateOrder.model_validate(fields | self.wish.asked)

    @property
    def order_id(self) -> str:
        """The order's id."""
        return self.command.order_id


def of_files(files: OrderFiles, orders: int, seed: int) -> Iterator[Sale]:
    """The first so many orders of the files, with their sellers and amounts. Bank orders are in euros, whatever the
    file says: that is all that SEPA knows."""
    for order in files.orders[:orders]:
        fields = order.model_dump(exclude={"recorded", "expires_at", "payer"})
        yield Sale(seed, fields)


def made_up(orders: int, seed: int, book: int) -> Iterator[Sale]:
    """Orders of one to three sellers, from small change to a month's pay."""
    dice = random.Random(seed)  # noqa: S311 - a seed is the point
    sellers = [str(uuid.UUID(int=dice.getrandbits(128))) for _ in range(SELLERS)]
    for _ in range(orders):
        parts = [
            {"seller_id": seller, "amount_minor": int(dice.lognormvariate(8.5, 1.1)) + 1}
            for seller in dice.sample(sellers, dice.choice([1, 1, 1, 2, 3]))
        ]
        yield Sale(
            seed,
            {
                "book": book,
                "order_id": str(uuid.UUID(int=dice.getrandbits(128))),
                "amount_minor": sum(int(part["amount_minor"]) for part in parts),  # type: ignore[call-overload]
                "currency": dice.choice(["EUR", "EUR", "USD", "JPY"]),
                "splits": parts,
            },
        )
