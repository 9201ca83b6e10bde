"""examples/flask, which is what docs/protect-a-flask-application.md goes through."""

from collections.abc import Iterator

import pytest

from tests.browser import Browser, HttpTransport
from tests.examples.places import Place, serving


@pytest.fixture(scope="module")
def members(places: dict[str, Place]) -> Iterator[Place]:
    with places["flask"].running(*serving("flask")) as place:
        yield place


def test_the_first_page_is_for_everybody(members: Place) -> None:
    page = Browser(HttpTransport()).get(members.url)
    assert (page.status, "Anybody may read this page." in page.text) == (200, True)


def test_who_signs_in_at_home_sees_what_the_application_knows_of_her(members: Place) -> None:
    browser, page = members.log_in("/members/")
    assert (page.status, page.url) == (200, f"{members.url}/members/")
    assert "Hello. https://northgate.example/idp vouches for you" in page.text
    assert "<li>member@northgate.example</li>" in page.text
    assert "staff@northgate.example" not in page.text
    told = browser.get(f"{members.url}/ostiary/session")
    assert (told.status, "eduPersonScopedAffiliation" in told.text) == (200, True)


def test_who_signs_out_has_to_sign_in_again(members: Place) -> None:
    browser, page = members.log_in("/members/")
    page = browser.get(f"{members.url}/ostiary/logout")
    assert browser.submit(page, having="scope").status == 200
    assert browser.request("GET", f"{members.url}/members/").status == 302


def test_who_is_no_member_sees_why_she_stays_outside(members: Place) -> None:
    _, page = members.log_in("/members/", "carol")
    assert page.status == 403
    assert "You are signed in, but not allowed in here" in page.text
    assert "These pages are for members of the participating universities." in page.text


def test_the_tests_of_the_example_need_nothing_of_all_this(members: Place) -> None:
    assert "4 passed" in members.run("python -m pytest -p no:cacheprovider")


def test_what_the_page_says_can_go_wrong_is_said_so(members: Place) -> None:
    by_another_name = f"http://localhost:{members.port}/members/"
    assert "This service is known under another address." in Browser(HttpTransport()).get(by_another_name).text
    fetched = Browser(HttpTransport()).request("GET", f"{members.url}/members/", headers={"Accept": "application/json"})
    assert (fetched.status, "This page is only for people who are signed in." in fetched.text) == (401, True)
