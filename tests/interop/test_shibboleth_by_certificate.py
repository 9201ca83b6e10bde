"""A real Shibboleth SP that does not sign its queries: it is known by the key of its TLS client certificate, and knows our back channel by
the key in our metadata."""

import json
from collections.abc import Iterator

import pytest

from tests.browser import Browser, HttpTransport, forms_of
from tests.interop import own_home
from tests.interop.test_shibboleth_service_provider import (
    Together,
    deliver,
    login_url,
    response_in,
    running_together,
    signed_in,
    told,
)
from tests.shibboleth_server import ENTITY_ID

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    with running_together(tmp_path_factory, signs_queries=False) as running:
        yield running


@pytest.fixture
def browser() -> Iterator[Browser]:
    transport = HttpTransport()
    yield Browser(transport)
    transport.close()


def test_its_unsigned_query_over_tls_is_answered_and_it_opens_what_was_encrypted(
    together: Together, browser: Browser
) -> None:
    page = browser.get(login_url(together, own_home.ENTITY_ID))
    form = signed_in(browser, page, own_home.USERNAME, own_home.PASSWORD)
    assert b"AttributeStatement" not in response_in(form)
    page = deliver(browser, form, page.url)
    assert told(page) == {
        "Home": own_home.ENTITY_ID,
        "Affiliation": "member@westhaven.example",
        "Entitlement": "urn:mace:dir:entitlement:common-lib-terms",
        "User": "gus@westhaven.example",
    }, together.sp.told()
    lines = [json.loads(line) for line in together.home.told().splitlines() if line.startswith("{")]
    asked = [line for line in lines if line["event"] == "attributes_released" and line["service"] == "aa-back-channel"]
    assert [line["requester"] for line in asked] == [ENTITY_ID]
    assert not forms_of(page)
