"""How often a process of ours looks for reference cycles."""

from __future__ import annotations

import gc

NEW_OBJECTS = 50_000


def calm_garbage_collection() -> None:
    """Look for cycles rarely, and not among what was imported; call it once, when a process has its code.

    Most garbage here has no cycles and goes by itself. The default looks after each 700 new objects, which cost a fifth
    of the posting engine's time.
    """
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 20, 100)
