"""The erase drill: of nobody is anything plain to be found anywhere, of an erased person nothing can be opened either,
and replay, balances and digests are what they were."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from schwifty import IBAN

from daybook.bootstrap import key_store
from daybook.client import Client, Problem
from daybook.running import child_environment
from daybook.session import session
from daybook.views import wait_for_views
from projections.registry import views
from replay.builds import find
from replay.digest import digest
from tests.faults import spilt
from tests.faults.running_copy import PATIENCE_S, RunningCopy, wait_until

BOOK = 1
ANNA, BERT, CLEO = (str(UUID(int=number)) for number in (0xA11A, 0xBE47, 0xC1E0))
MERCHANT = str(UUID(int=77))
CONTROL = "control-text-0f7e2c9a"
"""Not personal: it is stored plain, so that the search is seen to find what is there."""
STORE = ("", "-journal")
LOG_EVERYTHING = ("alter system set log_min_duration_statement = 0", "select pg_reload_conf()")
CAPTURED = "select count(*) from views.payment_orders where status = 'captured'"


def person(number: int, subject: str | None) -> dict[str, Any]:
    """Somebody whose every text stands nowhere else."""
    iban = str(IBAN.generate("DE", bank_code="37040044", account_code=f"{7_290_118_000 + number}"))
    payer: dict[str, Any] = {"name": f"Canaria {number} Quetzalcoatl", "email": f"canary-{number}-quetzal@example.org"}
    payer |= {
        "iban": iban,
        "mandate": {"reference": f"MANDATE-OF-CANARY-{number}", "signed_on": f"19{60 + number}-02-03"},
    }
    return payer if subject is None else {"subject": subject, **payer}


PEOPLE = {"anna": person(1, ANNA), "bert": person(2, BERT), "cleo": person(3, CLEO), "nobody": person(4, None)}
CANARIES = {
    f"{name}'s {field}": text.encode()
    for name, payer in PEOPLE.items()
    for field, text in {**payer, "mandate": payer["mandate"]["reference"]}.items()
    if field != "subject"
}


class Drill(RunningCopy):
    """A running copy, its commands, and all that it leaves behind."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory
        super().__init__(directory, directory / "processes.log")
        self.settings = self.settings.model_copy(update={"log_level": "DEBUG"})
        self.orders: dict[str, list[str]] = {}

    def run(self, *words: str, status: int = 0) -> str:
        """A command in a process of its own; what it says is kept and searched as well."""
        command = [sys.executable, "-m", "daybook", *words]
        done = subprocess.run(
            command, env=child_environment(self.settings), capture_output=True, text=True, check=False, cwd=self._folder
        )
        with (self._folder / "commands.log").open("a") as log:
            log.write(done.stdout + done.stderr)
        assert done.returncode == status, done.stderr
        return done.stdout

    def client(self) -> Client:
        return Client(self.settings.api_url, self.api_key)

    def take_orders(self) -> None:
        """Two of each person, paid by a rail; a request that is repeated, and some that are refused."""
        with self.client() as client:
            for name, payer in PEOPLE.items():
                for _ in range(2):
                    self._pay(client, name, payer)
            key = self.orders["anna"][0]
            assert self._create(client, key, payer=PEOPLE["anna"]).payer.iban == PEOPLE["anna"]["iban"]
            for wrong in (
                {**PEOPLE["anna"], "name": "Canaria 1"},
                {**PEOPLE["bert"], "iban": "DE00370400447290118002"},
            ):
                with pytest.raises(Problem):
                    self._create(client, key, payer=wrong)
            self._create(client, str(uuid4()), metadata={"note": CONTROL})

    def _pay(self, client: Client, name: str, payer: dict[str, Any]) -> None:
        order = self._create(client, str(uuid4()), payer=payer, wait_s=30)
        assert order.status == "captured"
        assert order.payer.name == payer["name"]
        self.orders.setdefault(name, []).append(order.order_id)

    def _create(self, client: Client, key: str, **more: Any) -> Any:
        return client.payment_orders.create(
            amount_minor=1_000,
            currency="EUR",
            merchant_id=MERCHANT,
            rail="simulated",
            payment_token="tok_visa",  # noqa: S106 - of the simulator
            key=key,
            **more,
        )

    def payer(self, name: str, number: int = 0) -> Any:
        """The payer of an order as an operator sees it."""
        with self.client() as client:
            return client.payment_orders.show(self.orders[name][number]).payer

    def rest(self) -> None:
        """Wait until the books and the views have seen everything."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            wait_until(lambda: connection.execute(CAPTURED).fetchone() == (9,), "every order is paid")
        with session(self.settings, roles=()) as opened:
            assert opened.wait_for_books(PATIENCE_S)
            assert wait_for_views(opened, PATIENCE_S)

    def digests(self) -> dict[str, str]:
        """Of the live build of every view."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return {name: digest(connection, find(connection, name, "live")) for name in views()}

    def exports(self, name: str) -> Path:
        """Everything that goes out of the house."""
        folder = self._folder / f"exports-{name}"
        folder.mkdir()
        self.run("export", "parquet", str(folder / "log"))
        self.run("export", "beancount", str(folder / "book.beancount"))
        self.run("ledger", "export", str(folder / "ledger.jsonl"))
        return folder

    def spilt(self, search: spilt.Search, exports: Path) -> dict[str, set[tuple[str, str]]]:
        """What stands where: on the disk, in the tables, in the exports."""
        home, log, commands = self.settings.home, self._folder / "processes.log", self._folder / "commands.log"
        return {
            "files": search.found(spilt.files(home, log, commands, exports)),
            "tables": search.found(spilt.tables(self.database_url)),
            "parquet": search.found(spilt.parquet(exports)),
        }


def key_material(copy: Drill) -> dict[str, bytes]:
    """Anna's data key, plain and as it is wrapped in the store."""
    with closing(key_store(copy.settings)) as keys:
        plain = keys.known_key(BOOK, ANNA).key
    with closing(sqlite3.connect(copy.settings.key_store_file)) as connection:
        select = "select wrapped from data_keys where subject = ?"
        (wrapped,) = connection.execute(select, (ANNA,)).fetchone()
    return {"anna's data key": plain, "anna's wrapped key": bytes(wrapped)}


def places(found: set[tuple[str, str]]) -> set[str]:
    return {place for place, _ in found}


def test_of_an_erased_person_nothing_is_left_and_the_books_do_not_change(server_directory: Path) -> None:
    with Drill(server_directory) as copy:
        with psycopg.connect(copy.database_url, autocommit=True) as connection:
            for statement in LOG_EVERYTHING:
                connection.execute(statement)
        copy.take_orders()
        copy.rest()
        before, keys = copy.digests(), key_material(copy)
        found = copy.spilt(spilt.Search({**CANARIES, **keys, CONTROL: CONTROL.encode()}), copy.exports("before"))
        wrapped = {(place, name) for place, name in found["files"] if name != CONTROL}
        assert {name for _, name in wrapped} == {"anna's wrapped key"}
        assert {"home/keys/subjects.sqlite"} <= places(wrapped) <= {f"home/keys/subjects.sqlite{end}" for end in STORE}
        assert {name for place in ("tables", "parquet") for _, name in found[place]} == {CONTROL}
        assert {"log.events"} <= places(found["tables"])
        assert found["parquet"]
        on_disk = places(found["files"])
        assert any("/pg_wal/" in place for place in on_disk), "the search does not see the WAL"
        assert any(place.endswith("server.log") for place in on_disk), "the search does not see PostgreSQL's log"

        told = json.loads(copy.run("privacy", "erase", ANNA, "--json"))
        assert (told["state"], told["orders"], told["fields"], told["replayed"]) == ("erased", 2, 10, False)
        assert json.loads(copy.run("privacy", "erase", ANNA, "--json"))["replayed"]
        for number in range(2):
            assert copy.payer("anna", number).model_dump(exclude_none=True) == {"subject": ANNA, "erased": True}
            assert copy.payer("bert", number).iban == PEOPLE["bert"]["iban"]
        assert json.loads(copy.run("privacy", "rotate", "--json")) == {
            "master_key": 2, "rewrapped": 4, "resumed": False,
        }  # fmt: skip
        assert copy.payer("nobody").email == PEOPLE["nobody"]["email"]

        assert json.loads(copy.run("verify", "--json"))["verdict"] == "sound"
        assert copy.digests() == before
        for view in ("payment_orders", "balances"):
            copy.run("replay", "rebuild", view)
            copy.run("replay", "diff", view)
            copy.run("replay", "swap", view)
        assert copy.digests() == before

        search = spilt.Search({**CANARIES, **keys})
        assert copy.spilt(search, copy.exports("after")) == {"files": set(), "tables": set(), "parquet": set()}
        copy.stop()
        assert search.found(spilt.files(server_directory)) == set()
        copy.start()
        assert copy.payer("anna").erased
        assert copy.payer("cleo").name == PEOPLE["cleo"]["name"]
        copy.stop()
