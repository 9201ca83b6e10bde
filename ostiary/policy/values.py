"""Tests on one attribute value, shared by the three kinds of policy. Case counts everywhere."""

from dataclasses import dataclass

from ostiary.attributes import Value
from ostiary.policy.patterns import Pattern


@dataclass(frozen=True, slots=True)
class ValueTest:
    """All that is given must hold; nothing given holds for every value.

    ``exact``: the value as written is one of these. ``pattern``: the value as written, scope included, matches as a
    whole. ``left``: the value has a scope and the part before it is one of these. ``scope``: its scope is one of
    these. ``unless``: the value does not pass this other test.
    """

    exact: frozenset[str] | None = None
    pattern: Pattern | None = None
    left: frozenset[str] | None = None
    scope: frozenset[str] | None = None
    unless: "ValueTest | None" = None

    def holds(self, value: Value) -> bool:
        """Whether the value passes."""
        return (
            (self.exact is None or str(value) in self.exact)
            and (self.left is None or (value.scope is not None and value.text in self.left))
            and (self.scope is None or value.scope in self.scope)
            and (self.pattern is None or self.pattern.matches(str(value)))
            and (self.unless is None or not self.unless.holds(value))
        )


EVERY_VALUE = ValueTest()
