"""Logins at an IdP whose people are in a directory: what the person and the log learn when it answers, and when it doesn't."""

import pytest

from idp.login.ldap import LdapLogin, LdapNames
from idp.people import OpenedPeople
from idp.settings import ThrottleSettings
from ostiary.errors import Unavailable
from ostiary.handle import HandleKey, open_handle
from ostiary.ldap.filters import read_filter
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.settings import LdapSettings
from tests.ldap_directory import BASE, MemoryDirectory

KEY = HandleKey(bytes.fromhex("ab" * 32))
LIBRARY = "https://library.example.net/sp"
DOWN = Unavailable("ldap.down", expected="a server", found="ldap://10.0.0.1: secret details")


@pytest.fixture
def in_ldap() -> MemoryDirectory:
    filled = MemoryDirectory()
    filled.add("ada")
    filled.add("bob", employeeType="left")
    return filled


@pytest.fixture
def opened(in_ldap: MemoryDirectory) -> OpenedPeople:
    settings = LdapSettings.model_validate(
        {
            "servers": ["ldap://localhost"],
            "base_dn": BASE,
            "active_filter": "(!(employeeType=left))",
            "remember": "0s",
        }
    )
    people, wanted = LdapPeople(in_ldap, settings), read_filter("(uid={login})")
    return OpenedPeople(LdapNames(people, wanted), LdapLogin(people, wanted))


@pytest.fixture
def at_home(make_home, opened):
    return make_home(opened)


def text_of(page) -> str:
    return page.get_data(as_text=True)


def test_a_person_of_the_directory_is_handed_over_by_her_principal(at_home, library) -> None:
    page = at_home.whole_login(library.redirect())
    handle = at_home.accept(page, library).name_id.value
    assert open_handle([KEY], handle, requester=LIBRARY, now=at_home.clock.now()).principal == "id-of-ada"
    assert len(at_home.events("login.succeeded")) == 1
    assert "Signed in as" in text_of(at_home.get("/"))
    assert "ada" in text_of(at_home.get("/"))


@pytest.mark.parametrize(
    ("username", "reason"),
    [("ada", "wrong_password"), ("bob", "wrong_password"), ("eve", "unknown"), ("*", "unknown"), ("ada)(uid=*", "unknown")],
)  # fmt: skip
def test_every_wrong_answer_looks_the_same(at_home, library, username: str, reason: str) -> None:
    page = at_home.whole_login(library.redirect(), username=username, password="wrong")
    assert page.status_code == 401
    assert "That user name and password do not go together." in text_of(page)
    assert [event.facts["reason"] for event in at_home.events("login.failed")] == [reason]


@pytest.mark.parametrize("password", ["right horse", "wrong"])
@pytest.mark.parametrize("username", ["ada", "eve"])
def test_while_the_directory_is_down_people_are_asked_to_come_back(
    at_home, in_ldap: MemoryDirectory, library, username: str, password: str
) -> None:
    form = at_home.follow(at_home.get(library.redirect()))
    in_ldap.failing = DOWN
    page = at_home.log_in(form, username=username, password=password)
    assert page.status_code == 503
    assert "directory of people can&#39;t be reached at the moment." in text_of(page)
    assert "Please try again in a few minutes. It is not about your password." in text_of(page)
    assert "secret details" not in text_of(page)
    assert "secret details" in at_home.log.getvalue()
    assert at_home.events("login.failed") == []
    assert at_home.session_cookie() is None


def test_the_same_form_works_once_the_directory_is_back(at_home, in_ldap: MemoryDirectory, library) -> None:
    form = at_home.follow(at_home.get(library.redirect()))
    in_ldap.failing = DOWN
    assert at_home.log_in(form).status_code == 503
    in_ldap.failing = None
    assert at_home.accept(at_home.log_in(form), library).name_id.value


def test_attempts_that_the_directory_could_not_decide_do_not_count(
    make_home, opened: OpenedPeople, in_ldap: MemoryDirectory, library
) -> None:
    limited = make_home(opened, throttle=ThrottleSettings(per_name_and_address=2, per_name=2, per_address=2))
    form = limited.follow(limited.get(library.redirect()))
    in_ldap.failing = DOWN
    assert [limited.log_in(form, password="wrong").status_code for _ in range(5)] == [503] * 5
    in_ldap.failing = None
    assert [limited.log_in(form, password="wrong").status_code for _ in range(3)] == [401, 401, 429]


def test_a_session_of_somebody_whose_entry_went_away_ends(at_home, in_ldap: MemoryDirectory, library) -> None:
    at_home.whole_login(library.redirect())
    in_ldap.entries[0].attributes["employeeType"] = (b"left",)
    assert "Nobody is signed in" in text_of(at_home.get("/"))


def test_a_session_is_neither_believed_nor_ended_while_the_directory_is_down(
    at_home, in_ldap: MemoryDirectory, library
) -> None:
    at_home.whole_login(library.redirect())
    in_ldap.failing = DOWN
    assert at_home.get("/").status_code == 503
    assert at_home.get(library.redirect(id="_request2")).status_code == 503
    in_ldap.failing = None
    assert "Signed in as" in text_of(at_home.get("/"))


def test_signing_out_needs_no_directory(at_home, in_ldap: MemoryDirectory, library) -> None:
    at_home.whole_login(library.redirect())
    page = at_home.get("/")
    in_ldap.failing = DOWN
    token = text_of(page).partition('name="csrf_token" value="')[2].partition('"')[0]
    assert at_home.post("/logout", {"csrf_token": token}).status_code == 303
    in_ldap.failing = None
    assert "Nobody is signed in" in text_of(at_home.get("/"))


def test_health_tells_whether_the_directory_answers(at_home, in_ldap: MemoryDirectory) -> None:
    assert at_home.get("/health").status_code == 200
    in_ldap.failing = DOWN
    assert at_home.get("/health").status_code == 503
