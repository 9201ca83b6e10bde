"""What lies outside of the public URL's path: mostly somebody's mistake, and never a way around the rules."""

from collections.abc import Callable

import pytest

from sp_shire.messages import Passage
from tests.sp_shire.conftest import Core

BELOW = {"public_url": "http://127.0.0.1:20005/books", "protected": ["/"]}


@pytest.mark.parametrize("path", ["/", "/library/", "/bookshelf", "/Books", "/books;v=1"])
def test_a_page_outside_is_refused_and_never_open(make_core: Callable[..., Core], path: str) -> None:
    assert make_core(**BELOW).refused(path) == (404, "sp.outside")


def test_the_handlers_are_where_the_public_url_says_and_nowhere_else(make_core: Callable[..., Core]) -> None:
    core = make_core(**BELOW)
    assert core.refused("/ostiary/login") == (404, "sp.outside")
    assert not isinstance(core.ask("/books/ostiary/login"), Passage)


def test_pages_inside_are_protected_as_everywhere(make_core: Callable[..., Core]) -> None:
    reply = make_core(**BELOW).ask("/books/shelf")
    assert not isinstance(reply, Passage)
    assert reply.status == 302


def test_whoever_says_so_in_as_many_words_gets_them_open(make_core: Callable[..., Core]) -> None:
    core = make_core(**BELOW, allow_unprotected_outside_public_url=True)
    assert isinstance(core.ask("/library/"), Passage)
    assert not isinstance(core.ask("/books/shelf"), Passage)
