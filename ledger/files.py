"""Ledgers as files: what a line can say, and how lines are read, checked and written. Pure: no log, no engine.

A history is JSON lines, one thing each: a header, then wallets, postings in order, open holds, closed periods, and an
end that says how many lines there were. Opening balances are CSV. Everything is named as in the books: wallets by
address and currency, postings by `rule/key`.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from domain.card_numbers import find_card_number
from domain.chart import account_kind
from domain.errors import RuleViolation
from domain.lines import check_balanced
from domain.money import AMOUNT_MINOR_MAX, check_amount, check_currency
from ledger.mistakes import KEY_LENGTH_MAX, LINES_MAX, REFERENCE_LENGTH_MAX

FORMAT: Final = 1
MOVEMENT_RULES: Final = frozenset({"transfer", "posting", "reversal"})
"""Rules that an import asks for as they are; a posting of any other comes in as `posting` and remembers its own."""

NOT_IMPORTED: Final = frozenset(
    {"hold", "hold-void", "hold-expiry", "wallet-opening", "wallet-change", "metadata-change", "period-closing",
     "monitor-creation", "monitor-removal", "bulk"}
)  # fmt: skip
IMPORT_RULE, IMPORT_KEY, IMPORT_HOLD = "import.rule", "import.key", "import.hold"
NOTES_MAX: Final = 50 - 3
CSV_COLUMNS: Final = ("address", "currency", "amount_minor")

Address = Annotated[str, Meta(min_length=1, max_length=200)]
Key = Annotated[str, Meta(min_length=1, max_length=400)]
Signed = Annotated[int, Meta(ge=-AMOUNT_MINOR_MAX, le=AMOUNT_MINOR_MAX)]
Rule = Annotated[str, Meta(pattern="^[a-z][a-z0-9.-]{0,59}$")]
Note = Annotated[str, Meta(min_length=1, max_length=16_384)]
NoteName = Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,40}$")]
Notes = Annotated[dict[NoteName, Note], Meta(max_length=50)]
ManyNotes = dict[NoteName, Note]
NoteChanges = Annotated[dict[NoteName, Note | None], Meta(max_length=50)]
Reference = Annotated[str, Meta(min_length=1, max_length=REFERENCE_LENGTH_MAX)]
Moment = Annotated[datetime, Meta(tz=True)]

_UNSAFE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_PLACE = re.compile(r" - at `(?:key in `)?\$\.?([^`]*)`$")
_INDEX = re.compile(r"\[(\d+)\]")
_WHOLE = re.compile(r"-?[0-9]{1,16}", re.ASCII)


class FileRefused(Exception):
    """A line cannot be taken; the message names the file, the line and the field."""

    def __init__(self, file: str, line: int, field: str, message: str) -> None:
        super().__init__(f"{file}:{line}: {field}: {message}" if field else f"{file}:{line}: {message}")
        self.line = line
        self.field = field


class _Record(Struct, tag_field="type", frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One line of a history."""


class FileHeader(_Record, tag="daybook", frozen=True, kw_only=True):
    """The first line of an export: a file that begins with it must end with its end."""

    format: int


class FileEnd(_Record, tag="end", frozen=True, kw_only=True):
    """The last line of an export: how many lines stand between header and end."""

    records: int


class FileWallet(_Record, tag="wallet", frozen=True, kw_only=True):
    """A wallet as it is at the end of the history. Signed minor units (+ = debit); `kind` and numbers only inform."""

    address: Address
    currency: str
    kind: str | None = None
    overdraft_limit_minor: Annotated[int, Meta(ge=0, le=AMOUNT_MINOR_MAX)] | None = 0
    merchant_id: str | None = None
    metadata: ManyNotes = {}
    frozen: bool = False
    closed: bool = False
    posted_minor: int | None = None
    held_minor: int | None = None


class FileLine(Struct, frozen=True, forbid_unknown_fields=True):
    """One wallet's part of a movement; + is a debit."""

    address: Address
    currency: str
    amount_minor: Signed


Lines = Annotated[list[FileLine], Meta(min_length=2, max_length=LINES_MAX)]


class FilePosting(_Record, tag="posting", frozen=True, kw_only=True):
    """A posting. `reverts` and `hold` are `rule/key` of others; `notes` are later changes of metadata, in order;
    `state` only informs, it follows from the reversals."""

    key: Key
    lines: Lines
    rule: Rule = "posting"
    effective_at: Moment | None = None
    reference: Reference | None = None
    metadata: Notes = {}
    notes: list[NoteChanges] = []
    reverts: str | None = None
    hold: str | None = None
    state: str = "recorded"


class FileHold(_Record, tag="hold", frozen=True, kw_only=True):
    """A hold that is still open; `lines` are what it still reserves."""

    key: Key
    lines: Lines
    effective_at: Moment | None = None
    expires_at: Moment | None = None
    reference: Reference | None = None
    metadata: ManyNotes = {}


class FilePeriod(_Record, tag="period", frozen=True, kw_only=True):
    """The book is closed through this day (UTC)."""

    through: date


class OpeningBalance(Struct, frozen=True, kw_only=True):
    """A line of CSV: what an account begins with, in its natural sign, taken from `contra`."""

    address: str
    currency: str
    amount_minor: int
    effective_at: datetime | None
    contra: str


FileRecord = FileWallet | FilePosting | FileHold | FilePeriod
_Any = FileHeader | FileEnd | FileRecord
_decoder: msgspec.json.Decoder[_Any] = msgspec.json.Decoder(_Any)
_encoder = msgspec.json.Encoder(order="deterministic")


def written(record: FileHeader | FileEnd | FileRecord) -> bytes:
    """A record as a line."""
    return _encoder.encode(record) + b"\n"


def fitting_key(key: str) -> str:
    """A request's key for a key of a file, which may be longer than requests can have."""
    return key if len(key) <= KEY_LENGTH_MAX else hashlib.sha256(key.encode()).hexdigest()


def import_key(rule: str, key: str) -> str:
    """The key under which a posting of a rule that cannot be asked for comes in."""
    return fitting_key(f"import/{rule}/{key}")


def read_history(file: str, lines: Iterable[bytes]) -> Iterator[tuple[int, FileRecord]]:
    """Records of a file of JSON lines with their numbers, checked by themselves. Raises FileRefused at the first line
    that is wrong, or at the end when the file begins with a header and its end is missing."""
    header, ended, count, number = False, False, 0, 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if ended:
            raise FileRefused(file, number, "", "stands behind the end")
        record = _decoded(file, number, line)
        if isinstance(record, FileHeader):
            if count or header or record.format != FORMAT:
                raise FileRefused(file, number, "format", f"must be {FORMAT}, in the first line")
            header = True
        elif isinstance(record, FileEnd):
            if record.records != count:
                raise FileRefused(file, number, "records", f"says {record.records}, but there are {count}")
            ended = True
        else:
            count += 1
            yield number, record
    if header and not ended:
        raise FileRefused(file, number + 1, "", "the file is cut off: its end is missing")


def read_openings(file: str, lines: Iterable[str], contra: str) -> Iterator[tuple[int, OpeningBalance]]:
    """Opening balances of a CSV file with a header, checked by themselves. Raises FileRefused."""
    reader = csv.DictReader(lines, strict=True)
    names = reader.fieldnames or ()
    for name in CSV_COLUMNS:
        if name not in names:
            raise FileRefused(file, 1, name, "is no column of the header")
    try:
        for row in reader:
            yield reader.line_num, _opening(file, reader.line_num, row, contra)
    except csv.Error as wrong:
        raise FileRefused(file, reader.line_num, "", str(wrong)) from None


def _opening(file: str, number: int, row: dict[str, Any], contra: str) -> OpeningBalance:
    if None in row or None in row.values():
        raise FileRefused(file, number, "", "has another number of columns than the header")
    if not _WHOLE.fullmatch(row["amount_minor"]) or abs(int(row["amount_minor"])) > AMOUNT_MINOR_MAX:
        raise FileRefused(file, number, "amount_minor", "must be a whole number of minor units, such as -1250")
    moment = row.get("effective_at") or None
    try:
        effective_at = None if moment is None else msgspec.convert(moment, Moment)
    except msgspec.ValidationError:
        message = "must be an RFC 3339 time with an offset, such as 2026-01-31T12:00:00Z"
        raise FileRefused(file, number, "effective_at", message) from None
    if row["address"] == contra:
        raise FileRefused(file, number, "address", "is the contra account itself")
    for address in (row["address"], contra):
        _refused_by_rule(file, number, address, row["currency"], "")
    named = {name: row[name] for name in ("address", "currency")}
    return OpeningBalance(**named, amount_minor=int(row["amount_minor"]), effective_at=effective_at, contra=contra)


def _decoded(file: str, number: int, line: bytes) -> FileHeader | FileEnd | FileRecord:
    try:
        record = _decoder.decode(line)
    except msgspec.ValidationError as wrong:
        message, field = str(wrong), ""
        place = _PLACE.search(message)
        if place is not None:
            message = message[: place.start()]
            field = _INDEX.sub(r".\1", place.group(1).replace("[...]", ""))
        raise FileRefused(file, number, field, message) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise FileRefused(file, number, "", f"is no JSON: {wrong}") from None
    if isinstance(record, FileWallet):
        kind = _refused_by_rule(file, number, record.address, record.currency, "")
        if record.kind not in (None, kind):
            raise FileRefused(file, number, "kind", f"is {record.kind}, but {record.address} is of kind {kind}")
        _check_texts(file, number, record.metadata, None)
    elif isinstance(record, FilePosting | FileHold):
        _check_movement(file, number, record)
    return record


def _check_movement(file: str, number: int, record: FilePosting | FileHold) -> None:
    for place, line in enumerate(record.lines):
        _refused_by_rule(file, number, line.address, line.currency, f"lines.{place}.")
        try:
            check_amount(abs(line.amount_minor), f"lines.{place}.amount_minor")
        except RuleViolation as wrong:
            raise FileRefused(file, number, wrong.field or "lines", wrong.message) from None
    try:
        check_balanced(record.lines)
    except RuleViolation as wrong:
        raise FileRefused(file, number, "lines", wrong.message) from None
    if isinstance(record, FileHold):
        _check_texts(file, number, record.metadata, record.reference)
        return
    if record.rule in NOT_IMPORTED:
        raise FileRefused(file, number, "rule", f"{record.rule} moves no money")
    if (record.rule == "reversal") != (record.reverts is not None):
        raise FileRefused(file, number, "reverts", "belongs to the rule reversal, and is needed there")
    if record.rule == "transfer" and not _is_transfer(record):
        raise FileRefused(file, number, "lines", "of a transfer are two: a debit, then a credit of another wallet")
    if record.rule in MOVEMENT_RULES:  # what rails and others name in facts is theirs
        _check_texts(file, number, record.metadata, record.reference)
    elif len(record.metadata) > NOTES_MAX:
        raise FileRefused(file, number, "metadata", f"at most {NOTES_MAX} notes on a posting of rule {record.rule}")


def _is_transfer(record: FilePosting) -> bool:
    first, second = record.lines[0], record.lines[1]
    return len(record.lines) == 2 and first.amount_minor > 0 and first.address != second.address


def _refused_by_rule(file: str, number: int, address: str, currency: str, prefix: str) -> str:
    """The kind of an account of the chart in a currency that exists."""
    try:
        check_currency(currency, f"{prefix}currency")
        return account_kind(address)
    except RuleViolation as wrong:
        field = wrong.field if wrong.field and wrong.field.endswith("currency") else f"{prefix}address"
        raise FileRefused(file, number, field, wrong.message) from None


def _check_texts(file: str, number: int, notes: dict[str, str], reference: str | None) -> None:
    for field, text in (*((f"metadata.{name}", text) for name, text in notes.items()), ("reference", reference or "")):
        if _UNSAFE.search(text):
            raise FileRefused(file, number, field, "contains a control character or half a surrogate pair")
        if find_card_number(text):
            raise FileRefused(file, number, field, "looks like a card number; no card number may enter")
