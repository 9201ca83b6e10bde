"""Tells relying parties what a VO has taken back: ``/status/list`` and ``/status/ocsp``. A WSGI application; whoever asks may know.

``GET /status/list`` is the signed list, for caches. ``POST /status/ocsp`` (and ``GET /status/ocsp/BASE64``, RFC 6960 A.1) is about one
certificate, and says what is true at this moment.
"""

import base64
import binascii
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography.x509 import ocsp
from sqlalchemy import Engine

from ostiary.clock import Clock
from ostiary.errors import OstiaryError, Refusal
from ostiary.storage.engine import reading
from ostiary.web.log import Log
from voms.issuing import Issuer
from voms.status.documents import MAX_QUESTION, answer, concerns, no_answer, nonce_of, read_question, revocation_list
from voms.status.issued import AC, IssuedRow, find_issued, revoked_now
from voms.status.settings import StatusSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PREFIX: Final = "/status"
LIST_PATH: Final = f"{PREFIX}/list"
OCSP_PATH: Final = f"{PREFIX}/ocsp"
LIST_TYPE: Final = "application/x-pem-file"
QUESTION_TYPE: Final = "application/ocsp-request"
ANSWER_TYPE: Final = "application/ocsp-response"

# However many ask, the database is asked that often, and something taken back is on the list that soon.
_LOOK_EVERY: Final = timedelta(seconds=5)
_CACHED_FOR: Final = timedelta(minutes=1)
_REASONS: Final = {
    200: "OK",
    304: "Not Modified",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Made:
    """A signed list, what it says, and when the database was last asked whether that still holds."""

    revoked: Mapping[int, datetime]
    issuer: Issuer
    looked_at: datetime
    made_at: datetime
    body: bytes
    tag: str


class StatusService:
    """Of the VO ``name``. ``issuer`` gives the signature of the moment. Thread-safe."""

    def __init__(
        self,
        name: str,
        settings: StatusSettings,
        *,
        engine: Engine,
        issuer: Callable[[], Issuer],
        clock: Clock,
        log: Log,
    ) -> None:
        self._name, self._valid_for = name, settings.valid_for
        self._engine, self._issuer = engine, issuer
        self._clock, self._log = clock, log
        self._lock = threading.Lock()
        self._made: _Made | None = None

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        try:
            reply = self._reply(environ)
        except OstiaryError as error:
            self._log.error("vo_status_failed", vo=self._name, code=error.code, found=error.found)
            reply = _Reply(503)
        headers: Headers = [*reply.headers]
        if reply.status != 304:
            headers.append(("Content-Length", str(len(reply.body))))
        start_response(f"{reply.status} {_REASONS[reply.status]}", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else reply.body]

    def _reply(self, environ: "WSGIEnvironment") -> _Reply:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        now = self._clock.now().replace(microsecond=0)
        if path == LIST_PATH:
            if method not in ("GET", "HEAD"):
                return _Reply(405, headers=(("Allow", "GET, HEAD"),))
            return self._list(environ.get("HTTP_IF_NONE_MATCH", ""), now)
        if path == OCSP_PATH:
            if method != "POST":
                return _Reply(405, headers=(("Allow", "POST"),))
            return self._answer(environ["wsgi.input"].read(MAX_QUESTION + 1), now, cached=False)
        if path.startswith(f"{OCSP_PATH}/"):
            if method != "GET":
                return _Reply(405, headers=(("Allow", "GET"),))
            return self._answer(_from_path(path.removeprefix(f"{OCSP_PATH}/")), now, cached=True)
        return _Reply(404)

    def _list(self, known: str, now: datetime) -> _Reply:
        made = self.current(now)
        headers = (
            ("Content-Type", LIST_TYPE),
            ("ETag", made.tag),
            ("Last-Modified", format_datetime(made.made_at, usegmt=True)),
            ("Cache-Control", _cache_control(_CACHED_FOR)),
        )
        if made.tag in (tag.strip().removeprefix("W/") for tag in known[:1000].split(",")):
            return _Reply(304, headers=headers)
        return _Reply(200, made.body, headers)

    def current(self, now: datetime) -> _Made:
        """The list of the moment; the same one until something changes, or it is half way to its end."""
        with self._lock:
            made, issuer = self._made, self._issuer()
            fresh = made is not None and made.made_at <= now < made.made_at + self._valid_for / 2
            if made is not None and fresh and made.issuer is issuer and now < made.looked_at + _LOOK_EVERY:
                return made
            with reading(self._engine) as connection:
                revoked = revoked_now(connection, self._name, now)
            if made is not None and fresh and made.issuer is issuer and made.revoked == revoked:
                self._made = _Made(revoked, issuer, now, made.made_at, made.body, made.tag)
            else:
                body = revocation_list(revoked, issuer, now, self._valid_for)
                tag = f'"{sha256(body).hexdigest()[:32]}"'
                self._made = _Made(revoked, issuer, now, now, body, tag)
                self._log.info("vo_status_list_signed", vo=self._name, revoked=len(revoked))
            return self._made

    def _answer(self, question: bytes, now: datetime, *, cached: bool) -> _Reply:
        try:
            asked = read_question(question)
        except Refusal as error:
            self._log.info("vo_status_question_refused", vo=self._name, code=error.code, found=error.found)
            return _ocsp_reply(no_answer(ocsp.OCSPResponseStatus.MALFORMED_REQUEST))
        issuer = self._issuer()
        if not concerns(asked, issuer):
            return _ocsp_reply(no_answer(ocsp.OCSPResponseStatus.UNAUTHORIZED))
        told = answer(asked, self._found(asked.serial_number), issuer, now, self._valid_for)
        return _ocsp_reply(told, cached=cached and nonce_of(asked) is None)

    def _found(self, serial: int) -> IssuedRow | None:
        if not 0 < serial < 1 << 128:
            return None
        with reading(self._engine) as connection:
            found = find_issued(connection, self._name, f"{serial:032x}")
        return found if found is not None and found.kind == AC else None


def _from_path(text: str) -> bytes:
    """A question in a path, which the listener has unescaped already."""
    try:
        return base64.b64decode(text[: MAX_QUESTION * 2].encode("latin-1"), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _ocsp_reply(body: bytes, *, cached: bool = False) -> _Reply:
    control = _cache_control(_CACHED_FOR) if cached else "no-store"
    return _Reply(200, body, (("Content-Type", ANSWER_TYPE), ("Cache-Control", control)))


def _cache_control(seconds: timedelta) -> str:
    return f"public, max-age={int(seconds.total_seconds())}, must-revalidate"
