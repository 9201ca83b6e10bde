"""A real Shibboleth SP at our home organisations: its requests, our answers, its queries, and what each side refuses."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from tests.browser import Answer, Browser, Form, HttpTransport, forms_of
from tests.interop import own_home
from tests.interop.own_home import OwnHome
from tests.interop.shibboleth_peer import STRANGER, Federation, ShibbolethServiceProvider
from tests.running_demo import RunningDemo, free_base_port
from tests.shibboleth_server import ENTITY_ID

pytestmark = pytest.mark.interop


@dataclass(frozen=True)
class Together:
    """The demo federation, with the SP and a home organisation that has to be asked."""

    demo: RunningDemo
    sp: ShibbolethServiceProvider
    home: OwnHome


@contextmanager
def running_together(directories: pytest.TempPathFactory, *, signs_queries: bool) -> Iterator[Together]:
    """An SP that does not sign its queries asks at a back channel."""
    sp = ShibbolethServiceProvider()
    stops: list[Callable[[], object]] = [sp.remove, sp.stop]
    try:
        sp.start(None, signs_queries=signs_queries)
        metadata = directories.mktemp("partners") / "shibboleth.xml"
        metadata.write_bytes(sp.metadata())
        base = free_base_port()
        home = OwnHome(
            directories.mktemp("westhaven"),
            idp_port=sp.spare_port,
            aa_port=sp.behind_tls,
            aa_url=f"https://localhost:{sp.tls_port}" if signs_queries else f"http://localhost:{sp.behind_tls}",
            second_port=base,
            back_channel_port=None if signs_queries else base + 1,
        )
        demo = RunningDemo(directories.mktemp("demo"), "--trust", str(metadata), "--trust", str(home.metadata))
        stops.append(demo.stop)
        federation = demo.ready["federation"]
        certificate = Path(federation["certificate"])
        stops.append(home.stop)
        home.start(demo.state / "federation" / "metadata.xml", certificate)
        sp.stop()
        sp.start(
            Federation(federation["aggregate"], certificate, demo.ready["wayf"]["url"], own_home.ENTITY_ID),
            signs_queries=signs_queries,
        )
        yield Together(demo, sp, home)
    finally:
        for stop in reversed(stops):
            stop()


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    with running_together(tmp_path_factory, signs_queries=True) as running:
        yield running


@pytest.fixture
def browser() -> Iterator[Browser]:
    transport = HttpTransport()
    yield Browser(transport)
    transport.close()


def login_url(together: Together, home: str) -> str:
    """Where the SP begins a login at this home organisation, with its protected page as the target."""
    target = quote(f"{together.sp.origin}/secure/", safe="")
    return f"{together.sp.origin}/Shibboleth.sso/Login?entityID={quote(home, safe='')}&target={target}"


def signed_in(browser: Browser, page: Answer, username: str, password: str) -> Form:
    """The form by which the IdP sends its Response to the SP."""
    page = browser.submit(page, {"username": username, "password": password}, having="password")
    [form] = [form for form in forms_of(page) if form.has("SAMLResponse")]
    return form


def deliver(browser: Browser, form: Form, idp: str) -> Answer:
    return browser.post(form.action, form.fields, site=idp)


def told(page: Answer) -> dict[str, str]:
    """What the SP's page says."""
    return {name: unescape(value) for name, value in re.findall(r"<p>(\w+): (.*)</p>", page.text)}


def session(browser: Browser, together: Together) -> dict[str, Any]:
    answer = browser.get(f"{together.sp.origin}/Shibboleth.sso/Session")
    return dict(json.loads(answer.text))


def targeted_id(browser: Browser, together: Together) -> str:
    """What the SP makes of eduPersonTargetedID: both qualifiers and the value."""
    (values,) = [one["values"] for one in session(browser, together)["attributes"] if one["name"] == "persistent-id"]
    (value,) = values
    return str(value)


def response_for(browser: Browser, together: Together) -> Form:
    """A Response of the first home organisation for its first user, not yet delivered."""
    home = together.demo.ready["idp"][0]
    user = home["users"][0]
    page = browser.get(login_url(together, home["entity_id"]))
    return signed_in(browser, page, user["username"], user["password"])


def changed(form: Form, response: bytes) -> Form:
    """The same form with another Response."""
    fields = [(name, value) for name, value in form.fields if name != "SAMLResponse"]
    return Form(form.action, form.method, [*fields, ("SAMLResponse", base64.b64encode(response).decode())])


def response_in(form: Form) -> bytes:
    return base64.b64decode(dict(form.fields)["SAMLResponse"])


def nobody_is_signed_in(browser: Browser, together: Together) -> bool:
    return browser.get(f"{together.sp.origin}/Shibboleth.sso/Session").text.strip() == "{}"


@pytest.mark.parametrize("number", [0, 1], ids=["embedded", "LDAP"])
def test_a_person_signs_in_and_the_page_shows_what_came_with_the_login(
    together: Together, browser: Browser, number: int
) -> None:
    home = together.demo.ready["idp"][number]
    user = home["users"][0]
    page = browser.get(login_url(together, home["entity_id"]))
    form = signed_in(browser, page, user["username"], user["password"])
    assert b"AttributeStatement" in response_in(form)
    page = deliver(browser, form, home["sso"])
    assert page.status == 200
    assert page.url == f"{together.sp.origin}/secure/"
    scope = ["northgate.example", "southbank.example"][number]
    # The default policy of a Shibboleth SP lets no scope pass that our metadata does not register.
    assert told(page) == {
        "Home": f"https://{scope}/idp",
        "Affiliation": f"member@{scope}",
        "Entitlement": "(none)",
        "User": "",
    }
    content = session(browser, together)
    assert content["identity_provider"] == home["entity_id"]
    assert content["authncontext_class"] == "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    assert content["attributes"] == [{"name": "affiliation", "values": [f"member@{scope}"]}]


def test_the_homes_directory_is_ldap(together: Together) -> None:
    # What "LDAP" above means; without slapd the demo would say why not and run embedded.
    assert "people in LDAP" in together.demo.output.read_text()


def test_our_discovery_service_finds_the_home_for_its_protected_page(together: Together, browser: Browser) -> None:
    page = browser.get(f"{together.sp.origin}/secure/")
    assert page.url.startswith(together.demo.ready["wayf"]["url"])
    home = together.demo.ready["idp"][1]
    page = browser.submit(page, {"choice": home["entity_id"]}, having="choice")
    user = home["users"][1]
    page = deliver(browser, signed_in(browser, page, user["username"], user["password"]), home["sso"])
    assert page.url == f"{together.sp.origin}/secure/"
    assert told(page)["Affiliation"] == "member@southbank.example"


def test_it_asks_our_attribute_authority_when_a_login_brings_no_attributes(
    together: Together, browser: Browser
) -> None:
    page = browser.get(login_url(together, own_home.ENTITY_ID))
    form = signed_in(browser, page, own_home.USERNAME, own_home.PASSWORD)
    assert b"AttributeStatement" not in response_in(form)
    page = deliver(browser, form, page.url)
    # The affiliation at another organisation was released by us and is thrown out by it.
    assert told(page) == {
        "Home": own_home.ENTITY_ID,
        "Affiliation": "member@westhaven.example",
        "Entitlement": "urn:mace:dir:entitlement:common-lib-terms",
        "User": "gus@westhaven.example",
    }
    released = [json.loads(line) for line in together.home.told().splitlines() if "attributes_released" in line]
    assert [entry["requester"] for entry in released] == [ENTITY_ID]
    assert released[0]["withheld"] == ["displayName"]
    assert re.fullmatch(rf"{own_home.ENTITY_ID}!{ENTITY_ID}![a-z2-7]{{52}}", targeted_id(browser, together))
    assert "removed value at position (1) of attribute (affiliation) from (https://westhaven" in together.sp.told()


def test_its_query_reaches_the_authority_that_knows_her_though_it_knows_only_the_other(
    together: Together, browser: Browser
) -> None:
    page = browser.get(login_url(together, own_home.ENTITY_ID))
    form = signed_in(browser, page, own_home.VISITOR, own_home.VISITOR_PASSWORD)
    assert b"AttributeStatement" not in response_in(form)
    page = deliver(browser, form, page.url)
    assert told(page) == {
        "Home": own_home.ENTITY_ID,
        "Affiliation": "affiliate@westhaven.example",
        "Entitlement": own_home.SECOND_ONLY,
        "User": "ida@westhaven.example",
    }
    recorded = [json.loads(line) for line in together.home.told().splitlines() if "attributes_released" in line]
    assert recorded[-1]["requester"] == ENTITY_ID
    assert targeted_id(browser, together).startswith(f"{own_home.ENTITY_ID}!{ENTITY_ID}!")
    assert b"localhost:" + str(together.home.second_port).encode() not in together.home.metadata.read_bytes()


@pytest.mark.parametrize(
    ("username", "password", "affiliation"),
    [
        (own_home.USERNAME, own_home.PASSWORD, "member@westhaven.example"),
        (own_home.VISITOR, own_home.VISITOR_PASSWORD, "affiliate@westhaven.example"),
    ],
    ids=["the first authority's", "the second authority's"],
)
def test_it_asks_by_the_persistent_name_that_it_was_given(
    together: Together, browser: Browser, username: str, password: str, affiliation: str
) -> None:
    persistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
    page = browser.get(f"{login_url(together, own_home.ENTITY_ID)}&NameIDFormat={quote(persistent, safe='')}")
    form = signed_in(browser, page, username, password)
    assert f'Format="{persistent}"'.encode() in response_in(form)
    page = deliver(browser, form, page.url)
    assert told(page)["Affiliation"] == affiliation


def test_its_requests_are_signed_and_we_check_them(together: Together, browser: Browser) -> None:
    home = together.demo.ready["idp"][0]
    answer = browser.request("GET", login_url(together, home["entity_id"]))
    location = answer.header("Location") or ""
    query = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert location.startswith(home["sso"])
    assert query["SigAlg"] == "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    assert browser.get(location).status == 200

    other = browser.get(f"{home['sso']}?{urlencode({**query, 'RelayState': 'ss:mem:another'})}")
    assert other.status == 400
    assert "The signature of the message is not right." in other.text
    # Its metadata says AuthnRequestsSigned="1".
    unsigned = {name: query[name] for name in ("SAMLRequest", "RelayState")}
    bare = browser.get(f"{home['sso']}?{urlencode(unsigned)}")
    assert bare.status == 400
    assert "The message is not signed where it has to be." in bare.text
    for page in (other, bare):
        assert not any(form.has("password") for form in forms_of(page))


def test_a_stranger_is_refused_before_anybody_is_asked_for_a_password(together: Together, browser: Browser) -> None:
    home = together.demo.ready["idp"][0]
    begin = browser.get(f"{together.sp.origin}/stranger/")
    assert parse_qs(urlsplit(begin.url).query)["entityID"] == [STRANGER]
    # Our discovery service does not know it either.
    assert begin.status == 400
    page = browser.get(f"{together.sp.origin}/stranger/northgate/")
    assert page.url.startswith(home["sso"])
    assert page.status == 400
    assert "The website that sent you here is not known to your organisation." in page.text
    assert not any(form.has("password") for form in forms_of(page))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (rb">member@northgate\.example<", b">staff@northgate.example<", "signature could not be verified"),
        (rb"<ds:Signature .*?</ds:Signature>", b"", "Unable to establish security of incoming assertion"),
    ],
    ids=["a value changed", "both signatures taken out"],
)
def test_a_changed_response_is_refused(
    together: Together, browser: Browser, old: bytes, new: bytes, reason: str
) -> None:
    form = response_for(browser, together)
    response, count = re.subn(old, new, response_in(form), flags=re.DOTALL)
    assert count > 0
    page = deliver(browser, changed(form, response), "http://localhost:1")
    assert page.status == 500
    assert reason in page.text
    assert nobody_is_signed_in(browser, together)


def test_a_response_is_taken_once(together: Together, browser: Browser) -> None:
    form = response_for(browser, together)
    assert deliver(browser, form, "http://localhost:1").status == 200
    transport = HttpTransport()
    other = Browser(transport)
    page = deliver(other, form, "http://localhost:1")
    assert page.status == 500
    assert "replay" in page.text
    assert nobody_is_signed_in(other, together)
    transport.close()


def test_metadata_that_another_key_signed_is_not_taken(together: Together, browser: Browser) -> None:
    federation = together.demo.ready["federation"]
    other = ShibbolethServiceProvider()
    try:
        wrong = other.directory / "keys" / "current.crt"
        other.start(Federation(federation["aggregate"], wrong, together.demo.ready["wayf"]["url"], own_home.ENTITY_ID))
        home = together.demo.ready["idp"][0]["entity_id"]
        answer = browser.request("GET", f"{other.origin}/Shibboleth.sso/Login?entityID={quote(home, safe='')}")
        assert answer.status == 500
        assert "Unknown or Unusable Identity Provider" in answer.text
    finally:
        other.stop()
        other.remove()
