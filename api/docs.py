"""The front page, the OpenAPI document and a documentation page that works without a network.

The page is one file of ours: readers of a payments API must not run scripts from somebody else's server, and a machine
without the internet still has its manual. Its script and style are allowed by hash and nothing else is.
"""

from __future__ import annotations

import base64
import hashlib

import msgspec
from flask import Blueprint, Response, current_app

from api.docs_page import HOME, PAGE, SCRIPT, STYLE

SPEC_EXTENSION = "daybook_openapi"

blp = Blueprint("docs", __name__)


def _source(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


_POLICY = (
    f"default-src 'none'; script-src {_source(SCRIPT)}; style-src {_source(STYLE)}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def _html(text: str) -> Response:
    return Response(text, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _POLICY})


@blp.get("/")
def home() -> Response:
    """Where a person who opens the address finds everything else."""
    return _html(HOME)


@blp.get("/docs")
def page() -> Response:
    """The manual of every route, made from /openapi.json in the browser."""
    return _html(PAGE)


@blp.get("/openapi.json")
def openapi() -> Response:
    """The OpenAPI 3.1 document."""
    return Response(msgspec.json.encode(current_app.extensions[SPEC_EXTENSION]), content_type="application/json")
