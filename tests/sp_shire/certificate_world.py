"""A CA, a VO that it vouches for, and a person with proxies: what a resource with ``certificates:`` looks at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from ostiary.x509.issuer_key import IssuerKey
from ostiary.x509.lsc import write_lsc
from ostiary.x509.proxy import make_proxy
from tests.x509.authorities import (
    NOW,
    CertificateAuthority,
    Identity,
    attribute_authority,
    attribute_certificate,
    lsc_for,
    root,
)

CA_NAME = "CN=HV Test CA,O=HV Test,C=ZZ"
ALICE_NAME = "CN=Alice Member,O=HV Test,C=ZZ"
ALICE_SLASH = "/C=ZZ/O=HV Test/CN=Alice Member"

ACCEPT = f"""
rules:
  - id: the VO says who is in it
    attribute: isMemberOf
    from: {{issuers: testvo}}
  - id: the VO says nicknames
    attribute: "voms:nickname"
    from: {{issuers: testvo}}
    as: nickname
  - id: the CA says whose certificate it is
    attribute: [certificateSubject, certificateSubjectSlash]
    from: {{issuers: "{CA_NAME}"}}
"""
ACCESS = """
rules:
  - id: members of the group
    paths: /
    permit: {attribute: isMemberOf, value: /testvo/g1}
    because: Only the group g1 works here.
  - id: whoever the CA knows
    paths: /known
    permit: {attribute: certificateSubject}
  - id: fresh
    paths: /fresh
    permit: {authenticated_within: 1h}
  - id: by certificate
    paths: /tls
    permit: {authn_context: "urn:oasis:names:tc:SAML:2.0:ac:classes:TLSClient"}
"""


@dataclass
class World:
    """Files below ``directory``; who is trusted changes with them."""

    directory: Path
    authority: CertificateAuthority
    vo_key: IssuerKey
    alice: Identity
    now: datetime = NOW

    @classmethod
    def make(cls, directory: Path) -> "World":
        authority = root()
        world = cls(directory, authority, attribute_authority(authority), authority.issue(ALICE_SLASH, serial=0x1001))
        (directory / "ca").mkdir()
        world.revoke()
        lsc = directory / "vomsdir" / "testvo" / "localhost.lsc"
        lsc.parent.mkdir(parents=True)
        lsc.write_text(write_lsc(lsc_for(world.vo_key)))
        (directory / "accept.yaml").write_text(ACCEPT)
        (directory / "access.yaml").write_text(ACCESS)
        return world

    def revoke(self, *serials: int, next_update: datetime = NOW + timedelta(days=7)) -> None:
        """A new CRL of the CA, which lists these certificates."""
        self.authority.install(self.directory / "ca", crl=self.authority.crl(*serials, next_update=next_update))

    def certificates(self, **changes: Any) -> dict[str, Any]:
        """``certificates:`` of the settings."""
        usual = {"ca_directory": str(self.directory / "ca"), "vomsdir": str(self.directory / "vomsdir")}
        return {**usual, **changes}

    def settings(self, **changes: Any) -> dict[str, Any]:
        """What differs from an ordinary resource."""
        return {
            "public_url": "https://library.example",
            "protected": ["/"],
            "accept": [str(self.directory / "accept.yaml")],
            "access": [str(self.directory / "access.yaml")],
            "certificates": self.certificates(**changes),
        }

    def ac(self, **changes: object) -> bytes:
        """An attribute certificate of the VO for alice."""
        return attribute_certificate(self.vo_key, self.alice.certificate, **changes)

    def proxy(
        self, *acs: bytes, above: Sequence[x509.Certificate] = (), key: Any = None, **options: Any
    ) -> tuple[bytes, ...]:
        """The chain (DER) of a proxy with these attribute certificates."""
        made = make_proxy(
            above or self.alice.certificates,
            key or self.alice.key,
            now=self.now,
            attribute_certificates=acs,
            key_size="ec",
            **{"lifetime": timedelta(hours=12), **options},
        )
        return made.ders
