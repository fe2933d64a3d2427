"""Modules that cannot be asked with are refused by name, with what to do."""

from __future__ import annotations

import pytest

from projections.registry import UnknownView
from replay.fill import EventRefused
from replay.what_if.changes import ModuleUnusable, changes_of
from tests.replay.history import History
from tests.replay.what_if.asking import Asking, Writing

VIEW = "from projections.balances import Balances\nclass Other(Balances):\n    {}\nVIEW = Other()\n"
ROW = """
from projections.balances import Balances
class Other(Balances):
    columns = {{**Balances.columns, {}}}
    def fold(self, rows, fact):
        super().fold(rows, fact)
        {}
VIEW = Other()
"""


@pytest.mark.parametrize(
    ("text", "view", "problem"),
    [
        (None, None, "cannot be imported: No module named 'unusable'; is it in a folder of PYTHONPATH"),
        ("import nowhere_at_all\n", None, "No module named 'nowhere_at_all'"),
        ("VIEW = \n", None, "invalid syntax"),
        ("import sys\nsys.exit()\n", None, r"cannot be imported: it ends the program \(SystemExit None\); correct it"),
        ("VIEW = 5\n", None, "a view of module unusable has no name, version, topics"),
        (
            "from projections.balances import Balances\nVIEW = Balances\n",
            None,
            r"the class Balances itself: .* Balances\(\)",
        ),
        ("from projections.balances import VIEW as VIEWS\n", None, "VIEWS of module unusable must be a list of views"),
        (VIEW.format("columns = 5"), None, "must have columns like"),
        (VIEW.format("topics = 'wallet.opened.v1'"), None, "must name its topics in a tuple, not as 'wallet"),
        (VIEW.format("key = ()"), None, "must name its key in a tuple"),
        (VIEW.format("key = ('wallet',)"), None, "has wallet in its key and not among its columns"),
        ("posting_for = 5\n", None, "posting_for of module unusable must be a function"),
        ("commission_bps = 500\n", None, "commission_bps of module unusable must be a function"),
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
    with pytest.raises(UnknownView, match="'other'"):
        ask(written("other_name", VIEW.format("name = 'other'")))
    with pytest.raises(ModuleUnusable, match=r"has the key \(book\) and not"):
        ask(written("other_key", VIEW.format("key = ('book',)")))


def test_a_view_whose_columns_make_no_table_is_refused(history: History, ask: Asking, written: Writing) -> None:
    with pytest.raises(ModuleUnusable, match=r'view balances of module no_table .* type "integr" does not exist'):
        ask(written("no_table", VIEW.format("columns = {**Balances.columns, 'x': 'integr'}")))


@pytest.mark.parametrize(
    ("columns", "change", "problem"),
    [
        ("", "rows[(fact.stream_id,)]['posted_minor'] = 'many'", "many|integer"),
        ("'x_minor': 'bigint'", "pass", "it has no 'x_minor'"),
        ("", "rows[(fact.stream_id,)]['wallet_id'] = None", "null value in column"),
        ("", "rows[(fact.stream_id,)]['posted_minor'] = 2**70", "range|large"),
    ],
)
def test_rows_that_no_table_can_take_are_named(
    history: History, ask: Asking, written: Writing, columns: str, change: str, problem: str
) -> None:
    wallet = r"row \([0-9a-f-]{36}\)"
    with pytest.raises(
        EventRefused, match=rf"view balances of bad_rows makes {wallet} that no table can take: .*({problem})"
    ):
        ask(written("bad_rows", ROW.format(columns, change)))


@pytest.mark.parametrize(
    "text",
    [
        "def commission_bps(event, book):\n    raise SystemExit(0)\n",
        "def posting_for(event, book):\n    raise SystemExit(0)\n",
        ROW.format("", "raise SystemExit(0)"),
    ],
)
def test_changed_code_that_ends_the_program_is_refused_like_any_that_fails(
    history: History, ask: Asking, written: Writing, text: str
) -> None:
    with pytest.raises(EventRefused, match=r"at position \d+.*it ends the program \(SystemExit 0\)"):
        ask(written("ending", text))
