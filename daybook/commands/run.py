"""``daybook run``: the whole program, supervised, until Ctrl-C."""

from __future__ import annotations

import json
import signal
import threading
from uuid import uuid4

import click

from daybook.api_key import ensure_test_key
from daybook.commands import read_settings
from daybook.database import DatabaseWatch
from daybook.embedded_postgres import EmbeddedPostgresFailed
from daybook.logs import configure_logging
from daybook.migrate import LogAboveHorizon
from daybook.roles import ROLES
from daybook.running import AlreadyRunning, running
from daybook.settings import Settings
from daybook.supervisor import ProcessNotReady

NEWCOMER_SELLER = "00000000-0000-4000-8000-000000000001"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the addresses and the test key as one line of JSON.")
def command(as_json: bool) -> None:
    """Start everything: PostgreSQL, engine, views, payments, the rail simulator and the API.

    Prints where they are, a test API key and a first payment to paste. Ctrl-C stops them in order; nothing that was
    acknowledged is lost.
    """
    settings = read_settings()
    configure_logging(settings.log_level, "supervisor")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with running(settings, tuple(ROLES), stop, exclusive=True) as copy:
            if stop.is_set() or copy.supervisor is None:
                return
            key = ensure_test_key(copy.settings)
            click.echo(json.dumps(_facts(settings, key)) if as_json else _greeting(settings, key))
            with DatabaseWatch(settings, stop):
                copy.supervisor.run(stop)
    except (AlreadyRunning, EmbeddedPostgresFailed, LogAboveHorizon, OSError, ProcessNotReady) as problem:
        raise click.ClickException(str(problem)) from None


def _facts(settings: Settings, key: str) -> dict[str, str]:
    return {
        "api": settings.api_url,
        "simulator": settings.simulator_url,
        "home": str(settings.home.absolute()),
        "api_key": key,
    }


def _greeting(settings: Settings, key: str) -> str:
    return f"""
Daybook runs. State is in {settings.home.absolute()}; Ctrl-C stops it.

  API          {settings.api_url}    (docs: {settings.api_url}/docs)
  simulator    {settings.simulator_url}
  test key     {key}

A first payment:

{first_payment(settings, key, str(uuid4()))}
"""


def first_payment(settings: Settings, key: str, order_id: str) -> str:
    """Give a curl command that pays an order of 12.34 EUR through the simulator and waits for the outcome."""
    body = {
        "amount_minor": 1234,
        "currency": "EUR",
        "rail": "simulated",
        "payment_token": "tok_newcomer",
        "splits": [{"seller_id": NEWCOMER_SELLER, "amount_minor": 1234}],
    }
    return " \\\n".join(
        (
            f"curl -sS {settings.api_url}/v1/payment-orders",
            f"  -H 'Authorization: Bearer {key}'",
            f"  -H 'Idempotency-Key: {order_id}'",
            "  -H 'Prefer: wait=5'",
            "  -H 'Content-Type: application/json'",
            f"  -d '{json.dumps(body)}'",
        )
    )
