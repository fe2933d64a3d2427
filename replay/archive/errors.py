"""What can be wrong with an archive; each message names the place and says what to do."""

from __future__ import annotations

from pathlib import Path


class ArchiveDamaged(Exception):
    """A file of an archive is missing, cut off or changed. Nothing of it was delivered."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path

    def __str__(self) -> str:
        path, problem = self.args
        return f"{path} {problem}: put it back from a copy of the archive, or export the log into an empty directory"


class ArchiveDiffers(Exception):
    """An archive cannot go on with what it was asked for: it is of another log or book, or would get a gap."""


class ArchiveBusy(Exception):
    """Another export writes into the same directory."""


class ArchiveNotWritten(Exception):
    """The disk took no more. The archive is as it was at its last manifest; whatever was begun is gone."""


class NotInArchive(Exception):
    """A reader asked for rows that the archive was never given, so that leaving them out would be a silent gap."""
