"""A real Shibboleth SP that does not sign its queries: it is known by the key of its TLS client certificate, and knows our back channel by
the key in our metadata."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser import Browser, HttpTransport, forms_of
from tests.interop import own_home
from tests.interop.own_home import OwnHome
from tests.interop.shibboleth_peer import ENTITY_ID, Federation, ShibbolethServiceProvider
from tests.interop.test_shibboleth_service_provider import Together, deliver, login_url, response_in, signed_in, told
from tests.running_demo import RunningDemo, free_base_port

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    sp = ShibbolethServiceProvider()
    stops: list[Callable[[], object]] = [sp.remove, sp.stop]
    try:
        sp.start(None, signs_queries=False)
        metadata = tmp_path_factory.mktemp("partners") / "shibboleth.xml"
        metadata.write_bytes(sp.metadata())
        base = free_base_port()
        home = OwnHome(
            tmp_path_factory.mktemp("westhaven"),
            idp_port=sp.spare_port,
            aa_port=sp.behind_tls,
            aa_url=f"http://localhost:{sp.behind_tls}",
            second_port=base,
            back_channel_port=base + 1,
        )
        demo = RunningDemo(tmp_path_factory.mktemp("demo"), "--trust", str(metadata), "--trust", str(home.metadata))
        stops.append(demo.stop)
        federation = demo.ready["federation"]
        certificate = Path(federation["certificate"])
        stops.append(home.stop)
        home.start(demo.state / "federation" / "metadata.xml", certificate)
        sp.stop()
        sp.start(
            Federation(federation["aggregate"], certificate, demo.ready["wayf"]["url"], own_home.ENTITY_ID),
            signs_queries=False,
        )
        yield Together(demo, sp, home)
    finally:
        for stop in reversed(stops):
            stop()


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
