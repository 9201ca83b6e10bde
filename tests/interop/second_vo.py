"""A second VO beside the demo's, by the same host certificate and CA, served over TLS in this process: for proxies with two VOs, and for
services as members."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.clock import SystemClock
from ostiary.config import ListenSettings
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.web.listener import TlsListener, make_context
from ostiary.web.log import make_log
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.issuer_key import load_issuer_key
from ostiary.x509.lsc import Lsc, Names, write_lsc
from ostiary.x509.trust import load_trust_directory
from ostiary.x509.vomses import VomsServer
from tests.databases import upgraded
from voms.changes import changing
from voms.directory import VoDirectory, create_vo
from voms.grants import assign_role
from voms.issuing import Issuer
from voms.memberships import Memberships
from voms.people import add_certificate, add_member
from voms.service import VoAuthority, VomsService
from voms.tables import MIGRATIONS as VOMS_MIGRATIONS

NAME = "storage"


@dataclass(frozen=True)
class SecondVo:
    """``vomses`` and ``vomsdir`` know both VOs. ``host_certificate`` and ``host_key`` are those of a service that is a member."""

    vomses: Path
    vomsdir: Path
    host_certificate: Path
    host_key: Path


@contextlib.contextmanager
def second_vo(demo: dict[str, Any], directory: Path) -> Iterator[SecondVo]:
    """The VO ``storage`` until the end of the block: the demo's member is in it, and the host itself, which has the role ``store``."""
    own = Path(demo["ca_dir"]).parents[1] / "voms"
    certificate, key = own / "host.pem", own / "host.key"
    trust, issuer = load_trust_directory(Path(demo["ca_dir"])), load_issuer_key(certificate, key)
    with (
        (directory / "second.log").open("w") as stream,
        upgraded("sqlite", directory, [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS, VOMS_MIGRATIONS]) as engine,
    ):
        log = make_log(SystemClock(), service="voms", stream=stream)
        now = datetime.now(UTC)
        create_vo(engine, NAME, at=now, by="operator")
        VoDirectory(engine, NAME).add_role("store", at=now, by="operator")
        with changing(engine, NAME, "vo.members_added", at=now, by="operator") as change:
            for member, kind, file in (
                ("0" * 32, "person", demo["member"]["cert"]),
                ("1" * 32, "service", certificate),
            ):
                add_member(change, member, kind=kind)  # type: ignore[arg-type]
                held = x509.load_pem_x509_certificate(Path(file).read_bytes())
                add_certificate(change, member, CertificateNames.of(held))
            assign_role(change, "1" * 32, f"/{NAME}", "store")
        authority = VoAuthority(
            Memberships(engine, NAME),
            trust=lambda: trust,
            issuer=lambda: Issuer(issuer, "localhost", 15999, "long"),
            engine=engine,
            longest=timedelta(hours=12),
        )
        service = VomsService(authority, log=log, clock=SystemClock())
        context = make_context(certificate, key, trust.certificates())
        listener = TlsListener(service, ListenSettings(port=0), lambda: context, log=log, legacy=service.legacy)
        listener.start()
        try:
            vomses, vomsdir = directory / "vomses", directory / "vomsdir"
            line = VomsServer(NAME, "localhost", listener.port, issuer.subject, NAME).line()
            vomses.write_text(f"{Path(demo['vomses']).read_text().rstrip()}\n{line}\n")
            shutil.copytree(Path(demo["lsc"]).parent.parent, vomsdir)
            (vomsdir / NAME).mkdir()
            (vomsdir / NAME / "localhost.lsc").write_text(write_lsc(Lsc((tuple(map(Names.of, issuer.certificates)),))))
            yield SecondVo(vomses, vomsdir, certificate, key)
        finally:
            listener.stop()
