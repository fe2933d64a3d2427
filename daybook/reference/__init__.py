"""The reference pages of docs/reference, written from the code they describe: ``python -m daybook.reference``.

Each page is a function without arguments that gives the same text on every machine. A test compares what they give with
the pages on disk, so that a page can be wrong only together with the code.
"""

from __future__ import annotations

from pathlib import Path

DIRECTORY = Path(__file__).resolve().parents[2] / "docs" / "reference"


def pages() -> dict[str, str]:
    """Every page by its file name, in the order of the overview."""
    from daybook.reference.api_page import api_page
    from daybook.reference.bank_page import bank_page
    from daybook.reference.log_pages import events_page, views_page
    from daybook.reference.money_pages import accounts_page, posting_rules_page
    from daybook.reference.program_pages import commands_page, metrics_page, settings_page
    from daybook.reference.rails_page import rails_page
    from domain.payment_states import reference_page

    return {
        "api.md": api_page(),
        "commands.md": commands_page(),
        "settings.md": settings_page(),
        "events.md": events_page(),
        "payment-states.md": reference_page(),
        "accounts.md": accounts_page(),
        "posting-rules.md": posting_rules_page(),
        "views.md": views_page(),
        "metrics.md": metrics_page(),
        "rails.md": rails_page(),
        "bank-rail.md": bank_page(),
    }


def write(directory: Path = DIRECTORY) -> list[str]:
    """Write every page; gives the names of those that changed."""
    directory.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, text in pages().items():
        path = directory / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed
