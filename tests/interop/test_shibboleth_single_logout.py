"""A real Shibboleth SP and our home organisation log each other's people out: over SOAP and through the browser, both ways."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from ostiary.federation.read import read_unsigned_local_metadata
from ostiary.saml import names
from tests.browser import Browser, HttpTransport, forms_of
from tests.flows.logging_out import press, to_the_end, words
from tests.interop.shibboleth_peer import Federation, ShibbolethServiceProvider
from tests.running_demo import RunningDemo
from tests.shibboleth_server import exchanged

pytestmark = pytest.mark.interop


class WaitingServiceProvider(ShibbolethServiceProvider):
    """With ``waits`` it asks for an answer to its LogoutRequests, which it does not unless it is told to."""

    waits = False

    def _configuration(self, federation: Federation | None, signs_queries: bool) -> tuple[str, dict[str, str]]:
        text, settings = super()._configuration(federation, signs_queries)
        return (exchanged(text, {"<Logout>": '<Logout asynchronous="false">'}) if self.waits else text), settings


@dataclass(frozen=True)
class Together:
    """The demo federation, and the SP that it trusts."""

    demo: RunningDemo
    sp: WaitingServiceProvider

    @property
    def home(self) -> dict[str, Any]:
        return dict(self.demo.ready["idp"][0])

    @property
    def idp(self) -> str:
        return str(self.home["sso"]).partition("/saml/")[0]

    @property
    def library(self) -> str:
        return str(self.demo.ready["sp"][0]["url"])


@pytest.fixture(scope="module")
def sp() -> Iterator[WaitingServiceProvider]:
    running = WaitingServiceProvider()
    yield running
    running.stop()
    running.remove()


def started(sp: ShibbolethServiceProvider, directory: Path, change: Callable[[bytes], bytes]) -> RunningDemo:
    """The demo that trusts the SP, whose metadata is changed first; the SP trusts the demo."""
    sp.stop()
    sp.start(None)
    metadata = directory / "shibboleth.xml"
    metadata.write_bytes(change(sp.metadata()))
    demo = RunningDemo(directory, "--trust", str(metadata))
    federation = demo.ready["federation"]
    sp.stop()
    home = demo.ready["idp"][0]["entity_id"]
    sp.start(Federation(federation["aggregate"], Path(federation["certificate"]), demo.ready["wayf"]["url"], home))
    return demo


def without_soap(metadata: bytes) -> bytes:
    """As the metadata of the many SPs that publish no SOAP endpoint for logout."""
    binding = f'<md:SingleLogoutService Binding="{names.SOAP}"'.encode()
    before, _, after = metadata.partition(binding)
    return before + after.partition(b"/>")[2]


@pytest.fixture(scope="module", params=["SOAP", "browser"])
def together(
    request: pytest.FixtureRequest, sp: WaitingServiceProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Together]:
    sp.waits = request.param == "browser"
    change = without_soap if sp.waits else bytes
    demo = started(sp, tmp_path_factory.mktemp("demo"), change)
    yield Together(demo, sp)
    demo.stop()


@pytest.fixture
def browser() -> Iterator[Browser]:
    transport = HttpTransport()
    yield Browser(transport)
    transport.close()


def sign_in(browser: Browser, together: Together) -> None:
    """At the Shibboleth SP, then at the library, which is ours."""
    home, user = together.home, together.home["users"][0]
    target = quote(f"{together.sp.origin}/secure/", safe="")
    page = browser.get(
        f"{together.sp.origin}/Shibboleth.sso/Login?entityID={quote(home['entity_id'], safe='')}&target={target}"
    )
    page = browser.submit(page, {"username": user["username"], "password": user["password"]}, having="password")
    [form] = [form for form in forms_of(page) if form.has("SAMLResponse")]
    assert browser.post(form.action, form.fields, site=together.idp).status == 200
    page = browser.submit(browser.get(together.library), {"choice": home["entity_id"]}, having="choice")
    assert browser.submit(page, having="SAMLResponse").status == 200
    assert signed_in(browser, together) == (True, True)


def signed_in(browser: Browser, together: Together) -> tuple[bool, bool]:
    """Whether the SP and the library know her."""
    at_sp = browser.get(f"{together.sp.origin}/Shibboleth.sso/Session").text.strip() != "{}"
    return at_sp, browser.request("GET", together.library).status == 200


def test_it_publishes_what_we_need(sp: WaitingServiceProvider, together: Together) -> None:
    [entity] = read_unsigned_local_metadata(sp.metadata())
    assert entity.sp is not None
    offered = {endpoint.binding for endpoint in entity.sp.single_logout}
    assert {names.SOAP, names.HTTP_REDIRECT, names.HTTP_POST} <= offered


def test_signing_out_at_home_ends_its_session(together: Together, browser: Browser) -> None:
    sign_in(browser, together)
    done = to_the_end(browser, press(browser, browser.get(f"{together.idp}/logout"), "scope", "everywhere"))
    assert "You are signed out everywhere" in words(done), together.sp.told()[-3000:]
    assert "The Common Library Signed out" in words(done)
    assert signed_in(browser, together) == (False, False)


def test_signing_out_at_our_resource_ends_its_session(together: Together, browser: Browser) -> None:
    sign_in(browser, together)
    page = browser.get(together.demo.ready["sp"][0]["acs"].removesuffix("acs") + "logout")
    done = to_the_end(browser, press(browser, page, "scope", "everywhere"))
    assert "You are signed out everywhere" in words(done), together.sp.told()[-3000:]
    assert signed_in(browser, together) == (False, False)


def test_its_own_logout_ends_the_session_at_home_and_at_our_resource(together: Together, browser: Browser) -> None:
    """With the Asynchronous extension, its default, the person stays on our page; without, it takes our answer."""
    sign_in(browser, together)
    done = to_the_end(browser, browser.get(f"{together.sp.origin}/Shibboleth.sso/Logout"))
    if together.sp.waits:
        assert done.url.startswith(f"{together.sp.origin}/Shibboleth.sso/SLO/"), together.sp.told()[-3000:]
        assert done.status == 200
        assert "Logout completed successfully" in words(done)
    else:
        assert done.url.startswith(f"{together.idp}/logout/progress")
        assert "You are signed out everywhere" in words(done), together.demo.output.read_text()[-3000:]
        assert "The Common Library Signed out" in words(done)
    assert signed_in(browser, together) == (False, False)
    assert "Nobody is signed in" in words(browser.get(f"{together.idp}/logout"))
