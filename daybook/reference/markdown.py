"""Markdown as the reference pages need it, and the few ways of asking Python what a class looks like."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import types
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from pydantic import SecretStr

ROOMS = ("domain", "eventlog", "rails", "projections", "ledger", "replay", "payments", "api", "daybook")
NOTICE = "Written by `python -m daybook.reference` from the code; change the code, not this page."
_NAMES: dict[Any, str] = {
    str: "text",
    int: "integer",
    bool: "true or false",
    float: "number",
    datetime: "time (RFC 3339)",
    date: "day",
    UUID: "UUID",
    Path: "path",
    SecretStr: "text, never shown",
    types.NoneType: "null",
    Any: "any",
}


def page(title: str, introduction: str, *parts: str) -> str:
    """A whole page: title, notice, introduction, then the parts with an empty line between them."""
    return "\n\n".join((f"# {title}", NOTICE, introduction, *(part.strip("\n") for part in parts if part))) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> str:
    """A table; the columns named in `right` hold numbers."""
    lines = [_line(columns), "|" + "|".join("---:" if column in right else "---" for column in columns) + "|"]
    return "\n".join([*lines, *(_line(row) for row in rows)])


def _line(cells: Sequence[object]) -> str:
    texts = (" ".join(str(cell).split()).replace("|", "\\|") for cell in cells)
    return "| " + " | ".join(texts) + " |"


def code(text: object) -> str:
    """Text in backticks; nothing stays nothing."""
    return f"`{text}`" if str(text) else ""


def codes(texts: Iterable[object]) -> str:
    """Several of them, with commas between."""
    return ", ".join(code(text) for text in texts)


def docstring(thing: Any) -> list[str]:
    """The paragraphs of a docstring, each in one line; none where there is no docstring of its own."""
    text = inspect.cleandoc(thing.__doc__ or "")
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]


def type_name(hint: Any) -> str:
    """A type annotation in words, as the JSON of the log holds it; a record is spelt out field by field."""
    if hint in _NAMES:
        return _NAMES[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(f"`{argument}`" for argument in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(type_name(argument) for argument in arguments)
    if origin in (list, tuple):
        return f"list of {type_name(arguments[0])}"
    if origin is dict:
        return f"map of {type_name(arguments[0])} to {type_name(arguments[1])}"
    if is_record(hint):
        members = ", ".join(f"{name}: {type_name(kind)}" for name, kind in get_type_hints(hint).items())
        return f"{{{members}}}"
    return str(getattr(hint, "__name__", hint))


def is_record(kind: Any) -> bool:
    """Whether a class is a plain record of fields."""
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct))


def import_everything() -> None:
    """Import every module of every room, so that whatever registers itself on import is there."""
    for room in ROOMS:
        for found in pkgutil.walk_packages(importlib.import_module(room).__path__, f"{room}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
