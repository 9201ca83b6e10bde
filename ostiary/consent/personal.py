"""A person's own release policy: what she set for one resource, her general rule for all others, and what that says to each value.

Pure: knows no store, no page, no clock. Within the bounds that the organisation sets: what a mandatory or forbidden policy decided never
comes before a wish (`ostiary.policy.release.as_she_wishes`), and `Precedence` says what people may do at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ostiary.attributes import Attribute, Value
from ostiary.consent.choices import (
    AttributeChoice,
    ByChoice,
    Choice,
    Digests,
    Mode,
    ReadPurpose,
    known_values,
    not_asked,
    nothing_was_asked,
    shown_purpose,
    wish_of,
)
from ostiary.policy.release import PersonalWish, ReleaseDecision, Requester, Verdict, Wish
from ostiary.policy.release.precedence import ALL_DEFAULTS, NewResources, Precedence

PrecedenceAt = Callable[[datetime], Precedence]
"""What the organisation leaves to people at a moment."""

_DECIDED_BY_POLICIES: Final = ("permit", "deny", "no_rule", "withheld", "not_asked", "chosen")


class Personal(NamedTuple):
    """What one person has said that bears on one resource: about it (``choice``), and in general (``rule``: what holds at a resource for
    which she has set nothing; what policies recommend, only what is needed, or nothing before she was asked). None where she said nothing.
    """

    choice: Choice | None = None
    rule: NewResources | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """One attribute of hers about which the organisation leaves the decision to her, with the values that are hers to decide about.

    ``recommended`` are those that policies let go; ``on`` those that go as things stand, or that she wants to go.
    """

    attribute: Attribute
    recommended: frozenset[Value]
    on: frozenset[Value]

    @property
    def name(self) -> str:
        """The attribute's name."""
        return self.attribute.name

    @property
    def withholds(self) -> bool:
        """Whether something stays that policies let go."""
        return not self.recommended <= self.on

    @property
    def releases(self) -> bool:
        """Whether something goes that no policy lets go."""
        return not self.on <= self.recommended


@dataclass(frozen=True, slots=True)
class Setting:
    """What a person sets for one resource on her page, where she was shown ``purpose``."""

    principal: str
    requester: Requester
    switches: tuple[Switch, ...]
    purpose: ReadPurpose


def read_rule(text: str) -> NewResources | None:
    """A general rule as it is written down; None for anything else."""
    return next((rule for rule in ALL_DEFAULTS if rule == text), None)


def offered_rules(precedence: Precedence) -> tuple[NewResources, ...]:
    """The general rules that people may choose from, the organisation's own first: who may keep nothing back leaves it to policies."""
    return precedence.new_resources if precedence.may_withhold() else ("recommended",)


def rule_in_force(said: NewResources | None, precedence: Precedence, *, required: bool = False) -> NewResources:
    """Her general rule: what she said where the organisation still offers it, else the organisation's own. ``required``: nothing may go
    there without her consent, so she is asked."""
    if required:
        return "ask"
    offered = offered_rules(precedence)
    return said if said in offered else offered[0]


def personal_wish(
    personal: Personal,
    requester: Requester,
    now: datetime,
    *,
    precedence: Precedence,
    required: bool = False,
    lifetime: timedelta | None = None,
    place: object = None,
) -> Wish | None:
    """What to say to each value that policies have decided about; None where policies alone decide.

    ``required``: the organisation lets nothing go there without consent, which counts for ``lifetime``; there `wish_of` says what a missing
    answer means. Elsewhere her general rule fills what she has said nothing about, and taking everything back keeps everything back.
    ``place`` is where what she said is kept.
    """
    choice = personal.choice
    if required:
        counted = _within(choice, precedence, requester, may_withhold=True)
        return wish_of(choice, now, lifetime=lifetime, counted=counted, place=place)
    may_withhold = precedence.may_withhold()
    if choice is not None and choice.revoked_at is not None:
        if may_withhold:
            return nothing_was_asked
        choice = None
    rule = rule_in_force(personal.rule, precedence)
    rest = _rest(rule, requester)
    if choice is None:
        return None if rest is None else _for_all_values(rest)
    asks = rule == "ask"
    if asks and not choice.holds_at(now, lifetime):
        return nothing_was_asked
    counted = _within(choice, precedence, requester, may_withhold=may_withhold)
    return ByChoice(choice, counted, rest or _up_to_policies, "not_asked" if asks else None, place)


def asks_herself(personal: Personal, precedence: Precedence) -> bool:
    """Whether she is to be asked at a sign-on there though the organisation does not ask: by her general rule, because she took back what
    she had agreed to, or because she wants to be asked at every visit."""
    if rule_in_force(personal.rule, precedence) == "ask":
        return True
    if personal.choice is None or not precedence.may_withhold():
        return False
    return personal.choice.revoked_at is not None or personal.choice.mode is Mode.ASK_ALWAYS


def switches_of(decision: ReleaseDecision) -> tuple[Switch, ...]:
    """What is hers to decide, as things stand: each attribute with the values that no mandatory or forbidden policy decided about, in the
    order of the decision. What stays for another reason (not valid any more, not needed as an identifier) is not hers to decide."""
    found: dict[str, list[Verdict]] = {}
    for verdict in decision.verdicts:
        if not verdict.bound and verdict.reason in _DECIDED_BY_POLICIES:
            found.setdefault(verdict.attribute, []).append(verdict)
    return tuple(_switch(name, verdicts) for name, verdicts in found.items())


def set_by_her(previous: Choice | None, setting: Setting, *, salt: bytes, now: datetime) -> Choice:
    """The choice that follows from a setting. What she said before about other attributes, and about values that she does not have now,
    still holds, unless she took her word back. ``salt``: `ostiary.consent.choices.SALT_LENGTH` random bytes, for a first one."""
    if previous is not None and previous.revoked_at is not None:
        previous = None
    key = previous.salt if previous is not None else salt
    decided = [_decided(previous, switch, key) for switch in setting.switches]
    names = {switch.name for switch in setting.switches}
    kept = [found for found in previous.attributes if found.name not in names] if previous is not None else []
    return Choice(
        principal=setting.principal,
        entity_id=setting.requester.entity_id,
        mode=previous.mode if previous is not None else Mode.ASK_WHEN_CHANGED,
        attributes=(*(found for found in decided if found is not None), *kept),
        purpose=shown_purpose(setting.purpose, key),
        salt=key,
        given_at=now,
    )


def beyond_bounds(setting: Setting, precedence: Precedence) -> str | None:
    """The name of the first attribute with which a setting does what people may not do; None when there is none."""
    for switch in setting.switches:
        if switch.withholds and not precedence.may_withhold():
            return switch.name
        if switch.releases and not precedence.may_release(setting.requester, switch.name):
            return switch.name
    return None


def required_names(requester: Requester) -> frozenset[str]:
    """The attributes without which a resource says that it can't do."""
    return frozenset(asked.name for asked in requester.requested if asked.required)


def _rest(rule: NewResources, requester: Requester) -> Callable[[str], PersonalWish | None] | None:
    """What the general rule says to an attribute; None where it leaves everything to policies."""
    match rule:
        case "recommended":
            return None
        case "minimal":
            needed = required_names(requester)
            return lambda name: None if name in needed else "withheld"
    return not_asked


def _up_to_policies(_name: str) -> PersonalWish | None:
    return None


def _for_all_values(rest: Callable[[str], PersonalWish | None]) -> Wish:
    return lambda name, _value: rest(name)


def _within(
    choice: Choice | None, precedence: Precedence, requester: Requester, *, may_withhold: bool
) -> Sequence[AttributeChoice]:
    """What of a choice counts: people may have been able to do more when it was made."""
    if choice is None:
        return ()
    counted = []
    for said in choice.attributes:
        if said.more and not precedence.may_release(requester, said.name):
            said = said._replace(more=False)  # noqa: PLW2901 - what counts of it
        if not may_withhold and (not said.allowed or said.withheld_values):
            said = said._replace(allowed=True, withheld_values=frozenset())  # noqa: PLW2901
        counted.append(said)
    return counted


def _switch(name: str, verdicts: list[Verdict]) -> Switch:
    recommended = frozenset(
        verdict.value for verdict in verdicts if verdict.reason in ("permit", "withheld", "not_asked")
    )
    on = frozenset(verdict.value for verdict in verdicts if verdict.released)
    values = tuple(dict.fromkeys(verdict.value for verdict in verdicts))
    return Switch(Attribute(name, values), recommended, on)


def _decided(previous: Choice | None, switch: Switch, salt: bytes) -> AttributeChoice | None:
    """None where she leaves it at what the organisation does: then a later policy counts."""
    name = switch.name
    before = previous.about(name) if previous is not None else None
    digests = Digests(salt)
    shown = {value: digests.of_value(name, value) for value in switch.attribute.values}
    known = known_values(previous, switch.attribute, salt)
    unseen_withheld = (before.withheld_values if before is not None else frozenset()) - set(shown.values())
    if not switch.on:
        if not switch.recommended and before is None:
            return None
        return AttributeChoice(name, False, known, withheld_values=unseen_withheld)
    off = frozenset(digest for value, digest in shown.items() if value not in switch.on)
    # "More" is said of all that she was shown, so whatever is off has to be kept back by name; else only what would go.
    more = switch.releases
    kept_back = off if more else off & frozenset(shown[value] for value in switch.recommended)
    return AttributeChoice(name, True, known, more, kept_back | unseen_withheld)
