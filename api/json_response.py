"""Success answers as JSON, encoded once.

Why not the framework's `jsonify` behind a schema dump: on the hot routes that would walk and copy every answer twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from flask import Response
from werkzeug.datastructures import Headers


class _Finished(Response):
    """An answer whose headers are complete and plain ASCII: the framework would rewrite Location and look for more."""

    def get_wsgi_headers(self, environ: Any) -> Headers:
        return self.headers


_ENCODER = msgspec.json.Encoder()


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer `document` (plain values, datetimes and UUIDs included) as application/json."""
    body = _ENCODER.encode(document)
    response = _Finished(body, status=status, content_type="application/json")
    response.headers.add("Content-Length", str(len(body)))
    if headers:
        for name, value in headers.items():
            response.headers.add(name, value)
    return response
