"""The connector for HTTP services, at a server of the test's own: what is asked, which answers count, how it ends in every other case."""

import base64
import http.server
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attribute_authority.connectors.http_json import HttpConnector, HttpQuestion
from attribute_authority.connectors.json_values import read_path
from attribute_authority.connectors.url_template import read_url_template
from attribute_authority.resolver.settings import ResolverSettings
from ostiary.command.demo.authority import CertificateFiles, DemoAuthority
from ostiary.config import DatabaseSettings, load_settings, write_private_file
from ostiary.errors import ConfigurationError, Unavailable
from ostiary.ports import VoMemberships
from tests.ldap_server import dripping, listening, silent, speaking

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ADA = {"id": "p1", "name": "Ada Lovelace", "roles": [{"urn": "urn:a"}, {"urn": "urn:b"}], "phone": None}
VALUES = {"displayName": "name", "eduPersonEntitlement": "roles[].urn", "telephoneNumber": "phone"}
Asked = tuple[str, str, dict[str, str], bytes]


class Service:
    """Answers each request with what ``answers`` has under its path: status, headers, body. Keeps what it was asked."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                service.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                status, headers, answer = service.answers.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_GET  # noqa: N815 - the name that http.server wants

            def log_message(self, *_: object) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def tells(self, path: str, document: object, status: int = 200, **headers: str) -> None:
        named = {
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answers[path] = (status, named, data)

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.stop()


Connect = Callable[..., HttpConnector]


@pytest.fixture
def connect(service: Service, request: pytest.FixtureRequest) -> Connect:
    def connect(
        path: str = "/people/{principal}",
        *,
        values: dict[str, str] | None = None,
        origin: str = "",
        timeout: timedelta = timedelta(seconds=5),
        about: str | None = None,
        **more: object,
    ) -> HttpConnector:
        question = HttpQuestion(
            read_url_template((origin or service.url) + path),
            {name: read_path(text) for name, text in (values or VALUES).items()},
            about=read_path(about) if about is not None else None,
            **more,  # type: ignore[arg-type]
        )
        made = HttpConnector(question, timeout=timeout, max_bytes=10_000)
        request.addfinalizer(made.close)
        return made

    return connect


def problem(connector: HttpConnector, principal: str = "p1") -> tuple[str, str]:
    with pytest.raises(Unavailable) as refused:
        connector.attributes(principal, NOW)
    return refused.value.code, refused.value.found


def test_values_are_picked_out_of_the_answer(service: Service, connect: Connect) -> None:
    service.tells("/people/p1", ADA)
    connector = connect()
    expected = {"displayName": ("Ada Lovelace",), "eduPersonEntitlement": ("urn:a", "urn:b")}
    assert connector.attributes("p1", NOW) == expected
    assert connector.attributes("p1", NOW) == expected
    [(method, path, headers, body), _] = service.asked
    assert (method, path, body, headers["accept"]) == ("GET", "/people/p1", b"", "application/json")
    assert "authorization" not in headers


def test_not_found_is_nobody(connect: Connect) -> None:
    assert connect().attributes("p2", NOW) == {}


@pytest.mark.parametrize("principal", ["", ".", ".."])
def test_what_is_no_path_segment_is_nobody_and_not_asked_for(
    service: Service, connect: Connect, principal: str
) -> None:
    service.tells("/people/", [ADA])
    assert connect().attributes(principal, NOW) == {}
    assert service.asked == []


def test_a_principal_stays_in_its_place(service: Service, connect: Connect) -> None:
    service.tells("/people/p2%2F..%2Fp1%3Fadmin%3D1", ADA)
    assert connect().attributes("p2/../p1?admin=1", NOW)
    service.tells("/find?id=p1%26id%3Dp2", ADA)
    assert connect("/find?id={principal}").attributes("p1&id=p2", NOW)


def test_with_a_body_it_is_a_post(service: Service, connect: Connect) -> None:
    service.tells("/query", ADA)
    connector = connect("/query", body={"id": "{principal}", "for": "saml"}, authorization="Bearer t0ken")
    assert connector.attributes('p"1', NOW)
    [(method, path, headers, body)] = service.asked
    assert (method, path, json.loads(body)) == ("POST", "/query", {"id": 'p"1', "for": "saml"})
    assert (headers["content-type"], headers["authorization"]) == ("application/json", "Bearer t0ken")


def test_people_may_be_known_by_what_others_found(service: Service, connect: Connect) -> None:
    service.tells("/staff/7", ADA)
    connector = connect("/staff/{n}", parameters={"n": "staffNumber"})
    assert connector.attributes_given("p1", {"staffNumber": ("7",)}, NOW)
    assert connector.attributes_given("p1", {"other": ("7",)}, NOW) == {}
    for values in (("7", "8"), ("\ud800",)):
        with pytest.raises(Unavailable) as unclear:
            connector.attributes_given("p1", {"staffNumber": values}, NOW)
        assert unclear.value.code == "aa.connector_parameter"
    assert len(service.asked) == 1


@pytest.mark.parametrize("status", [204, 301, 302, 307, 400, 401, 403, 410, 429, 500, 503])
def test_every_other_status_is_a_failure_and_no_redirect_is_followed(
    service: Service, connect: Connect, status: int
) -> None:
    service.tells("/people/p1", b"" if status == 204 else ADA, status, Location=f"{service.url}/people/p2")
    service.tells("/people/p2", ADA)
    assert problem(connect()) == ("aa.connector_http", f"HTTP {status}")
    assert len(service.asked) == 1


@pytest.mark.parametrize("kind", ["text/html", "", "text/json", "application/jsonp", "application/x-json"])
def test_only_json_is_read(service: Service, connect: Connect, kind: str) -> None:
    service.tells("/people/p1", ADA, Content_Type=kind)
    assert problem(connect())[0] == "aa.connector_http"


def test_json_of_a_vendor_and_with_a_charset_is_json(service: Service, connect: Connect) -> None:
    for kind in ("application/scim+json", "Application/JSON; charset=utf-8"):
        service.tells("/people/p1", ADA, Content_Type=kind)
        assert connect().attributes("p1", NOW)


@pytest.mark.parametrize(
    "answer", [b"{", b"<html>", b"[" * 1000, b'{"roles": "admin"}', b'[{"name": "x"}]', b'{"name": {}}']
)
def test_an_answer_of_another_form_is_refused(service: Service, connect: Connect, answer: bytes) -> None:
    service.tells("/people/p1", answer)
    assert problem(connect())[0] == "aa.connector_json"


def test_an_answer_of_unusual_size_is_refused(service: Service, connect: Connect) -> None:
    service.tells("/people/p1", {"name": "x" * 20_000})
    assert problem(connect()) == ("aa.connector_http", "more")
    # The answer was not read to its end, and the next one is none the worse.
    service.tells("/people/p1", ADA)
    assert connect().attributes("p1", NOW)


def test_an_answer_about_others_is_refused(service: Service, connect: Connect) -> None:
    values = {"displayName": "[].name"}
    connector = connect("/people?id={principal}", values=values, about="[].id")
    service.tells("/people?id=p1", [ADA])
    assert connector.attributes("p1", NOW) == {"displayName": ("Ada Lovelace",)}
    service.tells("/people?id=p1", [ADA, {**ADA, "id": "p2"}])
    assert problem(connector) == ("aa.connector_json", "others")
    service.tells("/people?id=p1", [{"name": "somebody"}])
    assert problem(connector) == ("aa.connector_json", "others")
    service.tells("/people?id=p1", [])
    assert connector.attributes("p1", NOW) == {}


def test_a_service_that_is_silent_drips_or_talks_nonsense_fails_in_time_without_naming_anybody(
    connect: Connect,
) -> None:
    limit = timedelta(milliseconds=150)
    for talk in (silent, dripping, speaking(b"nonsense\r\n\r\n"), speaking(b"")):
        with listening(talk) as listener:
            connector = connect(origin=listener.url("http"), timeout=limit)
            begun = time.monotonic()
            code, found = problem(connector, "person-1")
            assert code == "aa.connector_http"
            assert "person-1" not in found
            assert time.monotonic() - begun < 2
    assert problem(connect(origin="http://127.0.0.1:1"))[0] == "aa.connector_http"


# Its settings, over TLS.


def no_vo(_: DatabaseSettings, name: str) -> VoMemberships:
    raise AssertionError(name)


def authority_in(directory: Path) -> DemoAuthority:
    made = DemoAuthority(directory)
    made.prepare(now=datetime.now(UTC))
    return made


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> DemoAuthority:
    return authority_in(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secured(authority: DemoAuthority, tmp_path: Path) -> Iterator[Service]:
    files = CertificateFiles(tmp_path / "server.crt", tmp_path / "server.key")
    authority.issue(files, "127.0.0.1", now=datetime.now(UTC), hosts=("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    running = Service(context)
    yield running
    running.stop()


SETTINGS = """
connectors:
  - type: http
    name: hr
    url: {url}/people/{{principal}}
    values: {{displayName: name}}
    {more}
definitions: [{{attribute: displayName}}]
cache_age: 0s
"""


def load(directory: Path, more: str = "", url: str = "https://hr.example.org") -> ResolverSettings:
    write_private_file(directory / "token", b"t0ken\n")
    write_private_file(directory / "password", b"pass word")
    write_private_file(directory / "broken", b"two\twords\n")
    (directory / "aa.yaml").write_text(SETTINGS.format(url=url, more=more))
    return load_settings(directory / "aa.yaml", ResolverSettings)


@pytest.mark.parametrize(
    ("login", "header"),
    [
        ("token_file: token", "Bearer t0ken"),
        ("user: ostiary\n    password_file: password", "Basic " + base64.b64encode(b"ostiary:pass word").decode()),
    ],
)
def test_a_configuration_asks_over_tls_with_its_login(
    tmp_path: Path, secured: Service, authority: DemoAuthority, login: str, header: str
) -> None:
    secured.tells("/people/p1", ADA)
    settings = load(tmp_path, f"{login}\n    tls_authorities: {authority.certificate}", secured.url)
    resolver = settings.resolver("https://idp.example", no_vo)
    [name] = resolver.resolve("p1", NOW).attributes
    assert name.texts() == ("Ada Lovelace",)
    assert secured.asked[0][2]["authorization"] == header
    resolver.close()


def test_a_service_whose_certificate_nobody_vouches_for_is_told_nothing(tmp_path: Path, secured: Service) -> None:
    other = authority_in(tmp_path / "other").certificate
    for more in (f"tls_authorities: {other}", ""):
        settings = load(tmp_path, f"token_file: token\n    {more}", secured.url)
        resolver = settings.resolver("https://idp.example", no_vo)
        with pytest.raises(Unavailable) as failed:
            resolver.resolve("p1", NOW)
        assert (failed.value.code, failed.value.found) == ("aa.connector_http", "SSLError (connector hr)")
        resolver.close()
    assert secured.asked == []


@pytest.mark.parametrize(
    ("more", "code", "key"),
    [
        ("url2: x", "config.mistyped_key", "connectors[0].url2"),
        ("user: ostiary", "aa.http_login", "connectors[0]"),
        ("user: ostiary\n    password_file: password\n    token_file: token", "aa.http_login", "connectors[0]"),
        ("token_file: nowhere", "config.path_file", "connectors[0].token_file"),
        ("user: 'a:b'\n    password_file: password", "config.wrong_value", "connectors[0].user"),
        ("about: 'a b'", "aa.json_path", "connectors[0].about"),
        ("parameters: {n: number}", "aa.http_places", "connectors[0]"),
        ("body: {id: '{n}'}", "aa.http_places", "connectors[0]"),
        ("parameters: {principal: x}", "aa.http_places", "connectors[0]"),
        ("max_bytes: 1", "config.wrong_value", "connectors[0].max_bytes"),
        ("body: {id: '{n}'}\n    parameters: {n: number}", "aa.connector_order", "connectors[0]"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(tmp_path: Path, more: str, code: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, more)
    assert (refused.value.code, refused.value.key) == (code, key)


@pytest.mark.parametrize("url", ["http://hr.example.org", "https://u:p@hr.example.org", "hr.example.org"])
def test_an_address_that_cannot_be_asked_is_refused_where_it_stands(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, url=url)
    assert (refused.value.code, refused.value.key, refused.value.line) == ("aa.http_url", "connectors[0].url", 5)


@pytest.mark.parametrize(
    ("more", "code"),
    [("token_file: broken", "aa.http_secret"), ("tls_authorities: aa.yaml", "aa.tls_authorities")],
)
def test_a_file_that_cannot_be_used_is_named_at_the_start(tmp_path: Path, more: str, code: str) -> None:
    settings = load(tmp_path, more)
    with pytest.raises(ConfigurationError) as refused:
        settings.resolver("https://idp.example", no_vo)
    assert refused.value.code == code


def test_a_token_that_others_could_read_is_refused(tmp_path: Path) -> None:
    settings = load(tmp_path, "token_file: token")
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(ConfigurationError) as refused:
        settings.resolver("https://idp.example", no_vo)
    assert refused.value.code == "config.private_file_mode"
