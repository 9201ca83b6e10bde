"""Registering: an address that is proven, a password or certificate, somebody's approval, and nothing that tells who exists."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from idp.accounts import registrations
from idp.accounts.registration_pages import RegistrationPages, add_registration_pages
from idp.accounts.settings import RegistrationSettings
from idp.login.certificate import CertificateLogin
from idp.login.mapping import Home
from ostiary.config import TrustedPeer, networks
from ostiary.storage.engine import reading
from ostiary.web.ignored_once import IgnoredOnce
from ostiary.web.log import make_log
from ostiary.x509.certificate_names import CertificateNames
from tests.idp.accounts.letterbox import (
    NEW,
    actions_of,
    errors_of,
    fields_of,
    is_password_of,
    link_in,
    text_of_letter,
    words_of,
)
from tests.x509.authorities import Identity, pem, root, trust_directory

BASE = "http://localhost:8001"
PATH = "/account/register"
PROVE = "/account/register/confirm"
CERTIFICATE = CertificateNames("CN=Grace,O=Grid", "CN=CA,O=Grid")
GRACE = {"name": "Grace Hopper", "mail": "grace@navy.example", "remark": "With Ada."}
SENT = (
    "Look into your mailbox We have sent a letter to {mail}. It says how to go on. Nothing there after a few minutes? Look among the "
    "unwanted mail, or check the address and try again."
)


def register(home: Any, **typed: str) -> Any:
    return home.post(PATH, {**fields_of(home.get(PATH)), **GRACE, **typed})


def prove(home: Any, link: str, **typed: str) -> Any:
    fields = {**fields_of(home.get(link)), "by": "password", "password": NEW, "again": NEW, **typed}
    return home.post(PROVE, fields)


def waiting(home: Any) -> list[registrations.Registration]:
    with reading(home.engine) as connection:
        return list(registrations.waiting(connection, home.clock.now()))


def kept(home: Any) -> int:
    with reading(home.engine) as connection:
        return len(connection.exec_driver_sql("SELECT * FROM registration").all())


def approve(home: Any, entry: registrations.Registration, login_name: str) -> None:
    with home.directory.change(at=home.clock.now(), by="operator") as change:
        registrations.approve(change, entry, login_name=login_name, attributes={})


def test_a_stranger_becomes_a_person(house: Any, mailbox: Any, library: Any) -> None:
    assert words_of(register(house)) == SENT.format(mail="grace@navy.example")
    (letter,) = mailbox.to("grace@navy.example")
    assert letter["Subject"] == "Your registration at Example University"
    page = house.get(link_in(letter))
    assert "Grace Hopper" in words_of(page)
    assert words_of(prove(house, link_in(letter))).startswith("Your registration waits")
    (entry,) = waiting(house)
    assert (entry.applicant.display_name, entry.applicant.remark) == ("Grace Hopper", "With Ada.")
    assert house.directory.find("grace@navy.example") is None
    approve(house, entry, "grace")
    assert house.directory.attributes(entry.principal) == {
        "displayName": ("Grace Hopper",),
        "mail": ("grace@navy.example",),
    }
    answer = house.whole_login(library.redirect(), username="grace", password=NEW)
    assert house.accept(answer, library).assertion is not None
    assert kept(house) == 0


def test_the_principal_is_hers_from_the_first_row_on(house: Any, mailbox: Any) -> None:
    register(house)
    prove(house, link_in(mailbox.letters()[0]))
    approve(house, waiting(house)[0], "grace")
    person = house.directory.find("grace")
    events = [house.events(f"registration.{step}")[0] for step in ("begun", "proven", "approved")]
    assert {event.person for event in events} == {person.principal}
    assert [event.actor for event in events] == ["anybody", person.principal, "operator"]


@pytest.mark.parametrize("mail", ["ada@example.org", "ADA@Example.org", "nobody@example.org"])
def test_the_answer_is_the_same_for_an_address_that_is_known(house: Any, mail: str) -> None:
    answer = register(house, mail=mail)
    assert answer.status_code == 200
    assert words_of(answer) == SENT.format(mail=mail)


def test_only_the_mailbox_learns_that_there_is_an_account(house: Any, mailbox: Any) -> None:
    register(house, mail="ada@example.org")
    (letter,) = mailbox.to("ada@example.org")
    assert "There is an account with this address already." in text_of_letter(letter)
    assert link_in(letter) == "/account/forgotten"
    assert kept(house) == 0


def test_a_login_name_that_is_the_address_counts_as_known(house: Any, mailbox: Any) -> None:
    house.directory.rename_login(house.people["ada"], "lovelace@example.org", at=house.clock.now(), by="operator")
    register(house, mail="Lovelace@example.org")
    assert "There is an account" in text_of_letter(mailbox.letters()[0])


def test_who_waits_already_is_told_so_by_letter(house: Any, mailbox: Any) -> None:
    register(house)
    prove(house, link_in(mailbox.letters()[0]))
    register(house, name="Somebody Else")
    assert "You have done that before." in text_of_letter(mailbox.letters()[1])
    assert [entry.applicant.display_name for entry in waiting(house)] == ["Grace Hopper"]


def test_a_second_attempt_takes_the_place_of_one_that_was_not_proven(house: Any, mailbox: Any) -> None:
    register(house)
    register(house, name="Rear Admiral Hopper")
    first, second = (link_in(letter) for letter in mailbox.letters())
    assert house.get(first).status_code == 400
    assert "Rear Admiral Hopper" in words_of(house.get(second))
    assert kept(house) == 1


def test_a_link_is_used_once_and_not_by_looking(house: Any, mailbox: Any) -> None:
    register(house)
    link = link_in(mailbox.letters()[0])
    assert [house.get(link).status_code for _ in range(2)] == [200, 200]
    form = {**fields_of(house.get(link)), "by": "password", "password": NEW, "again": NEW}
    assert house.post(PROVE, form).status_code == 200
    assert house.post(PROVE, form).status_code == 400
    assert house.get(link).status_code == 400


def test_a_link_ends_after_a_day_and_the_row_goes_with_the_next_one(house: Any, mailbox: Any) -> None:
    register(house)
    house.clock.move(timedelta(hours=24))
    assert house.get(link_in(mailbox.letters()[0])).status_code == 400
    register(house, mail="other@navy.example")
    assert kept(house) == 1
    (expired,) = house.events("registration.expired")
    assert expired.person is None


def test_what_waits_too_long_is_erased(house: Any, mailbox: Any) -> None:
    register(house)
    prove(house, link_in(mailbox.letters()[0]))
    house.clock.move(timedelta(days=30))
    assert waiting(house) == []
    with house.directory.change(at=house.clock.now(), by="idp") as change:
        assert registrations.erase_expired(change) == 1
    assert kept(house) == 0


def test_who_is_rejected_is_forgotten(house: Any, mailbox: Any) -> None:
    register(house)
    prove(house, link_in(mailbox.letters()[0]))
    (entry,) = waiting(house)
    with house.directory.change(at=house.clock.now(), by="operator") as change:
        registrations.reject(change, entry)
    assert kept(house) == 0
    assert actions_of(house.engine)[-2:] == ["registration.rejected", "audit.person_erased"]
    assert house.events("registration.rejected")[0].person is None
    register(house)
    assert "Go on here" in text_of_letter(mailbox.letters()[1])


def test_the_audit_holds_neither_name_nor_address(house: Any, mailbox: Any) -> None:
    register(house)
    prove(house, link_in(mailbox.letters()[0]))
    with reading(house.engine) as connection:
        rows = connection.exec_driver_sql("SELECT * FROM audit_event").all()
        rows += connection.exec_driver_sql("SELECT * FROM audit_person").all()
    assert "grace" not in str(rows).lower()


def test_the_database_and_the_log_do_not_hold_the_link(house: Any, mailbox: Any) -> None:
    register(house)
    token = link_in(mailbox.letters()[0]).partition("token=")[2]
    with reading(house.engine) as connection:
        assert token not in str(connection.exec_driver_sql("SELECT * FROM registration").all())
    assert token not in house.log.getvalue()


def test_whoever_waits_for_a_decision_is_announced(posted: Callable[..., Any], mailbox: Any) -> None:
    home = posted(registration=RegistrationSettings(by=("password",), tell=("desk@example.org",)))
    register(home)
    assert mailbox.to("desk@example.org") == []
    prove(home, link_in(mailbox.letters()[0]))
    (letter,) = mailbox.to("desk@example.org")
    assert "Grace Hopper wants to register" in text_of_letter(letter)


def test_people_of_a_domain_need_no_approval(posted: Callable[..., Any], mailbox: Any, library: Any) -> None:
    home = posted(
        registration=RegistrationSettings(
            by=("password",), approve_domains=("navy.example",), attributes={"eduPersonAffiliation": ("affiliate",)}
        )
    )
    register(home, mail="Grace@Navy.example")
    ready = prove(home, link_in(mailbox.letters()[0]))
    assert words_of(ready).endswith("sign in as Grace@Navy.example.")
    person = home.directory.find("grace@navy.example")
    assert home.directory.attributes(person.principal)["eduPersonAffiliation"] == ("affiliate",)
    answer = home.whole_login(library.redirect(), username="grace@navy.example", password=NEW)
    assert home.accept(answer, library).assertion is not None


@pytest.mark.parametrize("mail", ["eve@evil-navy.example", "eve@navy.example.evil.test", "eve@sub.navy.example"])
def test_a_domain_that_only_looks_like_it_needs_approval(posted: Callable[..., Any], mailbox: Any, mail: str) -> None:
    home = posted(registration=RegistrationSettings(by=("password",), approve_domains=("navy.example",)))
    register(home, mail=mail)
    prove(home, link_in(mailbox.letters()[0]))
    assert home.directory.find(mail) is None
    assert len(waiting(home)) == 1


def test_somebody_who_became_known_meanwhile_is_left_to_an_operator(posted: Callable[..., Any], mailbox: Any) -> None:
    home = posted(registration=RegistrationSettings(by=("password",), approve_domains=("navy.example",)))
    register(home)
    home.directory.create("grace@navy.example", password_hash=None, attributes={}, at=home.clock.now(), by="operator")
    assert words_of(prove(home, link_in(mailbox.letters()[0]))).startswith("Your registration waits")
    assert not is_password_of(home.directory, "grace@navy.example", NEW)


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"mail": ""}, "mail"),
        ({"mail": "no address"}, "mail"),
        ({"mail": "a@b\r\nBcc: victim@example.org"}, "mail"),
        ({"mail": "a@b, c@d"}, "mail"),
        ({"mail": "a@[127.0.0.1]"}, "mail"),
        ({"mail": '"a b"@example.org'}, "mail"),
        ({"mail": "é@example.org"}, "mail"),
        ({"mail": "x" * 64 + "@" + "y" * 60 + ".example"}, "mail"),
        ({"remark": "x" * 501}, "remark"),
        ({"remark": "two\nlines"}, "remark"),
    ],
)
def test_what_cannot_be_accepted_is_told_at_its_field(
    house: Any, mailbox: Any, typed: dict[str, str], field: str
) -> None:
    page = register(house, **typed)
    assert page.status_code == 400
    assert list(errors_of(page)) == [field]
    assert mailbox.letters() == []


def test_what_was_typed_comes_back_escaped(house: Any) -> None:
    page = register(house, name='"><script>alert(1)</script>', mail="wrong").get_data(as_text=True)
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("typed", [{"password": "zebra 7", "again": "zebra 7"}, {"again": "another text"}])
def test_a_password_that_will_not_do_leaves_the_link(house: Any, mailbox: Any, typed: dict[str, str]) -> None:
    register(house)
    link = link_in(mailbox.letters()[0])
    assert prove(house, link, **typed).status_code == 400
    assert waiting(house) == []
    assert prove(house, link).status_code == 200


def test_a_password_made_of_her_own_name_will_not_do(house: Any, mailbox: Any) -> None:
    register(house)
    page = prove(house, link_in(mailbox.letters()[0]), password="gracehopper1906", again="gracehopper1906")
    assert errors_of(page)["password"].startswith("That password is little more than your name")


@pytest.mark.parametrize("name", ["csrf_token", "name", "mail", "remark"])
def test_each_field_of_the_form_missing_doubled_or_over_long_is_refused(house: Any, mailbox: Any, name: str) -> None:
    form = {**fields_of(house.get(PATH)), **GRACE}
    assert all(answer in (400, 403) for answer in spoiled(house, PATH, form, name))
    assert mailbox.letters() == []


@pytest.mark.parametrize("name", ["csrf_token", "token", "by", "password", "again"])
def test_each_field_of_the_link_missing_doubled_or_over_long_is_refused(house: Any, mailbox: Any, name: str) -> None:
    register(house)
    form = {**fields_of(house.get(link_in(mailbox.letters()[0]))), "by": "password", "password": NEW, "again": NEW}
    assert all(answer in (400, 403) for answer in spoiled(house, PROVE, form, name))
    assert waiting(house) == []


def spoiled(home: Any, path: str, form: dict[str, str], name: str) -> list[int]:
    fields = list(form.items())
    missing = [(key, value) for key, value in fields if key != name]
    return [
        home.client.post(
            path, data=urlencode(sent), content_type="application/x-www-form-urlencoded", base_url=BASE
        ).status_code
        for sent in (missing, [*fields, (name, form[name])], [*missing, (name, "x" * 5_000)])
    ]


@pytest.mark.parametrize("token", ["", "x" * 43, "x" * 65, "' OR 1=1 --"])
def test_a_forged_link_is_refused(house: Any, token: str) -> None:
    assert house.client.get(PROVE, query_string={"token": token}, base_url=BASE).status_code == 400
    form = {**fields_of(house.get(PATH)), "token": token, "by": "password", "password": NEW, "again": NEW}
    assert house.post(PROVE, form).status_code == 400
    assert waiting(house) == []


@pytest.mark.parametrize("way", ["certificate", "nothing", "password "])
def test_a_way_that_is_not_offered_is_refused(posted: Callable[..., Any], mailbox: Any, way: str) -> None:
    home = posted(registration=RegistrationSettings(by=("password",)))
    register(home)
    page = home.get(link_in(mailbox.letters()[0]))
    assert "With your certificate" not in words_of(page)
    assert prove(home, link_in(mailbox.letters()[0]), by=way).status_code == 400
    assert waiting(home) == []


def test_one_address_registers_twenty_times_in_ten_minutes(house: Any) -> None:
    form = {**fields_of(house.get(PATH)), **GRACE}
    answers = [house.post(PATH, {**form, "mail": f"g{number}@navy.example"}).status_code for number in range(21)]
    assert answers == [200] * 20 + [429]


def test_one_mailbox_gets_three_letters_an_hour(house: Any, mailbox: Any) -> None:
    answers = {words_of(register(house)) for _ in range(5)}
    assert len(answers) == 1
    assert len(mailbox.letters()) == 3


def test_a_flood_ends_where_nobody_would_look_any_more(
    house: Any, mailbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registrations, "MAXIMUM_WAITING", 1)
    register(house)
    assert words_of(register(house, mail="second@navy.example")) == SENT.format(mail="second@navy.example")
    assert kept(house) == 1
    assert mailbox.to("second@navy.example") == []
    assert "registration.full" in house.log.getvalue()


def test_it_is_off_unless_it_was_switched_on(posted: Callable[..., Any]) -> None:
    home = posted(registration=RegistrationSettings())
    assert home.get(PATH).status_code == 404
    assert home.get(f"{PROVE}?token=x").status_code == 404


# --- by certificate


@pytest.fixture
def shown() -> list[CertificateNames]:
    """What the browser's connection proves."""
    return [CERTIFICATE]


@pytest.fixture
def grid(posted: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, shown: list[CertificateNames]) -> Any:
    """The organisation, where the connection proves a certificate."""

    def with_certificate(app: Any, pages: RegistrationPages) -> None:
        proven = RegistrationPages(pages.accounts, lambda: shown[0] if shown else None, pages.now)
        add_registration_pages(app, proven)

    monkeypatch.setattr("idp.accounts.opening.add_registration_pages", with_certificate)
    return posted()


def test_a_certificate_takes_the_place_of_a_password(grid: Any, mailbox: Any) -> None:
    register(grid)
    link = link_in(mailbox.letters()[0])
    assert "CN=Grace,O=Grid" in words_of(grid.get(link))
    form = {**fields_of(grid.get(link)), "by": "certificate"}
    assert grid.post(PROVE, form).status_code == 200
    (entry,) = waiting(grid)
    assert (entry.certificate, entry.has_password) == (CERTIFICATE, False)
    approve(grid, entry, "grace")
    found = grid.directory.by_certificate("CN=Grace,O=Grid", "CN=CA,O=Grid")
    assert found is not None
    assert found.login_name == "grace"
    assert grid.directory.credentials("grace").password_hash is None


def test_a_certificate_of_somebody_is_refused(grid: Any, mailbox: Any) -> None:
    ada = grid.directory.create("ada", password_hash=None, attributes={}, at=grid.clock.now(), by="operator")
    grid.directory.add_certificate(ada, CERTIFICATE, at=grid.clock.now(), by="operator")
    register(grid)
    link = link_in(mailbox.letters()[0])
    answer = grid.post(PROVE, {**fields_of(grid.get(link)), "by": "certificate"})
    assert answer.status_code == 400
    assert "Somebody has an account with this certificate already." in words_of(answer)
    assert waiting(grid) == []


def test_without_a_certificate_it_is_told_how_to_go_on(grid: Any, mailbox: Any, shown: list[CertificateNames]) -> None:
    register(grid)
    link = link_in(mailbox.letters()[0])
    shown.clear()
    assert "Your browser has shown no certificate." in words_of(grid.get(link))
    answer = grid.post(PROVE, {**fields_of(grid.get(link)), "by": "certificate"})
    assert answer.status_code == 400
    assert waiting(grid) == []


def test_a_web_server_in_front_proves_the_certificate(
    house: Any, posted: Callable[..., Any], mailbox: Any, tmp_path: Path
) -> None:
    authority, stranger = root(), root("/C=ZZ/O=Elsewhere/CN=Other CA")
    trust = trust_directory(tmp_path / "ca", authority)
    opened = house.settings.people.open(house.engine, house.settings.password_hashing.passwords, lambda _: None)
    by_certificate = CertificateLogin(
        trust=lambda: trust,
        home=Home(opened.names, opened.people),
        registered=opened.registered,
        rules=(),
        ignored=IgnoredOnce(make_log(house.clock, service="test", stream=StringIO())),
        header="Client-Cert",
        peer=TrustedPeer(networks(("127.0.0.1/32",))),
    )
    home = posted(opened=replace(opened, ambient=(by_certificate,)))
    hers, forged = authority.issue("/C=ZZ/O=Grid/CN=Grace"), stranger.issue("/C=ZZ/O=Grid/CN=Grace")
    register(home)
    link = link_in(mailbox.letters()[0])
    form = {**fields_of(home.get(link)), "by": "certificate"}

    def send(certificate: Identity | None, peer: str) -> int:
        headers = {"Client-Cert": quote(pem(certificate.certificate))} if certificate is not None else {}
        answer = home.client.post(
            PROVE, data=form, headers=headers, base_url=BASE, environ_overrides={"REMOTE_ADDR": peer}
        )
        return answer.status_code

    assert send(None, "127.0.0.1") == 400
    assert send(forged, "127.0.0.1") == 400
    assert send(hers, "192.0.2.7") == 400
    assert waiting(home) == []
    assert send(hers, "127.0.0.1") == 200
    assert waiting(home)[0].certificate == CertificateNames("CN=Grace,O=Grid,C=ZZ", "CN=HV Test CA,O=HV Test,C=ZZ")
