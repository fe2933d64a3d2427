"""Every command that a page shows runs and prints what the page says, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks, broken_links, pages
from tests.docs.reader import Reader
from tests.docs.situations import SITUATIONS

SETUP = ROOT / "docs" / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial" / "first-payment.md"
TRIED = [page for page in pages() if blocks(page) and page not in (ROOT / "README.md", SETUP)]
TRIED.sort(key=lambda page: (page != TUTORIAL, page.parent != TUTORIAL.parent))
"""The first tutorial comes first: it is written for a copy on which nothing has happened yet. The others follow, before
any page on which something has gone wrong with the books."""


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", TRIED, ids=_name)
def test_a_page_does_what_it_says(running_reader: Reader, page: Path) -> None:
    situation = SITUATIONS.get(_name(page).removeprefix("docs/"))
    if situation is None:
        running_reader.run(blocks(page), before=blocks(SETUP))
    else:
        with situation(running_reader):
            running_reader.run(blocks(page), before=blocks(SETUP))


def test_every_situation_belongs_to_a_page() -> None:
    assert [name for name in SITUATIONS if not (ROOT / "docs" / name).is_file()] == []


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_the_map_names_every_page() -> None:
    linked = set(re.findall(r"\]\(([^)#]+\.md)\)", SETUP.read_text(encoding="utf-8")))
    operating = ROOT / "docs" / "operating" / "README.md"
    linked |= {f"operating/{name}" for name in re.findall(r"\]\(([\w-]+\.md)\)", operating.read_text(encoding="utf-8"))}
    written = {_name(page).removeprefix("docs/") for page in pages() if page.is_relative_to(ROOT / "docs")}
    assert {name for name in written if not name.startswith("adr/")} - linked == {"README.md"}
