"""The README is short, every command it shows runs where nothing runs yet, and every target of make exists."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import Future

from tests.docs.blocks import ROOT, blocks, fences, pages
from tests.docs.reader import PATIENCE_S

README = ROOT / "README.md"


def test_it_can_be_read_in_one_sitting() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_commands_it_shows_run_where_nothing_runs(readme_on_a_cold_home: Future[None]) -> None:
    """Each starts what it needs for its duration."""
    assert blocks(README)
    readme_on_a_cold_home.result(PATIENCE_S)


def test_the_make_targets_that_pages_show_exist() -> None:
    offered = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    shown = {
        target
        for page in pages()
        for _, _, _, text in fences(page)
        for target in re.findall(r"^(?:\w+=\S+ )*make ([a-z-]+)$", text, re.MULTILINE)
    }
    assert {"run", "test", "bench"} <= shown
    assert [target for target in sorted(shown) if not re.search(rf"^\s*{target}\s", offered, re.MULTILINE)] == []
