"""For which scopes a source may speak: those that others of its entities claim are taken away before anybody asks. Pure."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ostiary.federation.model import Entity, Scope
from ostiary.federation.summary import Summary

_DOMAIN: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


def may_speak_for(scope: Scope, limits: Sequence[str]) -> bool:
    """``limits``: scopes (``example.org``), and suffixes that begin with a dot (``.example.org``, everything below it). Case does not
    count. A pattern could cover anything, so it is beyond every limit, as is what is no domain (``a@b.example.org``): whoever reads it may
    see another one in it."""
    value = scope.value.lower()
    if scope.is_pattern or not scope.value.isascii() or _DOMAIN.fullmatch(value) is None:
        return False
    return any(
        value.endswith(limit) and len(value) > len(limit) if limit.startswith(".") else value == limit
        for limit in map(str.lower, limits)
    )


def limited(entity: Entity, limits: Sequence[str] | None) -> tuple[Entity, tuple[Scope, ...]]:
    """The entity with those scopes alone that its source may speak for, and the others that it claimed; None: no limit. Without a scope
    it stays, and asserts none. What it says of itself in ``source`` remains as it was written."""
    if limits is None:
        return entity, ()
    dropped = [
        scope
        for role in (entity.idp, entity.aa)
        if role is not None
        for scope in role.scopes
        if not may_speak_for(scope, limits)
    ]
    if not dropped:
        return entity, ()
    beyond = frozenset(dropped)
    idp, aa = entity.idp, entity.aa
    return (
        replace(
            entity,
            idp=replace(idp, scopes=tuple(s for s in idp.scopes if s not in beyond)) if idp is not None else None,
            aa=replace(aa, scopes=tuple(s for s in aa.scopes if s not in beyond)) if aa is not None else None,
        ),
        tuple(dict.fromkeys(dropped)),
    )


def limited_summary(summary: Summary, limits: Sequence[str] | None) -> Summary:
    """The same in short: what `summary_of` makes of the limited entity."""
    if limits is None or all(may_speak_for(Scope(domain), limits) for domain in summary.domains):
        return summary
    return replace(summary, domains=tuple(one for one in summary.domains if may_speak_for(Scope(one), limits)))
