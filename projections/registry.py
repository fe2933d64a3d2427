"""Finds the views: every module of this room with a `VIEW` in it is one, and so is every module that is added.

A view's code may be there in several versions: the class as it was stays in its module's `EARLIER` while a build of it
is kept. The highest version is the one that new builds are made of.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache

import projections
from projections.view import View


class UnknownView(LookupError):
    """There is no view of that name; the message lists those there are."""


class ViewTwice(ValueError):
    """Two modules bring the same version of a view: raise the version of the one that changed it."""


_added: list[str] = []


def add_modules(names: Iterable[str]) -> None:
    """Views from outside this room: an installation's own, or a fix that is tried out. Raises ModuleNotFoundError and
    ViewTwice."""
    for name in names:
        if name not in _added:
            importlib.import_module(name)
            _added.append(name)
    _look_again()


def forget_modules() -> None:
    """Only this room's own views again."""
    _added.clear()
    _look_again()


def _look_again() -> None:
    versions.cache_clear()
    views.cache_clear()
    versions()


@cache
def versions() -> dict[tuple[str, int], View]:
    """The code of every version that is there, by the view's name and the version."""
    own = [f"projections.{found.name}" for found in pkgutil.iter_modules(projections.__path__)]
    found: dict[tuple[str, int], View] = {}
    for module in map(importlib.import_module, [*own, *_added]):
        for view in (*([module.VIEW] if hasattr(module, "VIEW") else []), *getattr(module, "EARLIER", ())):
            if found.setdefault((view.name, view.version), view) is not view:
                message = (
                    f"View {view.name} is there twice in version {view.version}: raise the version of the new one."
                )
                raise ViewTwice(message)
    return found


@cache
def views() -> dict[str, View]:
    """The newest version of every view, by name."""
    newest: dict[str, View] = {}
    for (name, _), view in sorted(versions().items(), key=lambda item: item[0]):
        newest[name] = view
    return newest


def view(name: str) -> View:
    """The view of that name, in its newest version. Raises UnknownView."""
    known = views()
    if name not in known:
        message = f"There is no view {name!r}: choose one of {', '.join(known)}."
        raise UnknownView(message)
    return known[name]
