"""The port on real servers: connections with time limits, kept and used again, servers in their order. Never sends an empty password."""

import contextlib
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ostiary.config import read_private_file
from ostiary.errors import ConfigurationError, Unavailable
from ostiary.ldap.bind_results import CONSTRAINT, POLICY_CONTROL, SUCCESS, UNWILLING, WRONG, bind_outcome
from ostiary.ldap.connection import BASE, Asked, Gone, Line
from ostiary.ldap.filters import Filter, write_filter
from ostiary.ldap.port import BindOutcome, Entry, Several
from ostiary.ldap.settings import LdapSettings, Report

REST_SECONDS: Final = 30.0
_KEPT: Final = 4
_MAXIMUM_PASSWORD_FILE: Final = 4_096

# RFC 4511 appendix A.
_TIME_LIMIT: Final = 3
_SIZE_LIMIT: Final = 4
_CONFIDENTIALITY_REQUIRED: Final = (8, 13)
_NO_SUCH_OBJECT: Final = 32


class Ldap3Directory:
    """Implements `LdapDirectory` and `LdapSearches` of `ostiary.ldap.port`. ``report`` is told of each server that failed."""

    def __init__(self, settings: LdapSettings, report: Report = lambda _: None) -> None:
        """Raises `ConfigurationError` (``ldap.ca_file``, ``ldap.password_file``, ``config.private_file_*``)."""
        self._settings = settings
        self._report = report
        self._context = _trusting(settings.ca_file) if settings.ca_file is not None else None
        self._password = _password_in(settings.password_file) if settings.password_file is not None else None
        self._places = threading.BoundedSemaphore(settings.concurrent)
        self._lock = threading.Lock()
        self._kept: list[Line] = []
        self._resting: dict[str, float] = {}

    def find_one(self, base: str, wanted: Filter, attributes: Sequence[str]) -> Entry | None:
        asked = Asked(base, write_filter(wanted), tuple(attributes))
        found = self._ask_below(asked)
        if not found.complete or len(found.entries) > 1:
            names = ", ".join(entry.dn for entry in found.entries)
            raise Unavailable("ldap.ambiguous", expected="one entry", found=f"{asked.text}: {names or 'more'}")
        return found.entries[0] if found.entries else None

    def find_many(self, base: str, wanted: Filter, attributes: Sequence[str], *, most: int) -> Several:
        """As `ostiary.ldap.port.LdapSearches` says."""
        found = self._ask_below(Asked(base, write_filter(wanted), tuple(attributes), most=most + 1))
        return Several(found.entries[:most], found.complete and len(found.entries) <= most)

    def read(self, dn: str, wanted: Filter, attributes: Sequence[str]) -> Entry | None:
        """As `ostiary.ldap.port.LdapSearches` says."""
        found = self._ask(Asked(dn, write_filter(wanted), tuple(attributes), scope=BASE))
        return found.entries[0] if found is not None and found.entries else None

    def _ask_below(self, asked: Asked) -> Several:
        """Raises `Unavailable` (``ldap.base_dn``) where the base is not there."""
        found = self._ask(asked)
        if found is None:
            readable = f"{asked.base}, readable by {self._settings.bind_dn or 'anybody'}"
            raise Unavailable("ldap.base_dn", expected=readable)
        return found

    def _ask(self, asked: Asked) -> Several | None:
        """None where the base is not there."""
        with self._place():
            line = self._take()
            if line is not None:
                with contextlib.suppress(Gone):
                    return self._search(line, asked)
                # Closed since it was last used; its fellows may be, too.
                self._drop_kept()
            line = self._connect()
            self._log_in(line)
            try:
                return self._search(line, asked)
            except Gone as problem:
                raise self._failed(line.server, problem.unavailable("ldap.broken_off")) from problem

    def bind(self, dn: str, password: bytes) -> BindOutcome:
        if not password or not dn:
            return "wrong_password"
        with self._place():
            line = self._connect()
            try:
                result = line.bind(dn, password, self._settings.time_limit.total_seconds())
            except Gone as problem:
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

    def _search(self, line: Line, asked: Asked) -> Several | None:
        try:
            result, entries = line.search(asked, self._settings.time_limit.total_seconds())
        except Gone:
            line.close()
            raise
        except Unavailable as problem:
            line.close()
            raise self._failed(line.server, problem) from problem
        self._keep(line)
        code = result["result"]
        if code == _NO_SUCH_OBJECT:
            return None
        if code == _TIME_LIMIT:
            raise Unavailable("ldap.slow", expected="an answer in time", found=f"timeLimitExceeded from {line.server}")
        if code not in (SUCCESS, _SIZE_LIMIT):
            raise _refused(result, line.server)
        return Several(tuple(entries), code == SUCCESS)

    def _connect(self) -> Line:
        """A connection to the first server that can be reached."""
        first: Unavailable | None = None
        for server in self._in_order():
            try:
                return Line(server, self._settings, self._context)
            except Unavailable as problem:
                self._failed(server, problem)
                first = first or problem
        raise first or Unavailable("ldap.down", expected="a server", found="none")

    def _log_in(self, line: Line) -> None:
        """As the account that searches. Its password is wrong everywhere if it is wrong here, so no other server is tried."""
        if self._settings.bind_dn is None or self._password is None:
            return
        try:
            result = line.bind(
                self._settings.bind_dn, self._password, self._settings.connect_time_limit.total_seconds()
            )
        except Gone as problem:
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

    def _take(self) -> Line | None:
        while True:
            with self._lock:
                line = self._kept.pop() if self._kept else None
            if line is None or line.is_quiet():
                return line
            line.close()

    def _keep(self, line: Line) -> None:
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


def _policy_control(result: dict[str, Any]) -> bytes | None:
    """The value of the password policy's control as it came."""
    control = (result.get("controls") or {}).get(POLICY_CONTROL)
    value = control.get("value") if isinstance(control, dict) else None
    return value if isinstance(value, bytes) else None


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
