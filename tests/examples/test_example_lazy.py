"""examples/lazy: a page for everybody that greets whoever is signed in."""

import re
from collections.abc import Iterator

import pytest

from tests.browser import Browser, HttpTransport
from tests.examples.places import Place, serving


@pytest.fixture(scope="module")
def board(places: dict[str, Place]) -> Iterator[Place]:
    with places["lazy"].running(*serving("lazy")) as place:
        yield place


def test_a_guest_reads_and_is_offered_to_sign_in(board: Place) -> None:
    page = Browser(HttpTransport()).get(f"{board.url}/")
    assert page.status == 200
    assert "The seminar room is free on Fridays." in page.text
    assert f'<a href="{board.url}/ostiary/login?target=%2F">Sign in</a>' in page.text


def test_who_follows_the_link_comes_back_and_is_greeted(board: Place) -> None:
    browser = Browser(HttpTransport())
    [link] = re.findall(r'<a href="([^"]+)">Sign in</a>', browser.get(f"{board.url}/").text)
    choosing = browser.get(link)
    page = board.sign_in(browser, choosing)
    assert (page.status, page.url) == (200, f"{board.url}/")
    assert "Hello. https://northgate.example/idp vouches for you." in page.text
    assert "You read this as a guest." not in page.text


def test_who_wants_to_write_signs_in_first(board: Place) -> None:
    browser, form = board.log_in("/notes/new")
    assert (form.status, form.url) == (200, f"{board.url}/notes/new")
    page = browser.submit(form, {"text": "Found: <one> umbrella"}, having="text")
    assert "<li>Found: &lt;one&gt; umbrella (member@northgate.example)</li>" in page.text


def test_nobody_writes_without_a_login(board: Place) -> None:
    answer = Browser(HttpTransport()).request("POST", f"{board.url}/notes/new", body=b"text=x")
    assert answer.status == 401
    assert "<li>x" not in Browser(HttpTransport()).get(f"{board.url}/").text
