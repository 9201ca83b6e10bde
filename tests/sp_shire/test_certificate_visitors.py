"""Requests that show a certificate: who is let in, who is told what, and whose headers count."""

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509

from ostiary.errors import OstiaryError
from ostiary.web.connection import PEER_CHAIN
from sp_shire.adapters.asgi import request_of
from sp_shire.adapters.forward_auth import ForwardAuth
from sp_shire.adapters.wsgi import ShireMiddleware
from sp_shire.certificates import remembered
from sp_shire.messages import Passage, Reply, Request
from tests.sp_shire.certificate_world import ALICE_NAME, ALICE_SLASH, CA_NAME, World
from tests.sp_shire.conftest import Core, header
from tests.x509.authorities import NOW, pem, root

SITE = {"host": "library.example", "accept": "*/*"}
FRONT = "192.0.2.80"
TLS_CLIENT = "urn:oasis:names:tc:SAML:2.0:ac:classes:TLSClient"


class Visiting:
    """A resource and whoever shows certificates to it."""

    def __init__(self, core: Core, world: World) -> None:
        self.core, self.world = core, world
        core.clock.at = NOW

    def ask(
        self,
        path: str,
        chain: tuple[bytes, ...] = (),
        *,
        method: str = "GET",
        from_: str = "203.0.113.5",
        **headers: str,
    ) -> Reply | Passage:
        given = {**SITE, **{name.replace("_", "-"): value for name, value in headers.items()}}
        request = Request(method, path, headers=given, remote="198.51.100.9", peer=chain, connected_from=from_)
        return self.core.shire.handle(request)

    def told(self, path: str, chain: tuple[bytes, ...] = (), **how: Any) -> tuple[int, str]:
        """Status and code of a refusal in JSON."""
        reply = self.ask(path, chain, **how)
        assert isinstance(reply, Reply), "the application was reached"
        assert header(reply, "Content-Type") == "application/json", reply
        error = json.loads(reply.body)["error"]
        assert error["message"].endswith(".")
        assert error["reference"]
        return reply.status, error["code"]

    def enters(self, path: str, chain: tuple[bytes, ...] = (), **how: Any) -> Passage:
        answer = self.ask(path, chain, **how)
        assert isinstance(answer, Passage), answer.body.decode()
        return answer

    def accepted(self) -> list[dict[str, Any]]:
        """What the log says of certificates that were verified."""
        return [line for line in self.core.log_lines() if line["event"] == "certificate_accepted"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path)


Make = Callable[..., Visiting]


@pytest.fixture
def make(make_core: Callable[..., Core], world: World) -> Make:
    def visiting(settings: dict[str, Any] | None = None, **changes: Any) -> Visiting:
        return Visiting(make_core(**{**world.settings(**changes), **(settings or {})}), world)

    return visiting


# Who enters


def test_a_member_with_a_proxy_enters_and_the_application_learns_who_it_is(make: Make) -> None:
    exported = {"environ": {"isMemberOf": "GROUPS"}, "remote_user": ["certificateSubject"]}
    visiting = make(exported)
    passage = visiting.enters("/data", visiting.world.proxy(visiting.world.ac()))
    assert passage.person is not None
    assert (passage.person.issuer, passage.person.name_id) == (CA_NAME, ALICE_NAME)
    assert passage.person.authn_context == TLS_CLIENT
    assert passage.exports == {
        "OSTIARY_IDP": CA_NAME,
        "OSTIARY_AUTHN_CONTEXT": TLS_CLIENT,
        "OSTIARY_AUTHENTICATED_AT": (NOW - timedelta(minutes=5)).isoformat(),
        "GROUPS": "/testvo/g1/Role=admin;/testvo;/testvo/g1",
        "REMOTE_USER": ALICE_NAME,
        "AUTH_TYPE": "ostiary",
    }
    assert passage.session is None
    assert passage.decision is not None
    assert passage.decision.reasons[0].rule == "members of the group"


def test_the_same_rules_refuse_who_is_no_member_in_plain_words(make: Make) -> None:
    visiting = make()
    assert visiting.told("/data", visiting.world.alice.ders) == (403, "sp.denied")
    reply = visiting.ask("/data", visiting.world.alice.ders)
    assert isinstance(reply, Reply)
    assert json.loads(reply.body)["error"]["message"] == "Only the group g1 works here."
    assert visiting.enters("/known", visiting.world.alice.ders).decision is not None


def test_the_way_of_signing_in_counts_as_that_of_tls_clients(make: Make) -> None:
    visiting = make()
    visiting.enters("/tls", visiting.world.alice.ders)


def test_the_age_of_a_proxy_counts_and_that_of_a_certificate_does_not(make: Make) -> None:
    visiting = make()
    proxy = visiting.world.proxy()
    visiting.enters("/fresh", proxy)
    visiting.core.clock.at = NOW + timedelta(minutes=56)
    assert visiting.told("/fresh", proxy) == (403, "sp.denied")
    before = visiting.core.clock.at
    for seconds, since in ((0, 0), (59, 0), (1, 60)):
        visiting.core.clock.forward(seconds=seconds)
        passage = visiting.enters("/fresh", visiting.world.alice.ders)
        assert passage.person is not None
        assert passage.person.authenticated_at == before + timedelta(seconds=since)


def test_who_shows_nothing_is_told_both_ways_in(make: Make) -> None:
    visiting = make()
    assert visiting.told("/data") == (401, "certificates.none_shown")
    assert visiting.told("/data", method="POST") == (401, "certificates.none_shown")
    browser = visiting.ask("/data", accept="text/html", sec_fetch_mode="navigate")
    assert isinstance(browser, Reply)
    assert browser.status == 302


def test_a_certificate_that_is_not_good_is_refused_and_never_overlooked(make: Make) -> None:
    visiting = make()
    stranger = root("/C=ZZ/O=Elsewhere/CN=Other CA").issue("/C=ZZ/O=Elsewhere/CN=Mallory")
    assert visiting.told("/data", stranger.ders) == (401, "x509.untrusted_ca")
    assert visiting.told("/data", (b"",)) == (401, "x509.malformed")
    assert visiting.told("/data", (b"", *visiting.world.alice.ders)) == (401, "x509.malformed")
    page = visiting.ask("/data", stranger.ders, accept="text/html")
    assert isinstance(page, Reply)
    assert page.status == 401
    assert header(page, "Content-Type") == "text/html; charset=utf-8"
    assert b"<h1" in page.body


def test_where_everybody_may_go_a_bad_certificate_is_nobody(make: Make) -> None:
    visiting = make({"protected": ["/data"]})
    stranger = root("/C=ZZ/O=Elsewhere/CN=Other CA").issue("/C=ZZ/O=Elsewhere/CN=Mallory")
    assert visiting.enters("/open", stranger.ders).person is None
    known = visiting.enters("/open", visiting.world.alice.ders)
    assert known.person is not None
    assert known.person.name_id == ALICE_NAME


def test_a_cookie_of_a_session_decides_alone(make: Make) -> None:
    visiting = make()
    begun = visiting.ask("/ostiary/login", accept="text/html")
    assert isinstance(begun, Reply)
    cookie = visiting.core.shire._visits.clear_cookie().partition("=")[0]
    # Whatever became of the session: nobody turns into somebody else because it ended.
    reply = visiting.ask("/known", visiting.world.alice.ders, cookie=f"{cookie}=ended", accept="text/html")
    assert isinstance(reply, Reply)
    assert reply.status == 302
    visiting.enters("/known", visiting.world.alice.ders, cookie="other=1")


def test_the_page_about_the_session_tells_a_program_what_is_believed_of_it(make: Make) -> None:
    visiting = make({"show_attribute_values": True})
    reply = visiting.ask("/ostiary/session", visiting.world.proxy(visiting.world.ac(fqans=("/testvo/g1",))))
    assert isinstance(reply, Reply)
    assert (reply.status, json.loads(reply.body)) == (
        200,
        {
            "authenticated": True,
            "issuer": CA_NAME,
            "subject": ALICE_NAME,
            "authenticated_at": (NOW - timedelta(minutes=5)).isoformat(),
            "authn_context": TLS_CLIENT,
            "attributes": {
                "certificateSubject": [ALICE_NAME],
                "certificateSubjectSlash": [ALICE_SLASH],
                "isMemberOf": ["/testvo/g1"],
                "nickname": ["alice"],
            },
            "not_accepted": [],
        },
    )
    assert visiting.told("/ostiary/session", (b"",)) == (401, "x509.malformed")
    nobody = visiting.ask("/ostiary/session")
    assert isinstance(nobody, Reply)
    assert (nobody.status, json.loads(nobody.body)) == (401, {"authenticated": False})


def test_a_connection_goes_on_no_longer_than_what_the_certificate_rests_on(make: Make) -> None:
    visiting = make()
    assert visiting.enters("/known", visiting.world.proxy(lifetime=timedelta(hours=2))).ends == NOW + timedelta(hours=2)


def test_an_application_domain_knows_the_same_certificates(make: Make) -> None:
    visiting = make({"applications": [{"name": "laboratory", "path": "/laboratory"}]})
    passage = visiting.enters("/laboratory/data", visiting.world.proxy(visiting.world.ac()))
    assert passage.person is not None
    assert passage.person.name_id == ALICE_NAME
    assert visiting.told("/laboratory/data", visiting.world.alice.ders) == (403, "sp.denied")


def test_a_web_server_that_asks_before_it_serves_passes_the_same_headers_on(make: Make, world: World) -> None:
    visiting = make({"environ": {"certificateSubject": "SUBJECT"}}, **by_address())
    front = ForwardAuth(visiting.core.shire, server="nginx")
    status, headers = asked(front, in_headers(world))
    assert (status, headers["subject"]) == (200, ALICE_NAME)
    assert asked(front, in_headers(world), client="203.0.113.5")[0] == 401
    # The certificate of the web server's own connection to us is not the client's.
    assert asked(front, {}, peer=[pem(world.alice.certificate).decode()])[0] == 401
    assert asked(front, in_headers(world) | {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"})[0] == 200
    assert asked(front, in_headers(world) | {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"})[0] == 403


def asked(
    front: ForwardAuth, headers: dict[str, str], *, client: str = "192.0.2.80", peer: Sequence[str] = ()
) -> tuple[int, dict[str, str]]:
    """What nginx is answered about ``/known``."""
    given = {"host": "library.example", "x-original-uri": "/known", "x-original-method": "GET", **headers}
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/check",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": (client, 50_000),
        "extensions": {"tls": {"client_cert_chain": peer}},
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: Any) -> None:
        sent.append(event)

    asyncio.run(front(scope, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


# What other sites make a browser send


@pytest.mark.parametrize(
    ("method", "headers", "let_in"),
    [
        ("GET", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}, True),
        ("GET", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"}, False),
        ("GET", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"}, False),
        ("POST", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}, False),
        ("POST", {"sec_fetch_site": "same-origin", "sec_fetch_mode": "cors", "sec_fetch_dest": "empty"}, True),
        ("POST", {"sec_fetch_site": "none"}, True),
        ("POST", {"origin": "https://evil.example"}, False),
        ("POST", {"origin": "null"}, False),
        ("POST", {"origin": "https://library.example"}, True),
        ("DELETE", {}, True),
    ],
)
def test_a_request_that_another_site_made_a_browser_send_is_refused(
    make: Make, method: str, headers: dict[str, str], let_in: bool
) -> None:
    visiting = make()
    answer = visiting.ask("/known", visiting.world.alice.ders, method=method, **headers)
    assert isinstance(answer, Passage) is let_in
    if isinstance(answer, Reply):
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (403, "certificates.cross_site")


# Verified once


def test_a_chain_is_verified_once_in_a_while(make: Make) -> None:
    visiting = make()
    proxy = visiting.world.proxy(visiting.world.ac())
    for _ in range(3):
        visiting.enters("/data", proxy)
    assert len(visiting.accepted()) == 1
    visiting.core.clock.forward(seconds=59)
    visiting.enters("/data", proxy)
    assert len(visiting.accepted()) == 1
    visiting.core.clock.forward(seconds=1)
    visiting.enters("/data", proxy)
    assert len(visiting.accepted()) == 2


def test_a_new_crl_counts_at_once(make: Make) -> None:
    visiting = make()
    proxy = visiting.world.proxy(visiting.world.ac())
    visiting.enters("/data", proxy)
    visiting.world.revoke(0x1001)
    visiting.core.clock.forward(seconds=6)
    assert visiting.told("/data", proxy) == (401, "x509.revoked")


def test_a_new_acceptance_policy_counts_at_once(make: Make) -> None:
    visiting = make()
    proxy = visiting.world.proxy(visiting.world.ac())
    visiting.enters("/data", proxy)
    (visiting.world.directory / "accept.yaml").write_text("rules: []\n")
    visiting.core.clock.forward(seconds=6)
    assert visiting.told("/data", proxy) == (403, "sp.denied")


def test_a_directory_that_breaks_changes_nothing_and_is_reported(make: Make) -> None:
    visiting = make()
    visiting.enters("/known", visiting.world.alice.ders)
    (visiting.world.directory / "vomsdir" / "testvo" / "localhost.lsc").write_text("nonsense\n")
    visiting.core.clock.forward(seconds=6)
    visiting.enters("/known", visiting.world.alice.ders)
    assert [line["code"] for line in visiting.core.log_lines() if line["event"] == "reload_refused"] == ["x509.lsc"]


def test_what_is_remembered_never_outlives_what_it_rests_on(make: Make) -> None:
    visiting = make()
    proxy = visiting.world.proxy(lifetime=timedelta(seconds=20))
    visiting.enters("/known", proxy)
    visiting.core.clock.forward(seconds=21)
    assert visiting.told("/known", proxy) == (401, "x509.expired")


def test_another_order_or_another_chain_is_not_the_one_that_is_remembered(make: Make) -> None:
    visiting = make()
    first, *above = visiting.world.proxy(visiting.world.ac())
    visiting.enters("/data", (first, *above))
    # Whoever has the person's certificate but not the proxy's key.
    assert visiting.told("/data", (*above, first)) == (403, "sp.denied")
    assert visiting.told("/data", (first,)) == (401, "x509.chain_incomplete")


def test_so_many_chains_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    monkeypatch.setattr(remembered, "MOST", 2)
    visiting = make()
    chains = [visiting.world.proxy() for _ in range(3)]
    for chain in (*chains, chains[2], chains[1], chains[0]):
        visiting.enters("/known", chain)
    assert len(visiting.accepted()) == 4


def test_threads_share_what_is_remembered(make: Make) -> None:
    visiting = make()
    chain = visiting.world.proxy(visiting.world.ac())
    passed: list[Reply | Passage] = []
    threads = [threading.Thread(target=lambda: passed.append(visiting.ask("/data", chain))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(answer) for answer in passed] == [Passage] * 8


# What a web server in front passes on


def by_address(**more: Any) -> dict[str, Any]:
    return {"front_end": {"addresses": [FRONT], "chain_header": "ClientCertChain", **more}}


def in_headers(world: World, chain: tuple[bytes, ...] | None = None) -> dict[str, str]:
    """As nginx ($ssl_client_escaped_cert) and as RFC 9440 write them."""
    own, *others = chain or world.alice.ders
    written = "-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(own).decode() + "-----END CERTIFICATE-----\n"
    rest = ", ".join(f":{base64.b64encode(der).decode()}:" for der in others)
    return {"clientcert": quote(written), **({"clientcertchain": rest} if rest else {})}


def test_a_trusted_web_server_passes_certificates_on(make: Make, world: World) -> None:
    visiting = make(**by_address())
    visiting.enters("/known", from_=FRONT, **in_headers(world))
    passage = visiting.enters("/data", from_=FRONT, **in_headers(world, world.proxy(world.ac())))
    assert passage.person is not None
    assert passage.person.name_id == ALICE_NAME


def test_the_same_from_anybody_else_is_as_if_it_were_not_there(make: Make, world: World) -> None:
    visiting = make(**by_address())
    assert visiting.told("/known", **in_headers(world)) == (401, "certificates.none_shown")
    assert visiting.told("/known", from_="", **in_headers(world)) == (401, "certificates.none_shown")
    lines = [line for line in visiting.core.log_lines() if line["event"] == "front_end_not_trusted"]
    assert [(line["header"], line["peer"]) for line in lines] == [("clientcert", "203.0.113.5")]


def test_a_shared_secret_counts_and_nothing_that_is_like_it(make: Make, world: World) -> None:
    secret = world.directory / "front.secret"
    secret.touch(mode=0o600)
    secret.write_text("0123456789abcdef-the-secret\n")
    visiting = make(front_end={"secret_header": "FrontSecret", "secret_file": str(secret)})
    right = "0123456789abcdef-the-secret"
    visiting.enters("/known", frontsecret=right, **in_headers(world))
    for wrong in ("", right[:-1], right + "x", "é" * 27):
        assert visiting.told("/known", frontsecret=wrong, **in_headers(world)) == (401, "certificates.none_shown")
    assert visiting.told("/known", **in_headers(world)) == (401, "certificates.none_shown")


@pytest.mark.parametrize(
    "given",
    [
        "nonsense",
        "-----BEGIN CERTIFICATE-----",
        # What a client sent in the same header, and the web server's own after it.
        "{cert}, {cert}",
        "{cert}{cert}",
    ],
)
def test_what_can_not_be_one_certificate_is_refused(make: Make, world: World, given: str) -> None:
    visiting = make(**by_address())
    header_text = given.replace("{cert}", in_headers(world)["clientcert"])
    reply = visiting.ask("/known", from_=FRONT, accept="application/json", clientcert=header_text)
    assert isinstance(reply, Reply)
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (401, "certificates.unreadable_header")


def test_an_empty_header_is_no_certificate(make: Make) -> None:
    visiting = make(**by_address())
    assert visiting.told("/known", from_=FRONT, clientcert="") == (401, "certificates.none_shown")


def test_a_part_of_the_chain_that_can_not_be_read_refuses_all_of_it(make: Make, world: World) -> None:
    visiting = make(**by_address())
    headers = in_headers(world, world.proxy(world.ac()))
    headers["clientcertchain"] += ", :AAAA:"
    reply = visiting.ask("/data", from_=FRONT, accept="application/json", **headers)
    assert isinstance(reply, Reply)
    assert json.loads(reply.body)["error"]["code"] == "certificates.unreadable_header"


def test_certificates_of_the_connection_itself_come_first(make: Make, world: World) -> None:
    visiting = make(**by_address())
    other = world.authority.issue("/C=ZZ/O=HV Test/CN=Front End")
    passage = visiting.enters("/known", other.ders, from_=FRONT, **in_headers(world))
    assert passage.person is not None
    assert passage.person.name_id == "CN=Front End,O=HV Test,C=ZZ"


def test_what_is_between_the_web_server_and_us_never_reaches_the_application(make: Make, world: World) -> None:
    secret = world.directory / "front.secret"
    secret.touch(mode=0o600)
    secret.write_text("0123456789abcdef-the-secret\n")
    front_end = {**by_address()["front_end"], "secret_header": "FrontSecret", "secret_file": str(secret)}
    visiting = make({"protected": ["/data"]}, front_end=front_end)
    seen: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return []

    names = ("CLIENTCERT", "ClientCert", "CLIENTCERTCHAIN", "FRONTSECRET")
    environ = {f"HTTP_{name}": "forged" for name in names}
    environ |= {"PATH_INFO": "/open", "REQUEST_METHOD": "GET", "HTTP_HOST": "library.example", "HTTP_OTHER": "kept"}
    list(ShireMiddleware(application, visiting.core.shire)(environ, lambda *_: print))
    assert [key for key in seen[0] if key.startswith("HTTP_")] == ["HTTP_HOST", "HTTP_OTHER"]


def test_the_address_of_the_connection_counts_and_no_forwarded_one(make: Make, world: World) -> None:
    visiting = make(**by_address())

    def application(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    def status(environ: dict[str, Any]) -> str:
        told: list[str] = []
        asked = {
            "PATH_INFO": "/known",
            "REQUEST_METHOD": "GET",
            "HTTP_HOST": "library.example",
            "HTTP_CLIENTCERT": in_headers(world)["clientcert"],
            **environ,
        }
        list(ShireMiddleware(application, visiting.core.shire)(asked, lambda status, *_: told.append(status)))
        return told[0]

    assert status({"REMOTE_ADDR": FRONT}) == "200 OK"
    assert status({"REMOTE_ADDR": "198.51.100.9", "werkzeug.proxy_fix.orig": {"REMOTE_ADDR": FRONT}}) == "200 OK"
    orig = {"REMOTE_ADDR": "198.51.100.9"}
    assert status({"REMOTE_ADDR": FRONT, "werkzeug.proxy_fix.orig": orig}) == "401 Unauthorized"


def test_the_listener_and_the_asgi_extension_hand_certificates_over(make: Make, world: World) -> None:
    visiting = make()
    chain = world.proxy(world.ac())
    seen: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return []

    environ = {"PATH_INFO": "/data", "REQUEST_METHOD": "GET", "HTTP_HOST": "library.example", PEER_CHAIN: chain}
    list(ShireMiddleware(application, visiting.core.shire)(environ, lambda *_: print))
    assert len(seen) == 1
    texts = [pem(x509.load_der_x509_certificate(der)).decode() for der in chain]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [],
        "extensions": {"tls": {"client_cert_chain": texts}},
    }
    assert request_of(scope, "GET").peer == chain
    scope["extensions"] = {"tls": {"client_cert_chain": ["garbage", texts[1]]}}
    assert request_of(scope, "GET").peer == (b"", chain[1])
    scope["extensions"] = {}
    assert request_of(scope, "GET").peer == ()


# Settings


@pytest.mark.parametrize(
    ("settings", "changes", "code"),
    [
        ({"public_url": "http://127.0.0.1:8001"}, {}, "certificates.https"),
        ({}, {"vomsdir": None, "vos": ["testvo"]}, "certificates.no_vomsdir"),
        ({}, {"front_end": {"certificate_header": "ClientCert"}}, "config.trusts_everybody"),
        ({}, {"front_end": {"addresses": [FRONT], "certificate_header": "Client-Cert"}}, "certificates.header_name"),
        ({}, {"front_end": {"addresses": [FRONT], "chain_header": "X-Chain"}}, "certificates.header_name"),
        ({}, {"front_end": {"addresses": [FRONT], "certificate_header": "Cookie"}}, "config.header"),
        ({}, {"front_end": {"addresses": [FRONT], "certificate_header": "Origin"}}, "config.header"),
        (
            {},
            {"front_end": {"addresses": [FRONT], "certificate_header": "Ostiary-Idp", "drops_underscores": True}},
            "config.header",
        ),
        ({"environ": {"mail": "CLIENTCERT"}}, {"front_end": {"addresses": [FRONT]}}, "config.header"),
        ({}, {"ca_directory": "/nowhere"}, "x509.trust_directory"),
    ],
)
def test_settings_that_can_not_work_are_refused(
    make: Make, settings: dict[str, Any], changes: dict[str, Any], code: str
) -> None:
    with pytest.raises((ValueError, OstiaryError)) as refused:
        make(settings, **changes)
    assert code in str(refused.value)


def test_a_name_with_a_hyphen_is_taken_where_the_web_server_drops_underscores(make: Make, world: World) -> None:
    names = {"certificate_header": "Client-Cert", "chain_header": "Client-Cert-Chain", "drops_underscores": True}
    visiting = make(**by_address(**names))
    sent = in_headers(world, world.proxy(world.ac()))
    headers = {"client_cert": sent["clientcert"], "client_cert_chain": sent["clientcertchain"]}
    visiting.enters("/data", from_=FRONT, **headers)
