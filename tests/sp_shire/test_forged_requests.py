"""What a client may write into a request to pass for somebody, to reach a protected page, or to be sent elsewhere."""

import asyncio
import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from ostiary.command.demo.people import NORTHGATE, SOUTHBANK
from ostiary.saml.bindings import decode_redirect
from ostiary.saml.protocol import AuthnRequest
from ostiary.saml.signature import AnonymousMessage
from ostiary.saml.xml import to_bytes
from ostiary.web.identity import PERSON_KEY
from sp_shire.adapters.asgi import ShireAsgiMiddleware
from sp_shire.adapters.wsgi import ShireMiddleware
from sp_shire.messages import Passage, Reply
from sp_shire.sessions.keeper import session_key
from sp_shire.settings import ShireSettings
from tests.browser import WsgiTransport
from tests.flows.test_asgi_applications import Echo, exchange
from tests.simulator import Simulation
from tests.sp_shire.conftest import Core, header

EXPORTED = {
    "eduPersonScopedAffiliation": "affiliation",
    "displayName": "display-name",
    "mail": "Mail.Address",
    "eduPersonPrincipalName": "EPPN",
}


class Application:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.environ: dict[str, Any] | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.environ = environ
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"the application"]


class Wrapped:
    """An application behind the middleware, reached with any environment at all."""

    def __init__(self, core: Core) -> None:
        self.application = Application()
        self._middleware = ShireMiddleware(self.application, core.shire)
        self._transport = WsgiTransport()

    def call(self, path: str = "/", cookie: str = "", **environ: Any) -> tuple[int, dict[str, Any] | None]:
        """Status, and the environment that the application saw: None when it was not reached."""
        self.application.environ = None

        def with_more(given: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            given.update(environ)
            return self._middleware(given, start_response)

        self._transport.applications["http://127.0.0.1:20005"] = with_more
        headers = {"Accept": "text/html", **({"Cookie": cookie} if cookie else {})}
        answer = self._transport.send("GET", "http://127.0.0.1:20005" + path, headers, b"")
        return answer.status, self.application.environ


@pytest.fixture(scope="module")
def wrapped(federation: Simulation, library_settings: ShireSettings) -> Wrapped:
    changes = {"environ": EXPORTED, "remote_user": ("eduPersonPrincipalName",)}
    return Wrapped(Core(federation, ShireSettings.model_validate({**library_settings.model_dump(), **changes})))


# -- attributes in headers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "HTTP_AFFILIATION",
        "HTTP_affiliation",
        "HTTP_Affiliation",
        "HTTP_DISPLAY_NAME",
        "HTTP_DISPLAY-NAME",
        "HTTP_DISPLAY.NAME",
        "HTTP_display-name",
        "HTTP_MAIL_ADDRESS",
        "HTTP_MAIL.ADDRESS",
        "HTTP_MAIL-ADDRESS",
        "HTTP_EPPN",
        "HTTP_REMOTE_USER",
        "HTTP_REMOTE-USER",
        "HTTP_Remote.User",
        "HTTP_AUTH_TYPE",
        "HTTP_OSTIARY_IDP",
        "HTTP_OSTIARY-AUTHENTICATED-AT",
        "HTTP_OSTIARY_AUTHN_CONTEXT",
        "affiliation",
        "display-name",
        "Mail.Address",
        "REMOTE_USER",
        "AUTH_TYPE",
        "OSTIARY_IDP",
        "ostiary.person",
        "ostiary.decision",
        "ostiary.session",
    ],
)
def test_what_a_client_sends_under_an_exported_name_never_reaches_the_application(wrapped: Wrapped, name: str) -> None:
    status, seen = wrapped.call("/open", **{name: "member@northgate.example"})
    assert status == 200
    assert seen is not None
    assert name not in seen
    assert "member@northgate.example" not in {value for value in seen.values() if isinstance(value, str)}


def test_other_headers_reach_the_application_as_they_are(wrapped: Wrapped) -> None:
    status, seen = wrapped.call("/open", HTTP_AFFILIATIONS="kept", HTTP_X_AFFILIATION="kept too", CONTENT_TYPE="a/b")
    assert status == 200
    assert seen is not None
    assert (seen["HTTP_AFFILIATIONS"], seen["HTTP_X_AFFILIATION"], seen["CONTENT_TYPE"]) == ("kept", "kept too", "a/b")
    assert seen["HTTP_HOST"] == "127.0.0.1:20005"


def test_a_signed_in_person_s_own_attributes_win_over_forged_ones(make_core: Callable[..., Core]) -> None:
    core = make_core(environ=EXPORTED, remote_user=("eduPersonPrincipalName",))
    wrapped, cookie = Wrapped(core), core.session("bob")
    forged = {
        "HTTP_AFFILIATION": "staff@northgate.example",
        "affiliation": "x",
        "REMOTE_USER": "alice",
        "EPPN": "alice",
    }
    status, seen = wrapped.call("/library/", cookie, **forged)
    assert status == 200
    assert seen is not None
    assert seen["affiliation"] == "member@northgate.example;student@northgate.example"
    assert seen["OSTIARY_IDP"] == "https://northgate.example/idp"
    assert seen[PERSON_KEY].issuer == "https://northgate.example/idp"
    assert not {"HTTP_AFFILIATION", "REMOTE_USER", "AUTH_TYPE", "EPPN", "display-name"} & seen.keys()


# -- paths -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/library",
        "/library/",
        "/library/shelf",
        "//library/",
        "///library//shelf",
        "/library//",
        "/library;x=1/shelf",
        "/library;",
        "/;x/library",
        "/library/;jsessionid=1",
        "/%6cibrary/",
        "/library%2f",
        "/library%2fshelf",
    ],
)
def test_a_protected_page_asks_for_a_login_however_its_path_is_written(wrapped: Wrapped, path: str) -> None:
    status, seen = wrapped.call(path)
    assert seen is None
    # What starts with // would lead to another site after the login.
    assert status == (400 if path.startswith("//") else 302)


@pytest.mark.parametrize(
    "path",
    [
        "/./library/",
        "/open/../library/",
        "/library/../open",
        "/open/..;/library/",
        "/open/%2e%2e/library/",
        "/open/%2E./library/",
        "/open%252f..%252flibrary",
        "/%252e%252e/library",
        "/open\\..\\library",
        "/%5clibrary",
        "/open%255clibrary",
        "/library%00",
        "/open%0alibrary",
        "/library/%ff%fe",
        "/%c0%afl%c0%af",
        "/" + "a" * 9000,
    ],
)
def test_a_path_that_hides_where_it_leads_reaches_no_application(wrapped: Wrapped, path: str) -> None:
    status, seen = wrapped.call(path)
    assert (status, seen) == (400, None)


@pytest.mark.parametrize(
    "path", ["/open", "/libraryx", "/lib/rary", "/LIBRARY/", "/Library", "/", "/ostiary", "/x;/library"]
)
def test_other_paths_are_the_application_s_own_and_nobody_is_there(wrapped: Wrapped, path: str) -> None:
    """Paths are told apart by case, as URLs are (RFC 3986 6.2.2.1); the application is not told of anybody."""
    status, seen = wrapped.call(path)
    assert status == 200
    assert seen is not None
    assert PERSON_KEY not in seen


def test_an_empty_path_is_the_start_page(wrapped: Wrapped) -> None:
    assert wrapped.call("/", PATH_INFO="")[0] == 200
    assert wrapped.call("/", PATH_INFO="library/") == (400, None)


def test_with_everything_protected_nothing_is_open(make_core: Callable[..., Core]) -> None:
    wrapped = Wrapped(make_core(protected=("/",)))
    statuses = {path: wrapped.call(path)[0] for path in ("/", "/x", "//x", "/ostiary", "/ostiaryx", "/LIBRARY")}
    assert statuses == {"/": 302, "/x": 302, "//x": 400, "/ostiary": 302, "/ostiaryx": 302, "/LIBRARY": 302}


def test_a_mount_point_is_part_of_the_path(wrapped: Wrapped) -> None:
    status, seen = wrapped.call("/", SCRIPT_NAME="/library", PATH_INFO="/shelf")
    assert (status, seen) == (302, None)
    status, seen = wrapped.call("/", SCRIPT_NAME="/lib", PATH_INFO="rary/shelf")
    assert (status, seen) == (302, None)


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "X_SCRIPT_NAME", "X_FORWARDED_PREFIX"])
def test_a_mount_point_that_a_client_may_have_named_is_refused(
    wrapped: Wrapped, make_core: Callable[..., Core], name: str
) -> None:
    """gunicorn takes it from a header of whoever is on its machine, a web server in front among them, which passes on what clients send."""
    for mount, said in (("/open", "/open"), ("/open", "/x, /open/"), ("/open/more", "/open")):
        claimed = {"SCRIPT_NAME": mount, "PATH_INFO": "/library/shelf", f"HTTP_{name}": said}
        assert wrapped.call("/", **claimed) == (400, None)
    # The one that the public URL names is the web server's own.
    below = Wrapped(make_core(public_url="http://127.0.0.1:20005/site"))
    served = {"SCRIPT_NAME": "/site", "PATH_INFO": "/open", f"HTTP_{name}": "/site"}
    assert below.call("/", **served)[0] == 200
    assert below.call("/", **served | {"PATH_INFO": "/library/shelf"})[0] == 302


@pytest.mark.parametrize("name", [b"daphne-root-path", b"Daphne_Root_Path", b"script_name", b"x-forwarded-prefix"])
def test_so_is_one_over_asgi(core: Core, name: bytes) -> None:
    """Daphne takes it from a header of whoever asks."""
    echo = Echo()
    protected = ShireAsgiMiddleware(echo, core.shire)

    def status(mount: str, said: bytes) -> int:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/open/library/shelf",
            "root_path": mount,
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1:20005"), (name, said)],
        }
        sent = asyncio.run(exchange(protected, scope, [{"type": "http.request"}]))
        return int(sent[0]["status"])

    assert [status("/open", b"/open"), status("/open", b"/open/")] == [400, 400]
    assert echo.seen == []
    assert [status("/open", b"/elsewhere"), status("", b"/open")] == [200, 200]


@pytest.mark.parametrize("length", ["-1", "x", "9" * 5000, "", "1e3"])
def test_a_strange_content_length_is_no_body(wrapped: Wrapped, length: str) -> None:
    status, seen = wrapped.call(
        "/ostiary/acs", REQUEST_METHOD="POST", CONTENT_TYPE="application/x-www-form-urlencoded", CONTENT_LENGTH=length
    )
    assert (status, seen) == (400, None)


# -- hosts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1",
        "127.0.0.1:20006",
        "localhost:20005",
        "127.0.0.1:20005.evil.example",
        "",
        "127.0.0.1:20005@evil.example",
    ],
)
@pytest.mark.parametrize("path", ["/library/", "/ostiary/login", "/ostiary/logout", "/ostiary/session"])
def test_another_host_name_is_refused(core: Core, path: str, host: str) -> None:
    assert core.refused(path, host=host) == (400, "http.host")


def test_a_host_name_is_the_same_in_capitals(make_core: Callable[..., Core]) -> None:
    core = make_core(public_url="http://localhost:20005")
    assert isinstance(core.ask("/library/", host="LOCALHOST:20005"), Reply)
    assert core.target_of(core.ask("/library/", host="LocalHost:20005")) == "/library/"


# -- where to go afterwards --------------------------------------------------------------------------------------------

ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "/%09/evil.example".replace("%09", "\t"),
    "\t//evil.example",
    " //evil.example",
    "/ok\r\nLocation: https://evil.example/",
    "/ok\nSet-Cookie: a=b",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    "@evil.example",
    "?x",
    "/ok#fragment",
    "/\u2215evil.example",
    "/\uff0fevil.example",
    "/caf\u00e9",
    "/\u202eevil",
    "/a\x7fb",
    "http:evil.example",
    "http://127.0.0.1:20005/library/",
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_a_target_elsewhere_is_refused(core: Core, target: str) -> None:
    query = (
        b"entityID=https://northgate.example/idp&target="
        + "".join(f"%{octet:02x}" for octet in target.encode()).encode()
    )
    assert core.refused("/ostiary/login", query=query) == (400, "sp.target")


def test_discovery_brings_no_target_back(core: Core) -> None:
    """It is kept here; what stands in the link is not looked at."""
    query = b"entityID=https://northgate.example/idp&target=https://evil.example/"
    asked = core.ask("/ostiary/discovered", query=query)
    assert isinstance(asked, Reply)
    sent = decode_redirect(urlsplit(header(asked, "Location") or "").query.encode(), "SAMLRequest")
    assert AuthnRequest.from_proof(AnonymousMessage(sent.element)).target == "http://127.0.0.1:20005/library"
    assert b"evil" not in to_bytes(sent.element)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (b"target=/a&target=/b", "http.parameter_repeated"),
        (b"target=%2", "http.encoding"),
        (b"target=/%00", "http.encoding"),
        (b"target=/%ff", "http.encoding"),
        (b"target=/" + b"a" * 8192, "http.parameter_too_long"),
        (b"entityID=" + b"a" * 1025, "http.parameter_too_long"),
        (b"entityID=a&entityID=b", "http.parameter_repeated"),
        (b"entityID=https://evil.example/idp", "sp.unknown_idp"),
        (b"entityID=https://instrument.example/shar", "sp.unknown_idp"),
        (b"entityID=javascript:alert(1)", "sp.unknown_idp"),
    ],
)
def test_strange_parameters_of_the_session_initiator_are_refused(core: Core, query: bytes, code: str) -> None:
    assert core.refused("/ostiary/login", query=query) == (400, code)


@pytest.mark.parametrize(
    "target", ["/", "/library/", "/library/?q=a%20b", "/a//b", "/a;b?c=//evil.example", "/@evil.example"]
)
def test_a_target_on_this_site_is_kept(core: Core, target: str) -> None:
    reply = core.ask(
        "/ostiary/login", query=b"target=" + "".join(f"%{octet:02x}" for octet in target.encode()).encode()
    )
    assert core.target_of(reply) == target


def test_after_a_login_the_redirect_is_absolute_and_to_this_site(core: Core) -> None:
    """So no reading of a path that starts oddly leads elsewhere."""
    query = b"entityID=https://northgate.example/idp&target=/a//b"
    begun = core.ask("/ostiary/login", query=query)
    assert isinstance(begun, Reply)
    assert (header(begun, "Location") or "").startswith("http://localhost:20001/saml/sso/redirect?SAMLRequest=")


@pytest.mark.parametrize("parameter", ["return", "RelayState", "next", "url", "returnIDParam", "goto"])
def test_no_other_parameter_sends_anybody_anywhere(core: Core, parameter: str) -> None:
    query = f"{parameter}=https://evil.example/".encode()
    for path in ("/ostiary/login", "/ostiary/logout", "/ostiary/session", "/ostiary/discovered"):
        reply = core.ask(path, query=query)
        assert isinstance(reply, Reply)
        assert "evil.example" not in (header(reply, "Location") or "")
        assert "evil.example" not in reply.body.decode()


def test_discovery_without_a_choice_is_refused(core: Core) -> None:
    assert core.refused("/ostiary/discovered", query=b"target=/library/") == (400, "sp.nothing_chosen")


def test_a_resource_of_one_home_sends_nobody_to_another(make_core: Callable[..., Core]) -> None:
    """Whoever may choose begins at ``login``; where discovery would come back to, there is no more choice than there."""
    core = make_core(discovery_url=None, identity_provider=NORTHGATE.entity_id)
    for handler in ("login", "discovered"):
        query = urlencode({"entityID": SOUTHBANK.entity_id}).encode()
        assert core.refused(f"/ostiary/{handler}", query=query) == (400, "sp.unknown_idp")
        sent = core.ask(f"/ostiary/{handler}", query=urlencode({"entityID": NORTHGATE.entity_id}).encode())
        assert isinstance(sent, Reply)
        assert sent.status == 302


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/ostiary/", 404, "http.not_found"),
        ("/ostiary/nothing", 404, "http.not_found"),
        ("/ostiary/login/", 404, "http.not_found"),
        ("/ostiary/style.css", 404, "http.not_found"),
        ("/ostiary/../login", 400, "http.path"),
        ("/ostiary/finish", 400, "http.parameter_missing"),
    ],
)
def test_handlers_that_do_not_exist_are_not_found(core: Core, path: str, status: int, code: str) -> None:
    assert core.refused(path) == (status, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/ostiary/login"),
        ("HEAD", "/ostiary/login"),
        ("HEAD", "/ostiary/finish"),
        ("HEAD", "/ostiary/discovered"),
        ("DELETE", "/ostiary/session"),
        ("OPTIONS", "/ostiary/acs"),
        ("get", "/ostiary/login"),
        ("TRACE", "/ostiary/metadata"),
    ],
)
def test_handlers_take_their_own_methods_only(core: Core, method: str, path: str) -> None:
    assert core.refused(path, method=method) == (405, "http.method")


# -- cookies -----------------------------------------------------------------------------------------------------------

COOKIE = "ost-session-b43dc9a7"


@pytest.mark.parametrize(
    "cookie",
    [
        f"{COOKIE}=",
        f"{COOKIE}=x",
        f"{COOKIE}={'A' * 43}",
        f"{COOKIE}={'A' * 4001}",
        f"{COOKIE}={'A' * 70_000}",
        f'{COOKIE}="quoted"',
        f"{COOKIE}=a b",
        f"{COOKIE}=\u00e9",
        f"{COOKIE}=\x00",
        f"{COOKIE}",
        "=;=;=",
        ";" * 5000,
        f"{COOKIE}=../../etc/passwd",
        f"{COOKIE}=' OR 1=1 --",
    ],
    ids=range(14),
)
def test_a_forged_cookie_is_nobody(core: Core, cookie: str) -> None:
    assert core.target_of(core.ask("/library/", cookie=cookie)) == "/library/"
    reply = core.ask("/ostiary/session", query=b"format=json", cookie=cookie)
    assert isinstance(reply, Reply)
    assert (reply.status, json.loads(reply.body)) == (401, {"authenticated": False})


def test_a_real_cookie_is_somebody_and_anything_near_it_nobody(core: Core) -> None:
    cookie = core.session()
    name, _, token = cookie.partition("=")
    assert name == COOKIE
    assert len(token) == 43
    assert isinstance(core.ask("/library/", cookie=cookie), Passage)
    assert isinstance(core.ask("/library/", cookie=f"other=1; {cookie} ; more=2"), Passage)
    for forged in (
        f"{name}={token[:-1]}",
        f"{name}={token}A",
        f"{name}={token.swapcase()}",
        f"{name.upper()}={token}",
        f"{name}={token}; {name}=x",
        f"{name}={token}; {name}={token}",
        f"{name}=; {name}={token}",
        f"{name}={token} used",
        f"{name}={token} knowledge",
    ):
        assert core.target_of(core.ask("/library/", cookie=forged)) == "/library/"


def test_the_keys_beside_a_session_are_no_sessions(core: Core) -> None:
    """What changes of it stands under another key of the same store."""
    token = core.session().partition("=")[2]
    for key in (session_key(token), f"{session_key(token)} state"):
        assert core.stores.sessions.get(key, core.clock.now()) is not None
        assert core.target_of(core.ask("/library/", cookie=f"{COOKIE}={key}")) == "/library/"


def test_the_cookie_of_a_finished_session_is_nobody(core: Core) -> None:
    cookie = core.session()
    reply = core.ask("/ostiary/logout", method="POST", cookie=cookie)
    assert isinstance(reply, Reply)
    assert reply.status == 200
    assert header(reply, "Set-Cookie") == f"{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
    assert core.target_of(core.ask("/library/", cookie=cookie)) == "/library/"


def test_a_login_ends_the_session_that_the_browser_had_before(core: Core) -> None:
    """A token that was planted in somebody's browser never becomes hers."""
    planted = core.session("bob")
    fresh = core.session("alice", before=planted)
    assert fresh != planted
    assert isinstance(core.ask("/library/", cookie=fresh), Passage)
    assert core.target_of(core.ask("/library/", cookie=planted)) == "/library/"


def test_cookies_are_for_this_host_alone_and_out_of_reach_of_scripts(
    core: Core, make_core: Callable[..., Core]
) -> None:
    begun = core.ask("/ostiary/login", query=b"entityID=https://northgate.example/idp")
    assert isinstance(begun, Reply)
    assert (header(begun, "Set-Cookie") or "").partition("; ")[2] == "Path=/; HttpOnly; SameSite=Lax"
    https = make_core(public_url="https://library.example")
    begun = https.ask("/ostiary/login", query=b"entityID=https://northgate.example/idp", host="library.example")
    assert isinstance(begun, Reply)
    cookie = header(begun, "Set-Cookie") or ""
    assert re.match("__Host-ost-browser-b43dc9a7-[0-9a-f]{8}=", cookie)
    assert cookie.partition("; ")[2] == "Path=/; HttpOnly; SameSite=Lax; Secure"


# -- signing out -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:20006"},
        {"origin": "http://127.0.0.1"},
        {"origin": "https://127.0.0.1:20005"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "cross-site", "origin": "http://127.0.0.1:20005"},
    ],
    ids=str,
)
def test_another_site_signs_nobody_out(core: Core, headers: dict[str, Any]) -> None:
    cookie = core.session()
    assert core.refused("/ostiary/logout", method="POST", cookie=cookie, **headers) == (400, "sp.form_elsewhere")
    assert isinstance(core.ask("/library/", cookie=cookie), Passage)


def test_a_link_signs_nobody_out(core: Core) -> None:
    cookie = core.session()
    reply = core.ask("/ostiary/logout", cookie=cookie)
    assert isinstance(reply, Reply)
    assert reply.status == 200
    assert isinstance(core.ask("/library/", cookie=cookie), Passage)


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://127.0.0.1:20005"}, {"sec_fetch_site": "same-origin"}],
    ids=["plain", "origin", "fetch"],
)
def test_this_site_s_own_form_signs_out(core: Core, headers: dict[str, Any]) -> None:
    cookie = core.session()
    reply = core.ask("/ostiary/logout", method="POST", cookie=cookie, **headers)
    assert isinstance(reply, Reply)
    assert reply.status == 200
    assert core.target_of(core.ask("/library/", cookie=cookie)) == "/library/"


# -- programs and forms ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"accept": "application/json"},
        {"accept": "application/json, */*"},
        {"accept": "application/json", "x_requested_with": "XMLHttpRequest"},
    ],
    ids=str,
)
def test_a_program_is_told_in_json_that_it_must_log_in(core: Core, headers: dict[str, Any]) -> None:
    reply = core.ask("/library/data", **headers)
    assert isinstance(reply, Reply)
    assert (reply.status, header(reply, "Content-Type"), header(reply, "Location")) == (401, "application/json", None)
    error = json.loads(reply.body)["error"]
    assert (error["code"], error["login"]) == ("sp.login_needed", "http://127.0.0.1:20005/ostiary/login")
    assert error["reference"] == core.log_lines()[-1]["reference"]


@pytest.mark.parametrize(
    "headers",
    [
        {"accept": "*/*", "x_requested_with": "XMLHttpRequest"},
        {"accept": "*/*", "sec_fetch_mode": "cors"},
        {"accept": "image/png"},
    ],
    ids=str,
)
def test_a_script_is_not_redirected_to_a_login_that_it_could_not_follow(core: Core, headers: dict[str, Any]) -> None:
    assert core.refused("/library/data", **headers) == (401, "sp.login_needed")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
def test_a_form_sent_without_a_session_is_told_so_and_not_lost_in_a_redirect(core: Core, method: str) -> None:
    assert core.refused("/library/order", method=method, body=b"a=1") == (401, "sp.login_needed")


def test_a_program_that_is_denied_is_told_in_json_which_rule_it_was(core: Core) -> None:
    cookie = core.session("carol")
    reply = core.ask("/library/", cookie=cookie, accept="application/json")
    assert isinstance(reply, Reply)
    assert reply.status == 403
    assert json.loads(reply.body) == {
        "error": {
            "code": "sp.denied",
            "message": "The library is open to members of the participating universities.",
            "rule": "members",
            "reference": core.log_lines()[-1]["reference"],
        }
    }
