"""Who makes this request: the cookie of a session, and the session that it leads to. Decides nothing about access."""

from datetime import datetime

from ostiary.errors import Unavailable
from ostiary.saml.validate import Timing
from ostiary.storage.stores import Groups, SessionStore
from ostiary.web.cookies import clear_cookie, cookie_name, read_cookie, set_cookie
from ostiary.web.log import Log
from sp_shire.addresses import Addresses
from sp_shire.messages import Request
from sp_shire.sessions.keeper import SessionKeeper
from sp_shire.sessions.records import Login, Session
from sp_shire.settings import ShireSettings
from sp_shire.shar.query import Shar, SoapTransport
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
    ) -> None:
        self._settings = settings
        self._https = addresses.https
        self._cookie = cookie_name("session", settings.entity_id, https=addresses.https)
        self._transport = transport
        self._log = log
        self.keeper = SessionKeeper(settings, addresses, sessions, groups, log)

    def session(self, request: Request, snapshot: Snapshot, now: datetime) -> Session | None:
        """The session of this request. Raises `Unavailable` when the store, or an authority for too long, does not answer."""
        token = self.token(request)
        if token is None:
            return None
        return self.keeper.find(token, snapshot.registry, snapshot.accept, self._shar(snapshot), now)

    def visitor(self, request: Request, snapshot: Snapshot, now: datetime) -> Session | None:
        """Who it is on a page that is open to everybody; when that can't be found out, nobody."""
        try:
            return self.session(request, snapshot, now)
        except Unavailable as error:
            self._log.warning("visitor_unknown", code=error.code, found=error.found)
            return None

    def begin(
        self, request: Request, login: Login, target: str, snapshot: Snapshot, now: datetime
    ) -> tuple[str, Session]:
        """A new session, and the cookie to set. The one that this browser had before ends, so that a planted cookie never becomes hers."""
        token, session = self.keeper.open(login, target, snapshot.registry, snapshot.accept, self._shar(snapshot), now)
        if (old := self.token(request)) is not None:
            self.keeper.end(old, now)
        return set_cookie(self._cookie, token, https=self._https), session

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
        return clear_cookie(self._cookie, https=self._https)

    def token(self, request: Request) -> str | None:
        """What the cookie holds."""
        return read_cookie(request.headers.get("cookie"), self._cookie) or None

    def _shar(self, snapshot: Snapshot) -> Shar:
        timing = Timing(skew=self._settings.clock_skew)
        keys = snapshot.keys
        return Shar(self._settings.entity_id, keys.signer, self._transport, timing, keys.decrypting)
