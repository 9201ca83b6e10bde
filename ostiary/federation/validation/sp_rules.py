"""Rules for service providers: where answers go, what is asked for, how people come back from discovery. Pure functions."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from ostiary.federation.validation.descriptor import EntityView, RoleView, all_of, words_of
from ostiary.federation.validation.endpoint_rules import host_of
from ostiary.federation.validation.findings import Complaint, complain
from ostiary.identifiers.requirement import REQUIREMENT
from ostiary.saml import names
from ostiary.saml.attribute_names import friendly_name, is_known
from ostiary.saml.attribute_names import wire_name as wire_name_of
from ostiary.saml.xml import Element

_REQUIREMENTS: Final = frozenset({"subject-id", "pairwise-id", "any", "none"})


def sp_rules(view: EntityView) -> Iterator[Complaint]:
    """SDP-SP08 to SDP-SP24, SDP-MD09, SAML profiles 4.1.2, IdP Discovery Protocol 2.4."""
    for role in view.of("sp"):
        yield from _consumers(role)
        yield from _discovery(role)
        for service in all_of(role.element, names.MD, "AttributeConsumingService"):
            yield from _requested(service)
        if not any(map(words_of, all_of(role.ui, names.MDUI, "PrivacyStatementURL"))):
            yield complain("sp.privacy_statement", role.element)
        yield from _subject_identifier(view, role)


def _consumers(role: RoleView) -> Iterator[Complaint]:
    consumers = list(all_of(role.element, names.MD, "AssertionConsumerService"))
    bindings = {one.get("Binding") for one in consumers}
    if names.HTTP_POST not in bindings:
        yield complain("sp.post_missing", role.element)
    for one in consumers:
        if one.get("Binding") == names.HTTP_REDIRECT:
            yield complain("sp.redirect_consumer", one)


def _discovery(role: RoleView) -> Iterator[Complaint]:
    found = list(all_of(role.extensions, names.IDPDISC, "DiscoveryResponse"))
    if not found:
        yield complain("sp.discovery_missing", role.element)
        return
    own = {host_of(one) for one in all_of(role.element, names.MD, "AssertionConsumerService")}
    for one in found:
        if one.get("Binding") != names.IDPDISC:
            yield complain("sp.discovery_binding", one, found=one.get("Binding", "-"))
        if host_of(one) and host_of(one) not in own:
            yield complain("sp.discovery_host", one, found=host_of(one))


def _requested(service: Element) -> Iterator[Complaint]:
    counts: Counter[str] = Counter()
    for one in all_of(service, names.MD, "RequestedAttribute"):
        name, name_format = one.get("Name", ""), one.get("NameFormat", names.UNSPECIFIED_NAME)
        counts[name] += 1
        if counts[name] == 2:
            yield complain("sp.requested_repeated", one, found=name)
        if name_format != names.URI_NAME:
            yield complain("sp.requested_name_format", one, found=name, format=name_format)
            continue
        if friendly_name(name, name_format) == name:
            yield complain("sp.requested_unknown", one, found=name)
        shown = one.get("FriendlyName", "")
        if is_known(shown) and wire_name_of(shown) != name:
            right = friendly_name(name, name_format)
            yield complain("sp.requested_friendly_name", one, found=shown, right=right)


def _subject_identifier(view: EntityView, role: RoleView) -> Iterator[Complaint]:
    """SAML Subject Identifier Attributes Profile 1.0, 2.1: one value of four; and no NameID that says otherwise."""
    found = view.values_of(REQUIREMENT)
    if not found:
        yield complain("sp.subject_id_missing", role.element)
        return
    values = {text for _, text in found}
    if len(values) > 1 or not values <= _REQUIREMENTS:
        yield complain("sp.subject_id_value", found[0][0], found=", ".join(sorted(values)) or "-")
        return
    for one in all_of(role.element, names.MD, "NameIDFormat"):
        if words_of(one) in (names.PERSISTENT, names.EMAIL_ADDRESS):
            yield complain("sp.subject_id_conflict", one, found=words_of(one).rsplit(":", 1)[-1], required=values.pop())
            return
