"""Reader of camt.052, camt.053 and camt.054 (ISO 20022 account report, statement and notification), versions 02 to 13.

A statement is read as a stream: its head, its entries one by one, its end with what does not add up. Whatever cannot
be understood is an `InvalidDocument` that names the place, and never an entry left out. Figures that can be understood
and disagree are no reason to refuse a file that a bank stands by: they are `Break`s of the statement's end, for
whoever reconciles.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, Final

from rails.formats import fields
from rails.formats.camt_entry import entry_of
from rails.formats.document import LIMITS, Element, InvalidDocument, one_line, read
from rails.formats.statement import Balance, Statement, StatementEnd, StatementHead
from rails.formats.sums import Sums

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rails.formats.document import Limits, Part
    from rails.formats.statement import Entry

NAMESPACE: Final = re.compile(r"camt\.(05[234])\.001\.(\d\d)")
BODIES: Final = {
    "BkToCstmrAcctRpt": ("052", "Rpt"),
    "BkToCstmrStmt": ("053", "Stmt"),
    "BkToCstmrDbtCdtNtfctn": ("054", "Ntfctn"),
}
OLDEST_VERSION: Final = 2
NEWEST_VERSION: Final = 13
UNKNOWN_VERSION: Final = "?"
PAGES: Final = ("StmtPgntn", "RptPgntn", "NtfctnPgntn")


def read_camt(source: BinaryIO, limits: Limits = LIMITS) -> Iterator[StatementHead | Entry | StatementEnd]:
    """Each statement's head, its entries in their order, its end; then the next statement's.

    `source` gives bytes. What was handed out before an error stands in a file that is not valid as a whole: a caller
    that books must read to the end first, or be able to take it back. Raises `InvalidDocument`.
    """
    statement: _Statement | None = None
    message: tuple[str, str, str] | None = None
    message_id = ""
    statements = 0
    for part in read(source, limits):
        if part.level == 1:
            message = _message(part, message, statements)
        elif message is None or part.level == 0:
            continue
        elif part.name == message[2] and part.level == 2:
            if part.kind == "opened":
                statements += 1
                statement = _Statement(part.place, (message[0], message[1], message_id))
            elif statement is not None:
                yield from statement.closed()
                statement = None
        elif part.element is not None and statement is not None:
            yield from statement.take(part.element)
        elif part.element is not None and part.name == "MsgId" and "/GrpHdr" in part.place:
            message_id = part.element.text
    if message is None:
        raise InvalidDocument("Document", f"has none of {', '.join(BODIES)}: it is no camt.052, camt.053 or camt.054")


def load_camt(source: BinaryIO, limits: Limits = LIMITS) -> tuple[Statement, ...]:
    """All statements of a file, held in memory; for files that are known to be small. Raises `InvalidDocument`."""
    statements: list[Statement] = []
    head: StatementHead | None = None
    entries: list[Entry] = []
    for told in read_camt(source, limits):
        if isinstance(told, StatementHead):
            head, entries = told, []
        elif isinstance(told, StatementEnd):
            if head is not None:
                statements.append(Statement(head, tuple(entries), told))
        else:
            entries.append(told)
    return tuple(statements)


def _message(part: Part, before: tuple[str, str, str] | None, statements: int) -> tuple[str, str, str] | None:
    """Message (camt.053), version and the name of its statements, from the body and the namespace it lies in."""
    if part.kind == "closed":
        if before is not None and not statements:
            raise InvalidDocument(part.place, f"has no {before[2]}: a message without one says nothing")
        return before
    if part.name not in BODIES:
        raise InvalidDocument(part.place, "is no account report, statement or notification")
    if before is not None:
        raise InvalidDocument(part.place, "is a second body in one document")
    number, name = BODIES[part.name]
    version = UNKNOWN_VERSION
    if part.namespace:
        found = NAMESPACE.search(part.namespace)
        if found is None or found[1] != number:
            raise InvalidDocument(part.place, f"is in the namespace {one_line(part.namespace)}: not camt.{number}")
        version = found[2]
        if not OLDEST_VERSION <= int(version) <= NEWEST_VERSION:
            known = f"{OLDEST_VERSION:02} to {NEWEST_VERSION}"
            raise InvalidDocument(part.place, f"is camt.{number}.001.{version}: versions {known} are known")
    return f"camt.{number}", version, name


class _Statement:
    """One statement while it is read: first what belongs to its head, then entries, of which only sums stay."""

    def __init__(self, place: str, message: tuple[str, str, str]) -> None:
        self._place = place
        self._message = message
        self._first: list[Element] = []
        self._head: StatementHead | None = None
        self._sums = Sums(place)
        self._entries = 0

    def take(self, element: Element) -> Iterator[StatementHead | Entry]:
        """A piece of the statement."""
        if element.name != "Ntry":
            if self._head is not None and element.name in ("Acct", "Bal", "Id", "TxsSummry"):
                raise InvalidDocument(f"{self._place}/{element.name}", "comes after the first Ntry")
            self._first.append(element)
            return
        if self._head is None:
            yield self._begun()
        self._entries += 1
        try:
            entry = entry_of(element, self._entries)
        except InvalidDocument as error:
            inner = error.place.removeprefix("Ntry").removeprefix("/")
            raise InvalidDocument(f"{self._place}/Ntry[{self._entries}]/{inner}", error.problem) from None
        self._sums.add(entry)
        yield entry

    def closed(self) -> Iterator[StatementHead | StatementEnd]:
        """The statement is whole."""
        head = self._head
        if head is None:
            head = self._begun()
            yield head
        yield self._sums.end(head)

    def _begun(self) -> StatementHead:
        top = Element("", {}, self._first[0].line if self._first else 0)
        top.children = self._first
        try:
            head = _head(top, self._message)
            self._sums.announced(top.child("TxsSummry"))
        except InvalidDocument as error:
            raise InvalidDocument(f"{self._place}/{error.place.removeprefix('/')}", error.problem) from None
        self._head = head
        self._first = []
        return head


def _head(top: Element, message: tuple[str, str, str]) -> StatementHead:
    account = fields.account(top.child("Acct"))
    if account is None:
        raise top.wrong("has neither IBAN nor other number", "Acct", "Id")
    period = _period(top)
    pages = next((found for name in PAGES if (found := top.child(name))), None)
    return StatementHead(
        message=message[0],
        version=message[1],
        message_id=message[2],
        statement_id=top.need("Id"),
        number=top.told("ElctrncSeqNb"),
        legal_number=top.told("LglSeqNb"),
        page=pages.told("PgNb") if pages is not None else None,
        last_page=pages is None or fields.flag(pages, "LastPgInd") is not False,
        created_at=fields.moment(top, "CreDtTm"),
        period_from=period[0],
        period_to=period[1],
        duplicate=top.told("CpyDplctInd"),
        account=account,
        balances=tuple(_balance(element) for element in top.every("Bal")),
    )


def _period(top: Element) -> tuple[datetime | None, datetime | None]:
    return fields.moment(top, "FrToDt", "FrDtTm"), fields.moment(top, "FrToDt", "ToDtTm")


def _balance(element: Element) -> Balance:
    kind = element.told("Tp", "CdOrPrtry", "Cd") or element.need("Tp", "CdOrPrtry", "Prtry")
    on = fields.day(element, "Dt")
    if on is None:
        raise element.wrong("is missing or empty", "Dt")
    return Balance(kind, fields.amount(element, fields.direction(element, "CdtDbtInd"), "Amt"), on)
