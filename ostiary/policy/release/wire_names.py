"""Attributes that no standard names: a requester asks for them by the URI that stands in SAML messages, policies know them by our name."""

from collections.abc import Mapping
from dataclasses import replace

from ostiary.attributes import Attributes
from ostiary.policy.release.requester import Requester


def own_wire_names(attributes: Attributes) -> dict[str, str]:
    """The names of those of ``attributes`` that have a wire name of their own, by that."""
    return {attribute.wire_name: attribute.name for attribute in attributes if attribute.wire_name is not None}


def requested_in_our_names(requester: Requester, ours: Mapping[str, str]) -> Requester:
    """The requester, what its metadata asks for by one of these wire names under our name."""
    if not any(asked.name in ours for asked in requester.requested):
        return requester
    requested = tuple(replace(asked, name=ours.get(asked.name, asked.name)) for asked in requester.requested)
    return replace(requester, requested=requested)


def in_our_names(
    attributes: Attributes, wanted: Attributes | None, requester: Requester
) -> tuple[Attributes | None, Requester]:
    """What is ``wanted`` and what the metadata of ``requester`` asks for, the wire names of ``attributes`` replaced by their names."""
    ours = own_wire_names(attributes)
    if not ours:
        return wanted, requester
    if wanted is not None:
        wanted = tuple(asked._replace(name=ours.get(asked.name, asked.name)) for asked in wanted)
    return wanted, requested_in_our_names(requester, ours)
