"""History with a wrong view, and a way to ask about it with modules that a test writes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from eventlog.application import EventLog
from projections.registry import add_modules
from replay.what_if.answer import Answer, what_if
from replay.what_if.changes import changes_of
from tests.replay.history import History, catch_up
from tests.replay.what_if.asking import Asking, Writing


@pytest.fixture
def history(log: EventLog, database_url: str, planted: None) -> History:
    add_modules(["tests.replay.planted.wrong_fees"])
    made = History(log)
    made.open_wallets(4)
    made.write(120)
    catch_up(log, database_url)
    return made


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writing:
    """Writes a module of a user's own; its name is answered."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


@pytest.fixture
def ask(log: EventLog, database_url: str) -> Asking:
    def asked(module: str, view: str | None = None, until: int | None = None) -> Answer:
        recorder: Any = log.log_recorder
        return what_if(database_url, recorder, log.log_mapper.decode, changes_of(module, view), until)

    return asked
