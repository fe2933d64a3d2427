"""The OpenAPI document as tests ask it: which operations there are, what they take, and an answer with no more than
what it says is always there."""

from __future__ import annotations

import re
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")
Operation = tuple[str, str]
SAMPLES = {
    "uuid": "00000000-0000-0000-0000-00000000aaaa", "date": "2026-01-01", "date-time": "2026-01-01T00:00:00+00:00",
}  # fmt: skip


class Document:
    """An OpenAPI 3.1 document."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec

    def operations(self) -> list[Operation]:
        """Every operation as method and path."""
        paths = self._spec["paths"].items()
        return [(method.upper(), path) for path, item in paths for method in item if method in METHODS]

    def operation(self, method: str, path: str) -> Operation:
        """The operation that answers a request; plain paths come before those with parameters."""
        for known, pattern in sorted(self.operations(), key=lambda one: one[1].count("{")):
            if known == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
                return known, pattern
        raise AssertionError(f"the document has no {method} {path}")

    def unknown(self, operation: Operation, query: set[str], body: Any) -> list[str]:
        """Names in a request that the document does not have."""
        wrong = sorted(query - {one["name"] for one in self._parameters(operation) if one["in"] == "query"})
        schema = self._body(operation)
        if body is not None:
            wrong += self._strange(schema, body, "body") if schema else ["body"]
        elif schema is not None:
            wrong.append("no body")
        return wrong

    def offered(self, operation: Operation) -> set[str]:
        """What a caller may send: parameters of the query, preferences, members of the body."""
        names = {one["name"] for one in self._parameters(operation) if one["in"] == "query" or one["name"] == "Prefer"}
        return names | set(self._resolved(self._body(operation) or {}).get("properties", {}))

    def sample(self, operation: Operation) -> Any:
        """An answer with required members only, null wherever that is allowed."""
        responses = self._at(operation)["responses"]
        contents = [responses[status].get("content", {}) for status in ("200", "201", "202") if status in responses]
        schema = next(
            (content["application/json"]["schema"] for content in contents if "application/json" in content), {}
        )
        return self._sample(schema)

    def _at(self, operation: Operation) -> dict[str, Any]:
        found: dict[str, Any] = self._spec["paths"][operation[1]][operation[0].lower()]
        return found

    def _parameters(self, operation: Operation) -> list[dict[str, Any]]:
        shared = self._spec["paths"][operation[1]].get("parameters", [])
        return [*shared, *self._at(operation).get("parameters", [])]

    def _body(self, operation: Operation) -> dict[str, Any] | None:
        body = self._at(operation).get("requestBody")
        return None if body is None else body["content"]["application/json"]["schema"]

    def _resolved(self, schema: dict[str, Any], value: Any = None) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self._spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if "anyOf" in schema:  # an object, or null
            return self._resolved(next(one for one in schema["anyOf"] if one != {"type": "null"}), value)
        if "discriminator" in schema and isinstance(value, dict):
            kind = value[schema["discriminator"]["propertyName"]]
            return self._resolved({"$ref": schema["discriminator"]["mapping"][kind]})
        return schema

    def _strange(self, schema: dict[str, Any], value: Any, path: str) -> list[str]:
        schema = self._resolved(schema, value)
        wrong: list[str] = []
        if isinstance(value, dict) and "properties" in schema:
            wrong += [f"{path}.{name}" for name in value if name not in schema["properties"]]
            wrong += [f"{path}.{name} is missing" for name in schema.get("required", ()) if name not in value]
            for name in value.keys() & schema["properties"].keys():
                wrong += self._strange(schema["properties"][name], value[name], f"{path}.{name}")
        elif isinstance(value, list) and "items" in schema:
            for number, item in enumerate(value):
                wrong += self._strange(schema["items"], item, f"{path}.{number}")
        return wrong

    def _sample(self, schema: dict[str, Any]) -> Any:
        if {"type": "null"} in schema.get("anyOf", ()):
            return None
        schema = self._resolved(schema)
        kinds = schema.get("type", "object")
        if isinstance(kinds, list):
            if "null" in kinds:
                return None
            kinds = kinds[0]
        if "enum" in schema:
            return schema["enum"][0]
        if kinds == "array":
            return [self._sample(schema["items"])]
        if kinds == "object":
            needed = schema.get("required", ())
            return {name: self._sample(schema["properties"][name]) for name in needed}
        plain = {"string": SAMPLES.get(schema.get("format", ""), "7"), "integer": 7, "number": 7.5, "boolean": True}
        return plain[kinds]
