"""The API as WSGI application: finds the operation, reads the question strictly, answers in JSON. What may be done, the desk decides.

A request that changes something can't come from a page of somebody else's in a browser with a certificate: its body is JSON, or its method
one that a browser asks leave for first, which nobody is given.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

from ostiary.clock import Clock
from ostiary.errors import Denied, Missing, NotAuthenticated, OstiaryError, Refusal, TooLarge, WrongMethod
from ostiary.web.forms import FormLimits, parse_query
from ostiary.web.log import Log, reference
from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue
from voms.administration.callers import NOBODY
from voms.administration.desk import Desk
from voms.api.callers import Callers, Proven
from voms.api.document import openapi_document
from voms.api.routing import PREFIX, Call, Operation, find
from voms.api.table import OPERATIONS
from voms.api.values import Nothing
from voms.requests.office import Office

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TEXTS: Final = Path(__file__).parent.parent / "texts"
DOCUMENT: Final = f"{PREFIX}/openapi.json"
MAXIMUM_BODY: Final = 64 * 1024
_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
_LIMITS: Final = FormLimits(total=16 * 1024, fields=40)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes = b""
    content_type: str = _JSON
    headers: tuple[tuple[str, str], ...] = ()
    cache: str = "no-store"


class ApiService:
    """The API of one VO, below `PREFIX` at ``server`` (the VO's URL)."""

    def __init__(self, callers: Callers, *, server: str, office: Office | None, log: Log, clock: Clock) -> None:
        self._callers = callers
        self._office = office
        self._log = log
        self._clock = clock
        self._texts = Catalogue.load(TEXTS)
        self._document = json.dumps(openapi_document(OPERATIONS, callers.vo, server), indent=1).encode()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        answer = self._answer(environ)
        headers = [
            ("Content-Length", str(len(answer.body))),
            ("Cache-Control", answer.cache),
            ("X-Content-Type-Options", "nosniff"),
            *answer.headers,
        ]
        if answer.body:
            headers.append(("Content-Type", answer.content_type))
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
        return [answer.body]

    def _answer(self, environ: "WSGIEnvironment") -> _Answer:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        if path == DOCUMENT and method == "GET":
            return _Answer(200, self._document, cache="public, max-age=3600")
        now, proven = self._clock.now(), Proven(NOBODY)
        try:
            operation, parameters = _operation(method, path)
            _refuse_other_sites(environ)
            proven = self._callers.of(environ, now)
            return self._done(operation, parameters, environ, proven, now)
        except OstiaryError as error:
            return self._refused(error, proven, method, path)

    def _done(
        self,
        operation: Operation,
        parameters: Mapping[str, str],
        environ: "WSGIEnvironment",
        proven: Proven,
        now: datetime,
    ) -> _Answer:
        if operation.method != "GET" and proven.reads_only is not None:
            raise Denied(proven.reads_only, expected="a credential for changes", found="one for looking")
        desk = Desk(self._callers.engine, self._callers.vo, proven.caller, now)
        query, body = _query(operation, environ), _body(operation, environ)
        found = operation.handler(Call(desk, parameters, query, body, self._office))
        if operation.method != "GET":
            self._log.info("vo_api_change", vo=desk.vo, operation=operation.name, by=proven.caller.by)
        if found is None:
            return _Answer(operation.status)
        return _Answer(operation.status, found.model_dump_json(by_alias=True).encode())

    def _refused(self, error: OstiaryError, proven: Proven, method: str, path: str) -> _Answer:
        number = reference()
        unproven = proven.caller is NOBODY and error.code == "voms.not_allowed"
        status = 401 if unproven or isinstance(error, NotAuthenticated) else error.status
        self._log.info(
            "vo_api_refused",
            reference=number,
            by=proven.caller.by,
            method=method,
            path=path[:300],
            code=error.code,
            expected=error.expected,
            found=error.found,
            status=status,
        )
        message, remedy = self._texts.error(SOURCE_LANGUAGE, error)
        problem = {"title": message, "status": status, "code": error.code, "detail": remedy, "reference": number}
        headers: tuple[tuple[str, str], ...] = ()
        if status == 401:
            headers = (("WWW-Authenticate", "Bearer"),)
        elif isinstance(error, WrongMethod):
            headers = (("Allow", error.expected),)
        return _Answer(status, json.dumps(problem).encode(), _PROBLEM, headers)


def _operation(method: str, path: str) -> tuple[Operation, Mapping[str, str]]:
    found = find(OPERATIONS, method, path.removeprefix(PREFIX) or "/") if path.startswith(PREFIX) else frozenset[str]()
    if isinstance(found, tuple):
        return found
    if found:
        allowed = ", ".join(sorted(found))
        raise WrongMethod("voms.api_method", expected=allowed, found=method, allowed=allowed)
    raise Missing("voms.api_path", expected="an address of the document", found=path[:200])


def _refuse_other_sites(environ: "WSGIEnvironment") -> None:
    """A browser says when somebody else's page sends it."""
    if environ.get("HTTP_SEC_FETCH_SITE", "none") not in ("none", "same-origin"):
        raise Denied("voms.api_other_site", expected="a program", found=environ["HTTP_SEC_FETCH_SITE"][:40])


def _query(operation: Operation, environ: "WSGIEnvironment") -> BaseModel:
    fields = parse_query(environ.get("QUERY_STRING", "").encode("latin-1"), _LIMITS)
    values: dict[str, str] = {}
    for field in fields:
        if field.name in values:
            raise Refusal("voms.api_query", expected=f"{field.name[:80]} once", found="twice", where=field.name[:80])
        values[field.name] = field.value
    try:
        return operation.query.model_validate(values)
    except ValidationError as error:
        raise _wrong("voms.api_query", error) from None


def _body(operation: Operation, environ: "WSGIEnvironment") -> BaseModel:
    length = environ.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdecimal() and len(length) < 10) or int(length) > MAXIMUM_BODY:
        raise TooLarge("http.too_large", expected=f"at most {MAXIMUM_BODY} octets", found=length[:20])
    octets = environ["wsgi.input"].read(int(length)) if int(length) else b""
    if operation.body is Nothing:
        if octets:
            raise Refusal("voms.api_body", expected="no body", found=f"{len(octets)} octets", where="")
        return Nothing()
    media_type = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if media_type != _JSON:
        raise Refusal("voms.api_content_type", expected=_JSON, found=media_type[:80])
    try:
        return operation.body.model_validate_json(octets)
    except ValidationError as error:
        raise _wrong("voms.api_body", error) from None


def _wrong(code: str, error: ValidationError) -> Refusal:
    """Names the first thing that is wrong by its place; never what stands there."""
    first: Any = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place: Sequence[Any] = first["loc"]
    # Places may be names that the client made up.
    where = ".".join(str(part) for part in place)[:80]
    return Refusal(code, expected=first["msg"], found=where, where=where if where.isprintable() else "?")
