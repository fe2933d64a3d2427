"""rails.md: what the rails can do, and what is asked of them before they are believed."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from daybook.reference.markdown import code, codes, page, table
from rails import port, retries
from rails.recorded import RecordedRail
from rails.registry import open_rail
from rails.waived import EXAMINED_AGAINST, WAIVED

_ENOUGH_TO_OPEN: Final[Mapping[str, Mapping[str, str]]] = {
    "simulated": {"url": "http://127.0.0.1:8081"},
    "sepa": {
        "url": "http://127.0.0.1:8081",
        "creditor_name": "Daybook",
        "iban": "DE89370400440532013000",
        "creditor_id": "DE98ZZZ09999999999",
    },
    "stripe": {"key": "sk_test_none"},
}
_AGAIN: Final = (
    "A call without an answer is made once more where it is safe, or safe with the key that it goes under. What is "
    "unsafe is asked about first; what was decided, a refusal too, is never sent again."
)


def rails_page() -> str:
    """Every registered rail: its capabilities, what it is examined against, the rows it is let off."""
    introduction = (
        "A rail declares what it can do, and processes read that, never its name. Every rail passes the same contract "
        "test within what it declares; a row that what stands for the rail there cannot do is waived by name. A waived "
        "row is run all the same and must fail, so that no waiver outlives its reason."
    )
    capabilities = {name: _capabilities(name) for name in EXAMINED_AGAINST}
    rows = [
        (code(field.name), *(_value(field.name, told[field.name]) for told in capabilities.values()))
        for field in dataclasses.fields(port.Capabilities)
    ]
    meanings = [(code(name), meaning) for name, meaning in _meanings()]
    parts = ["## Capabilities", table(("capability", *map(code, capabilities)), rows)]
    parts += ["## What the capabilities mean", table(("capability", "meaning"), meanings)]
    parts += ["## Made once more", _AGAIN, table(("operation", "with keys", "without"), list(_classes()))]
    parts += ["## Examined against", table(("rail", "by"), [(code(n), by) for n, by in EXAMINED_AGAINST.items()])]
    waived = [(code(rail), _sentence(row), reason) for rail, rows in WAIVED.items() for row, reason in rows.items()]
    return page("Rails", introduction, *parts, "## Waived", table(("rail", "row of the contract", "why"), waived))


def _classes() -> Iterator[tuple[str, str, str]]:
    """What each operation is with idempotency keys, and without."""
    recorded = RecordedRail.capabilities
    for operation in retries.BY_OPERATION:
        with_keys, without = (
            retries.retry_class(operation, dataclasses.replace(recorded, idempotency_keys=keys), port.Unknown(""))
            for keys in (True, False)
        )
        yield code(operation), with_keys.replace("_", " "), without


def _capabilities(name: str) -> dict[str, Any]:
    rail = open_rail(name, _ENOUGH_TO_OPEN.get(name, {}))
    try:
        return {field.name: getattr(rail.capabilities, field.name) for field in dataclasses.fields(rail.capabilities)}
    finally:
        rail.close()


def _value(name: str, value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else ""
        case None:
            return "for ever" if name.endswith("_s") else "all"
        case float():
            return f"{value:g}"
    return codes(sorted(value))


def _meanings() -> Iterator[tuple[str, str]]:
    """The text below each field: Python keeps it in the source only."""
    source = inspect.getsource(port.Capabilities)
    yield from re.findall(r'^    (\w+): [^\n]+\n    """(.*?)"""', source, flags=re.MULTILINE | re.DOTALL)


def _sentence(row: str) -> str:
    name, _, value = row.removeprefix("test_").partition("[")
    return name.replace("_", " ") + (f" ({value.removesuffix(']').replace('_', ' ')})" if value else "")
