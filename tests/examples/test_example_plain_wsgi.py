"""examples/wsgi"""

from collections.abc import Iterator

import pytest

from tests.examples.places import ROOT, Place, commands, serving


@pytest.fixture(scope="module")
def visitors(places: dict[str, Place]) -> Iterator[Place]:
    with places["wsgi"].running(*serving("wsgi")) as place:
        yield place


def test_who_signs_in_at_home_is_in_the_book(visitors: Place) -> None:
    _, page = visitors.log_in("/")
    assert (page.status, page.url) == (200, f"{visitors.url}/")
    assert "You are <strong>member@northgate.example</strong>." in page.text
    assert "https://northgate.example/idp vouches for you" in page.text


def test_who_is_no_member_sees_why_she_stays_outside(visitors: Place) -> None:
    _, page = visitors.log_in("/", "carol")
    assert page.status == 403
    assert "The visitors&#39; book is for members of the participating universities." in page.text


def test_ostiary_protects_and_serves_it_without_the_line_in_the_program(places: dict[str, Place]) -> None:
    [command] = commands((ROOT / "docs" / "protect-your-application.md").read_text())
    with places["wsgi"].running(command) as served:
        _, page = served.log_in("/")
    assert (page.status, "You are <strong>member@northgate.example</strong>." in page.text) == (200, True)
