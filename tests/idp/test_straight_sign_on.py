"""A request for a sign-on passes Flask's routing by, and whoever asks can't tell."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import request_started
from werkzeug.test import TestResponse

from ostiary.saml import names
from ostiary.saml.protocol import RequestedAuthnContext
from ostiary.web.application import Application
from tests.idp.conftest import BASE, Home, Resource, response_element

REQUESTS: dict[str, Callable[[Resource, Resource], str]] = {
    "answered": lambda library, lab: library.redirect(),
    "signed": lambda library, lab: lab.redirect(signed=True),
    "no relay state": lambda library, lab: library.redirect(relay_state=None),
    "not signed": lambda library, lab: lab.redirect(),
    "for somebody else": lambda library, lab: library.redirect(destination="https://other.example.org/sso"),
    "to log in again": lambda library, lab: library.redirect(force_authn=True),
    "to ask nothing": lambda library, lab: library.redirect(is_passive=True, force_authn=True),
    "what nobody has": lambda library, lab: library.redirect(requested_context=RequestedAuthnContext(("urn:none",))),
    "by artifact": lambda library, lab: library.redirect(protocol_binding=names.HTTP_ARTIFACT),
    "in German": lambda library, lab: library.redirect() + "&ui_locales=de",
    "no message": lambda library, lab: "/saml/sso/redirect",
    "a broken message": lambda library, lab: "/saml/sso/redirect?SAMLRequest=AAAA",
    "a broken query": lambda library, lab: library.redirect() + "&a=%zz",
    "two messages": lambda library, lab: library.redirect() + "&SAMLRequest=AAAA",
}
# What is drawn for each answer: nonces, tickets, tokens, reference numbers, and the message, which is looked at by itself.
DRAWN = re.compile(
    r"(?<=SAMLResponse\" value=\")[^\"]+|(?<=nonce-)[\w-]+|(?<=nonce=\")[\w-]+|[\w-]{43}|[0-9A-F]{4}-[0-9A-F]{4}"
)


def seen(answer: TestResponse) -> tuple[object, ...]:
    text = answer.get_data(as_text=True)
    headers = [(name, DRAWN.sub("?", value)) for name, value in answer.headers if name != "Content-Length"]
    said: object = None
    if "SAMLResponse" in text:
        message = response_element(answer)
        said = [
            (one.tag, one.get("Value"), one.get("Destination")) for one in message.iter("{*}Response", "{*}StatusCode")
        ]
    return answer.status, headers, DRAWN.sub("?", text), said


@pytest.mark.parametrize("logged_in", [True, False])
@pytest.mark.parametrize("path", REQUESTS.values(), ids=REQUESTS)
def test_both_ways_give_the_same(
    home: Home,
    library: Resource,
    lab: Resource,
    path: Callable[[Resource, Resource], str],
    logged_in: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if logged_in:
        assert "SAMLResponse" in home.whole_login(library.redirect()).get_data(as_text=True)
        home.clock.move(timedelta(seconds=30))
    else:
        # The browser is known from now on, as it is at the second question.
        home.get(library.redirect())
    dispatched: list[object] = []

    def count(app: object) -> None:
        dispatched.append(app)

    with request_started.connected_to(count, home.client.application):
        straight = seen(home.get(path(library, lab)))
        assert dispatched == []
        monkeypatch.setattr(Application, "_is_usual", lambda self, environ: False)
        assert seen(home.get(path(library, lab))) == straight
        assert len(dispatched) == 1


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST"])
def test_another_method_goes_to_flask(home: Home, library: Resource, method: str) -> None:
    answer = home.client.open(library.redirect(), base_url=BASE, method=method)
    assert answer.status_code == (200 if method == "OPTIONS" else 405)
