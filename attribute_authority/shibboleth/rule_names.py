"""What the types of rules in an attribute-filter.xml are called, and which of them release policies can't say."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attribute_authority.shibboleth.formula import Reason

NAMES_OF_TODAY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AttributeRequesterString": "Requester",
        "AttributeRequesterRegex": "RequesterRegex",
        "AttributeIssuerString": "Issuer",
        "AttributeIssuerRegex": "IssuerRegex",
        "PrincipalNameString": "PrincipalName",
        "AuthenticationMethodString": "AuthenticationMethod",
        "AttributeValueString": "Value",
        "AttributeValueRegex": "ValueRegex",
        "AttributeScopeString": "Scope",
        "AttributeScopeRegex": "ScopeRegex",
        "AttributeRequesterEntityAttributeExactMatch": "EntityAttributeExactMatch",
        "AttributeRequesterEntityAttributeRegexMatch": "EntityAttributeRegexMatch",
        "AttributeIssuerEntityAttributeExactMatch": "IssuerEntityAttributeExactMatch",
        "AttributeIssuerEntityAttributeRegexMatch": "IssuerEntityAttributeRegexMatch",
        "AttributeRequesterNameIDFormatExactMatch": "NameIDFormatExactMatch",
        "AttributeIssuerNameIDFormatExactMatch": "IssuerNameIDFormatExactMatch",
        "AttributeRequesterInEntityGroup": "InEntityGroup",
        "AttributeIssuerInEntityGroup": "IssuerInEntityGroup",
        "AttributeRequesterRegistrationAuthority": "RegistrationAuthority",
        "AttributeIssuerRegistrationAuthority": "IssuerRegistrationAuthority",
        "SAMLAttributeInMetadata": "AttributeInMetadata",
        "AttributeScopeMatchesShibMDScope": "ScopeMatchesShibMDScope",
        "AttributeValueMatchesShibMDScope": "ValueMatchesShibMDScope",
    }
)
"""The types of rules as version 2 called them, and as they are called since version 3."""

WITHOUT_WORDS: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        "Script": "script",
        "Predicate": "script",
        "Profile": "profile",
        "ProxiedRequester": "proxy",
        "ProxiedRequesterRegex": "proxy",
        "ProxiedRequesterInEntityGroup": "proxy",
        "ProxiedRequesterRegistrationAuthority": "proxy",
        "ProxiedRequesterEntityAttributeExactMatch": "proxy",
        "ProxiedRequesterEntityAttributeRegexMatch": "proxy",
        "Issuer": "issuer",
        "IssuerRegex": "issuer",
        "IssuerEntityAttributeExactMatch": "issuer",
        "IssuerEntityAttributeRegexMatch": "issuer",
        "IssuerNameIDFormatExactMatch": "issuer",
        "IssuerInEntityGroup": "issuer",
        "IssuerRegistrationAuthority": "issuer",
        "ScopeMatchesShibMDScope": "issuer",
        "ValueMatchesShibMDScope": "issuer",
        "NameIDFormatExactMatch": "name_id_format",
    }
)
"""The types that release policies have no words for, and why."""
