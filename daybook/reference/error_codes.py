"""The codes that problem documents carry, collected from where each is made: two tables of api.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import api
import ledger
from api import ledger_replies, problem
from daybook.reference.markdown import ROOMS, code, docstring, import_everything, table
from domain.errors import RuleViolation

_UNPROCESSABLE = 422


class _Raised(NamedTuple):
    """A code with the status it comes with, and what the answer says where that is always the same."""

    code: str
    status: int
    says: str


def error_codes() -> str:
    """The rules that refuse a request, and everything else that can go wrong."""
    import_everything()
    rules = dict.fromkeys(_engine_refusals(), "a rule of the posting engine")
    ours = [rule for rule in _subclasses(RuleViolation) if rule.__module__.partition(".")[0] in ROOMS]
    for rule in sorted(ours, key=lambda rule: (rule.__module__, rule.__qualname__)):
        rules[rule.code] = " ".join(docstring(rule)[:1]) or rules.get(rule.code, "")
    refused = table(("code", "the rule"), [(code(name), rules[name]) for name in sorted(rules)])
    others: dict[str, _Raised] = {}
    for raised in _raised():
        if raised.status != _UNPROCESSABLE or raised.code not in rules:
            known = others.get(raised.code)
            others[raised.code] = raised if raised.says or known is None else raised._replace(says=known.says)
    rows = [
        (raised.status, code(raised.code), raised.says)
        for raised in sorted(others.values(), key=lambda one: (one.status, one.code))
    ]
    return (
        "A rule of the domain or of the posting engine refused the request and nothing moved. The status is 422 unless "
        "the second table has another for the code.\n\n"
        f"{refused}\n\n"
        "Everything else. `retryable` in the answer says whether the same request can succeed later unchanged.\n\n"
        f"{table(('status', 'code', 'says'), rows)}"
    )


def _subclasses(parent: type[RuleViolation]) -> Iterator[type[RuleViolation]]:
    for child in parent.__subclasses__():
        if "code" in vars(child):
            yield child
        yield from _subclasses(child)


def _engine_refusals() -> list[str]:
    """Constants of the engine's module of refusals."""
    return [
        node.value.value
        for path in _sources(ledger, "refusals*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]


def _raised() -> Iterator[_Raised]:
    """What HTTP itself brings, what the engine's errors become, and what the API's modules raise in so many words."""
    for status, name in problem._CODES.items():
        yield _Raised(name, status, problem._DETAILS.get(status, ""))
    for name, status in ledger_replies._STATUS_OF_ERROR.items():
        yield _Raised(name, status, "")
    for path in _sources(api, "*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield from _of_call(node.func.id, node)


def _of_call(name: str, call: ast.Call) -> Iterator[_Raised]:
    texts = [argument.value if isinstance(argument, ast.Constant) else None for argument in call.args]
    if name == "ProblemError" and len(texts) > 1 and isinstance(texts[0], int) and isinstance(texts[1], str):
        says = texts[2] if len(texts) > 2 and isinstance(texts[2], str) else ""
        yield _Raised(texts[1], texts[0], says)
    named = {keyword.arg: keyword.value for keyword in call.keywords}.get("code")
    if name == "unprocessable" and isinstance(named, ast.Constant) and isinstance(named.value, str):
        says = texts[1] if len(texts) > 1 and isinstance(texts[1], str) else ""
        yield _Raised(named.value, _UNPROCESSABLE, f"the field {says}" if says else "")


def _sources(room: object, pattern: str) -> list[Path]:
    return sorted(Path(str(vars(room)["__file__"])).parent.glob(pattern))
