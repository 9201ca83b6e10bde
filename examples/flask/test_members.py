"""Tests of the application, without keys, federation and login."""

from sp_shire.flask import protect
from sp_shire.testing import StandIn

from members import app

shire = StandIn("sp.yaml")
protect(app, shire)
browser = app.test_client()


def test_the_first_page_is_for_everybody():
    assert browser.get("/").status_code == 200


def test_a_member_sees_what_she_is():
    with shire.signed_in({"eduPersonScopedAffiliation": "member@northgate.example"}):
        page = browser.get("/members/")
    assert "<li>member@northgate.example</li>" in page.text


def test_who_has_left_stays_outside():
    with shire.signed_in({"eduPersonScopedAffiliation": "alum@northgate.example"}):
        assert browser.get("/members/").status_code == 403


def test_nobody_is_sent_to_log_in():
    assert browser.get("/members/").status_code == 302
