"""A forgotten password: one answer for everybody, a letter for who is meant, a link that works once."""

from datetime import timedelta
from typing import Any

import pytest

from ostiary.storage.engine import reading
from tests.idp.accounts.letterbox import (
    NEW,
    OLD,
    actions_of,
    add_person,
    errors_of,
    fields_of,
    is_password_of,
    link_in,
    text_of_letter,
    words_of,
)


def ask(home: Any, who: str) -> Any:
    page = home.get("/account/forgotten")
    return home.post("/account/forgotten", {**fields_of(page), "who": who})


def follow(home: Any, link: str, **typed: str) -> Any:
    page = home.get(link)
    return home.post("/account/reset", {**fields_of(page), "password": NEW, "again": NEW, **typed})


def test_a_link_leads_to_a_new_password(house: Any, mailbox: Any) -> None:
    assert ask(house, "ada").status_code == 200
    (letter,) = mailbox.to("ada@example.org")
    assert letter["Subject"] == "A new password for Example University"
    assert "account ada at Example University" in text_of_letter(letter)
    assert "within 30 minutes" in text_of_letter(letter)
    page = house.get(link_in(letter))
    assert words_of(page).startswith("Choose a new password For the account ada.")
    done = follow(house, link_in(letter))
    assert words_of(done).startswith("Your password is set")
    assert is_password_of(house.directory, "ada", NEW)
    assert not is_password_of(house.directory, "ada", OLD)


@pytest.mark.parametrize(
    "who", ["ada", "ADA ", "ada@example.org", "Ada@Example.org", "nobody", "nobody@example.org", "%"]
)
def test_the_answer_is_the_same_whoever_is_named(house: Any, who: str) -> None:
    answer = ask(house, who)
    assert answer.status_code == 200
    assert words_of(answer) == (
        "Look into your mailbox If we know you, a link is on its way to the address that we have of you. It works once, for 30 "
        "minutes. Nothing there after a few minutes? Look among the unwanted mail, then ask your organisation's help desk."
    )


@pytest.mark.parametrize("who", ["ada", "ada@example.org", "ADA@EXAMPLE.ORG"])
def test_the_letter_goes_to_the_address_that_is_known(house: Any, mailbox: Any, who: str) -> None:
    ask(house, who)
    assert [letter["To"] for letter in mailbox.letters()] == ["ada@example.org"]


def test_who_is_nobody_gets_no_letter(house: Any, mailbox: Any) -> None:
    ask(house, "nobody@example.org")
    assert mailbox.letters() == []
    assert "person.link_issued" not in actions_of(house.engine)


def test_who_is_disabled_or_signs_in_another_way_gets_no_letter(house: Any, mailbox: Any) -> None:
    add_person(house.directory, "eve", password=None, mail=["eve@example.org"])
    house.directory.disable(house.people["ada"], at=house.clock.now(), by="operator")
    ask(house, "ada")
    ask(house, "eve")
    assert mailbox.letters() == []


def test_two_who_share_a_mailbox_get_a_letter_each(house: Any, mailbox: Any) -> None:
    add_person(house.directory, "twin", mail=["ADA@example.org"])
    ask(house, "ada@example.org")
    assert sorted("twin" in text_of_letter(letter) for letter in mailbox.letters()) == [False, True]


def test_a_link_works_once(house: Any, mailbox: Any) -> None:
    ask(house, "ada")
    link = link_in(mailbox.letters()[0])
    form = fields_of(house.get(link))
    assert house.post("/account/reset", {**form, "password": NEW, "again": NEW}).status_code == 200
    again = house.post("/account/reset", {**form, "password": OLD + "!", "again": OLD + "!"})
    assert again.status_code == 400
    assert "This link was used already, or has expired." in words_of(again)
    assert house.get(link).status_code == 400
    assert is_password_of(house.directory, "ada", NEW)


def test_looking_at_a_link_does_not_use_it_up(house: Any, mailbox: Any) -> None:
    ask(house, "ada")
    link = link_in(mailbox.letters()[0])
    assert house.client.head(link, base_url="http://localhost:8001").status_code == 200
    assert [house.get(link).status_code for _ in range(3)] == [200, 200, 200]
    assert words_of(follow(house, link)).startswith("Your password is set")


def test_a_link_ends_after_half_an_hour(house: Any, mailbox: Any) -> None:
    ask(house, "ada")
    link = link_in(mailbox.letters()[0])
    form = fields_of(house.get(link))
    house.clock.move(timedelta(minutes=30))
    assert house.get(link).status_code == 400
    assert house.post("/account/reset", {**form, "password": NEW, "again": NEW}).status_code == 400
    assert is_password_of(house.directory, "ada", OLD)


def test_a_later_link_ends_the_one_before(house: Any, mailbox: Any) -> None:
    ask(house, "ada")
    ask(house, "ada")
    first, second = (link_in(letter) for letter in mailbox.letters())
    assert house.get(first).status_code == 400
    assert house.get(second).status_code == 200


def test_disabling_a_person_ends_her_link(house: Any, mailbox: Any) -> None:
    ask(house, "ada")
    house.directory.disable(house.people["ada"], at=house.clock.now(), by="operator")
    house.directory.enable(house.people["ada"], at=house.clock.now(), by="operator")
    assert house.get(link_in(mailbox.letters()[0])).status_code == 400


def test_the_database_does_not_hold_the_link(house: Any, mailbox: Any) -> None:
    ask(house, "ada")
    token = link_in(mailbox.letters()[0]).partition("token=")[2]
    with reading(house.engine) as connection:
        rows = connection.exec_driver_sql("SELECT * FROM password_link").all()
    assert len(rows) == 1
    assert token not in str(rows)
    assert len(token) == 43


def test_the_log_does_not_hold_the_link(house: Any, mailbox: Any) -> None:
    ask(house, "ada")
    token = link_in(mailbox.letters()[0]).partition("token=")[2]
    follow(house, link_in(mailbox.letters()[0]))
    house.get(f"/account/reset?token={token}")
    assert token not in house.log.getvalue()


def test_a_name_or_mailbox_gets_three_letters_an_hour_and_the_page_does_not_tell(house: Any, mailbox: Any) -> None:
    answers = {words_of(ask(house, "ada")) for _ in range(5)}
    assert len(answers) == 1
    assert len(mailbox.letters()) == 3
    house.clock.move(timedelta(hours=1))
    ask(house, "ada")
    assert len(mailbox.letters()) == 4


def test_one_address_asks_twenty_times_in_ten_minutes(house: Any) -> None:
    form = fields_of(house.get("/account/forgotten"))
    answers = [house.post("/account/forgotten", {**form, "who": f"name{number}"}).status_code for number in range(21)]
    assert answers == [200] * 20 + [429]
    house.clock.move(timedelta(minutes=10))
    assert house.post("/account/forgotten", {**form, "who": "ada"}).status_code == 200


def test_her_sessions_end_and_she_is_told(house: Any, mailbox: Any, library: Any) -> None:
    house.whole_login(library.redirect(), password=OLD)
    other = house.make_client()
    assert words_of(house.get("/")).startswith("You are signed in")
    house.client, mine = other, house.client
    ask(house, "ada")
    follow(house, link_in(mailbox.letters()[0]))
    house.client = mine
    assert words_of(house.get("/")).startswith("Nobody is signed in")
    assert mailbox.subjects()[-1] == "Your password at Example University was changed"


@pytest.mark.parametrize(
    ("typed", "field", "text"),
    [
        ({"password": "zebra 7", "again": "zebra 7"}, "password", "That password is too short."),
        ({"password": NEW, "again": NEW + "!"}, "again", "The two passwords are not the same."),
        (
            {"password": "password1234", "again": "password1234"},
            "password",
            "That is one of the passwords that are tried",
        ),
        (
            {"password": "ada@example.org!", "again": "ada@example.org!"},
            "password",
            "That password is little more than",
        ),
        ({"password": "", "again": ""}, "password", "The password is empty."),
        ({"password": "x" * 1025, "again": "x" * 1025}, "password", "The password is too long."),
    ],
)
def test_a_password_that_will_not_do_leaves_the_link_and_says_why(
    house: Any, mailbox: Any, typed: dict[str, str], field: str, text: str
) -> None:
    ask(house, "ada")
    link = link_in(mailbox.letters()[0])
    page = follow(house, link, **typed)
    assert page.status_code == 400
    assert list(errors_of(page)) == [field]
    assert errors_of(page)[field].startswith(text)
    source = page.get_data(as_text=True)
    assert f'aria-describedby="{"password-hint " if field == "password" else ""}{field}-error"' in source
    assert typed["password"] == "" or typed["password"] not in source
    assert words_of(follow(house, link)).startswith("Your password is set")


def test_everything_is_in_the_audit_without_a_name(house: Any, mailbox: Any) -> None:
    ask(house, "ada")
    follow(house, link_in(mailbox.letters()[0]))
    assert actions_of(house.engine)[-3:] == ["person.link_issued", "person.link_used", "person.password_set"]
    (issued,) = house.events("person.link_issued")
    (used,) = house.events("person.link_used")
    assert (issued.actor, issued.person) == ("anybody", house.people["ada"])
    assert (used.actor, used.person) == (house.people["ada"], house.people["ada"])


BAD_TOKENS = ["", "x" * 43, "x" * 65, "../../etc/passwd", "é" * 10, "' OR 1=1 --"]


@pytest.mark.parametrize("token", BAD_TOKENS)
def test_a_link_that_nobody_was_sent_is_refused(house: Any, token: str) -> None:
    form = fields_of(house.get("/account/forgotten"))
    assert (
        house.client.get("/account/reset", query_string={"token": token}, base_url="http://localhost:8001").status_code
        == 400
    )
    answer = house.post("/account/reset", {**form, "token": token, "password": NEW, "again": NEW})
    assert answer.status_code == 400
    assert is_password_of(house.directory, "ada", OLD)


def post_raw(home: Any, path: str, fields: list[tuple[str, str]]) -> int:
    from urllib.parse import urlencode

    answer = home.client.post(
        path, data=urlencode(fields), content_type="application/x-www-form-urlencoded", base_url="http://localhost:8001"
    )
    return answer.status_code


@pytest.mark.parametrize("name", ["csrf_token", "token", "password", "again"])
def test_each_field_of_the_link_missing_doubled_or_over_long_is_refused(house: Any, mailbox: Any, name: str) -> None:
    ask(house, "ada")
    form = {**fields_of(house.get(link_in(mailbox.letters()[0]))), "password": NEW, "again": NEW}
    fields = list(form.items())
    missing = [(key, value) for key, value in fields if key != name]
    doubled = [*fields, (name, form[name])]
    too_long = [*missing, (name, "x" * 5_000)]
    answers = [post_raw(house, "/account/reset", sent) for sent in (missing, doubled, too_long)]
    assert all(answer in (400, 403) for answer in answers), answers
    assert is_password_of(house.directory, "ada", OLD)


@pytest.mark.parametrize("name", ["csrf_token", "who"])
def test_each_field_of_the_request_missing_doubled_or_over_long_is_refused(house: Any, mailbox: Any, name: str) -> None:
    form = {**fields_of(house.get("/account/forgotten")), "who": "ada"}
    fields = list(form.items())
    missing = [(key, value) for key, value in fields if key != name]
    sent = (missing, [*fields, (name, form[name])], [*missing, (name, "x" * 5_000)])
    answers = [post_raw(house, "/account/forgotten", one) for one in sent]
    assert all(answer in (400, 403) for answer in answers), answers
    assert mailbox.letters() == []


@pytest.mark.parametrize("who", ["", "   ", "x" * 255])
def test_a_name_that_cannot_be_one_is_told(house: Any, who: str) -> None:
    answer = ask(house, who)
    assert answer.status_code == 400
    assert list(errors_of(answer)) == ["who"]


@pytest.mark.parametrize(
    "path", ["/account/forgotten", "/account/reset", "/account/password", "/account/password/renew"]
)
def test_a_form_from_another_site_is_refused(house: Any, path: str) -> None:
    answer = house.client.post(
        path, data={"who": "ada"}, headers={"Origin": "https://evil.example"}, base_url="http://localhost:8001"
    )
    assert answer.status_code == 403


def test_without_a_way_to_send_mail_there_is_no_such_page(home: Any) -> None:
    assert home.get("/account/forgotten").status_code == 404
    assert home.get("/account/register").status_code == 404


def test_a_mail_server_that_is_down_changes_nothing_in_the_answer(house: Any, mailbox: Any) -> None:
    mailbox.directory.write_text("not a directory")
    assert ask(house, "ada").status_code == 200
    assert "mail.unavailable" in house.log.getvalue()
