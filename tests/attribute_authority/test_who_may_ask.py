"""Who may ask the Attribute Authority about whom, how that is proven, and what those are told who may not."""

import base64
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from werkzeug.test import TestResponse

from ostiary.errors import Denied
from ostiary.federation.model import Endpoint, Entity, EntityKey, SpRole
from ostiary.federation.registry import Registry
from ostiary.ports import NamedPerson
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import encode_soap
from ostiary.saml.keys import TrustedKey
from ostiary.saml.signature import sign
from ostiary.saml.xml import Element, qname
from ostiary.web.connection import PEER_CHAIN
from tests.attribute_authority.query_home import (
    AFFILIATION,
    HOME,
    LAB,
    LAB_SIGNER,
    LIBRARY,
    LIBRARY_SIGNER,
    NOW,
    REGISTRY,
    Home,
    accepted,
    envelope,
    handle,
    prepared,
    query,
    texts,
)
from tests.signers import make_signer

ARCHIVE = "https://archive.example/shar"
ARCHIVE_KEY = ec.generate_private_key(ec.SECP256R1())
STRANGERS_KEY = make_signer("stranger")
DN = "CN=Ada,OU=People,O=University"
MakeHome = Callable[..., Home]


def expired_certificate(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    """Self-signed, and over for years: it only carries the key."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    at = datetime(2001, 1, 1, tzinfo=UTC)
    signed = builder.serial_number(7).not_valid_before(at).not_valid_after(at + timedelta(days=1))
    return signed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def archive() -> Entity:
    """An SP whose metadata lists a bare key."""
    key = EntityKey(TrustedKey.from_public_key(ARCHIVE_KEY.public_key()), "signing")
    acs = Endpoint(names.HTTP_POST, "https://archive.example/acs", index=0)
    return Entity(ARCHIVE, sp=SpRole(keys=(key,), assertion_consumers=(acs,)))


@pytest.fixture
def make_home(tmp_path: Path) -> Iterator[MakeHome]:
    engine = prepared(tmp_path)
    registry = Registry([*REGISTRY.all(NOW), archive()])
    (tmp_path / "tls.crt").touch()
    yield lambda **settings: Home(tmp_path, engine, registry, **settings)
    engine.dispose()


def over_tls(home: Home, body: bytes, certificate: bytes | None, **headers: str) -> TestResponse:
    """Posts as our own TLS listener passes a request on."""
    chain = (certificate,) if certificate is not None else ()
    return home.post(body, environ={PEER_CHAIN: chain}, headers=headers)


def status_in(answer: TestResponse) -> tuple[str, ...]:
    """The last parts of the status codes of an answer without attributes."""
    if answer.status_code != 200 or "Assertion " in answer.text:
        raise RuntimeError(answer.text)
    return tuple(part.split('"', 1)[0].rpartition(":")[2] for part in answer.text.split('StatusCode Value="')[1:])


def refused(home: Home) -> list[object]:
    return [facts["code"] for _, facts in home.recorded("attributes.refused")]


# --- the proof


def test_the_key_of_a_client_certificate_proves_who_asks(make_home: MakeHome) -> None:
    home = make_home()
    answer = over_tls(home, envelope(query(), None), LIBRARY_SIGNER.certificate)
    assert texts(answer, query()) == AFFILIATION
    [(person, facts)] = home.recorded()
    assert (person, facts["requester"], facts["rules"]) == ("p1", LIBRARY, ["all/who"])


def test_a_certificate_only_carries_the_key_whatever_else_it_says(make_home: MakeHome) -> None:
    home = make_home()
    asked = query(issuer=ARCHIVE, name_id=NameId(handle(ARCHIVE), names.TRANSIENT))
    certificate = expired_certificate(ARCHIVE_KEY, "somebody else altogether")
    assert accepted(over_tls(home, envelope(asked, None), certificate), asked) is None
    assert [facts["requester"] for _, facts in home.recorded()] == [ARCHIVE]
    another = expired_certificate(ec.generate_private_key(ec.SECP256R1()), "somebody else altogether")
    assert over_tls(home, envelope(query(issuer=ARCHIVE, id="_q2"), None), another).status_code == 400


@pytest.mark.parametrize(
    ("certificate", "code"),
    [
        (None, "signature.missing"),
        (LAB_SIGNER.certificate, "aa.peer_unknown"),
        (STRANGERS_KEY.certificate, "aa.peer_unknown"),
        (b"no certificate", "aa.peer_unknown"),
    ],
    ids=["none", "another requester's", "nobody's", "unreadable"],
)
def test_without_a_proof_nothing_leaves_and_the_audit_says_so(
    make_home: MakeHome, certificate: bytes | None, code: str
) -> None:
    home = make_home()
    assert over_tls(home, envelope(query(), None), certificate).status_code == 400
    assert home.recorded() == []
    assert home.recorded("attributes.refused") == [(None, {"code": code, "claimed": LIBRARY})]


@pytest.mark.parametrize("anonymous", [True, False])
def test_an_endless_id_is_refused_where_no_signature_bounds_it(make_home: MakeHome, anonymous: bool) -> None:
    home = make_home(answers_anonymous=anonymous)
    for length, status in ((20_000, 400), (257, 400), (256, 200)):
        body = envelope(query(id="i" * length), None)
        assert over_tls(home, body, None if anonymous else LIBRARY_SIGNER.certificate).status_code == status
    assert refused(home) == ["aa.query_id"] * 2


def test_a_signature_that_is_wrong_is_not_made_good_by_a_certificate(make_home: MakeHome) -> None:
    home = make_home(answers_anonymous=True)
    answer = over_tls(home, envelope(query(), LAB_SIGNER), LIBRARY_SIGNER.certificate)
    assert answer.status_code == 400
    assert refused(home) == ["signature.wrong"]


def test_a_header_is_no_certificate_unless_a_front_end_sends_it(make_home: MakeHome) -> None:
    front_end = {
        "public_url": "https://aa.uni.example:8443",
        "certificate": "tls.crt",
        "from_front_end": {"addresses": ["192.0.2.7"], "header": "ClientCert"},
    }
    pem = x509.load_der_x509_certificate(LIBRARY_SIGNER.certificate).public_bytes(serialization.Encoding.PEM)
    spellings = [quote(pem), f":{base64.b64encode(LIBRARY_SIGNER.certificate).decode()}:"]
    home = make_home(back_channel=front_end)
    for number, spelling in enumerate(spellings):
        asked = query(id=f"_h{number}")
        body, headers = envelope(asked, None), {"ClientCert": spelling}
        assert home.post(body, headers=headers, environ={"REMOTE_ADDR": "192.0.2.8"}).status_code == 400
        # Our own listener knows better than any header.
        assert over_tls(home, body, None, **headers).status_code == 400
        assert texts(home.post(body, headers=headers, environ={"REMOTE_ADDR": "192.0.2.7"}), asked) == AFFILIATION
    # What a client sent itself, and the web server's own word after it.
    two = {"ClientCert": ", ".join([spellings[0], quote(pem)])}
    body = envelope(query(id="_h8"), None)
    assert home.post(body, headers=two, environ={"REMOTE_ADDR": "192.0.2.7"}).status_code == 400
    without = make_home()
    body = envelope(query(id="_h9"), None)
    answer = without.post(body, headers={"ClientCert": spellings[0]}, environ={"REMOTE_ADDR": "192.0.2.7"})
    assert answer.status_code == 400


def test_what_forwarded_headers_say_makes_nobody_the_front_end(make_home: MakeHome) -> None:
    front_end = {
        "public_url": "https://aa.uni.example:8443",
        "certificate": "tls.crt",
        "from_front_end": {"addresses": ["192.0.2.7"], "header": "ClientCert"},
    }
    home = make_home(back_channel=front_end, trusted_proxies=1)
    headers = {"ClientCert": base64.b64encode(LIBRARY_SIGNER.certificate).decode(), "X-Forwarded-For": "192.0.2.7"}
    body = envelope(query(), None)
    assert home.post(body, headers=headers, environ={"REMOTE_ADDR": "203.0.113.5"}).status_code == 400
    assert home.post(body, headers=headers, environ={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200


# --- anonymous requesters

ANONYMOUS_POLICIES = """
policies:
  - {id: all, for: {anyone: true}, rules: [{id: who, permit: displayName}]}
  - {id: nobody in particular, for: {anonymous: true}, rules: [{id: kind, permit: eduPersonScopedAffiliation}]}
"""


def test_nobody_in_particular_gets_what_policies_for_anonymous_say(make_home: MakeHome) -> None:
    home = make_home(answers_anonymous=True, policy_text=ANONYMOUS_POLICIES)
    answer = over_tls(home, envelope(query(target="https://library.example/"), None), STRANGERS_KEY.certificate)
    # The handle says for whom it was made, and the answer is for that one: nobody else can use it.
    assert texts(answer, query()) == AFFILIATION
    [(_, facts)] = home.recorded()
    assert (facts["anonymous"], facts["requester"], facts["name_of"]) == (True, "", LIBRARY)


def test_nobody_in_particular_asks_by_a_handle_and_nothing_else(make_home: MakeHome) -> None:
    home = make_home(
        answers_anonymous=True,
        certificate_names={"requesters": [LIBRARY], "rules": [{"pattern": "CN=(?P<name>.*)"}]},
    )
    home.persistent[("opaque", LIBRARY)] = NamedPerson("p1")
    home.certificates[DN] = NamedPerson("p1")
    for number, name_id in enumerate(
        [
            NameId("opaque", names.PERSISTENT, HOME, LIBRARY),
            NameId(DN, names.X509_SUBJECT_NAME),
            NameId(handle(LAB), names.TRANSIENT, HOME, LIBRARY),
            NameId(handle(LAB), names.TRANSIENT, HOME, LAB),
        ]
    ):
        answer = home.post(envelope(query(id=f"_{number:040x}", name_id=name_id), None))
        assert status_in(answer) == ("Requester", "UnknownPrincipal")
    assert home.recorded() == []
    assert len(refused(home)) == 4


def test_an_anonymous_query_does_not_use_up_the_id_of_the_one_it_names(make_home: MakeHome) -> None:
    home = make_home(answers_anonymous=True)
    assert home.post(envelope(query(), None)).status_code == 200
    assert home.post(envelope(query(), None)).status_code == 400
    assert texts(home.post(envelope(query())), query()) == AFFILIATION


# --- who may ask for whom


def test_a_requester_uses_a_handle_of_another_only_where_the_organisation_lets_it(make_home: MakeHome) -> None:
    theirs = NameId(handle(LIBRARY), names.TRANSIENT, HOME, LIBRARY)
    bare = NameId(handle(LIBRARY), names.TRANSIENT)
    home = make_home()
    for number, name_id in enumerate((theirs, bare)):
        asked = query(id=f"_{number:040x}", issuer=LAB, name_id=name_id)
        assert status_in(home.post(envelope(asked, LAB_SIGNER))) == ("Requester", "UnknownPrincipal")
    assert refused(home) == ["aa.name_id", "handle.other_requester"]

    home = make_home(may_ask_for={LAB: [ARCHIVE, LIBRARY]})
    for number, name_id in enumerate((theirs, bare), start=10):
        asked = query(id=f"_{number:040x}", issuer=LAB, name_id=name_id)
        # By the policies for who asks, not by those for whom the handle was made.
        assert texts(home.post(envelope(asked, LAB_SIGNER)), asked) == {**AFFILIATION, "mail": ("ada@uni.example",)}
    asked = query(id="_own", issuer=LAB, name_id=NameId(handle(LAB), names.TRANSIENT))
    assert accepted(home.post(envelope(asked, LAB_SIGNER)), asked) is not None
    assert [facts.get("name_of") for _, facts in home.recorded()] == [LIBRARY, LIBRARY, None]
    # Nobody may do so in return.
    asked = query(id="_back", name_id=NameId(handle(LAB), names.TRANSIENT))
    assert status_in(home.post(envelope(asked))) == ("Requester", "UnknownPrincipal")


def test_a_lasting_name_of_another_follows_the_same_rule(make_home: MakeHome) -> None:
    asked = query(issuer=LAB, name_id=NameId("opaque", names.PERSISTENT, HOME, LIBRARY))
    for allowed, expected in (({}, "UnknownPrincipal"), ({LAB: [LIBRARY]}, None)):
        home = make_home(may_ask_for=allowed)
        home.persistent[("opaque", LIBRARY)] = NamedPerson("p1")
        answer = home.post(envelope(asked, LAB_SIGNER))
        if expected is None:
            assert accepted(answer, asked) is not None
        else:
            assert status_in(answer) == ("Requester", expected)
        asked = query(id="_q2", issuer=LAB, name_id=asked.name_id)


def test_a_requester_that_the_organisation_does_not_answer_is_denied_whoever_it_asks_about(make_home: MakeHome) -> None:
    home = make_home(denied_requesters=[LIBRARY])
    for number, name_id in enumerate((query().name_id, NameId("gone", names.TRANSIENT))):
        asked = query(id=f"_{number:040x}", name_id=name_id)
        assert status_in(home.post(envelope(asked))) == ("Responder", "RequestDenied")
    assert refused(home) == ["aa.requester_denied"] * 2
    asked = query(issuer=LAB, name_id=NameId(handle(LAB), names.TRANSIENT))
    assert accepted(home.post(envelope(asked, LAB_SIGNER)), asked) is not None


# --- names of certificates


def test_who_may_ask_by_a_certificates_name_is_answered_about_whom_it_names(make_home: MakeHome) -> None:
    rules = [{"pattern": "CN=(?P<name>.*)"}]
    home = make_home(certificate_names={"requesters": [LIBRARY], "rules": rules})
    home.certificates[DN] = NamedPerson("p1")
    for number, spelling in enumerate((DN, "CN=Ada, OU=People, O=University")):
        asked = query(id=f"_{number:040x}", name_id=NameId(spelling, names.X509_SUBJECT_NAME))
        assert texts(home.post(envelope(asked)), asked) == AFFILIATION
    for number, spelling in enumerate(("CN=Bob,O=University", "not a name", "x" * 3000, "/CN=Ada"), start=10):
        asked = query(id=f"_{number:040x}", name_id=NameId(spelling, names.X509_SUBJECT_NAME))
        assert status_in(home.post(envelope(asked))) == ("Requester", "UnknownPrincipal")
    asked = query(id="_lab", issuer=LAB, name_id=NameId(DN, names.X509_SUBJECT_NAME))
    assert status_in(home.post(envelope(asked, LAB_SIGNER))) == ("Responder", "RequestDenied")
    unknown = query(id="_lab2", issuer=LAB, name_id=NameId("CN=Nobody", names.X509_SUBJECT_NAME))
    assert status_in(home.post(envelope(unknown, LAB_SIGNER))) == ("Responder", "RequestDenied")
    assert refused(home) == ["aa.name_id"] * 4 + ["aa.certificate_name"] * 2


def test_without_settings_nobody_asks_by_a_certificates_name(make_home: MakeHome) -> None:
    home = make_home()
    home.certificates[DN] = NamedPerson("p1")
    asked = query(name_id=NameId(DN, names.X509_SUBJECT_NAME))
    assert status_in(home.post(envelope(asked))) == ("Responder", "RequestDenied")


# --- what is asked for


def with_attributes(*attributes: tuple[str, str | None, tuple[str, ...]]) -> bytes:
    """A signed query that lists attributes exactly so."""
    element = query(id=f"_{secrets.token_hex(20)}").to_xml()
    for name, name_format, values in attributes:
        listed = element.makeelement(qname(names.SAML, "Attribute"), {"Name": name}, nsmap=element.nsmap)
        if name_format is not None:
            listed.set("NameFormat", name_format)
        for value in values:
            written = listed.makeelement(qname(names.SAML, "AttributeValue"), {}, nsmap=element.nsmap)
            written.text = value
            listed.append(written)
        element.append(listed)
    sign(element, LIBRARY_SIGNER)
    return encode_soap(element)


AFFILIATION_OID = "urn:oid:1.3.6.1.4.1.5923.1.1.1.9"


@pytest.mark.parametrize(
    ("name", "name_format"),
    [
        (AFFILIATION_OID, names.URI_NAME),
        (AFFILIATION_OID, names.UNSPECIFIED_NAME),
        (AFFILIATION_OID, None),
        ("eduPersonScopedAffiliation", names.UNSPECIFIED_NAME),
        ("eduPersonScopedAffiliation", None),
    ],
)
def test_an_attribute_is_asked_for_by_its_uri_or_without_a_format_by_its_friendly_name(
    make_home: MakeHome, name: str, name_format: str | None
) -> None:
    home = make_home()
    answer = home.post(with_attributes((name, name_format, ("staff@uni.example",))))
    assert ">staff@uni.example<" in answer.text
    assert "member@uni.example" not in answer.text


@pytest.mark.parametrize(
    ("name", "name_format"),
    [
        ("eduPersonScopedAffiliation", names.BASIC_NAME),
        (AFFILIATION_OID, names.BASIC_NAME),
        ("eduPersonScopedAffiliation", names.URI_NAME),
        (AFFILIATION_OID, "urn:mace:shibboleth:1.0:attributeNamespace:uri"),
    ],
)
def test_a_name_format_that_does_not_fit_is_an_error_and_nothing_leaves(
    make_home: MakeHome, name: str, name_format: str
) -> None:
    home = make_home()
    answer = home.post(with_attributes((AFFILIATION_OID, names.URI_NAME, ()), (name, name_format, ())))
    assert status_in(answer) == ("Requester", "InvalidAttrNameOrValue")
    assert home.recorded() == []
    assert refused(home) == ["aa.name_format"]


def test_an_attribute_that_nobody_knows_is_simply_not_there(make_home: MakeHome) -> None:
    home = make_home()
    assert status_in(home.post(with_attributes(("urn:oid:1.2.3", names.URI_NAME, ())))) == ("Success",)
    assert [facts["attributes"] for _, facts in home.recorded()] == [[]]


def signed(element: Element) -> bytes:
    sign(element, LIBRARY_SIGNER)
    return encode_soap(element)


@pytest.mark.parametrize("kind", ["EncryptedID", "nothing"])
def test_a_subject_that_can_not_be_read_is_told_that_it_is_not_supported(make_home: MakeHome, kind: str) -> None:
    home = make_home()
    element = query().to_xml()
    subject = element.find(qname(names.SAML, "Subject"))
    if subject is None:
        raise RuntimeError("a query without Subject")
    subject.remove(subject[0])
    confirmation = subject.makeelement(qname(names.SAML, "SubjectConfirmation"), {"Method": names.SENDER_VOUCHES})
    subject.append(confirmation)
    if kind == "EncryptedID":
        encrypted = subject.makeelement(qname(names.SAML, "EncryptedID"), {}, nsmap=element.nsmap)
        data = encrypted.makeelement(qname(names.XENC, "EncryptedData"), {})
        cipher = data.makeelement(qname(names.XENC, "CipherData"), {})
        value = cipher.makeelement(qname(names.XENC, "CipherValue"), {})
        value.text = "AAAA"
        cipher.append(value)
        data.append(cipher)
        encrypted.append(data)
        subject.insert(0, encrypted)
    answer = home.post(signed(element))
    assert status_in(answer) == ("Requester", "RequestUnsupported")
    assert home.recorded() == []
    assert refused(home) == ["saml.encrypted" if kind == "EncryptedID" else "xml.missing_element"]


# --- the audit of refusals


def test_a_crowd_of_strangers_fills_no_audit_and_none_is_forgotten(make_home: MakeHome) -> None:
    home = make_home()
    body = envelope(query(), None)
    for _ in range(50):
        assert home.post(body).status_code == 400
    assert len(refused(home)) == 20
    home.at = NOW + timedelta(minutes=1)
    assert home.post(body).status_code == 400
    recorded = home.recorded("attributes.refused")
    assert len(recorded) == 21
    assert recorded[-1] == (None, {"code": "signature.missing", "claimed": LIBRARY, "not_recorded": 30})
    # Whoever proves who she is has her own row each time.
    for number in range(25):
        asked = query(id=f"_{number:040x}", name_id=NameId("gone", names.TRANSIENT))
        assert status_in(home.post(envelope(asked))) == ("Requester", "UnknownPrincipal")
    assert len(refused(home)) == 46


def test_a_requester_that_was_refused_is_not_asked_twice_either(make_home: MakeHome) -> None:
    home = make_home()
    body = envelope(query(name_id=NameId("gone", names.TRANSIENT)))
    assert status_in(home.post(body)) == ("Requester", "UnknownPrincipal")
    assert home.post(body).status_code == 400
    assert refused(home) == ["handle.forged", "aa.query_replayed"]


def test_an_answer_that_is_denied_is_denied_to_our_own_requester(make_home: MakeHome) -> None:
    home = make_home()
    asked = query(name_id=NameId(DN, names.X509_SUBJECT_NAME))
    with pytest.raises(Denied) as caught:
        accepted(home.post(envelope(asked)), asked)
    assert caught.value.params["status"] == "RequestDenied"
