"""Takings as another merchant's."""

from __future__ import annotations

from tests.replay.planted.takings import OfAnother

VIEW = OfAnother()
