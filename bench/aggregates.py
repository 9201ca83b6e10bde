"""Signed aggregates as large federations publish them: 8.5 kB for each entity, names in many languages, any size. The same numbers give
the same octets but for IDs, times and the signature."""

import base64
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from ostiary.federation.keys import self_signed
from ostiary.saml import names
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import new_id
from ostiary.saml.signature import sign
from ostiary.saml.xml import METADATA, parse_xml, write_instant

# In eduGAIN a little more than half of the entities are IdPs.
IDENTITY_PROVIDERS: Final = 0.6

_PLACES: Final = (
    *(
        "Aarhus",
        "Białystok",
        "Coimbra",
        "Dundee",
        "Évora",
        "Freiburg",
        "Göteborg",
        "Hämeenlinna",
        "Innsbruck",
        "Jyväskylä",
        "København",
    ),
    *(
        "Łódź",
        "Málaga",
        "Nijmegen",
        "Odense",
        "Plzeň",
        "Québec",
        "Reykjavík",
        "São Paulo",
        "Tromsø",
        "Utrecht",
        "Växjö",
        "Wrocław",
        "Zürich",
    ),
    *(
        "Ankara",
        "Brno",
        "Cádiz",
        "Debrecen",
        "Eindhoven",
        "Ferrara",
        "Genève",
        "Haifa",
        "İzmir",
        "Kaunas",
        "Ljubljana",
        "Montréal",
        "Nantes",
    ),
    *(
        "Oulu",
        "Perugia",
        "Riga",
        "Salzburg",
        "Tartu",
        "Uppsala",
        "Vilnius",
        "Warszawa",
        "Zagreb",
        "Kyoto",
        "Nagoya",
        "Pretoria",
        "Nairobi",
    ),
)
_KINDS: Final = (
    ("University of {}", "Universität {}", "Université de {}", "Universidad de {}"),
    ("{} University of Applied Sciences", "Hochschule {}", "Haute école de {}", "Escuela superior de {}"),
    (
        "{} Institute of Technology",
        "Technische Universität {}",
        "Institut technologique de {}",
        "Instituto tecnológico de {}",
    ),
    ("National Library of {}", "Nationalbibliothek {}", "Bibliothèque nationale de {}", "Biblioteca nacional de {}"),
    ("{} Medical School", "Medizinische Fakultät {}", "École de médecine de {}", "Escuela de medicina de {}"),
    ("{} Observatory", "Sternwarte {}", "Observatoire de {}", "Observatorio de {}"),
    ("Academy of Music {}", "Musikhochschule {}", "Conservatoire de {}", "Conservatorio de {}"),
)
_LANGUAGES: Final = ("en", "de", "fr", "es")
_ELSEWHERE: Final = (("ja", "大学"), ("el", "Πανεπιστήμιο"), ("ar", "جامعة"), ("ru", "Университет"))
_INDENTATION: Final = re.compile(r">\s+<")
_BINDINGS: Final = "urn:oasis:names:tc:SAML:2.0:bindings"
_CATEGORIES: Final = (
    "http://refeds.org/category/research-and-scholarship",
    "https://refeds.org/category/code-of-conduct/v2",
)


def certificates_of_members(number: int = 9) -> tuple[bytes, ...]:
    """So many certificates (DER) as members publish them: most keys have 3072 or 4096 bits. Takes seconds."""
    return tuple(_certificate(one, (3072, 3072, 4096)[one % 3]) for one in range(number))


def _certificate(number: int, bits: int) -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    pem = self_signed(key, f"idp{number}.federation.example", now=datetime.now(UTC))
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)


@dataclass(frozen=True)
class Aggregates:
    """``certificates``: DER of the keys that members publish, used in turn; making a key for each of 10,000 would take an hour."""

    certificates: tuple[bytes, ...]
    valid_until: datetime

    def document(
        self, size: int, signer: Signer, *, changed: frozenset[int] = frozenset(), idps: float = IDENTITY_PROVIDERS
    ) -> bytes:
        """A signed EntitiesDescriptor with ``size`` entities; those numbered in ``changed`` differ from what they are otherwise."""
        root = parse_xml(b"".join(self._parts(size, changed, idps)), METADATA)
        sign(root, signer)
        return etree.tostring(root, encoding="utf-8", xml_declaration=True)

    def _parts(self, size: int, changed: frozenset[int], idps: float) -> Iterator[bytes]:
        yield (
            f'<md:EntitiesDescriptor xmlns:md="{names.MD}" xmlns:ds="{names.DS}" xmlns:mdui="{names.MDUI}" xmlns:mdrpi="{names.MDRPI}"'
            f' xmlns:mdattr="{names.MDATTR}" xmlns:shibmd="{names.SHIBMD}" xmlns:saml="{names.SAML}" xmlns:idpdisc="{names.IDPDISC}"'
            f' ID="{new_id()}" Name="https://federation.example/all" validUntil="{write_instant(self.valid_until)}">\n'
        ).encode()
        for number in range(size):
            entity = self._entity(number, number in changed, idps)
            # Most federations publish without indentation, whatever their members wrote.
            yield (_INDENTATION.sub("><", entity) if number % 4 else entity).encode()
        yield b"</md:EntitiesDescriptor>\n"

    @cached_property
    def _encoded(self) -> tuple[str, ...]:
        # Certificates in metadata stand in lines.
        return tuple(base64.encodebytes(der).decode("ascii") for der in self.certificates)

    def _entity(self, number: int, changed: bool, idps: float) -> str:
        chance = random.Random(number)  # noqa: S311 - nothing secret: the same number is the same entity
        host = f"{_ascii(chance.choice(_PLACES))}-{number}.example"
        is_idp = (number * 0.618034) % 1 < idps
        entity_id = f"https://idp.{host}/idp/shibboleth" if is_idp else f"https://sp.{host}/shibboleth"
        categories = "".join(
            f"<saml:AttributeValue>{one}</saml:AttributeValue>" for one in _CATEGORIES if chance.random() < 0.4
        )
        role = self._idp(number, host, chance) if is_idp else self._sp(number, host, chance)
        name = "http://macedir.org/entity-category-support" if is_idp else "http://macedir.org/entity-category"
        attributes = (
            f'<mdattr:EntityAttributes><saml:Attribute Name="{name}" NameFormat="{names.URI_NAME}">{categories}</saml:Attribute>'
            f"</mdattr:EntityAttributes>"
            if categories
            else ""
        )
        organization = "".join(
            f'<md:{element} xml:lang="{language}">{text}</md:{element}>\n    '
            for element, text in (
                ("OrganizationName", f"Organisation {number}"),
                ("OrganizationDisplayName", f"Organisation {number} in {host}"),
                ("OrganizationURL", f"https://www.{host}/"),
            )
            for language in ("en", "de")[: 1 + number % 2]
        )
        contacts = "".join(
            f'  <md:ContactPerson contactType="{kind}">\n    <md:GivenName>{kind.title()} contact{"s" if changed else ""}</md:GivenName>\n'
            f"    <md:EmailAddress>mailto:{kind}@{host}</md:EmailAddress>\n  </md:ContactPerson>\n"
            for kind in ("technical", "support", "administrative")[: 1 + number % 3]
        )
        return (
            f'<md:EntityDescriptor entityID="{entity_id}">\n  <md:Extensions>\n'
            f'    <mdrpi:RegistrationInfo registrationAuthority="https://federation-{number % 60}.example/"'
            f' registrationInstant="2019-03-0{number % 9 + 1}T09:00:00Z">\n'
            f'      <mdrpi:RegistrationPolicy xml:lang="en">https://federation-{number % 60}.example/policy</mdrpi:RegistrationPolicy>\n'
            f"    </mdrpi:RegistrationInfo>\n    {attributes}\n  </md:Extensions>\n{role}"
            f"  <md:Organization>\n    {organization}</md:Organization>\n{contacts}</md:EntityDescriptor>\n"
        )

    def _display(self, number: int, host: str, chance: random.Random) -> str:
        place, kind = chance.choice(_PLACES), chance.choice(_KINDS)
        texts = [*zip(_LANGUAGES, (form.format(f"{place} {number % 97}") for form in kind), strict=True)]
        language, word = chance.choice(_ELSEWHERE)
        texts.append((language, f"{word} {place} {number}"))
        shown = "".join(
            f'<mdui:DisplayName xml:lang="{one}">{text}</mdui:DisplayName>\n        ' for one, text in texts
        )
        described = "".join(
            f'<mdui:Description xml:lang="{one}">{text}: members sign in here to reach services of research.'
            "</mdui:Description>\n"
            for one, text in texts[: number % 3]
        )
        return (
            f"      <mdui:UIInfo>\n        {shown}{described}"
            f'        <mdui:Keywords xml:lang="en">{_ascii(place)} research{number % 13}</mdui:Keywords>\n'
            f'        <mdui:InformationURL xml:lang="en">https://www.{host}/about</mdui:InformationURL>\n'
            f'        <mdui:PrivacyStatementURL xml:lang="en">https://www.{host}/privacy</mdui:PrivacyStatementURL>\n'
            f'        <mdui:Logo width="80" height="60">https://www.{host}/logo-80x60.png</mdui:Logo>\n'
            f'        <mdui:Logo width="16" height="16">https://www.{host}/favicon.png</mdui:Logo>\n      </mdui:UIInfo>\n'
        )

    def _keys(self, number: int, *uses: str) -> str:
        return "".join(
            f'    <md:KeyDescriptor use="{use}">\n      <ds:KeyInfo><ds:X509Data><ds:X509Certificate>\n'
            f"{self._encoded[(number + shift) % len(self._encoded)]}</ds:X509Certificate>"
            "</ds:X509Data></ds:KeyInfo>\n    </md:KeyDescriptor>\n"
            for shift, use in enumerate(uses)
        )

    def _idp(self, number: int, host: str, chance: random.Random) -> str:
        services = "".join(
            f'    <md:SingleSignOnService Binding="{_BINDINGS}:{binding}" Location="https://idp.{host}/idp/profile/SAML2/{binding}/SSO"/>\n'
            for binding in ("HTTP-Redirect", "HTTP-POST", "SOAP")
        )
        # The Shibboleth IdP publishes three: for the front channel, for the back channel, and to encrypt to.
        keys = self._keys(number, "signing", "signing", "encryption")
        return (
            f'  <md:IDPSSODescriptor protocolSupportEnumeration="{names.SAMLP}">\n    <md:Extensions>\n'
            f'      <shibmd:Scope regexp="false">{host}</shibmd:Scope>\n{self._display(number, host, chance)}'
            f"      <mdui:DiscoHints><mdui:IPHint>192.0.{number % 256}.0/24</mdui:IPHint><mdui:DomainHint>{host}</mdui:DomainHint>"
            f"<mdui:GeolocationHint>geo:{number % 70}.5,{number % 30}.25</mdui:GeolocationHint></mdui:DiscoHints>\n"
            f"    </md:Extensions>\n{keys}"
            f'    <md:ArtifactResolutionService index="1" Binding="{names.SOAP}" Location="https://idp.{host}:8443/artifact"/>\n'
            f'    <md:SingleLogoutService Binding="{names.HTTP_REDIRECT}" Location="https://idp.{host}/idp/profile/SAML2/Redirect/SLO"/>\n'
            f"    <md:NameIDFormat>{names.TRANSIENT}</md:NameIDFormat>\n    <md:NameIDFormat>{names.PERSISTENT}</md:NameIDFormat>\n"
            f"{services}"
            f"  </md:IDPSSODescriptor>\n"
        )

    def _sp(self, number: int, host: str, chance: random.Random) -> str:
        consumers = "".join(
            f'    <md:AssertionConsumerService index="{index}" Binding="{_BINDINGS}:{binding}"'
            f' Location="https://sp.{host}/Shibboleth.sso/SAML2/{binding}"/>\n'
            for index, binding in enumerate(("HTTP-POST", "HTTP-Artifact", "PAOS"), 1)
        )
        requested = "".join(
            f'      <md:RequestedAttribute FriendlyName="{friendly}" Name="urn:oid:{oid}" NameFormat="{names.URI_NAME}"'
            ' isRequired="true"/>\n'
            for friendly, oid in (
                ("mail", "0.9.2342.19200300.100.1.3"),
                ("displayName", "2.16.840.1.113730.3.1.241"),
                ("eduPersonPrincipalName", "1.3.6.1.4.1.5923.1.1.1.6"),
                ("eduPersonScopedAffiliation", "1.3.6.1.4.1.5923.1.1.1.9"),
            )
        )
        keys = self._keys(number, "signing", "encryption")
        return (
            f'  <md:SPSSODescriptor protocolSupportEnumeration="{names.SAMLP}">\n    <md:Extensions>\n{self._display(number, host, chance)}'
            f'      <idpdisc:DiscoveryResponse index="1" Binding="{names.IDPDISC}" Location="https://sp.{host}/Shibboleth.sso/Login"/>\n'
            f"    </md:Extensions>\n{keys}"
            f'    <md:SingleLogoutService Binding="{names.HTTP_REDIRECT}" Location="https://sp.{host}/Shibboleth.sso/SLO/Redirect"/>\n{consumers}'
            f'    <md:AttributeConsumingService index="1">\n      <md:ServiceName xml:lang="en">Service {number}'
            f"</md:ServiceName>\n{requested}"
            f"    </md:AttributeConsumingService>\n  </md:SPSSODescriptor>\n"
        )


def _ascii(text: str) -> str:
    return "".join(character for character in text.lower() if character.isascii() and character.isalpha())
