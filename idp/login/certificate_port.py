"""The identity provider's application on the port that asks for certificates: nothing but the login by certificate is answered there.

Everything else belongs to the port of the service itself, whose TLS and reverse proxy are the administrator's.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from idp.login.page import CERTIFICATE_PATH

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_ASSETS: Final = "/assets/"
# Whoever reaches this port reaches it directly, so what a proxy would say of the client is anybody's word.
_FORWARDED: Final = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED")


class CertificatePort:
    """WSGI: the application under the name of the port. ``public_url`` is that of the port, ``service_url`` that of the service."""

    def __init__(self, application: "WSGIApplication", *, public_url: str, service_url: str) -> None:
        self._application = application
        self._host = urlsplit(public_url).netloc
        service = urlsplit(service_url)
        self._service_host, self._prefix = service.netloc, service.path
        self._home = f"{service_url}/"

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "").removeprefix(self._prefix)
        if environ.get("HTTP_HOST", "").lower() != self._host or environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _plain(start_response, "400 Bad Request", b"This address only takes logins by certificate.\n")
        if path != CERTIFICATE_PATH and not path.startswith(_ASSETS):
            start_response("303 See Other", [("Location", self._home), ("Content-Length", "0")])
            return []
        passed_on = {key: value for key, value in environ.items() if key not in _FORWARDED}
        # The application answers for its own name alone; that this request was for ours is checked above.
        passed_on["HTTP_HOST"] = self._service_host
        return self._application(passed_on, start_response)


def _plain(start_response: "StartResponse", status: str, text: bytes) -> Iterable[bytes]:
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(text))),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
    ]
    start_response(status, headers)
    return [text]
