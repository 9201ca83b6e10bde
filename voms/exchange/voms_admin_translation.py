"""Turns what a VOMS-Admin database holds into what the VO will have here. Pure: rules only, neither database knows of it.

Nobody gets more than she had, and nothing is dropped without a remark.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ostiary.errors import Refusal
from ostiary.x509.fqan import Fqan
from voms import attribute_classes
from voms.attribute_classes import AttributeClass
from voms.exchange.voms_admin_lists import translate_lists
from voms.exchange.voms_admin_names import OldNames
from voms.exchange.voms_admin_people import People, translate_people
from voms.exchange.voms_admin_plan import Plan, PlannedMember, Remark, Remarks, one_line
from voms.exchange.voms_admin_policy import translate_policy, with_state_remarks
from voms.exchange.voms_admin_rows import OldValue, OldVo
from voms.grants import ATTRIBUTE_NAME, MAXIMUM_VALUE
from voms.members.acceptance import Terms, Undertaking
from voms.members.aup import AupVersion
from voms.members.states import Life, situation
from voms.structure import MAXIMUM_DESCRIPTION, ROLE_NAME, check_group_path

_BESIDES: Final = ("requests_waiting", "requests_ended", "audit_event", "personal_info", "orgdb")


@dataclass(frozen=True, slots=True)
class Translation:
    """What will be written, and what there is to say about it."""

    plan: Plan
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Of the VO here: its name, how long members go on after their end, and the words of the policy where somebody gave them."""

    vo: str
    at: datetime
    grace: timedelta = timedelta(0)
    policy_text: str | None = None


def translate(old: OldVo, names: OldNames, here: Circumstances) -> Translation:
    """The whole VO. Raises `Refusal` (``voms.import_other_vo``) where the old database holds another one."""
    remarks = Remarks()
    groups = _groups(old, here.vo, remarks)
    roles = _roles(old, remarks)
    root = next(number for number, path in groups.items() if path == f"/{here.vo}")
    in_root = frozenset(each.user for each in old.mappings if each.group == root and each.role is None)
    people = translate_people(old, names, in_root, here.at, remarks)
    _memberships(old, people, groups, roles, remarks)
    classes, values = _attributes(old, people, groups, roles, remarks)
    versions = translate_policy(old, people, here.policy_text, here.at, remarks)
    entries = translate_lists(old, names, groups, roles, remarks)
    for manager in old.managers:
        managed = ", ".join(groups.get(each, str(each)) for each in manager.groups)
        remarks.left("group_manager", f"{manager.name} <{manager.mail}>: {managed}")
    for kind in _BESIDES:
        if old.besides.get(kind):
            remarks.left(kind, str(old.besides[kind]))
    with_state_remarks(people.members, people.labels, _refused(people.members, versions, here), remarks)
    described = _descriptions(old, groups, remarks)
    plan = Plan(
        groups={path: described[path] for path in sorted(groups.values(), key=lambda path: (path.count("/"), path))},
        roles=tuple(roles.values()),
        classes=classes,
        values=values,
        members=tuple(people.members.values()),
        entries=entries,
        versions=versions,
    )
    return Translation(plan, tuple(remarks.found))


def _groups(old: OldVo, vo: str, remarks: Remarks) -> dict[int, str]:
    """The paths of those that can be taken over, by number, those above first. The path says where a group stands."""
    root = f"/{vo}"
    if not any(each.path == root for each in old.groups):
        found = min((each.path for each in old.groups), key=len, default="")
        raise Refusal("voms.import_other_vo", expected=root, found=found[:200])
    numbers = {each.path: each.number for each in old.groups}
    kept: dict[int, str] = {}
    paths: set[str] = set()
    for each in sorted(old.groups, key=lambda group: (group.path.count("/"), group.path)):
        above = each.path.rpartition("/")[0]
        if each.path != root:
            try:
                check_group_path(vo, each.path)
            except Refusal:
                remarks.left("group_name", each.path)
                continue
            if above not in paths:
                remarks.left("group_without_parent", each.path)
                continue
            if each.parent != numbers[above]:
                remarks.changed("group_parent", each.path)
        if each.restricted:
            remarks.changed("group_restricted", each.path)
        kept[each.number] = each.path
        paths.add(each.path)
    return kept


def _descriptions(old: OldVo, groups: Mapping[int, str], remarks: Remarks) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in old.groups:
        if each.number in groups:
            written = each.description or ""
            found[each.path] = one_line(written, MAXIMUM_DESCRIPTION)
            if found[each.path] != written:
                remarks.changed("description", each.path)
    return found


def _roles(old: OldVo, remarks: Remarks) -> dict[int, str]:
    kept: dict[int, str] = {}
    for number, name in old.roles.items():
        if ROLE_NAME.fullmatch(name) is None or name == "NULL":
            remarks.left("role_name", name)
        else:
            kept[number] = name
    return kept


def _memberships(
    old: OldVo, people: People, groups: Mapping[int, str], roles: Mapping[int, str], remarks: Remarks
) -> None:
    """Who is in which groups, and has which roles there, into ``people``."""
    joined: dict[int, dict[str, None]] = defaultdict(dict)
    assigned: dict[int, dict[Fqan, None]] = defaultdict(dict)
    root = min(groups.values(), key=len)
    known_groups, known_roles = {each.number for each in old.groups}, {None, *old.roles}
    for each in old.mappings:
        if each.user not in people.members or each.group not in known_groups or each.role not in known_roles:
            remarks.left("mapping_of_nothing", f"m: usr {each.user}, groups {each.group}, roles {each.role}")
            continue
        path, role = groups.get(each.group), roles.get(each.role) if each.role is not None else None
        if path is None or (each.role is not None and role is None):
            remarks.left("mapping_of_left", people.labels[each.user])
            continue
        twice = path in joined[each.user] if role is None else Fqan(path, role) in assigned[each.user]
        if twice:
            remarks.changed("mapping_twice", f"{people.labels[each.user]}: {Fqan(path, role).short()}")
        elif role is None:
            joined[each.user][path] = None
        else:
            assigned[each.user][Fqan(path, role)] = None
    for number, member in people.members.items():
        label, own = people.labels[number], joined[number]
        for path in own:
            above = path.rpartition("/")[0]
            if path != root and above not in own and above != root:
                remarks.changed("membership_above", f"{label}: {above}")
        held: list[Fqan] = []
        for fqan in assigned[number]:
            if fqan.group == root or any(path == fqan.group or path.startswith(f"{fqan.group}/") for path in own):
                held.append(fqan)
            else:
                remarks.left("role_without_membership", f"{label}: {fqan.short()}")
        people.members[number] = replace(member, groups=tuple(path for path in own if path != root), roles=tuple(held))


def _attributes(
    old: OldVo, people: People, groups: Mapping[int, str], roles: Mapping[int, str], remarks: Remarks
) -> tuple[tuple[AttributeClass, ...], tuple[tuple[Fqan, str, str], ...]]:
    """The classes, and the values of groups and roles; those of people go into ``people``."""
    names = _class_names(old, remarks)
    of_people: dict[int, dict[str, str]] = defaultdict(dict)
    of_names: dict[tuple[Fqan, str], str] = {}
    for each in old.values:
        name = names.get(each.class_)
        whose = _whose(each, people, groups, roles)
        if name is None or whose is None:
            numbers = f"attributes {each.class_}, usr {each.user}, groups {each.group}, roles {each.role}"
            remarks.left("attribute_of_nothing", numbers)
        elif not each.value or len(each.value) > MAXIMUM_VALUE or "\0" in each.value:
            label = people.labels[whose] if isinstance(whose, int) else whose.short()
            remarks.left("attribute_value", f"{label}: {name}")
        elif isinstance(whose, int):
            of_people[whose][name] = each.value
        else:
            of_names[whose, name] = each.value
    for number, values in of_people.items():
        people.members[number] = replace(people.members[number], attributes=tuple(values.items()))
    classes = tuple(_class(old, number, name, of_people.values(), remarks) for number, name in names.items())
    return classes, tuple((fqan, name, value) for (fqan, name), value in of_names.items())


def _class_names(old: OldVo, remarks: Remarks) -> dict[int, str]:
    found: dict[int, str] = {}
    for each in old.classes:
        if ATTRIBUTE_NAME.fullmatch(each.name) is None:
            remarks.left("attribute_name", each.name)
        else:
            found[each.number] = each.name
    return found


def _class(
    old: OldVo, number: int, name: str, of_people: Iterable[Mapping[str, str]], remarks: Remarks
) -> AttributeClass:
    [written] = [each for each in old.classes if each.number == number]
    clean = one_line(written.description or "", attribute_classes.MAXIMUM_DESCRIPTION)
    if clean != (written.description or ""):
        remarks.changed("description", name)
    unique = bool(written.unique)
    counted = Counter(values[name] for values in of_people if name in values) if unique else Counter[str]()
    if any(count > 1 for count in counted.values()):
        # What services were told so far goes before what should have been.
        remarks.changed("attribute_not_unique", name)
        unique = False
    return AttributeClass(name, clean, unique)


def _whose(each: OldValue, people: People, groups: Mapping[int, str], roles: Mapping[int, str]) -> int | Fqan | None:
    if each.user is not None:
        return each.user if each.user in people.members else None
    path = groups.get(each.group) if each.group is not None else None
    if path is None or each.role is None:
        return Fqan(path) if path is not None else None
    return Fqan(path, roles[each.role]) if each.role in roles else None


def _refused(
    members: Mapping[int, PlannedMember], versions: tuple[AupVersion, ...], here: Circumstances
) -> dict[int, str]:
    """Who gets nothing here by what time says, with the code of that."""
    terms = tuple(replace(each, number=place).terms for place, each in enumerate(versions))
    places = {each.version: place for place, each in enumerate(versions)}
    found: dict[int, str] = {}
    for number, member in members.items():
        life = Life(member.until, here.grace, undertaking=_undertaking(member, terms, places))
        state = situation(life, here.at)
        if not state.acts and state.code is not None:
            found[number] = state.code
    return found


def _undertaking(member: PlannedMember, terms: tuple[Terms, ...], places: Mapping[str, int]) -> Undertaking:
    signed = {places[version]: when for version, when in member.signed.items()}
    return Undertaking(terms, signed, member.since, member.asked_at)
