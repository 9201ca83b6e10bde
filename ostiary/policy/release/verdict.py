"""What was decided about each value, and by what. Data only: decides nothing.

Tuples with names, for there is one for each value: a frozen dataclass takes six times as long to make.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from ostiary.attributes import Attributes, Value

NO_RULE = "no rule"

ReleaseReason = Literal[
    "permit",
    "deny",
    "no_rule",
    "not_wanted",
    "expired",
    "target_unreadable",
    "target_foreign",
    "identifier_not_needed",
    "withheld",
    "not_asked",
    "chosen",
]

PersonalWish = Literal["chosen", "withheld", "not_asked"]
"""What the person's own choice says to a value: she wants it to go although nothing recommends it, she withholds it, or she was never asked
about it."""

Wish = Callable[[str, Value], PersonalWish | None]
"""What a person's choice says to one value of the attribute of that name; None leaves it to the organisation's policies."""

HER_OWN: Final = "her own choice"
"""What stands for the policy of a value that leaves because the person wants it to."""


class Verdict(NamedTuple):
    """What was decided about one value, and by which rule of which policy.

    Where no rule decided, ``policy`` is empty and ``rule`` is ``NO_RULE``; ``reason`` says why. ``bound``: the rule stands in a policy that
    leaves the person no choice, ``mandatory`` for what is released, ``forbidden`` for what is withheld.
    """

    attribute: str
    value: Value
    released: bool
    policy: str
    rule: str
    reason: ReleaseReason
    bound: bool = False


class ReleaseDecision(NamedTuple):
    """What may leave, and one verdict for each value that was considered, in the order of the attributes."""

    attributes: Attributes
    verdicts: tuple[Verdict, ...]
