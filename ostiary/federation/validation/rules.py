"""Every rule by its code: how grave a breach is, and where the rule is written down. The words stand in the text catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Rule:
    """``error``: somebody will not be able to log in, or is at risk; ``warning``: federations ask for more; ``info``: worth knowing.
    ``section``: the document that says so, with its section."""

    severity: Severity
    section: str


_DOCUMENT: Final[Mapping[str, tuple[Severity, str]]] = {
    "document.not_signed": ("error", "eduGAIN SAML profile 3; SDP-MD02"),
    "document.entity_not_signed": ("info", "SDP-MD02"),
    "document.signature_form": ("error", "SAML core 5.4"),
    "document.signature_algorithm": ("error", "SDP-ALG01"),
    "document.signature_wrong": ("error", "SAML metadata 3"),
    "document.no_valid_until": ("error", "SDP-MD03"),
    "document.entity_no_valid_until": ("info", "SDP-MD03"),
    "document.expired": ("error", "SAML metadata 2.3.1"),
    "document.valid_too_long": ("warning", "eduGAIN SAML profile 3; SDP-MD03"),
    "document.cache_duration": ("warning", "SAML metadata 2.3.1"),
    "document.instant": ("error", "SAML core 1.3.3"),
    "document.root": ("error", "SAML metadata 2.3"),
    "document.unexpected_element": ("error", "SAML metadata 2.3.1"),
    "document.empty": ("error", "SAML metadata 2.3.1"),
    "document.duplicate_entity": ("error", "SAML metadata 2.3.2"),
    "document.duplicate_id": ("warning", "SAML core 1.3.4"),
    "document.shared_key": ("warning", "SAML metadata 2.4.1.1"),
    "document.no_publication_info": ("info", "MDRPI 2.2"),
    "document.schema": ("error", "SAML metadata 1.1"),
}
_ENTITY: Final[Mapping[str, tuple[Severity, str]]] = {
    "entity.expired": ("error", "SAML metadata 2.3.2"),
    "entity.id_characters": ("error", "SAML core 8.3.6"),
    "entity.id_too_long": ("error", "SDP-G04"),
    "entity.id_not_a_uri": ("error", "SDP-G04"),
    "entity.id_scheme": ("warning", "SAML metadata 2.3.2"),
    "entity.id_fragment": ("warning", "SAML metadata 4.1"),
    "entity.test_host": ("warning", "RFC 2606; RFC 6761"),
    "entity.no_saml2_role": ("error", "SAML metadata 2.4.1"),
    "entity.role_repeated": ("warning", "SAML metadata 2.3.2"),
    "entity.registration_missing": ("warning", "eduGAIN SAML profile 4; MDRPI 2.1"),
    "entity.registration_repeated": ("error", "MDRPI 2.1"),
    "entity.registration_authority": ("error", "MDRPI 2.1.1"),
    "entity.registration_policy": ("info", "MDRPI 2.1.1"),
    "entity.registration_instant": ("warning", "MDRPI 2.1.1"),
    "entity.organization_missing": ("warning", "eduGAIN SAML profile 4"),
    "entity.organization_english": ("warning", "eduGAIN SAML profile 4"),
    "entity.organization_url": ("error", "SAML metadata 2.3.2.1"),
    "entity.technical_contact": ("warning", "SDP-MD11"),
    "entity.support_contact": ("info", "eduGAIN SAML profile 4"),
    "entity.contact_without_email": ("warning", "SAML metadata 2.3.2.2"),
    "entity.contact_email": ("warning", "SAML metadata 2.3.2.2"),
    "entity.security_contact_type": ("warning", "REFEDS Security Contact Metadata 1.0"),
    "entity.unknown_extension": ("info", "SAML metadata 2.3.2"),
    "text.language_missing": ("error", "SAML metadata 2.2.4"),
    "text.language_tag": ("warning", "RFC 5646"),
    "text.language_repeated": ("warning", "MDUI 2.1"),
    "text.empty": ("warning", "SAML metadata 2.2.4"),
    "text.characters": ("error", "MDUI 3"),
}
_ROLE: Final[Mapping[str, tuple[Severity, str]]] = {
    "role.saml1_only": ("warning", "SAML metadata 2.4.1"),
    "role.protocol_unknown": ("info", "SAML metadata 2.4.1"),
    "role.signing_key": ("error", "SDP-MD08"),
    "role.aa_signing_key": ("warning", "SAML metadata 2.4.7"),
    "role.encryption_key": ("warning", "SDP-MD08"),
    "role.only_weak_digests": ("warning", "SDP-ALG01; Metadata Profile for Algorithm Support 2"),
    "key.unreadable": ("error", "SAML Metadata Interoperability Profile 2.6.1"),
    "key.weak": ("error", "SDP-MD06; SDP-MD07"),
    "key.kind": ("warning", "SDP-MD05"),
    "key.bare": ("info", "SDP-MD05"),
    "key.several": ("warning", "SAML Metadata Interoperability Profile 2.6.1"),
    "key.certificate_dates": ("info", "SDP-MD05"),
    "key.certificate_signature": ("info", "SDP-MD05"),
    "key.only_cbc": ("warning", "SDP-ALG01"),
    "key.only_rsa_1_5": ("warning", "SDP-ALG01"),
    "key.only_sha1": ("info", "SDP-ALG01"),
    "endpoint.unusable": ("error", "SAML metadata 2.2.2"),
    "endpoint.not_https": ("error", "SDP-SP09; SAML2Int 2.0, IdP requests"),
    "endpoint.fragment": ("error", "SAML bindings 3.4.3"),
    "endpoint.test_host": ("warning", "RFC 2606; RFC 6761"),
    "endpoint.ip_address": ("warning", "eduGAIN SAML profile 4"),
    "endpoint.other_host": ("info", "SAML metadata 4.1"),
    "endpoint.binding_unknown": ("warning", "SAML bindings 3"),
    "endpoint.not_soap": ("warning", "SAML metadata 2.4.2; 2.4.7"),
    "endpoint.index_repeated": ("error", "SAML metadata 2.2.3"),
    "endpoint.several_defaults": ("warning", "SAML metadata 2.2.3"),
    "endpoint.binding_repeated": ("info", "SAML metadata 2.4.2"),
}
_IDP: Final[Mapping[str, tuple[Severity, str]]] = {
    "idp.redirect_missing": ("error", "SAML2Int 2.0, IdP requests"),
    "idp.scope_missing": ("warning", "SDP-SP18; Shibboleth Metadata Profile 1.0 2"),
    "idp.scope_domain": ("error", "SAML Subject Identifier Attributes 3.5.2"),
    "idp.scope_regexp": ("warning", "SDP-SP18"),
    "idp.scope_regexp_unusable": ("error", "Shibboleth Metadata Profile 1.0 2"),
    "idp.scope_unanchored": ("error", "Shibboleth Metadata Profile 1.0 2"),
    "idp.scope_unescaped_dot": ("warning", "Shibboleth Metadata Profile 1.0 2"),
    "idp.scope_too_wide": ("error", "SDP-SP18"),
    "idp.error_url_missing": ("warning", "SDP-MD12"),
    "idp.error_url": ("warning", "SDP-MD12"),
    "idp.hidden": ("info", "REFEDS Hide From Discovery 1"),
    "idp.hint": ("warning", "MDUI 2.2"),
}
_SP: Final[Mapping[str, tuple[Severity, str]]] = {
    "sp.post_missing": ("error", "SDP-SP08"),
    "sp.redirect_consumer": ("error", "SAML profiles 4.1.2"),
    "sp.requested_name_format": ("warning", "SAML2Int 2.0, attributes"),
    "sp.requested_unknown": ("info", "SAML metadata 2.4.4.2"),
    "sp.requested_friendly_name": ("warning", "SAML core 2.7.3.1"),
    "sp.requested_repeated": ("info", "SAML metadata 2.4.4.1"),
    "sp.discovery_missing": ("info", "SDP-SP24"),
    "sp.discovery_binding": ("error", "IdP Discovery Protocol 2.4"),
    "sp.discovery_host": ("warning", "IdP Discovery Protocol 2.5"),
    "sp.subject_id_missing": ("info", "SDP-SP16"),
    "sp.subject_id_value": ("error", "SAML Subject Identifier Attributes 2.1"),
    "sp.subject_id_conflict": ("warning", "SDP-SP14; SAML Subject Identifier Attributes 2.1"),
    "sp.privacy_statement": ("warning", "SDP-MD09"),
}
_DISPLAY: Final[Mapping[str, tuple[Severity, str]]] = {
    "display.repeated": ("error", "MDUI 2.1"),
    "display.misplaced": ("warning", "MDUI 2.1"),
    "display.name_missing": ("warning", "SDP-MD09; eduGAIN SAML profile 4"),
    "display.name_english": ("warning", "eduGAIN SAML profile 4"),
    "display.description": ("info", "eduGAIN SAML profile 4"),
    "display.logo_missing": ("warning", "SDP-MD09"),
    "display.logo_address": ("error", "SDP-MD10"),
    "display.logo_size": ("warning", "MDUI 2.1.5"),
    "display.logo_data": ("error", "SDP-MD10"),
    "display.logo_data_large": ("warning", "SDP-MD10"),
    "display.logo_script": ("error", "MDUI 3"),
    "display.link": ("error", "MDUI 3"),
}
_CATEGORY: Final[Mapping[str, tuple[Severity, str]]] = {
    "category.name_format": ("warning", "RFC 8409 3"),
    "category.not_for_this_role": ("warning", "REFEDS Hide From Discovery 1; Research and Scholarship 3"),
    "category.research_display": ("error", "REFEDS Research and Scholarship 1.3 4.3.3"),
    "category.research_contact": ("error", "REFEDS Research and Scholarship 1.3 4.3.4"),
    "category.research_requested": ("warning", "REFEDS Research and Scholarship 1.3 6"),
    "category.research_more": ("warning", "REFEDS Research and Scholarship 1.3 5"),
    "category.conduct_privacy": ("error", "REFEDS Code of Conduct 2.0 5.1; GEANT Code of Conduct 1.0"),
    "category.conduct_requested": ("warning", "REFEDS Code of Conduct 2.0 5.2"),
    "category.access_display": ("warning", "REFEDS Personalized, Pseudonymous and Anonymous Access 2.0 4"),
    "category.access_subject_id": ("warning", "REFEDS Personalized and Pseudonymous Access 2.0 6"),
    "category.sirtfi_contact": ("error", "REFEDS Sirtfi 2.0; Security Contact Metadata 1.0"),
}

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        code: Rule(severity, section)
        for part in (_DOCUMENT, _ENTITY, _ROLE, _IDP, _SP, _DISPLAY, _CATEGORY)
        for code, (severity, section) in part.items()
    }
)
