"""What a module changes: views, the posting rule, the commission. It is an ordinary Python module, imported by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from domain import posting_rules
from domain.book import CommissionOutOfRange, check_commission
from domain.posting_rules import PostingDraft
from projections.view import View

PostingRule = Callable[[Any, int], PostingDraft | None]
CommissionRule = Callable[[Any, int], int]
NAMES = "VIEW, VIEWS, posting_for, commission_bps or FEES"
EVERYBODY = "*"
PARTS_OF_A_VIEW = ("name", "version", "topics", "columns", "key", "keys", "fold", "written", "shown")
FAILURES = (Exception, SystemExit)
"""What code of somebody's may end with; `sys.exit()` in it would end the command as if all were well."""


class ModuleUnusable(ValueError):
    """The module cannot be imported, changes nothing, or contradicts itself; the message says which and what to do."""


class CommissionNotWhole(ValueError):
    """A fee table or a rule names a commission that is no whole number of basis points."""


def said(problem: BaseException) -> str:
    """What somebody's code said when it failed, or what it failed by."""
    if isinstance(problem, SystemExit):
        return f"it ends the program (SystemExit {problem.code})"
    return str(problem) or type(problem).__name__


@dataclass(frozen=True)
class Changes:
    """Each part is there or not. `fees` are basis points by seller id, by currency and for everybody else (`*`)."""

    module: str
    views: tuple[View, ...] = ()
    posting_for: PostingRule | None = None
    commission_bps: CommissionRule | None = None
    fees: Mapping[str, int] | None = None


def changes_of(name: str, view: str | None = None) -> Changes:
    """What the module of that name changes; with `view` only that view of its. Raises ModuleUnusable."""
    module = _imported(name)
    views = _views_of(name, module)
    if view is not None:
        chosen = tuple(found for found in views if found.name == view)
        if not chosen:
            has = ", ".join(found.name for found in views) or "none"
            raise ModuleUnusable(f"--view: module {name} has no view {view!r}; its views: {has}")
        return Changes(name, chosen)
    if len({found.name for found in views}) < len(views):
        raise ModuleUnusable(f"--with: module {name} brings a view twice; a question has one change per view")
    rule = getattr(module, "posting_for", None)
    if rule is posting_rules.posting_for:  # imported so that the module's own rule can ask it
        rule = None
    fees, commission = getattr(module, "FEES", None), getattr(module, "commission_bps", None)
    for function, given in (("posting_for", rule), ("commission_bps", commission)):
        if given is not None and not callable(given):
            raise ModuleUnusable(f"--with: {function} of module {name} must be a function of event and book")
    if fees is not None and commission is not None:
        raise ModuleUnusable(f"--with: module {name} has FEES and commission_bps; keep one of them")
    if not (views or rule or commission) and fees is None:
        raise ModuleUnusable(f"--with: module {name} changes nothing: it should define {NAMES}")
    return Changes(name, views, rule, commission, None if fees is None else _checked(name, fees))


def _imported(name: str) -> ModuleType:
    importlib.invalidate_caches()  # a file that was written a moment ago is to be seen
    try:
        return importlib.import_module(name)
    except FAILURES as problem:
        where = "is it in a folder of PYTHONPATH?" if isinstance(problem, ModuleNotFoundError) else "correct it"
        raise ModuleUnusable(f"--with: module {name} cannot be imported: {said(problem)}; {where}") from problem


def _views_of(name: str, module: ModuleType) -> tuple[View, ...]:
    several = getattr(module, "VIEWS", ())
    if not isinstance(several, Collection):
        raise ModuleUnusable(f"--with: VIEWS of module {name} must be a list of views, not a {type(several).__name__}")
    views = (*([module.VIEW] if hasattr(module, "VIEW") else []), *several)
    for view in views:
        wrong = _wrong_with(view)
        if wrong is not None:
            raise ModuleUnusable(f"--with: a view of module {name} {wrong}")
    return views


def _wrong_with(view: Any) -> str | None:
    """What keeps an object from being a view, as far as can be seen before it is asked to fold."""
    if isinstance(view, type):
        return f"is the class {view.__name__} itself: make one of it, {view.__name__}()"
    lacks = [part for part in PARTS_OF_A_VIEW if not hasattr(view, part)]
    if lacks:
        return f"has no {', '.join(lacks)} ({type(view).__name__}): derive it from projections.view.PlainRows"
    if not isinstance(view.columns, Mapping) or not all(isinstance(kind, str) for kind in view.columns.values()):
        return f'({view.name}) must have columns like {{"book": "int"}}'
    for part in ("topics", "key"):
        given = getattr(view, part)
        if not isinstance(given, (tuple, list)) or not given or not all(isinstance(one, str) for one in given):
            return f"({view.name}) must name its {part} in a tuple, not as {given!r}"
    unknown = [column for column in view.key if column not in view.columns]
    return f"({view.name}) has {unknown[0]} in its key and not among its columns" if unknown else None


def checked_bps(bps: Any) -> int:
    """Basis points as a book may have them. Raises CommissionNotWhole, CommissionOutOfRange."""
    if type(bps) is not int:  # a bool is an int to Python, and a float would make money of fractions
        raise CommissionNotWhole(f"a commission must be a whole number of basis points, not {bps!r}")
    return check_commission(bps)


def _checked(name: str, fees: Any) -> Mapping[str, int]:
    if not isinstance(fees, Mapping) or not all(isinstance(who, str) for who in fees):
        raise ModuleUnusable(f'--with: FEES of module {name} must be basis points by name, like {{"*": 500}}')
    try:
        return {who: checked_bps(bps) for who, bps in fees.items()}
    except (CommissionNotWhole, CommissionOutOfRange) as wrong:
        raise ModuleUnusable(f"--with: FEES of module {name}: {wrong}") from None
