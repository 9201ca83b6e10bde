"""What a token says of a member: which names it asks a `Grant` for, and which claims a `Grant` becomes. Pure.

Source: WLCG Common JWT Profiles 1.0. Roles are optional groups there: ``/vo/g/Role=r`` is stated as ``/vo/g/r``.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ostiary.errors import Refusal
from ostiary.x509.fqan import Fqan, parse_fqan
from voms.asking import Asked
from voms.selection import Grant
from voms.standing import Standing, Value
from voms.tokens.scopes import ATTRIBUTES, OPERATIONS, VERSION, WITHOUT_PATH, Capability, Scopes, is_normal

_GROUP: Final = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9_.-]*)+")
_ROLE_ALSO: Final = "/Role="


@dataclass(frozen=True, slots=True)
class Asking:
    """``asked``: what the decision is asked. ``for_capabilities``: roles and optional groups among it that nobody named, which only give a
    capability: no token lists them."""

    asked: Asked
    for_capabilities: frozenset[Fqan]


def token_name(fqan: Fqan) -> str | None:
    """How a token names a group or role; None for one that the profile's grammar has no name for (2.1.1)."""
    name = fqan.group if fqan.role is None else f"{fqan.group}/{fqan.role}"
    return name if _GROUP.fullmatch(name) else None


def asking(standing: Standing, scopes: Scopes) -> Asking:
    """The question to the decision. Raises `Refusal` (``voms.not_held``) for a group or role that she has not."""
    if standing.suspended is not None:
        # Whatever she asks for: the decision refuses, and says why.
        return Asking(Asked(), frozenset())
    named: list[Fqan] = []
    for at, name in enumerate(scopes.groups):
        if name is not None:
            named.append(_held(standing, name))
        elif at < len(scopes.groups) - 1:
            named += [Fqan(path) for path in sorted(standing.groups) if path not in standing.optional]
    giving = [_giver(standing, wanted, named) for wanted in scopes.capabilities]
    unnamed = frozenset(fqan for fqan in giving if fqan is not None and fqan not in named)
    wishes = dict.fromkeys((*named, *sorted(unnamed, key=Fqan.short)))
    silent = frozenset(fqan for fqan in unnamed if fqan.role is not None or fqan.group in standing.optional)
    return Asking(Asked(wishes=tuple(wishes)), silent)


@dataclass(frozen=True, slots=True)
class Stated:
    """``scope``: what was given, of what was asked for; ``claims``: what the token says about her."""

    scope: str
    claims: dict[str, Any]


def stated(grant: Grant, scopes: Scopes, for_capabilities: frozenset[Fqan]) -> Stated:
    """What a grant comes to. Raises `Refusal` (``voms.token_capability``) for a capability that it does not hold."""
    held = [capability for each in grant.attributes for capability in capabilities_of(each.name, each.value)]
    for wanted in scopes.capabilities:
        if not any(each.covers(wanted) for each in held):
            raise Refusal("voms.token_capability", expected="a capability of this member", found=wanted)
    names = (token_name(fqan) for fqan in grant.fqans if fqan not in for_capabilities)
    listed = list(dict.fromkeys(name for name in names if name is not None))
    # A proxy that states less leaves out what was asked for; the client is told (RFC 6749 3.3).
    groups = tuple(name for name in scopes.groups if name is None or name.replace(_ROLE_ALSO, "/") in listed)
    scope = replace(scopes, groups=groups).text()
    claims: dict[str, Any] = {"wlcg.ver": VERSION, "scope": scope}
    if scopes.groups:
        claims["wlcg.groups"] = listed
    if ATTRIBUTES in scopes.others:
        claims[ATTRIBUTES] = [
            {"name": each.name, "value": each.value, "of": each.qualifier} for each in grant.attributes
        ]
    return Stated(scope, claims)


def capabilities_of(name: str, value: str) -> tuple[Capability, ...]:
    """Those that a generic attribute gives: its name is the operation, its value the paths with blanks between them. What is no proper
    path gives nothing."""
    if name in WITHOUT_PATH:
        return (Capability(name),)
    if name not in OPERATIONS:
        return ()
    return tuple(Capability(name, path) for path in value.split() if is_normal(path))


def names_carried(standing: Standing, groups: Iterable[str]) -> frozenset[Fqan]:
    """The member's groups and roles that a token with these groups states."""
    known = frozenset(groups)
    return frozenset(fqan for fqan in standing.fqans() if token_name(fqan) in known)


def within(scopes: Scopes, before: Scopes, claims: Mapping[str, Any]) -> None:
    """A token that is exchanged for another never becomes more. Raises `Refusal` (``voms.token_wider``)."""
    listed = claims.get("wlcg.groups", ())
    for name in scopes.groups:
        if not before.groups or (name is not None and name.replace(_ROLE_ALSO, "/") not in listed):
            raise _wider(name or "wlcg.groups")
    for wanted in scopes.capabilities:
        if not any(each.covers(wanted) for each in before.capabilities):
            raise _wider(wanted)
    for other in scopes.others:
        if other not in before.others:
            raise _wider(other)


def _wider(found: object) -> Refusal:
    return Refusal("voms.token_wider", expected="scopes that the token has", found=found)


def _held(standing: Standing, name: str) -> Fqan:
    if name in standing.groups:
        return Fqan(name)
    group, _, role = name.rpartition("/")
    meant = parse_fqan(name) if _ROLE_ALSO in name else Fqan(group, role)
    if meant in standing.roles:
        return meant
    # In the form of the original's commands, which the message names.
    raise Refusal("voms.not_held", expected="groups and roles that the member has", found=name, command=f"G{name}")


def _giver(standing: Standing, wanted: Capability, named: Iterable[Fqan]) -> Fqan | None:
    """Of which group or role she has the capability: one that is stated anyway rather than another. None: of her own, or not at all."""
    if _gives(standing.attributes, wanted):
        return None
    givers = [fqan for fqan in standing.fqans() if _gives(standing.group_attributes.get(fqan, ()), wanted)]
    if any(each.role is None and each.group not in standing.optional for each in givers):
        return None
    return next((fqan for fqan in givers if fqan in named), next(iter(givers), None))


def _gives(values: Iterable[Value], wanted: Capability) -> bool:
    return any(held.covers(wanted) for each in values for held in capabilities_of(each.name, each.value))
