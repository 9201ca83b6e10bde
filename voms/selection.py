"""Decides which names a member gets, in which order and until when: the one way to a `Grant`. Pure.

Which names, and their order, are security relevant: relying parties authorise on the first. Source: measured behaviour of vomsd 2.1
(docs/voms-protocol.md); where that leaves the order open, ours is: the order list, then what was asked for, then bytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ostiary.errors import Denied, Refusal
from ostiary.x509.attribute_certificate import GenericAttribute
from ostiary.x509.fqan import Fqan
from voms.asking import Asked, Everything, RoleAnywhere, Wish
from voms.members.situation import State
from voms.standing import End, Standing, Value, earliest

ORDER: Final = 1
SHORTENED: Final = 2
SUBSET: Final = 3
UNKNOWN_PARAMETER: Final = 4
_REFUSED: Final = {State.EXPIRED: "voms.expired", State.AUP_DUE: "voms.aup_due"}


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that the client should know although it gets a certificate. ``number`` is the legacy protocol's; the text of
    ``kind`` stands with the answers."""

    number: int
    about: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What limits a grant besides the member's standing: the VO's longest lifetime and the ends of the certificates involved."""

    longest: timedelta
    ends: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be stated about a member of ``vo``: nothing else can be signed."""

    vo: str
    member: str
    fqans: tuple[Fqan, ...]
    attributes: tuple[GenericAttribute, ...]
    targets: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    warnings: tuple[Warned, ...]


def grant(
    standing: Standing, asked: Asked, bounds: Bounds, now: datetime, *, carried: frozenset[Fqan] | None = None
) -> Grant:
    """What this member gets for this request at ``now`` (whole seconds).

    ``carried``: the names in an attribute certificate of this VO that her proxy has already, which no new one exceeds; None when it
    has none. Raises `Denied` (``voms.suspended``, ``voms.expired``, ``voms.aup_due``), `Refusal` (``voms.not_held``,
    ``voms.nothing_left``, ``voms.too_late``).
    """
    if standing.suspended is not None:
        code = _REFUSED.get(standing.situation.state, "voms.suspended")
        raise Denied(code, expected="an active member", found=standing.suspended, vo=standing.vo)
    now = now.replace(microsecond=0)
    roles = _roles_asked_for(standing, asked)
    available = [*_groups_to_state(standing, asked), *roles]
    warnings: list[Warned] = [Warned(UNKNOWN_PARAMETER, name) for name in asked.unknown]
    fqans = _in_order(standing, available, asked)
    if carried is not None:
        fqans = [fqan for fqan in fqans if fqan in carried]
        warnings.append(Warned(SUBSET))
        if not fqans:
            raise Refusal("voms.nothing_left", expected="a name that the proxy carries", found="none", vo=standing.vo)
    _refuse_other_namespace(standing.vo, fqans)
    first = _first_wish(asked)
    if first is not None and fqans[0] not in _meant(standing, first):
        warnings.append(Warned(ORDER, str(first)))
    not_after, shortened = _end(standing, asked, bounds, fqans, now)
    if shortened:
        warnings.append(Warned(SHORTENED, str(int((not_after - now).total_seconds()))))
    return Grant(
        vo=standing.vo,
        member=standing.member,
        fqans=tuple(fqans),
        attributes=_attributes(standing, fqans),
        targets=asked.targets,
        not_before=now,
        not_after=not_after,
        warnings=tuple(warnings),
    )


def _groups_to_state(standing: Standing, asked: Asked) -> Iterator[Fqan]:
    """All of hers, but those that are optional only where a wish means them."""
    wished = {fqan.group for wish in asked.wishes for fqan in _meant(standing, wish) if fqan.role is None}
    return (Fqan(path) for path in sorted(standing.groups) if path not in standing.optional or path in wished)


def _roles_asked_for(standing: Standing, asked: Asked) -> list[Fqan]:
    """The roles to state. Every wish must be held: there is no partial answer."""
    roles: list[Fqan] = []
    for wish in asked.wishes:
        found = _meant(standing, wish)
        if not found:
            raise Refusal(
                "voms.not_held", expected="groups and roles that the member has", found=wish, command=_command(wish)
            )
        roles += [fqan for fqan in found if fqan.role is not None and fqan not in roles]
    return roles


def _meant(standing: Standing, wish: Wish) -> list[Fqan]:
    """The names of this member that a wish stands for."""
    if isinstance(wish, Everything):
        return list(standing.fqans())
    if isinstance(wish, RoleAnywhere):
        return sorted((fqan for fqan in standing.roles if fqan.role == wish.role), key=Fqan.short)
    held = wish in standing.roles if wish.role is not None else wish.group in standing.groups
    return [wish] if held else []


def _in_order(standing: Standing, available: Sequence[Fqan], asked: Asked) -> list[Fqan]:
    """The order list wins over what was asked for, that over the rest, which stands in the order of its bytes."""
    wished: list[Fqan] = []
    for wish in (*asked.order, *asked.wishes):
        wished += [fqan for fqan in _meant(standing, wish) if fqan in available and fqan not in wished]
    rest = sorted(
        (fqan for fqan in available if fqan not in wished), key=lambda fqan: (fqan.role is not None, fqan.short())
    )
    return [*wished, *rest]


def _first_wish(asked: Asked) -> Wish | None:
    return next(iter((*asked.order, *asked.wishes)), None)


def _refuse_other_namespace(vo: str, fqans: Iterable[Fqan]) -> None:
    """The last door: whatever the database holds, no name of another VO is ever stated (RFC 5755 has no such rule; VOMS lives by it)."""
    for fqan in fqans:
        if fqan.vo != vo:
            raise Denied("voms.other_namespace", expected=f"a name below /{vo}", found=fqan, vo=vo)


def _end(
    standing: Standing, asked: Asked, bounds: Bounds, fqans: Sequence[Fqan], now: datetime
) -> tuple[datetime, bool]:
    """When the statement ends: never after what it states, nor after the certificates that it rests on."""
    wanted = now + timedelta(seconds=asked.lifetime) if asked.lifetime is not None else None
    ends: list[End] = [now + bounds.longest, standing.ends, *bounds.ends]
    ends += [standing.groups[fqan.group] if fqan.role is None else standing.roles[fqan] for fqan in fqans]
    ends += [value.ends for value in (*standing.attributes, *_values_of(standing, fqans))]
    limit = earliest(ends) or now
    limit = limit.replace(microsecond=0)
    if limit <= now:
        raise Refusal("voms.too_late", expected="something that is still valid", found=limit, vo=standing.vo)
    if wanted is None:
        return limit, False
    return (limit, True) if limit < wanted else (wanted, False)


def _values_of(standing: Standing, fqans: Sequence[Fqan]) -> Iterator[Value]:
    return (value for fqan in fqans for value in standing.group_attributes.get(fqan, ()) if value.given_by not in fqans)


def _attributes(standing: Standing, fqans: Sequence[Fqan]) -> tuple[GenericAttribute, ...]:
    """Those of the roles stated, of all groups stated, and the member's own. What came down from a name that is stated, too, stands
    there already."""
    found: list[GenericAttribute] = []
    for roles in (True, False):
        for fqan in sorted(fqans, key=Fqan.short):
            if (fqan.role is not None) == roles:
                values = standing.group_attributes.get(fqan, ())
                own = (each for each in values if each.given_by not in fqans)
                found += [GenericAttribute(each.name, each.value, fqan.short()) for each in own]
    return (*found, *(GenericAttribute(each.name, each.value, standing.vo) for each in standing.attributes))


def _command(wish: Wish) -> str:
    """A wish as the original's error messages name it."""
    if isinstance(wish, Fqan):
        return f"G{wish.group}" if wish.role is None else f"B{wish.group}:{wish.role}"
    return f"R{wish.role}" if isinstance(wish, RoleAnywhere) else "A"
