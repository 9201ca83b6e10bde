"""The browser of ``ostiary trace``: which cookie goes where."""

from collections.abc import Mapping

import pytest

from ostiary.command.trace.browser import Answer, Browser, site_of


class Remembering:
    """Sets the given cookies with every answer and keeps what was sent."""

    def __init__(self, *cookies: str) -> None:
        self.cookies = cookies
        self.sent: list[str | None] = []

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.sent.append(headers.get("Cookie"))
        return Answer(200, tuple(("Set-Cookie", cookie) for cookie in self.cookies), b"", url)


def second(
    cookie: str, first_url: str, second_url: str, *, from_url: str | None = None, post: bool = False
) -> str | None:
    """What is sent to the second address after the first one has set the cookie."""
    network = Remembering(cookie)
    browser = Browser(network)
    browser.get(first_url)
    if post:
        browser.post(second_url, b"", from_url=from_url or second_url)
    else:
        browser.get(second_url, from_url=from_url)
    return network.sent[1]


@pytest.mark.parametrize(
    ("cookie", "first", "then", "sent"),
    [
        ("a=1", "http://localhost:1/", "http://localhost:2/", "a=1"),
        ("a=1", "http://127.0.0.1:1/", "http://localhost:1/", None),
        ("a=1", "https://www.home.example/", "https://home.example/", None),
        ("a=1; Domain=home.example", "https://www.home.example/", "https://sso.home.example/", "a=1"),
        ("a=1; Domain=example", "https://home.example/", "https://home.example/", None),
        ("a=1; Domain=evil.example", "https://home.example/", "https://evil.example/", None),
        ("a=1; Path=/idp", "https://home.example/idp/x", "https://home.example/idp", "a=1"),
        ("a=1; Path=/idp", "https://home.example/idp/x", "https://home.example/other", None),
        ("a=1; Secure", "https://home.example/", "http://home.example/", None),
        ("a=1; Secure", "http://home.example/", "https://home.example/", None),
        ("__Host-a=1; Secure; Path=/", "https://home.example/", "https://home.example/x", "__Host-a=1"),
        ("__Host-a=1; Path=/", "https://home.example/", "https://home.example/x", None),
        ("__Host-a=1; Secure; Path=/x", "https://home.example/x", "https://home.example/x", None),
        ("__Secure-a=1", "https://home.example/", "https://home.example/", None),
        ("a=1; Max-Age=0", "https://home.example/", "https://home.example/", None),
    ],
)
def test_a_cookie_goes_where_it_belongs_and_nowhere_else(cookie: str, first: str, then: str, sent: str | None) -> None:
    assert second(cookie, first, then) == sent


@pytest.mark.parametrize(
    ("same_site", "post", "sent"),
    [
        ("", False, True),
        ("", True, False),
        ("; SameSite=Lax", False, True),
        ("; SameSite=lax", True, False),
        ("; SameSite=Strict", False, False),
        ("; SameSite=None; Secure", True, True),
        ("; SameSite=None", True, False),
    ],
)
def test_a_page_of_another_site_takes_along_what_same_site_allows(same_site: str, post: bool, sent: bool) -> None:
    url, other = "https://page.example/", "https://home.test/"
    assert second(f"a=1{same_site}", url, url, from_url=other, post=post) == ("a=1" if sent else None)
    assert second(f"a=1{same_site}", url, url, from_url="https://www.page.example/", post=post) == "a=1"


def test_sites_are_told_apart_by_scheme_and_domain() -> None:
    assert site_of("https://a.home.example/") == site_of("https://b.home.example:8443/")
    assert site_of("http://home.example/") != site_of("https://home.example/")
    assert site_of("http://127.0.0.1:1/") != site_of("http://127.0.0.2:1/")
    assert site_of("http://localhost/") != site_of("http://127.0.0.1/")
