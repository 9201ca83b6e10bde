"""One connection to one server of a directory: made, protected as the settings ask, asked, ended. The only place that imports ldap3.

Never follows a referral, never trusts a certificate that the configured CA did not sign for this host; each task ends by its deadline.
"""

import contextlib
import select
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPCommunicationError, LDAPExceptionError

from ostiary.config import is_loopback
from ostiary.errors import Unavailable
from ostiary.ldap.bind_results import POLICY_CONTROL
from ostiary.ldap.port import Entry
from ostiary.ldap.settings import LdapSettings
from ostiary.ldap.timed_socket import Deadline, TimedSocket

BASE: Final = ldap3.BASE
SUBTREE: Final = ldap3.SUBTREE


@dataclass(frozen=True, slots=True)
class Asked:
    """One search, at and below ``base``, or of it alone; ``text`` is the filter."""

    base: str
    text: str
    attributes: tuple[str, ...]
    scope: str = SUBTREE
    # Two are enough to see that it is not one.
    most: int = 2


class Gone(Exception):
    """The server closed the connection."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self._found = found

    def unavailable(self, code: str) -> Unavailable:
        return Unavailable(code, expected="an answer", found=self._found)


class Line:
    """One connection to one server, used by one thread at a time; open, and protected as the settings ask, once it is made."""

    def __init__(self, server: str, settings: LdapSettings, context: ssl.SSLContext | None) -> None:
        self.server = server
        limit = settings.connect_time_limit.total_seconds()
        self._deadline = Deadline(limit)
        self._tls = _StrictTls(context, self._deadline) if context is not None else None
        self._connection: Any = None
        try:
            # One of its own for each connection: ldap3 notes in it which address is in use.
            target = ldap3.Server(server, get_info=ldap3.NONE, tls=self._tls, connect_timeout=limit)
            self._connection = _connection(target)
            self._connection.open(read_server_info=False)
            if not isinstance(self._connection.socket, TimedSocket):
                _send_at_once(self._connection.socket)
                self._connection.socket = TimedSocket(self._connection.socket, self._deadline)
            if settings.start_tls and not self._connection.start_tls(read_server_info=False):
                raise Unavailable("ldap.tls", expected="StartTLS", found=f"none from {server}")
            if self._is_exposed(settings):
                raise Unavailable("ldap.tls", expected="TLS", found=f"a plain connection to {server}")
        except Unavailable:
            self.close()
            raise
        except Exception as error:
            # ldap3 wraps what went wrong into classes of its own, and lets others through.
            self.close()
            raise self._why_not_open(error) from error

    def _is_exposed(self, settings: LdapSettings) -> bool:
        """Belt and braces: what the settings promise is looked for on the socket that the password will go over."""
        parts = urlsplit(self.server)
        wanted = parts.scheme == "ldaps" or settings.start_tls
        allowed = parts.scheme == "ldapi" or is_loopback(parts.hostname or "")
        allowed = allowed or settings.allow_password_over_plain_ldap
        return not isinstance(self._connection.socket.raw, ssl.SSLSocket) and (wanted or not allowed)

    def search(self, asked: Asked, seconds: float) -> tuple[dict[str, Any], list[Entry]]:
        """The result, and at most so many entries as are asked for. Raises `Gone`, `Unavailable`."""
        with self._asking(seconds):
            self._connection.search(
                asked.base,
                asked.text,
                search_scope=asked.scope,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=list(dict.fromkeys(asked.attributes)) or [ldap3.NO_ATTRIBUTES],
                size_limit=asked.most,
                time_limit=max(1, round(seconds)),
                auto_escape=False,
            )
            found = [_entry(part) for part in self._connection.response if part["type"] == "searchResEntry"]
            return dict(self._connection.result), found

    def bind(self, dn: str, password: bytes, seconds: float) -> dict[str, Any]:
        """The result of a simple bind. Raises `Gone`, `Unavailable`."""
        connection = self._connection
        connection.authentication, connection.user, connection.password = ldap3.SIMPLE, dn, password
        try:
            with self._asking(seconds):
                connection.bind(read_server_info=False, controls=[(POLICY_CONTROL, False, None)])
                return dict(connection.result)
        finally:
            connection.password = None
            connection.request = None

    def is_quiet(self) -> bool:
        """Nothing has come since the last answer: neither the end of the connection nor a notice of it."""
        try:
            poll = select.poll()
            poll.register(self._connection.socket.raw, select.POLLIN)
            return not poll.poll(0)
        except (OSError, ValueError, AttributeError):
            return False

    def close(self) -> None:
        """Says goodbye if that takes no time; never raises."""
        connection = self._connection
        if connection is None:
            return
        self._deadline.renew(0.2)
        with contextlib.suppress(LDAPExceptionError, OSError, AttributeError):
            connection.unbind()
        # What ldap3 left open: it forgets a socket whose handshake failed.
        left = connection.socket
        if left is not None:
            with contextlib.suppress(OSError):
                left.close()

    @contextlib.contextmanager
    def _asking(self, seconds: float) -> Iterator[None]:
        self._deadline.renew(seconds)
        try:
            yield
        except Exception as error:
            # Whatever a server may send, ldap3's decoder answers with an exception of some kind.
            if self._deadline.passed:
                raise _slow(self.server, seconds) from error
            if isinstance(error, LDAPCommunicationError) and not self._deadline.exceeded:
                raise Gone(f"{type(error).__name__} from {self.server}") from error
            raise Unavailable("ldap.unreadable", expected="an LDAP answer", found=self._told(error)) from error

    def _why_not_open(self, error: Exception) -> Unavailable:
        problem = self._tls.problem if self._tls is not None else None
        match problem:
            case ssl.SSLCertVerificationError(verify_code=62 | 64):
                expected = f"a certificate for {urlsplit(self.server).hostname}"
                return Unavailable("ldap.host_name", expected=expected, found=self._told(problem))
            case ssl.SSLCertVerificationError():
                expected = "a certificate that a CA in ca_file signed"
                return Unavailable("ldap.certificate", expected=expected, found=self._told(problem))
            case TimeoutError():
                return _slow(self.server, "the time limit")
            case Exception():
                return Unavailable("ldap.tls", expected="TLS", found=self._told(problem))
        if self._deadline.passed:
            return _slow(self.server, "the time limit")
        if self._connection is not None and self._connection.starting_tls:
            return Unavailable("ldap.tls", expected="StartTLS", found=self._told(error))
        return Unavailable("ldap.down", expected="a server that takes connections", found=self._told(error))

    def _told(self, error: Exception) -> str:
        return f"{self.server}: {error or type(error).__name__}"


class _StrictTls(ldap3.Tls):
    """ldap3's own check of host names is older than Python's, and it forgets the time limit: both are done here."""

    def __init__(self, context: ssl.SSLContext, deadline: Deadline) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._deadline = deadline
        self.problem: Exception | None = None

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Replaces the connection's socket by one with TLS, the handshake done. Raises `OSError`."""
        plain = connection.socket.raw if isinstance(connection.socket, TimedSocket) else connection.socket
        try:
            plain.settimeout(self._deadline.left())
            _send_at_once(plain)
            wrapped = self._context.wrap_socket(
                plain, server_hostname=connection.server.host, do_handshake_on_connect=False
            )
            # Known before the handshake, so that it gets closed when that fails.
            connection.socket = TimedSocket(wrapped, self._deadline)
            wrapped.do_handshake()
        except Exception as error:
            self.problem = error
            with contextlib.suppress(OSError):
                connection.socket.close()
            raise


def _connection(server: Any) -> Any:
    return ldap3.Connection(
        server,
        authentication=ldap3.ANONYMOUS,
        client_strategy=ldap3.SYNC,
        auto_referrals=False,
        check_names=False,
        raise_exceptions=False,
        collect_usage=False,
    )


def _send_at_once(plain: socket.socket) -> None:
    """A handshake is many small messages; waiting to join them (Nagle) would cost 40 ms at each login."""
    if plain.family != socket.AF_UNIX:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _entry(part: dict[str, Any]) -> Entry:
    attributes = {str(name).lower(): tuple(values or ()) for name, values in part["raw_attributes"].items()}
    return Entry(part["dn"], attributes)


def _slow(server: str, limit: object) -> Unavailable:
    within = f"{limit:g} seconds" if isinstance(limit, float) else limit
    return Unavailable("ldap.slow", expected=f"an answer within {within}", found=f"none from {server}")
