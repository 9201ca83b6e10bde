"""Which home organisations a resource accepts, and which of them come first. Pure; goes by metadata and by what a site has set.

It decides what people are shown and what they may choose, never who is let in: the resource does that itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.federation.directory.entity_selection import SelectionProfile, read_profiles
from ostiary.federation.model import Entity
from ostiary.federation.sources.selection import Selection
from ostiary.federation.summary import Summary
from ostiary.identifiers.requirement import read_requirement
from ostiary.saml import names

# Entity categories for which an IdP can say that it supports them: what an SP of the category needs, such an IdP releases.
_SUPPORTED: Final = frozenset(
    {
        names.RESEARCH_AND_SCHOLARSHIP,
        names.CODE_OF_CONDUCT_1,
        names.CODE_OF_CONDUCT_2,
        names.ANONYMOUS_ACCESS,
        names.PSEUDONYMOUS_ACCESS,
        names.PERSONALIZED_ACCESS,
    }
)
# Whoever supports either version honours the code.
_CODES_OF_CONDUCT: Final = frozenset({names.CODE_OF_CONDUCT_1, names.CODE_OF_CONDUCT_2})


@dataclass(frozen=True, slots=True)
class Offer:
    """What is offered to the people of one resource; equal offers accept the same.

    ``selections`` are the site's; ``profile`` is the resource's own. ``needs``: for each, categories of which an IdP should support one.
    ``by_shibboleth_request``: only those that take the original Shibboleth's request.
    """

    selections: tuple[Selection, ...] = ()
    profile: SelectionProfile | None = None
    needs: tuple[frozenset[str], ...] = ()
    by_shibboleth_request: bool = False

    @property
    def accepts_all(self) -> bool:
        """Whether nobody is left out."""
        strict = self.profile is not None and self.profile.strict
        return not self.by_shibboleth_request and not strict and all(one == Selection() for one in self.selections)

    @property
    def ranks(self) -> bool:
        """Whether any come before others."""
        return bool(self.needs) or (self.profile is not None and not self.profile.strict)

    def accepts(self, idp: Summary) -> bool:
        """Whether this IdP is offered at all."""
        if self.by_shibboleth_request and not idp.takes_shibboleth_requests:
            return False
        if self.profile is not None and self.profile.strict and not self.profile.selects(idp):
            return False
        return all(one.keeps(idp) for one in self.selections)

    def rank(self, idp: Summary) -> int:
        """Which come first: 0 for an IdP that the resource prefers and that says it gives what is needed, more for each thing amiss."""
        preferred = self.profile is None or self.profile.strict or self.profile.selects(idp)
        if not self.needs:
            return int(not preferred)
        supported = frozenset(idp.values_of(names.ENTITY_CATEGORY_SUPPORT))
        return int(not preferred) + sum(1 for need in self.needs if need.isdisjoint(supported))


def offer_for(
    resource: Entity,
    selections: Sequence[Selection] = (),
    *,
    profile: str | None = None,
    by_shibboleth_request: bool = False,
) -> Offer:
    """What the metadata of a resource and its site come to. ``profile`` names which of the resource's own selection profiles counts;
    without a name it is the only one, and none where there are several."""
    return Offer(tuple(selections), _profile_of(resource, profile), needs_of(resource), by_shibboleth_request)


def needs_of(resource: Entity) -> tuple[frozenset[str], ...]:
    """What the entity categories of an SP, and the subject identifier that it requires, ask of an IdP.

    No IdP says in metadata which subject identifiers it has; but personalized access promises ``subject-id``, pseudonymous access
    ``pairwise-id`` (REFEDS Entity Categories 2.0).
    """
    own = _SUPPORTED.intersection(resource.entity_categories)
    codes = own & _CODES_OF_CONDUCT
    needs = [frozenset({category}) for category in sorted(own - codes)]
    if codes:
        needs.append(codes)
    match read_requirement(resource.entity_attributes):
        case "subject-id":
            needs.append(frozenset({names.PERSONALIZED_ACCESS}))
        case "pairwise-id":
            needs.append(frozenset({names.PSEUDONYMOUS_ACCESS}))
        case "any":
            needs.append(frozenset({names.PERSONALIZED_ACCESS, names.PSEUDONYMOUS_ACCESS}))
    return tuple(dict.fromkeys(needs))


def _profile_of(resource: Entity, name: str | None) -> SelectionProfile | None:
    values = [
        value
        for attribute, found in resource.entity_attributes
        if attribute == names.ENTITY_SELECTION_PROFILE
        for value in found
    ]
    profiles = read_profiles(values, resource.entity_id)
    if name is None:
        return profiles[0] if len(profiles) == 1 else None
    return next((profile for profile in profiles if profile.name == name), None)
