# ruff: noqa: E501 - one case of a rule is one line
"""Each rule for an entity: a descriptor that keeps it, and one that breaks it alone."""

import base64

import pytest

from ostiary.command.wording import catalogue
from ostiary.federation.validation.rules import RULES
from ostiary.saml import names
from tests.metadata_validation.descriptors import (
    ACS,
    ATTRIBUTE,
    IDP,
    IDP_KEY,
    ODD_CURVE,
    OLD_KEY,
    OTHER_KEY,
    REQUIREMENT,
    SP,
    SP_KEY,
    WEAK_KEY,
    changed,
    found_in,
    key,
)

TEXTS = catalogue()
SCOPE = '<shibmd:Scope regexp="false">northgate.zz</shibmd:Scope>'
LOGO = "https://www.northgate.zz/logo.png"
ENGLISH_NAME = '<mdui:DisplayName xml:lang="en">Library</mdui:DisplayName>'
SSO = f'<md:SingleSignOnService Binding="{names.HTTP_REDIRECT}" Location="https://idp.northgate.zz/sso"/>'
DEFAULT_ACS = f'<md:AssertionConsumerService index="1" isDefault="true" Binding="{names.HTTP_POST}" Location="{ACS}"/>'
MAIL = f'<md:RequestedAttribute FriendlyName="mail" Name="urn:oid:0.9.2342.19200300.100.1.3" NameFormat="{names.URI_NAME}"/>'
PRIVACY = '<mdui:PrivacyStatementURL xml:lang="en">https://www.northgate.zz/privacy</mdui:PrivacyStatementURL>'
INFORMATION = '<mdui:InformationURL xml:lang="en">https://www.northgate.zz/about</mdui:InformationURL>'
TECHNICAL = '<md:ContactPerson contactType="technical"><md:EmailAddress>mailto:technical@northgate.zz</md:EmailAddress></md:ContactPerson>'
SUPPORT = '<md:ContactPerson contactType="support"><md:EmailAddress>mailto:help@northgate.zz</md:EmailAddress></md:ContactPerson>'
UI_OF_ROLE = "<mdui:UIInfo>"
NO_KEY_INFO = (
    '<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:KeyName>northgate</ds:KeyName></ds:KeyInfo></md:KeyDescriptor>'
)
BARE_KEY = (
    '<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:KeyValue><ds:RSAKeyValue>'
    f"<ds:Modulus>{base64.b64encode(bytes([255]) * 256).decode()}</ds:Modulus><ds:Exponent>AQAB</ds:Exponent>"
    "</ds:RSAKeyValue></ds:KeyValue></ds:KeyInfo></md:KeyDescriptor>"
)


def categories(*values: str) -> str:
    return (
        ATTRIBUTE + "".join(f"<saml:AttributeValue>{one}</saml:AttributeValue>" for one in values) + "</saml:Attribute>"
    )


def claiming(*values: str, base: str = SP) -> str:
    """The service provider with these entity categories."""
    return changed(base, REQUIREMENT, REQUIREMENT + categories(*values))


def scoped(scope: str, regexp: str = "false") -> str:
    return changed(IDP, SCOPE, f'<shibmd:Scope regexp="{regexp}">{scope}</shibmd:Scope>')


def method(*algorithms: str, digest: str = "") -> str:
    inside = f'<ds:DigestMethod Algorithm="{digest}"/>' if digest else ""
    return "".join(f'<md:EncryptionMethod Algorithm="{one}">{inside}</md:EncryptionMethod>' for one in algorithms)


def with_scripted_logo(script: str) -> str:
    svg = base64.b64encode(f'<svg xmlns="http://www.w3.org/2000/svg">{script}</svg>'.encode()).decode()
    return changed(SP, LOGO, f"data:image/svg+xml;base64,{svg}")


RESEARCH = "http://refeds.org/category/research-and-scholarship"
CONDUCT = "https://refeds.org/category/code-of-conduct/v2"
SIRTFI = (
    f'<saml:Attribute Name="urn:oasis:names:tc:SAML:attribute:assurance-certification" NameFormat="{names.URI_NAME}">'
    "<saml:AttributeValue>https://refeds.org/sirtfi</saml:AttributeValue></saml:Attribute>"
)

# Code, the descriptor that breaks it, the line where that is said (0: the test does not look).
BROKEN: list[tuple[str, str, int]] = [
    ("document.schema", changed(IDP, "<md:SingleLogoutService", "<md:SingleLogout"), 0),
    ("entity.id_characters", changed(IDP, 'zz/idp"', 'zz/idp "'), 1),
    ("entity.id_too_long", changed(IDP, 'zz/idp"', f'zz/idp/{"x" * 300}"'), 1),
    ("entity.id_not_a_uri", changed(IDP, '"https://idp.northgate.zz/idp"', '"northgate"'), 1),
    ("entity.id_scheme", changed(IDP, '"https://idp.northgate.zz/idp"', '"http://idp.northgate.zz/idp"'), 1),
    ("entity.id_fragment", changed(IDP, 'zz/idp"', 'zz/idp#one"'), 1),
    ("entity.test_host", changed(IDP, '"https://idp.northgate.zz/idp"', '"https://idp.local/idp"'), 1),
    ("entity.no_saml2_role", changed(IDP, f'"{names.SAMLP}"', f'"{names.SAML1P}"'), 1),
    ("entity.role_repeated", changed(SP, "  <md:Organization>", SP[SP.index("  <md:SPSSO") : SP.index("  <md:Organization>")] + "  <md:Organization>"), 8),
    ("entity.registration_missing", changed(IDP, "mdrpi:RegistrationInfo", "mdrpi:Other"), 1),
    ("entity.registration_repeated", changed(IDP, "</mdrpi:RegistrationInfo>", "</mdrpi:RegistrationInfo><mdrpi:RegistrationInfo registrationAuthority='https://b.zz'/>"), 5),
    ("entity.registration_authority", changed(IDP, 'registrationAuthority="https://federation.zz"', 'registrationAuthority="northgate"'), 3),
    ("entity.registration_policy", changed(IDP, '<mdrpi:RegistrationPolicy xml:lang="en">', '<mdrpi:RegistrationPolicy xml:lang="de">'), 3),
    ("entity.registration_instant", changed(IDP, "2020-02-03T04:05:06Z", "2030-02-03T04:05:06Z"), 3),
    ("entity.organization_missing", changed(IDP, "md:Organization>", "md:Organisation>"), 1),
    ("entity.organization_english", changed(IDP, '<md:OrganizationName xml:lang="en">', '<md:OrganizationName xml:lang="de">'), 0),
    ("entity.organization_url", changed(IDP, "https://www.northgate.zz/<", "javascript:alert(1)<"), 0),
    ("entity.technical_contact", changed(IDP, TECHNICAL, ""), 1),
    ("entity.support_contact", changed(IDP, SUPPORT, ""), 1),
    ("entity.contact_without_email", changed(IDP, "<md:EmailAddress>mailto:help@northgate.zz</md:EmailAddress>", "<md:GivenName>Help</md:GivenName>"), 0),
    ("entity.contact_email", changed(IDP, "mailto:help@", "help@"), 0),
    ("entity.security_contact_type", changed(IDP, 'contactType="other" remd', 'contactType="technical" remd'), 0),
    ("entity.unknown_extension", changed(IDP, SCOPE, SCOPE + '<x:Thing xmlns:x="urn:x-some:thing"/>'), 0),
    ("text.language_missing", changed(SP, '<mdui:Description xml:lang="en">', "<mdui:Description>"), 0),
    ("text.language_tag", changed(SP, '<mdui:DisplayName xml:lang="de">', '<mdui:DisplayName xml:lang="deutsch_">'), 0),
    ("text.language_repeated", changed(SP, '<mdui:DisplayName xml:lang="de">', '<mdui:DisplayName xml:lang="EN">'), 0),
    ("text.empty", changed(SP, "Library (deutsch)", " "), 0),
    ("text.characters", changed(SP, "Library (deutsch)", "Library &lt;script>alert(1)&lt;/script>"), 0),
    ("text.characters", changed(SP, "Library (deutsch)", "Library \u202egro.live"), 0),
    ("role.saml1_only", changed(IDP, "  <md:Organization>", f'<md:AttributeAuthorityDescriptor protocolSupportEnumeration="{names.SAML1P}"><md:AttributeService Binding="{names.SOAP}" Location="https://idp.northgate.zz/aa"/></md:AttributeAuthorityDescriptor>  <md:Organization>'), 0),
    ("role.protocol_unknown", changed(IDP, f'"{names.SAMLP}"', f'"{names.SAMLP} urn:x-some:protocol"'), 0),
    ("role.signing_key", changed(IDP, key(IDP_KEY), key(IDP_KEY, "encryption")), 7),
    ("role.signing_key", changed(SP, key(SP_KEY), ""), 0),
    ("role.aa_signing_key", changed(IDP, "  <md:Organization>", f'<md:AttributeAuthorityDescriptor protocolSupportEnumeration="{names.SAMLP}"><md:AttributeService Binding="{names.SOAP}" Location="https://idp.northgate.zz/aa"/></md:AttributeAuthorityDescriptor>  <md:Organization>'), 0),
    ("role.encryption_key", changed(SP, key(SP_KEY, "encryption"), ""), 0),
    ("role.only_weak_digests", changed(IDP, SCOPE, f'{SCOPE}<alg:DigestMethod Algorithm="{names.SHA1}"/>'), 0),
    ("key.unreadable", changed(IDP, IDP_KEY, "MIIB"), 0),
    ("key.unreadable", changed(IDP, key(IDP_KEY), key(IDP_KEY) + NO_KEY_INFO), 0),
    ("key.weak", changed(IDP, IDP_KEY, WEAK_KEY), 0),
    ("key.kind", changed(IDP, IDP_KEY, ODD_CURVE), 0),
    ("key.bare", changed(IDP, key(IDP_KEY), key(IDP_KEY) + BARE_KEY), 0),
    ("key.several", changed(IDP, "</ds:X509Data>", f"</ds:X509Data><ds:X509Data><ds:X509Certificate>{OTHER_KEY}</ds:X509Certificate></ds:X509Data>"), 0),
    ("key.certificate_dates", changed(IDP, IDP_KEY, OLD_KEY), 0),
    ("key.only_cbc", changed(SP, key(SP_KEY, "encryption"), key(SP_KEY, "encryption", method(names.AES128_CBC))), 0),
    ("key.only_rsa_1_5", changed(SP, key(SP_KEY, "encryption"), key(SP_KEY, "encryption", method(names.AES128_GCM, names.RSA_1_5))), 0),
    ("key.only_sha1", changed(SP, key(SP_KEY, "encryption"), key(SP_KEY, "encryption", method(names.RSA_OAEP, digest=names.SHA1))), 0),
    ("endpoint.unusable", changed(IDP, "https://idp.northgate.zz/slo", "https://somebody@idp.northgate.zz/slo"), 0),
    ("endpoint.unusable", changed(IDP, "https://idp.northgate.zz/slo", "javascript:alert(1)"), 0),
    ("endpoint.not_https", changed(IDP, "https://idp.northgate.zz/slo", "http://idp.northgate.zz/slo"), 0),
    ("endpoint.fragment", changed(SP, f"{ACS}/ecp", f"{ACS}#ecp"), 0),
    ("endpoint.test_host", changed(IDP, "https://idp.northgate.zz/slo", "https://localhost/slo"), 0),
    ("endpoint.test_host", changed(IDP, "https://idp.northgate.zz/slo", "https://10.1.2.3/slo"), 0),
    ("endpoint.ip_address", changed(IDP, "https://idp.northgate.zz/slo", "https://9.9.9.9/slo"), 0),
    ("endpoint.other_host", changed(IDP, "https://idp.northgate.zz/slo", "https://cloud.southgate.zz/slo"), 0),
    ("endpoint.binding_unknown", changed(IDP, f'Binding="{names.HTTP_POST}"', 'Binding="POST"'), 0),
    ("endpoint.not_soap", changed(IDP, f'index="1" Binding="{names.SOAP}"', f'index="1" Binding="{names.HTTP_POST}"'), 0),
    ("endpoint.index_repeated", changed(SP, 'index="2"', 'index="1"'), 0),
    ("endpoint.several_defaults", changed(SP, 'index="2"', 'index="2" isDefault="true"'), 0),
    ("endpoint.binding_repeated", changed(IDP, SSO, SSO + SSO), 0),
    ("idp.redirect_missing", changed(IDP, SSO, ""), 7),
    ("idp.scope_missing", changed(IDP, SCOPE, ""), 7),
    ("idp.scope_domain", scoped("Northgate.zz"), 9),
    ("idp.scope_domain", scoped("@northgate.zz"), 9),
    ("idp.scope_regexp", scoped(r"^.+\.northgate\.zz$", "true"), 9),
    ("idp.scope_regexp_unusable", scoped(r"^(a+)+(?=zz)$", "true"), 9),
    ("idp.scope_unanchored", scoped(r".+\.northgate\.zz", "true"), 9),
    ("idp.scope_unescaped_dot", scoped(r"^.+\.northgate.zz$", "true"), 9),
    ("idp.scope_too_wide", scoped(r"^.*$", "true"), 9),
    ("idp.scope_too_wide", scoped("zz"), 9),
    ("idp.error_url_missing", changed(IDP, ' errorURL="https://idp.northgate.zz/error"', ""), 7),
    ("idp.error_url", changed(IDP, 'errorURL="https:', 'errorURL="http:'), 7),
    ("idp.hidden", changed(IDP, "</mdrpi:RegistrationInfo>", f"</mdrpi:RegistrationInfo><mdattr:EntityAttributes>{categories(names.HIDE_FROM_DISCOVERY)}</mdattr:EntityAttributes>"), 0),
    ("idp.hint", changed(IDP, "192.0.2.0/24", "192.0.2.0/240"), 0),
    ("idp.hint", changed(IDP, "geo:52.5,13.4", "geo:152.5,13.4"), 0),
    ("sp.post_missing", changed(SP, DEFAULT_ACS, ""), 8),
    ("sp.redirect_consumer", changed(SP, f'index="2" Binding="{names.PAOS}"', f'index="2" Binding="{names.HTTP_REDIRECT}"'), 0),
    ("sp.requested_name_format", changed(SP, f'100.1.3" NameFormat="{names.URI_NAME}"', f'100.1.3" NameFormat="{names.BASIC_NAME}"'), 0),
    ("sp.requested_unknown", changed(SP, 'FriendlyName="mail" Name="urn:oid:0.9.2342.19200300.100.1.3"', 'Name="urn:oid:1.2.3.4.5.6.7"'), 0),
    ("sp.requested_friendly_name", changed(SP, 'FriendlyName="mail"', 'FriendlyName="sn"'), 0),
    ("sp.requested_repeated", changed(SP, MAIL, MAIL + MAIL), 0),
    ("sp.discovery_missing", changed(SP, "idpdisc:DiscoveryResponse", "idpdisc:Other"), 8),
    ("sp.discovery_binding", changed(SP, f'index="1" Binding="{names.IDPDISC}"', f'index="1" Binding="{names.HTTP_POST}"'), 0),
    ("sp.discovery_host", changed(SP, "library.northgate.zz/discovered", "elsewhere.northgate.zz/discovered"), 0),
    ("sp.subject_id_missing", changed(SP, REQUIREMENT, ""), 8),
    ("sp.subject_id_value", changed(SP, "pairwise-id", "pairwise"), 6),
    ("sp.subject_id_conflict", changed(SP, names.TRANSIENT, names.PERSISTENT), 0),
    ("sp.privacy_statement", changed(SP, PRIVACY, ""), 8),
    ("display.repeated", changed(SP, "</mdui:UIInfo>", '</mdui:UIInfo><mdui:UIInfo><mdui:Keywords xml:lang="en">book</mdui:Keywords></mdui:UIInfo>'), 0),
    ("display.misplaced", changed(SP, "</mdrpi:RegistrationInfo>", '</mdrpi:RegistrationInfo><mdui:UIInfo><mdui:Keywords xml:lang="en">book</mdui:Keywords></mdui:UIInfo>'), 0),
    ("display.name_missing", changed(SP, "mdui:DisplayName", "mdui:Description"), 8),
    ("display.name_english", changed(SP, ENGLISH_NAME, ""), 0),
    ("display.description", changed(SP, "What people of", "What people of" + " many" * 40), 0),
    ("display.logo_missing", changed(SP, f'<mdui:Logo width="80" height="60">{LOGO}</mdui:Logo>', ""), 8),
    ("display.logo_address", changed(SP, LOGO, "http://www.northgate.zz/logo.png"), 0),
    ("display.logo_address", changed(SP, LOGO, "javascript:alert(1)"), 0),
    ("display.logo_size", changed(SP, 'width="80"', 'width="80000"'), 0),
    ("display.logo_size", changed(SP, 'width="80"', 'width="1"'), 0),
    ("display.logo_data", changed(SP, LOGO, "data:text/html,hello"), 0),
    ("display.logo_data", changed(SP, LOGO, "data:image/png;base64,****"), 0),
    ("display.logo_data_large", changed(SP, LOGO, "data:image/png;base64," + "AAAA" * 20_000), 0),
    ("display.logo_script", with_scripted_logo("<script>alert(1)</script>"), 0),
    ("display.logo_script", with_scripted_logo('<rect onload = "alert(1)"/>'), 0),
    ("display.link", changed(SP, "https://www.northgate.zz/about", "javascript:alert(1)"), 0),
    ("category.name_format", changed(SP, REQUIREMENT, REQUIREMENT.replace(names.URI_NAME, names.BASIC_NAME)), 6),
    ("category.not_for_this_role", claiming(names.HIDE_FROM_DISCOVERY), 6),
    ("category.research_display", claiming(RESEARCH, base=changed(SP, INFORMATION, "")), 6),
    ("category.research_contact", claiming(RESEARCH, base=changed(SP, TECHNICAL, "")), 6),
    ("category.research_requested", claiming(RESEARCH, base=changed(SP, MAIL, "")), 6),
    ("category.research_more", claiming(RESEARCH, base=changed(SP, MAIL, MAIL + f'<md:RequestedAttribute isRequired="true" Name="urn:oid:2.5.4.20" NameFormat="{names.URI_NAME}"/>')), 0),
    ("category.conduct_privacy", claiming(CONDUCT, base=changed(SP, PRIVACY, "")), 6),
    ("category.conduct_requested", claiming(CONDUCT, base=changed(SP, MAIL, "")).replace(REQUIREMENT, ""), 6),
    ("category.access_display", claiming("https://refeds.org/category/anonymous", base=changed(SP, PRIVACY, "")), 6),
    ("category.access_subject_id", claiming("https://refeds.org/category/personalized"), 6),
    ("category.sirtfi_contact", changed(SP, REQUIREMENT, REQUIREMENT + SIRTFI).replace("security@northgate.zz", "x").replace("mailto:x", ""), 6),
]  # fmt: skip

# Descriptors that come near to a rule, and keep it.
KEPT: list[tuple[str, str]] = [
    ("entity.id_scheme", changed(IDP, '"https://idp.northgate.zz/idp"', '"urn:mace:northgate.zz:idp"')),
    ("entity.no_saml2_role", changed(IDP, f'"{names.SAMLP}"', f'"{names.SAML1P} {names.SAMLP}"')),
    ("text.language_repeated", changed(SP, '<mdui:DisplayName xml:lang="de">', '<mdui:DisplayName xml:lang="de-CH">')),
    ("text.characters", changed(SP, "Library (deutsch)", "Wissen &amp; Können, 3 &lt; 5")),
    ("text.characters", changed(SP, "Library (deutsch)", "مكتبة")),
    ("role.signing_key", changed(IDP, 'KeyDescriptor use="signing"', "KeyDescriptor")),
    ("key.only_cbc", changed(SP, key(SP_KEY, "encryption"), key(SP_KEY, "encryption", method(names.AES128_CBC, names.AES128_GCM)))),
    ("key.only_rsa_1_5", changed(SP, key(SP_KEY, "encryption"), key(SP_KEY, "encryption", method(names.RSA_1_5, names.RSA_OAEP)))),
    ("key.only_sha1", changed(SP, key(SP_KEY, "encryption"), key(SP_KEY, "encryption", method(names.RSA_OAEP, digest=names.SHA256)))),
    ("endpoint.not_https", changed(IDP, "https://idp.northgate.zz/slo", "http://127.0.0.1:8080/slo")),
    ("endpoint.other_host", changed(IDP, "https://idp.northgate.zz/slo", "https://login.northgate.zz:8443/slo")),
    ("idp.scope_missing", changed(changed(IDP, SCOPE, ""), "</mdrpi:RegistrationInfo>", f"</mdrpi:RegistrationInfo>{SCOPE}")),
    ("idp.scope_too_wide", scoped(r"^(.+\.)?northgate\.zz$", "true")),
    ("idp.scope_unescaped_dot", scoped(r"^[a-z.]+\.northgate\.zz$", "true")),
    ("idp.scope_unanchored", scoped(r"^.+\.northgate\.zz$", "true")),
    ("idp.scope_domain", scoped("xn--bcher-kva.zz")),
    ("idp.hint", changed(IDP, "192.0.2.0/24", "2001:db8::/32")),
    ("display.logo_data", changed(SP, LOGO, "data:image/png;base64,iVBORw0KGgo=")),
    ("display.logo_script", with_scripted_logo("<rect/>")),
    ("category.research_display", claiming(RESEARCH)),
    ("category.research_more", claiming(RESEARCH)),
    ("category.conduct_privacy", claiming(CONDUCT)),
    ("category.conduct_requested", claiming(CONDUCT, base=changed(SP, MAIL, ""))),
    ("category.access_subject_id", claiming("https://refeds.org/category/pseudonymous")),
    ("category.sirtfi_contact", changed(SP, REQUIREMENT, REQUIREMENT + SIRTFI)),
    ("category.not_for_this_role", claiming(RESEARCH)),
    ("sp.subject_id_value", changed(SP, "pairwise-id", "any")),
]  # fmt: skip
# These rules are about whole documents, or need an older library to break: they have tests of their own.
ELSEWHERE = {code for code in RULES if code.startswith("document.")} - {"document.schema"} | {
    "entity.expired",
    "key.certificate_signature",
}


@pytest.mark.parametrize("text", [IDP, SP], ids=["idp", "sp"])
def test_a_descriptor_that_keeps_every_rule_has_no_findings(text: str) -> None:
    assert found_in(text) == ()


@pytest.mark.parametrize(
    ("code", "text", "line"), BROKEN, ids=[f"{number}-{code}" for number, (code, _, _) in enumerate(BROKEN)]
)
def test_a_descriptor_that_breaks_a_rule_is_found(code: str, text: str, line: int) -> None:
    found = [one for one in found_in(text) if one.code == code]
    assert [one.severity for one in found] == [RULES[code].severity] * len(found)
    assert found
    assert found[0].line == line or (line == 0 and found[0].line > 0)
    message, remedy = (
        TEXTS.text("en", f"metadata_rule.{code}.{part}", **dict(found[0].facts)) for part in ("message", "remedy")
    )
    assert message.endswith(".") or code in ("document.schema", "display.logo_data")
    assert remedy


@pytest.mark.parametrize(("code", "text"), KEPT, ids=[f"{number}-{code}" for number, (code, _) in enumerate(KEPT)])
def test_a_descriptor_that_comes_near_to_a_rule_keeps_it(code: str, text: str) -> None:
    assert code not in {one.code for one in found_in(text)}


def test_every_rule_is_broken_by_a_test() -> None:
    assert set(RULES) - {code for code, _, _ in BROKEN} == ELSEWHERE


def test_every_rule_has_its_words_and_no_words_are_without_a_rule() -> None:
    wanted = {f"metadata_rule.{code}.{part}" for code in RULES for part in ("message", "remedy")}
    known = {key.removeprefix("pages.") for key in TEXTS._texts["en"] if key.startswith("pages.metadata_rule.")}
    assert known == wanted
