"""``daybook doctor``: is the database under the books fit to hold money?"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys

import click
from rich.console import Console
from rich.table import Table

from daybook.bootstrap import key_store
from daybook.commands import read_settings
from daybook.doctor import Finding, examine, examine_keys
from daybook.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresFailed
from daybook.logs import configure_logging
from daybook.settings import DATABASE_NAME, Settings

EXIT_STATUS = {"healthy": 0, "unhealthy": 1, "unreachable": 3}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print {verdict, findings} as JSON.")
def command(as_json: bool) -> None:
    """Check the server's version and durability, the migrations, the log's horizon, and the keys of personal data.

    Exit status: 0 all is well, 1 something must be done, 3 the database cannot be reached. Repairs nothing.
    """
    settings = read_settings()
    configure_logging(settings.log_level, "doctor")
    verdict, findings = _examine(settings)
    with contextlib.closing(key_store(settings)) as store:
        findings.append(examine_keys(store))
    if verdict == "healthy" and not findings[-1].ok:
        verdict = "unhealthy"
    if as_json:
        found = [dataclasses.asdict(finding) for finding in findings]
        click.echo(json.dumps({"verdict": verdict, "findings": found}))
    else:
        table = Table("check", "", "found")
        for finding in findings:
            table.add_row(finding.check, "ok" if finding.ok else "[red]to do[/red]", finding.detail)
        Console().print(table)
    sys.exit(EXIT_STATUS[verdict])


def _examine(settings: Settings) -> tuple[str, list[Finding]]:
    if settings.database_url is not None:
        return examine(settings.database_url)
    try:
        with EmbeddedPostgres(settings.postgres_directory) as server:
            return examine(server.ensure_database(DATABASE_NAME))
    except EmbeddedPostgresFailed as problem:
        return "unreachable", [Finding("connection", False, str(problem))]
