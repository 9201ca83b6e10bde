"""Login against a directory: who gets in, by which name, and that every refusal costs one search and one bind."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from idp.login.ldap import LdapLogin, LdapNames
from idp.login.methods import Authenticated, Rejected
from idp.settings import IdpSettings
from ostiary.config import DocumentError, load_settings
from ostiary.errors import Refusal, Unavailable
from ostiary.ldap.filters import And, Compare, Not, read_filter
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.settings import LdapSettings
from tests.ldap_directory import BASE, MemoryDirectory

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DECOY = f"cn=nobody,{BASE}"


def people(directory: MemoryDirectory, **settings: object) -> LdapPeople:
    return LdapPeople(
        directory, LdapSettings.model_validate({"servers": ["ldap://localhost"], "base_dn": BASE, **settings})
    )


def login(
    directory: MemoryDirectory, login_filter: str = "(uid={login})", *, decoy_dn: str | None = DECOY, **settings: object
) -> LdapLogin:
    return LdapLogin(people(directory, **settings), read_filter(login_filter), decoy_dn=decoy_dn)


@pytest.fixture
def directory() -> MemoryDirectory:
    filled = MemoryDirectory()
    filled.add("ada", mail="ada@example.org")
    filled.add("bob", employeeType="left")
    filled.add("cyd").locked = True
    return filled


def test_the_right_password_says_who_it_is(directory: MemoryDirectory) -> None:
    assert login(directory).authenticate("ada", "right horse", NOW) == Authenticated("id-of-ada")
    assert login(directory).authenticate(" ADA ", "right horse", NOW) == Authenticated("id-of-ada")


def test_each_other_case_is_rejected_for_its_reason(directory: MemoryDirectory) -> None:
    method = login(directory, active_filter="(!(employeeType=left))")
    assert method.authenticate("ada", "wrong", NOW) == Rejected("wrong_password", "id-of-ada")
    assert method.authenticate("eve", "right horse", NOW) == Rejected("unknown")
    assert method.authenticate("bob", "right horse", NOW) == Rejected("disabled", "id-of-bob", proven=True)
    assert method.authenticate("bob", "wrong", NOW) == Rejected("wrong_password", "id-of-bob")
    assert method.authenticate("cyd", "right horse", NOW) == Rejected("disabled", "id-of-cyd")
    assert method.authenticate("ada", "", NOW) == Rejected("wrong_password")


@pytest.mark.parametrize("name", ["ada", "bob", "cyd", "eve", "*", "a*", "ada)(uid=*", "\\61da"])
def test_a_refusal_costs_one_search_and_one_bind_whoever_is_named(directory: MemoryDirectory, name: str) -> None:
    outcome = login(directory, active_filter="(!(employeeType=left))").authenticate(name, "wrong", NOW)
    assert isinstance(outcome, Rejected)
    assert (len(directory.searches), len(directory.binds)) == (1, 1)
    assert directory.binds[0][1] == b"wrong"


def test_a_name_that_nobody_has_is_tried_against_the_decoy(directory: MemoryDirectory) -> None:
    login(directory).authenticate("eve", "wrong", NOW)
    assert directory.binds == [(DECOY, b"wrong")]
    login(directory, decoy_dn=None).authenticate("eve", "wrong", NOW)
    assert directory.binds[1][0].startswith("cn=")
    assert directory.binds[1][0].endswith(f",{BASE}")


def test_the_decoys_password_lets_nobody_in(directory: MemoryDirectory) -> None:
    directory.add("nobody", "guessed", dn=DECOY).attributes["uid"] = ()
    assert login(directory).authenticate("eve", "guessed", NOW) == Rejected("unknown")


def test_an_empty_password_asks_nothing(directory: MemoryDirectory) -> None:
    assert login(directory).authenticate("ada", "", NOW) == Rejected("wrong_password")
    assert login(directory).authenticate("eve", "", NOW) == Rejected("wrong_password")
    assert (directory.searches, directory.binds) == ([], [])


@pytest.mark.parametrize("name", ["", "  ", "a\0da", "a\nda", "a\u00adda", "a\u200bda", "a\ud800da", "a" * 257])
def test_a_name_with_what_cannot_be_seen_is_nobodys_and_is_not_asked_for(directory: MemoryDirectory, name: str) -> None:
    assert login(directory).authenticate(name, "right horse", NOW) == Rejected("unknown")
    assert directory.searches == []


@pytest.mark.parametrize("name", ["ada*", "(ada)", "a\\b", "o,u=x", "#1", "+", 'a"b', "émile", "a=b;c<d>"])
def test_a_name_that_means_something_to_a_filter_or_a_dn_is_an_ordinary_name(
    directory: MemoryDirectory, name: str
) -> None:
    directory.add(name, entryUUID="the-id")
    assert login(directory).authenticate(name, "right horse", NOW) == Authenticated("the-id")
    assert directory.searches[0] == Compare("uid", name.encode())


def test_a_spelling_that_only_the_server_takes_for_the_name_is_nobodys(directory: MemoryDirectory) -> None:
    directory.add("mary ann", entryUUID="the-id")
    method = login(directory)
    assert method.authenticate("mary ann", "right horse", NOW) == Authenticated("the-id")
    assert method.authenticate("mary   ann", "right horse", NOW) == Rejected("unknown")
    assert directory.binds[-1][0] == DECOY


def test_spaces_after_the_domain_make_no_further_spellings_of_a_name(directory: MemoryDirectory) -> None:
    """Each would have attempts of its own before it is throttled."""
    method = LdapLogin(people(directory), read_filter("(uid={login})"), decoy_dn=DECOY, domains=("EXAMPLE",))
    assert method.authenticate("example\\ada", "right horse", NOW) == Authenticated("id-of-ada")
    for spaces in (" ", "   ", "\u2003", "\u3000 "):
        assert method.authenticate(f"EXAMPLE\\{spaces}ada", "right horse", NOW) == Rejected("unknown")


def test_several_attributes_may_hold_the_name(directory: MemoryDirectory) -> None:
    method = login(directory, "(&(uid=*)(|(uid={login})(mail={login})(mail={login}@example.org)))")
    assert method.authenticate("ada@example.org", "right horse", NOW) == Authenticated("id-of-ada")
    assert method.authenticate("Ada", "right horse", NOW) == Authenticated("id-of-ada")
    assert method.authenticate("da@example.org", "right horse", NOW) == Rejected("unknown")
    assert directory.binds[0][0] == f"uid=ada,{BASE}"


def test_whether_somebody_is_active_is_asked_only_after_the_right_password(directory: MemoryDirectory) -> None:
    active = "(!(employeeType=left))"
    login(directory, active_filter=active).authenticate("ada", "right horse", NOW)
    assert directory.searches == [
        Compare("uid", b"ada"),
        And((Compare("entryUUID", b"id-of-ada"), Not(Compare("employeeType", b"left")))),
    ]


def test_a_password_is_sent_as_it_is_typed_in_one_spelling(directory: MemoryDirectory) -> None:
    directory.add("zoe", "caf\u00e9 \ufb01 \u00a0")
    assert login(directory).authenticate("zoe", "cafe\u0301 \ufb01 \u00a0", NOW) == Authenticated("id-of-zoe")


def test_a_password_that_cannot_be_one_is_refused_before_the_directory_is_asked(directory: MemoryDirectory) -> None:
    for password, code in (("x" * 1025, "password.too_long"), ("\ud800", "password.unreadable")):
        with pytest.raises(Refusal) as caught:
            login(directory).authenticate("ada", password, NOW)
        assert caught.value.code == code
    assert directory.searches == []


def test_what_the_directory_can_not_say_is_no_refusal(directory: MemoryDirectory) -> None:
    directory.failing = Unavailable("ldap.down", expected="a server", found="none")
    for name in ("ada", "eve"):
        with pytest.raises(Unavailable):
            login(directory).authenticate(name, "right horse", NOW)


def test_two_entries_with_one_name_let_nobody_in(directory: MemoryDirectory) -> None:
    directory.add("ada", dn=f"uid=ada,ou=others,{BASE}")
    with pytest.raises(Unavailable) as caught:
        login(directory).authenticate("ada", "right horse", NOW)
    assert caught.value.code == "ldap.ambiguous"


def test_a_name_that_the_account_may_not_read_is_told_to_administrators(directory: MemoryDirectory) -> None:
    directory.entries[0].unreadable = frozenset({"uid"})
    with pytest.raises(Unavailable) as caught:
        login(directory).authenticate("ada", "right horse", NOW)
    assert caught.value.code == "ldap.no_login_name"


def test_the_login_name_is_shown_as_the_directory_writes_it(directory: MemoryDirectory) -> None:
    directory.add("Émile")
    names = LdapNames(people(directory), read_filter("(|(mail={login}@x)(uid={login}))"))
    assert names.login_name("id-of-ada") == "ada"
    assert names.login_name("id-of-eve") is None
    assert names.is_active("id-of-ada")
    names.check()


@pytest.mark.parametrize(
    ("name", "principal"), [("ada", "id-of-ada"), (" ADA ", "id-of-ada"), ("eve", None), ("", None), ("a*", None)]
)
def test_whose_login_name_it_is_can_be_asked_without_a_password(
    directory: MemoryDirectory, name: str, principal: str | None
) -> None:
    names = LdapNames(people(directory), read_filter("(uid={login})"))
    assert names.principal_of(name) == principal


BASIC = """
entity_id: https://home.example.org/idp
public_url: http://localhost:8001
listen: {port: 8001}
organisation: {name: {en: Example}}
database: {url: "sqlite:///home.db"}
trust: {keys: keys, metadata: []}
handle_keys: [handle.key]
"""


@pytest.mark.parametrize(
    ("people", "code", "key"),
    [
        ("{type: ldap}", "config.missing_key", "people.directory"),
        ("{type: ldap, directory: other.yaml}", "config.path_file", "people.directory"),
        ("{type: ldap, directory: ldap.yaml, login_filter: (uid=ada)}", "ldap.login_filter", "people.login_filter"),
        ("{type: ldap, directory: ldap.yaml, login_filter: '(uid={login}*)'}", "ldap.login_filter", "people.login_filter"),
        ("{type: ldap, directory: ldap.yaml, login_filter: 'uid={login}'}", "ldap.filter", "people.login_filter"),
        ("{type: ldap, directory: ldap.yaml, decoy_dn: nobody}", "ldap.dn", "people.decoy_dn"),
        ("{type: nis}", "config.wrong_value", "people"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused_by_key(tmp_path: Path, people: str, code: str, key: str) -> None:
    for name in ("handle.key", "ldap.yaml"):
        (tmp_path / name).write_text("")
    (tmp_path / "keys").mkdir()
    (tmp_path / "idp.yaml").write_text(f"{BASIC}people: {people}\n")
    with pytest.raises(DocumentError) as caught:
        load_settings(tmp_path / "idp.yaml", IdpSettings)
    assert (caught.value.code, caught.value.key) == (code, key)
