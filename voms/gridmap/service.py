"""Grid-map files over HTTPS, for those who may read who is in a group: lines for people and scripts, and the answer that ``edg-mkgridmap``
and its like expect of VOMS-Admin. A WSGI application for `ostiary.web.listener`; changes nothing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from lxml import etree
from sqlalchemy import Engine

from ostiary.clock import Clock
from ostiary.errors import Missing, OstiaryError, Refusal, WrongMethod
from ostiary.storage.engine import reading
from ostiary.web.listener import PEER_CHAIN
from ostiary.web.log import Log
from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.clients import verify_client
from ostiary.x509.fqan import Fqan, parse_fqan
from ostiary.x509.trust import TrustDirectory
from voms.administration.callers import caller_of_certificate
from voms.administration.permissions import Permission
from voms.administration.rights import rights_of
from voms.gridmap.holders import holders
from voms.gridmap.lines import Mapping, check_account, gridmap, one_line_name
from voms.rows import vo_number

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TEXTS: Final = Path(__file__).parent.parent / "texts"
_MAXIMUM_QUERY: Final = 2_000
_METHOD: Final = "getGridmapUsers"
_SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_ENCODING: Final = "http://schemas.xmlsoap.org/soap/encoding/"
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_PLAIN: Final = "text/plain; charset=utf-8"
_XML: Final = "text/xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content_type: str
    body: bytes


class GridmapService:
    """Of the VO ``name``: `soap_path` and `plain_path`. ``trust`` gives the CA directory of the moment."""

    def __init__(
        self, name: str, engine: Engine, *, trust: Callable[[], TrustDirectory], log: Log, clock: Clock
    ) -> None:
        self._name, self._engine = name, engine
        self._trust, self._log, self._clock = trust, log, clock

    @cached_property
    def _texts(self) -> Catalogue:
        # Only where something is refused; reading them takes longer than everything else here.
        return Catalogue.load(TEXTS)

    @property
    def soap_path(self) -> str:
        """Where VOMS-Admin has this operation: ``?method=getGridmapUsers&container=/vo/group/Role=r``."""
        return f"/voms/{self._name}/services/VOMSCompatibility"

    @property
    def plain_path(self) -> str:
        """``?container=/vo/group&account=.pool``: the lines themselves."""
        return f"/voms/{self._name}/gridmap"

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path, soap = environ.get("PATH_INFO", ""), environ.get("PATH_INFO", "") == self.soap_path
        try:
            answer = self._answer(environ, path, self._clock.now())
        except OstiaryError as error:
            message = self._texts.error(SOURCE_LANGUAGE, error)[0]
            self._log.info(
                "vo_gridmap_refused", vo=self._name, code=error.code, expected=error.expected, found=error.found
            )
            answer = _Answer(
                error.status, _XML if soap else _PLAIN, _fault(message) if soap else f"{message}\n".encode()
            )
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            ("Cache-Control", "no-store"),
        ]
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
        return [answer.body]

    def _answer(self, environ: "WSGIEnvironment", path: str, now: datetime) -> _Answer:
        if path not in (self.soap_path, self.plain_path):
            raise Missing("voms.gridmap_path", expected=f"{self.soap_path} or {self.plain_path}", found=path[:300])
        if environ["REQUEST_METHOD"] != "GET":
            raise WrongMethod("voms.gridmap_method", expected="GET", found=environ["REQUEST_METHOD"])
        query = _query(environ.get("QUERY_STRING", ""))
        if path == self.soap_path and query.get("method") != _METHOD:
            raise Refusal("voms.gridmap_query", expected=f"method={_METHOD}", found=query.get("method", "none")[:100])
        fqan = parse_fqan(query.get("container") or f"/{self._name}")
        account = query.get("account", f".{self._name}")
        check_account(account)
        self._require(environ, fqan, now)
        found = holders(self._engine, self._name, fqan, now)
        self._log.info("vo_gridmap_told", vo=self._name, container=fqan.short(), certificates=len(found))
        if path == self.soap_path:
            return _Answer(200, _XML, _users(sorted({one_line_name(names.subject) for names in found})))
        lines = gridmap([(Mapping(fqan, account), found)])
        return _Answer(200, _PLAIN, "".join(f"{line}\n" for line in lines).encode())

    def _require(self, environ: "WSGIEnvironment", fqan: Fqan, now: datetime) -> None:
        """Who is in a group is for those who may read its memberships. Raises `Denied` (``voms.not_allowed``), `NotAuthenticated`."""
        verified = verify_client(environ.get(PEER_CHAIN, ()), self._trust(), now)
        caller = caller_of_certificate(self._engine, self._name, CertificateNames.of(verified.end_entity), now)
        with reading(self._engine) as connection:
            rights = rights_of(connection, vo_number(connection, self._name), caller, now)
            rights.require(Permission.MEMBERSHIP_READ, fqan.group, fqan.role)


def _query(text: str) -> dict[str, str]:
    """Raises `Refusal` (``voms.gridmap_query``) for what is too long or said twice."""
    if len(text) > _MAXIMUM_QUERY:
        raise Refusal("voms.gridmap_query", expected=f"at most {_MAXIMUM_QUERY} characters", found=len(text))
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=10)
    if len(dict(pairs)) != len(pairs):
        raise Refusal("voms.gridmap_query", expected="each parameter once", found=text[:300])
    return dict(pairs)


def _users(names: list[str]) -> bytes:
    """What VOMS-Admin (Axis, RPC/encoded) answers; clients look for the literal names and prefixes."""
    envelope, body = _envelope()
    answer = etree.SubElement(body, "getGridmapUsersResponse")
    answer.set(f"{{{_SOAP}}}encodingStyle", _ENCODING)
    listed = etree.SubElement(answer, "getGridmapUsersReturn", nsmap={"soapenc": _ENCODING})
    listed.set(f"{{{_ENCODING}}}arrayType", f"soapenc:string[{len(names)}]")
    listed.set(f"{{{_XSI}}}type", "soapenc:Array")
    for name in names:
        item = etree.SubElement(listed, "getGridmapUsersReturn")
        item.set(f"{{{_XSI}}}type", "soapenc:string")
        item.text = name
    return _written(envelope)


def _fault(message: str) -> bytes:
    envelope, body = _envelope()
    fault = etree.SubElement(body, f"{{{_SOAP}}}Fault")
    etree.SubElement(fault, "faultcode").text = "soapenv:Server.userException"
    etree.SubElement(fault, "faultstring").text = message
    return _written(envelope)


def _envelope() -> tuple[etree._Element, etree._Element]:
    envelope = etree.Element(f"{{{_SOAP}}}Envelope", nsmap={"soapenv": _SOAP, "xsi": _XSI})
    return envelope, etree.SubElement(envelope, f"{{{_SOAP}}}Body")


def _written(envelope: etree._Element) -> bytes:
    data: bytes = etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")
    return data
