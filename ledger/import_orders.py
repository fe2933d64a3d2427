"""What a file's records ask of the engine: the same requests as anybody's, their keys following from the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from domain.chart import DEBIT_KINDS, account_kind
from domain.errors import RuleViolation
from domain.ids import stream_id, wallet_stream_id
from domain.lines import Line, reversal_lines, reverted_after
from ledger.decisions import order_posting_id
from ledger.files import (
    IMPORT_HOLD,
    IMPORT_KEY,
    IMPORT_RULE,
    MOVEMENT_RULES,
    FileHold,
    FileLine,
    FilePeriod,
    FilePosting,
    FileWallet,
    OpeningBalance,
    fitting_key,
    import_key,
)
from ledger.mistakes import METADATA_BYTES_MAX, METADATA_KEYS_MAX
from ledger.wire import (
    ChangeWallet,
    ClosePeriod,
    OpenWallet,
    PlaceHold,
    Post,
    PostLine,
    Revert,
    SetMetadata,
    Single,
    Transfer,
)


class RecordRefused(Exception):
    """A record contradicts what stands before it; `field` is the one that does."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass
class _Reverted:
    """A posting that a later line reverts: its lines, and what was taken back so far."""

    lines: list[Line]
    taken: list[int] = field(default_factory=list)


class ImportOrders:
    """Turns records into requests to one book. `reverted` are the names that any line of the file takes back.

    Wallets are opened without a limit and get theirs, with notes and state, in `last`, after all postings: history
    was within the limits of its own time.
    """

    def __init__(self, book: int, reverted: frozenset[str] = frozenset()) -> None:
        self._book = book
        self._wanted = reverted
        self._reverted: dict[str, _Reverted] = {}
        self._last: list[tuple[int, Single]] = []
        self._opened: set[tuple[str, str]] = set()

    def openings(self, record: object) -> list[Single]:
        """Requests that must come first, and may find that what they ask for is there."""
        if isinstance(record, FileWallet):
            return [self._open(record.address, record.currency, None, record.merchant_id)]
        if isinstance(record, OpeningBalance):
            wanted = [(record.address, 0 if record.address.startswith("wallet:") else None), (record.contra, None)]
            return [
                self._open(address, record.currency, limit, None)
                for address, limit in wanted
                if (address, record.currency) not in self._opened
            ]
        return []

    def requests(self, number: int, record: object) -> Iterator[Single]:
        """What a record asks for in its turn. Raises RecordRefused."""
        if isinstance(record, FileWallet):
            self._last += [(number, order) for order in self._state(record)]
        elif isinstance(record, OpeningBalance):
            if record.amount_minor:
                yield self._opening_balance(record)
        elif isinstance(record, FilePosting):
            order = self._posting(record)
            yield order
            posting_id = order_posting_id(order)
            for place, changes in enumerate(record.notes):
                key = fitting_key(f"import/notes/{record.rule}/{record.key}/{place}")
                yield SetMetadata(book=self._book, key=key, target="posting", target_id=posting_id, changes=changes)
        elif isinstance(record, FileHold):
            yield from self._hold(record)
        elif isinstance(record, FilePeriod):
            key = f"import/period/{record.through.isoformat()}"
            self._last.append((number, ClosePeriod(book=self._book, key=key, through=record.through)))

    def last(self) -> Sequence[tuple[int, Single]]:
        """What is asked at the end, with the lines that asked for it."""
        return self._last

    def _open(self, address: str, currency: str, limit: int | None, merchant_id: str | None) -> OpenWallet:
        self._opened.add((address, currency))
        return OpenWallet(
            book=self._book,
            key=fitting_key(f"import/wallet/{address}|{currency}/{limit}/{merchant_id}"),
            address=address,
            currency=currency,
            overdraft_limit_minor=limit,
            merchant_id=merchant_id,
        )

    def _state(self, record: FileWallet) -> Iterator[Single]:
        name, wallet_id = f"{record.address}|{record.currency}", self._wallet(record.address, record.currency)
        for place, notes in enumerate(_parts(record.metadata)):
            changes: dict[str, str | None] = {**notes}
            key = fitting_key(f"import/wallet-notes/{name}/{place}")
            yield SetMetadata(book=self._book, key=key, target="wallet", target_id=wallet_id, changes=changes)
        limit = record.overdraft_limit_minor
        if limit is not None:
            key = fitting_key(f"import/limit/{name}/{limit}")
            yield ChangeWallet(
                book=self._book, key=key, wallet_id=wallet_id, change="limit", overdraft_limit_minor=limit
            )
        if record.frozen:
            key = fitting_key(f"import/freeze/{name}")
            yield ChangeWallet(book=self._book, key=key, wallet_id=wallet_id, change="freeze", reason="imported")
        if record.closed:
            key = fitting_key(f"import/close/{name}")
            yield ChangeWallet(book=self._book, key=key, wallet_id=wallet_id, change="close", reason="imported")

    def _hold(self, record: FileHold) -> Iterator[Single]:
        first, *more = _parts(record.metadata) or [{}]
        order = PlaceHold(
            book=self._book,
            key=fitting_key(record.key),
            lines=self._lines(record.lines),
            expires_at=record.expires_at,
            effective_at=record.effective_at,
            metadata=first,
            reference=record.reference,
        )
        yield order
        for place, notes in enumerate(more):
            key, changes = fitting_key(f"import/notes/hold/{record.key}/{place}"), dict[str, str | None](notes)
            target_id = order_posting_id(order)
            yield SetMetadata(book=self._book, key=key, target="posting", target_id=target_id, changes=changes)

    def _opening_balance(self, record: OpeningBalance) -> Post:
        amount = record.amount_minor if account_kind(record.address) in DEBIT_KINDS else -record.amount_minor
        lines = [
            FileLine(record.address, record.currency, amount),
            FileLine(record.contra, record.currency, -amount),
        ]
        key = fitting_key(f"opening/{record.address}|{record.currency}")
        metadata = {"opening": "balance"}
        return Post(
            book=self._book, key=key, lines=self._lines(lines), effective_at=record.effective_at, metadata=metadata
        )

    def _posting(self, record: FilePosting) -> Transfer | Post | Revert:
        name = f"{record.rule}/{record.key}"
        if record.reverts is not None:
            order: Transfer | Post | Revert = self._reversal(record, record.reverts)
        elif record.rule == "transfer":
            order = self._transfer(record)
        else:
            order = self._post(record)
        if name in self._wanted:
            self._reverted[name] = _Reverted(self._domain_lines(record.lines), [0] * len(record.lines))
        return order

    def _transfer(self, record: FilePosting) -> Transfer:
        debit, credit = record.lines
        return Transfer(
            book=self._book,
            key=fitting_key(record.key),
            source=self._wallet(debit.address, debit.currency),
            destination=self._wallet(credit.address, credit.currency),
            amount_minor=debit.amount_minor,
            currency=debit.currency,
            effective_at=record.effective_at,
            metadata=record.metadata,
            reference=record.reference,
        )

    def _post(self, record: FilePosting) -> Post:
        key, metadata = fitting_key(record.key), dict(record.metadata)
        if record.rule not in MOVEMENT_RULES:
            key = import_key(record.rule, record.key)
            metadata |= {IMPORT_RULE: record.rule, IMPORT_KEY: record.key}
            if record.hold is not None:
                metadata[IMPORT_HOLD] = record.hold
        return Post(
            book=self._book,
            key=key,
            lines=self._lines(record.lines),
            effective_at=record.effective_at,
            metadata=metadata,
            reference=record.reference,
        )

    def _reversal(self, record: FilePosting, reverts: str) -> Revert:
        """A reversal's lines follow from what it reverts; those of the file must be the same."""
        original = self._reverted.get(reverts)
        if original is None:
            raise RecordRefused("reverts", f"{reverts} is no posting before this line")
        lines = self._domain_lines(record.lines)
        divisible = len(original.lines) == 2 and original.lines[0].currency == original.lines[1].currency
        amount = abs(lines[0].amount_minor) if divisible else None
        try:
            expected = reversal_lines(original.lines, original.taken, amount)
        except RuleViolation as violation:
            raise RecordRefused("lines", violation.message) from None
        if expected != lines:
            raise RecordRefused("lines", f"must be what is left of {reverts}, with the signs turned, in its order")
        original.taken = reverted_after(original.lines, original.taken, lines)
        return Revert(
            book=self._book,
            key=fitting_key(record.key),
            posting_id=self._posting_id(reverts),
            amount_minor=amount,
            effective_at=record.effective_at,
            metadata=record.metadata,
            reference=record.reference,
        )

    def _posting_id(self, name: str) -> UUID:
        rule, _, key = name.partition("/")
        reference = f"{rule}/{fitting_key(key)}" if rule in MOVEMENT_RULES else f"posting/{import_key(rule, key)}"
        return stream_id(self._book, "posting", reference)

    def _wallet(self, address: str, currency: str) -> UUID:
        return wallet_stream_id(self._book, address, currency)

    def _lines(self, lines: Sequence[FileLine]) -> tuple[PostLine, ...]:
        return tuple(
            PostLine(self._wallet(line.address, line.currency), line.currency, line.amount_minor) for line in lines
        )

    def _domain_lines(self, lines: Sequence[FileLine]) -> list[Line]:
        return [
            Line(self._wallet(line.address, line.currency), line.address, line.currency, line.amount_minor)
            for line in lines
        ]


def _parts(notes: Mapping[str, str]) -> list[dict[str, str]]:
    """Notes in parts that a request can carry: over time a thing may have got more than one request gives it."""
    parts: list[dict[str, str]] = []
    room = 0
    for name, text in notes.items():
        size = len(name.encode()) + len(text.encode())
        if not parts or size > room or len(parts[-1]) == METADATA_KEYS_MAX:
            parts.append({})
            room = METADATA_BYTES_MAX
        parts[-1][name] = text
        room -= size
    return parts
