"""What lists, searches and filters need to know of an entity, without its keys and endpoints: small enough to hold thousands. Data only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ostiary.federation.model import Entity, IdpRole, LocalizedText, Logo, Role, localized
from ostiary.saml import names

RoleName = Literal["idp", "sp", "aa"]


@dataclass(frozen=True, slots=True)
class RoleSpan:
    """A role that supports SAML 2.0. ``valid_until`` is the role's effective end: the earliest of its own, the entity's and those of all
    that enclose it; None where none is set."""

    name: RoleName
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """One entity, in short.

    ``names``: its display names (mdui, of the first role that has them), else its organisation's; ``keywords``, ``logos`` likewise.
    ``domains``: scopes that are no pattern. ``domain_hints``, ``ip_hints`` (networks as text) and ``geolocation_hints`` (geo: URIs) of
    mdui:DiscoHints. ``entity_attributes`` as in `Entity`. ``offers_sign_on``: the IdP role has an endpoint for it;
    ``takes_shibboleth_requests``: one of them is for the original Shibboleth's request (`names.SHIBBOLETH_REQUEST`).
    """

    entity_id: str
    roles: tuple[RoleSpan, ...] = ()
    names: tuple[LocalizedText, ...] = ()
    keywords: tuple[LocalizedText, ...] = ()
    logos: tuple[Logo, ...] = ()
    domains: tuple[str, ...] = ()
    domain_hints: tuple[str, ...] = ()
    ip_hints: tuple[str, ...] = ()
    geolocation_hints: tuple[str, ...] = ()
    registration_authority: str | None = None
    entity_attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    valid_until: datetime | None = None
    offers_sign_on: bool = False
    takes_shibboleth_requests: bool = False

    def has(self, role: RoleName, now: datetime) -> bool:
        """Whether it has this role, and the role is valid now."""
        return any(span.name == role and not expired(span.valid_until, now) for span in self.roles)

    def name(self, *languages: str) -> str:
        """What to call it in front of a person: in the first of these languages that has a name, then English, then any, else entityID."""
        return localized(self.names, *languages) or self.entity_id

    def values_of(self, attribute: str) -> tuple[str, ...]:
        """The values of an entity attribute (a URI)."""
        return tuple(value for name, values in self.entity_attributes if name == attribute for value in values)

    @property
    def entity_categories(self) -> tuple[str, ...]:
        """Values of the entity attribute http://macedir.org/entity-category."""
        return self.values_of(names.ENTITY_CATEGORY)


def summary_of(entity: Entity) -> Summary:
    """The same, of an entity that was read whole."""
    roles: tuple[tuple[RoleName, Role | None], ...] = (("idp", entity.idp), ("sp", entity.sp), ("aa", entity.aa))
    shown = next((role.display for _, role in roles if role is not None and role.display.names), None)
    hints = entity.idp.display if entity.idp is not None else None
    return Summary(
        entity_id=entity.entity_id,
        roles=tuple(
            RoleSpan(name, earliest(entity.valid_until, role.valid_until)) for name, role in roles if role is not None
        ),
        names=(shown.names if shown is not None else ()) or entity.organization_names,
        keywords=shown.keywords if shown is not None else (),
        logos=shown.logos if shown is not None else (),
        domains=_domains(entity.idp),
        domain_hints=hints.domain_hints if hints is not None else (),
        ip_hints=hints.ip_hints if hints is not None else (),
        geolocation_hints=hints.geolocation_hints if hints is not None else (),
        registration_authority=entity.registration_authority,
        entity_attributes=entity.entity_attributes,
        valid_until=entity.valid_until,
        offers_sign_on=bool(entity.idp is not None and entity.idp.single_sign_on),
        takes_shibboleth_requests=bool(
            entity.idp is not None
            and any(endpoint.binding == names.SHIBBOLETH_REQUEST for endpoint in entity.idp.single_sign_on)
        ),
    )


def _domains(idp: IdpRole | None) -> tuple[str, ...]:
    return tuple(scope.value for scope in idp.scopes if not scope.is_pattern) if idp is not None else ()


def earliest(first: datetime | None, second: datetime | None) -> datetime | None:
    """The earlier end of two; None is no end."""
    return min(first, second) if first is not None and second is not None else first or second


def expired(valid_until: datetime | None, now: datetime) -> bool:
    """Whether metadata with this end (exclusive) has ended."""
    return valid_until is not None and now >= valid_until
