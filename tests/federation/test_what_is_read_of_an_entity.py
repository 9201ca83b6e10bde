"""What stands in metadata besides the usual, what is hostile in it, and what becomes of a part that can't be used."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from ostiary.errors import OstiaryError, Refusal
from ostiary.federation.endpoints import is_link, is_usable_location
from ostiary.federation.entity_extensions import read_publication
from ostiary.federation.entity_ids import check_entity_id
from ostiary.federation.model import Contact, Entity, LocalizedText, Scope, SigningMethod
from ostiary.federation.publish.documents import unsigned_entity
from ostiary.federation.read import read_entity, read_stored_entity, read_unsigned_local_metadata
from ostiary.federation.registry import Registry
from ostiary.federation.shown_text import shown_text
from ostiary.federation.signing_choice import signer_for
from ostiary.federation.summary import summary_of
from ostiary.policy.acceptance import Scope as RegisteredScope
from ostiary.saml import names
from ostiary.saml.xml import METADATA, parse_xml, read_duration
from tests.federation.entities import HOME, LIBRARY
from tests.saml.world import NOW, refusal_code, signer

NAMESPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        "md": names.MD,
        "mdui": names.MDUI,
        "mdrpi": names.MDRPI,
        "mdattr": names.MDATTR,
        "shibmd": names.SHIBMD,
        "alg": names.ALG,
        "saml": names.SAML,
        "remd": names.REMD,
        "idpdisc": names.IDPDISC,
        "ds": names.DS,
        "xs": names.XS,
        "xsi": names.XSI,
    }.items()
)
SSO = '<md:SingleSignOnService Binding="urn:b" Location="https://idp.example/sso"/>'


def role(
    inside: str = SSO,
    *,
    kind: str = "IDPSSODescriptor",
    extensions: str = "",
    attributes: str = "",
    protocol: str = names.SAMLP,
) -> str:
    within = f"<md:Extensions>{extensions}</md:Extensions>" if extensions else ""
    return f'<md:{kind} protocolSupportEnumeration="{protocol}"{attributes}>{within}{inside}</md:{kind}>'


def entity(*inside: str, extensions: str = "", entity_id: str = "https://idp.example/") -> str:
    within = f"<md:Extensions>{extensions}</md:Extensions>" if extensions else ""
    return f'<md:EntityDescriptor {NAMESPACES} entityID="{entity_id}">{within}{"".join(inside)}</md:EntityDescriptor>'


def read(document: str) -> Entity:
    return read_unsigned_local_metadata(document.encode())[0]


def noticed(document: str) -> tuple[Entity, list[str]]:
    told: list[str] = []

    def notice(problem: OstiaryError) -> None:
        told.append(problem.code)

    return read_entity(parse_xml(document.encode(), METADATA), None, notice=notice), told


# --- what is read


def test_registration_publication_and_algorithms_are_read() -> None:
    document = entity(
        role(extensions='<alg:SigningMethod Algorithm="urn:own" MinKeySize="2048" MaxKeySize="4096"/>'),
        role(
            '<md:AttributeService Binding="urn:b" Location="https://idp.example/aa"/>',
            kind="AttributeAuthorityDescriptor",
            extensions="<mdui:UIInfo><mdui:DisplayName xml:lang='en'>AA</mdui:DisplayName></mdui:UIInfo>",
        ),
        extensions='<mdrpi:RegistrationInfo registrationAuthority="https://f.example" registrationInstant="2020-01-02T03:04:05Z">'
        '<mdrpi:RegistrationPolicy xml:lang="en">https://f.example/policy</mdrpi:RegistrationPolicy>'
        '<mdrpi:RegistrationPolicy xml:lang="de">javascript:x</mdrpi:RegistrationPolicy></mdrpi:RegistrationInfo>'
        '<mdrpi:PublicationInfo publisher="https://p.example" creationInstant="2026-01-02T03:04:05Z" publicationId="7">'
        '<mdrpi:UsagePolicy xml:lang="en">https://p.example/terms</mdrpi:UsagePolicy></mdrpi:PublicationInfo>'
        f'<alg:DigestMethod Algorithm="{names.SHA512}"/><alg:SigningMethod Algorithm="{names.RSA_SHA512}"/>',
    )
    found = read(document)
    assert found.registration_authority == "https://f.example"
    assert found.registration_instant == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found.registration_policies == (LocalizedText("https://f.example/policy", "en"),)
    assert found.idp is not None
    assert found.idp.signing_methods == (SigningMethod("urn:own", 2048, 4096),)
    assert found.idp.digest_methods == (names.SHA512,)
    assert found.aa is not None
    assert found.aa.signing_methods == (SigningMethod(names.RSA_SHA512),)
    assert found.aa.display.names == (LocalizedText("AA", "en"),)
    publication = read_publication(parse_xml(document.encode(), METADATA))
    assert publication is not None
    assert (publication.publisher, publication.identifier) == ("https://p.example", "7")
    assert publication.usage_policies == (LocalizedText("https://p.example/terms", "en"),)


def test_contacts_of_all_kinds_are_read_with_those_of_the_roles() -> None:
    contact = (
        '<md:ContactPerson contactType="other" remd:contactType="http://refeds.org/metadata/contactType/security">'
        "<md:Company>Acme</md:Company><md:GivenName>Kim</md:GivenName><md:SurName>Lee</md:SurName>"
        "<md:EmailAddress>MAILTO:cert@acme.example</md:EmailAddress><md:TelephoneNumber>tel:+1 555</md:TelephoneNumber>"
        "</md:ContactPerson>"
    )
    billing = (
        '<md:ContactPerson contactType="billing"><md:EmailAddress>b@acme.example</md:EmailAddress></md:ContactPerson>'
    )
    found = read(entity(role(contact + billing + SSO), contact))
    security = Contact("other", "Kim Lee", ("cert@acme.example",), True, "Acme", ("+1 555",))
    assert found.contacts == (security, Contact("billing", emails=("b@acme.example",)))


def test_scopes_of_the_entity_count_as_well_as_those_of_the_role() -> None:
    scope = "<shibmd:Scope regexp='{}'>{}</shibmd:Scope>"
    found = read(
        entity(
            role(
                extensions=scope.format("false", " role.example ")
                + scope.format("true", "^a+$")
                + scope.format("0", "")
            ),
            extensions=scope.format("false", "entity.example"),
        )
    )
    assert found.idp is not None
    assert found.idp.scopes == (Scope("role.example"), Scope("^a+$", True), Scope("entity.example"))


@pytest.mark.parametrize("expression", ["^(a+)+$" * 200, "(?=a)b", "(a{1000}){1000}", "(", "a\\1"])
def test_an_expression_that_can_not_be_used_covers_nothing_and_is_reported(expression: str) -> None:
    found, told = noticed(entity(role(extensions=f"<shibmd:Scope regexp='true'>{expression}</shibmd:Scope>")))
    assert told == ["metadata.scope_pattern"]
    assert found.idp is not None
    assert RegisteredScope(found.idp.scopes[0].value, True).covers_nothing


def test_of_too_many_expressions_the_first_count() -> None:
    scopes = "".join(f"<shibmd:Scope regexp='true'>a{n}</shibmd:Scope>" for n in range(150))
    found, told = noticed(entity(role(extensions=scopes)))
    assert found.idp is not None
    assert (len(found.idp.scopes), told) == (100, ["metadata.scope_patterns"])


# --- several roles, and roles that end


def test_of_several_descriptors_the_first_that_can_be_used_counts() -> None:
    other = SSO.replace("idp.example", "second.example")
    found, told = noticed(
        entity(
            role(protocol=names.SAML1P),
            role(SSO.replace("https", "ftp")),
            role(other, protocol=f"{names.SAML1P} {names.SAMLP}"),
            role(SSO.replace("idp.example", "third.example")),
        )
    )
    assert found.idp is not None
    assert found.idp.single_sign_on[0].location == "https://second.example/sso"
    assert found.idp.protocols == (names.SAML1P, names.SAMLP)
    assert told == ["metadata.endpoint"]


def test_a_role_ends_with_the_earliest_of_itself_the_entity_and_all_around_it() -> None:
    ends = ("2026-11-22T12:00:04Z", "2026-11-22T12:00:03Z", "2026-11-22T12:00:02Z", "2026-11-22T12:00:01Z")
    for earliest_at in range(4):
        group, inner, whole, own = ends[-earliest_at:] + ends[:-earliest_at] if earliest_at else ends
        inside = entity(role(attributes=f' validUntil="{own}"')).replace("entityID", f'validUntil="{whole}" entityID')
        document = (
            f'<md:EntitiesDescriptor xmlns:md="{names.MD}" validUntil="{group}"><md:EntitiesDescriptor validUntil="{inner}">'
            f"{inside}</md:EntitiesDescriptor></md:EntitiesDescriptor>"
        )
        found = read(document)
        registry = Registry([found])
        end = NOW + timedelta(seconds=1)
        assert registry.idp(found.entity_id, end - timedelta(milliseconds=1)) is not None
        assert registry.idp(found.entity_id, end) is None
        assert summary_of(found).has("idp", end - timedelta(milliseconds=1))
        assert not summary_of(found).has("idp", end)


# --- parts that can't be used


def test_an_entity_stays_without_an_endpoint_that_can_not_be_used() -> None:
    bad = SSO.replace("https://idp.example/sso", "javascript:alert(1)")
    found, told = noticed(entity(role(bad + SSO + SSO.replace("https", "http"))))
    assert found.idp is not None
    assert [endpoint.location for endpoint in found.idp.single_sign_on] == ["https://idp.example/sso"]
    assert told == ["metadata.endpoint", "metadata.endpoint"]


def test_a_role_goes_when_none_of_its_endpoints_can_be_used_and_the_entity_when_no_role_is_left() -> None:
    bad = role(SSO.replace("https", "http"))
    attribute_authority = role(
        '<md:AttributeService Binding="urn:b" Location="https://idp.example/aa"/>', kind="AttributeAuthorityDescriptor"
    )
    found, told = noticed(entity(bad, attribute_authority))
    assert found.idp is None
    assert found.aa is not None
    assert told == ["metadata.endpoint"]
    assert refusal_code(lambda: read(entity(bad))) == "metadata.endpoint"


def test_a_key_that_can_not_be_used_is_left_out_and_reported() -> None:
    key = (
        "<md:KeyDescriptor><ds:KeyInfo><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
        "</md:KeyDescriptor>"
    )
    found, told = noticed(entity(role(key + SSO)))
    assert found.idp is not None
    assert (found.idp.keys, told) == ((), ["key.unusable"])


# --- hostile texts


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("  Universität \n\t Nordtor ", "Universität Nordtor"),
        ("Harvard\u202eytisrevinU", "HarvardytisrevinU"),
        ("a\u2066b\u2069c\u200ed\u0085e\u2028f", "abcd e f"),
        ("دانشگاه\u200cها", "دانشگاه\u200cها"),
        ("\u202e\u200b \u200d", ""),
        ("x" * 10_000, "x" * 199 + "…"),
        ("", ""),
    ],
)
def test_a_name_is_one_line_of_characters_that_can_be_seen(written: str, shown: str) -> None:
    assert shown_text(written) == shown


def test_empty_names_and_hostile_links_and_logos_are_left_out() -> None:
    png = "data:image/png;base64,iVBORw0KGgo="
    info = (
        "<mdui:UIInfo>"
        "<mdui:DisplayName xml:lang='en'>\u202e</mdui:DisplayName><mdui:DisplayName xml:lang='de'>Gut</mdui:DisplayName>"
        "<mdui:InformationURL xml:lang='en'>javascript:alert(1)</mdui:InformationURL>"
        "<mdui:InformationURL xml:lang='en'>https://bank.example@evil.example/</mdui:InformationURL>"
        "<mdui:InformationURL xml:lang='en'>https://ok.example/ä</mdui:InformationURL>"
        + "".join(
            f"<mdui:Logo width='1' height='1'>{url}</mdui:Logo>"
            for url in (
                png,
                "data:image/svg+xml;base64,AAAA",
                "data:text/html,x",
                "javascript:x",
                "https://ok.example/l.png",
            )
        )
        + "</mdui:UIInfo>"
    )
    found = read(entity(role(extensions=info)))
    assert found.idp is not None
    assert found.idp.display.names == (LocalizedText("Gut", "de"),)
    assert [link.text for link in found.idp.display.information_urls] == ["https://ok.example/ä"]
    assert [logo.url for logo in found.idp.display.logos] == [png, "https://ok.example/l.png"]


def test_only_so_many_texts_of_one_kind_are_read() -> None:
    many = "".join(f"<mdui:DisplayName xml:lang='en'>{n}</mdui:DisplayName>" for n in range(1000))
    found = read(entity(role(extensions=f"<mdui:UIInfo>{many}</mdui:UIInfo>")))
    assert found.idp is not None
    assert len(found.idp.display.names) == 200


@pytest.mark.parametrize(
    ("url", "location", "link"),
    [
        ("https://a.example", True, True),
        ("https://a.example:99999/", False, False),
        ("https://a.example:65535/", True, True),
        ("https://a_b.example/x?y#z", True, True),
        ("https://a.example:443@evil.example/", False, False),
        ("https://a.example\\@evil.example/", False, False),
        ("http://a.example/", False, True),
        ("http://[::1]/", True, True),
        ("https://" + "a" * 2048, False, False),
        ("https://a.example/\u202e", False, False),
        ("HTTPS://a.example/", True, True),
    ],
)
def test_where_messages_may_go_and_what_may_be_a_link(url: str, location: bool, link: bool) -> None:
    assert (is_usable_location(url), is_link(url)) == (location, link)


@pytest.mark.parametrize("entity_id", ["a b", "../../etc", "%00", "\"'<>&;", "urn:é:大学", "x" * 1024, "https://a/\\"])
def test_odd_characters_in_an_entity_id_are_data(entity_id: str) -> None:
    check_entity_id(entity_id)


@pytest.mark.parametrize("entity_id", ["", "x" * 1025, "a\nb", "a\u202eb", " a", "a ", "a  b", "a\u200bb", "a\x7f"])
def test_an_entity_id_that_can_not_be_told_from_another_is_refused(entity_id: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_entity_id(entity_id)
    assert refused.value.code == "metadata.entity_id"


# --- nothing is lost


def test_what_is_not_understood_is_published_again_as_it_was() -> None:
    unknown = (
        '<x:new xmlns:x="urn:x" a="1"><x:deep xsi:type="xs:string">t</x:deep></x:new>'
        '<mdattr:EntityAttributes><saml:Attribute Name="n"><saml:AttributeValue xsi:type="xs:string">v</saml:AttributeValue>'
        "</saml:Attribute></mdattr:EntityAttributes>"
    )
    document = entity(
        role(
            '<md:ManageNameIDService Binding="urn:b" Location="http://plain.example/"/>'
            + SSO
            + "<md:AttributeProfile>urn:p</md:AttributeProfile>"
        ),
        '<md:PDPDescriptor protocolSupportEnumeration="urn:other"><md:AuthzService Binding="b" Location="https://a/"/></md:PDPDescriptor>',
        '<md:AdditionalMetadataLocation namespace="urn:n">https://a/</md:AdditionalMetadataLocation>',
        extensions=unknown,
    )
    before = etree.tostring(parse_xml(document.encode(), METADATA), method="c14n")
    once = read(document)
    again = read_unsigned_local_metadata(unsigned_entity(once))[0]
    assert etree.tostring(parse_xml(unsigned_entity(again), METADATA), method="c14n") == before
    assert again == once


def test_a_stored_descriptor_is_its_own_source() -> None:
    for known in (HOME, LIBRARY):
        octets = unsigned_entity(known).partition(b"\n")[2]
        found = read_stored_entity(octets, NOW)
        assert found.source == octets
        assert found.valid_until == NOW
    signed = entity(role()).replace("entityID", 'ID="_1" xml:id="_2" entityID').encode()
    assert b'"_' not in read_stored_entity(signed, None).source


# --- with which algorithm one signs for a partner


@pytest.mark.parametrize(
    ("methods", "algorithm"),
    [
        ((), names.RSA_SHA256),
        ((SigningMethod(names.RSA_SHA512), SigningMethod(names.RSA_SHA256)), names.RSA_SHA512),
        ((SigningMethod(names.ECDSA_SHA384), SigningMethod(names.RSA_SHA384)), names.RSA_SHA384),
        ((SigningMethod(names.RSA_SHA512, 4096), SigningMethod(names.RSA_SHA384, 2048, 2048)), names.RSA_SHA384),
        ((SigningMethod(names.RSA_SHA512, None, 1024),), names.RSA_SHA256),
        ((SigningMethod(names.RSA_SHA1), SigningMethod("urn:new")), names.RSA_SHA256),
    ],
)
def test_a_partner_gets_the_first_algorithm_on_its_list_that_our_key_can_do(
    methods: tuple[SigningMethod, ...], algorithm: str
) -> None:
    partner = replace(LIBRARY.sp, signing_methods=methods) if LIBRARY.sp is not None else None
    assert signer_for(signer("rsa"), partner).algorithm == algorithm
    assert signer_for(signer("rsa"), partner, "sha256").algorithm == names.RSA_SHA256
    assert signer_for(signer("rsa"), None).algorithm == names.RSA_SHA256


# --- durations


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("PT6H", timedelta(hours=6)),
        (" P1D ", timedelta(days=1)),
        ("P1Y2M3DT4H5M6.789S", timedelta(days=424, hours=4, minutes=5, seconds=6, milliseconds=789)),
        ("PT0S", timedelta(0)),
        ("P9999999D", timedelta(days=9_999_999)),
    ],
)
def test_a_duration_is_read(text: str, length: timedelta) -> None:
    assert read_duration(text) == length


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "-P1D", "P1S", "1D", "P1DT", "PT1.5H", "P1D\x00", "soon", "PT" + "9" * 99 + "S"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    check: Callable[[], object] = lambda: read_duration(text)  # noqa: E731
    assert refusal_code(check) == "xml.duration"
