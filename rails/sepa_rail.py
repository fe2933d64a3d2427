"""The bank rail: euros by a transfer that the payer makes with a reference, or collected by direct debit.

A transfer is asked for and nothing is sent: the payer is told where to pay, and a booking tells that it was done. A
direct debit is one pain.008 with one collection; the bank's pain.002 says that it was taken or why not, and the money
is there when it is booked, some days later. Money can go back for eight weeks after that, thirteen months without a
mandate: such returns arrive as facts (`rails/bookings.py`), never as an answer of this adapter.

Everything is named after the attempt's key (`rails/formats/identifiers.py`), and a file is a function of the request
and of the window between two cut-offs that it is made in. So the same attempt sent again is the same file to the byte,
which the bank answers as before; sent again in another window it is refused as a duplicate, which is `Unknown` and
resolved by asking.
"""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, NoReturn

from domain.money import Money
from rails.bookings import BookedIn, bookings, told_of
from rails.facts import FactsPage
from rails.formats.camt import read_camt
from rails.formats.direct_debit import Creditor, DirectDebit, DirectDebitFile, write_direct_debits
from rails.formats.document import InvalidDocument
from rails.formats.identifiers import creditor_reference, end_to_end_id, grouped
from rails.formats.pain002 import read_pain002
from rails.formats.target_days import collection_date, window
from rails.formats.written import AccountHolder, FileNotWritable
from rails.port import (
    ActionRequired,
    Capabilities,
    CapabilityNotDeclared,
    Captured,
    Declined,
    NotFound,
    NotSent,
    Pending,
    Unknown,
)
from rails.sepa import NAME, TAKES
from rails.sepa_bank import BookingsPage
from rails.sepa_reasons import DUPLICATES, decline_class

if TYPE_CHECKING:
    from collections.abc import Callable

    from rails.bookings import Booking
    from rails.port import (
        AuthoriseReply,
        AuthoriseRequest,
        CaptureReply,
        CaptureRequest,
        InquiryReply,
        InquiryRequest,
        VoidReply,
        VoidRequest,
    )
    from rails.sepa_bank import BankApi, DebitState

CURRENCY: Final = "EUR"
TAKEN: Final = frozenset({"RCVD", "PDNG", "ACTC", "ACCP", "ACFC", "ACSP", "ACWC", "ACWP", "ACSC", "ACCC", "PATC"})
"""Statuses of pain.002 that mean the bank has the payment and goes on with it. Only a booking means money."""
REFUSED: Final = frozenset({"RJCT", "CANC"})
WITHOUT_REASON: Final = "NARR"
TRANSFER_TIME: Final = timedelta(days=14)
"""How long a payer has for a transfer; one that comes later is booked all the same."""
MOST_PAGES: Final = 400
"""Of bookings that one inquiry looks through: 200,000 at the usual size."""


class SepaRail:
    """One creditor at one bank. `clock` tells the present; it decides on which day a debit is collected."""

    name: Final = NAME
    capabilities: Final = Capabilities(
        authorise=True,
        capture=False,
        partial_capture=False,
        multiple_capture=False,
        void=False,
        inquiry=True,
        idempotency_keys=True,
        calls=True,
        action=True,
        pending=True,
        facts=True,
        methods=TAKES.methods,
        currencies=TAKES.currencies,
    )

    def __init__(
        self, bank: BankApi, creditor: Creditor, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._bank = bank
        self._creditor = creditor
        self._clock = clock

    def close(self) -> None:
        """Closes the channel to the bank."""
        self._bank.close()

    def authorise(self, request: AuthoriseRequest) -> AuthoriseReply:
        """Tells the payer where to pay, without asking anybody; or sends one file."""
        if request.method not in self.capabilities.methods:
            raise CapabilityNotDeclared(NAME, request.method, "pay by bank_transfer or direct_debit")
        if request.currency != CURRENCY:
            raise CapabilityNotDeclared(NAME, request.currency, f"SEPA pays in {CURRENCY}")
        if request.method == "bank_transfer":
            return self._transfer_asked_for(request)
        return self._collect(request)

    def capture(self, request: CaptureRequest) -> CaptureReply:
        """Not declared: a transfer or debit takes all of its amount."""
        self._refuse("capture", "a bank payment is captured when it is booked")

    def void(self, request: VoidRequest) -> VoidReply:
        """Not declared: what was sent cannot be called back, money that came is paid back."""
        self._refuse("void", "let the payer's time pass, or pay the money back once it is booked")

    def inquire(self, request: InquiryRequest) -> InquiryReply:
        """Asks for the direct debit of that key, and looks for a transfer with its reference among the bookings.

        Where only the key is given and the bank knows neither, that is `NotFound`; a reference that was given to a
        payer is `ActionRequired` until its money comes, because the bank need not know of it. Bookings are looked
        through for a transfer only, or where the method is not known: there may be many.
        """
        if request.capture_key is not None:
            return NotFound(request.capture_key)
        if request.method == "bank_transfer" and request.rail_reference is None:
            return NotFound(request.attempt_key)  # nobody was told yet where to pay
        if request.method == "direct_debit":
            return self._told_of_debit(end_to_end_id(request.attempt_key)) or NotFound(request.attempt_key)
        reference = creditor_reference(request.attempt_key)
        is_transfer = request.rail_reference == reference
        if not is_transfer:
            debit = self._told_of_debit(end_to_end_id(request.attempt_key))
            if debit is not None or request.rail_reference is not None:
                return debit or NotFound(request.attempt_key)
        booked = self._booked(reference)
        if booked is not None:
            return booked
        return ActionRequired(reference, None, None) if is_transfer else NotFound(request.attempt_key)

    def facts(self, after: int) -> FactsPage | NotSent | Unknown:
        """The next bookings on the creditor's account after a number, 0 for the first, as facts about payments."""
        page = self.bookings(after)
        if not isinstance(page, tuple):
            return page
        booked, next_after = page
        return FactsPage(tuple(told_of(fact) for fact in booked), next_after)

    def bookings(self, after: int) -> tuple[tuple[Booking, ...], int] | NotSent | Unknown:
        """The same with all that the bank said, and where to go on."""
        page = self._bank.bookings(self._creditor.account.iban, after)
        if not isinstance(page, BookingsPage):
            return page
        if page.document is None:
            return (), page.next_after
        try:
            return tuple(bookings(read_camt(io.BytesIO(page.document)))), page.next_after
        except InvalidDocument as error:
            return Unknown(f"the bank's bookings cannot be read: {error}")

    def _transfer_asked_for(self, request: AuthoriseRequest) -> ActionRequired:
        reference = creditor_reference(request.attempt_key)
        account = self._creditor.account
        # the same answer all day long: the end of a day is what people are told anyway
        until = datetime.combine((self._clock() + TRANSFER_TIME).date(), time.max, UTC).replace(microsecond=0)
        instructions = (
            ("beneficiary", account.name),
            ("iban", account.iban),
            *((("bic", account.bic),) if account.bic else ()),
            ("amount", str(Money(request.amount_minor, request.currency))),
            ("reference", grouped(reference)),
        )
        return ActionRequired(reference, None, until, instructions)

    def _collect(self, request: AuthoriseRequest) -> AuthoriseReply:
        now = self._clock()
        collected_on = collection_date(now)
        name = end_to_end_id(request.attempt_key)
        debit = _debit(request, name)
        if isinstance(debit, Declined):
            return debit
        file = DirectDebitFile(name, window(now), self._creditor, collected_on, (debit,))
        try:
            content = write_direct_debits(file)
        except FileNotWritable as error:
            return Declined(f"{error.field}_invalid", "hard")
        reply = self._bank.submit(content)
        return _decided(reply, name, collected_on) if isinstance(reply, bytes) else reply

    def _told_of_debit(self, name: str) -> InquiryReply | None:
        told = self._bank.debits(name)
        if not isinstance(told, tuple):
            return told
        debits = [debit for debit in told if debit.end_to_end_id == name]
        if not debits:
            return None
        # one that was rejected as a duplicate lies beside the one that is on its way
        alive = [debit for debit in debits if debit.status != "rejected"]
        return _told((alive or debits)[-1])

    def _booked(self, reference: str) -> Captured | NotSent | Unknown | None:
        after = amount_minor = 0
        for _ in range(MOST_PAGES):
            page = self.bookings(after)
            if not isinstance(page, tuple):
                return page
            booked, next_after = page
            amount_minor += sum(
                fact.amount_minor
                for fact in booked
                if isinstance(fact, BookedIn) and (fact.reference, fact.currency) == (reference, CURRENCY)
            )
            if next_after <= after:
                return Captured(reference, amount_minor, 0) if amount_minor else None
            after = next_after
        return Unknown(f"there are more than {MOST_PAGES} pages of bookings: wait for the booking to be read")

    def _refuse(self, capability: str, remedy: str) -> NoReturn:
        raise CapabilityNotDeclared(NAME, capability, remedy)


def _debit(request: AuthoriseRequest, name: str) -> DirectDebit | Declined:
    payer = request.payer
    if payer is None or not payer.iban or not payer.name:
        return Declined("debtor_missing", "hard")
    if not payer.mandate_reference or not payer.mandate_signed_on:
        return Declined("mandate_missing", "hard")
    try:
        signed_on = date.fromisoformat(payer.mandate_signed_on)
    except ValueError:
        return Declined("mandate_signed_on_invalid", "hard")
    return DirectDebit(
        end_to_end_id=name,
        amount_minor=request.amount_minor,
        debtor=AccountHolder(payer.name, payer.iban),
        mandate_reference=payer.mandate_reference,
        mandate_signed_on=signed_on,
        remittance=request.order_id,
    )


def _decided(report: bytes, name: str, collected_on: date) -> AuthoriseReply:
    """What a status report says of our one debit. Whatever is not plainly taken or refused leaves it unknown."""
    try:
        read = read_pain002(io.BytesIO(report))
    except InvalidDocument as error:
        return Unknown(f"the bank's report cannot be read: {error}")
    if read.original_message_id != name:
        return Unknown("the bank's report is about another file")
    state = read.of(name, name)
    if state is None or state.status is None:
        return Unknown("the bank's report says nothing of the payment")
    if state.status in TAKEN:
        return Pending(name, _end_of(collected_on))
    if state.status in REFUSED:
        return _refused(state.code)
    return Unknown(f"the bank's report says {state.status}")


def _refused(code: str | None) -> Declined | Unknown:
    if code in DUPLICATES:
        return Unknown(f"the bank had it before ({code}): what became of that one must be asked")
    code = code or WITHOUT_REASON
    return Declined(code, decline_class(code))


def _told(debit: DebitState) -> InquiryReply:
    if debit.status == "rejected":
        return _refused(debit.reason)
    if debit.entry is not None:
        # also when it went back since: that is a booking of its own, and arrives as one
        return Captured(debit.end_to_end_id, debit.amount_minor, 0)
    if debit.status == "returned":
        return _refused(debit.reason)
    return Pending(debit.end_to_end_id, _end_of(debit.book_on) if debit.book_on else None)


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time.min, UTC)
