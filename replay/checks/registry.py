"""Finds the checks: every module of this folder with a `CHECK` in it is one."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from replay import checks as folder
from replay.checks.check import Check


@cache
def checks() -> dict[str, type[Check]]:
    """All checks by name."""
    modules = [
        importlib.import_module(f"{folder.__name__}.{found.name}") for found in pkgutil.iter_modules(folder.__path__)
    ]
    found: list[type[Check]] = [module.CHECK for module in modules if hasattr(module, "CHECK")]
    return {check.name: check for check in sorted(found, key=lambda check: check.name)}
