"""People by principal: who is active, what is remembered and for how long, and ids that are no text."""

from datetime import timedelta

import pytest

from ostiary.errors import Unavailable
from ostiary.ldap.filters import And, Compare, Not, read_filter
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.settings import LdapSettings
from tests.ldap_directory import BASE, MemoryDirectory


class Watch:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def people(directory: MemoryDirectory, watch: Watch | None = None, **settings: object) -> LdapPeople:
    read = LdapSettings.model_validate({"servers": ["ldap://localhost"], "base_dn": BASE, **settings})
    return LdapPeople(directory, read, elapsed=watch or Watch())


@pytest.fixture
def directory() -> MemoryDirectory:
    filled = MemoryDirectory()
    filled.add("ada", mail="ada@example.org")
    filled.add("bob", employeeType="left")
    return filled


def test_somebody_is_active_while_her_entry_is_there(directory: MemoryDirectory) -> None:
    found = people(directory)
    assert found.is_active("id-of-ada")
    assert not found.is_active("id-of-eve")
    assert directory.searches == [Compare("entryUUID", b"id-of-ada"), Compare("entryUUID", b"id-of-eve")]


def test_an_entry_that_the_filter_does_not_let_through_is_not_active(directory: MemoryDirectory) -> None:
    found = people(directory, active_filter="(!(employeeType=left))")
    assert found.is_active("id-of-ada")
    assert not found.is_active("id-of-bob")
    assert found.find("id-of-bob", ("uid",)) is not None
    assert directory.searches[1] == And((Compare("entryUUID", b"id-of-bob"), Not(Compare("employeeType", b"left"))))


def test_a_yes_is_remembered_for_a_while_and_a_no_is_not(directory: MemoryDirectory) -> None:
    watch = Watch()
    found = people(directory, watch, remember=timedelta(seconds=15))
    assert found.is_active("id-of-ada")
    directory.entries.clear()
    watch.at += 14.9
    assert found.is_active("id-of-ada")
    assert len(directory.searches) == 1
    watch.at += 0.1
    assert not found.is_active("id-of-ada")
    directory.add("ada")
    assert found.is_active("id-of-ada")


def test_a_question_asked_anew_ends_what_was_remembered(directory: MemoryDirectory) -> None:
    found = people(directory)
    assert found.is_active("id-of-ada")
    directory.entries.clear()
    assert not found.is_active_now("id-of-ada")
    assert not found.is_active("id-of-ada")


def test_nothing_is_remembered_where_the_settings_say_so(directory: MemoryDirectory) -> None:
    found = people(directory, remember=timedelta(0))
    assert found.is_active("id-of-ada")
    directory.entries.clear()
    assert not found.is_active("id-of-ada")


@pytest.mark.parametrize("principal", ["", "a" * 65, "with space", "ä", "nul\0"])
def test_what_can_be_nobodys_principal_is_not_asked_for(directory: MemoryDirectory, principal: str) -> None:
    found = people(directory)
    assert not found.is_active(principal)
    assert found.find(principal, ("uid",)) is None
    assert directory.searches == []


def test_an_id_of_bytes_is_a_principal_in_hexadecimal_digits() -> None:
    directory = MemoryDirectory()
    directory.add("ada", objectGUID=b"\x00\xff*()\\" + bytes(10))
    found = people(directory, principal_attribute="objectGUID", principal_encoding="hex")
    person = found.find_by(Compare("uid", b"ada"), ())
    assert person is not None
    assert person.principal == "00ff2a28295c" + "00" * 10
    assert found.is_active(person.principal)
    assert not found.is_active(person.principal.upper())
    assert not found.is_active("ada")
    assert directory.searches[-1] == Compare("objectGUID", b"\x00\xff*()\\" + bytes(10))
    found.check()


@pytest.mark.parametrize("ids", [[], ["one", "two"], [""], ["a b"], ["a" * 65], ["é"]])
def test_an_entry_without_one_usable_id_is_refused(ids: list[str]) -> None:
    directory = MemoryDirectory()
    directory.add("ada").attributes["entryUUID"] = tuple(value.encode() for value in ids)
    with pytest.raises(Unavailable) as caught:
        people(directory).find_by(read_filter("(uid=ada)"), ())
    assert caught.value.code == "ldap.no_principal"
    assert f"uid=ada,{BASE}" in caught.value.found


def test_a_directory_that_fails_is_never_taken_for_a_no(directory: MemoryDirectory) -> None:
    found = people(directory)
    directory.failing = Unavailable("ldap.down", expected="a server", found="none")
    for ask in (lambda: found.is_active("id-of-ada"), lambda: found.find("id-of-ada", ()), found.check):
        with pytest.raises(Unavailable):
            ask()
