"""What a VO says of one member at one moment: her groups, roles and attributes, each with the instant at which it ends. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ostiary.x509.fqan import Fqan
from voms.members.situation import ACTIVE, Situation

End = datetime | None
"""The instant at which something ends; None: it has no end."""


@dataclass(frozen=True, slots=True)
class Value:
    """A generic attribute, without saying whose; ``ends``: when it does; ``given_by``: the group or role further up from which it came
    down, None for one of its own."""

    name: str
    value: str
    ends: End = None
    given_by: Fqan | None = None


Values = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """One member of ``vo`` at one moment.

    ``groups`` and ``roles`` hold what is valid at that moment, ancestors of each group included. ``attributes``: the member's own
    generic attributes; ``group_attributes`` those of her groups and of her roles. ``optional``: groups that are
    stated only when asked for. ``suspended``: why she gets nothing, in the words that she is told; None when she does. ``situation`` says
    more about that: suspended (by whom), expired, or a policy to sign. ``ends``: the first instant at which membership or acceptance of the
    policy does. Of a membership that is over, nothing is held.
    """

    vo: str
    member: str
    groups: Mapping[str, End]
    roles: Mapping[Fqan, End]
    attributes: Values = ()
    group_attributes: Mapping[Fqan, Values] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    suspended: str | None = None
    ends: End = None
    situation: Situation = ACTIVE

    def fqans(self) -> tuple[Fqan, ...]:
        """Every group, then every role, each in the order of its bytes."""
        return (*(Fqan(path) for path in sorted(self.groups)), *sorted(self.roles, key=Fqan.short))


def later(one: End, other: End) -> End:
    """The later end of two."""
    return None if one is None or other is None else max(one, other)


def earliest(ends: Iterable[End]) -> End:
    """The first instant at which something of all this ends."""
    known = [end for end in ends if end is not None]
    return min(known) if known else None
