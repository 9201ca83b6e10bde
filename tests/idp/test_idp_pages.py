"""The IdP's own pages: who is signed in, signing out, the login page's words."""

import re
from datetime import UTC, datetime

from lxml import html

from idp.service import TEXTS
from ostiary.web.texts import Catalogue
from tests.idp.conftest import BASE

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def text_of(page) -> str:
    main = html.document_fromstring(page.get_data(as_text=True)).get_element_by_id("main")
    return re.sub(r"\s+", " ", " ".join(main.itertext()))


def test_every_text_is_there() -> None:
    catalogue = Catalogue.load(TEXTS)
    assert catalogue.text("en", "idp.login.title") == "Sign in"
    assert "sso.acs_unregistered" in catalogue.error_codes


def test_nobody_is_signed_in_at_first(home) -> None:
    page = home.get("/")
    assert page.status_code == 200
    assert "Nobody is signed in" in text_of(page)
    assert "<form" not in page.get_data(as_text=True)


def test_a_page_that_is_not_there_leads_to_the_start_page(home) -> None:
    page = home.get("/no-such-page")
    assert page.status_code == 404
    (link,) = html.document_fromstring(page.get_data(as_text=True)).cssselect("header a")
    assert link.get("href") == "http://localhost:8001/"


def test_the_home_page_says_who_is_signed_in_and_since_when(home, library) -> None:
    home.whole_login(library.redirect())
    text = text_of(home.get("/"))
    assert "Signed in as ada" in text
    assert "2026-11-22 12:00:00 UTC" in text
    assert "2026-11-22 22:00:00 UTC" in text


def test_signing_out_ends_the_session_and_its_cookie(home, library) -> None:
    home.whole_login(library.redirect())
    form = html.document_fromstring(home.get("/").get_data(as_text=True)).forms[0]
    assert form.action == "http://localhost:8001/logout"
    answer = home.post("/logout", dict(form.fields))
    assert answer.status_code == 303
    assert home.session_cookie() in (None, "")
    assert "You are signed out" in text_of(home.follow(answer))
    assert "Nobody is signed in" in text_of(home.get("/"))
    assert home.get(library.redirect()).status_code == 303
    (ended,) = home.events("login.ended")
    assert ended.person == home.people["ada"]


def test_the_token_of_an_ended_session_is_worth_nothing(home, library) -> None:
    home.whole_login(library.redirect())
    (cookie,) = [cookie for cookie in home.client._cookies.values() if "-session-" in cookie.key]
    form = html.document_fromstring(home.get("/").get_data(as_text=True)).forms[0]
    home.post("/logout", dict(form.fields))
    home.client.set_cookie(cookie.key, cookie.value, domain="localhost")
    assert "Nobody is signed in" in text_of(home.get("/"))


def test_another_site_can_not_sign_anybody_out(home, library) -> None:
    home.whole_login(library.redirect())
    assert home.post("/logout", {}).status_code == 403
    assert home.get("/logout").status_code == 200
    assert "Signed in as ada" in text_of(home.get("/"))


def test_signing_out_twice_is_no_error(home) -> None:
    page = html.document_fromstring(home.get("/signed-out").get_data(as_text=True))
    assert "You are signed out" in page.text_content()


def test_the_login_page_says_who_asks_and_where_the_password_stays(home, library) -> None:
    page = home.follow(home.get(library.redirect()))
    text = text_of(page)
    assert "You are on your way to: The <Old> Library Books & maps since 1512." in text
    assert "Your password stays here, at Example University (localhost:8001)." in text
    source = page.get_data(as_text=True)
    assert "<Old>" not in source
    assert re.search(r'<input id="username"[^>]*autocomplete="username"', source)
    assert re.search(r'<input id="password"[^>]*type="password"[^>]*autocomplete="current-password"', source)
    assert "<script" not in source


def test_what_was_typed_as_a_name_comes_back_escaped_and_the_password_does_not(home, library) -> None:
    page = home.log_in(
        home.follow(home.get(library.redirect())), username='"><script>alert(1)</script>', password="s3cret!"
    )
    source = page.get_data(as_text=True)
    assert "<script>" not in source
    assert "&lt;script&gt;alert(1)" in source
    assert "s3cret!" not in source


def test_a_request_that_forces_authentication_says_why_it_asks_again(home, library) -> None:
    home.whole_login(library.redirect())
    page = home.follow(home.get(library.redirect(force_authn=True)))
    assert "You are asked for your password once more, by: The <Old> Library" in text_of(page)


def test_health_is_good_while_the_directory_answers(home) -> None:
    assert home.get("/health").get_json() == {"status": "ok"}
    with home.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE person RENAME TO elsewhere")
    assert home.get("/health").status_code == 503


def test_the_organisation_is_called_by_its_name_in_the_language_of_the_page(home) -> None:
    for language, name in (
        ("nl", "Voorbeeld Universiteit"),
        ("de", "Example University"),
        ("en", "Example University"),
    ):
        answer = home.client.get("/", base_url=BASE, headers={"Accept-Language": language})
        assert f"<span>{name}</span>" in answer.get_data(as_text=True)
        assert answer.headers["Content-Language"] == language
