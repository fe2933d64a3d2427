"""Success answers as JSON, encoded once.

Why not the framework's `jsonify` behind a schema dump: on the hot routes that would walk and copy every answer twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from flask import Response

_ENCODER = msgspec.json.Encoder()


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer `document` (plain values, datetimes and UUIDs included) as application/json."""
    response = Response(_ENCODER.encode(document), status=status, content_type="application/json")
    if headers:
        for name, value in headers.items():
            response.headers.add(name, value)
    return response
