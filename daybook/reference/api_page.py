"""api.md: the OpenAPI document as pages to read, with the roles that may call each route, and every error code."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

from api.access import ACCESS, PUBLIC
from api.app import create_app
from api.docs import SPEC_EXTENSION
from api.services import Services
from daybook.reference.error_codes import error_codes
from daybook.reference.markdown import code, codes, page, table

METHODS = ("get", "post", "put", "patch", "delete")


def api_page() -> str:
    """Every route, every schema, every code."""
    app = create_app(cast(Services, SimpleNamespace(keys=None, clock=None, scraped=None)))
    spec: dict[str, Any] = app.extensions[SPEC_EXTENSION]
    endpoints = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower()): rule.endpoint
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    routes = [
        (
            path,
            method,
            {**operation, "parameters": [*operations.get("parameters", ()), *operation.get("parameters", ())]},
        )
        for path, operations in spec["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    ]
    introduction = (
        f"{spec['info']['description']}\n\n"
        "A key is sent as `Authorization: Bearer dbk_test_...`. The same description as OpenAPI 3.1 is at "
        "`/openapi.json`, and as a page at `/docs`."
    )
    parts = [_overview(routes, endpoints), "## Routes"]
    parts += [_route(path, method, operation, endpoints) for path, method, operation in routes]
    parts += ["## Bodies", *_schemas(spec, routes), "## Error codes", error_codes()]
    return page("API", introduction, *parts)


def _roles(endpoint: str) -> str:
    return "no key needed" if endpoint in PUBLIC else codes(sorted(ACCESS.get(endpoint, ())))


def _overview(routes: list[tuple[str, str, Any]], endpoints: dict[tuple[str, str], str]) -> str:
    rows = [
        (f"`{method.upper()} {path}`", operation.get("summary", ""), _roles(endpoints[path, method]))
        for path, method, operation in routes
    ]
    return table(("route", "does", "roles"), rows)


def _route(path: str, method: str, operation: dict[str, Any], endpoints: dict[tuple[str, str], str]) -> str:
    parts = [f"### {method.upper()} {path}", operation.get("summary", ""), operation.get("description", "")]
    parts.append(f"Roles: {_roles(endpoints[path, method])}.")
    if operation["parameters"]:
        parts.append(_parameters(operation["parameters"]))
    if "requestBody" in operation:
        parts.append(f"Body: {_content(operation['requestBody'])}.")
    answers = [
        (code(status), _content(answer), answer.get("description", ""))
        for status, answer in sorted(operation["responses"].items())
        if "$ref" not in answer
    ]
    parts.append(table(("status", "body", "when"), answers))
    return "\n\n".join(part for part in parts if part)


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = [
        (code(one["name"]), one["in"], _type(one["schema"]), _needed(one), one.get("description", ""))
        for one in parameters
    ]
    return table(("parameter", "in", "type", "", "meaning"), rows)


def _needed(parameter: dict[str, Any]) -> str:
    return "required" if parameter.get("required") else ""


def _content(part: dict[str, Any]) -> str:
    for media, content in part.get("content", {}).items():
        schema = content.get("schema")
        return _type(schema) if schema else code(media)
    return ""


def _schemas(spec: dict[str, Any], routes: list[tuple[str, str, Any]]) -> list[str]:
    """Those that a route names, directly or through others, in alphabetical order."""
    known = spec["components"]["schemas"]
    wanted, found = {"Problem"}, set[str]()
    for _, _, operation in routes:
        wanted |= _named(operation)
    while wanted:
        name = wanted.pop()
        found.add(name)
        wanted |= _named(known[name]) - found
    return [_schema(name, known[name]) for name in sorted(found)]


def _named(part: Any) -> set[str]:
    """The schemas that a part of the document refers to."""
    if isinstance(part, dict):
        reference = part.get("$ref", "")
        mine = {reference.rsplit("/", 1)[1]} if reference.startswith("#/components/schemas/") else set[str]()
        return mine.union(*(_named(member) for member in part.values()))
    if isinstance(part, list):
        return set[str]().union(*(_named(member) for member in part))
    return set()


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = [
        (code(field), _type(kind), "required" if field in required else "", kind.get("description", ""))
        for field, kind in schema.get("properties", {}).items()
    ]
    about = schema.get("description", "")
    return f"### {name}\n\n{about + chr(10) * 2 if about else ''}{table(('field', 'type', '', 'meaning'), rows)}"


def _type(schema: dict[str, Any]) -> str:
    """A JSON schema in words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(_type(member) for member in choices)
    if "enum" in schema:
        return "one of " + codes(member for member in schema["enum"] if member is not None)
    kinds = schema.get("type", "any")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "array" in kinds:
        return f"list of {_type(schema.get('items', {}))}" + _bounds(schema, "Items")
    words = [str(schema.get("format", kind)) if kind == "string" else str(kind) for kind in kinds]
    return " or ".join(words) + _bounds(schema, "Length") + _range(schema) + _default(schema)


def _bounds(schema: dict[str, Any], what: str) -> str:
    low, high = schema.get(f"min{what}"), schema.get(f"max{what}")
    unit = "characters" if what == "Length" else "members"
    if high is None:
        return ""
    return f", at most {high} {unit}" if low is None else f", {low} to {high} {unit}"


def _range(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    return "" if low is None and high is None else f", {low} to {high}"


def _default(schema: dict[str, Any]) -> str:
    value = schema.get("default")
    return "" if value in (None, "", {}, []) else f", {code(value)} unless given"
