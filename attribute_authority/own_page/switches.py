"""What of one resource's answer is the person's to decide, in the form in which her page shows it and takes it back. Pure.

What she can't decide is shown as such: what always goes, what never does, and what stays for a reason of its own.
"""

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from attribute_authority.explained import ExplainedRelease
from attribute_authority.own_page.places import Joined
from ostiary.attributes import Value
from ostiary.consent.personal import Switch, switches_of
from ostiary.identifiers.requirement import identifiers_asked
from ostiary.identifiers.syntax import SUBJECT_IDENTIFIERS
from ostiary.policy.release import Requester, Verdict
from ostiary.policy.release.precedence import Precedence

MAXIMUM_BOXES: Final = 50
"""On one page: a form takes a few more fields than these."""

MAXIMUM_EACH: Final = 10
"""Values of one attribute that have a box each among the other attributes; more have a page of their own."""

_NEEDED: Final = ("required", "requested", "no")

Form = Literal["one", "each", "page"]
"""How a switch is shown: one box, a box for each value, or on a page of its own."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Values about which she can't decide. ``why``: ``mandatory``, ``forbidden``, ``organisation`` (it leaves this to nobody), ``expired``,
    ``not_needed`` or ``address``; ``rule`` is what the policy says of itself, or what it is called; ``places`` the URLs below which alone
    they go, none where that is everywhere."""

    name: str
    texts: tuple[str, ...]
    sent: bool
    why: str
    rule: str
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decided:
    """An attribute about which she decides. ``needed``: ``required``, ``requested`` or ``no``, by what the resource says; ``advice``:
    ``recommended``, ``added`` (by her), ``open`` (nothing speaks for it) or ``against``; ``rule`` and ``places`` as `Fixed`; ``position``
    is its place in the form."""

    switch: Switch
    form: Form
    position: int
    needed: str
    advice: str
    rule: str
    places: tuple[str, ...] = ()

    def boxes(self) -> tuple[tuple[str, tuple[str, ...], bool], ...]:
        """What a box is called in the form, the values that it stands for, and whether it is ticked."""
        values, on = self.switch.attribute.values, self.switch.on
        if self.form == "one":
            return ((str(self.position), tuple(str(value) for value in values), bool(on)),)
        return tuple((f"{self.position}.{number}", (str(value),), value in on) for number, value in enumerate(values))

    @property
    def sent(self) -> int:
        """How many values go as things stand."""
        return len(self.switch.on)


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that her page shows about one resource."""

    decided: tuple[Decided, ...]
    fixed: tuple[Fixed, ...]

    def fingerprint(self, principal: str, entity_id: str) -> str:
        """Names exactly what she decides about, so that what she sends is never taken for an answer about something else."""
        shown = [
            [
                one.switch.name,
                one.form,
                *(f"{value}\n{value in one.switch.recommended}" for value in one.switch.attribute.values),
            ]
            for one in self.decided
        ]
        return hashlib.sha256(json.dumps([principal, entity_id, shown]).encode()).hexdigest()

    def set_to(self, ticked: Collection[str]) -> tuple[Switch, ...]:
        """The switches of this page as its boxes say; those with a page of their own are not among them. Raises KeyError for a box that the
        page does not have."""
        known = {box for one in self.decided if one.form != "page" for box, _, _ in one.boxes()}
        if unknown := set(ticked) - known:
            raise KeyError(*sorted(unknown)[:1])
        return tuple(_set(one, ticked) for one in self.decided if one.form != "page")

    def about(self, name: str) -> Decided | None:
        """What she decides about the attribute of that name."""
        return next((one for one in self.decided if one.switch.name == name), None)

    def sent(self) -> tuple[str, ...]:
        """The names of what goes as things stand."""
        names = [one.name for one in self.fixed if one.sent] + [one.switch.name for one in self.decided if one.sent]
        return tuple(dict.fromkeys(names))


def sheet_of(seen: Joined, requester: Requester, precedence: Precedence, *, spared: bool) -> Sheet:
    """What she sees of an answer. ``spared``: the organisation alone decides about this resource."""
    explained = seen.explained
    decision = explained.release.decision
    switches = (
        {}
        if spared
        else {
            switch.name: switch
            for found in switches_of(decision)
            if (switch := _left_to_her(found, requester, precedence)) is not None
        }
    )
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in decision.verdicts:
        verdicts.setdefault(verdict.attribute, []).append(verdict)
    fixed: list[Fixed] = []
    for name, found in verdicts.items():
        hers = switches[name].attribute.values if name in switches else ()
        fixed += _fixed(seen, [verdict for verdict in found if verdict.value not in hers])
    free = MAXIMUM_BOXES
    decided: list[Decided] = []
    # First what the resource says that it needs or asks for, and of each what the organisation recommends; not by what is ticked, so that
    # nothing moves when she has set something.
    ordered = sorted(
        switches.items(), key=lambda item: (_NEEDED.index(explained.asked_for(item[0])), not item[1].recommended)
    )
    for position, (name, switch) in enumerate(ordered):
        form = _form(switch, free)
        free -= {"one": 1, "each": len(switch.attribute.values), "page": 0}[form]
        advice, rule = _advice(
            explained, [one for one in verdicts[name] if one.value in switch.attribute.values], switch
        )
        needed, places = explained.asked_for(name), _places_of_all(seen, switch)
        decided.append(Decided(switch, form, position, needed, advice, rule, places))
    return Sheet(tuple(decided), tuple(fixed))


def each_value(decided: Decided, begin: int) -> Decided:
    """The part of an attribute's values, from the one with this number (0-based) on, that has a box each on a page of its own."""
    values = decided.switch.attribute.values[begin : begin + MAXIMUM_BOXES]
    part = Switch(
        decided.switch.attribute.keeping(values),
        decided.switch.recommended.intersection(values),
        decided.switch.on.intersection(values),
    )
    return replace(decided, switch=part, form="each", position=0)


def with_part(whole: Switch, part: Switch) -> Switch:
    """The whole attribute after a part of its values was set."""
    return replace(whole, on=whole.on.difference(part.attribute.values) | part.on)


def _set(decided: Decided, ticked: Collection[str]) -> Switch:
    switch, values = decided.switch, decided.switch.attribute.values
    if decided.form == "one":
        before = switch.on or frozenset(values)
        return replace(switch, on=before if str(decided.position) in ticked else frozenset())
    on = frozenset(value for number, value in enumerate(values) if f"{decided.position}.{number}" in ticked)
    return replace(switch, on=on)


def _form(switch: Switch, free: int) -> Form:
    number = len(switch.attribute.values)
    if number > MAXIMUM_EACH or number > free:
        return "page"
    return "one" if number == 1 else "each"


def _left_to_her(switch: Switch, requester: Requester, precedence: Precedence) -> Switch | None:
    """Without the values that people may not decide about: None where none is left."""
    needless = (
        requester.identifier is not None
        and switch.name in SUBJECT_IDENTIFIERS
        and switch.name not in identifiers_asked(requester.identifier)
    )
    may_release = precedence.may_release(requester, switch.name) and not needless

    def left(value: Value) -> bool:
        return precedence.may_withhold() if value in switch.recommended else may_release

    values = tuple(value for value in switch.attribute.values if left(value))
    if not values:
        return None
    return Switch(
        switch.attribute.keeping(values), switch.recommended.intersection(values), switch.on.intersection(values)
    )


def _fixed(seen: Joined, verdicts: Iterable[Verdict]) -> list[Fixed]:
    found: dict[tuple[bool, str, str, tuple[str, ...]], list[Verdict]] = {}
    for verdict in verdicts:
        places = seen.places.get((verdict.attribute, verdict.value), ())
        alike = (verdict.released, _why(verdict), _rule(seen.explained, verdict), places)
        found.setdefault(alike, []).append(verdict)
    return [Fixed(about[0].attribute, tuple(str(one.value) for one in about), *alike) for alike, about in found.items()]


def _places_of_all(seen: Joined, switch: Switch) -> tuple[str, ...]:
    """Where alone anything of what goes, or is recommended, may go; nothing where some of it goes everywhere."""
    going = switch.on | switch.recommended
    places = [seen.places.get((switch.name, value), ()) for value in switch.attribute.values if value in going]
    return tuple(dict.fromkeys(url for urls in places for url in urls)) if places and all(places) else ()


def _why(verdict: Verdict) -> str:
    if verdict.bound:
        return "mandatory" if verdict.released else "forbidden"
    match verdict.reason:
        case "expired":
            return "expired"
        case "identifier_not_needed":
            return "not_needed"
        case "target_unreadable" | "target_foreign":
            return "address"
    return "organisation"


def _advice(explained: ExplainedRelease, verdicts: list[Verdict], switch: Switch) -> tuple[str, str]:
    """What the organisation says about an attribute that it leaves to her, and by which rule."""
    rule = next((rule for verdict in verdicts if (rule := _rule(explained, verdict))), "")
    if switch.recommended:
        return "recommended", rule
    if switch.releases:
        return "added", ""
    return ("against" if any(verdict.reason == "deny" for verdict in verdicts) else "open"), rule


def _rule(explained: ExplainedRelease, verdict: Verdict) -> str:
    if not verdict.policy or verdict.reason not in ("permit", "deny"):
        return ""
    return explained.descriptions.get(verdict.policy) or verdict.policy
