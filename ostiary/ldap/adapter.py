"""The port on ldap3, the only place that imports it: connections with time limits, kept and used again, servers in their order.

Never follows a referral, never trusts a certificate that the configured CA did not sign for this host, never sends an empty password.
"""

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPCommunicationError, LDAPExceptionError

from ostiary.config import is_loopback, read_private_file
from ostiary.errors import ConfigurationError, Unavailable
from ostiary.ldap.bind_results import CONSTRAINT, POLICY_CONTROL, SUCCESS, UNWILLING, WRONG, bind_outcome
from ostiary.ldap.filters import Filter, write_filter
from ostiary.ldap.port import BindOutcome, Entry
from ostiary.ldap.settings import LdapSettings, Report
from ostiary.ldap.timed_socket import Deadline, TimedSocket

REST_SECONDS: Final = 30.0
_KEPT: Final = 4
_MAXIMUM_PASSWORD_FILE: Final = 4_096

# RFC 4511 appendix A.
_TIME_LIMIT: Final = 3
_SIZE_LIMIT: Final = 4
_CONFIDENTIALITY_REQUIRED: Final = (8, 13)
_NO_SUCH_OBJECT: Final = 32


class Ldap3Directory:
    """Implements `ostiary.ldap.port.LdapDirectory`. ``report`` is told of each server that failed."""

    def __init__(self, settings: LdapSettings, report: Report = lambda _: None) -> None:
        """Raises `ConfigurationError` (``ldap.ca_file``, ``ldap.password_file``, ``config.private_file_*``)."""
        self._settings = settings
        self._report = report
        self._context = _trusting(settings.ca_file) if settings.ca_file is not None else None
        self._password = _password_in(settings.password_file) if settings.password_file is not None else None
        self._places = threading.BoundedSemaphore(settings.concurrent)
        self._lock = threading.Lock()
        self._kept: list[_Line] = []
        self._resting: dict[str, float] = {}

    def find_one(self, base: str, wanted: Filter, attributes: Sequence[str]) -> Entry | None:
        text = write_filter(wanted)
        with self._place():
            line = self._take()
            if line is not None:
                with contextlib.suppress(_Gone):
                    return self._search(line, base, text, attributes)
                # Closed since it was last used; its fellows may be, too.
                self._drop_kept()
            line = self._connect()
            self._log_in(line)
            try:
                return self._search(line, base, text, attributes)
            except _Gone as problem:
                raise self._failed(line.server, problem.unavailable("ldap.broken_off")) from problem

    def bind(self, dn: str, password: bytes) -> BindOutcome:
        if not password or not dn:
            return "wrong_password"
        with self._place():
            line = self._connect()
            try:
                result = line.bind(dn, password, self._settings.time_limit.total_seconds())
            except _Gone as problem:
                raise self._failed(line.server, problem.unavailable("ldap.broken_off")) from problem
            except Unavailable as problem:
                raise self._failed(line.server, problem) from problem
            finally:
                line.close()
        outcome = bind_outcome(result["result"], result["message"], _policy_control(result))
        if outcome is None:
            raise _refused(result, line.server)
        return outcome

    def close(self) -> None:
        """Closes the connections that are kept."""
        self._drop_kept()

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        """A directory that hangs must not hold every thread of the service."""
        if not self._places.acquire(timeout=self._settings.connect_time_limit.total_seconds()):
            raise Unavailable("ldap.busy", expected=f"at most {self._settings.concurrent} questions at a time")
        try:
            yield
        finally:
            self._places.release()

    def _search(self, line: "_Line", base: str, text: str, attributes: Sequence[str]) -> Entry | None:
        try:
            result, entries = line.search(base, text, attributes, self._settings.time_limit.total_seconds())
        except _Gone:
            line.close()
            raise
        except Unavailable as problem:
            line.close()
            raise self._failed(line.server, problem) from problem
        self._keep(line)
        code = result["result"]
        if code == _SIZE_LIMIT or len(entries) > 1:
            names = ", ".join(entry.dn for entry in entries)
            raise Unavailable("ldap.ambiguous", expected="one entry", found=f"{text}: {names or 'more'}")
        if code == _NO_SUCH_OBJECT:
            raise Unavailable("ldap.base_dn", expected=f"{base}, readable by {self._settings.bind_dn or 'anybody'}")
        if code == _TIME_LIMIT:
            raise Unavailable("ldap.slow", expected="an answer in time", found=f"timeLimitExceeded from {line.server}")
        if code != SUCCESS:
            raise _refused(result, line.server)
        return entries[0] if entries else None

    def _connect(self) -> "_Line":
        """A connection to the first server that can be reached."""
        first: Unavailable | None = None
        for server in self._in_order():
            try:
                return _Line(server, self._settings, self._context)
            except Unavailable as problem:
                self._failed(server, problem)
                first = first or problem
        raise first or Unavailable("ldap.down", expected="a server", found="none")

    def _log_in(self, line: "_Line") -> None:
        """As the account that searches. Its password is wrong everywhere if it is wrong here, so no other server is tried."""
        if self._settings.bind_dn is None or self._password is None:
            return
        try:
            result = line.bind(
                self._settings.bind_dn, self._password, self._settings.connect_time_limit.total_seconds()
            )
        except _Gone as problem:
            line.close()
            raise self._failed(line.server, problem.unavailable("ldap.broken_off")) from problem
        except Unavailable as problem:
            line.close()
            raise self._failed(line.server, problem) from problem
        if result["result"] != SUCCESS:
            line.close()
            if result["result"] in (*WRONG, CONSTRAINT, UNWILLING):
                found = f"{result['description']} from {line.server}"
                raise Unavailable(
                    "ldap.bind_account", expected=f"that {self._settings.bind_dn} may log in", found=found
                )
            raise _refused(result, line.server)

    def _failed(self, server: str, problem: Unavailable) -> Unavailable:
        with self._lock:
            self._resting[server] = time.monotonic() + REST_SECONDS
        # Whoever takes one of these next would wait as long.
        self._drop_kept()
        self._report(problem)
        return problem

    def _in_order(self) -> list[str]:
        """The servers in their order, those that failed a short while ago after the others."""
        now = time.monotonic()
        with self._lock:
            return sorted(self._settings.servers, key=lambda server: self._resting.get(server, 0.0) > now)

    def _take(self) -> "_Line | None":
        while True:
            with self._lock:
                line = self._kept.pop() if self._kept else None
            if line is None or line.is_quiet():
                return line
            line.close()

    def _keep(self, line: "_Line") -> None:
        with self._lock:
            room = len(self._kept) < _KEPT
            if room:
                self._kept.append(line)
        if not room:
            line.close()

    def _drop_kept(self) -> None:
        with self._lock:
            lines, self._kept = self._kept, []
        for line in lines:
            line.close()


class _Gone(Exception):
    """The server closed the connection."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self._found = found

    def unavailable(self, code: str) -> Unavailable:
        return Unavailable(code, expected="an answer", found=self._found)


class _Line:
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

    def search(
        self, base: str, text: str, attributes: Sequence[str], seconds: float
    ) -> tuple[dict[str, Any], list[Entry]]:
        """The result, and at most two entries. Raises `_Gone`, `Unavailable`."""
        with self._asking(seconds):
            self._connection.search(
                base,
                text,
                search_scope=ldap3.SUBTREE,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=list(dict.fromkeys(attributes)) or [ldap3.NO_ATTRIBUTES],
                size_limit=2,
                time_limit=max(1, round(seconds)),
                auto_escape=False,
            )
            found = [_entry(part) for part in self._connection.response if part["type"] == "searchResEntry"]
            return dict(self._connection.result), found

    def bind(self, dn: str, password: bytes, seconds: float) -> dict[str, Any]:
        """The result of a simple bind. Raises `_Gone`, `Unavailable`."""
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
                raise _Gone(f"{type(error).__name__} from {self.server}") from error
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


def _policy_control(result: dict[str, Any]) -> bytes | None:
    """The value of the password policy's control as it came."""
    control = (result.get("controls") or {}).get(POLICY_CONTROL)
    value = control.get("value") if isinstance(control, dict) else None
    return value if isinstance(value, bytes) else None


def _slow(server: str, limit: object) -> Unavailable:
    within = f"{limit:g} seconds" if isinstance(limit, float) else limit
    return Unavailable("ldap.slow", expected=f"an answer within {within}", found=f"none from {server}")


def _refused(result: dict[str, Any], server: str) -> Unavailable:
    found = f"{result['description']} from {server}: {result['message']}"
    code = "ldap.tls" if result["result"] in _CONFIDENTIALITY_REQUIRED else "ldap.refused"
    return Unavailable(code, expected="success", found=found)


def _trusting(ca_file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError("ldap.ca_file", file=ca_file, expected="certificates in PEM", found=error) from error
    return context


def _password_in(path: Path) -> bytes:
    password = read_private_file(path, max_bytes=_MAXIMUM_PASSWORD_FILE).partition(b"\n")[0].rstrip(b"\r")
    try:
        # ldap3 reads what it sends, as UTF-8.
        readable = bool(password.decode())
    except UnicodeDecodeError:
        readable = False
    if not readable:
        raise ConfigurationError("ldap.password_file", file=path, expected="a password in the first line, in UTF-8")
    return password
