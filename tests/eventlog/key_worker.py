"""A process that uses a key store: `python -m tests.eventlog.key_worker DIRECTORY rotate|use SEED`.

`rotate` rotates once and says so. `use` seals for new subjects and opens what it sealed, until its standard input ends,
then prints how many times; a single failure ends it with a traceback.
"""

from __future__ import annotations

import random
import select
import sys
from pathlib import Path
from uuid import UUID

from domain.sealed import Place, Sealed
from eventlog.sealing.seals import KeyedSeals
from tests.contracts.key_stores import sqlite_store

PLACE = Place(1, UUID(int=9), 2, "name")
KEPT = 200


def main(directory: str, work: str, seed: int) -> None:
    """Do the work on the store of the directory."""
    store = sqlite_store(Path(directory))
    say("ready")
    say(store.rotate() if work == "rotate" else used(KeyedSeals(store), random.Random(seed)))
    store.close()


def say(what: object) -> None:
    """Tell the test."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def used(seals: KeyedSeals, rng: random.Random) -> int:
    """How many fields were sealed, opened, and right."""
    sealed: dict[str, Sealed] = {}
    count = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        subject = str(UUID(int=rng.getrandbits(128)))
        sealed[subject] = seals.seal(subject, PLACE, f"text of {subject}")
        for one in rng.sample(sorted(sealed), min(5, len(sealed))):
            assert seals.open(sealed[one], PLACE) == f"text of {one}"
            count += 1
        if len(sealed) > KEPT:
            sealed.pop(rng.choice(sorted(sealed)))
    return count


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
