"""Several directories as one: whose is a name that two of them have, what while one is down, and what a refusal costs."""

from datetime import UTC, datetime

import pytest

from idp.login.in_turn import NamesInTurn, PasswordsInTurn, PeopleInTurn
from idp.login.ldap import LdapLogin, LdapNames
from idp.login.methods import Authenticated, Rejected
from ostiary.errors import Unavailable
from ostiary.ldap.filters import read_filter
from tests.ldap_directory import MemoryDirectory
from tests.login.kits import DOWN, ldap_people

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
UID = read_filter("(uid={login})")


@pytest.fixture
def directories() -> tuple[MemoryDirectory, MemoryDirectory]:
    """Ada is in both, under another password in the second."""
    first, second = MemoryDirectory(), MemoryDirectory()
    first.add("ada", "first", entryUUID="first-ada")
    second.add("ada", "second", entryUUID="second-ada")
    second.add("bob", "second", entryUUID="second-bob")
    return first, second


def passwords(directories: tuple[MemoryDirectory, MemoryDirectory]) -> PasswordsInTurn:
    return PasswordsInTurn([LdapLogin(ldap_people(one), UID) for one in directories])


def test_a_name_that_the_first_knows_is_decided_by_the_first(directories) -> None:
    method = passwords(directories)
    assert method.authenticate("ada", "first", NOW) == Authenticated("first-ada")
    assert method.authenticate("ada", "second", NOW) == Rejected("wrong_password", "first-ada")
    assert method.authenticate("bob", "second", NOW) == Authenticated("second-bob")
    assert method.authenticate("eve", "second", NOW) == Rejected("unknown")


def test_the_password_of_the_second_ada_is_never_tried_on_her(directories) -> None:
    passwords(directories).authenticate("ada", "second", NOW)
    assert "uid=ada" not in directories[1].binds[0][0]


@pytest.mark.parametrize("name", ["ada", "bob", "eve"])
def test_a_refusal_costs_the_same_at_every_directory(directories, name: str) -> None:
    assert isinstance(passwords(directories).authenticate(name, "wrong", NOW), Rejected)
    assert [(len(one.searches), len(one.binds)) for one in directories] == [(1, 1), (1, 1)]


def test_while_the_first_is_down_the_name_could_be_its(directories) -> None:
    directories[0].failing = DOWN
    with pytest.raises(Unavailable):
        passwords(directories).authenticate("bob", "second", NOW)
    assert directories[1].binds == []


def test_while_the_second_is_down_the_right_password_of_the_first_still_does(directories) -> None:
    directories[1].failing = DOWN
    method = passwords(directories)
    assert method.authenticate("ada", "first", NOW) == Authenticated("first-ada")
    for name in ("ada", "eve"):
        # The same answer, so that nobody learns which names the first has.
        with pytest.raises(Unavailable):
            method.authenticate(name, "wrong", NOW)


def test_login_names_are_looked_up_in_turn(directories) -> None:
    names = NamesInTurn([LdapNames(ldap_people(one), UID) for one in directories])
    assert [names.principal_of(name) for name in ("ada", "bob", "eve")] == ["first-ada", "second-bob", None]


def test_people_of_all_directories_are_known_and_one_that_is_down_hides_only_its_own(directories) -> None:
    people = PeopleInTurn([LdapNames(ldap_people(one), UID) for one in directories])
    assert people.is_active("first-ada")
    assert people.login_name("second-bob") == "bob"
    assert not people.is_active("nobody")
    people.check()
    directories[0].failing = DOWN
    assert people.is_active("second-bob")
    for ask in (people.is_active, people.login_name):
        with pytest.raises(Unavailable):
            ask("first-ada")
    with pytest.raises(Unavailable):
        people.check()
