"""What a VO says of one member at one moment: her groups, roles and attributes, each with the instant at which it ends. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ostiary.x509.fqan import Fqan

End = datetime | None
"""The instant at which something ends; None: it has no end."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One member of ``vo`` at one moment.

    ``groups`` and ``roles`` hold what is valid at that moment, ancestors of each group included. ``attributes``: the member's own
    generic attributes as name and value; ``group_attributes`` those of her groups and of her roles. ``suspended``: the reason, None
    when she is not.
    """

    vo: str
    member: str
    groups: Mapping[str, End]
    roles: Mapping[Fqan, End]
    attributes: tuple[tuple[str, str], ...] = ()
    group_attributes: Mapping[Fqan, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    suspended: str | None = None
    ends: End = None

    def fqans(self) -> tuple[Fqan, ...]:
        """Every group, then every role, each in the order of its bytes."""
        return (*(Fqan(path) for path in sorted(self.groups)), *sorted(self.roles, key=Fqan.short))


def ancestors(path: str) -> tuple[str, ...]:
    """The groups above ``path``, nearest first: ``/vo/a/b`` gives ``/vo/a``, ``/vo``."""
    parts = path.split("/")
    return tuple("/".join(parts[:length]) for length in range(len(parts) - 1, 1, -1))


def with_ancestors(groups: Iterable[tuple[str, End]]) -> dict[str, End]:
    """Who is in a group is in those above it, for as long as she is in any group below (voms-wire (h): a member of a child is
    a member of its parent)."""
    found: dict[str, End] = {}
    for path, end in groups:
        for each in (path, *ancestors(path)):
            found[each] = _later(found[each], end) if each in found else end
    return found


def _later(one: End, other: End) -> End:
    return None if one is None or other is None else max(one, other)


def earliest(ends: Iterable[End]) -> End:
    """The first instant at which something of all this ends."""
    known = [end for end in ends if end is not None]
    return min(known) if known else None
