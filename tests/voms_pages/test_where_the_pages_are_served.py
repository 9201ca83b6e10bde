"""The pages as the roof puts them together: on the VO's own listener, and behind the SP middleware."""

import http.client
import io
import ssl
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
import yaml
from lxml import html
from werkzeug.test import Client

from ostiary.clock import SystemClock
from ostiary.command.vo_pages import make_vo_pages, pages_settings, shire_settings
from ostiary.command.vo_service import listener_of, make_vo_services, upgrade_vo
from ostiary.config import DatabaseSettings
from ostiary.errors import ConfigurationError
from ostiary.federation.keys import create_key_ring
from ostiary.storage.engine import open_database
from ostiary.web.listener import PEER_CHAIN
from ostiary.web.log import make_log
from tests.running_demo import free_base_port
from tests.simulator import MovableClock
from tests.x509.authorities import DAY, NOW, pem, root
from voms.directory import create_vo

WHERE = "https://localhost:15000"
# One of the tests goes by the clock of the machine.
LATE = max(NOW, datetime.now(UTC)) + 900 * DAY
AUTHORITY = root(not_after=LATE)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """``voms.yaml`` of two VOs with pages in common, and everything that it names; ``alice.*`` is a stranger with a certificate."""
    directory = tmp_path / "certificates"
    directory.mkdir()
    AUTHORITY.install(directory)
    AUTHORITY.issue("/C=ZZ/O=HV Test/CN=localhost", not_after=LATE).write(tmp_path, "host")
    database = {"url": f"sqlite:///{tmp_path / 'vo.db'}"}
    engine = open_database(DatabaseSettings.model_validate(database))
    upgrade_vo(engine)
    for name in ("testvo", "othervo"):
        create_vo(engine, name, at=NOW, by="operator")
    engine.dispose()
    create_key_ring(tmp_path / "keys", "VO pages", now=NOW)
    content = {
        "host": "localhost",
        "database": database,
        "certificate": "host.pem",
        "key": "host.key",
        "ca_directory": "certificates",
        "pages": {
            "entity_id": "https://vo.example.org/pages",
            "public_url": "http://127.0.0.1:8080",
            "listen": {"port": 8080},
            "display_name": "Our collaborations",
            "discovery_url": "http://localhost:8081/discovery",
            "trust": {"keys": "keys", "metadata": []},
        },
        "vos": [
            {"vo": "testvo", "port": 15000, "listen": {"port": 15000}},
            {"vo": "othervo", "port": 15001, "listen": {"port": 15001}, "certificate_pages": False},
        ],
    }
    path = tmp_path / "voms.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_listener_of_a_vo_has_its_pages_for_people_with_certificates(config: Path) -> None:
    clock = MovableClock(NOW)
    log = make_log(clock, service="voms", stream=io.StringIO())
    testvo, othervo = make_vo_services(config, clock=clock, log=log)
    alice = {PEER_CHAIN: tuple(AUTHORITY.issue("/C=ZZ/O=HV Test/CN=Alice").ders)}

    def status(application: object, path: str) -> int:
        return Client(application).get(path, base_url=WHERE, environ_overrides=alice).status_code

    assert status(testvo.application, "/") == 303
    assert status(testvo.application, "/voms/testvo/") == 200
    # Each listener has its own VO only.
    assert status(testvo.application, "/voms/othervo/") == 404
    assert status(testvo.application, "/assets/style.css") == 200
    assert status(testvo.application, "/generate-ac") == 403
    assert status(othervo.application, "/voms/othervo/") == 404


def test_somebody_with_a_certificate_sends_a_form_over_tls(config: Path, tmp_path: Path) -> None:
    clock = SystemClock()
    log = make_log(clock, service="voms", stream=io.StringIO())
    port = free_base_port(1)
    content = yaml.safe_load(config.read_text())
    content["vos"][0] |= {"port": port, "listen": {"port": port}}
    config.write_text(yaml.safe_dump(content))
    certificate, key = AUTHORITY.issue("/C=ZZ/O=HV Test/CN=Alice", not_after=LATE).write(tmp_path, "alice")
    (tmp_path / "ca.pem").write_bytes(pem(AUTHORITY.certificate))
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    context.load_cert_chain(certificate, key)
    # The test's CA is made for grid clients, which look for other things.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    testvo, _ = make_vo_services(config, clock=clock, log=log)
    listener = listener_of(testvo, clock=clock, log=log)
    listener.start()
    try:

        def send(method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, str]:
            connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=20)
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            found = answer.status, answer.read().decode(), answer.headers.get("Set-Cookie", "").partition(";")[0]
            connection.close()
            return found

        _, page, cookie = send("GET", "/voms/testvo/apply")
        [form] = [each for each in html.fromstring(page).forms if each.method == "POST"]
        kind = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        status, answer, _ = send("POST", urlsplit(form.action).path, urlencode(form.form_values()), **kind)
        assert (status, "Something is needed here." in answer) == (400, True)
        # Without the form's token it is somebody else's idea.
        assert send("POST", urlsplit(form.action).path, "surname=x", **kind)[0] == 403
    finally:
        listener.stop()


def test_who_comes_to_the_pages_of_the_federation_is_asked_where_she_is_from(config: Path) -> None:
    clock = MovableClock(NOW)
    log = make_log(clock, service="vo-pages", stream=io.StringIO())
    client = Client(make_vo_pages(config, upgrade=upgrade_vo, clock=clock, log=log))
    asked = client.get("/voms/testvo/members", base_url="http://127.0.0.1:8080")
    target = urlsplit(asked.headers["Location"])
    assert (asked.status_code // 100, target.path, target.netloc) == (3, "/discovery", "localhost:8081")
    assert client.get("/health", base_url="http://127.0.0.1:8080").status_code == 200
    # Nothing that a client sends makes it somebody.
    forged = {"HTTP_OSTIARY_PERSON": "alice", "HTTP_REMOTE_USER": "alice", "REMOTE_USER": "alice"}
    again = client.get("/voms/testvo/", base_url="http://127.0.0.1:8080", environ_overrides=forged)
    assert again.status_code // 100 == 3


def test_the_pages_ask_a_home_organisation_for_what_tells_people_apart(config: Path) -> None:
    shire = shire_settings(pages_settings(config))
    wanted = [attribute.name for attribute in shire.requested_attributes if not attribute.required]
    assert wanted[:3] == ["subject-id", "pairwise-id", "eduPersonPrincipalName"]
    assert (shire.protected, shire.discovery) == (("/voms",), None)


def test_without_pages_in_the_configuration_none_are_served(config: Path) -> None:
    content = yaml.safe_load(config.read_text())
    del content["pages"]
    config.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigurationError) as refused:
        pages_settings(config)
    assert refused.value.code == "voms.no_pages"


def test_vos_with_different_pages_are_not_served_together(config: Path) -> None:
    content = yaml.safe_load(config.read_text())
    content["vos"][1]["pages"] = {**content["pages"], "display_name": "Another"}
    config.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigurationError) as refused:
        pages_settings(config)
    assert refused.value.code == "voms.pages_differ"
