"""The use cases of checkout: what the API, the import and the console may do to orders, merchants and books.

Every use case is idempotent. The key of a creation *is* the id of what it creates, so the version conflict of the
stream decides races, for ever and without a table of keys: the loser reloads and answers as if it had come second. A
request that cannot even be understood (validation) leaves no trace and may be sent again with the same key.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError
from eventsourcing.persistence import IntegrityError

from domain.book import Book
from domain.errors import RuleViolation
from domain.ids import stream_id
from domain.merchant import Merchant
from domain.payment_order import PaymentOrder
from domain.payment_rules import KeyReused
from domain.ports import Clock
from domain.sealed import Seals
from domain.splitting import Split
from eventlog.application import EventLog
from eventlog.recorded import NO_META, Meta
from payments.commands import (
    CancelOrder,
    CaptureOrder,
    CreateOrder,
    OpenBook,
    RegisterMerchant,
    fingerprint,
)
from payments.offered import NOTHING_OFFERED, Offered
from payments.payers import NoKeys, Payers
from payments.recording import record_payments

TRIES = 5

Aggregated = TypeVar("Aggregated", Book, Merchant, PaymentOrder)
Answer = TypeVar("Answer")


class TooManyConflicts(Exception):
    """A stream changed under every one of five tries. Nothing was written; the same request may be sent again."""

    def __init__(self, stream: UUID) -> None:
        super().__init__(f"stream {stream} changes faster than this request could decide; send it again with its key")


class OrderNotFound(LookupError):
    """No payment order of that id in that book."""

    def __init__(self, order_id: str) -> None:
        super().__init__(f"order_id: there is no payment order {order_id} in this book")


class BookNotOpen(RuleViolation):
    """A book takes orders and merchants only once it is open."""

    code = "book_not_open"


class OrderPlaced(NamedTuple):
    """An order after a command. `position` is that of the last event written, None when nothing was (`replayed`)."""

    order: PaymentOrder
    replayed: bool
    position: int | None


class MerchantPlaced(NamedTuple):
    """A merchant after a command; see OrderPlaced."""

    merchant: Merchant
    replayed: bool
    position: int | None


class Checkout:
    """Thread-safe. `offered` are the rails that can be called; `clock` says when things happen; an order that names no
    moment itself expires after `order_expiry`, or, where that is None, never. Without `seals` no order may name its
    payer."""

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        offered: Offered = NOTHING_OFFERED,
        order_expiry: timedelta | None = None,
        seals: Seals | None = None,
    ) -> None:
        self.payers = Payers(seals or NoKeys())
        self._order_expiry = order_expiry
        self._log = log
        self._clock = clock
        self._offered = offered
        self._commissions: dict[int, int] = {}

    def open_book(self, command: OpenBook, meta: Meta = NO_META) -> bool:
        """Open a book; True when it was open already. Raises KeyReused when it is open with other terms."""

        def replay(book: Book) -> bool:
            if (book.name, book.commission_bps) != (command.name, command.commission_bps):
                raise KeyReused(f"book {command.book} is open with another name or commission", "book")
            return True

        def create() -> bool:
            book = Book.open(
                book=command.book, name=command.name, commission_bps=command.commission_bps, at=self._clock.now()
            )
            self._log.save(book, book=command.book, meta=meta)
            return False

        return self._once(stream_id(command.book, "book", str(command.book)), create, replay)

    def register_merchant(self, command: RegisterMerchant, meta: Meta = NO_META) -> MerchantPlaced:
        """Make a merchant known. Raises KeyReused when the id stands with another reference, BookNotOpen."""
        self.commission_bps(command.book)

        def replay(merchant: Merchant) -> MerchantPlaced:
            if merchant.reference != command.reference:
                raise KeyReused(f"merchant {command.merchant_id} is registered with another reference", "reference")
            return MerchantPlaced(merchant, True, None)

        def create() -> MerchantPlaced:
            merchant = Merchant.register(
                book=command.book,
                merchant_id=command.merchant_id,
                reference=command.reference,
                at=self._clock.now(),
            )
            return MerchantPlaced(merchant, False, self._save(merchant, command.book, meta))

        return self._once(stream_id(command.book, "merchant", command.merchant_id), create, replay)

    def create_order(self, command: CreateOrder, meta: Meta = NO_META) -> OrderPlaced:
        """Create an order, with its recorded payments in the same commit.

        Raises KeyReused when the id stands for another request, and the RuleViolations of orders, none of which uses
        the key up; for a payer also SubjectErased and KeysUnavailable.
        """
        print_of_body = fingerprint(command)

        def replay(order: PaymentOrder) -> OrderPlaced:
            if order.fingerprint != print_of_body or not self.payers.are_the_same(order, command):
                raise KeyReused("this key was used for another payment order; use a new key", "order_id")
            return OrderPlaced(order, True, None)

        def create() -> OrderPlaced:
            order = self._new_order(command, print_of_body)
            return OrderPlaced(order, False, self._save(order, command.book, meta))

        stream = stream_id(command.book, "payment-order", command.order_id)
        if command.payer is not None:  # a repeated request must neither make keys nor ask for one that was erased
            with suppress(AggregateNotFoundError):
                return replay(self._log.repository.get(stream))
        return self._once(stream, create, replay)

    def request_capture(self, command: CaptureOrder, meta: Meta = NO_META) -> OrderPlaced:
        """Ask for a capture; the payment process makes it at the rail. Idempotent by `capture_id`.

        Raises OrderNotFound, KeyReused, and the RuleViolation of the domain; the latter is decided anew when the same
        key comes again, so a capture refused for its amount may be sent again with another one only under a new key.
        """
        print_of_body = fingerprint(command)

        def decide(order: PaymentOrder) -> OrderPlaced:
            changed = order.request_capture(
                capture_id=command.capture_id,
                amount_minor=order.capturable_minor if command.amount_minor is None else command.amount_minor,
                final=command.final,
                fingerprint=print_of_body,
                at=self._clock.now(),
            )
            return OrderPlaced(order, not changed, self._save(order, command.book, meta))

        return self._change(command.book, command.order_id, decide)

    def request_cancel(self, command: CancelOrder, meta: Meta = NO_META) -> OrderPlaced:
        """Give an order up: it ends at once when nothing is held, else its hold is asked back from the rail.

        Naturally idempotent. Raises OrderNotFound and the domain's RuleViolation when money was taken already.
        """

        def decide(order: PaymentOrder) -> OrderPlaced:
            if order.held_minor > 0:
                order.request_void(reason=command.reason, at=self._clock.now())
            elif order.status != "cancelled":
                order.cancel(reason=command.reason, at=self._clock.now())
            position = self._save(order, command.book, meta)
            return OrderPlaced(order, position is None, position)

        return self._change(command.book, command.order_id, decide)

    def order(self, book: int, order_id: str, version: int | None = None) -> PaymentOrder:
        """The order as its own stream tells it, now or at a version of old, so that one reads one's own writes. Raises
        OrderNotFound."""
        key = stream_id(book, "payment-order", order_id)
        try:
            order: PaymentOrder = self._log.repository.get(key, version=version)
        except AggregateNotFoundError:
            raise OrderNotFound(order_id) from None
        return order

    def _new_order(self, command: CreateOrder, print_of_body: str) -> PaymentOrder:
        self._offered.check(command)
        now = self._clock.now()
        order = PaymentOrder.create(
            book=command.book,
            order_id=command.order_id,
            merchant_id=command.merchant_id,
            amount_minor=command.amount_minor,
            currency=command.currency,
            splits=[Split(split.seller_id, split.amount_minor) for split in command.splits],
            commission_bps=self.commission_bps(command.book),
            capture_mode=command.capture_mode,
            rail=command.rail,
            payment_token=command.payment_token,
            reference=command.reference,
            metadata=dict(command.metadata),
            fingerprint=print_of_body,
            expires_at=self._expiry(command, now),
            at=now,
        )
        order.choose_method(method=command.method, return_url=command.return_url, at=now)
        self.payers.give(order, command, now)
        record_payments(order, command.recorded, now)
        return order

    def _expiry(self, command: CreateOrder, now: datetime) -> datetime | None:
        """Worked out after the fingerprint, so that a request that is repeated later is still the same request."""
        if command.expires_at is not None or command.recorded or self._order_expiry is None:
            return command.expires_at
        return now + self._order_expiry

    def _save(self, aggregate: Aggregated, book: int, meta: Meta) -> int | None:
        recordings = self._log.save(aggregate, book=book, meta=meta)
        return recordings[-1].notification.id if recordings else None

    def commission_bps(self, book: int) -> int:
        """What the platform keeps of new orders, in basis points. A book keeps its terms, so they are read once.

        Raises BookNotOpen.
        """
        known = self._commissions.get(book)
        if known is None:
            try:
                opened: Book = self._log.repository.get(stream_id(book, "book", str(book)))
            except AggregateNotFoundError:
                raise BookNotOpen(f"book {book} is not open; open it first", "book") from None
            known = self._commissions[book] = opened.commission_bps
        return known

    def _once(self, stream: UUID, create: Callable[[], Answer], replay: Callable[[Aggregated], Answer]) -> Answer:
        """Create, or answer as if second. Trying first costs a newcomer nothing: the conflict is the lookup."""
        for _ in range(TRIES):
            try:
                return create()
            except IntegrityError:
                try:
                    found: Aggregated = self._log.repository.get(stream)
                except AggregateNotFoundError:
                    continue
                return replay(found)
        raise TooManyConflicts(stream)

    def _change(self, book: int, order_id: str, decide: Callable[[PaymentOrder], OrderPlaced]) -> OrderPlaced:
        """Decide on the order as it is; when it changed meanwhile, reload and decide again."""
        for _ in range(TRIES):
            order = self.order(book, order_id)
            try:
                return decide(order)
            except IntegrityError:
                continue
        raise TooManyConflicts(stream_id(book, "payment-order", order_id))
