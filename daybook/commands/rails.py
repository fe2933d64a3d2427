"""``daybook rails``: the rails, what they can do, and how they have done lately."""

from __future__ import annotations

from typing import Any

import click

from api.rails import rails_document
from daybook.bootstrap import opened_rails
from daybook.commands._ledger import asking, json_option, print_facts
from projections.queries.reading import Reader
from rails.registry import OPERATIONS_OF


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Show each rail and its operations: whether they are up, their calls and failures, and how long they take.

    Percentiles are of the latest 10,000 calls and, as the time-out beside them, in milliseconds. They are measured by
    the payment process, which reports them every few seconds.
    """
    with asking("rails", roles=()) as asked:
        rails = rails_document(Reader(asked.opened.recorder.readers.read), opened_rails(asked.opened.settings))
    if as_json:
        print_facts(rails, as_json=True)
        return
    for rail in rails:
        click.echo(f"{rail['rail']:<11} {standing(rail)}")
        for told in rail["operations"]:
            click.echo(_line(told))


def standing(rail: dict[str, Any]) -> str:
    """Whether a rail is called, and how old what is told of it is."""
    if not rail["enabled"]:
        return "not enabled"
    if rail["rail"] not in OPERATIONS_OF:
        return "enabled, calls nobody"
    if rail["reported_at"] is None:
        return "enabled, nothing reported"
    age = "STALE: nobody has reported since" if rail["stale"] else "reported"
    return f"enabled, {age} {rail['reported_at']:%Y-%m-%dT%H:%M:%SZ}"


def _line(told: dict[str, Any]) -> str:
    took = "  ".join(f"{name} {_ms(told[f'{name}_ms'])}" for name in ("p50", "p99", "p999"))
    counts = f"calls {told['calls']}  failures {told['failures']}  retries {told['retries']}"
    return (
        f"  {told['operation']:<10} {told['state']:<5} since {told['since'][:19]}Z  {counts}  {took}"
        f"  of {_ms(told['timeout_ms'])} ms"
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
