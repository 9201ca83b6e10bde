"""When a second factor is asked for: the first rule that fits decides, by the SP, by the person, by the risk. Pure.

    rules + Facts --decide--> Rule --due--> nothing, ask for one, lead to enrolment, or refuse

A rule without conditions fits everybody. What nobody can tell (an address that can't be read) counts as the riskier.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from ostiary.config import Network, is_in

Ask = Literal["never", "if_enrolled", "required"]
Due = Literal["nothing", "ask", "enrol", "refuse"]
PersonAttributes = Mapping[str, Collection[str]]
"""What is known about a person, by friendly name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions, all of which must hold, and what follows.

    ``sps`` are entityIDs, ``sp_categories`` entity categories, ``sp_attributes`` entity attributes with the values of which the SP has one;
    ``person`` attributes with the values of which she has one. ``new_browser``: it holds no mark of an earlier second factor of hers
    (False: it does). ``outside`` the networks that her address is in none of.

    ``again_after``: a proof that is older does not count. ``remember``: a browser in which she asked for that is spared. ``enrol``:
    somebody without a factor is led to enrol one, else refused.
    """

    ask: Ask
    sps: frozenset[str] = frozenset()
    sp_categories: frozenset[str] = frozenset()
    sp_attributes: tuple[tuple[str, frozenset[str]], ...] = ()
    person: tuple[tuple[str, frozenset[str]], ...] = ()
    new_browser: bool | None = None
    outside: tuple[Network, ...] = ()
    again_after: timedelta | None = None
    remember: bool = True
    enrol: bool = True


IF_ENROLLED = Rule("if_enrolled")
"""What holds where no rule fits: who has a second factor is asked for it."""


class Facts(NamedTuple):
    """One sign-on. ``sp`` None: to the pages of the IdP itself. ``entity_attributes`` are those of the SP; ``address`` is her browser's."""

    sp: str | None
    entity_attributes: tuple[tuple[str, tuple[str, ...]], ...]
    entity_categories: tuple[str, ...]
    known_browser: bool
    address: str


def decide(rules: Sequence[Rule], facts: Facts, person: Callable[[], PersonAttributes]) -> Rule:
    """The first rule that fits. ``person`` is asked only where a rule that depends on it comes into question."""
    return next((rule for rule in rules if _fits(rule, facts, person)), IF_ENROLLED)


def due(
    rule: Rule,
    *,
    proven: datetime | None,
    remembered: Callable[[], datetime | None],
    enrolled: Callable[[], bool],
    now: datetime,
) -> Due:
    """What must come before the answer.

    ``proven``: when this session's latest second factor was; ``remembered``: when that of this browser was that she asked to be spared by;
    ``enrolled``: whether she has any. The last two are asked only where they matter.
    """
    if rule.ask == "never" or _counts(proven, rule, now) or (rule.remember and _counts(remembered(), rule, now)):
        return "nothing"
    if enrolled():
        return "ask"
    if rule.ask == "if_enrolled":
        return "nothing"
    return "enrol" if rule.enrol else "refuse"


def may_require(rules: Sequence[Rule], person: Callable[[], PersonAttributes]) -> bool:
    """Whether there is an SP or a moment for which this person needs a second factor: for telling her before she removes her last."""
    return any(rule.ask == "required" and _fits_person(rule, person) for rule in rules)


def _counts(proof: datetime | None, rule: Rule, now: datetime) -> bool:
    return proof is not None and (rule.again_after is None or now - proof < rule.again_after)


def _fits(rule: Rule, facts: Facts, person: Callable[[], PersonAttributes]) -> bool:
    return _fits_sp(rule, facts) and _fits_risk(rule, facts) and _fits_person(rule, person)


def _fits_sp(rule: Rule, facts: Facts) -> bool:
    if rule.sps and facts.sp not in rule.sps:
        return False
    if rule.sp_categories and rule.sp_categories.isdisjoint(facts.entity_categories):
        return False
    return all(
        any(name == known and not values.isdisjoint(held) for known, held in facts.entity_attributes)
        for name, values in rule.sp_attributes
    )


def _fits_risk(rule: Rule, facts: Facts) -> bool:
    if rule.new_browser is not None and rule.new_browser == facts.known_browser:
        return False
    return not rule.outside or not is_in(facts.address, rule.outside)


def _fits_person(rule: Rule, person: Callable[[], PersonAttributes]) -> bool:
    if not rule.person:
        return True
    known = person()
    return all(not values.isdisjoint(known.get(name, ())) for name, values in rule.person)
