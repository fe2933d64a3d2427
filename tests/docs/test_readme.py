"""The README is short, its links lead somewhere, and every command it shows runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from daybook.running import child_environment
from daybook.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^    \.venv/bin/daybook (.+)$", README, re.MULTILINE)
TARGETS = re.findall(r"^    make ([a-z-]+)$", README, re.MULTILINE)
PATIENCE_S = 120.0


def test_it_can_be_read_in_one_sitting() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CONVENTIONS.md"])
def test_its_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_make_targets_it_shows_exist() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert TARGETS
    assert [target for target in TARGETS if not re.search(rf"^\s*{target}\s", shown, re.MULTILINE)] == []


def test_the_commands_it_shows_run(server_directory: Path) -> None:
    """On a home where nothing runs: each starts what it needs for its duration."""
    environment = child_environment(Settings(home=server_directory / "home"))
    assert COMMANDS
    for shown in COMMANDS:
        ran = subprocess.run(
            [sys.executable, "-m", "daybook", *shown.split()],
            env=environment,
            cwd=server_directory,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert ran.returncode == 0, f"daybook {shown}: {ran.stderr}"
