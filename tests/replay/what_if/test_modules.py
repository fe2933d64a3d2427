"""Modules that cannot be asked with are refused by name, with what to do."""

from __future__ import annotations

import pytest

from projections.registry import UnknownView
from replay.what_if.changes import ModuleUnusable, changes_of
from tests.replay.history import History
from tests.replay.what_if.asking import Asking, Writing


@pytest.mark.parametrize(
    ("text", "view", "problem"),
    [
        (None, None, "cannot be imported: No module named 'unusable'; is it in a folder of PYTHONPATH"),
        ("import nowhere_at_all\n", None, "No module named 'nowhere_at_all'"),
        ("VIEW = \n", None, "invalid syntax"),
        ("", None, "changes nothing: it should define VIEW"),
        ("from domain.posting_rules import posting_for\n", None, "changes nothing"),
        ('FEES = {"*": 1}\ndef commission_bps(event, book): return 1\n', None, "keep one of them"),
        ("FEES = {5: 1}\n", None, "basis points by name"),
        ('FEES = {"*": "1"}\n', None, "a whole number of basis points, not '1'"),
        ('FEES = {"*": True}\n', None, "a whole number of basis points, not True"),
        ('FEES = {"*": 1.0}\n', None, "a whole number of basis points, not 1.0"),
        ('FEES = {"*": 10001}\n', None, "must be 0 to 10000"),
        ('FEES = {"*": 1}\n', "balances", "has no view 'balances'; its views: none"),
        ("from projections.balances import VIEW\nVIEWS = [VIEW]\n", None, "brings a view twice"),
    ],
)
def test_a_module_that_cannot_be_asked_with_is_refused_by_name(
    written: Writing, text: str | None, view: str | None, problem: str
) -> None:
    if text is not None:
        written("unusable", text)
    with pytest.raises(ModuleUnusable, match=problem):
        changes_of("unusable", view)


def test_a_view_that_is_nothing_like_one_of_ours_is_refused(history: History, ask: Asking, written: Writing) -> None:
    new = "from projections.balances import Balances\nclass Other(Balances):\n    {}\nVIEW = Other()\n"
    with pytest.raises(UnknownView, match="'other'"):
        ask(written("other_name", new.format("name = 'other'")))
    with pytest.raises(ModuleUnusable, match=r"has the key \(book\) and not"):
        ask(written("other_key", new.format("key = ('book',)")))
