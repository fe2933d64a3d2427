"""What a module changes: views, the posting rule, the commission. It is an ordinary Python module, imported by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
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


class ModuleUnusable(ValueError):
    """The module cannot be imported, changes nothing, or contradicts itself; the message says which and what to do."""


class CommissionNotWhole(ValueError):
    """A fee table or a rule names a commission that is no whole number of basis points."""


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
    views = (*([module.VIEW] if hasattr(module, "VIEW") else []), *getattr(module, "VIEWS", ()))
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
    if fees is not None and commission is not None:
        raise ModuleUnusable(f"--with: module {name} has FEES and commission_bps; keep one of them")
    if not (views or rule or commission) and fees is None:
        raise ModuleUnusable(f"--with: module {name} changes nothing: it should define {NAMES}")
    return Changes(name, views, rule, commission, None if fees is None else _checked(name, fees))


def _imported(name: str) -> ModuleType:
    importlib.invalidate_caches()  # a file that was written a moment ago is to be seen
    try:
        return importlib.import_module(name)
    except Exception as problem:
        where = "is it in a folder of PYTHONPATH?" if isinstance(problem, ModuleNotFoundError) else "correct it"
        raise ModuleUnusable(f"--with: module {name} cannot be imported: {problem}; {where}") from problem


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
