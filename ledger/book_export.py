"""A book as the records of a file, read from its log; and the digest by which two books are compared."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec

from domain.lines import Line, reverted_after
from domain.metadata import merged
from domain.period import Period
from domain.posting import Posting
from domain.wallet import WalletAccount
from ledger.files import (
    IMPORT_HOLD,
    IMPORT_KEY,
    IMPORT_RULE,
    FileHold,
    FileLine,
    FilePeriod,
    FilePosting,
    FileRecord,
    FileWallet,
    import_key,
)

if TYPE_CHECKING:
    from eventlog.application import EventLog
    from eventlog.postgres import PostgresRecorder

PAGE: Final = 5_000
NUMBERS: Final = (WalletAccount.Posted.TOPIC, WalletAccount.Held.TOPIC)
WALLETS: Final = tuple(
    event.TOPIC
    for event in (
        WalletAccount.Opened, WalletAccount.Frozen, WalletAccount.Unfrozen, WalletAccount.Closed,
        WalletAccount.Reopened, WalletAccount.LimitChanged, WalletAccount.MetadataChanged,
    )
)  # fmt: skip
LATER: Final = tuple(
    event.TOPIC
    for event in (
        Posting.HoldPlaced, Posting.HoldCommitted, Posting.HoldVoided, Posting.HoldExpired, Posting.Reverted,
        Posting.MetadataChanged,
    )
)  # fmt: skip
_HOLD_COMMIT: Final = "hold-commit"


class _Numbers(msgspec.Struct):
    """What a wallet's event says about its numbers."""

    posted_after: int
    held_after: int


_numbers = msgspec.json.Decoder(_Numbers)


class BookExport:
    """Reads a book's log up to where it stood when this was made, twice: what became of things, then the things.

    Kept in memory are the wallets, the holds, and what was changed about postings later; not the postings.
    """

    def __init__(self, log: EventLog, recorder: PostgresRecorder, book: int) -> None:
        self._log, self._recorder, self._book = log, recorder, book
        self._end = recorder.max_notification_id() or 0
        self._wallets: dict[UUID, Any] = {}
        self._holds: dict[UUID, Any] = {}
        self._notes: dict[UUID, list[dict[str, str | None]]] = defaultdict(list)
        self._reversals: dict[UUID, list[list[Line]]] = defaultdict(list)
        self._reverted_names: dict[UUID, str] = {}
        self._look_ahead()

    def records(self) -> Iterator[FileRecord]:
        """Wallets in the order of their opening, postings in the order of the log, open holds, closed periods."""
        for wallet in self._wallets.values():
            yield _wallet_record(wallet)
        for _, event in self._events((Posting.Recorded.TOPIC,)):
            if event.lines:
                yield self._posting_record(event)
        for hold in self._holds.values():
            if any(hold.remaining):
                yield self._hold_record(hold)
        for _, event in self._events((Period.Closed.TOPIC,)):
            yield FilePeriod(through=event.through)

    def _events(self, topics: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
        for row in self._rows(topics):
            yield row, self._log.log_mapper.decode(row)

    def _rows(self, topics: tuple[str, ...]) -> Iterator[Any]:
        after = 0
        while True:
            rows = self._recorder.read(after, PAGE, topics=sorted(topics), books=[self._book])
            for row in rows:
                if row.position > self._end:
                    return
                yield row
            if not rows:
                return
            after = rows[-1].position

    def _look_ahead(self) -> None:
        """What became of wallets, holds and postings by the end."""
        for row in self._rows((*WALLETS, *NUMBERS)):
            if row.topic in NUMBERS:
                numbers = _numbers.decode(row.state)
                head = self._wallets[row.stream_id].head
                head.posted, head.held = numbers.posted_after, numbers.held_after
            else:
                event: Any = self._log.log_mapper.decode(row)
                self._wallets[row.stream_id] = _applied(event, self._wallets.get(row.stream_id))
        for row, event in self._events(LATER):
            if isinstance(event, Posting.HoldPlaced) or row.stream_id in self._holds:
                self._holds[row.stream_id] = _applied(event, self._holds.get(row.stream_id))
            elif isinstance(event, Posting.Reverted):
                self._reversals[row.stream_id].append(event.lines)
                self._reverted_names[row.stream_id] = ""
            else:
                self._notes[row.stream_id].append(dict(event.changes))

    def _posting_record(self, event: Any) -> FilePosting:
        rule, key, metadata, hold = event.rule, _key(event.rule, event.reference), dict(event.metadata), None
        if rule == _HOLD_COMMIT:
            hold = self._hold_name(UUID(metadata.pop("hold_id")))
        own = metadata.get(IMPORT_RULE), metadata.get(IMPORT_KEY)
        if rule == "posting" and own[0] and own[1] and key == import_key(own[0], own[1]):
            rule, key = own[0], own[1]
            hold = metadata.pop(IMPORT_HOLD, None)
            del metadata[IMPORT_RULE], metadata[IMPORT_KEY]
        if event.originator_id in self._reverted_names:
            self._reverted_names[event.originator_id] = f"{rule}/{key}"
        return FilePosting(
            key=key,
            rule=rule,
            lines=_lines(event.lines),
            effective_at=event.effective_at,
            reference=event.external_reference,
            metadata=metadata,
            notes=self._notes.get(event.originator_id, []),
            reverts=None if event.reverts is None else self._reverted_names[event.reverts],
            hold=hold,
            state=self._state(event),
        )

    def _state(self, event: Any) -> str:
        reverted = [0] * len(event.lines)
        for lines in self._reversals.get(event.originator_id, ()):
            reverted = reverted_after(event.lines, reverted, lines)
        if not any(reverted):
            return "recorded"
        whole = all(line.amount_minor == taken for line, taken in zip(event.lines, reverted, strict=True))
        return "reverted" if whole else "partially_reverted"

    def _hold_name(self, hold_id: UUID) -> str:
        hold = self._holds[hold_id]
        return f"hold/{_key(hold.rule, hold.reference)}"

    def _hold_record(self, hold: Any) -> FileHold:
        left = zip(hold.lines, hold.remaining, strict=True)
        return FileHold(
            key=_key(hold.rule, hold.reference),
            lines=[FileLine(line.address, line.currency, amount) for line, amount in left if amount],
            effective_at=hold.effective_at,
            expires_at=hold.expires_at,
            reference=hold.external_reference,
            metadata=hold.metadata,
        )


class BookDigest:
    """A fingerprint of a book that does not depend on ids, positions or order: two books with the same wallets,
    postings, open holds and closed days have the same."""

    def __init__(self) -> None:
        self._hashes: list[bytes] = []
        self._closed_through: date | None = None
        self.wallets = self.postings = self.holds = 0

    def add(self, record: FileRecord) -> None:
        """Count a record in."""
        if isinstance(record, FilePeriod):
            self._closed_through = record.through
            return
        fields = {name: _plain(getattr(record, name)) for name in record.__struct_fields__}
        if isinstance(record, FilePosting):
            self.postings += 1
            metadata: dict[str, str] = record.metadata
            for changes in fields.pop("notes"):
                metadata = merged(metadata, changes)
            fields["metadata"] = metadata
        elif isinstance(record, FileWallet):
            self.wallets += 1
        else:
            self.holds += 1
        self._hashes.append(_hashed([type(record).__name__, fields]))

    def hexdigest(self) -> str:
        """The digest of what was counted in."""
        whole = hashlib.sha256(b"".join(sorted(self._hashes)))
        whole.update(_hashed(["closed", _plain(self._closed_through)]))
        return whole.hexdigest()


def _hashed(value: Any) -> bytes:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).digest()


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _applied(event: Any, aggregate: Any) -> Any:
    if aggregate is not None:
        aggregate.version = event.originator_version - 1  # events that only move numbers were left out
    return event.mutate(aggregate)


def _key(rule: str, reference: str) -> str:
    """A posting's key: what its reference says behind the rule, or all of it where the reference names a fact."""
    return reference.removeprefix(f"{rule}/")


def _lines(lines: list[Line]) -> list[FileLine]:
    return [FileLine(line.address, line.currency, line.amount_minor) for line in lines]


def _wallet_record(wallet: Any) -> FileWallet:
    head = wallet.head
    return FileWallet(
        address=wallet.address,
        currency=wallet.currency,
        kind=head.account_kind,
        overdraft_limit_minor=head.overdraft_limit_minor,
        merchant_id=wallet.merchant_id,
        metadata=wallet.metadata,
        frozen=head.frozen,
        closed=head.closed,
        posted_minor=head.posted,
        held_minor=head.held,
    )
