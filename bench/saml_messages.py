"""Building and accepting a doubly signed Response with eight attributes (RSA-2048, SHA-256)."""

from datetime import UTC, datetime, timedelta

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from bench.measure import Row, cpu_milliseconds
from ostiary.attributes import make_attribute
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, AuthnStatement, Conditions, Confirmation, NameId
from ostiary.saml.bindings import decode_post, encode_post
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import Response, new_id
from ostiary.saml.signature import sign_nested
from ostiary.saml.validate import accept_response, response_issuer, verify_response
from ostiary.saml.xml import parse_xml, qname, to_bytes

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
IDP, SP, ACS = "https://home.example/idp", "https://resource.example/shar", "https://resource.example/ostiary/acs"
ATTRIBUTES = tuple(
    make_attribute(name, values)
    for name, values in {
        "displayName": ["Alice Archer"],
        "givenName": ["Alice"],
        "sn": ["Archer"],
        "mail": ["alice.archer@home.example"],
        "eduPersonPrincipalName": ["alice@home.example"],
        "eduPersonScopedAffiliation": ["member@home.example", "staff@home.example"],
        "eduPersonEntitlement": ["urn:mace:dir:entitlement:common-lib-terms"],
        "schacHomeOrganization": ["home.example"],
    }.items()
)


def rows(*, quick: bool) -> list[Row]:
    """Two rows, for building and for accepting."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signer = Signer(key, _certificate(key))
    message = encode_post(_build(signer))
    root = parse_xml(to_bytes(_build(signer)))
    keys = [signer.public]

    def bare_signatures() -> None:
        for _ in range(2):
            key.sign(b"x" * 400, padding.PKCS1v15(), hashes.SHA256())

    def bare_verifications() -> None:
        for element in (root, root[-1]):
            context = xmlsec.SignatureContext()
            context.key = signer.public.for_xmlsec()
            context.register_id(element, "ID")
            context.verify(element.find(qname(names.DS, "Signature")))

    def accept() -> None:
        received = decode_post(message, None)
        proven = verify_response(received.element, keys if response_issuer(received.element) == IDP else [])
        accept_response(proven, issuer=IDP, audience=SP, recipient=ACS, now=NOW)

    best = cpu_milliseconds(
        {
            "sign": bare_signatures,
            "build": lambda: to_bytes(_build(signer)),
            "verify": bare_verifications,
            "accept": accept,
        },
        rounds=5 if quick else 20,
        loops=40 if quick else 200,
    )
    return [
        Row("Response, doubly signed: built", best["build"], "ms CPU", best["sign"], 1.25),
        Row("Response, doubly signed: decoded, verified, validated", best["accept"], "ms CPU", best["verify"], 1.5),
    ]


def _build(signer: Signer):  # type: ignore[no-untyped-def]  # lxml's element type is private
    assertion = Assertion(
        id=new_id(),
        issuer=IDP,
        issue_instant=NOW,
        name_id=NameId("AAdzTWVhbmluZ2xlc3M" * 6, names.TRANSIENT, IDP, SP),
        confirmations=(Confirmation(names.BEARER, ACS, NOW + timedelta(minutes=5), None, "_request"),),
        conditions=Conditions(NOW, NOW + timedelta(minutes=5), ((SP,),)),
        authn_statements=(
            AuthnStatement(NOW, "_session", NOW + timedelta(hours=8), names.PASSWORD_PROTECTED_TRANSPORT),
        ),
        attributes=ATTRIBUTES,
    ).to_xml()
    response = Response(new_id(), IDP, NOW, destination=ACS, in_response_to="_request").to_xml()
    sign_nested(response, assertion, signer)
    return response


def _certificate(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
