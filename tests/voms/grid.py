"""A VO service with CA, people and CRL, made in memory; asked in process with a clock that tests move, or over real TLS."""

import base64
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from lxml import etree
from sqlalchemy import Engine

from ostiary.clock import SystemClock
from ostiary.web.listener import PEER_CHAIN
from ostiary.web.log import make_log
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.issuer_key import load_issuer_key
from ostiary.x509.trust import TrustDirectory, load_trust_directory
from tests.simulator import MovableClock
from tests.voms.conftest import Vo
from tests.x509.authorities import CertificateAuthority, Identity, signing_policy
from voms.directory import VoDirectory, create_vo
from voms.issuing import Issuer, NameForm
from voms.memberships import Memberships
from voms.service import VoAuthority, VomsService


@dataclass(frozen=True)
class Reply:
    """What a client got."""

    status: str
    headers: dict[str, str]
    body: bytes

    @property
    def root(self) -> etree._Element:
        """The XML of the body."""
        return etree.fromstring(self.body)

    @property
    def problem(self) -> tuple[str, str]:
        """Code and message of a refusal."""
        return self.root.findtext("error/code") or "", self.root.findtext("error/message") or ""


@dataclass(frozen=True)
class Grid:
    """``testvo`` with alice, who has groups g1/sub and g2 and the roles admin in g1, pilot in the root."""

    vo: Vo
    authority: CertificateAuthority
    alice: Identity
    host: Identity
    service: VomsService
    clock: MovableClock
    ca_directory: Path
    log: io.StringIO
    trust: "Reloaded"

    def get(
        self, query: str, chain: Sequence[bytes] | None = None, path: str = "/generate-ac", method: str = "GET"
    ) -> Reply:
        """One REST request as the listener hands it over."""
        told: list[tuple[str, list[tuple[str, str]]]] = []
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            PEER_CHAIN: tuple(self.alice.ders if chain is None else chain),
        }
        parts: Iterable[bytes] = self.service(
            environ, lambda status, headers, _info=None: told.append((status, headers))
        )  # type: ignore[arg-type,func-returns-value,misc]
        return Reply(told[0][0], dict(told[0][1]), b"".join(parts))

    def certificate(self, query: str, chain: Sequence[bytes] | None = None) -> bytes:
        """The attribute certificate that a request is answered with, DER."""
        return base64.b64decode(self.get(query, chain).root.findtext("ac") or "")

    def logged(self) -> list[dict[str, object]]:
        """The log so far."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


class Reloaded:
    """The CA directory, read anew when a test has changed it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._loaded = load_trust_directory(directory)

    def reload(self) -> None:
        """Reads it again."""
        self._loaded = load_trust_directory(self._directory)

    def __call__(self) -> TrustDirectory:
        return self._loaded


def make_grid(
    engine: Engine,
    directory: Path,
    authority: CertificateAuthority,
    *,
    now: datetime,
    form: NameForm = "long",
    longest: timedelta = timedelta(hours=24),
    by_system_clock: bool = False,
) -> Grid:
    """The whole thing; validity of the certificates around ``now``. ``by_system_clock``: for TLS, which knows no other time."""
    lifetimes = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=300)}
    alice = authority.issue("/C=ZZ/O=HV Test/CN=Alice Member", **lifetimes)  # type: ignore[arg-type]
    host = authority.issue("/C=ZZ/O=HV Test/CN=localhost", **lifetimes)  # type: ignore[arg-type]
    ca_directory = directory / "certificates"
    ca_directory.mkdir()
    authority.install(
        ca_directory,
        crl=authority.crl(this_update=now - timedelta(hours=1), next_update=now + timedelta(days=20)),
        policy=signing_policy(authority, "/C=ZZ/O=HV Test/*"),
    )
    vo = _vo(engine, alice, now)
    certificate, key = host.write(directory, "host")
    issuer = Issuer(load_issuer_key(certificate, key), "localhost", 15010, form)
    log, clock, trust = io.StringIO(), MovableClock(now), Reloaded(ca_directory)
    service = VomsService(
        VoAuthority(vo.memberships, trust=trust, issuer=lambda: issuer, engine=engine, longest=longest),
        log=make_log(clock, service="voms", stream=log),
        clock=SystemClock() if by_system_clock else clock,
    )
    return Grid(vo, authority, alice, host, service, clock, ca_directory, log, trust)


def _vo(engine: Engine, alice: Identity, now: datetime) -> Vo:
    create_vo(engine, "testvo", at=now, by="operator", inherits=False)
    directory = VoDirectory(engine, "testvo")
    for group in ("/testvo/g1", "/testvo/g1/sub", "/testvo/g2"):
        directory.add_group(group, at=now, by="operator")
    for role in ("admin", "pilot"):
        directory.add_role(role, at=now, by="operator")
    member = directory.add_member(CertificateNames.of(alice.certificate), at=now, by="operator")
    for group in ("/testvo/g1/sub", "/testvo/g2"):
        directory.join(member, group, at=now, by="operator")
    directory.assign_role(member, "/testvo/g1", "admin", at=now, by="operator")
    directory.assign_role(member, "/testvo", "pilot", at=now, by="operator")
    directory.set_attribute("nickname", "alice", member=member, at=now, by="operator")
    directory.set_attribute("grpattr", "gval", group="/testvo/g1", at=now, by="operator")
    directory.set_attribute("roleattr", "rval", group="/testvo/g1", role="admin", at=now, by="operator")
    return Vo(engine, directory, Memberships(engine, "testvo"), member)
