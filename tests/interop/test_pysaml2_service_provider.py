"""pysaml2 as the service provider of our home organisations: its signed requests, our answers, our metadata."""

import warnings
from urllib.parse import parse_qs, urlsplit

import pytest
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT

from tests.browser import Browser, HttpTransport, forms_of
from tests.interop.pysaml2_peer import ACS, Pysaml2ServiceProvider
from tests.running_demo import RunningDemo

pytestmark = [
    pytest.mark.interop,
    # pysaml2 and what it imports use parts of Python that are going away.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


def response_after_login(
    demo: RunningDemo, url_or_form: str, fields: dict[str, str] | None = None
) -> tuple[str, str, dict[str, str]]:
    """(action, RelayState, fields) of the page that carries the Response to the peer."""
    transport = HttpTransport()
    browser = Browser(transport)
    user = demo.ready["idp"][1]["users"][0]
    page = (
        browser.get(url_or_form)
        if fields is None
        else browser.post(url_or_form, fields.items(), site="http://127.0.0.1:9")
    )
    page = browser.submit(page, {"username": user["username"], "password": user["password"]}, having="password")
    [form] = [form for form in forms_of(page) if form.has("SAMLResponse")]
    transport.close()
    values = dict(form.fields)
    return form.action, values.get("RelayState", ""), values


@pytest.mark.parametrize("binding", [BINDING_HTTP_REDIRECT, BINDING_HTTP_POST], ids=["Redirect", "POST"])
def test_pysaml2_accepts_our_answer_to_its_signed_request(
    demo: RunningDemo, peer: Pysaml2ServiceProvider, binding: str
) -> None:
    home = demo.ready["idp"][1]
    transport = HttpTransport()
    metadata = transport.send("GET", home["metadata"], {}, b"").body
    transport.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = peer.client(metadata)
        request_id, sending = client.prepare_for_authenticate(home["entity_id"], relay_state="here", binding=binding)
        if binding == BINDING_HTTP_REDIRECT:
            location = dict(sending["headers"])["Location"]
            assert "Signature" in parse_qs(urlsplit(location).query)
            action, relay_state, values = response_after_login(demo, location)
        else:
            fields = dict(forms_of_text(sending["data"]))
            target = home["sso"].replace("/redirect", "/post")
            action, relay_state, values = response_after_login(demo, target, fields)
        assert action == ACS
        assert relay_state == "here"
        answer = client.parse_authn_request_response(
            values["SAMLResponse"], BINDING_HTTP_POST, outstanding={request_id: "/"}
        )
    assert answer.in_response_to == request_id
    assert answer.assertion.issuer.text == home["entity_id"]
    assert answer.name_id.format == "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
    # What this home tells to every resource of the federation, by its name in pysaml2's own maps.
    assert answer.ava == {"eduPersonScopedAffiliation": ["member@southbank.example"]}


def forms_of_text(page: str) -> list[tuple[str, str]]:
    from tests.browser import Answer

    [form] = forms_of(Answer(200, [], page.encode(), "http://127.0.0.1:9/"))
    return form.fields
