"""Groups in groups: walks that end, whatever the directory holds, and are never silently less than it knows."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute_authority.connectors.groups import GroupRules, groups_of
from attribute_authority.connectors.ldap import Groups, LdapConnector
from ostiary.errors import Unavailable
from ostiary.ldap.filters import Compare, Extensible, Filter, Or, write_filter
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.port import Entry, Several
from ostiary.ldap.settings import LdapSettings
from tests.ldap_directory import MemoryDirectory, StoredEntry

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PEOPLE, GROUPS = "ou=people,dc=example,dc=org", "ou=groups,dc=example,dc=org"
ADA = f"uid=ada,{PEOPLE}"


def dn(group: str) -> str:
    return f"cn={group},{GROUPS}"


def filled(**members: list[str]) -> MemoryDirectory:
    """Groups and the names of their members, those with an ``=`` as they are; each entry knows its groups in memberOf, too."""
    directory = MemoryDirectory()
    names = {group: [name if "=" in name else dn(name) for name in inside] for group, inside in members.items()}

    def inside_of(name: str) -> tuple[bytes, ...]:
        return tuple(dn(group).encode() for group, inside in names.items() if name in inside)

    directory.add("ada", memberOf=[value.decode() for value in inside_of(ADA)])
    for group, inside in names.items():
        attributes = {
            "cn": (group.encode(),),
            "member": tuple(name.encode() for name in inside),
            "memberOf": inside_of(dn(group)),
            "objectClass": (b"groupOfNames",),
        }
        directory.entries.append(StoredEntry(dn(group), b"", attributes))
    return directory


def asked(directory: MemoryDirectory, rules: GroupRules) -> tuple[str, ...]:
    person = directory.find_one(PEOPLE, Compare("uid", b"ada"), rules.attributes_of_the_person())
    assert person is not None
    return groups_of(directory, person, rules)


@pytest.fixture(params=["member", "member_of"])
def rules(request: pytest.FixtureRequest) -> GroupRules:
    return GroupRules(request.param, GROUPS, named_by="cn")


def test_groups_are_found_through_groups_the_nearest_first(rules: GroupRules) -> None:
    directory = filled(staff=[ADA], readers=[ADA], all=["staff", "students"], world=["all"], students=[])
    assert asked(directory, rules) == ("staff", "readers", "all", "world")


def test_a_circle_is_gone_round_once(rules: GroupRules) -> None:
    directory = filled(a=[ADA, "c"], b=["a"], c=["b", "c"])
    assert asked(directory, rules) == ("a", "b", "c")
    assert len(directory.searches) <= 6


def test_somebody_in_no_group_has_none(rules: GroupRules) -> None:
    assert asked(filled(others=["uid=bob,ou=people,dc=example,dc=org"]), rules) == ()


def test_groups_deeper_in_each_other_than_allowed_are_an_error_and_not_left_out(rules: GroupRules) -> None:
    directory = filled(g1=[ADA], g2=["g1"], g3=["g2"])
    exactly = GroupRules(rules.how, GROUPS, named_by="cn", depth=3)
    assert asked(directory, exactly) == ("g1", "g2", "g3")
    with pytest.raises(Unavailable) as deep:
        asked(directory, GroupRules(rules.how, GROUPS, depth=2))
    assert (deep.value.code, deep.value.expected) == ("aa.connector_groups", "groups at most 2 deep")


def test_more_groups_than_allowed_are_an_error(rules: GroupRules) -> None:
    directory = filled(**{f"g{number}": [ADA] for number in range(5)})
    assert len(asked(directory, GroupRules(rules.how, GROUPS, most=5))) == 5
    with pytest.raises(Unavailable) as many:
        asked(directory, GroupRules(rules.how, GROUPS, most=4))
    assert (many.value.code, many.value.expected) == ("aa.connector_groups", "at most 4 groups")


def test_only_groups_below_the_base_that_match_the_filter_count(rules: GroupRules) -> None:
    directory = filled(staff=[ADA], all=["staff"])
    elsewhere = StoredEntry("cn=other,ou=else,dc=example,dc=org", b"", {"cn": (b"other",), "member": (ADA.encode(),)})
    directory.entries.append(elsewhere)
    directory.entries[0].attributes["memberOf"] += (elsewhere.dn.encode(),)
    assert asked(directory, rules) == ("staff", "all")
    filtered = GroupRules(rules.how, GROUPS, wanted=Compare("cn", b"staff"), named_by="cn")
    assert asked(directory, filtered) == ("staff",)


def test_groups_are_called_by_their_entry_or_by_an_attribute_with_a_prefix(rules: GroupRules) -> None:
    directory = filled(staff=[ADA])
    assert asked(directory, GroupRules(rules.how, GROUPS)) == ("cn=staff,ou=groups,dc=example,dc=org",)
    prefixed = GroupRules(rules.how, GROUPS, named_by="cn", prefix="urn:mace:example.org:group:")
    assert asked(directory, prefixed) == ("urn:mace:example.org:group:staff",)
    assert asked(directory, GroupRules(rules.how, GROUPS, named_by="description")) == ()


@pytest.mark.parametrize("name", [b"\xff\xfe", b"x" * 20_001])
def test_a_name_that_is_no_text_or_too_long_makes_the_answer_unusable(rules: GroupRules, name: bytes) -> None:
    directory = filled(staff=[ADA])
    directory.entries[1].attributes["cn"] = (name,)
    with pytest.raises(Unavailable) as unusable:
        asked(directory, rules)
    assert unusable.value.code == "aa.connector_value"


@pytest.mark.parametrize("name", ["a*b", "(c)", "d\\e", "x)(objectClass=*", 'i+j=k"', "ü,ö", "*"])
def test_an_awkward_name_asks_for_nothing_else(name: str) -> None:
    directory = filled(others=["uid=bob,ou=people,dc=example,dc=org"], right=[f"uid={name},{PEOPLE}"])
    person = Entry(f"uid={name},{PEOPLE}", {})
    assert groups_of(directory, person, GroupRules("member", GROUPS, named_by="cn")) == ("right",)


def test_a_server_that_gave_a_part_of_the_memberships_alone_is_not_believed() -> None:
    person = Entry(ADA, {"memberof;range=0-1499": (b"cn=a",), "memberof": ()})
    for how in ("member_of",):
        with pytest.raises(Unavailable) as part:
            groups_of(MemoryDirectory(), person, GroupRules(how, GROUPS))
        assert part.value.code == "aa.connector_groups"


def test_the_same_holds_for_any_attribute_of_a_person() -> None:
    class Partial(MemoryDirectory):
        def find_one(self, base: str, wanted: Filter, attributes: Sequence[str]) -> Entry | None:
            return Entry(ADA, {"proxyaddresses;range=0-999": (b"a",), "proxyaddresses": ()})

    people_settings = LdapSettings.model_validate({"servers": ["ldap://localhost"], "base_dn": PEOPLE})
    connector = LdapConnector(LdapPeople(Partial(), people_settings), {"proxyAddresses": "aliases"})
    with pytest.raises(Unavailable) as part:
        connector.attributes("id-of-ada", NOW)
    assert part.value.code == "aa.connector_groups"


class ActiveDirectory(MemoryDirectory):
    """Answers what only it can; keeps the filters it was asked with."""

    def __init__(self, groups: dict[bytes, str], *, in_chain: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.groups = groups
        self.in_chain = in_chain

    def find_many(self, base: str, wanted: Filter, attributes: Sequence[str], *, most: int) -> Several:
        self.searches.append(wanted)
        if isinstance(wanted, Extensible):
            found = self.in_chain
        else:
            assert isinstance(wanted, Or)
            identifiers = [part.value for part in wanted.parts if isinstance(part, Compare)]
            found = tuple(self.groups[value] for value in identifiers if value in self.groups)
        entries = tuple(Entry(dn(name), {"cn": (name.encode(),)}) for name in found)
        return Several(entries[:most], len(entries) <= most)

    def read(self, dn: str, wanted: Filter, attributes: Sequence[str]) -> Entry | None:
        assert tuple(attributes) == ("tokenGroups",)
        return Entry(dn, {"tokengroups": (b"\x01\x05foreign", *self.groups)})


def test_active_directory_finds_nested_groups_by_its_matching_rule() -> None:
    directory = ActiveDirectory({}, in_chain=("staff", "all"))
    assert groups_of(directory, Entry(ADA, {}), GroupRules("matching_rule", GROUPS, named_by="cn")) == ("staff", "all")
    assert [write_filter(wanted) for wanted in directory.searches] == [
        r"(member:1.2.840.113556.1.4.1941:=uid\3dada\2cou\3dpeople\2cdc\3dexample\2cdc\3dorg)"
    ]
    with pytest.raises(Unavailable) as many:
        groups_of(directory, Entry(ADA, {}), GroupRules("matching_rule", GROUPS, most=1))
    assert many.value.code == "aa.connector_groups"


def test_the_security_identifiers_of_active_directory_become_names_fifty_at_a_time() -> None:
    groups = {b"\x01\x05" + bytes([number]): f"g{number}" for number in range(120)}
    directory = ActiveDirectory(groups)
    found = groups_of(directory, Entry(ADA, {}), GroupRules("token_groups", GROUPS, named_by="cn"))
    assert found == tuple(f"g{number}" for number in range(120))
    assert len(directory.searches) == 3
    with pytest.raises(Unavailable) as many:
        groups_of(directory, Entry(ADA, {}), GroupRules("token_groups", GROUPS, most=100))
    assert many.value.code == "aa.connector_groups"


def test_a_connector_gives_groups_beside_attributes() -> None:
    directory = filled(staff=[ADA], all=["staff"])
    people_settings = LdapSettings.model_validate({"servers": ["ldap://localhost"], "base_dn": PEOPLE})
    for how in ("member", "member_of"):
        groups = Groups(directory, GroupRules(how, GROUPS, named_by="cn"), "isMemberOf")
        connector = LdapConnector(LdapPeople(directory, people_settings), {"uid": "uid"}, groups=groups)
        assert connector.attributes("id-of-ada", NOW) == {"uid": ("ada",), "isMemberOf": ("staff", "all")}
        assert connector.attributes("id-of-eve", NOW) == {}


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(-1, 7)), max_size=30))
def test_whatever_the_groups_are_in_each_other_the_walk_finds_those_that_lead_to_her(
    pairs: list[tuple[int, int]],
) -> None:
    members: dict[str, list[str]] = {f"g{number}": [] for number in range(8)}
    for group, inside in pairs:
        members[f"g{group}"].append(ADA if inside < 0 else f"g{inside}")
    expected = {group for group, inside in members.items() if ADA in inside}
    while more := {group for group, inside in members.items() if expected & set(inside)} - expected:
        expected |= more
    directory = filled(**members)
    for how in ("member", "member_of"):
        assert set(asked(directory, GroupRules(how, GROUPS, named_by="cn"))) == expected
