"""The Attribute Authority's application on the TLS port that takes any client certificate: nothing but queries is answered there.

Pages and everything else belong to the port of the service itself.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from attribute_authority.settings import QUERY_PATH

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEALTH_PATH: Final = "/health"

_ANSWERED: Final = frozenset({("POST", QUERY_PATH), ("GET", HEALTH_PATH), ("HEAD", HEALTH_PATH)})
# Whoever reaches this port reaches it directly, so what a proxy would say of the client is anybody's word.
_FORWARDED: Final = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED")
_TEXT: Final = b"This address only takes attribute queries.\n"


class BackChannelPort:
    """WSGI: the application under the name of the port. ``public_url`` is that of the port, ``service_url`` that of the service."""

    def __init__(self, application: "WSGIApplication", *, public_url: str, service_url: str) -> None:
        self._application = application
        own, service = urlsplit(public_url), urlsplit(service_url)
        self._host, self._prefix = own.netloc, own.path
        self._service_host, self._service_prefix = service.netloc, service.path

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        inside = path.removeprefix(self._prefix) if path.startswith(self._prefix) else ""
        health = inside == HEALTH_PATH
        # A health check asks by address.
        named = health or environ.get("HTTP_HOST", "").lower().removesuffix(":443") == self._host
        if not named or (environ.get("REQUEST_METHOD"), inside) not in _ANSWERED:
            return _refused(start_response)
        passed_on = {key: value for key, value in environ.items() if key not in _FORWARDED}
        # The application answers for its own name alone; that this request was for ours is checked above.
        passed_on["HTTP_HOST"] = self._service_host
        passed_on["PATH_INFO"] = self._service_prefix + inside
        return self._application(passed_on, start_response)


def _refused(start_response: "StartResponse") -> Iterable[bytes]:
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(_TEXT))),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
    ]
    start_response("400 Bad Request", headers)
    return [_TEXT]
