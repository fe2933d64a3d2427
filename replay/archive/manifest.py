"""The manifest of an archive: which files belong to it, what each must look like, and up to where the log is in it.

A file that the manifest does not name is no part of the archive. It is written last and replaced whole, so that an
export that ends anywhere leaves the archive that was there before.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import msgspec

from replay.archive.errors import ArchiveDamaged, ArchiveDiffers

if TYPE_CHECKING:
    from eventlog.follower import LogReader

FORMAT: Final = 1
# Spark and pyarrow take every file below a directory for data unless its name begins so.
NAME: Final = "_manifest.json"
PATTERN: Final = "day=*/from-*.parquet"
UNFINISHED: Final = "day=*/.from-*.parquet.part"

Count = Annotated[int, msgspec.Meta(ge=0)]
Some = Annotated[int, msgspec.Meta(ge=1)]


class ArchivedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: rows of one day (UTC) of `recorded_at`, in the order of the log, between two positions."""

    path: Annotated[str, msgspec.Meta(pattern=r"^day=\d{4}-\d\d-\d\d/from-\d{19}\.parquet$")]
    first: Some
    last: Some
    rows: Some
    bytes: Some
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class LastEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last row of the archive, by which the log that it was taken from is known again."""

    position: Some
    stream_id: UUID
    version: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An archive holds every event with `after < position <= through`, of `book` or of all; files by first position."""

    format: int = FORMAT
    book: int | None = None
    after: Count = 0
    through: Count = 0
    last_event: LastEvent | None = None
    files: tuple[ArchivedFile, ...] = ()


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The manifest's file: what it says, and the sha256 of that."""

    manifest: Manifest
    sha256: str


def file_name(day: date, first: int) -> str:
    """The file of a day whose first row has this position; no position is in two files, so no name comes twice."""
    return f"day={day.isoformat()}/from-{first:019d}.parquet"


def first_of(path: Path) -> int:
    """The first position of a file of that name; zero, which no event has, where the name is not one of ours."""
    digits = path.name.removeprefix("from-").removesuffix(".parquet")
    return int(digits) if digits.isdecimal() else 0


def has_data(directory: Path) -> bool:
    """Whether there are Parquet files of an archive, with or without a manifest."""
    return next(directory.glob(PATTERN), None) is not None


def load(directory: Path) -> Manifest:
    """The manifest of the archive in `directory`. Raises ArchiveDamaged when there is none or it was changed."""
    path = directory / NAME
    try:
        text = path.read_bytes()
    except OSError as problem:
        raise ArchiveDamaged(path, f"cannot be read ({problem.strerror})") from None
    try:
        document = msgspec.json.decode(text, type=_Document)
    except (msgspec.MsgspecError, UnicodeError) as problem:
        raise ArchiveDamaged(path, f"is no manifest ({problem})") from None
    if document.sha256 != _sha256(document.manifest):
        raise ArchiveDamaged(path, "does not have the sha256 that it names")
    if document.manifest.format != FORMAT:
        message = f"{path} has format {document.manifest.format}; this program reads format {FORMAT}: take a newer one"
        raise ArchiveDiffers(message)
    return document.manifest


def save(directory: Path, manifest: Manifest) -> None:
    """Replace the manifest, durably. Raises OSError, and the old manifest stands then."""
    document = msgspec.json.encode(_Document(manifest, _sha256(manifest)))
    unfinished = directory / f".{NAME}.part"
    try:
        with unfinished.open("wb") as out:
            out.write(msgspec.json.format(document, indent=1) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(directory / NAME)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_directory(directory)


def sync_directory(directory: Path) -> None:
    """Make names in a directory durable."""
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def strangers(directory: Path, manifest: Manifest) -> Iterator[Path]:
    """Finished files that the manifest does not name: an export was ended between them and its manifest."""
    named = {file.path for file in manifest.files}
    for path in directory.glob(PATTERN):
        if path.relative_to(directory).as_posix() not in named:
            yield path


def check_same_log(manifest: Manifest, log: LogReader, place: Path) -> None:
    """Raise ArchiveDiffers unless the archive's last event stands in `log` where the archive says."""
    last = manifest.last_event
    if last is None:
        return
    found = log.read(last.position - 1, 1, until=last.position)
    if [(row.position, row.stream_id, row.version) for row in found] != [(last.position, last.stream_id, last.version)]:
        message = (
            f"{place} holds event {last.position}, which this log does not have: it is the archive of another log, or "
            "of this one before an older copy was restored; export into an empty directory"
        )
        raise ArchiveDiffers(message)


def _sha256(manifest: Manifest) -> str:
    encoded: Any = msgspec.json.encode(manifest)
    return hashlib.sha256(encoded).hexdigest()
