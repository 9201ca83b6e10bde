"""Tests of the application, without keys, federation and login."""

from fastapi.testclient import TestClient
from sp_shire.fastapi import ShireAsgiMiddleware
from sp_shire.testing import StandIn

from measurements import app

shire = StandIn("sp.yaml")
browser = TestClient(ShireAsgiMiddleware(app, shire), base_url="http://127.0.0.1:8080", follow_redirects=False)
ALICE = {"eduPersonScopedAffiliation": "member@northgate.example"}


def test_the_first_page_is_for_everybody():
    assert browser.get("/").status_code == 200


def test_a_member_sees_what_she_is():
    with shire.signed_in(ALICE):
        assert "Hello, member@northgate.example of" in browser.get("/measurements/").text


def test_a_program_without_a_session_is_refused():
    assert browser.get("/measurements/latest", headers={"accept": "application/json"}).status_code == 401


def test_measurements_come_over_a_websocket():
    with (
        shire.signed_in(ALICE),
        browser.websocket_connect("/measurements/live", headers={"origin": shire.origin}) as live,
    ):
        assert live.receive_text().endswith(" °C")
