"""How access-control lists are read: all entries that mean the caller count together, and nobody acts where she may not see the way.

A list belongs to a group, or to a role in it. What it allows holds only for whom the lists of all groups above (by path; for a role, of its
group, too) allow CONTAINER_READ. Pure; the original's rules, where they are known.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from voms.administration.permissions import Permission
from voms.administration.who import Who


@dataclass(frozen=True, slots=True)
class AclEntry:
    """What one ``who`` may do in the group ``group``, or (``role``) with the role in it; ``for_new_groups``: an entry of the list that new
    groups directly below get."""

    group: str
    role: str | None
    who: Who
    permissions: Permission
    for_new_groups: bool = False


@dataclass(frozen=True, slots=True)
class Allowed:
    """One entry as far as it matters for a decision: where, for whose key, what."""

    group: str
    role: str | None
    who_key: str
    permissions: Permission


def way_to(group: str) -> tuple[str, ...]:
    """The paths from the root to the group, both included."""
    names = group.split("/")[1:]
    return tuple("/" + "/".join(names[: count + 1]) for count in range(len(names)))


def together(entries: Iterable[Allowed], keys: Collection[str]) -> dict[tuple[str, str | None], Permission]:
    """What the entries that mean one of ``keys`` allow, in each group and for each role in a group, seen by itself."""
    found: dict[tuple[str, str | None], Permission] = {}
    for entry in entries:
        if entry.who_key in keys:
            place = (entry.group, entry.role)
            found[place] = found.get(place, Permission.NONE) | entry.permissions
    return found


def effective(
    places: dict[tuple[str, str | None], Permission], way: Sequence[str], role: str | None = None
) -> Permission:
    """What may be done in the last group of ``way``, or with ``role`` there."""
    above = way[:-1] if role is None else way
    if not all(places.get((group, None), Permission.NONE) & Permission.CONTAINER_READ for group in above):
        return Permission.NONE
    return places.get((way[-1], role), Permission.NONE)
