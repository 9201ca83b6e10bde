"""For the tests of a protected application: people of the test's choosing come in, without keys, metadata, home organisation and login.

The access rules decide as in service. Acceptance policies do not: attributes are given as they would have come through them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from ostiary.attributes import Attributes, make_attribute
from ostiary.clock import SystemClock
from ostiary.config import Sources, load_document, settings_from
from ostiary.errors import Unavailable
from ostiary.federation.keys import create_key_ring
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.web.log import make_log
from sp_shire.adapters.exports import exports_of
from sp_shire.adapters.wsgi import ShireMiddleware
from sp_shire.assembly import load_snapshot, make_pages, make_stores
from sp_shire.messages import Passage, Reply, Request
from sp_shire.pages.replies import Replies
from sp_shire.sessions.records import Knowledge, Login, Session
from sp_shire.sessions.visitor import Visitor, visitor_of
from sp_shire.sessions.visits import Visits
from sp_shire.settings import ShireSettings
from sp_shire.shire import Shire
from sp_shire.snapshot import Snapshot

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["StandIn"]

HOME: Final = "https://home.example.org/idp"
# What names files and servers of the place where the application is in service, or speaks of other parts of it.
_LEFT_ASIDE: Final = frozenset(
    {
        "aggregation",
        "applications",
        "certificates",
        "forward_auth",
        "status",
        "store",
        "tls_authorities",
        "trust",
        "workers",
    }
)


class StandIn(Shire):
    """Stands where the application's own SHIRE stands in service: give it to `ShireMiddleware`, `ShireAsgiMiddleware` or ``protect`` in
    place of the path of ``sp.yaml``. It believes its test, so it is no protection.

    ``config`` is that ``sp.yaml``; what it says about keys, metadata, certificates, stores, web servers and application domains is left
    aside (a ``jwt`` is signed with a key of its own). Raises `ConfigurationError` where the rest, or a policy that it names, can't be used.
    """

    def __init__(self, config: str | Path) -> None:
        clock = SystemClock()
        with TemporaryDirectory() as directory:
            keys = Path(directory) / "keys"
            create_key_ring(keys, "stand-in", now=clock.now())
            settings = _settings(config, keys)
            snapshot = load_snapshot(settings, Sources(), Registry(()))
        log = make_log(clock, service="stand-in")
        super().__init__(
            settings,
            snapshot=lambda _: snapshot,
            stores=make_stores(settings),
            transport=_Nobody(),
            replies=Replies(settings, make_pages(), log),
            clock=clock,
            log=log,
        )
        self._appointed = _Appointed()
        self._visits = self._appointed

    @property
    def origin(self) -> str:
        """Scheme, host and port of the site, as a browser's ``Origin`` header says it."""
        return self.addresses.origin

    @contextmanager
    def signed_in(
        self,
        attributes: Mapping[str, str | Iterable[str]],
        *,
        home: str = HOME,
        authn_context: str | None = names.PASSWORD_PROTECTED_TRANSPORT,
        authenticated_at: datetime | None = None,
    ) -> Iterator[None]:
        """As long as this lasts, every request is one of a person with these attributes (a value, or several, by friendly name), who logged
        in at ``home`` (entityID) at ``authenticated_at`` (UTC; just now). Else nobody is there."""
        now = self.now()
        known = tuple(
            make_attribute(name, [given] if isinstance(given, str) else given, issuer=home)
            for name, given in attributes.items()
        )
        session = self._session(known, home, authn_context, authenticated_at or now, now)
        before = self._appointed.here
        self._appointed.here = visitor_of(session, exports_of(self.settings, session.person(), session))
        try:
            yield
        finally:
            self._appointed.here = before

    def environ(
        self, path: str, attributes: Mapping[str, str | Iterable[str]] | None = None, *, home: str = HOME
    ) -> dict[str, object]:
        """What the middleware adds to the WSGI environment of a GET of ``path``, for test clients that begin behind it (Django's:
        ``client.get("/room/", **shire.environ("/room/", {...}))``). Without ``attributes`` nobody is there.

        Raises `LookupError` where the request would not get through to the application.
        """
        if attributes is not None:
            with self.signed_in(attributes, home=home):
                return self.environ(path)
        base: dict[str, object] = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path}
        seen: dict[str, object] = {}

        def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
            seen.update(environ)
            return ()

        ShireMiddleware(application, self)(dict(base), _no_answer)
        return {name: value for name, value in seen.items() if name not in base}

    def handle(self, request: Request) -> Reply | Passage:
        """As `Shire.handle`, by whatever name of a host the test calls."""
        return super().handle(replace(request, headers={**request.headers, "host": self.addresses.host}))

    def _session(
        self, known: Attributes, home: str, authn_context: str | None, authenticated_at: datetime, now: datetime
    ) -> Session:
        ends = now + self.settings.sessions.lifetime
        login = Login(
            issuer=home,
            name_id=NameId("a handle", names.TRANSIENT),
            authenticated_at=authenticated_at,
            in_response_to=None,
            session_index=None,
            authn_context=authn_context,
            session_ends=None,
            attributes=known,
        )
        return Session(login, Knowledge(known, (), (), queried=False, at=now, ask_again=ends), now, ends)


class _Appointed(Visits):
    """Whoever the test says."""

    def __init__(self) -> None:
        self.here: Visitor | None = None

    def session(self, request: Request, snapshot: Snapshot, now: datetime) -> Session | None:
        return self.here.session if self.here is not None else None

    def visitor(self, request: Request, snapshot: Snapshot, now: datetime) -> Visitor | None:
        return self.here


class _Nobody:
    """No authority is there to be asked."""

    def post(self, url: str, envelope: bytes, *, within: float | None = None) -> bytes:
        raise Unavailable("shar.unreachable", expected="an answer", found="a stand-in, which asks nobody")


def _settings(config: str | Path, keys: Path) -> ShireSettings:
    document = load_document(config)
    kept = {key: value for key, value in document.data.items() if key not in _LEFT_ASIDE}
    if isinstance(token := kept.get("jwt"), dict):
        kept["jwt"] = {key: value for key, value in token.items() if key != "keys"}
    trust = {"keys": str(keys), "metadata": []}
    return settings_from(replace(document, data={**kept, "trust": trust}), ShireSettings)


def _no_answer(*_answer: object) -> Callable[[bytes], object]:
    raise LookupError("this request would not get through to the application")
