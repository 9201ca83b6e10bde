"""What a resource is about to learn, and how it presents itself: from the Attribute Authority's answer and the resource's metadata.

Pure: asks nobody, decides nothing about a person's choice.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from ostiary.attributes import Attribute, Value
from ostiary.consent.choices import Offered
from ostiary.federation.model import AttributeConsumingService, Display, Entity, Logo
from ostiary.identifiers.requirement import identifiers_asked, read_requirement
from ostiary.ports import Release
from ostiary.saml.attribute_names import friendly_name

# The person's own reasons; everything else that is withheld never comes before her.
_HERS: Final = ("withheld", "not_asked")
_EMBEDDED: Final = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml)[;,]")
_MAXIMUM_EMBEDDED: Final = 100_000
_MAXIMUM_ADDRESS: Final = 2_000
_MAXIMUM_SIDE: Final = 240
_ORIGIN: Final = re.compile(r"https://[a-z0-9.-]+(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class ShownLogo:
    """A picture for the page; ``origin`` is where the browser gets it from, empty where the page carries it."""

    url: str
    width: int
    height: int
    origin: str = ""


class Required(NamedTuple):
    """The names of what a resource says it can't do without, by the index of the consuming service (SAML metadata 2.4.4) that says so,
    and where no service has the index, or none is given: its default one says so. The subject identifier that the resource's entity
    attribute asks for is required in any case."""

    by_index: Mapping[int, frozenset[str]]
    otherwise: frozenset[str]

    def at(self, index: int | None) -> frozenset[str]:
        """The names for this index."""
        return self.otherwise if index is None else self.by_index.get(index, self.otherwise)


def offered_by(release: Release, required: frozenset[str]) -> tuple[Offered, ...]:
    """What the organisation's policies let go, whatever the person said before, in the order of the answer. What a mandatory policy lets
    go is required, beside what the resource requires."""
    found: dict[str, dict[Value, None]] = {}
    hers: set[str] = set()
    mandatory: set[str] = set()
    for name, value, released, _, _, reason, bound in release.decision.verdicts:
        if released or reason in _HERS:
            if name in found:
                found[name][value] = None
            else:
                found[name] = {value: None}
            if not bound:
                hers.add(name)
            elif released:
                mandatory.add(name)
    for attribute in release.attributes:
        found.setdefault(attribute.name, {}).update(dict.fromkeys(attribute.values))
    # A resource asks for what no standard names by its wire name.
    wire_names = release.wire_names
    required = frozenset([wire_names.get(name, name) for name in required]) | (mandatory - hers)
    return tuple([Offered(Attribute(name, tuple(values)), name in required) for name, values in found.items()])


def fingerprint(principal: str, offered: Iterable[Offered]) -> str:
    """Names exactly what a page shows to one person, so that an answer is never taken for one about something else."""
    content = [[one.name, one.required, *one.attribute.texts()] for one in offered]
    return hashlib.sha256(json.dumps([principal, content]).encode()).hexdigest()


def logo_of(sp: Entity, language: str, allowed: Literal["none", "embedded", "fetched"]) -> ShownLogo | None:
    """The resource's logo, as far as the organisation shows any: one in this language before one in none before any other."""
    if allowed == "none":
        return None
    shown = [(logo, found) for logo in _display(sp).logos if (found := _shown(logo, allowed)) is not None]
    ranked = sorted(shown, key=lambda pair: (_distance(pair[0].lang, language), bool(pair[1].origin)))
    return ranked[0][1] if ranked else None


def required_by(sp: Entity) -> Required:
    """What the resource's metadata says it can't do without."""
    services = sp.sp.attribute_consuming if sp.sp is not None else ()
    # Of the two that answer "any" only one goes, so each of them is the one that is required.
    identifiers = frozenset(identifiers_asked(read_requirement(sp.entity_attributes)))
    by_index: dict[int, frozenset[str]] = {}
    for service in services:
        by_index.setdefault(service.index, identifiers | _required_by(service))
    default = _default(services)
    return Required(by_index, identifiers | _required_by(default) if default is not None else identifiers)


def _required_by(service: AttributeConsumingService) -> frozenset[str]:
    return frozenset(friendly_name(one.name, one.name_format) for one in service.requested if one.required)


def _default(services: tuple[AttributeConsumingService, ...]) -> AttributeConsumingService | None:
    marked = next((service for service in services if service.is_default), None)
    unmarked = next((service for service in services if service.is_default is None), None)
    return marked or unmarked or (services[0] if services else None)


def _display(sp: Entity) -> Display:
    return sp.sp.display if sp.sp is not None else Display()


def _shown(logo: Logo, allowed: Literal["embedded", "fetched"]) -> ShownLogo | None:
    longest = max(logo.width, logo.height, 1)
    scale = min(1.0, _MAXIMUM_SIDE / longest)
    width, height = max(1, round(logo.width * scale)), max(1, round(logo.height * scale))
    if _EMBEDDED.match(logo.url) and len(logo.url) <= _MAXIMUM_EMBEDDED:
        return ShownLogo(logo.url, width, height)
    if allowed == "fetched" and len(logo.url) <= _MAXIMUM_ADDRESS:
        try:
            parts = urlsplit(logo.url)
        except ValueError:
            return None
        origin = f"{parts.scheme}://{parts.netloc}".lower()
        # It becomes part of the page's Content-Security-Policy.
        return ShownLogo(logo.url, width, height, origin) if _ORIGIN.fullmatch(origin) else None
    return None


def _distance(lang: str | None, language: str) -> int:
    if not lang:
        return 1
    return 0 if lang.lower().partition("-")[0] == language.lower().partition("-")[0] else 2
