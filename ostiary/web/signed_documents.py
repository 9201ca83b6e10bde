"""How signed metadata goes out over HTTP: conditional and compressed, for programs. Knows nothing of what is in it."""

from datetime import datetime, timedelta
from typing import Final

from flask import Response, request

from ostiary.web.encodings import takes_gzip

MEDIA_TYPE: Final = "application/samlmetadata+xml"


def wants_gzip() -> bool:
    """Whether the answer goes out in gzip."""
    return takes_gzip(request.headers.get("Accept-Encoding", ""))


def finished(response: Response, *, etag: str, made_at: datetime, max_age: timedelta, gzipped: bool) -> Response:
    """Each encoding is a representation of its own, with an ETag of its own (RFC 9110 8.8.3)."""
    response.content_type = MEDIA_TYPE
    if gzipped:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["ETag"] = f'"{etag}-gz"' if gzipped else f'"{etag}"'
    response.headers["Cache-Control"] = f"public, max-age={max(0, int(max_age.total_seconds()))}"
    response.headers["Vary"] = "Accept, Accept-Encoding"
    response.last_modified = made_at
    response.make_conditional(request)
    return response
