"""examples/reverse-proxy: an application that can't be changed behind ``ostiary serve proxy``."""

from collections.abc import Iterator

import pytest

from tests.browser import PAGE, Browser, HttpTransport
from tests.examples.places import Place, serving


@pytest.fixture(scope="module")
def notebook(places: dict[str, Place]) -> Iterator[Place]:
    with places["reverse-proxy"].running(*serving("reverse-proxy")) as place:
        yield place


def test_who_signs_in_comes_to_her_page_and_the_application_learns_who_she_is(notebook: Place) -> None:
    _, page = notebook.log_in("/notebook/?page=3")
    assert (page.status, page.url) == (200, f"{notebook.url}/notebook/?page=3")
    assert "You are <strong>member@northgate.example</strong>, says https://northgate.example/idp." in page.text


def test_who_is_no_member_sees_why_she_stays_outside(notebook: Place) -> None:
    _, page = notebook.log_in("/notebook/", "carol")
    assert page.status == 403
    assert "The notebook is for members of the participating universities." in page.text


@pytest.mark.parametrize(("affiliation", "idp"), [("Affiliation", "Ostiary-Idp"), ("AFFILIATION", "OSTIARY_IDP")])
def test_what_a_client_says_about_itself_never_reaches_the_application(
    notebook: Place, affiliation: str, idp: str
) -> None:
    forged = {**PAGE, affiliation: "president@northgate.example", idp: "https://evil.example"}
    page = Browser(HttpTransport()).get(f"{notebook.url}/", headers=forged)
    assert (page.status, "You are <strong>a guest</strong>, says nobody." in page.text) == (200, True)
