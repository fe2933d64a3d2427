"""settings.md, commands.md and metrics.md: what the program is told, what it can be told to do, what it tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.registry import Collector

from api.metrics import RequestMetrics
from api.view_metrics import ViewMetrics
from daybook.commands import main
from daybook.reference.markdown import code, codes, import_everything, page, table, type_name
from daybook.settings import Settings

HELP_WIDTH = 88


def settings_page() -> str:
    """Every variable of the environment that the program reads."""
    introduction = (
        "Settings are variables of the environment. A wrong one ends a command with status 2 and a message that names "
        "it. Times end in `_S` (seconds), shares in `_BPS` (hundredths of a percent)."
    )
    rows = [
        (code(f"DAYBOOK_{name.upper()}"), _kind(field), "" if field.default is None else code(field.default), about)
        for name, field in Settings.model_fields.items()
        for about in [field.description or ""]
    ]
    return page("Settings", introduction, table(("variable", "value", "default", "meaning"), rows))


def _kind(field: Any) -> str:
    bounds = [
        f"{words} {getattr(bound, name)}"
        for bound in field.metadata
        for name, words in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))
        if getattr(bound, name, None) is not None
    ]
    return ", ".join([type_name(field.annotation).removesuffix(" or null"), *bounds])


def commands_page() -> str:
    """The help of every command."""
    introduction = (
        "Every command reads its settings from `DAYBOOK_*` variables. Exit status: 0 done, 1 done and something was "
        "found that needs attention, 2 the command line or a setting is wrong, 3 the books cannot be reached. Log "
        "lines go to standard error, the answer to standard output."
    )
    parts = []
    for words, command in _commands(("daybook",), main):
        context = click.Context(command, info_name=" ".join(words), terminal_width=HELP_WIDTH, color=False)
        context.help_option_names = ["-h", "--help"]
        parts += [f"## {' '.join(words)}", f"```\n{command.get_help(context).rstrip()}\n```"]
    return page("Commands", introduction, *parts)


def _commands(words: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from _commands((*words, name), found)


def metrics_page() -> str:
    """Every metric of ours that any process counts."""
    introduction = (
        "Names and help texts as Prometheus sees them, each counted by the process that does the work. The API shows "
        "those of its own processes, with the usual ones of Python and of the process, at `GET /metrics`. Those that "
        "are counted in the database are read from it when they are asked for, and every process tells the same. A "
        "counter's samples end in `_total`, a histogram's in `_bucket`, `_count` and `_sum`."
    )
    import_everything()
    requests = RequestMetrics()
    rows = sorted({*_metrics(requests.registry, "api"), *_metrics(REGISTRY, ""), *_described(ViewMetrics(None))})
    return page("Metrics", introduction, table(("metric", "type", "labels", "meaning", "counted in"), rows))


def _metrics(registry: CollectorRegistry, room: str) -> Iterator[tuple[str, str, str, str, str]]:
    labels = {name: _labels(collector) for name, collector in registry._names_to_collectors.items()}
    for family in registry.collect():
        if family.name.startswith("daybook_"):
            counted_in = room or family.name.split("_")[1]
            yield code(family.name), family.type, codes(labels[family.name]), family.documentation, counted_in


def _described(collector: ViewMetrics) -> Iterator[tuple[str, str, str, str, str]]:
    for family in collector.describe():
        labels = tuple(getattr(family, "_labelnames", ()))
        yield code(family.name), family.type, codes(labels), family.documentation, "the database"


def _labels(collector: Collector) -> tuple[str, ...]:
    return tuple(getattr(collector, "_labelnames", ()))
