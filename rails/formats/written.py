"""What files of direct debits and of transfers have in common: parties, checks before writing, the schema after it."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import sepaxml
import xmlschema
from schwifty import BIC, IBAN

from rails.formats.identifiers import END_TO_END_ID
from rails.formats.sepa_text import LONGEST_NAME, sepa_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

CURRENCY: Final = "EUR"
GREATEST_MINOR: Final = 99_999_999_999
"""SEPA's own limit: 999,999,999.99 euros a payment."""
LONGEST_IDENTIFIER: Final = 35
_READING: Final = threading.Lock()


class FileNotWritable(ValueError):
    """A `field` that no bank would take. Nothing was written. Accounts are never told: errors end up in logs."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class AccountHolder:
    """Whose account it is, at one of the banks."""

    name: str
    iban: str
    bic: str | None = None


class NamedByUs:
    """Goes before one of sepaxml's writers and gives its file a name and a moment of ours: the writer's random ones
    would make every repetition another file. Batches are named like the file, with a letter after the first."""

    _xml: Any

    def __init__(self, message_id: str, created_at: datetime, config: dict[str, object], schema: str) -> None:
        self._message_id = message_id
        self._created_at = created_at
        super().__init__(config, schema=schema)  # type: ignore[call-arg]  # of the writer behind it

    def _create_header(self) -> None:
        super()._create_header()  # type: ignore[misc]
        header = self._xml.find("*/GrpHdr")
        header.find("MsgId").text = self._message_id
        header.find("CreDtTm").text = self._created_at.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _finalize_batch(self) -> None:
        super()._finalize_batch()  # type: ignore[misc]
        for batch, letter in zip(self._xml.findall("*/PmtInf"), ("", "B", "C", "D"), strict=False):
            batch.find("PmtInfId").text = f"{self._message_id}{letter}"


def checked_holder(holder: AccountHolder, field: str) -> AccountHolder:
    """The holder in SEPA's letters. Raises `FileNotWritable`."""
    name = sepa_text(holder.name, LONGEST_NAME)
    if not name:
        raise FileNotWritable(f"{field}.name", "is empty: give the name of the account's holder")
    iban = IBAN(holder.iban, allow_invalid=True)
    if not iban.is_valid:
        raise FileNotWritable(f"{field}.iban", "is no IBAN: its length, letters or check digits are wrong")
    if holder.bic is not None and not BIC(holder.bic, allow_invalid=True).is_valid:
        raise FileNotWritable(f"{field}.bic", "is no BIC: give 8 or 11 characters, or leave it out")
    return AccountHolder(name, str(iban), holder.bic)


def checked_amount(amount_minor: int) -> int:
    """Raises `FileNotWritable`."""
    if not 1 <= amount_minor <= GREATEST_MINOR:
        raise FileNotWritable("amount_minor", f"is {amount_minor}: SEPA takes 1 to {GREATEST_MINOR} cents")
    return amount_minor


def checked_identifier(identifier: str, field: str) -> str:
    """An identifier that comes back as it was sent. Raises `FileNotWritable`."""
    if not END_TO_END_ID.fullmatch(identifier) and sepa_text(identifier, LONGEST_IDENTIFIER) != identifier:
        raise FileNotWritable(field, f"must be 1 to {LONGEST_IDENTIFIER} of SEPA's letters, without // or / in front")
    if not identifier:
        raise FileNotWritable(field, "is empty")
    return identifier


def checked_once(identifiers: Iterable[str]) -> None:
    """Banks take two payments of one name for one that was sent twice. Raises `FileNotWritable`."""
    seen: set[str] = set()
    for identifier in identifiers:
        if identifier in seen:
            raise FileNotWritable("end_to_end_id", f"{identifier} is there twice")
        seen.add(identifier)


def checked_file(file: bytes, schema: str) -> bytes:
    """The file, once it is valid by its message's schema. Raises `FileNotWritable`.

    The writer could check it too, but would read the schema again for every file, which takes longer than all else.
    """
    # the schema builds parts of itself while it is used
    with _READING:
        error = next(_schema(schema).iter_errors(file.decode()), None)
    if error is not None:
        raise FileNotWritable("file", f"is not valid by {schema}.xsd at {error.path}: {error.reason}")
    return file


@cache
def _schema(name: str) -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(os.path.join(os.path.dirname(sepaxml.__file__), "schemas", f"{name}.xsd"))
