"""Which resource somebody means by an address, a host name or words: by what metadata says about it. Pure; trusts nobody, opens nothing.

An address names a resource where its host is the very host of the resource's entityID or of an endpoint where it takes logins. A host
above or below one of those, by whole labels, is near: then the person chooses. What hides where it leads (a user name before ``@``,
backslashes, encoded slashes) names nothing.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ostiary.config.derived import Derived
from ostiary.federation.model import Entity
from ostiary.policy.urltree import Location, read_url

MAXIMUM_TYPED: Final = 1024
MAXIMUM_FOUND: Final = 50
_MOST_REMEMBERED: Final = 20_000


class Closeness(IntEnum):
    """How well a resource fits what was typed in; the lowest is the best."""

    ENTITY_ID = 0
    ORIGIN = 1
    HOST = 2
    NEAR = 3
    WORDS = 4


@dataclass(frozen=True, slots=True)
class Found:
    """The resources that fit best, at most `MAXIMUM_FOUND`, and how many more do; ``closeness`` None where nothing fits."""

    resources: tuple[Entity, ...] = ()
    closeness: Closeness | None = None
    left_out: int = 0

    @property
    def certain(self) -> Entity | None:
        """The one that is meant, where there is no doubt."""
        sure = self.closeness is not None and self.closeness <= Closeness.HOST
        return self.resources[0] if sure and len(self.resources) == 1 and not self.left_out else None


@dataclass(frozen=True, slots=True)
class _Known:
    """What a resource is found by: its addresses in lower case, one a line, and all its names, case-folded."""

    addresses: str
    words: str


class Finder:
    """Finds resources among those of metadata; what is worked out of each entity's metadata is remembered while that lasts."""

    def __init__(self) -> None:
        self._known = Derived(_known, most=_MOST_REMEMBERED)

    def find(self, typed: str, entities: Iterable[Entity]) -> Found:
        """The resources (entities with an SP role) that ``typed`` names best: an entityID, an address, a host name, else words."""
        typed = " ".join(typed.split())
        resources = [entity for entity in entities if entity.sp is not None]
        exact = [entity for entity in resources if entity.entity_id == typed]
        if not typed or exact:
            return Found(tuple(exact), Closeness.ENTITY_ID if exact else None)
        location = _read(typed)
        possible = _traces(location.origin[1]) if location is not None else ()
        words = typed.casefold().split()
        by_closeness: dict[Closeness, list[Entity]] = {}
        for entity in resources:
            known = self._known(entity)
            fits = None
            # Reading addresses takes a hundred times as long as looking for a text in them.
            if location is not None and any(trace in known.addresses for trace in possible):
                fits = _closeness(known, location, typed)
            if fits is None and all(word in known.words for word in words):
                fits = Closeness.WORDS
            if fits is not None:
                by_closeness.setdefault(fits, []).append(entity)
        if not by_closeness:
            return Found()
        best = min(by_closeness)
        found = sorted(by_closeness[best], key=lambda entity: (entity.name("en").casefold(), entity.entity_id))
        return Found(tuple(found[:MAXIMUM_FOUND]), best, max(0, len(found) - MAXIMUM_FOUND))

    def words(self, entity: Entity) -> str:
        """All names of a resource and its entityID, case-folded."""
        return self._known(entity).words


def _closeness(known: _Known, location: Location, typed: str) -> Closeness | None:
    read = (read_url(address) for address in known.addresses.splitlines())
    origins = {found.origin for found in read if found is not None}
    if location.origin in origins and "://" in typed:
        return Closeness.ORIGIN
    host, hosts = location.origin[1], {origin[1] for origin in origins}
    if host in hosts:
        return Closeness.HOST
    return Closeness.NEAR if any(_near(host, other) for other in hosts) else None


def _traces(host: str) -> tuple[str, ...]:
    """Of these one stands in the addresses of every resource that may be meant: the host itself, one above it, or one below it."""
    labels = host.split(".")
    above = (".".join(labels[number:]) for number in range(max(1, len(labels) - 1)))
    return (*(f"//{one}" for one in above), f".{host}")


def _near(one: str, other: str) -> bool:
    """Whether one of the hosts is below the other; a name of one label, or an address in numbers, has nothing below it."""
    if _is_address(one) or _is_address(other):
        return False
    return _below(one, other) or _below(other, one)


def _below(host: str, above: str) -> bool:
    return "." in above and host.endswith("." + above)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _read(typed: str) -> Location | None:
    """An address as browsers show it, or a host name with or without a path."""
    if " " in typed or typed.startswith(("/", ".")):
        return None
    text = typed if "://" in typed else f"https://{typed}"
    scheme, _, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    try:
        # The name as the DNS has it. Others than letters are never compared as they look.
        plain = host.encode("idna").decode("ascii") if not host.isascii() else host
    except UnicodeError:
        return None
    # What comes after a question mark or a number sign says nothing about whose address it is.
    plain = plain.partition("?")[0].partition("#")[0]
    if "/" in plain:
        # Letters that only look like a slash became one.
        return None
    path = path.partition("?")[0].partition("#")[0]
    return read_url(f"{scheme}://{plain}{slash if path.isascii() else ''}{path if path.isascii() else ''}")


def _known(entity: Entity) -> _Known:
    role = entity.sp
    endpoints = (*role.assertion_consumers, *role.discovery_responses) if role is not None else ()
    addresses = dict.fromkeys([entity.entity_id, *(endpoint.location for endpoint in endpoints)])
    display = role.display if role is not None else None
    texts = [text.text for text in (*(display.names if display is not None else ()), *entity.organization_names)]
    texts += [text.text for text in display.keywords] if display is not None else []
    return _Known(
        "\n".join(address.lower() for address in addresses if address.isprintable()),
        " ".join([*texts, entity.entity_id]).casefold(),
    )
