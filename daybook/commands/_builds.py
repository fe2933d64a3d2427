"""``daybook replay builds``, ``drop`` and ``remove``: what builds there are, and away with them."""

from __future__ import annotations

import json
from typing import Any

import click

from daybook.commands._ledger import json_option
from daybook.commands._replaying import replaying
from eventlog.connections import connect
from projections.registry import versions, view, views
from replay import builds, swap


@click.command("builds")
@click.argument("name", metavar="[VIEW]", required=False)
@json_option
def list_builds(name: str | None, as_json: bool) -> None:
    """List the builds of all views, or of one."""
    with replaying() as opened, connect(opened.database_url) as connection:
        wanted = None if name is None else view(name).name
        rows = [{**row, "position": str(row["position"])} for row in builds.listed(connection, wanted)]
    if as_json:
        click.echo(json.dumps(rows, default=str))
        return
    for row in rows:
        click.echo(
            f"{row['view']:<18} {row['build']:>3}  v{row['version']}  {row['state']:<8} {row['position']}{_code(row)}"
        )


def _code(row: dict[str, Any]) -> str:
    """What is to be said about the code that a build was made by; nothing where it is the code that is there."""
    known = versions().get((row["view"], row["version"]))
    if known is None:
        return "  (its code is gone: not kept up)"
    return "" if builds.is_of_this_code(row["code_version"], known) else "  (other code than now)"


@click.command("drop")
@click.argument("name", metavar="VIEW")
@click.argument("number", type=int, metavar="BUILD")
@json_option
def drop(name: str, number: int, as_json: bool) -> None:
    """Drop a build of VIEW that is not live; after that there is no way back to it."""
    with replaying() as opened:
        gone = swap.drop(opened.database_url, view(name).name, number)
    click.echo(json.dumps({"view": name, "dropped": gone.number}) if as_json else f"{gone.name} dropped")


@click.command("remove")
@click.argument("name", metavar="VIEW")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Remove VIEW with all its builds, once its code is gone from the program and from DAYBOOK_VIEW_MODULES."""
    with replaying() as opened:
        if name in views():
            raise click.UsageError(
                f"view {name} is in the program: take its module out of DAYBOOK_VIEW_MODULES, of the processes first"
            )
        count = swap.remove(opened.database_url, name)
    click.echo(json.dumps({"view": name, "removed": count}) if as_json else f"view {name} removed, builds: {count}")
