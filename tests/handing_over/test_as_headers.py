"""Attributes as headers of the request: what stands in them, in every way in, and that nobody else puts anything there."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.attributes import Attribute, make_attribute
from ostiary.config import load_settings
from ostiary.config.problems import DocumentError
from sp_shire import ShireAsgiMiddleware, ShireMiddleware
from sp_shire.adapters.exports import header_name, header_value, headers_of
from sp_shire.adapters.forward_auth import ForwardAuth
from sp_shire.settings import ShireSettings
from tests.flows.test_asgi_applications import exchange
from tests.handing_over.conftest import HOSTILE, MEMBER
from tests.simulator import Simulation, configure
from tests.sp_shire.conftest import Core

FORGED = [
    "AFFILIATION",
    "Affiliation",
    "X-Groups",
    "X_GROUPS",
    "x.groups",
    "Display-Name",
    "display_name",
    "Ostiary-Idp",
]


def over_wsgi(core: Core, cookie: str = "", *forged: str, path: str = "/library/") -> dict[str, Any]:
    """The environment that a WSGI application gets."""
    seen: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return []

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "HTTP_HOST": "127.0.0.1:20005", "HTTP_COOKIE": cookie}
    for name in forged:
        # Servers fold in different ways, and some not at all.
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = environ[f"HTTP_{name}"] = "forged"
    ShireMiddleware(application, core.shire)(environ, lambda status, headers: None)
    [found] = seen
    return found


def over_asgi(core: Core, cookie: str = "", *forged: str, path: str = "/library/", **how: Any) -> dict[str, Any]:
    """The scope that an ASGI application gets."""
    seen: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    headers = [(b"host", b"127.0.0.1:20005"), (b"cookie", cookie.encode())]
    headers += [(name.lower().encode(), b"forged") for name in forged]
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers}
    asyncio.run(exchange(ShireAsgiMiddleware(application, core.shire, **how), scope, [{"type": "http.request"}]))
    [found] = seen
    return found


def forward_auth(core: Core, cookie: str = "", path: str = "/library/") -> dict[str, str]:
    """The headers of the answer to a web server that asks."""
    headers = [(b"host", b"127.0.0.1:20005"), (b"cookie", cookie.encode())]
    headers += [(b"x-original-uri", path.encode()), (b"x-original-method", b"GET")]
    scope = {"type": "http", "method": "GET", "path": "/check", "headers": headers, "client": ("127.0.0.1", 1)}
    [start, _] = asyncio.run(exchange(ForwardAuth(core.shire, server="nginx"), scope, [{"type": "http.request"}]))
    assert start["status"] == 200
    return {name.decode(): value.decode() for name, value in start["headers"]}


def names(*attributes: Attribute) -> tuple[Attribute, ...]:
    return (MEMBER, *attributes)


def test_the_same_names_and_values_come_as_headers_in_every_way(resource: Callable[..., Core]) -> None:
    core = resource(hand_over="both")
    cookie = core.session(attributes=names(make_attribute("displayName", ["Żółć 100%", "a;b"])))
    expected = {
        "affiliation": "member@northgate.example;staff@northgate.example",
        "display-name": "%C5%BB%C3%B3%C5%82%C4%87 100%25;a\\;b",
        "ostiary-idp": "https://northgate.example/idp",
        "ostiary-authenticated-at": "2026-11-22T09:00:00+00:00",
    }
    environ = over_wsgi(core, cookie)
    assert environ["display_name"] == "Żółć 100%;a\\;b"
    scope = over_asgi(core, cookie)
    assert scope["ostiary.environ"]["display_name"] == "Żółć 100%;a\\;b"
    as_asgi = {name.decode(): value.decode() for name, value in scope["headers"]}
    answer = forward_auth(core, cookie)
    for name, value in expected.items():
        assert environ[f"HTTP_{name.upper().replace('-', '_')}"] == as_asgi[name] == answer[name] == value


def test_in_the_environment_or_as_headers_is_said_by_the_settings(resource: Callable[..., Core]) -> None:
    for hand_over, in_environ, in_headers in (("environ", True, False), ("headers", False, True), ("both", True, True)):
        core = resource(hand_over=hand_over, remote_user=["displayName"])
        cookie = core.session(attributes=names(make_attribute("displayName", ["Ada"])))
        environ = over_wsgi(core, cookie)
        assert ("affiliation" in environ, "REMOTE_USER" in environ) == (in_environ, in_environ)
        assert ("HTTP_AFFILIATION" in environ, "HTTP_REMOTE_USER" in environ) == (in_headers, in_headers)
        scope = over_asgi(core, cookie)
        assert ("affiliation" in scope["ostiary.environ"]) == in_environ
        assert (b"remote-user" in dict(scope["headers"])) == in_headers
        # The object says everything in any case.
        assert environ["ostiary"].one("displayName") == scope["ostiary"].one("displayName") == "Ada"


def test_an_adapter_may_be_told_otherwise_than_the_settings(resource: Callable[..., Core]) -> None:
    core = resource()
    scope = over_asgi(core, core.session(attributes=(MEMBER,)), hand_over="headers")
    assert dict(scope["headers"])[b"affiliation"] == b"member@northgate.example;staff@northgate.example"
    assert scope["ostiary.environ"] == {}


@pytest.mark.parametrize("hand_over", ["environ", "headers", "both"])
def test_what_a_client_sends_under_our_names_is_gone_with_and_without_a_session(
    resource: Callable[..., Core], hand_over: str
) -> None:
    core = resource(hand_over=hand_over, jwt={"audience": "https://api.example"})
    forged = [*FORGED, "OSTIARY-JWT", "Ostiary_Jwt", "ostiary.jwt", "Remote-User"]
    for cookie, path in (("", "/"), (core.session(attributes=(MEMBER,)), "/library/")):
        environ = over_wsgi(core, cookie, *forged, path=path)
        assert "forged" not in environ.values()
        scope = over_asgi(core, cookie, *forged, path=path)
        assert b"forged" not in dict(scope["headers"]).values()


def test_no_value_breaks_out_of_a_header(resource: Callable[..., Core]) -> None:
    core = resource(hand_over="both")
    cookie = core.session(attributes=names(make_attribute("displayName", HOSTILE)))
    environ, scope, answer = over_wsgi(core, cookie), over_asgi(core, cookie), forward_auth(core, cookie)
    assert "HTTP_DISPLAY_NAME" not in environ
    assert "display_name" not in environ
    assert b"display-name" not in dict(scope["headers"])
    assert answer["display-name"] == ""
    # Whole, for who asks for it by name.
    assert environ["ostiary"].attributes["displayName"] == tuple(HOSTILE)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40))
@settings(max_examples=50)
def test_a_header_holds_printable_ascii_and_gives_the_value_back(text: str) -> None:
    written = header_value(text)
    assert all(" " <= character <= "~" for character in written)
    assert written == written.strip()
    assert unquote(written) == text


def test_names_become_names_of_headers() -> None:
    assert [header_name(name) for name in ("affiliation", "display_name", "X-Groups", "a.b", "OSTIARY_IDP")] == [
        "Affiliation",
        "Display-Name",
        "X-Groups",
        "A-B",
        "Ostiary-Idp",
    ]


def test_a_value_too_long_for_a_header_is_left_out_whole() -> None:
    found = headers_of({"name": "x" * 8001, "other": "é" * 2000, "affiliation": "y" * 8000})
    assert found == {"Affiliation": "y" * 8000}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"environ": {"mail": "e_mail", "cn": "e-mail"}}, "environ"),
        ({"environ": {"mail": "X-Forwarded-For"}}, "environ"),
        ({"environ": {"mail": "transfer-encoding"}}, "environ"),
        ({"environ": {"mail": "Content_Encoding"}}, "environ"),
        ({"environ": {"mail": "mail"}, "jwt": {"audience": "a", "header": "Mail"}}, "jwt.header"),
        ({"jwt": {"audience": "a", "header": "Authorization"}}, "jwt.header"),
        ({"jwt": {"audience": "a", "header": "Remote-User"}}, "jwt.header"),
        ({"jwt": {"audience": "a", "header": "Cookie"}}, "jwt.header"),
        ({"jwt": {"audience": "a", "header": "Ostiary-Idp"}}, "jwt.header"),
        ({"jwt": {"audience": "a", "header": "Ostiary-Session-Ends"}}, "jwt.header"),
    ],
)
def test_names_that_stand_for_something_else_are_refused(
    federation: Simulation, tmp_path: Path, changes: dict[str, Any], key: str
) -> None:
    path = tmp_path / "sp.yaml"
    path.write_text((federation.layout.directory("library") / "sp.yaml").read_text())
    configure(path, **changes)
    with pytest.raises(DocumentError) as refused:
        load_settings(path, ShireSettings)
    assert (refused.value.code, refused.value.key) == ("config.environ_name", key)
