"""A person in a real browser, across two sites, at both homes and both resources, with and without JavaScript."""

from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.e2e.walk import (
    agree_if_asked,
    choose_home,
    click,
    enter_password,
    page_text,
    press_continue,
    wait_for_site,
    wait_for_text,
)
from tests.running_demo import RunningDemo

pytestmark = pytest.mark.e2e


def user_of(home: dict[str, Any], name: str) -> dict[str, Any]:
    return next(user for user in home["users"] if user["username"] == name)


def log_in(
    chromium: webdriver.Chrome, demo: RunningDemo, resource: int, home: int, username: str, *, javascript: bool
) -> None:
    sp, idp = demo.ready["sp"][resource], demo.ready["idp"][home]
    chromium.get(sp["url"])
    wait_for_site(chromium, demo.ready["wayf"]["url"])
    choose_home(chromium, idp["entity_id"])
    wait_for_site(chromium, idp["sso"].partition("/saml/")[0])
    enter_password(chromium, username, user_of(idp, username)["password"])
    agree_if_asked(chromium, sp["url"])
    if not javascript:
        press_continue(chromium)
    wait_for_site(chromium, sp["url"])


@pytest.mark.parametrize(
    ("resource", "home", "username", "expected"),
    [
        (
            0,
            0,
            "alice",
            ["The reading room", "Northgate University told us that you belong there", "member@northgate.example"],
        ),
        (
            0,
            1,
            "emil",
            ["The reading room", "Southbank Institute told us that you belong there", "member@southbank.example"],
        ),
        (1, 0, "alice", ["Electron microscope", "Welcome, Alice Archer of Northgate University", "instrument:operate"]),
        (1, 1, "dora", ["Electron microscope", "Welcome, Dora Draper of Southbank Institute", "instrument:operate"]),
        (1, 1, "emil", ["Electron microscope", "Welcome, Emil Éclair of Southbank Institute", "imaging/Role=operator"]),
    ],
)
def test_a_person_logs_in_and_sees_what_was_released_and_why_she_may_enter(
    chromium: webdriver.Chrome,
    demo: RunningDemo,
    javascript: bool,
    resource: int,
    home: int,
    username: str,
    expected: list[str],
) -> None:
    log_in(chromium, demo, resource, home, username, javascript=javascript)
    wait_for_text(chromium, "What was told about you")
    text = page_text(chromium)
    for words in (*expected, "Why you may enter", "What was told about you"):
        assert words in text


def test_a_person_without_the_entitlement_is_told_why_she_stays_outside(
    chromium: webdriver.Chrome, demo: RunningDemo, javascript: bool
) -> None:
    log_in(chromium, demo, 1, 0, "bob", javascript=javascript)
    wait_for_text(chromium, "help@northgate.example")
    text = page_text(chromium)
    assert "You are signed in, but not allowed in here" in text
    assert "The instrument is for people whom the laboratory has admitted as operators." in text
    assert "help@northgate.example" in text


def test_the_second_resource_asks_for_no_password_and_signing_out_ends_only_the_first(
    chromium: webdriver.Chrome, demo: RunningDemo, javascript: bool
) -> None:
    log_in(chromium, demo, 0, 0, "alice", javascript=javascript)
    instrument, idp = demo.ready["sp"][1], demo.ready["idp"][0]
    chromium.get(instrument["url"])
    wait_for_site(chromium, demo.ready["wayf"]["url"])
    choose_home(chromium, idp["entity_id"])
    if not javascript:
        press_continue(chromium)
    wait_for_site(chromium, instrument["url"])
    wait_for_text(chromium, "Welcome, Alice Archer")

    library = demo.ready["sp"][0]["url"]
    chromium.get(library)
    click(chromium, By.LINK_TEXT, "Sign out")
    click(chromium, By.CSS_SELECTOR, "button[value=here]")
    wait_for_text(chromium, "You are signed out here")
    chromium.get(library)
    wait_for_site(chromium, demo.ready["wayf"]["url"])
    chromium.get(instrument["url"])
    wait_for_text(chromium, "Electron microscope")


def test_signing_out_everywhere_ends_what_the_other_resource_knows(
    chromium: webdriver.Chrome, demo: RunningDemo, javascript: bool
) -> None:
    log_in(chromium, demo, 0, 0, "alice", javascript=javascript)
    instrument, idp = demo.ready["sp"][1], demo.ready["idp"][0]
    chromium.get(instrument["url"])
    choose_home(chromium, idp["entity_id"])
    if not javascript:
        press_continue(chromium)
    wait_for_text(chromium, "Welcome, Alice Archer")
    click(chromium, By.LINK_TEXT, "Sign out")
    click(chromium, By.CSS_SELECTOR, "button[value=everywhere]")
    wait_for_text(chromium, "You are signed out everywhere")
    assert chromium.current_url.startswith(instrument["acs"].removesuffix("acs") + "signed-out")
    chromium.get(demo.ready["sp"][0]["url"])
    wait_for_site(chromium, demo.ready["wayf"]["url"])


def test_a_wrong_password_is_asked_for_again_and_logs_nobody_in(
    chromium: webdriver.Chrome, demo: RunningDemo, javascript: bool
) -> None:
    sp, idp = demo.ready["sp"][0], demo.ready["idp"][0]
    chromium.get(sp["url"])
    choose_home(chromium, idp["entity_id"])
    enter_password(chromium, "alice", "not her password")
    wait_for_text(chromium, "That user name and password do not go together.")
    assert chromium.current_url.startswith("http://localhost")
    chromium.get(sp["url"])
    wait_for_site(chromium, demo.ready["wayf"]["url"])


def test_cookies_are_lax_and_out_of_reach_of_scripts(
    chromium: webdriver.Chrome, demo: RunningDemo, javascript: bool
) -> None:
    log_in(chromium, demo, 0, 1, "dora", javascript=javascript)
    cookies = [cookie for cookie in chromium.get_cookies() if cookie["name"].startswith("ost-")]
    assert len(cookies) == 2
    assert {(cookie["sameSite"], cookie["httpOnly"], cookie["path"]) for cookie in cookies} == {("Lax", True, "/")}
