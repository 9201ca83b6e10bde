"""Rules of entity categories: what an entity has to publish for what it claims to be. Pure functions; whether a claim is true, a federation
has to find out."""

from collections.abc import Iterator
from typing import Final

from ostiary.federation.validation.descriptor import EntityView, RoleView, all_of, in_language, words_of
from ostiary.federation.validation.entity_rules import has_contact
from ostiary.federation.validation.findings import Complaint, complain
from ostiary.identifiers.requirement import REQUIREMENT
from ostiary.saml import names
from ostiary.saml.attribute_names import wire_name
from ostiary.saml.xml import Element, qname

RESEARCH: Final = "http://refeds.org/category/research-and-scholarship"
CONDUCT: Final = (
    "https://refeds.org/category/code-of-conduct/v2",
    "http://www.geant.net/uri/dataprotection-code-of-conduct/v1",
)
PERSONALIZED: Final = "https://refeds.org/category/personalized"
PSEUDONYMOUS: Final = "https://refeds.org/category/pseudonymous"
ANONYMOUS: Final = "https://refeds.org/category/anonymous"
ASSURANCE: Final = "urn:oasis:names:tc:SAML:attribute:assurance-certification"
SIRTFI: Final = ("https://refeds.org/sirtfi", "https://refeds.org/sirtfi2")
_RESEARCH_ATTRIBUTES: Final = (
    *("eduPersonPrincipalName", "eduPersonTargetedID", "mail", "displayName", "givenName", "sn"),
    "eduPersonScopedAffiliation",
)
_SUBJECT_ID: Final = {PERSONALIZED: "subject-id", PSEUDONYMOUS: "pairwise-id"}


def category_rules(view: EntityView) -> Iterator[Complaint]:
    """RFC 8409 and the REFEDS documents named with each rule."""
    for attribute in view.attributes:
        if attribute.get("NameFormat") != names.URI_NAME:
            yield complain("category.name_format", attribute, found=attribute.get("Name", "-"))
    yield from _wrong_role(view)
    for role in view.of("sp"):
        yield from _research(view, role)
        yield from _conduct(view, role)
        yield from _access(view, role)
    yield from _incidents(view)


def _wrong_role(view: EntityView) -> Iterator[Complaint]:
    """Some categories mean something for one kind of role alone."""
    for category, kind in (
        (names.HIDE_FROM_DISCOVERY, "idp"),
        *((one, "sp") for one in (RESEARCH, *CONDUCT, PERSONALIZED, PSEUDONYMOUS, ANONYMOUS)),
    ):
        element = view.categories.get(category)
        if element is not None and not any(role.kind == kind for role in view.roles):
            yield complain("category.not_for_this_role", element, found=category)


def _research(view: EntityView, role: RoleView) -> Iterator[Complaint]:
    """REFEDS Research and Scholarship 1.3, 4.3.3, 4.3.4, 5 and 6."""
    claimed = view.categories.get(RESEARCH)
    if claimed is None:
        return
    missing = _missing(role, "DisplayName", "InformationURL")
    if missing:
        yield complain("category.research_display", claimed, missing=", ".join(missing))
    if not has_contact(view, "technical"):
        yield complain("category.research_contact", claimed)
    requested = _requested(role)
    if not requested:
        yield complain("category.research_requested", claimed)
    allowed = {wire_name(name) for name in _RESEARCH_ATTRIBUTES}
    more = [one for one in requested if one.get("Name") not in allowed and one.get("isRequired") in ("true", "1")]
    for one in more:
        yield complain("category.research_more", one, found=one.get("FriendlyName") or one.get("Name", "-"))


def _conduct(view: EntityView, role: RoleView) -> Iterator[Complaint]:
    """REFEDS Code of Conduct 2.0, 5.1 and 5.2; GEANT Code of Conduct 1.0, whose SAML profile asks for the same."""
    claimed = next((view.categories[one] for one in CONDUCT if one in view.categories), None)
    if claimed is None:
        return
    missing = _missing(role, "PrivacyStatementURL", "DisplayName", "Description")
    if missing:
        yield complain("category.conduct_privacy", claimed, missing=", ".join(missing))
    if not _requested(role) and not view.values_of(REQUIREMENT):
        yield complain("category.conduct_requested", claimed)


def _access(view: EntityView, role: RoleView) -> Iterator[Complaint]:
    """REFEDS Anonymous, Pseudonymous and Personalized Access 2.0, 4 and 6."""
    for category in (PERSONALIZED, PSEUDONYMOUS, ANONYMOUS):
        claimed = view.categories.get(category)
        if claimed is None:
            continue
        missing = _missing(role, "DisplayName", "InformationURL", "PrivacyStatementURL")
        if missing:
            yield complain("category.access_display", claimed, missing=", ".join(missing))
        wanted = _SUBJECT_ID.get(category)
        asked = {text for _, text in view.values_of(REQUIREMENT)}
        if wanted is not None and wanted not in asked:
            yield complain("category.access_subject_id", claimed, wanted=wanted)


def _incidents(view: EntityView) -> Iterator[Complaint]:
    """REFEDS Sirtfi: whoever answers to incidents is named (Security Contact Metadata 1.0)."""
    claimed = next((element for element, text in view.values_of(ASSURANCE) if text in SIRTFI), None)
    if claimed is None:
        return
    marked = (one for one in view.contacts if one.get(qname(names.REMD, "contactType")) == names.SECURITY_CONTACT)
    if not any(words_of(address) for one in marked for address in all_of(one, names.MD, "EmailAddress")):
        yield complain("category.sirtfi_contact", claimed)


def _missing(role: RoleView, *wanted: str) -> tuple[str, ...]:
    """Of these parts of mdui:UIInfo, those that there is no English text for."""
    return tuple(name for name in wanted if not in_language(all_of(role.ui, names.MDUI, name)))


def _requested(role: RoleView) -> tuple[Element, ...]:
    services = all_of(role.element, names.MD, "AttributeConsumingService")
    return tuple(one for service in services for one in all_of(service, names.MD, "RequestedAttribute"))
