"""Metadata written and read again; which documents are believed; what in them is left out, refused or kept."""

import base64
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ostiary.errors import Refusal
from ostiary.federation.model import (
    Contact,
    Display,
    Endpoint,
    Entity,
    EntityKey,
    IdpRole,
    LocalizedText,
    Logo,
    Scope,
    SpRole,
)
from ostiary.federation.publish.documents import signed_aggregate, unsigned_entity
from ostiary.federation.read import read_signed_metadata, read_unsigned_local_metadata
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.attribute_names import friendly_name, wire_name
from ostiary.saml.encryption_methods import EncryptionMethod
from ostiary.saml.keys import TrustedKey
from ostiary.saml.schema import check_schema
from ostiary.saml.signature import sign
from ostiary.saml.xml import METADATA, Element, add, make, parse_xml, qname, to_bytes
from tests.federation.entities import END, FEDERATION, HOME, KEY, LIBRARY, aggregate, single
from tests.saml.world import ACS, IDP, NOW, SP, certificate_for, refusal_code, signer

TRUSTED = [signer("rsa", "federation").public]
TICK = timedelta(milliseconds=1)


def read(data: bytes, now: datetime = NOW, trusted: list[TrustedKey] | None = None) -> tuple[Entity, ...]:
    return read_signed_metadata(data, TRUSTED if trusted is None else trusted, now=now)


def outcome(data: bytes, now: datetime = NOW, trusted: list[TrustedKey] | None = None) -> str:
    return refusal_code(lambda: read(data, now, trusted))


def local(data: bytes) -> tuple[Entity, ...]:
    return read_unsigned_local_metadata(data)


def bare(entity: Entity) -> Entity:
    """Without what only a document that was read has."""
    return replace(entity, source=b"", valid_until=None)


def signed(change: Callable[[Element], None], entity: Entity = HOME) -> bytes:
    """A document that the federation signed with whatever ``change`` puts into it."""
    root = parse_xml(unsigned_entity(entity), METADATA)
    root.set("ID", "_signed")
    root.set("validUntil", "2026-12-06T12:00:00Z")
    change(root)
    sign(root, signer("rsa", "federation"))
    return to_bytes(root)


def test_an_entity_survives_writing_and_reading() -> None:
    for entity in (HOME, LIBRARY):
        assert bare(local(unsigned_entity(entity))[0]) == entity
        assert bare(read(single(entity))[0]) == entity
    assert tuple(bare(entity) for entity in read(aggregate())) == (HOME, LIBRARY)


words = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="\ufffe\uffff"),
    min_size=1,
    max_size=20,
)
languages = st.sampled_from(["en", "de", "pt-BR"])
texts = st.lists(st.builds(LocalizedText, words, languages), min_size=1, max_size=3).map(tuple)
urls = st.sampled_from(
    ["https://a.example/x", "https://b.example:8443/y?z=1&w=2", "http://127.0.0.1:8080/z", "http://localhost/q"]
)
links = st.lists(st.builds(LocalizedText, urls, languages), max_size=2).map(tuple)
displays = st.builds(
    Display,
    texts,
    texts,
    texts,
    st.lists(st.builds(Logo, urls, st.integers(1, 999), st.integers(1, 999), languages), max_size=2).map(tuple),
    links,
    links,
    st.lists(words, max_size=2).map(tuple),
)
ends = st.none() | st.integers(1, 10**6).map(lambda seconds: NOW + timedelta(seconds=seconds))
algorithms = st.sampled_from([names.AES128_GCM, names.AES256_CBC, names.RSA_OAEP, names.RSA_OAEP_MGF1P, "urn:new"])
methods = st.builds(
    EncryptionMethod,
    algorithms,
    st.none() | st.sampled_from([names.SHA1, names.SHA256]),
    st.none() | st.sampled_from([names.MGF1_SHA1, names.MGF1_SHA256]),
)
keys = st.tuples(
    st.just(KEY),
    st.builds(
        replace,
        st.just(KEY),
        use=st.sampled_from(["encryption", None]),
        encryption_methods=st.lists(methods, max_size=4).map(tuple),
    ),
)
plain_endpoints = st.lists(
    st.builds(Endpoint, st.sampled_from([names.HTTP_POST, names.SOAP]), urls, st.none() | urls), max_size=2
).map(tuple)
resolvers = st.lists(
    st.builds(Endpoint, st.just(names.SOAP), urls, st.none(), st.integers(0, 65_535), st.none() | st.booleans()),
    max_size=2,
).map(tuple)
idps = st.builds(
    IdpRole,
    keys=keys,
    artifact_resolution=resolvers,
    single_logout=plain_endpoints,
    display=displays,
    error_url=st.none() | urls,
    valid_until=ends,
    nameid_formats=st.just((names.TRANSIENT,)),
    single_sign_on=st.lists(
        st.builds(Endpoint, st.sampled_from([names.HTTP_POST, names.HTTP_REDIRECT]), urls, st.none() | urls),
        min_size=1,
        max_size=3,
    ).map(tuple),
    scopes=st.lists(st.builds(Scope, words, st.booleans()), max_size=3).map(tuple),
    want_authn_requests_signed=st.booleans(),
)
sps = st.builds(
    SpRole,
    keys=keys,
    artifact_resolution=resolvers,
    single_logout=plain_endpoints,
    display=displays,
    valid_until=ends,
    assertion_consumers=st.lists(
        st.builds(
            Endpoint, st.just(names.HTTP_POST), urls, st.none(), st.integers(0, 65_535), st.none() | st.booleans()
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    authn_requests_signed=st.booleans(),
    want_assertions_signed=st.booleans(),
)
entities = st.builds(
    Entity,
    st.sampled_from([IDP, SP, "urn:mace:example"]),
    idp=idps,
    sp=st.none() | sps,
    registration_authority=st.none() | urls,
    entity_attributes=st.just(()) | st.just(((names.ENTITY_CATEGORY, ("urn:a", "urn:b")),)),
    organization_names=texts,
    organization_urls=st.just((LocalizedText("https://a.example", "en"),)),
    contacts=st.lists(
        st.builds(Contact, st.sampled_from(["technical", "support"]), words, st.just(("a@b.example",))), max_size=2
    ).map(tuple),
)


@given(entities)
@settings(max_examples=30, deadline=None)
def test_any_entity_survives_writing_and_reading(entity: Entity) -> None:
    document = unsigned_entity(entity)
    again = local(document)[0]
    assert bare(again) == entity
    # What was read is published as it was read.
    assert bare(local(unsigned_entity(again))[0]) == entity


@pytest.mark.parametrize("make_document", [aggregate, single], ids=["aggregate", "entity"])
def test_metadata_is_believed_when_the_federation_signed_it_and_until_its_end(
    make_document: Callable[[], bytes],
) -> None:
    data = make_document()
    assert outcome(data) == "accepted"
    assert outcome(data, trusted=[signer("rsa", "another").public, *TRUSTED]) == "accepted"
    assert outcome(data, trusted=[signer("rsa", "another").public]) == "signature.wrong"
    assert outcome(data, trusted=[]) == "signature.no_key"
    assert outcome(data, now=END - TICK) == "accepted"
    assert outcome(data, now=END) == "metadata.expired"
    assert outcome(data.replace(b"/idp/aa", b"/idp/ab")) == "signature.wrong"
    assert outcome(data.replace(b"2026-12-06T", b"2027-12-06T")) == "signature.wrong"
    assert outcome(data[:-9]) == "xml.not_well_formed"


def test_unsigned_metadata_is_believed_as_a_local_file_only() -> None:
    data = unsigned_entity(HOME)
    assert outcome(data) == "signature.missing"
    assert local(data)[0].entity_id == IDP


def test_signed_metadata_must_say_until_when() -> None:
    def without_end(root: Element) -> None:
        del root.attrib["validUntil"]

    assert outcome(signed(lambda root: None)) == "accepted"
    assert outcome(signed(without_end)) == "metadata.no_valid_until"


def test_a_signature_on_an_entity_inside_is_not_one_on_the_aggregate() -> None:
    root = make(names.MD, "EntitiesDescriptor", ID="_outer", validUntil="2026-12-06T12:00:00Z")
    root.append(parse_xml(single(), METADATA))
    assert outcome(to_bytes(root)) == "signature.missing"
    forged = parse_xml(single(), METADATA)
    forged.set("ID", "_forged")
    root.append(forged)
    root.insert(0, parse_xml(single(), METADATA)[0])
    assert outcome(to_bytes(root)) == "signature.structure"


def test_a_document_type_in_metadata_is_refused() -> None:
    data = aggregate().replace(
        b"<md:EntitiesDescriptor", b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><md:EntitiesDescriptor", 1
    )
    assert outcome(data) == "xml.doctype"


def test_something_else_that_is_signed_is_no_metadata() -> None:
    root = make(names.MD, "AffiliationDescriptor", ID="_x", validUntil="2026-12-06T12:00:00Z", affiliationOwnerID=IDP)
    add(root, names.MD, "AffiliateMember", SP)
    sign(root, signer("rsa", "federation"))
    assert outcome(to_bytes(root)) == "metadata.root"


def test_the_earliest_end_of_all_that_enclose_an_entity_counts() -> None:
    inner = make(names.MD, "EntitiesDescriptor", validUntil="2026-11-30T00:00:00Z")
    home, library = (parse_xml(unsigned_entity(entity), METADATA) for entity in (HOME, LIBRARY))
    home.set("validUntil", "2026-12-24T00:00:00Z")
    library.set("validUntil", "2026-11-25T00:00:00Z")
    inner.extend([home, library])
    outer = make(names.MD, "EntitiesDescriptor", ID="_outer", validUntil="2026-12-06T00:00:00Z")
    outer.append(inner)
    outer.append(parse_xml(unsigned_entity(replace(LIBRARY, entity_id="https://lab.example")), METADATA))
    sign(outer, signer("rsa", "federation"))
    ends_found = {entity.entity_id: entity.valid_until for entity in read(to_bytes(outer))}
    assert ends_found == {
        IDP: datetime(2026, 11, 30, tzinfo=UTC),
        SP: datetime(2026, 11, 25, tzinfo=UTC),
        "https://lab.example": datetime(2026, 12, 6, tzinfo=UTC),
    }


def test_the_end_of_a_role_ends_that_role() -> None:
    ending = replace(HOME, idp=replace(HOME.idp, valid_until=NOW + timedelta(hours=1))) if HOME.idp else HOME
    registry = Registry(read(aggregate(ending)))
    assert registry.idp(IDP, NOW) is not None
    later = NOW + timedelta(hours=1)
    assert registry.idp(IDP, later - TICK) is not None
    assert registry.idp(IDP, later) is None
    assert registry.aa(IDP, later) is not None
    assert registry.get(IDP, END) is None
    assert registry.aa(IDP, END) is None
    assert (list(registry.all(END)), len(list(registry.all(later))), len(registry)) == ([], 1, 1)


def test_publishing_keeps_the_earlier_end_of_an_entity() -> None:
    soon = replace(local(unsigned_entity(HOME))[0], valid_until=NOW + timedelta(days=1))
    for document in (aggregate(soon), single(soon)):
        assert read(document)[0].valid_until == NOW + timedelta(days=1)
    assert read(single(replace(soon, valid_until=END + timedelta(days=1))))[0].valid_until == END


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("https://sp.example/acs", "accepted"),
        ("https://sp.example:8443/acs?x=y", "accepted"),
        ("http://localhost:8080/acs", "accepted"),
        ("http://127.0.0.1/acs", "accepted"),
        ("http://127.1.2.3:1/acs", "accepted"),
        ("http://[::1]:8080/acs", "accepted"),
        ("http://sp.example/acs", "metadata.endpoint"),
        ("http://127.attacker.example/acs", "metadata.endpoint"),
        ("http://localhost.attacker.example/acs", "metadata.endpoint"),
        ("http://0.0.0.0/acs", "metadata.endpoint"),
        ("javascript:alert(1)", "metadata.endpoint"),
        ("JavaScript://sp.example/%0aalert(1)", "metadata.endpoint"),
        ("data:text/html,x", "metadata.endpoint"),
        ("file:///etc/passwd", "metadata.endpoint"),
        ("//sp.example/acs", "metadata.endpoint"),
        ("/acs", "metadata.endpoint"),
        ("https:///acs", "metadata.endpoint"),
        ("https://user@sp.example/acs", "metadata.endpoint"),
        ("https://sp.example:port/acs", "metadata.endpoint"),
        ("https://sp.example\\@evil.example/acs", "metadata.endpoint"),
        ("https://sp.example/a b", "metadata.endpoint"),
        ("https://sp.example/a\nSet-Cookie: x", "metadata.endpoint"),
        ("https://[sp.example/acs", "metadata.endpoint"),
        ("", "metadata.endpoint"),
    ],
)
def test_endpoints_are_https_or_on_loopback(location: str, code: str) -> None:
    def change(root: Element) -> None:
        for consumer in root.iter(qname(names.MD, "AssertionConsumerService")):
            consumer.set("Location", location)

    found = outcome(signed(change, LIBRARY))
    assert found == code or (found == "xml.schema" and code == "metadata.endpoint")


def test_links_for_people_are_web_addresses_or_left_out() -> None:
    def change(root: Element) -> None:
        for name in ("InformationURL", "PrivacyStatementURL", "Logo"):
            next(root.iter(qname(names.MDUI, name))).text = "javascript:alert(1)"
        next(root.iter(qname(names.MD, "IDPSSODescriptor"))).set("errorURL", "javascript:alert(1)")

    idp = read(signed(change))[0].idp
    assert idp is not None
    assert (idp.display.information_urls, idp.display.privacy_statement_urls, idp.display.logos) == ((), (), ())
    assert idp.error_url is None
    assert len(idp.display.names) == 2


def test_an_entity_that_stands_twice_is_refused() -> None:
    twice = read(aggregate(HOME, HOME))
    assert len(twice) == 2
    with pytest.raises(Refusal) as raised:
        Registry(twice)
    assert (raised.value.code, raised.value.found) == ("metadata.duplicate_entity", IDP)


def key_info(root: Element) -> Element:
    return next(root.iter(qname(names.DS, "KeyInfo")))


def certificates(*ders: bytes) -> Callable[[Element], None]:
    def change(root: Element) -> None:
        info = key_info(root)
        info.remove(info[0])
        for der in ders:
            add(add(info, names.DS, "X509Data"), names.DS, "X509Certificate", base64.encodebytes(der).decode())

    return change


def idp_keys(change: Callable[[Element], None]) -> list[TrustedKey]:
    idp = read(signed(change))[0].idp
    return [entry.key for entry in idp.keys] if idp is not None else []


def test_keys_that_are_too_weak_or_broken_are_left_out_and_the_others_stay() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    odd = ec.generate_private_key(ec.SECP256K1())
    version_8 = signer().certificate.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)
    good = signer("p384").certificate
    found = idp_keys(certificates(certificate_for(weak), certificate_for(odd), b"junk", version_8, good))
    assert found == [signer("p384").public]


def rsa_value(public: rsa.RSAPublicKey) -> Element:
    numbers = public.public_numbers()
    value = etree.Element(qname(names.DS, "KeyValue"))
    inner = add(value, names.DS, "RSAKeyValue")
    for name, number in (("Modulus", numbers.n), ("Exponent", numbers.e)):
        add(inner, names.DS, name, base64.encodebytes(number.to_bytes((number.bit_length() + 7) // 8)).decode())
    return value


def ec_value(public: ec.EllipticCurvePublicKey, oid: str) -> Element:
    value = etree.Element(qname(names.DS, "KeyValue"))
    inner = etree.SubElement(value, qname(names.DSIG11, "ECKeyValue"), nsmap={"dsig11": names.DSIG11})
    etree.SubElement(inner, qname(names.DSIG11, "NamedCurve"), URI=f"urn:oid:{oid}")
    point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    etree.SubElement(inner, qname(names.DSIG11, "PublicKey")).text = base64.encodebytes(point).decode()
    return value


def key_values(*values: Element) -> Callable[[Element], None]:
    def change(root: Element) -> None:
        info = key_info(root)
        info.remove(info[0])
        info.extend(values)

    return change


def test_a_bare_key_value_is_a_key_too() -> None:
    strong = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()  # noqa: S505
    p256, p384, p521 = (
        ec.generate_private_key(curve).public_key() for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())
    )
    k1 = ec.generate_private_key(ec.SECP256K1()).public_key()
    found = idp_keys(
        key_values(
            rsa_value(strong),
            rsa_value(weak),
            ec_value(p256, "1.2.840.10045.3.1.7"),
            ec_value(p384, "1.3.132.0.34"),
            ec_value(p521, "1.3.132.0.35"),
            ec_value(k1, "1.3.132.0.10"),
            ec_value(p384, "1.2.840.10045.3.1.7"),
        )
    )
    assert found == [TrustedKey.from_public_key(public) for public in (strong, p256, p384, p521)]


@pytest.mark.parametrize("exponent", [1, 2])
def test_an_rsa_key_value_that_encrypts_nothing_is_left_out(exponent: int) -> None:
    value = rsa_value(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key())
    next(value.iter(qname(names.DS, "Exponent"))).text = base64.b64encode(bytes([exponent])).decode()
    assert idp_keys(key_values(value)) == []


def test_only_keys_for_signing_sign() -> None:
    signing, encryption, both = (signer("rsa", whose) for whose in ("idp", "encryption", "both"))
    role = IdpRole(
        keys=(
            EntityKey(signing.public, "signing", signing.certificate),
            EntityKey(encryption.public, "encryption", encryption.certificate),
            EntityKey(both.public, None, both.certificate),
        ),
        single_sign_on=(Endpoint(names.HTTP_POST, f"{IDP}/sso"),),
    )
    again = read(single(Entity(IDP, idp=role)))[0].idp
    assert again is not None
    assert again.keys == role.keys
    assert again.signing_keys() == (signing.public, both.public)


def test_the_dates_of_a_certificate_end_nothing() -> None:
    certificate = x509.load_der_x509_certificate(signer().certificate)
    assert certificate.not_valid_after_utc < NOW
    assert idp_keys(lambda root: None) == [signer().public]


def test_scopes_of_the_entity_are_scopes_of_its_roles() -> None:
    def change(root: Element) -> None:
        extensions = root.find(qname(names.MD, "Extensions"))
        if extensions is not None:
            etree.SubElement(extensions, qname(names.SHIBMD, "Scope"), regexp=" false ").text = " campus.example\n"

    entity = read(signed(change))[0]
    assert entity.idp is not None
    assert entity.aa is not None
    assert entity.idp.scopes[-1] == Scope("campus.example")
    assert entity.aa.scopes == (Scope("northgate.example"), Scope("campus.example"))


def test_what_we_do_not_understand_is_published_again() -> None:
    def change(root: Element) -> None:
        extensions = root.find(qname(names.MD, "Extensions"))
        if extensions is not None:
            etree.SubElement(extensions, "{urn:x-unknown}Thing", {"{urn:x-unknown}level": "7"}).text = "kept"

    read_entity = read(signed(change))[0]
    document = aggregate(read_entity)
    check_schema(parse_xml(document, METADATA), "metadata")
    again = parse_xml(document, METADATA).find(".//{urn:x-unknown}Thing")
    assert again is not None
    assert (again.text, again.get("{urn:x-unknown}level")) == ("kept", "7")


def test_signatures_and_ids_of_entities_and_roles_do_not_travel_into_an_aggregate() -> None:
    def change(root: Element) -> None:
        role = next(root.iter(qname(names.MD, "IDPSSODescriptor")))
        role.set("ID", "_role")
        sign(role, signer())

    first = read(signed(change))[0]
    second = replace(
        first, entity_id="https://other.example", source=first.source.replace(IDP.encode(), b"https://other.example")
    )
    assert b"Signature" not in first.source
    assert b" ID=" not in first.source
    assert [entity.entity_id for entity in read(aggregate(first, second))] == [IDP, "https://other.example"]


def test_processing_instructions_are_signed_and_then_ignored() -> None:
    def change(root: Element) -> None:
        root.insert(0, etree.ProcessingInstruction("x", "y"))
        for tag in (qname(names.DS, "X509Certificate"), qname(names.MDUI, "DisplayName")):
            found = next(root.iter(tag))
            text, found.text = found.text or "", (found.text or "")[:10]
            instruction = etree.ProcessingInstruction("x", "y")
            instruction.tail = text[10:]
            found.append(instruction)

    data = signed(change)
    assert data.count(b"<?x y?>") == 3
    entity = read(data)[0]
    assert bare(entity) == HOME
    assert b"<?x" not in entity.source
    assert outcome(data.replace(b"<?x y?>", b"<?x z?>")) == "signature.wrong"
    beside = data.replace(b"<md:Entity", b"<?before?><md:Entity", 1) + b"<?after?>"
    assert bare(read(beside)[0]) == bare(local(beside)[0]) == HOME


def test_comments_in_values_are_not_seen_and_not_signed() -> None:
    data = (
        single()
        .replace(b"<md:Organization>", b"<!-- x --><md:Organization>")
        .replace(b"Northgate University", b"Northgate<!-- x --> University")
    )
    assert bare(read(data)[0]) == HOME


def test_roles_for_other_protocols_are_passed_over() -> None:
    def change(root: Element) -> None:
        next(root.iter(qname(names.MD, "IDPSSODescriptor"))).set(
            "protocolSupportEnumeration", "urn:oasis:names:tc:SAML:1.1:protocol"
        )

    entity = read(signed(change))[0]
    assert entity.idp is None
    assert entity.aa is not None


def test_what_breaks_the_schema_is_refused() -> None:
    def change(root: Element) -> None:
        root.append(etree.Element(qname(names.MD, "Nonsense")))

    assert outcome(signed(change)) == "xml.schema"


def test_an_aggregate_is_named_signed_and_follows_the_schema() -> None:
    root = parse_xml(aggregate(), METADATA)
    check_schema(root, "metadata")
    assert (root.get("Name"), root.get("validUntil")) == (FEDERATION, "2026-12-06T12:00:00.000Z")
    assert root[0].tag == qname(names.DS, "Signature")


def test_a_key_without_certificate_is_not_published_from_the_model() -> None:
    role = IdpRole(
        keys=(EntityKey(signer().public, "signing"),), single_sign_on=(Endpoint(names.HTTP_POST, f"{IDP}/sso"),)
    )
    with pytest.raises(ValueError, match="without certificate"):
        unsigned_entity(Entity(IDP, idp=role))


def test_the_default_endpoint_is_the_one_that_the_standard_names() -> None:
    def role(*defaults: bool | None) -> SpRole:
        return SpRole(
            assertion_consumers=tuple(
                Endpoint(names.HTTP_POST, f"{ACS}/{n}", index=n, is_default=d) for n, d in enumerate(defaults)
            )
        )

    def chosen(*defaults: bool | None) -> int | None:
        endpoint = role(*defaults).assertion_consumer()
        return endpoint.index if endpoint is not None else None

    assert (chosen(None, True), chosen(False, None), chosen(False, False), chosen()) == (1, 1, 0, None)
    assert role(None, None).assertion_consumer(1) == Endpoint(names.HTTP_POST, f"{ACS}/1", index=1)
    assert role(None).assertion_consumer(7) is None


def test_an_entity_is_called_by_what_people_know_it_as() -> None:
    assert (HOME.name("de"), HOME.name("fr"), HOME.name()) == (
        "Universität Nordtor",
        "Northgate University",
        "Northgate University",
    )
    assert replace(HOME, idp=None).name() == "Northgate"
    assert Entity(SP).name("en") == SP


def test_pysaml2_reads_our_aggregate_as_we_meant_it() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from saml2.attribute_converter import ac_factory
        from saml2.mdstore import InMemoryMetaData

        store = InMemoryMetaData(ac_factory())
        # It asks the clock of the machine whether metadata has ended.
        store.parse(aggregate(until=datetime.now(UTC) + timedelta(days=14)))
        assert set(store.keys()) == {IDP, SP}
        assert [
            found["location"]
            for found in store.service(IDP, "idpsso_descriptor", "single_sign_on_service", names.HTTP_REDIRECT)
        ] == [f"{IDP}/sso"]
        assert [
            found["location"]
            for found in store.service(IDP, "attribute_authority_descriptor", "attribute_service", names.SOAP)
        ] == [f"{IDP}/aa"]
        assert [
            found["location"]
            for found in store.service(SP, "spsso_descriptor", "assertion_consumer_service", names.HTTP_POST)
        ] == [ACS, f"{ACS}/2"]
        told = [text for _, text in store.certs(IDP, "idpsso", "signing")]
        assert [base64.b64decode("".join(text.split())) for text in told] == [signer().certificate]
        category = store[IDP]["extensions"]["extension_elements"][1]["attribute"][0]
        assert category["name"] == "http://macedir.org/entity-category"
        assert category["attribute_value"][0]["text"] == "http://refeds.org/category/research-and-scholarship"
        required = store.attribute_requirement(SP)["required"]
        assert [(found["name"], found["friendly_name"]) for found in required] == [
            ("urn:oid:1.3.6.1.4.1.5923.1.1.1.9", "eduPersonScopedAffiliation")
        ]


def test_pysaml2_names_attributes_as_we_do() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from saml2.attributemaps import saml_uri

    told = saml_uri.MAP
    assert told["identifier"] == names.URI_NAME
    # RFC 2079: the map repeats the last number of this OID. It is read all the same.
    assert told["to"]["labeledURI"] == "urn:oid:1.3.6.1.4.1.250.1.57.57"
    right = {**told["to"], "labeledURI": "urn:oid:1.3.6.1.4.1.250.1.57"}
    assert {name: wire_name(name) for name in told["to"]} == right
    assert {wire: friendly_name(wire, names.URI_NAME) for wire in told["fro"]} == told["fro"]


def test_an_empty_selection_is_no_aggregate_that_anybody_reads() -> None:
    empty = signed_aggregate((), signer("rsa", "federation"), name=FEDERATION, valid_until=END)
    assert outcome(empty) == "metadata.empty"
