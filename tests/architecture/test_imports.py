"""The rooms keep their distance: import direction, our names for ourselves, and no person's data in an event."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from inspect import isclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from eventsourcing.domain import DomainEvent

import domain
from domain.adjustment import AdjustmentLine
from domain.lines import Line
from domain.payer import PayerGiven
from domain.sealed import Sealed
from eventlog.mapper import state_type

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("domain", "eventlog", "rails", "projections", "ledger", "replay", "payments", "api", "daybook")
# Parts of a field name that mean a person. What is in such a field may enter events only sealed.
PERSONAL = re.compile(
    r"(^|_)(email|e_mail|mail|iban|bic|phone|telephone|mobile|msisdn|first_name|last_name|full_name|given_name"
    r"|family_name|surname|holder|birth\w*|birthday|street|city|postcode|postal_code|zip|zip_code|passport|ssn"
    r"|tax_id|ip|ip_address|pan|card_number|cvv|cvc|customer_name|person|payer_name|payee_name)(_|$)"
)
# A ledger account's address is no place where somebody lives; a book's name is a tenant's.
ADDRESS_OF_AN_ACCOUNT = {"wallet.opened.v1"}
NAME_OF_A_TENANT = {"book.opened.v1"}
LINES_OF_ACCOUNTS = {Line, AdjustmentLine, Sealed}


def _event_classes() -> Iterator[type]:
    for found in pkgutil.walk_packages(domain.__path__, "domain."):
        module = importlib.import_module(found.name)
        for _, owner in inspect.getmembers(module, inspect.isclass):
            for candidate in (owner, *vars(owner).values()):
                if inspect.isclass(candidate) and issubclass(candidate, DomainEvent) and "TOPIC" in vars(candidate):
                    yield candidate


def _fields(event: type) -> dict[str, Any]:
    return get_type_hints(state_type(event))


def _is_sealed(hint: Any) -> bool:
    return hint is Sealed or hint == Sealed | None


def _unsealed(topic: str, fields: dict[str, Any]) -> list[str]:
    """The fields that mean a person and would hold plain text; also those inside of objects and lists."""
    found = []
    for name, hint in fields.items():
        is_personal = PERSONAL.search(name) is not None
        is_personal |= name == "address" and topic not in ADDRESS_OF_AN_ACCOUNT
        is_personal |= name == "name" and topic not in NAME_OF_A_TENANT
        if is_personal and not _is_sealed(hint):
            found.append(f"{topic}: {name}")
        for inner in (hint, *get_args(hint)):
            if isclass(inner) and issubclass(inner, msgspec.Struct) and inner not in LINES_OF_ACCOUNTS:
                found += _unsealed(topic, get_type_hints(inner))
    return found


def test_every_room_imports_only_what_its_place_allows() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(program), "--config", "setup.cfg", "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_client_can_be_copied_out_of_here() -> None:
    """It is for other people's programs, which have no use for ours."""
    allowed = {"httpx", "pydantic", *sys.stdlib_module_names}
    strange = []
    for path in sorted((ROOT / "daybook" / "client").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            own = [name for name in names if name.split(".")[:2] == ["daybook", "client"]]
            strange += [
                f"{path.name}: {name}" for name in names if name not in own and name.split(".")[0] not in allowed
            ]
    assert strange == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_dependency_ships_a_package_with_the_name_of_a_room(room: str) -> None:
    assert set(packages_distributions().get(room, [])) <= {"daybook"}
    assert Path(importlib.import_module(room).__path__[0]) == ROOT / room


def test_a_field_for_a_persons_data_is_sealed_in_every_event() -> None:
    events = {event.TOPIC: event for event in _event_classes()}  # type: ignore[attr-defined]
    assert events, "no event was found in the domain"
    assert [field for topic, event in events.items() for field in _unsealed(topic, _fields(event))] == []
    assert set(_fields(PayerGiven)) >= {"name", "email", "iban"}, "the one event that holds personal data"


def test_an_event_with_a_plain_personal_field_would_be_found() -> None:
    class Person(msgspec.Struct):
        phone: str
        birthday: Sealed

    plain = {"name": str, "email": str | None, "iban": Sealed, "phone": Sealed | None, "holders": list[Person]}
    assert _unsealed("new.made.v1", plain) == ["new.made.v1: name", "new.made.v1: email", "new.made.v1: phone"]
    assert _unsealed("new.made.v1", {"email": Sealed | str}) == ["new.made.v1: email"]


def test_the_guard_against_personal_fields_knows_one_when_it_sees_it() -> None:
    personal = ("email", "iban", "customer_email", "full_name", "phone_number", "holder_name", "ip_address")
    allowed = ("description", "recipient_id", "zipped", "rail_reference", "seller_id", "shipping_minor")
    assert [name for name in personal if not PERSONAL.search(name)] == []
    assert [name for name in allowed if PERSONAL.search(name)] == []


def test_every_topic_names_its_aggregate_and_version_and_is_used_once() -> None:
    topics: dict[str, type] = {}
    for event in set(_event_classes()):
        topic = event.TOPIC  # type: ignore[attr-defined]
        assert re.fullmatch(r"[a-z-]+\.[a-z-]+\.v[1-9][0-9]*", topic), topic
        assert topics.setdefault(topic, event) is event, topic
