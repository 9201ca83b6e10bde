"""Answers clients with certificates: who are you, are you a member, what may be stated. A WSGI application for `ostiary.web.listener`.

Every certificate that leaves has its audit row first. What a client learns of a refusal is one sentence; the log has the rest.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Engine

from ostiary import audit
from ostiary.clock import Clock
from ostiary.errors import ConfigurationError, Denied, OstiaryError
from ostiary.storage.engine import writing
from ostiary.web.http_message import Answer
from ostiary.web.listener import PEER_CHAIN
from ostiary.web.log import Log
from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.chain import VerifiedChain
from ostiary.x509.clients import verify_client
from ostiary.x509.trust import TrustDirectory
from voms import answers
from voms.asking import Asked, read_legacy, read_query
from voms.carried import carried_names
from voms.issuing import Issuer, attribute_certificate, new_serial
from voms.memberships import Memberships
from voms.selection import Bounds, Grant, grant
from voms.settings import GENERATE_PATH
from voms.standing import Standing
from voms.status.issued import AC, note_issued

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TEXTS: Final = Path(__file__).parent / "texts"
HEALTH_PATH: Final = "/health"


@dataclass(frozen=True, slots=True)
class Issued:
    """What a request came to: the grant, and the certificate unless only names were asked for."""

    grant: Grant
    certificate: bytes


class VoAuthority:
    """One VO, deciding and signing. ``trust`` gives the CA directory of the moment, ``issuer`` the signature."""

    def __init__(
        self,
        memberships: Memberships,
        *,
        trust: Callable[[], TrustDirectory],
        issuer: Callable[[], Issuer],
        engine: Engine,
        longest: timedelta,
    ) -> None:
        self._memberships = memberships
        self._trust = trust
        self._issuer = issuer
        self._engine = engine
        self._longest = longest

    @property
    def vo(self) -> str:
        """The VO's name."""
        return self._memberships.name

    @property
    def issuer(self) -> Issuer:
        """The signature of the moment."""
        return self._issuer()

    def verified(self, chain: Sequence[bytes], now: datetime) -> VerifiedChain:
        """The client's chain, leaf first. Raises `NotAuthenticated` (``x509.*``)."""
        return verify_client(chain, self._trust(), now)

    def issue(self, chain: VerifiedChain, asked: Asked, now: datetime) -> Issued:
        """Decides, records and signs.

        Raises `Denied` (``voms.unknown``, ``voms.suspended``), `Refusal` (``voms.*``), `Unavailable`; nothing was issued then.
        """
        issuer = self._issuer()
        granted = self.decide(chain, self.standing(chain, now), asked, now, longest=self._longest)
        if asked.list_only:
            return Issued(granted, b"")
        serial = new_serial()
        self.record(granted, serial, CertificateNames.of(chain.end_entity), now)
        return Issued(granted, attribute_certificate(granted, chain.end_entity, issuer, serial=serial))

    def standing(self, chain: VerifiedChain, now: datetime) -> Standing:
        """Of the member whom the chain stands for. Raises `Denied` (``voms.unknown``)."""
        standing = self._memberships.of_certificate(CertificateNames.of(chain.end_entity), now)
        if standing is None:
            raise Denied("voms.unknown", expected=f"a member of {self.vo}", found=chain.subject, vo=self.vo)
        return standing

    def decide(
        self, chain: VerifiedChain, standing: Standing, asked: Asked, now: datetime, *, longest: timedelta
    ) -> Grant:
        """The one decision, for attribute certificates and tokens alike. Raises as `issue`."""
        issuer = self._issuer()
        bounds = Bounds(longest, (chain.not_after, issuer.key.certificates[0].not_valid_after_utc))
        carried = carried_names(chain, self.vo, issuer.lsc(), self._trust(), now) if chain.proxies else None
        return grant(standing, asked, bounds, now, carried=carried)

    def record(self, granted: Grant, serial: int, names: CertificateNames, now: datetime) -> None:
        """What is signed next: an audit row, and the number by which it can be taken back. Raises `Denied` as `note_issued`."""
        with writing(self._engine) as connection:
            note_issued(
                connection,
                granted.vo,
                serial=f"{serial:032x}",
                kind=AC,
                member=granted.member,
                names_key=names.key,
                issued_at=granted.not_before,
                not_after=granted.not_after,
            )
            audit.record(
                connection,
                at=now,
                writer="voms",
                actor="voms",
                action="vo.certificate_issued",
                subject=granted.member,
                facts={
                    "vo": granted.vo,
                    "serial": f"{serial:032x}",
                    "fqans": [fqan.short() for fqan in granted.fqans[:100]],
                    "until": granted.not_after.isoformat(),
                },
            )


_XML: Final = "text/xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes = b""
    content_type: str = _XML


_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
}


class VomsService:
    """The wire: REST ``generate-ac`` as WSGI application, and the legacy protocol as `legacy`."""

    def __init__(self, authority: VoAuthority, *, log: Log, clock: Clock) -> None:
        self._authority = authority
        self._log = log
        self._clock = clock
        self._texts = Catalogue.load(TEXTS)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        answer = self._answer(environ)
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            ("Cache-Control", "no-store"),
        ]
        start_response(f"{answer.status} {_REASONS[answer.status]}", headers)
        return [answer.body]

    def legacy(self, document: bytes, chain: Sequence[bytes]) -> bytes:
        """The answer to one document of the legacy protocol."""
        now = self._clock.now()
        subject = ""
        try:
            verified = self._authority.verified(chain, now)
            subject = verified.subject
            asked = read_legacy(document)
            issued = self._authority.issue(verified, asked, now)
        except OstiaryError as error:
            return answers.legacy_problem(self._refused(error, "legacy", subject))
        except Exception:
            self._log.exception("crashed", protocol="legacy", subject=subject)
            return answers.legacy_problem(self._refused(OstiaryError("internal"), "legacy", subject))
        warnings = list(zip((warned.number for warned in issued.grant.warnings), self._warnings(issued), strict=True))
        self._told(issued, verified, "legacy")
        if asked.list_only:
            fqans = [fqan.short() for fqan in issued.grant.fqans]
            return answers.legacy_list(fqans, warnings, plain_base64=asked.plain_base64)
        return answers.legacy_certificate(issued.certificate, warnings, plain_base64=asked.plain_base64)

    def refusal(self, error: OstiaryError, sentence: str) -> Answer:
        """The answer to a request that the listener could not even hand over, in the form that clients of this service know."""
        problem = answers.problem_of(error, self._authority.vo, lambda _: sentence)
        fields = [("Content-Type", _XML), ("Cache-Control", "no-store")]
        return Answer(f"{problem.status} {_REASONS[problem.status]}", fields, answers.rest_problem(problem))

    def _answer(self, environ: "WSGIEnvironment") -> _Answer:
        path, method, query = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
        if path == HEALTH_PATH:
            return _Answer(200, b"ok\n", "text/plain; charset=utf-8")
        if path != GENERATE_PATH:
            return _Answer(404)
        if method != "GET":
            return _Answer(405)
        now, subject = self._clock.now(), ""
        try:
            chain = self._authority.verified(environ.get(PEER_CHAIN, ()), now)
            subject = chain.subject
            issued = self._authority.issue(chain, read_query(query), now)
        except OstiaryError as error:
            problem = self._refused(error, "rest", subject)
            return _Answer(problem.status, answers.rest_problem(problem))
        self._told(issued, chain, "rest")
        body = answers.rest_certificate(issued.certificate, self._warnings(issued))
        return _Answer(200, body, "text/html; charset=utf-8")

    def _refused(self, error: OstiaryError, protocol: str, subject: str) -> answers.Problem:
        problem = answers.problem_of(error, self._authority.vo, self._explain)
        self._log.info(
            "vo_request_refused",
            protocol=protocol,
            subject=subject,
            code=error.code,
            expected=error.expected,
            found=error.found,
            answer=problem.code,
        )
        return problem

    def _explain(self, error: OstiaryError) -> str:
        return self._texts.error(SOURCE_LANGUAGE, error)[0]

    def _warnings(self, issued: Issued) -> list[str]:
        issuer = self._authority.issuer
        return [answers.warning_text(warned, issuer.host, issuer.port) for warned in issued.grant.warnings]

    def _told(self, issued: Issued, chain: VerifiedChain, protocol: str) -> None:
        self._log.info(
            "vo_certificate_issued" if issued.certificate else "vo_names_listed",
            protocol=protocol,
            vo=issued.grant.vo,
            subject=chain.subject,
            first=issued.grant.fqans[0].short(),
            names=len(issued.grant.fqans),
            until=issued.grant.not_after.isoformat(),
        )


def require_vo(memberships: Memberships, config: Path) -> None:
    """Raises `ConfigurationError` (``voms.vo_missing``) when the database does not hold the VO."""
    if not memberships.exists():
        raise ConfigurationError(
            "voms.vo_missing", file=config, key="vo", expected="a VO of the database", found=memberships.name
        )
