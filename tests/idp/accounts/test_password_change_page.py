"""The page on which a person changes her password, by choice or because it is due at a login."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import update

from idp.tables import person
from tests.idp.accounts.letterbox import (
    NEW,
    OLD,
    actions_of,
    add_person,
    errors_of,
    fields_of,
    is_password_of,
    status_in,
    words_of,
)

BASE = "http://localhost:8001"
PATH = "/account/password"


@pytest.fixture
def signed_in(house: Any, library: Any) -> Any:
    """The organisation with Ada at the browser."""
    house.whole_login(library.redirect(), password=OLD)
    return house


def change(home: Any, **typed: str) -> Any:
    page = home.get(PATH)
    return home.post(PATH, {**fields_of(page), "current": OLD, "password": NEW, "again": NEW, **typed})


def test_she_changes_her_password(signed_in: Any, mailbox: Any) -> None:
    done = change(signed_in)
    assert done.status_code == 200
    assert words_of(done) == (
        "Your password is changed Use the new password from now on. You are signed out everywhere else."
    )
    assert is_password_of(signed_in.directory, "ada", NEW)
    assert mailbox.subjects() == ["Your password at Example University was changed"]
    (event,) = signed_in.events("person.password_set")
    assert (event.actor, event.person, event.facts) == (
        signed_in.people["ada"],
        signed_in.people["ada"],
        {"must_change": False},
    )


def test_her_other_sessions_end_and_this_one_does_not(signed_in: Any, library: Any) -> None:
    here, elsewhere = signed_in.client, signed_in.make_client()
    signed_in.client = elsewhere
    signed_in.whole_login(library.redirect(), password=OLD)
    signed_in.client = here
    change(signed_in)
    assert words_of(signed_in.get("/")).startswith("You are signed in")
    signed_in.client = elsewhere
    assert words_of(signed_in.get("/")).startswith("Nobody is signed in")


def test_who_is_not_signed_in_is_asked_to_and_comes_back(house: Any) -> None:
    login = house.follow(house.get(PATH))
    assert {"username", "password"} <= set(fields_of(login))
    back = house.log_in(login, password=OLD)
    assert back.status_code == 303
    assert back.headers["Location"] == BASE + PATH
    assert words_of(house.follow(back)).startswith("Change your password")


def test_a_form_of_somebody_who_is_no_longer_signed_in_changes_nothing(signed_in: Any) -> None:
    form = {**fields_of(signed_in.get(PATH)), "current": OLD, "password": NEW, "again": NEW}
    signed_in.clock.move(timedelta(hours=11))
    assert signed_in.post(PATH, form).status_code == 303
    assert is_password_of(signed_in.directory, "ada", OLD)


def test_a_wrong_present_password_is_told_counted_and_recorded(signed_in: Any) -> None:
    page = change(signed_in, current="wrong horse on a hill")
    assert page.status_code == 401
    assert errors_of(page) == {
        "current": "That is not your present password. Type it again, and check whether Caps Lock is on."
    }
    assert is_password_of(signed_in.directory, "ada", OLD)
    (event,) = signed_in.events("person.password_not_changed")
    assert event.person == signed_in.people["ada"]
    assert event.reference is not None
    assert "wrong horse" not in signed_in.log.getvalue()


def test_who_guesses_at_an_open_session_is_throttled_as_at_the_login(signed_in: Any) -> None:
    answers = [change(signed_in, current=f"guess number {number} of many").status_code for number in range(12)]
    assert 429 in answers
    assert set(answers) == {401, 429}


def test_choosing_badly_is_no_attempt_to_guess(signed_in: Any) -> None:
    answers = [change(signed_in, password="short", again="short").status_code for _ in range(15)]
    assert answers == [400] * 15


@pytest.mark.parametrize(
    ("typed", "field", "text"),
    [
        ({"password": "zebra 7", "again": "zebra 7"}, "password", "That password is too short."),
        ({"again": NEW + "!"}, "again", "The two passwords are not the same."),
        ({"password": OLD, "again": OLD}, "password", "That is the password that you have already."),
        ({"password": "qwertyuiop[]", "again": "qwertyuiop[]"}, "password", "That password repeats itself"),
        ({"password": "welcome2026!", "again": "welcome2026!"}, "password", "That is one of the passwords"),
        ({"password": "home.example.org", "again": "home.example.org"}, "password", "That password is little more"),
    ],
)
def test_a_new_password_that_will_not_do_is_told_at_its_field(
    signed_in: Any, typed: dict[str, str], field: str, text: str
) -> None:
    page = change(signed_in, **typed)
    assert page.status_code == 400
    assert list(errors_of(page)) == [field]
    assert errors_of(page)[field].startswith(text)
    assert is_password_of(signed_in.directory, "ada", OLD)


def test_typed_passwords_never_come_back(signed_in: Any) -> None:
    page = change(signed_in, current="a secret guess", password="another secret", again="a third secret")
    assert "secret" not in page.get_data(as_text=True)


def test_without_a_password_there_is_nothing_to_change(signed_in: Any) -> None:
    form = {**fields_of(signed_in.get(PATH)), "current": OLD, "password": NEW, "again": NEW}
    with signed_in.engine.begin() as connection:
        connection.execute(update(person).values(password_hash=None))
    page = signed_in.get(PATH)
    assert page.status_code == 200
    assert words_of(page).startswith("You have no password here")
    assert words_of(signed_in.post(PATH, form)).startswith("You have no password here")
    assert signed_in.directory.credentials("ada").password_hash is None


@pytest.mark.parametrize("name", ["csrf_token", "current", "password", "again"])
def test_each_field_missing_doubled_or_over_long_is_refused(signed_in: Any, name: str) -> None:
    form = {**fields_of(signed_in.get(PATH)), "current": OLD, "password": NEW, "again": NEW}
    fields = list(form.items())
    missing = [(key, value) for key, value in fields if key != name]
    for sent in (missing, [*fields, (name, form[name])], [*missing, (name, "x" * 5_000)]):
        answer = signed_in.client.post(
            PATH, data=urlencode(sent), content_type="application/x-www-form-urlencoded", base_url=BASE
        )
        assert answer.status_code in (400, 403), sent
    assert is_password_of(signed_in.directory, "ada", OLD)


def test_json_is_no_form(signed_in: Any) -> None:
    token = fields_of(signed_in.get(PATH))["csrf_token"]
    answer = signed_in.client.post(
        PATH,
        json={"current": OLD, "password": NEW, "again": NEW},
        headers={"X-CSRF-Token": token},
        base_url=BASE,
    )
    assert answer.status_code == 400
    assert is_password_of(signed_in.directory, "ada", OLD)


# --- a change that is due


@pytest.fixture
def due(house: Any) -> Any:
    """Bea's password was set by an operator."""
    house.people["bea"] = add_person(house.directory, "bea", must_change=True)
    return house


def to_renewal(home: Any, library: Any) -> Any:
    answer = home.whole_login(library.redirect(), username="bea", password=OLD)
    assert answer.status_code == 303
    assert "/account/password/renew?ticket=" in answer.headers["Location"]
    return home.follow(answer)


def renew(home: Any, page: Any, **typed: str) -> Any:
    return home.post(f"{PATH}/renew", {**fields_of(page), "current": OLD, "password": NEW, "again": NEW, **typed})


def test_who_has_a_password_of_an_operator_changes_it_before_the_answer(due: Any, library: Any) -> None:
    page = to_renewal(due, library)
    assert words_of(page).startswith("Choose a new password Your password was set by somebody else.")
    answer = renew(due, page)
    assert due.accept(answer, library).assertion is not None
    assert is_password_of(due.directory, "bea", NEW)
    assert due.directory.must_change_password(due.people["bea"]) is False


def test_she_gets_nowhere_else_before(due: Any, library: Any, lab: Any) -> None:
    to_renewal(due, library)
    answer = due.get(lab.redirect(signed=True))
    assert answer.status_code == 303
    assert "/account/password/renew?ticket=" in answer.headers["Location"]


def test_a_passive_request_is_refused_while_it_is_due(due: Any, library: Any) -> None:
    to_renewal(due, library)
    answer = due.get(library.redirect(is_passive=True, id="_passive"))
    assert "SAMLResponse" in fields_of(answer, having="SAMLResponse")
    assert status_in(answer) == "urn:oasis:names:tc:SAML:2.0:status:NoPassive"


def test_the_same_password_once_more_is_no_change(due: Any, library: Any) -> None:
    page = renew(due, to_renewal(due, library), password=OLD, again=OLD)
    assert page.status_code == 400
    assert errors_of(page)["password"].startswith("That is the password that you have already.")
    assert due.directory.must_change_password(due.people["bea"]) is True


def test_a_wrong_answer_keeps_the_sign_on(due: Any, library: Any) -> None:
    page = renew(due, to_renewal(due, library), password="zebra 7", again="zebra 7")
    assert page.status_code == 400
    assert due.accept(renew(due, page), library).assertion is not None


def test_the_page_of_her_own_choice_is_open_to_her(due: Any) -> None:
    login = due.follow(due.get(PATH))
    page = due.follow(due.log_in(login, username="bea", password=OLD))
    assert words_of(page).startswith("Change your password")
    due.post(PATH, {**fields_of(page), "current": OLD, "password": NEW, "again": NEW})
    assert due.directory.must_change_password(due.people["bea"]) is False


def test_a_forged_or_foreign_ticket_is_refused(due: Any, library: Any) -> None:
    page = to_renewal(due, library)
    form = {**fields_of(page), "current": OLD, "password": NEW, "again": NEW}
    assert due.post(f"{PATH}/renew", {**form, "ticket": "x" * 43}).status_code == 400
    assert due.get(f"{PATH}/renew?ticket={'x' * 65}").status_code == 400
    assert due.get(f"{PATH}/renew").status_code == 400
    assert due.get(f"{PATH}/renew?ticket={form['ticket']}&ticket={form['ticket']}").status_code == 400
    due.client = due.make_client()
    assert due.get(f"{PATH}/renew?ticket={form['ticket']}").status_code == 400
    assert is_password_of(due.directory, "bea", OLD)


def test_a_ticket_of_somebody_to_whom_it_is_not_due_goes_on(signed_in: Any, lab: Any) -> None:
    login = signed_in.follow(signed_in.get(lab.redirect(signed=True, force_authn=True)))
    ticket = fields_of(login)["ticket"]
    answer = signed_in.get(f"{PATH}/renew?ticket={ticket}")
    assert answer.status_code == 303
    assert "/saml/sso/login" in answer.headers["Location"]


def test_whom_an_operator_asks_for_a_change_is_signed_out_and_asked_next(signed_in: Any, library: Any) -> None:
    signed_in.directory.require_new_password(signed_in.people["ada"], at=signed_in.clock.now(), by="operator")
    assert words_of(signed_in.get("/")).startswith("Nobody is signed in")
    answer = signed_in.whole_login(library.redirect(id="_second"), password=OLD)
    assert "/account/password/renew?ticket=" in answer.headers["Location"]


def test_a_session_is_asked_about_once(signed_in: Any, library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: object, principal: str) -> bool:
        raise LookupError("asked again")

    monkeypatch.setattr("idp.accounts.directory.Directory.must_change_password", never)
    assert fields_of(signed_in.get(library.redirect(id="_second")), having="SAMLResponse")


def test_setting_the_flag_is_recorded(house: Any) -> None:
    house.directory.require_new_password(house.people["ada"], at=house.clock.now(), by="operator")
    assert actions_of(house.engine)[-1] == "person.must_change_password"
