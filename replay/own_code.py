"""The part of a module that makes a view what it is, so that a fix beside it is not taken for a change of it.

A fix is another class in the same module, and the class as it was stays. Its text, and all that it may call, are what a
build of it was made by; other views' classes, and which of them is the newest, are not.
"""

from __future__ import annotations

import ast
import inspect
from types import ModuleType
from typing import Any

from projections.view import View

NAMING = {"VIEW", "EARLIER"}


def own_code(view: View) -> str:
    """The module's source without docstring, without other views' classes and without what names the views."""
    module = inspect.getmodule(type(view))
    if module is None:
        return inspect.getsource(type(view))
    source = inspect.getsource(module)
    body = ast.parse(source).body
    kept = [node for node in body if not (_says(node) or _names(node) or _is_another(node, module, view))]
    return "\n".join(ast.get_source_segment(source, node) or "" for node in kept)


def _says(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _names(node: ast.stmt) -> bool:
    """Whether it is `VIEW = ...` or `EARLIER = ...`."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    named = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return bool(named) and named <= NAMING


def _is_another(node: ast.stmt, module: ModuleType, view: View) -> bool:
    """Whether it is the class of a view that this one does not inherit from."""
    if not isinstance(node, ast.ClassDef):
        return False
    found: Any = getattr(module, node.name, None)
    return hasattr(found, "fold") and hasattr(found, "version") and found not in type(view).__mro__
