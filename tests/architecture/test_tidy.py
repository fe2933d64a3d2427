"""The code stays readable: sizes, names and the files every room must have."""

from __future__ import annotations

import ast
import configparser
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("domain", "eventlog", "rails", "projections", "ledger", "replay", "payments", "api", "daybook")
LONGEST_FUNCTION = 70
LONGEST_MODULE = 400
LONGEST_LINE = 120
# Names that say nothing about what a class is for.
EMPTY_NAMES = re.compile(r"(Manager|Helper|Helpers|Util|Utils|Base)$|^Base[A-Z]")
# Places on one person's machine. Spelt so that this file does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|home/[a-z]+|Users/[a-z]+|tmp/[a-z]+)/")
SKIPPED = {".venv", "build", "dist", ".daybook", ".git", ".hypothesis", "__pycache__"}
TEXT = {".py", ".sql", ".md", ".cfg", ".toml", ".sh", ".html", ".yml", ".yaml", ".json"}


def _modules() -> list[Path]:
    return sorted(path for room in (*ROOMS, "tests") for path in (ROOT / room).rglob("*.py"))


def _packages() -> list[Path]:
    return sorted(path.parent for room in ROOMS for path in (ROOT / room).rglob("__init__.py"))


def _texts() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT).parts
        if not SKIPPED.isdisjoint(inside) or any(part.endswith(".egg-info") for part in inside):
            continue
        if path.is_file() and (path.suffix in TEXT or path.name in {"Makefile", "run"}):
            yield path


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _classes_and_functions(path: Path) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_module_is_too_long_to_hold_in_mind() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in _modules()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_no_function_is_too_long_to_hold_in_mind() -> None:
    long = []
    for path in _modules():
        for node in _classes_and_functions(path):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if not isinstance(node, ast.ClassDef) and length > LONGEST_FUNCTION:
                long.append(f"{_name(path)}:{node.lineno} {node.name} has {length} lines")
    assert long == []


def test_no_line_is_too_wide() -> None:
    wide = [
        f"{_name(path)}:{number}"
        for path in _modules()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LONGEST_LINE
    ]
    assert wide == []


def test_no_class_has_a_name_that_says_nothing() -> None:
    empty = [
        f"{_name(path)}:{node.lineno} {node.name}"
        for path in _modules()
        for node in _classes_and_functions(path)
        if isinstance(node, ast.ClassDef) and EMPTY_NAMES.search(node.name)
    ]
    assert empty == []


def test_every_module_says_what_it_is_for() -> None:
    written = [path for path in _modules() if path.read_text().strip()]
    assert [_name(path) for path in written if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert sorted(_name(folder) for folder in folders - set(_packages())) == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_typed_and_introduces_itself(room: str) -> None:
    assert (ROOT / room / "py.typed").is_file(), f"{room} lacks py.typed"
    introduction = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text()))
    assert introduction, f"{room}/__init__.py does not say what lives there"


def test_every_room_is_packaged_checked_and_kept_in_its_place() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert folders == set(ROOMS)
    assert {f"{room}*" for room in ROOMS} == set(config["options.packages.find"]["include"].split())
    assert set(ROOMS) == set(config["importlinter"]["root_packages"].split())
    assert set(ROOMS) == set(re.split(r"[,\s]+", config["mypy"]["packages"].strip()))


def test_nothing_names_a_place_on_somebodys_machine() -> None:
    found = [
        f"{_name(path)}:{number}"
        for path in _texts()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


def test_every_migration_can_be_rolled_back() -> None:
    migrations = {path.name for path in (ROOT / "migrations").glob("*.sql")}
    forward = {name for name in migrations if not name.endswith(".rollback.sql")}
    assert forward
    assert {name.replace(".sql", ".rollback.sql") for name in forward} == migrations - forward


def test_make_recipes_stay_short_and_keep_their_logic_elsewhere() -> None:
    recipe = 0
    for number, line in enumerate((ROOT / "Makefile").read_text().splitlines(), 1):
        recipe = recipe + 1 if line.startswith("\t") else 0
        assert recipe <= 3, f"Makefile:{number} is the fourth line of a recipe: move the logic into a program"


def test_every_pinned_dependency_says_what_it_is_for_and_is_locked_with_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text().lower()
    lines = (ROOT / "setup.cfg").read_text().splitlines()
    pins = [(before, line.strip()) for before, line in itertools.pairwise(lines) if "==" in line]
    assert pins
    for reason, pin in pins:
        assert reason.strip().startswith("# "), f"{pin} has no line above that says what it is for"
        name, _, version = pin.lower().partition("==")
        wanted = f"{name.partition('[')[0].replace('_', '-')}=={version} \\"
        assert any(line == wanted for line in re.sub(r"\[\w+\]", "", lock).splitlines()), f"{pin}: run make lock"
    assert not re.search(r"--(index-url|extra-index-url|find-links|trusted-host)", lock)
