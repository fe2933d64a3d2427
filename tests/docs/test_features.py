"""The table of features claims nothing that no test shows: its links lead to tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests.docs.blocks import ROOT

PAGE = ROOT / "docs" / "reference" / "features.md"
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
PEERS = 9


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, its head left out."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@cache
def names_in(path: Path) -> set[str]:
    """The names of the tests of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_link_leads_to_a_file_and_every_named_test_is_in_it() -> None:
    links = LINK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(links) > 30
    for text, target in links:
        path = (PAGE.parent / target).resolve()
        assert path.is_file(), f"{target} is not there"
        module, _, name = text.partition("::")
        if name:
            assert path == ROOT / "tests" / module, f"{text} is not in {target}"
            assert name in names_in(path), f"{module} has no {name}"


def test_every_feature_that_we_claim_is_shown_by_a_test() -> None:
    beside, ours = rows("The nine and ours"), rows("Ours, and what shows it")
    assert [row[0] for row in beside] == [row[0] for row in ours]
    assert len({row[0] for row in ours}) == len(ours)
    for row, (feature, mark, words, shown) in zip(beside, ours, strict=True):
        assert len(row) == 2 + PEERS, feature
        assert re.fullmatch(r"\[(.+)\]\(.+\)|(.+)", row[1]).expand(r"\1\2") == mark, feature  # type: ignore[union-attr]
        assert words, f"{feature}: say what that means"
        assert "::test_" in shown or not mark.startswith("Y"), f"{feature}: no test shows it"
        assert row[1].startswith("[") == mark.startswith("Y"), feature
