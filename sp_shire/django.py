"""A Django application behind the SHIRE: `OstiaryMiddleware` in ``MIDDLEWARE`` gives each request ``request.ostiary``. Decides nothing.

The application itself is wrapped in ``wsgi.py`` (`ShireMiddleware`) or ``asgi.py`` (`ShireAsgiMiddleware`). Django's own
``RemoteUserMiddleware`` and ``RemoteUserBackend`` then make accounts of people, by ``remote_user:`` in ``sp.yaml``.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from sp_shire.adapters.asgi import ENVIRON_KEY, ShireAsgiMiddleware
from sp_shire.adapters.doorkeeper import Ostiary
from sp_shire.adapters.wsgi import ShireMiddleware

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Ostiary", "OstiaryMiddleware", "ShireAsgiMiddleware", "ShireMiddleware", "ostiary"]


class _Request(Protocol):
    """What of a Django request is used here."""

    META: dict[str, Any]


class OstiaryMiddleware:
    """Stands before everything that wants to know who is there (``RemoteUserMiddleware`` too), for synchronous and asynchronous views.

    Each request raises `LookupError` when the application is not behind the SHIRE, so that an unprotected one is not taken for a
    protected one.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            # Then what it returns is awaited by who calls this.
            markcoroutinefunction(self)

    def __call__(self, request: _Request) -> Any:
        _introduce(request)
        return self._get_response(request)


def ostiary(request: object) -> Ostiary:
    """The same for those who check types: ``request.ostiary`` of a Django request."""
    found: Ostiary = request.ostiary  # type: ignore[attr-defined]
    return found


def _introduce(request: Any) -> None:
    scope: Mapping[str, Any] | None = getattr(request, "scope", None)
    if scope is None:
        # Under WSGI the names under ``environ:`` are in META already: it is the environment itself.
        request.ostiary = Ostiary.of(request.environ)
        return
    request.ostiary = Ostiary.of(scope)
    told = scope[ENVIRON_KEY]
    request.META.update(told)
    if "REMOTE_USER" in told:
        # There Django's RemoteUserMiddleware looks under ASGI. A client's own header of this name has been removed.
        request.META["HTTP_REMOTE_USER"] = told["REMOTE_USER"]
