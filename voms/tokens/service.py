"""The token endpoint, the key set and the discovery documents as WSGI application. What a client learns of a refusal is one sentence; the
log has the rest."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ostiary.clock import Clock
from ostiary.errors import NotAuthenticated, OstiaryError, TooLarge, Unavailable
from ostiary.federation.keys import KeyRing
from ostiary.tokens import key_set
from ostiary.web.listener import PEER_CHAIN
from ostiary.web.log import Log
from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue
from voms import answers
from voms.tokens.asked import ACCESS_TOKEN, TokenRequest, read_token_request
from voms.tokens.discovery import KEYS_PATH, TOKEN_PATH, base_path, discovery_document, discovery_paths
from voms.tokens.issuing import IssuedToken, TokenAuthority

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TEXTS: Final = Path(__file__).parent.parent / "texts"
MAXIMUM_BODY: Final = 64 * 1024
# RFC 6749 5.2, RFC 8693 2.2.2, RFC 8707 2. What is not here is a request that can't be understood.
_ERRORS: Final = {
    "voms.token_grant_type": "unsupported_grant_type",
    "voms.token_scope": "invalid_scope",
    "voms.token_capability": "invalid_scope",
    "voms.token_wider": "invalid_scope",
    "voms.token_limited": "invalid_scope",
    "voms.token_role_is_group": "invalid_scope",
    "voms.token_too_long": "invalid_scope",
    "voms.not_held": "invalid_scope",
    "voms.nothing_left": "invalid_scope",
    "voms.token_audience": "invalid_target",
    "voms.token_client": "invalid_client",
    "voms.unknown": "invalid_client",
    "voms.suspended": "unauthorized_client",
    "voms.expired": "unauthorized_client",
    "voms.aup_due": "unauthorized_client",
}
_CACHED: Final = "public, max-age=3600"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content: Any = None
    cache: str = "no-store"
    headers: tuple[tuple[str, str], ...] = ()


class TokenService:
    """The wire. ``paths`` are those that it answers; everything else is somebody else's."""

    def __init__(
        self, authority: TokenAuthority, *, ring: Callable[[], KeyRing], certificate_bound: bool, log: Log, clock: Clock
    ) -> None:
        self._authority = authority
        self._ring = ring
        self._certificate_bound = certificate_bound
        self._log = log
        self._clock = clock
        self._texts = Catalogue.load(TEXTS)
        base = base_path(authority.issuer)
        self._token, self._keys = f"{base}{TOKEN_PATH}", f"{base}{KEYS_PATH}"
        self._documents = discovery_paths(authority.issuer)

    @property
    def paths(self) -> frozenset[str]:
        """What it answers."""
        return self._documents | {self._token, self._keys}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        answer = self._answer(environ)
        body = b"" if answer.content is None else json.dumps(answer.content).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", answer.cache),
            ("X-Content-Type-Options", "nosniff"),
            *answer.headers,
        ]
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _answer(self, environ: "WSGIEnvironment") -> _Answer:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        if path == self._token:
            if method != "POST":
                return _Answer(405, headers=(("Allow", "POST"),))
            return self._tokens(environ)
        if path not in self.paths:
            return _Answer(404)
        if method not in ("GET", "HEAD"):
            return _Answer(405, headers=(("Allow", "GET, HEAD"),))
        keys = key_set(each.key for each in self._ring().published if each.use == "signing")
        if path == self._keys:
            return _Answer(200, keys, _CACHED)
        algorithms = tuple(dict.fromkeys(each["alg"] for each in keys["keys"]))
        issuer = self._authority.issuer
        document = discovery_document(issuer, algorithms, certificate_bound=self._certificate_bound)
        return _Answer(200, document, _CACHED)

    def _tokens(self, environ: "WSGIEnvironment") -> _Answer:
        now, request = self._clock.now(), None
        try:
            if environ.get("HTTP_AUTHORIZATION"):
                raise NotAuthenticated("voms.token_client", expected="a certificate or a token", found="Authorization")
            request = read_token_request(environ.get("CONTENT_TYPE"), _body(environ))
            issued = self._authority.issue(request, environ.get(PEER_CHAIN, ()), now)
        except OstiaryError as error:
            return self._refused(error, request, basic="HTTP_AUTHORIZATION" in environ)
        self._told(issued, request)
        content = {
            "access_token": issued.text,
            "token_type": "Bearer",
            "expires_in": issued.seconds,
            "scope": issued.scope,
        }
        if request.is_exchange:
            content["issued_token_type"] = ACCESS_TOKEN
        return _Answer(200, content)

    def _refused(self, error: OstiaryError, request: TokenRequest | None, *, basic: bool) -> _Answer:
        exchange = request is not None and request.is_exchange
        status, code = oauth_error(error, exchange=exchange)
        message = answers.problem_of(error, self._authority.vo, self._explain).message
        self._log.info(
            "vo_token_refused",
            code=error.code,
            expected=error.expected,
            found=error.found,
            grant_type=request.grant_type if request is not None else "",
            answer=code,
        )
        # RFC 6749 5.2: the challenge answers in the scheme that the client tried.
        headers = (("WWW-Authenticate", "Basic"),) if status == 401 and basic else ()
        return _Answer(status, {"error": code, "error_description": _plain(message)}, headers=headers)

    def _explain(self, error: OstiaryError) -> str:
        return self._texts.error(SOURCE_LANGUAGE, error)[0]

    def _told(self, issued: IssuedToken, request: TokenRequest) -> None:
        self._log.info(
            "vo_token_issued",
            vo=issued.granted.vo,
            serial=issued.serial,
            grant_type=request.grant_type,
            names=len(issued.granted.fqans),
            until=issued.granted.not_after.isoformat(),
        )


def oauth_error(error: OstiaryError, *, exchange: bool) -> tuple[int, str]:
    """HTTP status and error code of OAuth 2 for a refusal. ``exchange``: whether a token was shown rather than a certificate."""
    if isinstance(error, Unavailable):
        return 503, "temporarily_unavailable"
    if error.status >= 500:
        return 500, "server_error"
    code = _ERRORS.get(error.code, "invalid_client" if isinstance(error, NotAuthenticated) else "invalid_request")
    if exchange and code in ("invalid_client", "unauthorized_client"):
        # RFC 8693 2.2.2: so it is whatever is wrong with the token.
        code = "invalid_request"
    if code == "invalid_client":
        return 401, code
    return (413 if isinstance(error, TooLarge) else 400), code


def _body(environ: "WSGIEnvironment") -> bytes:
    length = environ.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdecimal() and len(length) < 10) or int(length) > MAXIMUM_BODY:
        raise TooLarge("http.too_large", expected=f"at most {MAXIMUM_BODY} octets", found=length[:20])
    body: bytes = environ["wsgi.input"].read(int(length))
    return body


def _plain(text: str) -> str:
    """The characters that RFC 6749 5.2 allows."""
    kept = "".join(char if " " <= char <= "~" and char not in '"\\' else " " for char in text)
    return " ".join(kept.split())
