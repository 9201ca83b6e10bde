"""Which entities of a source are taken: by entityID, registration authority, entity category, role, and whether they want to be found.
Pure; goes by what an entity says of itself in a document that is believed, and trusts nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from ostiary.federation.summary import Summary
from ostiary.policy.patterns import compile_pattern
from ostiary.saml import names


@dataclass(frozen=True, slots=True)
class Criteria:
    """What an entity can be known by. ``entities_matching``: patterns (`compile_pattern`) for the whole entityID; ``roles``: idp, sp, aa;
    ``hidden_from_discovery``: those of the category hide-from-discovery."""

    entities: frozenset[str] = frozenset()
    entities_matching: frozenset[str] = frozenset()
    registration_authorities: frozenset[str] = frozenset()
    entity_categories: frozenset[str] = frozenset()
    entity_category_support: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    hidden_from_discovery: bool = False

    def answers(self, summary: Summary) -> tuple[bool, ...]:
        """For each criterion that is set, whether the entity has it. Any one of the values of a criterion will do."""
        found = []
        if self.entities or self.entities_matching:
            named = summary.entity_id in self.entities
            found.append(named or any(compile_pattern(p).matches(summary.entity_id) for p in self.entities_matching))
        if self.registration_authorities:
            found.append(summary.registration_authority in self.registration_authorities)
        if self.entity_categories:
            found.append(not self.entity_categories.isdisjoint(summary.entity_categories))
        if self.entity_category_support:
            supported = summary.values_of(names.ENTITY_CATEGORY_SUPPORT)
            found.append(not self.entity_category_support.isdisjoint(supported))
        if self.roles:
            found.append(any(span.name in self.roles for span in summary.roles))
        if self.hidden_from_discovery:
            found.append(names.HIDE_FROM_DISCOVERY in summary.entity_categories)
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """For another process; `criteria_from` reads it."""
        return {
            field.name: sorted(value) if isinstance(value, frozenset) else value
            for field in fields(self)
            if (value := getattr(self, field.name))
        }


def criteria_from(data: Mapping[str, Any]) -> Criteria:
    """What `Criteria.as_json` wrote."""
    read: dict[str, Any] = {
        name: frozenset(value) if isinstance(value, list) else value for name, value in data.items()
    }
    return Criteria(**read)


ANYTHING: Final = Criteria()
"""Sets no criterion."""


@dataclass(frozen=True, slots=True)
class Selection:
    """``include``: an entity is taken if it has everything that is set there; ``exclude``: and left out if it has anything of this."""

    include: Criteria = ANYTHING
    exclude: Criteria = ANYTHING

    def keeps(self, summary: Summary) -> bool:
        """Whether this entity is taken."""
        return all(self.include.answers(summary)) and not any(self.exclude.answers(summary))


EVERYTHING: Final = Selection()
"""Takes every entity."""
