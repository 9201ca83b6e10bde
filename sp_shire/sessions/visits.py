"""Who makes this request: the cookie of a session, and the session that it leads to. Decides nothing about access."""

from datetime import datetime

from ostiary.errors import Refusal, Unavailable
from ostiary.federation.keys import KeyRing
from ostiary.saml.validate import Timing
from ostiary.storage.stores import Groups, SessionStore
from ostiary.web.cookies import clear_cookie, cookie_name, read_cookie, set_cookie
from ostiary.web.log import Log
from sp_shire.adapters.exports import exports_of
from sp_shire.addresses import Addresses
from sp_shire.certificates.visitors import CertificateVisitors
from sp_shire.messages import Request
from sp_shire.sessions.client_address import bound_to
from sp_shire.sessions.keeper import SessionKeeper
from sp_shire.sessions.records import Login, Session
from sp_shire.sessions.remembered import Read
from sp_shire.sessions.visitor import Visitor, visitor_of
from sp_shire.settings import ShireSettings
from sp_shire.shar.breaker import Breakers
from sp_shire.shar.learning import Around
from sp_shire.shar.query import Effort, Shar, SoapTransport
from sp_shire.snapshot import Snapshot


class Visits:
    """Sessions of one resource by the requests that bring their cookies."""

    def __init__(
        self,
        settings: ShireSettings,
        addresses: Addresses,
        sessions: SessionStore,
        groups: Groups,
        transport: SoapTransport,
        log: Log,
        certificates: CertificateVisitors | None = None,
    ) -> None:
        self._settings = settings
        self._https = addresses.https
        self._path = addresses.cookie_path
        self._cookie = cookie_name("session", settings.space, https=addresses.https, path=addresses.cookie_path)
        self._transport = transport
        self._certificates = certificates
        self._effort = Effort(settings.query_time.total_seconds(), settings.query.retries)
        self.breakers = Breakers(settings.query.breaker.limits())
        self._log = log
        self._made: tuple[KeyRing, Shar] | None = None
        self.keeper = SessionKeeper(
            settings,
            addresses,
            sessions,
            groups,
            log,
            lambda session: visitor_of(session, exports_of(settings, session.person(), session)),
        )

    def session(self, request: Request, snapshot: Snapshot, now: datetime) -> Session | None:
        """The session of this request, which makes it last no longer. Raises `Unavailable` when the store, or an authority for too long,
        does not answer."""
        read = self._find(request, snapshot, now, uses=False)
        return read.session if read is not None else None

    def visitor(self, request: Request, snapshot: Snapshot, now: datetime) -> Visitor | None:
        """Who makes this request: by her session, which goes on by that; where there is no cookie of a session, by her certificate. So
        nobody becomes another person in the middle of her work because a session ended. Raises as `session`, and as
        `CertificateVisitors.visitor`."""
        read = self._find(request, snapshot, now, uses=True)
        if read is not None:
            return read.visitor
        return self.by_certificate(request, snapshot, now)

    def by_certificate(self, request: Request, snapshot: Snapshot, now: datetime) -> Visitor | None:
        """Whose certificate this request shows; nobody's where it has the cookie of a session. Raises as `CertificateVisitors.visitor`."""
        if self._certificates is None or self.token(request) is not None:
            return None
        return self._certificates.visitor(request, snapshot, now)

    def renew(self, request: Request, snapshot: Snapshot, now: datetime) -> Visitor | None:
        """As `visitor`, after her attributes were asked for anew."""
        token = self.token(request)
        if token is None:
            return None
        read = self.keeper.renew(token, self._around(snapshot, now), address=self._address(request))
        return read.visitor if read is not None else None

    def _find(self, request: Request, snapshot: Snapshot, now: datetime, *, uses: bool) -> Read | None:
        token = self.token(request)
        if token is None:
            return None
        return self.keeper.find(token, self._around(snapshot, now), address=self._address(request), uses=uses)

    def visitor_if_known(self, request: Request, snapshot: Snapshot, now: datetime) -> Visitor | None:
        """The same for a page that is open to everybody: nobody when it can't be found out."""
        try:
            return self.visitor(request, snapshot, now)
        except (Unavailable, Refusal) as error:
            self._log.warning("visitor_unknown", code=error.code, found=error.found)
            return None

    def begin(
        self, request: Request, login: Login, target: str, snapshot: Snapshot, now: datetime
    ) -> tuple[str, Session]:
        """A new session, and the cookie to set. The one that this browser had before ends, so that a planted cookie never becomes hers."""
        token, session = self.keeper.open(login, target, self._around(snapshot, now), address=self._address(request))
        if (old := self.token(request)) is not None:
            self.keeper.end(old, now)
        return set_cookie(self._cookie, token, https=self._https, path=self._path), session

    def stay(self, request: Request, now: datetime, *, warned: bool = False) -> None:
        """Notes at once that she who has a session is here; ``warned``: and was told that it ends soon."""
        if (token := self.token(request)) is not None:
            self.keeper.stay(token, now, warned=warned)

    def login_of(self, request: Request, now: datetime) -> Login | None:
        """The login that began the session of this request. Asks no Attribute Authority, so signing out works without one."""
        token = self.token(request)
        return self.keeper.login_of(token, now) if token is not None else None

    def end(self, request: Request, now: datetime) -> Login | None:
        """Ends the session of this request; returns the login that began it."""
        token = self.token(request)
        return self.keeper.end(token, now) if token is not None else None

    def clear_cookie(self) -> str:
        """The cookie that takes the session's away."""
        return clear_cookie(self._cookie, https=self._https, path=self._path)

    def token(self, request: Request) -> str | None:
        """What the cookie holds."""
        return read_cookie(request.headers.get("cookie"), self._cookie) or None

    def _address(self, request: Request) -> str:
        return bound_to(request.remote, self._settings.sessions)

    def _around(self, snapshot: Snapshot, now: datetime) -> Around:
        return Around(snapshot.registry, snapshot.accept, self._shar(snapshot.keys), now)

    def _shar(self, keys: KeyRing) -> Shar:
        """Made once for the keys in force."""
        known = self._made
        if known is None or known[0] is not keys:
            timing = Timing(skew=self._settings.clock_skew)
            own = self._settings.entity_id
            shar = Shar(
                own,
                keys.signer,
                self._transport,
                timing,
                keys.decrypting,
                self._effort,
                self.breakers,
                allow_cbc_from=self._settings.allow_aes_cbc_from_legacy_partners,
            )
            known = self._made = (keys, shar)
        return known[1]
