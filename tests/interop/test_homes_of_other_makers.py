"""Identity providers of other makers log people in at our resource: pysaml2 over real HTTP, and lasso, which many French and Belgian homes
run, by form, encrypted, by artifact and as the home of an enhanced client."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ostiary.saml import names
from ostiary.saml.ecp import (
    PAOS_HEADER,
    PAOS_TYPE,
    PaosResponse,
    check_consumer,
    decode_ecp_response,
    decode_paos_request,
    encode_ecp_request,
    encode_paos_response,
)
from tests.browser import Answer, Browser, HttpTransport
from tests.interop.lasso_home import ENTITY_ID as LASSO
from tests.interop.lasso_home import LassoHome
from tests.interop.own_resource import ENTITY_ID as OURS
from tests.interop.own_resource import OwnResource
from tests.interop.pysaml2_home import ENTITY_ID as PYSAML2
from tests.interop.pysaml2_home import Pysaml2Home

pytestmark = [
    pytest.mark.interop,
    # pysaml2 and what it imports use parts of Python that are going away.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


@pytest.fixture
def browser() -> Iterator[Browser]:
    transport = HttpTransport()
    yield Browser(transport)
    transport.close()


def session_of(browser: Browser, resource: OwnResource) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(browser.get(f"{resource.url}/ostiary/session?format=json").body)
    return shown


Home = TypeVar("Home", Pysaml2Home, LassoHome)


@contextmanager
def two_of(
    directory: Path, entity_id: str, home_of: Callable[[Path, bytes], Home]
) -> Iterator[Callable[..., tuple[OwnResource, Home]]]:
    """Makes a resource and a home that know each other, and stops them in the end."""
    running = ExitStack()

    def made(**changes: Any) -> tuple[OwnResource, Home]:
        resource = OwnResource(directory / "resource", identity_provider=entity_id, **changes)
        running.callback(resource.stop)
        home = home_of(directory / "home", resource.metadata)
        running.callback(home.stop)
        resource.trust(home.metadata)
        return resource, home

    with running:
        yield made


@pytest.fixture
def with_pysaml2(tmp_path: Path) -> Iterator[Callable[..., tuple[OwnResource, Pysaml2Home]]]:
    """Makes a resource and a home made with pysaml2."""
    with two_of(tmp_path, PYSAML2, Pysaml2Home) as made:
        yield made


def log_in(browser: Browser, resource: OwnResource) -> Answer:
    page = browser.get(f"{resource.url}/page?a=1")
    return browser.submit(page, having="SAMLResponse")


@pytest.mark.parametrize(
    ("response", "assertion"), [(True, True), (True, False), (False, True)], ids=["both", "response", "assertion"]
)
def test_pysaml2_logs_a_person_in(
    with_pysaml2: Callable[..., tuple[OwnResource, Pysaml2Home]], browser: Browser, response: bool, assertion: bool
) -> None:
    resource, home = with_pysaml2()
    home.answering = {"sign_response": response, "sign_assertion": assertion}
    page = log_in(browser, resource)
    assert (page.status, page.body, page.url) == (200, b"inside", f"{resource.url}/page?a=1")
    session = session_of(browser, resource)
    assert session["idp"] == PYSAML2
    assert session["authn_context"] == names.PASSWORD_PROTECTED_TRANSPORT
    assert session["attributes"] == {
        "displayName": ["Áda Lovelace"],
        "eduPersonScopedAffiliation": ["member@pysaml2.example"],
    }
    assert session["not_accepted"] == ["eduPersonScopedAffiliation: scope"]


def test_pysaml2_that_signs_nothing_logs_nobody_in(
    with_pysaml2: Callable[..., tuple[OwnResource, Pysaml2Home]], browser: Browser
) -> None:
    resource, home = with_pysaml2()
    home.answering = {"sign_response": False, "sign_assertion": False}
    assert log_in(browser, resource).status == 400


def test_triple_des_of_pysaml2_is_refused_even_of_a_named_partner(
    with_pysaml2: Callable[..., tuple[OwnResource, Pysaml2Home]], browser: Browser
) -> None:
    """It encrypts with nothing else, whatever our metadata asks for."""
    resource, home = with_pysaml2(allow_aes_cbc_from_legacy_partners=[PYSAML2])
    home.answering = {"encrypt_assertion": True}
    page = log_in(browser, resource)
    assert page.status == 400
    assert browser.request("GET", f"{resource.url}/page").status == 302


# -- lasso -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_lasso(tmp_path: Path) -> Iterator[Callable[..., tuple[OwnResource, LassoHome]]]:
    """The same with lasso."""
    with two_of(tmp_path, LASSO, LassoHome) as made:
        yield made


def assert_logged_in(browser: Browser, resource: OwnResource, page: Answer) -> None:
    assert (page.status, page.body, page.url) == (200, b"inside", f"{resource.url}/page?a=1")
    session = session_of(browser, resource)
    assert (session["idp"], session["authn_context"]) == (LASSO, names.PASSWORD_PROTECTED_TRANSPORT)
    assert session["attributes"] == {"eduPersonScopedAffiliation": ["member@lasso.example"]}
    assert session["not_accepted"] == ["eduPersonScopedAffiliation: scope"]


def test_lasso_logs_a_person_in(with_lasso: Callable[..., tuple[OwnResource, LassoHome]], browser: Browser) -> None:
    resource, _ = with_lasso()
    assert_logged_in(browser, resource, log_in(browser, resource))


def test_lasso_logs_a_person_in_by_artifact(
    with_lasso: Callable[..., tuple[OwnResource, LassoHome]], browser: Browser
) -> None:
    resource, home = with_lasso(answers_by=["artifact", "post"])
    assert_logged_in(browser, resource, browser.get(f"{resource.url}/page?a=1"))
    assert home.refused == ""


def test_lasso_encrypts_by_cbc_which_a_named_partner_may(
    with_lasso: Callable[..., tuple[OwnResource, LassoHome]], browser: Browser
) -> None:
    resource, home = with_lasso(allow_aes_cbc_from_legacy_partners=[LASSO])
    assert home.say("encrypt", OURS) == "done"
    assert_logged_in(browser, resource, log_in(browser, resource))


def test_lasso_encrypts_by_cbc_which_nobody_else_may(
    with_lasso: Callable[..., tuple[OwnResource, LassoHome]], browser: Browser
) -> None:
    resource, home = with_lasso()
    assert home.say("encrypt", OURS) == "done"
    assert log_in(browser, resource).status == 400
    assert browser.request("GET", f"{resource.url}/page").status == 302


def test_lasso_is_the_home_of_a_program(
    with_lasso: Callable[..., tuple[OwnResource, LassoHome]], browser: Browser
) -> None:
    resource, home = with_lasso()
    headers = {"Accept": f"text/html, {PAOS_TYPE}", "PAOS": PAOS_HEADER}
    asked = decode_paos_request(browser.request("GET", f"{resource.url}/page?a=1", headers=headers).body)
    answer = browser.request(
        "POST", f"{home.http.url}/ecp", headers={"Content-Type": "text/xml"}, body=encode_ecp_request(asked)
    )
    answered = decode_ecp_response(answer.body)
    check_consumer(asked, answered)
    body = encode_paos_response(PaosResponse(answered.message, relay_state=asked.relay_state))
    done = browser.request("POST", asked.response_consumer_url, headers={"Content-Type": PAOS_TYPE}, body=body)
    assert done.status == 303
    assert_logged_in(browser, resource, browser.get(done.header("Location") or ""))
