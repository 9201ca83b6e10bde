"""What a trace does not do, whatever a page says: follow anything, give a password anywhere, go round for ever, obey a terminal."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ostiary.command.trace.browser import HttpTransport
from ostiary.command.trace.sources import Sources
from ostiary.command.trace.walk import MAXIMUM_HOPS
from ostiary.errors import Unavailable
from ostiary.federation.model import Endpoint, Entity, IdpRole
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.bindings import encode_redirect
from ostiary.saml.protocol import AuthnRequest
from tests.command.tracing import MadeUpPages, Traced, traced
from tests.simulator import START

PAGE = "https://page.example/"
SSO = "https://login.home.example/sso"
HOME = "https://home.example/idp"
LOGIN = '<form method="post" action="{action}"><input name="user"><input type="password" name="pw"></form>'


def request_to(location: str) -> dict[str, str]:
    """The redirect of a resource to a home organisation."""
    message = AuthnRequest("_1", "https://page.example/shar", START, destination=location)
    return {"Location": encode_redirect(location, "SAMLRequest", message.to_xml())}


def known_home(*locations: str) -> Sources:
    """Metadata of one home organisation with these addresses."""
    endpoints = tuple(Endpoint(names.HTTP_REDIRECT, location) for location in locations)
    return Sources(Registry([Entity(HOME, idp=IdpRole(single_sign_on=endpoints))]))


def walk(pages: dict[str, Any], **options: Any) -> Traced:
    return traced(MadeUpPages(pages), PAGE, password="correct horse", **options)


def asked_for_password(login: str, *, sso: str = SSO, **options: Any) -> Traced:
    """A login whose home shows this form."""
    pages = {PAGE: (302, request_to(sso), ""), sso: (200, {}, login)}
    return walk(pages, **{"known": known_home(sso), **options})


def code_of(told: Traced) -> str:
    assert told.error is not None
    return told.error.code


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://x.example/", "javascript:alert(1)", "data:text/html,x", "http://"]
)
def test_a_redirect_to_anything_but_the_web_is_not_followed(target: str) -> None:
    told = walk({PAGE: (302, {"Location": target}, "")})
    assert code_of(told) == "trace.address"
    assert len(told.hops) == 1


@pytest.mark.parametrize("action", ["file:///etc/passwd", "javascript:alert(1)", "mailto:a@b.example"])
def test_a_form_to_anything_but_the_web_is_not_sent(action: str) -> None:
    form = f'<form method="post" action="{action}"><input type="hidden" name="SAMLResponse" value="x"></form>'
    assert code_of(walk({PAGE: (200, {}, form)})) == "trace.address"


def test_a_redirect_that_leads_nowhere_is_not_taken_for_the_page() -> None:
    told = walk({PAGE: (302, {}, "<p>Moved.</p>")})
    assert (told.outcome.reached, told.outcome.why) == (False, "stuck")


def test_an_address_with_a_user_name_in_it_is_not_followed() -> None:
    assert code_of(walk({PAGE: (302, {"Location": "https://page.example@evil.example/"}, "")})) == "trace.address"


def test_a_page_that_leads_to_itself_ends_the_trace() -> None:
    told = walk({PAGE: (302, {"Location": PAGE}, "")})
    assert code_of(told) == "trace.loop"
    assert len(told.hops) == 2


def test_a_way_without_end_ends_after_so_many_hops() -> None:
    class Further(MadeUpPages):
        def send(self, method: str, url: str, headers: Any, body: bytes) -> Any:
            self.pages = {url: (302, {"Location": f"{url}x"}, "")}
            return super().send(method, url, headers, body)

    told = traced(Further({}), PAGE)
    assert code_of(told) == "trace.too_many_hops"
    assert len(told.hops) == MAXIMUM_HOPS


def test_terminal_sequences_of_a_page_never_reach_the_terminal() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202eevil\u0085\r"
    message = f"<html><title>{evil}</title><body><p>{evil}[bold]no markup[/]</p></body></html>"
    told = walk({PAGE: (403, {"Set-Cookie": f"{evil}=1; Secure"}, message)})
    assert told.outcome.why == "refused"
    assert "[bold]no markup[/]" in told.printed
    for character in "\x1b\x07\u202e\u0085\r":
        assert character not in told.printed
        assert character not in str(told.report)


def test_terminal_sequences_of_a_message_never_reach_the_terminal() -> None:
    message = AuthnRequest("_1", "https://page.example/\u202e\u009b2J", START, destination=SSO)
    location = encode_redirect(SSO, "SAMLRequest", message.to_xml())
    told = walk({PAGE: (302, {"Location": location}, ""), SSO: (403, {}, "no")}, known=known_home(SSO))
    assert "\\u202e\\u009b2J" in told.printed
    assert "\u202e" not in told.printed
    assert "\u009b" not in told.printed


def test_a_password_that_a_page_repeats_is_not_shown() -> None:
    echo = "You typed correct horse, or correct%20horse, or correct+horse."
    pages = {
        PAGE: (302, request_to(SSO), ""),
        f"GET {SSO}": (200, {}, LOGIN.format(action=SSO)),
        f"POST {SSO}": (403, {}, f"<title>correct horse</title><p>{echo}</p>"),
    }
    told = walk(pages, known=known_home(SSO))
    assert told.outcome.why == "refused"
    assert "You typed […], or […], or […]." in told.printed
    assert "horse" not in told.printed + str(told.report)


def test_a_password_goes_to_the_host_that_metadata_registers_for_the_home() -> None:
    told = asked_for_password(LOGIN.format(action=""))
    assert told.asked_at == ["login.home.example"]


def test_a_password_goes_to_no_host_that_metadata_does_not_register() -> None:
    told = asked_for_password(LOGIN.format(action=""), known=known_home("https://other.example/sso"), asks=True)
    assert (code_of(told), told.asked_at) == ("trace.password_where", [])


def test_a_password_goes_to_no_other_home_than_the_chosen_one() -> None:
    told = asked_for_password(LOGIN.format(action=""), home="https://another.example/idp")
    assert (code_of(told), told.asked_at) == ("trace.password_where", [])


def test_a_host_may_be_given_the_password_by_name() -> None:
    told = asked_for_password(LOGIN.format(action=""), known=Sources(), login_hosts=frozenset({"login.home.example"}))
    assert told.asked_at == ["login.home.example"]


@pytest.mark.parametrize(
    ("form", "code"),
    [
        (LOGIN.format(action="https://evil.example/"), "trace.password_elsewhere"),
        (LOGIN.format(action="http://login.home.example/"), "trace.password_elsewhere"),
        (LOGIN.format(action="").replace("post", "get"), "trace.password_by_get"),
        (LOGIN.format(action="javascript:steal()"), "trace.address"),
    ],
)
def test_a_password_is_not_given_to_a_form_that_sends_it_elsewhere(form: str, code: str) -> None:
    told = asked_for_password(form, asks=True)
    assert (code_of(told), told.asked_at) == (code, [])


def test_a_password_is_not_given_without_tls() -> None:
    told = asked_for_password(LOGIN.format(action=""), sso="http://login.home.example/sso", asks=True)
    assert (code_of(told), told.asked_at) == ("trace.password_in_the_open", [])


def test_a_resource_that_asks_for_a_password_itself_does_not_get_it() -> None:
    told = walk({PAGE: (200, {}, LOGIN.format(action=""))}, asks=True)
    assert told.asked_at == []
    assert told.outcome.why == "reached_without_login"


def test_a_form_with_a_password_is_not_repeated_at_another_site() -> None:
    pages = {
        PAGE: (302, request_to(SSO), ""),
        f"GET {SSO}": (200, {}, LOGIN.format(action=SSO)),
        f"POST {SSO}": (307, {"Location": "https://evil.example/"}, ""),
    }
    network = MadeUpPages(pages)
    told = traced(network, PAGE, password="correct horse", known=known_home(SSO))
    assert code_of(told) == "trace.repeated_elsewhere"
    assert [url for _, url, _, _ in network.sent if "evil" in url] == []


def test_a_password_is_given_once() -> None:
    pages = {PAGE: (302, request_to(SSO), ""), SSO: (200, {}, LOGIN.format(action=SSO) + "<p>Wrong.</p>")}
    network = MadeUpPages(pages)
    told = traced(network, PAGE, password="correct horse", known=known_home(SSO))
    assert told.outcome.why == "wrong_password"
    assert [method for method, _, _, _ in network.sent] == ["GET", "GET", "POST"]


@pytest.mark.parametrize("value", ["%%%", "bm90IHhtbA==", "PCFET0NUWVBFIHggW108L3g+"])
def test_a_message_that_can_not_be_decoded_is_told_as_such(value: str) -> None:
    form = f'<form method="post" action="/acs"><input type="hidden" name="SAMLResponse" value="{value}"></form>'
    told = walk({PAGE: (200, {}, form), f"{PAGE}acs": (400, {}, "no")}, known=known_home(SSO))
    assert "Message 1: something that can't be decoded, by HTTP-POST" in told.printed
    [check] = told.hops[1].message.checks  # type: ignore[union-attr]
    assert (check.name, check.outcome) == ("form", "bad")


def test_a_page_in_many_layers_is_read_without_harm() -> None:
    assert walk({PAGE: (403, {}, "<div>" * 50_000 + "deep")}).outcome.why == "refused"
    assert walk({PAGE: (403, {}, "<form>" * 20_000 + "<input name=a>" * 20_000)}).outcome.why == "refused"


# -- foreign services, as far as plain HTML goes --


def test_a_user_name_and_a_password_may_be_asked_for_on_two_pages() -> None:
    first = '<form method="post" action="/name"><input type="email" name="loginfmt" autocomplete="username"></form>'
    second = (
        '<form method="post" action="/password"><input type="hidden" name="flow" value="7"><input name="pw" type="password">'
        '<button type="submit" name="_eventId_proceed">Go</button></form>'
    )
    response = '<form method="post" action="https://page.example/acs"><input type="hidden" name="SAMLResponse" value="PHgvPg=="></form>'
    pages = {
        PAGE: (302, request_to(SSO), ""),
        SSO: (200, {}, first),
        "https://login.home.example/name": (200, {}, second),
        "https://login.home.example/password": (200, {}, response),
        f"{PAGE}acs": (200, {}, "<title>Welcome</title>"),
    }
    network = MadeUpPages(pages)
    told = traced(network, PAGE, user="alice", password="correct horse", known=known_home(SSO))
    assert told.outcome.reached
    assert network.sent[2][3] == b"loginfmt=alice"
    assert network.sent[3][3] == b"flow=7&pw=correct+horse&_eventId_proceed="


def test_a_home_may_be_chosen_by_a_link_a_list_or_an_option() -> None:
    question = "https://ds.example/?entityID=https%3A%2F%2Fpage.example%2Fshar&return=https%3A%2F%2Fpage.example%2Fback"
    for choice in (
        f'<a href="/go?entityID={HOME}">Home</a>',
        f'<form action="/go"><select name="idp"><option value="-">-<option value="{HOME}">Home</select><button name="b">',
        f'<form action="/go"><input type="radio" name="idp" value="{HOME}"><input type="radio" name="idp" value="x" checked>',
    ):
        pages = {PAGE: (302, {"Location": question}, ""), "https://ds.example/": (200, {}, choice)}
        network = MadeUpPages({**pages, "https://ds.example/go": (403, {}, "chosen")})
        told = traced(network, PAGE, home=HOME)
        assert told.outcome.status == 403
        assert HOME in parse_qs(urlsplit(network.sent[-1][1]).query).get("idp", []) + parse_qs(
            urlsplit(network.sent[-1][1]).query
        ).get("entityID", [])


def test_a_discovery_page_that_needs_a_script_is_answered_by_its_protocol() -> None:
    question = (
        "https://ds.example/?entityID=https%3A%2F%2Fpage.example%2Fshar"
        "&return=https%3A%2F%2Fpage.example%2Fback%3Fa%3Db&returnIDParam=idp"
    )
    pages = {PAGE: (302, {"Location": question}, ""), "https://ds.example/": (200, {}, "<div id=app></div>")}
    network = MadeUpPages({**pages, f"{PAGE}back": (403, {}, "no")})
    told = traced(network, PAGE, home=HOME)
    assert [hop.does for hop in told.hops] == ["asks_page", "asks_discovery", "answers_discovery"]
    assert network.sent[-1][1] == "https://page.example/back?a=b&idp=https%3A%2F%2Fhome.example%2Fidp"


def test_a_page_that_moves_on_by_itself_is_followed_and_one_that_needs_a_person_is_not() -> None:
    refresh = '<meta http-equiv="Refresh" content="0; URL=\'/next\'">'
    consent = "<title>Consent</title><form method=post><button name=ok>I agree</button></form><p>Do you agree?</p>"
    pages = {PAGE: (302, request_to(SSO), ""), SSO: (200, {}, refresh)}
    told = walk({**pages, "https://login.home.example/next": (200, {}, consent)}, known=known_home(SSO))
    assert (told.outcome.reached, told.outcome.why) == (False, "stuck")
    assert "Do you agree?" in told.printed


# -- real connections --


@contextmanager
def server(answer: bytes, *, drip: bool = False) -> Iterator[str]:
    """Answers one connection with these octets; dripping, one of them every 50 milliseconds."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                try:
                    for start in range(0, len(answer), 1 if drip else len(answer)):
                        connection.sendall(answer[start : start + (1 if drip else len(answer))])
                        if drip:
                            stopped.wait(0.05)
                except OSError:
                    return

        stopped = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            stopped.set()
            thread.join(10)


@pytest.mark.parametrize(
    ("answer", "drip", "code"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 2_000_001, False, "trace.page_too_large"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\nConnection: close\r\n\r\nx", False, "trace.unreachable"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200, True, "trace.unreachable"),
        (b"no HTTP at all\r\n\r\n", False, "trace.unreachable"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", False, "trace.unreachable"),
    ],
    ids=["huge", "cut", "dripping", "no HTTP", "many headers"],
)
def test_an_answer_that_is_too_large_too_slow_or_none_is_given_up(answer: bytes, drip: bool, code: str) -> None:
    transport = HttpTransport(seconds=0.5)
    with server(answer, drip=drip) as url:
        with pytest.raises(Unavailable) as given_up:
            transport.send("GET", url, {}, b"")
        assert given_up.value.code == code
    transport.close()


def test_nobody_at_the_address_is_told_with_its_host() -> None:
    transport = HttpTransport(seconds=0.5)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    told = traced(transport, f"http://127.0.0.1:{port}/")
    transport.close()
    assert code_of(told) == "trace.unreachable"
    assert told.error is not None
    assert told.error.params == {"host": f"127.0.0.1:{port}"}


AGREEMENT = (
    '<form method="post" action="{action}"><input type="hidden" name="ticket" value="t">'
    '<input type="checkbox" name="release" value="mail" checked><input type="checkbox" name="release" value="sn">'
    '<input type="radio" name="mode" value="remember" checked><input type="radio" name="mode" value="ask_always">'
    '<button name="{name}" value="{value}">Yes</button></form>'
)


def sent_to(pages: MadeUpPages, url: str) -> list[dict[str, list[str]]]:
    return [parse_qs(body.decode()) for method, sent, _, body in pages.sent if (method, sent) == ("POST", url)]


def asked_to_agree(page: str, **more: Any) -> tuple[Traced, MadeUpPages]:
    pages = MadeUpPages({PAGE: (302, request_to(SSO), ""), SSO: (200, {}, page), **more})
    return traced(pages, PAGE, known=known_home(SSO)), pages


def test_a_trace_agrees_with_what_is_ticked_and_for_this_time_only() -> None:
    action = "https://login.home.example/consent"
    told, pages = asked_to_agree(
        AGREEMENT.format(action=action, name="answer", value="accept"), **{action: (200, {}, "<h1>Nothing more</h1>")}
    )
    assert sent_to(pages, action) == [
        {"ticket": ["t"], "release": ["mail"], "mode": ["ask_always"], "answer": ["accept"]}
    ]
    assert [hop.does for hop in told.hops] == ["asks_page", "hands_request", "agrees"]
    assert told.hops[1].answers == "agreement"


@pytest.mark.parametrize(("name", "value"), [("_eventId_proceed", "Accept"), ("yes", "Yes, continue")])
def test_a_trace_knows_how_others_ask(name: str, value: str) -> None:
    action = "https://login.home.example/consent"
    _, pages = asked_to_agree(
        AGREEMENT.format(action=action, name=name, value=value), **{action: (200, {}, "<h1>Nothing more</h1>")}
    )
    assert [sent[name] for sent in sent_to(pages, action)] == [[value]]


@pytest.mark.parametrize(
    "page",
    [
        AGREEMENT.format(action="https://elsewhere.example/consent", name="answer", value="accept"),
        AGREEMENT.format(action="https://login.home.example/consent", name="answer", value="refuse"),
        AGREEMENT.format(action="https://login.home.example/consent", name="delete", value="everything"),
        AGREEMENT.format(action="https://login.home.example/consent", name="answer", value="accept").replace(
            "post", "get"
        ),
    ],
)
def test_a_trace_presses_no_other_button_and_agrees_nowhere_else(page: str) -> None:
    told, pages = asked_to_agree(page)
    assert told.outcome.why == "stuck"
    assert [method for method, *_ in pages.sent] == ["GET", "GET"]


def test_a_page_that_asks_for_ever_is_left() -> None:
    page = AGREEMENT.format(action=SSO, name="answer", value="accept")
    told, _ = asked_to_agree(page)
    assert code_of(told) == "trace.loop"
