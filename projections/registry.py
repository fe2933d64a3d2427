"""Finds the views: every module of this room with a `VIEW` in it is one."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import projections
from projections.view import View


class UnknownView(LookupError):
    """There is no view of that name; the message lists those there are."""


@cache
def views() -> dict[str, View]:
    """All views by name."""
    modules = [
        importlib.import_module(f"projections.{found.name}") for found in pkgutil.iter_modules(projections.__path__)
    ]
    found = [module.VIEW for module in modules if hasattr(module, "VIEW")]
    return {view.name: view for view in sorted(found, key=lambda view: str(view.name))}


def view(name: str) -> View:
    """The view of that name. Raises UnknownView."""
    known = views()
    if name not in known:
        message = f"There is no view {name!r}: choose one of {', '.join(known)}."
        raise UnknownView(message)
    return known[name]
