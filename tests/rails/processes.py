"""Programs of others that run beside a test for as long as a block does, and say on their output where they listen."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PATIENCE_S = 10


@contextmanager
def listening(
    command: Sequence[str], says: str, *, errors: int = subprocess.STDOUT, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The address of a program once it listens; `says` is the pattern of its line about that, with the port as group.
    `errors` is where its standard error goes."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment, text=True) as process:
        try:
            yield f"http://127.0.0.1:{_port(process, says)}"
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _port(process: subprocess.Popen[str], says: str) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(says, line)
        if found:
            return int(found.group(1))
    raise AssertionError(f"{process.args!r} ended with status {process.wait()} before it listened")
