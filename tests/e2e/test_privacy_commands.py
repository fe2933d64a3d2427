"""The commands about people: what they tell, what they refuse, and where the keys lie."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from daybook.bootstrap import checkout, event_log, key_store
from daybook.settings import Settings
from eventlog.sealing.seals import KeyedSeals
from payments.commands import CreateOrder
from tests.e2e.test_ledger_commands import Shell

ANNA, BERT, STRANGER = (str(UUID(int=number)) for number in (0xA11A, 0xBE47, 0x57))
MERCHANT = str(UUID(int=77))
NAME = "Anna of the commands"


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """A home with two orders of Anna's and one of Bert's; the key store is elsewhere."""
    settings = Settings(home=tmp_path / "home", database_url=database_url, key_store=tmp_path / "safe" / "people.db")
    with event_log(settings) as log, closing(key_store(settings)) as keys:
        taking = checkout(log, seals=KeyedSeals(keys))
        for subject in (ANNA, ANNA, BERT):
            body = {"amount_minor": 5, "currency": "EUR", "merchant_id": MERCHANT}
            payer = {"subject": subject, "name": NAME, "iban": "DE89370400440532013000"}
            taking.create_order(
                CreateOrder.model_validate({"book": 1, "order_id": str(uuid4()), "payer": payer, **body})
            )
    return settings


@pytest.fixture
def shell(settings: Settings) -> Shell:
    return Shell(settings)


def test_people_are_listed_shown_and_erased_by_subject_alone(shell: Shell) -> None:
    assert [(one["subject"], one["state"]) for one in shell.facts("privacy", "list")] == [
        (ANNA, "readable"),
        (BERT, "readable"),
    ]
    before = shell.facts("privacy", "show", ANNA)
    assert (before["state"], before["orders"], before["fields"], before["master_key"]) == ("readable", 2, 4, 1)
    dry = shell.facts("privacy", "erase", ANNA, "--dry-run")
    assert (dry["state"], dry["dry_run"]) == ("readable", True)
    assert "4 fields of 2 orders are unreadable" in shell.run("privacy", "erase", ANNA.upper())
    again = shell.facts("privacy", "erase", ANNA)
    assert (again["state"], again["replayed"], "master_key" in again) == ("erased", True, False)
    said = shell.run("privacy", "list") + shell.run("privacy", "show", BERT) + shell.run("privacy", "show", ANNA)
    assert "erased" in said
    assert NAME not in said
    assert "DE89" not in said


def test_who_is_not_known_is_refused_and_other_books_know_nobody(shell: Shell) -> None:
    assert "unknown_subject" in shell.run("privacy", "erase", STRANGER, status=1)
    assert "not_a_uuid" in shell.run("privacy", "show", "anna", status=1)
    assert "unknown_subject" in shell.run("privacy", "erase", ANNA, book=2, status=1)
    assert shell.facts("privacy", "list", book=2) == []


def test_a_rotation_says_what_it_did_and_everybody_is_as_readable_as_before(shell: Shell) -> None:
    assert shell.facts("privacy", "rotate") == {"master_key": 2, "rewrapped": 2, "resumed": False}
    assert {one["master_key"] for one in shell.facts("privacy", "list")} == {2}
    assert "rewrapped" in shell.run("privacy", "rotate")


def test_keys_that_cannot_be_used_end_a_command_with_3_and_the_doctor_says_why(
    shell: Shell, settings: Settings
) -> None:
    assert json.loads(shell.run("doctor", "--json"))["verdict"] == "healthy"
    settings.master_keys_file.chmod(0o644)
    assert "make it mode 600" in shell.run("privacy", "rotate", status=3)
    found = json.loads(shell.ended("doctor", "--json", status=1).stdout)
    assert found["verdict"] == "unhealthy"
    assert "make it mode 600" in found["findings"][-1]["detail"]
    settings.master_keys_file.unlink()
    assert "put it back" in shell.run("privacy", "rotate", status=3)


def test_an_order_is_shown_with_its_payers_subject_alone(shell: Shell, settings: Settings) -> None:
    with event_log(settings) as log:
        order = log.log_recorder.read(0, 100, topics=["payment-order.created.v1"])[0]
    order_id = json.loads(order.state)["order_id"]
    said = shell.run("orders", "show", order_id, "--json")
    assert json.loads(said)["payer"] == ANNA
    explained = shell.run("explain", "order", order_id)
    assert f"to be paid by subject {ANNA}" in explained
    assert NAME not in said + explained


def test_the_keys_lie_where_the_settings_say_and_never_with_the_database(tmp_path: Path, settings: Settings) -> None:
    assert settings.key_store_file.is_file()
    assert settings.master_keys_file == tmp_path / "home" / "keys" / "master-keys.json"
    assert settings.master_keys_file.is_file()
    home, inside = tmp_path / "home", tmp_path / "home" / "postgres" / "data" / "keys"
    for wrong in ({"key_store": inside}, {"master_keys": inside}):
        with pytest.raises(ValidationError, match="lies in the database's directory"):
            Settings(home=home, **wrong)
    with pytest.raises(ValidationError, match="the same file"):
        Settings(home=home, key_store=tmp_path / "k", master_keys=tmp_path / "k")


def test_a_place_among_the_databases_files_is_refused_with_the_name_of_the_variable(
    shell: Shell, tmp_path: Path
) -> None:
    wrong = Shell(Settings(home=tmp_path / "home").model_copy(update={"key_store": tmp_path / "home/postgres/keys"}))
    assert "DAYBOOK_KEY_STORE lies in the database's directory" in wrong.run("privacy", "list", status=2)
