"""In which groups of a directory a person is, also through other groups: found by the server itself, or by walking upwards.

Groups in a circle, too deep or too many never hold it up: a circle is gone round once, the others are an error, for what an organisation
says about somebody is never silently less than it knows. Decides nothing about what leaves.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from attribute_authority.connectors.protocol import MAX_VALUE_LENGTH
from ostiary.errors import Unavailable
from ostiary.ldap.filters import And, Compare, Extensible, Filter, Or, Present
from ostiary.ldap.port import Entry, LdapSearches

How = Literal["member", "member_of", "matching_rule", "token_groups"]

T = TypeVar("T")

NAME: Final = "dn"
"""Stands for the name of an entry, where groups may be called by an attribute of theirs."""

# LDAP_MATCHING_RULE_IN_CHAIN of Active Directory ([MS-ADTS] 3.1.1.3.4.4.3).
_IN_CHAIN: Final = "1.2.840.113556.1.4.1941"
_AT_A_TIME: Final = 50
_ANY: Final = Present("objectClass")


@dataclass(frozen=True, slots=True)
class GroupRules:
    """Which groups count, and what they are called.

    ``how`` they are found: the groups that name a member in ``member``, and so on upwards; those that an entry names in ``member_of``, and
    so on; ``matching_rule`` and ``token_groups`` leave the walk to Active Directory. They are at or below ``base`` and match ``wanted``
    where one is given. ``named_by``: the attribute whose values they are called by, or `NAME`; ``prefix`` is put before it. ``depth``:
    how many groups in each other; ``most``: how many in all.
    """

    how: How
    base: str
    wanted: Filter | None = None
    named_by: str = NAME
    prefix: str = ""
    member: str = "member"
    member_of: str = "memberOf"
    depth: int = 10
    most: int = 500

    def attributes_of_the_person(self) -> tuple[str, ...]:
        """What has to be read of the person's entry."""
        return (self.member_of,) if self.how == "member_of" else ()


def groups_of(directory: LdapSearches, person: Entry, rules: GroupRules) -> tuple[str, ...]:
    """What the person's groups are called, each once, the nearest first. Groups without a name that may be read are left out.

    Raises `Unavailable`: ``aa.connector_groups`` for too many or too deep ones, ``aa.connector_value`` for a name that is no text, and what
    the directory raises.
    """
    match rules.how:
        case "member":
            found = _walk(rules, (person.dn,), _by_member(directory, rules))
        case "member_of":
            found = _walk(rules, _named_in(person, rules), _by_name(directory, rules))
        case "matching_rule":
            found = _many(directory, rules, Extensible(rules.member, _IN_CHAIN, False, person.dn.encode()))
        case "token_groups":
            found = _by_token(directory, person, rules)
    return tuple(dict.fromkeys(rules.prefix + name for entry in found for name in _called(entry, rules)))


def refuse_part_of(entry: Entry, attribute: str) -> None:
    """Raises `Unavailable` (``aa.connector_groups``) where a server gave only the first of many values ([MS-ADTS] 3.1.1.3.1.3.3)."""
    if any(name.startswith(f"{attribute.lower()};range=") for name in entry.attributes):
        raise Unavailable("aa.connector_groups", expected=f"all values of {attribute}", found=f"a part at {entry.dn}")


def texts_only(entry: Entry, attribute: str) -> list[str]:
    """The values that are not empty. Raises `Unavailable` (``aa.connector_value``) where one of them is no text."""
    texts = [text for text in entry.texts(attribute) if text]
    if len(texts) != len([value for value in entry.values(attribute) if value]):
        raise Unavailable("aa.connector_value", expected=f"text in {attribute}", found=f"bytes at {entry.dn}")
    return texts


_Found = tuple[list[Entry], list[str]]
"""Entries of groups, and from where to go on."""


def _walk(rules: GroupRules, start: Sequence[str], step: Callable[[Sequence[str]], _Found]) -> list[Entry]:
    found: dict[str, Entry] = {}
    asked: set[str] = set()
    reached = list(start)
    for level in range(1, rules.depth + 2):
        frontier = {folded: dn for dn in reached if (folded := _folded(dn)) not in asked}
        if not frontier:
            break
        asked.update(frontier)
        # Names lead also to entries that are no group that counts, or nowhere.
        if len(asked) > 4 * rules.most:
            raise _too_many(rules)
        entries, reached = step(list(frontier.values()))
        new = {folded: entry for entry in entries if (folded := _folded(entry.dn)) not in found}
        if new and level > rules.depth:
            raise Unavailable("aa.connector_groups", expected=f"groups at most {rules.depth} deep", found="deeper ones")
        found.update(new)
        if len(found) > rules.most:
            raise _too_many(rules)
    return list(found.values())


def _by_member(directory: LdapSearches, rules: GroupRules) -> Callable[[Sequence[str]], _Found]:
    def step(frontier: Sequence[str]) -> _Found:
        entries: list[Entry] = []
        for names in _chunks(frontier):
            entries += _many(directory, rules, Or(tuple(Compare(rules.member, name.encode()) for name in names)))
        return entries, [entry.dn for entry in entries]

    return step


def _by_name(directory: LdapSearches, rules: GroupRules) -> Callable[[Sequence[str]], _Found]:
    def step(frontier: Sequence[str]) -> _Found:
        entries = [
            entry
            for dn in frontier
            if _is_below(dn, rules.base)
            and (entry := directory.read(dn, rules.wanted or _ANY, _read_of(rules))) is not None
        ]
        return entries, [dn for entry in entries for dn in _named_in(entry, rules)]

    return step


def _by_token(directory: LdapSearches, person: Entry, rules: GroupRules) -> list[Entry]:
    """``tokenGroups`` holds the security identifiers of all security groups ([MS-ADTS] 3.1.1.4.5.19); only a read of the one entry gives
    it. Those of groups elsewhere in the forest name nothing below the base."""
    entry = directory.read(person.dn, _ANY, ("tokenGroups",))
    identifiers = entry.values("tokenGroups") if entry is not None else ()
    if len(identifiers) > 4 * rules.most:
        raise _too_many(rules)
    found: list[Entry] = []
    for some in _chunks(identifiers):
        found += _many(directory, rules, Or(tuple(Compare("objectSid", value) for value in some)))
    if len(found) > rules.most:
        raise _too_many(rules)
    return found


def _many(directory: LdapSearches, rules: GroupRules, wanted: Filter) -> list[Entry]:
    if rules.wanted is not None:
        wanted = And((rules.wanted, wanted))
    several = directory.find_many(rules.base, wanted, _read_of(rules), most=rules.most)
    if not several.complete:
        raise _too_many(rules)
    return list(several.entries)


def _read_of(rules: GroupRules) -> tuple[str, ...]:
    name = () if rules.named_by == NAME else (rules.named_by,)
    return (*name, *rules.attributes_of_the_person())


def _named_in(entry: Entry, rules: GroupRules) -> list[str]:
    refuse_part_of(entry, rules.member_of)
    return [dn for dn in entry.texts(rules.member_of) if dn]


def _called(entry: Entry, rules: GroupRules) -> Sequence[str]:
    if rules.named_by == NAME:
        return (entry.dn,)
    names = texts_only(entry, rules.named_by)
    if any(len(rules.prefix + name) > MAX_VALUE_LENGTH for name in names):
        raise Unavailable("aa.connector_value", expected=f"at most {MAX_VALUE_LENGTH} characters", found="more")
    return names


def _too_many(rules: GroupRules) -> Unavailable:
    return Unavailable("aa.connector_groups", expected=f"at most {rules.most} groups", found="more")


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _AT_A_TIME):
        yield values[start : start + _AT_A_TIME]


def _folded(dn: str) -> str:
    """One spelling of a name, as far as servers differ in it: case, and spaces around commas. Only for finding out what was seen."""
    return re.sub(r" *, *", ",", dn).casefold()


def _is_below(dn: str, base: str) -> bool:
    return f",{_folded(dn)}".endswith(f",{_folded(base)}")
