"""Building and accepting a doubly signed Response with eight attributes (RSA-2048, SHA-256), here and by others."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from bench.measure import Row, cpu_milliseconds
from bench.peer_processes import measure_peers
from ostiary.attributes import make_attribute
from ostiary.federation.model import Endpoint, Entity, EntityKey, IdpRole, SpRole
from ostiary.federation.publish.documents import unsigned_entity
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, AuthnStatement, Conditions, Confirmation, NameId
from ostiary.saml.attribute_names import wire_name
from ostiary.saml.bindings import decode_post, encode_post, encode_written
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import Response, new_id
from ostiary.saml.signature import sign, write_signed
from ostiary.saml.validate import AcceptedResponse, accept_response, response_issuer, verify_response
from ostiary.saml.xml import Element, parse_xml, qname, write_instant

IDP, SP, ACS = "https://home.example/idp", "https://resource.example/shar", "https://resource.example/ostiary/acs"
REQUEST = "_4fee3b046395c4e751011e97f8900b5273d56685"
HANDLE = "AAdzTWVhbmluZ2xlc3M" * 6
ATTRIBUTES = {
    "displayName": ["Alice Archer"],
    "givenName": ["Alice"],
    "sn": ["Archer"],
    "mail": ["alice.archer@home.example"],
    "eduPersonPrincipalName": ["alice@home.example"],
    "eduPersonScopedAffiliation": ["member@home.example", "staff@home.example"],
    "eduPersonEntitlement": ["urn:mace:dir:entitlement:common-lib-terms"],
    "schacHomeOrganization": ["home.example"],
}
MADE = tuple(make_attribute(name, values) for name, values in ATTRIBUTES.items())
LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True)
class Home:
    """An IdP with its key, at one moment: that of the run, because the peers look at the clock themselves.

    ``sp``, ``acs``, ``request``: whom it answers, where, and which request; ``handle``: whom it speaks of.
    """

    key: rsa.RSAPrivateKey
    signer: Signer
    now: datetime
    sp: str = SP
    acs: str = ACS
    request: str = REQUEST
    handle: str = HANDLE

    def build(self) -> bytes:
        """From values to the octets of a signed Response around a signed assertion."""
        return write_signed(self.response().written(), self.assertion().written(), self.signer)

    def assertion(self) -> Assertion:
        now = self.now
        return Assertion(
            id=new_id(),
            issuer=IDP,
            issue_instant=now,
            name_id=NameId(self.handle, names.TRANSIENT, IDP, self.sp),
            confirmations=(Confirmation(names.BEARER, self.acs, now + LIFETIME, None, self.request),),
            conditions=Conditions(now, now + LIFETIME, ((self.sp,),)),
            authn_statements=(
                AuthnStatement(now, "_session", now + timedelta(hours=8), names.PASSWORD_PROTECTED_TRANSPORT),
            ),
            attributes=MADE,
        )

    def response(self) -> Response:
        return Response(new_id(), IDP, self.now, destination=self.acs, in_response_to=self.request)

    def broken(self) -> list[Element]:
        """The same with a broken signature on the Response only, and on the assertion only."""
        outer = parse_xml(self.build())
        outer.set("Consent", "urn:oasis:names:tc:SAML:2.0:consent:obtained")
        assertion = self.assertion().to_xml()
        sign(assertion, self.signer)
        assertion[-1][0][0].text = "Mallory"
        inner = self.response().to_xml(assertion)
        sign(inner, self.signer)
        return [outer, inner]

    def accept(self, element: Element) -> AcceptedResponse:
        """From a tree that was checked against the schema to what a session is made of."""
        proven = verify_response(element, [self.signer.public] if response_issuer(element) == IDP else [])
        return accept_response(proven, issuer=IDP, audience=SP, recipient=ACS, now=self.now)


def rows(*, quick: bool) -> list[Row]:
    """Three rows: building, accepting, and accepting with everything before it that makes a tree of what a browser posts."""
    home = make_home(datetime.now(UTC).replace(microsecond=0))
    message = encode_written(home.build())
    received = decode_post(message, None).element
    best = cpu_milliseconds(
        {
            "sign": _bare_signatures(home.key),
            "build": home.build,
            "verify": _bare_verifications(received, home.signer),
            "accept": lambda: home.accept(received),
            "receive": lambda: home.accept(decode_post(message, None).element),
        },
        rounds=40 if quick else 120,
        loops=20,
    )
    peers = _peers(home, message, seconds=1.0 if quick else 4.0)
    built = {name: found.get("build", "it is made for service providers only") for name, found in peers.items()}
    accepted = {name: found["accept"] for name, found in peers.items()}
    return [
        Row("Response, doubly signed: built", best["build"], "ms CPU", best["sign"], 1.25, built),
        Row("Response, doubly signed: verified, validated", best["accept"], "ms CPU", best["verify"], 1.5),
        Row("  and before that decoded and schema-checked", best["receive"], "ms CPU", best["verify"], 2.5, accepted),
    ]


def _bare_signatures(key: rsa.RSAPrivateKey) -> Callable[[], None]:
    def bare() -> None:
        for _ in range(2):
            key.sign(b"x" * 400, padding.PKCS1v15(), hashes.SHA256())

    return bare


def _bare_verifications(response: Element, signer: Signer) -> Callable[[], None]:
    signed = [
        (element, next(element.iterchildren(qname(names.DS, "Signature")))) for element in (response, response[-1])
    ]

    def bare() -> None:
        for element, signature in signed:
            context = xmlsec.SignatureContext()
            context.key = signer.public.for_xmlsec()
            context.register_id(element, "ID")
            context.verify(signature)

    return bare


def _peers(home: Home, message: str, *, seconds: float) -> dict[str, dict[str, float | str]]:
    key = EntityKey(home.signer.public, certificate=home.signer.certificate)
    idp = Entity(IDP, idp=IdpRole(keys=(key,), single_sign_on=(Endpoint(names.HTTP_POST, IDP),)))
    sp = Entity(
        SP, sp=SpRole(keys=(key,), assertion_consumers=(Endpoint(names.HTTP_POST, ACS, index=0, is_default=True),))
    )
    pem = serialization.Encoding.PEM
    private = home.key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    task = {
        "idp": IDP,
        "sp": SP,
        "acs": ACS,
        "request": REQUEST,
        "handle": HANDLE,
        "attributes": ATTRIBUTES,
        "wire_attributes": [(wire_name(name), values) for name, values in ATTRIBUTES.items()],
        "name_format": names.URI_NAME,
        "nameid_format": names.TRANSIENT,
        "context": names.PASSWORD_PROTECTED_TRANSPORT,
        "instant": write_instant(home.now),
        "end": write_instant(home.now + LIFETIME),
        "response": message,
        "broken": [encode_post(element) for element in home.broken()],
        "seconds": seconds,
    }
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "task.json").write_text(json.dumps(task))
        (directory / "key.pem").write_bytes(private)
        certificate = x509.load_der_x509_certificate(home.signer.certificate)
        (directory / "certificate.pem").write_bytes(certificate.public_bytes(pem))
        (directory / "idp.xml").write_bytes(unsigned_entity(idp))
        (directory / "sp.xml").write_bytes(unsigned_entity(sp))
        return measure_peers(directory)


def make_home(now: datetime) -> Home:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return Home(key, Signer(key, certificate), now)
