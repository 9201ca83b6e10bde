"""The demo's VO: its certificates, its members with groups and roles, and the files by which clients and relying parties know it."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Engine

from ostiary.command.demo.authority import CertificateFiles, DemoAuthority, demo_authority
from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import NORTHGATE, SOUTHBANK
from ostiary.command.vo_service import upgrade_vo
from ostiary.config import DatabaseSettings, write_private_file
from ostiary.federation.keys import create_key_ring, private_pem, self_signed
from ostiary.storage.engine import open_database
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.lsc import Lsc, Names, write_lsc
from ostiary.x509.names import slash_form
from ostiary.x509.vomses import VomsServer
from voms.administration.acl import AclEntry
from voms.administration.callers import OPERATOR as BESIDE_THE_DATABASE
from voms.administration.desk import Desk
from voms.administration.permissions import Permission
from voms.administration.who import Who
from voms.details import Details
from voms.directory import FederatedIdentity, VoDirectory, create_vo
from voms.memberships import Memberships

VO: Final = "microscopy"
HOST: Final = "localhost"
GROUPS: Final = (f"/{VO}/imaging", f"/{VO}/imaging/cryo", f"/{VO}/data")
ROLES: Final = ("operator", "librarian")
OPERATOR: Final = f"/{VO}/imaging/Role=operator"
# Emil, who is known to his home organisation by this name and to the grid by his certificate.
OPERATOR_IDENTITY: Final = FederatedIdentity(SOUTHBANK.entity_id, "eduPersonPrincipalName", f"emil@{SOUTHBANK.scope}")
# Alice, who manages the VO.
MANAGER_IDENTITY: Final = FederatedIdentity(NORTHGATE.entity_id, "eduPersonPrincipalName", f"alice@{NORTHGATE.scope}")
PAGES: Final = "https://microscopy.example/pages"
# The role comes down to the group below, in which the member is.
MEMBER_FQANS: Final = (
    *(f"/{VO}", f"/{VO}/imaging", f"/{VO}/imaging/cryo"),
    *(OPERATOR, f"/{VO}/imaging/cryo/Role=operator"),
)


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with a certificate. ``key`` names the files."""

    key: str
    common_name: str


MEMBER: Final = Holder("member", "Emil Eclair")
NONMEMBER: Final = Holder("nonmember", "Nora Newcomer")
SUSPENDED: Final = Holder("suspended", "Sam Slipshod")
REVOKED: Final = Holder("revoked", "Rita Roamer")
HOLDERS: Final = (MEMBER, NONMEMBER, SUSPENDED, REVOKED)


@dataclass(frozen=True, slots=True)
class CollaborationFiles:
    """Where things stand below the state directory."""

    layout: Layout

    @property
    def authority(self) -> DemoAuthority:
        """The demo's certification authority."""
        return demo_authority(self.layout)

    @property
    def config(self) -> Path:
        """``voms.yaml``."""
        return self.layout.directory("voms") / "voms.yaml"

    @property
    def database(self) -> dict[str, str]:
        """The VO's database, as the configuration of a service names it."""
        return self.layout.database("voms", "vo.db")

    @property
    def service(self) -> CertificateFiles:
        """The VO service's certificate."""
        return CertificateFiles(self.layout.directory("voms") / "host.pem", self.layout.directory("voms") / "host.key")

    @property
    def pages_keys(self) -> Path:
        """What the VO's pages sign with, as a resource of the federation."""
        return self.layout.directory("voms") / "keys"

    @property
    def token_keys(self) -> Path:
        """What the VO signs tokens with."""
        return self.layout.directory("voms") / "token-keys"

    @property
    def vomses(self) -> Path:
        """What clients find the service by."""
        return self.layout.directory("voms") / "vomses"

    @property
    def vomsdir(self) -> Path:
        """What relying parties trust: the LSC file of each VO."""
        return self.layout.directory("voms") / "vomsdir"

    @property
    def lsc(self) -> Path:
        """The one LSC file of the demo's VO."""
        return self.vomsdir / VO / f"{HOST}.lsc"

    def of(self, holder: Holder) -> CertificateFiles:
        """A person's certificate and key."""
        directory = self.layout.directory("voms") / "people"
        return CertificateFiles(directory / f"{holder.key}.pem", directory / f"{holder.key}.key")


def prepare_collaboration(layout: Layout, *, now: datetime) -> None:
    """Writes it all; what is there and still good stays, the CRL is written anew."""
    files = CollaborationFiles(layout)
    layout.directory("voms").mkdir(exist_ok=True)
    authority = files.authority
    authority.prepare(now=now)
    service = authority.issue(files.service, HOST, now=now, hosts=(HOST, "127.0.0.1"))
    people = {holder.key: authority.issue(files.of(holder), holder.common_name, now=now) for holder in HOLDERS}
    authority.publish([people[REVOKED.key]], now=now)
    files.lsc.parent.mkdir(parents=True, exist_ok=True)
    files.lsc.write_text(write_lsc(Lsc(((Names.of(service),),))))
    server = VomsServer(VO, HOST, layout.voms_port, slash_form(service.subject), VO)
    files.vomses.write_text(server.line() + "\n")
    if not (files.pages_keys / "current.key").exists():
        create_key_ring(files.pages_keys, "Ostiary demo, VO pages", now=now)
    _make_token_keys(files.token_keys, now)
    _write_config(files)
    _write_members(files, people, now)


def _make_token_keys(directory: Path, now: datetime) -> None:
    if (directory / "current.key").exists():
        return
    directory.mkdir(exist_ok=True)
    # EC: made in a millisecond, and the signatures are short.
    key = ec.generate_private_key(ec.SECP256R1())
    (directory / "current.crt").write_bytes(self_signed(key, "Ostiary demo, VO tokens", now=now))
    write_private_file(directory / "current.key", private_pem(key))


def _write_config(files: CollaborationFiles) -> None:
    port = files.layout.voms_port
    content = {
        "vo": VO,
        "host": HOST,
        "port": port,
        "listen": files.layout.listen(port),
        "database": files.database,
        "certificate": "host.pem",
        "key": "host.key",
        "ca_directory": str(files.authority.ca_directory),
        "tokens": {"keys": "token-keys", "default_audience": ["https://wlcg.cern.ch/jwt/v1/any"]},
        "mail": {"type": "files", "directory": "mail", "sender": "managers@microscopy.example"},
        "pages": {
            "entity_id": PAGES,
            "public_url": files.layout.vo_pages_url,
            "listen": files.layout.listen(files.layout.vo_pages_port),
            "display_name": "Microscopy collaboration",
            "support_email": "managers@microscopy.example",
            "discovery_url": f"{files.layout.wayf_url}/discovery",
            "trust": {
                "keys": "keys",
                "metadata": [
                    {
                        "file": str(files.layout.aggregate),
                        "trusted_certificates": [str(files.layout.federation_certificates)],
                    }
                ],
            },
        },
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    files.config.write_text(f"# The VO {VO}: written at each start of the demo.\n{text}")


def _write_members(files: CollaborationFiles, people: dict[str, x509.Certificate], now: datetime) -> None:
    engine = open_database(DatabaseSettings.model_validate(files.database))
    upgrade_vo(engine)
    directory = VoDirectory(engine, VO)
    memberships = Memberships(engine, VO)
    if not memberships.exists():
        create_vo(engine, VO, at=now, by="demo")
        _let_manage(engine, now)
        for group in GROUPS:
            directory.add_group(group, at=now, by="demo")
        for role in ROLES:
            directory.add_role(role, at=now, by="demo")
        directory.set_attribute("instrument", "titan", group=f"/{VO}/imaging", at=now, by="demo")
        directory.set_attribute("shift", "day", group=f"/{VO}/imaging", role="operator", at=now, by="demo")
    for holder in (MEMBER, SUSPENDED, REVOKED):
        names = CertificateNames.of(people[holder.key])
        if memberships.of_certificate(names, now) is None:
            _add(engine, directory, holder, names, now)
    engine.dispose()


def _let_manage(engine: Engine, now: datetime) -> None:
    """Alice is no member; she may do everything. Each group that is made later begins with a copy of this list."""
    desk = Desk(engine, VO, BESIDE_THE_DATABASE, now)
    desk.set_acl_entry(AclEntry(f"/{VO}", None, Who.identity(MANAGER_IDENTITY), Permission.ALL), below=True)


def _add(engine: Engine, directory: VoDirectory, holder: Holder, names: CertificateNames, now: datetime) -> None:
    member = directory.add_member(names, at=now, by="demo")
    if holder == MEMBER:
        directory.join(member, f"/{VO}/imaging/cryo", at=now, by="demo")
        directory.assign_role(member, f"/{VO}/imaging", "operator", at=now, by="demo")
        directory.set_attribute("nickname", "emil", member=member, at=now, by="demo")
        directory.link_identity(member, OPERATOR_IDENTITY, at=now, by="demo")
        about = Details("Emil", "Éclair", SOUTHBANK.name, mail=f"emil@{SOUTHBANK.scope}")
        Desk(engine, VO, BESIDE_THE_DATABASE, now).set_details(member, about)
    if holder == SUSPENDED:
        directory.suspend(member, "Left the key of the instrument in the door.", at=now, by="demo")
