"""events.md and views.md: what the log holds, and what is folded from it."""

from __future__ import annotations

import sys
from typing import Any, get_type_hints

from daybook.reference.markdown import code, codes, docstring, page, table, type_name
from domain.posting_rules import POSTED_TOPICS
from domain.registry import AGGREGATES, ALL_EVENTS
from eventlog.mapper import state_type
from payments.process import TOPICS as PAYMENT_TOPICS
from projections import view as view_module
from projections.registry import views

_IN_EVERY_EVENT = ("timestamp", "originator_topic")


def events_page() -> str:
    """Every event that the log may hold."""
    introduction = (
        "The state of an event is plain JSON with the fields below. Every event also has `timestamp`, when it happened "
        "by the clock of the process that wrote it; the first event of a stream has `originator_topic`, its kind. "
        "Amounts are minor units. Fields that end in `_at` or `_before` are moments in UTC.\n\n"
        "*Read by* names the followers that wait for the topic: the posting engine posts it, the payment process acts "
        "on it, a view is folded from it."
    )
    parts = [_contents()]
    for kind, aggregate in AGGREGATES.items():
        parts += [f"## {kind}", *docstring(aggregate)]
        for topic, event in ALL_EVENTS.items():
            if _kind(topic) == kind:
                parts += [f"### {topic}", *docstring(event), _fields(event), f"Read by: {_readers(topic)}."]
    return page("Events", introduction, *parts)


def _kind(topic: str) -> str:
    return topic.split(".", maxsplit=1)[0]


def _contents() -> str:
    rows = [(f"[{kind}](#{kind})", codes(topic for topic in ALL_EVENTS if _kind(topic) == kind)) for kind in AGGREGATES]
    return table(("kind", "topics"), rows)


def _fields(event: type[Any]) -> str:
    hints = get_type_hints(state_type(event))
    rows = [(code(name), type_name(hint)) for name, hint in hints.items() if name not in _IN_EVERY_EVENT]
    return table(("field", "type"), rows) if rows else "No further fields."


def _readers(topic: str) -> str:
    readers = []
    if topic in POSTED_TOPICS:
        readers.append("posting engine")
    if topic in PAYMENT_TOPICS:
        readers.append("payment process")
    readers += [f"view `{name}`" for name, found in views().items() if topic in found.topics]
    return ", ".join(readers) or "nobody waits for it"


def views_page() -> str:
    """Every view: its columns, its key and the events it is folded from."""
    introduction = (
        "A view is folded from the log and can be thrown away and rebuilt. Each build has a table of its own, "
        "`views.<name>_v<version>` for the first of a version; readers use the SQL view of the plain name, "
        "`views.<name>`. Amounts are minor units."
    )
    parts = []
    for name, found in views().items():
        about = docstring(sys.modules[type(found).__module__]) + docstring(type(found))
        rows = [
            (code(column), code(kind), "key" if column in found.key else "") for column, kind in found.columns.items()
        ]
        parts += [
            f"## {name}",
            *(_sentence(paragraph.removeprefix(f"{name}: ")) for paragraph in about),
            f"Table {code(f'views.{view_module.template(found)}')}, folded from {codes(found.topics)}.",
            table(("column", "type", ""), rows),
        ]
    return page("Views", introduction, *parts)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
