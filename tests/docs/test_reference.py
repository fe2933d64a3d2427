"""The reference pages say what the code says, and other pages name only what is in them."""

from __future__ import annotations

import re
from functools import cache

import pytest

from daybook.commands import main
from daybook.reference import DIRECTORY, pages
from daybook.reference.program_pages import commands_page, settings_page
from daybook.settings import Settings
from domain.posting_rules import POSTING_RULES
from domain.registry import ALL_EVENTS
from projections.registry import views
from tests.docs.blocks import ROOT
from tests.docs.blocks import pages as written_pages

NAMES = ("api.md", "commands.md", "settings.md", "events.md", "payment-states.md", "accounts.md", "posting-rules.md",
         "views.md", "metrics.md", "rails.md", "bank-rail.md")  # fmt: skip
BY_HAND = "features.md"  # it looks at other ledgers too; tests/docs/test_features.py holds its links
ROOMS = ("domain", "eventlog", "rails", "projections", "ledger", "replay", "payments", "api", "daybook")

generated = cache(pages)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_says_what_the_code_says_now(name: str) -> None:
    current = generated()[name]
    assert (DIRECTORY / name).read_text(encoding="utf-8") == current, "run: .venv/bin/python -m daybook.reference"


def test_every_page_of_the_reference_is_generated() -> None:
    there = {path.name for path in DIRECTORY.iterdir()} - {BY_HAND}
    assert sorted(there) == sorted(generated()) == sorted(NAMES)


def test_what_there_is_is_in_its_page() -> None:
    page = generated()
    for topic in ALL_EVENTS:
        assert f"### {topic}\n" in page["events.md"]
    for name in views():
        assert f"## {name}\n" in page["views.md"]
    for name in Settings.model_fields:
        assert f"`DAYBOOK_{name.upper()}`" in page["settings.md"]
    for name in main.commands or main.list_commands(None):  # type: ignore[arg-type]
        assert f"## daybook {name}\n" in page["commands.md"]
    assert page["posting-rules.md"].count("\n### ") == len(POSTING_RULES)
    assert "This example posts nothing" not in page["posting-rules.md"]


def test_a_page_is_the_same_whatever_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("DAYBOOK_API_PORT", "9999")
    assert (commands_page(), settings_page()) == (generated()["commands.md"], generated()["settings.md"])
    assert not any(str(ROOT) in text for text in generated().values())


def test_pages_name_only_metrics_settings_and_log_lines_that_exist() -> None:
    metrics = set(re.findall(r"`(daybook_\w+)`", generated()["metrics.md"]))
    settings = set(re.findall(r"`(DAYBOOK_\w+)`", generated()["settings.md"]))
    code = "\n".join(path.read_text(encoding="utf-8") for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    wrong = []
    for page in written_pages():
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"\bdaybook_(?!app\b|login\b)\w+", text):
            plain = re.sub(r"_(total|count|sum|bucket)$", "", name)
            wrong += [] if any(metric.startswith(plain) for metric in metrics) else [f"{page.name}: {name}"]
        for name in re.findall(r"\bDAYBOOK_\w+", text):
            wrong += [] if name in settings | {"DAYBOOK_URL", "DAYBOOK_KEY"} else [f"{page.name}: {name}"]
        for event in re.findall(r'"event": "([^"]+)"', text):
            wrong += [] if f'("{event}"' in code else [f"{page.name}: {event}"]
    assert wrong == []
