"""Writes a golden file for each event version without one, by `python -m tests.domain.golden_files`; rewrites none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from tests.domain.builders import one_of_each

GOLDEN = Path(__file__).parent / "golden"
ORIGINATOR_FIELDS = ("originator_id", "originator_version", "originator_topic")


def plain_state(event: Any) -> dict[str, Any]:
    """An event as the log's plain JSON state, without the fields that the row itself carries."""
    state: dict[str, Any] = msgspec.to_builtins(event)
    return {name: value for name, value in state.items() if name not in ORIGINATOR_FIELDS}


def main() -> None:
    """Write the missing files."""
    for topic, event in one_of_each().items():
        path = GOLDEN / f"{topic}.json"
        if not path.exists():
            path.write_text(json.dumps(plain_state(event), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
