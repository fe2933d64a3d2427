"""A build is known to be made by the code that is there, also when a fix has come beside that code."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from replay.builds import code_version

WRONG = '''"""A view."""

from projections.view import PlainRows

RATE = 10


class Fees(PlainRows):
    name, version, topics, key, columns = "fees", 1, (), ("book",), {"book": "int"}

    def keys(self, fact):
        return ()

    def fold(self, rows, fact):
        rows[(fact.book,)] = {"book": fact.book * RATE}


'''
FIX = """class RightFees(Fees):
    version = 2

    def fold(self, rows, fact):
        rows[(fact.book,)] = {"book": fact.book}


EARLIER = (Fees(),)
VIEW = RightFees()
"""


def load(directory: Path, text: str) -> Any:
    """The module of that text, as a new process would see it."""
    name = f"view_of_{len(list(directory.iterdir()))}"
    (directory / f"{name}.py").write_text(text, encoding="utf-8")
    importlib.invalidate_caches()
    return importlib.import_module(name)


def test_a_fix_beside_the_code_of_a_build_changes_only_what_the_fix_is_made_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    wrong = load(tmp_path, f"{WRONG}VIEW = Fees()\n")
    fixed = load(tmp_path, WRONG + FIX)
    described = load(tmp_path, (WRONG + FIX).replace('"""A view."""', '"""A view, and how it was."""'))
    another_rate = load(tmp_path, (WRONG + FIX).replace("RATE = 10", "RATE = 11"))
    assert code_version(wrong.VIEW) == code_version(fixed.EARLIER[0]) == code_version(described.EARLIER[0])
    assert code_version(fixed.VIEW) == code_version(described.VIEW) != code_version(fixed.EARLIER[0])
    assert code_version(another_rate.EARLIER[0]) != code_version(wrong.VIEW)
    assert code_version(another_rate.VIEW) != code_version(fixed.VIEW)
    for name in set(sys.modules) - before:
        del sys.modules[name]
