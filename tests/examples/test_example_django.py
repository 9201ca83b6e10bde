"""examples/django, which is what docs/protect-a-django-application.md goes through."""

from collections.abc import Iterator

import pytest

from tests.browser import Browser, HttpTransport
from tests.examples.places import Place, serving


@pytest.fixture(scope="module")
def room(places: dict[str, Place]) -> Iterator[Place]:
    with places["django"].running(*serving("django")) as place:
        yield place


def test_the_first_page_is_for_everybody(room: Place) -> None:
    page = Browser(HttpTransport()).get(room.url)
    assert (page.status, "Anybody may read this page." in page.text) == (200, True)


def test_who_signs_in_at_home_sees_what_the_views_know_of_her(room: Place) -> None:
    _, page = room.log_in("/room/")
    assert (page.status, page.url) == (200, f"{room.url}/room/")
    assert "Good morning. https://northgate.example/idp vouches for you" in page.text
    assert "<li>member@northgate.example</li>" in page.text


def test_who_is_no_member_sees_why_she_stays_outside(room: Place) -> None:
    _, page = room.log_in("/room/", "carol")
    assert page.status == 403
    assert "The reading room is for members of the participating universities." in page.text


def test_the_tests_of_the_example_need_nothing_of_all_this(room: Place) -> None:
    room.run("python manage.py test")
