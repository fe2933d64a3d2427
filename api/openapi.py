"""The OpenAPI 3.1 document: what flask-smorest generates, with the security scheme and problem+json put right."""

from __future__ import annotations

from typing import Any

from api.bulk_items import COMPONENTS
from api.problem import PROBLEM_TYPE

DESCRIPTION = (
    "An event-sourced ledger for payments. Amounts are whole minor units with an ISO 4217 currency; positions are "
    "decimal text; every error is problem+json (RFC 9457). Requests that change something carry an Idempotency-Key."
)
OPENAPI_OPTIONS: dict[str, Any] = {
    "info": {"description": DESCRIPTION},
    "components": {"securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer", "bearerFormat": "dbk_test_..."}}},
    "security": [{"apiKey": []}],
}


def key_parameter(description: str) -> dict[str, Any]:
    """The Idempotency-Key header as an OpenAPI parameter."""
    return {
        "in": "header",
        "name": "Idempotency-Key",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
        "description": description,
    }


PREFER_PARAMETER: dict[str, Any] = {
    "in": "header",
    "name": "Prefer",
    "required": False,
    "schema": {"type": "string"},
    "example": "wait=10",
    "description": "wait=N: wait up to N seconds (at most 30) for the outcome before answering 202.",
}


def finish_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """Every error content becomes problem+json and is listed once per operation; answers the same document.

    The shapes that are no marshmallow schemas are added here.
    """
    spec["components"]["schemas"].update(COMPONENTS)
    shared = spec["components"].get("responses", {})
    for response in shared.values():
        _as_problem(response)
    for path in spec["paths"].values():
        for method, operation in path.items():
            if method not in ("get", "post", "put", "patch", "delete"):
                continue
            for status, response in operation.get("responses", {}).items():
                if status == "default" or (str(status).isdigit() and int(status) >= 400):
                    _as_problem(response)
    return spec


def _as_problem(response: dict[str, Any]) -> None:
    content = response.get("content")
    if content and "application/json" in content:
        content[PROBLEM_TYPE] = content.pop("application/json")
