"""Takings with another key."""

from __future__ import annotations

from tests.replay.planted.takings import ByCurrency

VIEW = ByCurrency()
