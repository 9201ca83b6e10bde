"""The second home with its people in a real slapd: who gets in, what a person sees while the directory is slow, down, or not to be
trusted, and what happens to somebody whose entry goes away. Most of it in memory around the slapd, the rest with the whole demo."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import ldap3
import psutil
import pytest
import yaml

from attribute_authority.authority import Authority
from attribute_authority.settings import AttributeAuthoritySettings
from ostiary.command.demo.authority import DemoAuthority
from ostiary.command.demo.federation import prepare
from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import SOUTHBANK
from ostiary.command.demo.slapd import HOST, DemoDirectory, find_slapd
from ostiary.command.home import make_authority
from ostiary.command.watched import watched_registry
from ostiary.config import load_settings
from ostiary.errors import Missing, Unavailable
from ostiary.ldap import adapter
from ostiary.ldap.adapter import Ldap3Directory
from ostiary.ldap.filters import Compare
from ostiary.ldap.settings import LdapSettings, Report
from ostiary.ports import ReleaseRequest
from tests.browser import Answer, Browser, HttpTransport
from tests.e2e.running_slapd import RunningSlapd, administrator
from tests.running_demo import RunningDemo, free_base_port
from tests.simulator import BASE_PORT, START, Simulation, ask_people, configure, prepared_state

pytestmark = pytest.mark.e2e

WRONG = "That user name and password do not go together."
LIBRARY = "https://library.example/shar"


@contextmanager
def home_in_slapd(state_template: Path, state: Path) -> Iterator[RunningSlapd]:
    """A federation in ``state`` whose second home has its people in a slapd of the test's own, which runs."""
    prepared_state(state_template, state)
    program = find_slapd()
    assert program is not None
    # Its certificate is for the time of day, not for that of the simulation.
    authority = DemoAuthority(state / "directory-ca")
    directory = DemoDirectory(program, SOUTHBANK, state / "southbank" / "ldap", free_base_port(1), authority)
    directory.write(datetime.now(UTC))
    layout = Layout(state, BASE_PORT)
    prepare(layout, [], now=START, directory=directory)
    ask_people(layout, SOUTHBANK, "off")
    configure(
        state / "southbank" / "idp.yaml",
        throttle={"per_name_and_address": 10_000, "per_name": 100_000, "per_address": 1_000_000},
    )
    change_directory(state, remember="0s", time_limit="1s", connect_time_limit="1s")
    running = RunningSlapd(directory)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


@pytest.fixture
def prepared(state_template: Path, tmp_path: Path) -> Iterator[tuple[Path, RunningSlapd]]:
    """The test's own: it may stop the slapd and change its settings."""
    with home_in_slapd(state_template, tmp_path / "state") as running:
        yield tmp_path / "state", running


@pytest.fixture
def slapd(prepared: tuple[Path, RunningSlapd]) -> RunningSlapd:
    return prepared[1]


@pytest.fixture
def simulation(prepared: tuple[Path, RunningSlapd]) -> Iterator[Simulation]:
    yield from simulated(prepared[0])


@pytest.fixture(scope="module")
def shared(state_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulation, RunningSlapd]]:
    """One for all tests that leave people, settings and the slapd as they are."""
    state = tmp_path_factory.mktemp("shared") / "state"
    with home_in_slapd(state_template, state) as running:
        for simulation in simulated(state):
            yield simulation, running


def simulated(state: Path) -> Iterator[Simulation]:
    """A simulation whose connections to the directory end with it."""
    opened: list[Ldap3Directory] = []

    class Noted(Ldap3Directory):
        def __init__(self, settings: LdapSettings, report: Report) -> None:
            super().__init__(settings, report)
            opened.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "Ldap3Directory", Noted)
        simulation = Simulation(state)
        yield simulation
    simulation.close()
    for directory in opened:
        directory.close()


def change_directory(state: Path, **changes: object) -> None:
    configure(state / "southbank" / "ldap.yaml", **changes)


def type_in(
    simulation: Simulation, browser: Browser, username: str, password: str, resource: str = "library"
) -> Answer:
    page = simulation.to_login_page(browser, resource, SOUTHBANK)
    return browser.submit(page, {"username": username, "password": password}, having="password")


def test_a_person_of_the_directory_enters_with_what_the_directory_says_about_her(
    simulation: Simulation, slapd: RunningSlapd
) -> None:
    page = simulation.log_in(simulation.browser(), "instrument", "dora")
    assert page.status == 200
    for words in ("Welcome, Dora Draper of Southbank Institute", "urn:x-ostiary:demo:instrument:operate"):
        assert words in page.text
    page = simulation.log_in(simulation.browser(), "library", "emil")
    assert "student@southbank.example" in page.text


def test_everything_went_over_tls_and_nobody_bound_without_a_name(simulation: Simulation, slapd: RunningSlapd) -> None:
    simulation.log_in(simulation.browser(), "library", "dora")
    type_in(simulation, simulation.browser(), "dora", "")
    told = slapd.log.read_text()
    assert told.count("TLS established") == told.count("ACCEPT") - told.count("closed (connection lost)")
    assert 'BIND dn="uid=dora,ou=people,dc=southbank,dc=example" method=128' in told
    assert 'BIND dn="" method=128' not in told
    assert "dora-tunes-lasers" not in told


@pytest.mark.parametrize(
    "username",
    [
        "nobody",
        "*",
        "d*",
        "dora)(uid=*",
        "dora)(|(uid=*",
        "*)(uid=*))(|(uid=*",
        "(dora)",
        "\\64ora",
        "\\2a",
        "dora\\",
        "dora,ou=people",
        "uid=dora,ou=people,dc=southbank,dc=example",
        "#dora",
        "dora#",
        "do\u00adra",
        "🦉",
        "döra",
        "",
        " ",
        "a" * 256,
    ],
)
def test_a_name_that_is_nobodys_lets_nobody_in_whatever_it_means_to_filters(
    shared: tuple[Simulation, RunningSlapd], username: str
) -> None:
    simulation, _ = shared
    page = type_in(simulation, simulation.browser(), username, "dora-tunes-lasers")
    assert (page.status, WRONG in page.text) == (401, True)


@pytest.mark.parametrize("username", ["dora", " Dora  ", "DORA"])
@pytest.mark.parametrize("password", ["", "wrong", "dora-tunes-lasers ", "*", "{SSHA}"])
def test_a_wrong_password_lets_nobody_in(shared: tuple[Simulation, RunningSlapd], username: str, password: str) -> None:
    simulation, _ = shared
    page = type_in(simulation, simulation.browser(), username, password)
    assert (page.status, WRONG in page.text) == (401, True)


@pytest.mark.parametrize(
    ("username", "password"),
    [("dora\0", "dora-tunes-lasers"), ("\0", "dora-tunes-lasers"), ("dora", "dora-tunes-lasers\0")],
)
def test_a_nul_is_refused_before_anybody_is_asked(
    shared: tuple[Simulation, RunningSlapd], username: str, password: str
) -> None:
    simulation, slapd = shared
    before = slapd.log.read_text()
    assert type_in(simulation, simulation.browser(), username, password).status == 400
    assert slapd.log.read_text() == before


@pytest.mark.parametrize("username", ["a*b", "(c)", "d\\e", "f,g", "#h", "i+j=k", '"l"', "mäx", "n;o<p>", "q r"])
def test_somebody_with_an_awkward_name_gets_in(shared: tuple[Simulation, RunningSlapd], username: str) -> None:
    simulation, slapd = shared
    attributes = {"uid": username, "sn": "B", "userPassword": "pass word ü"}
    attributes["eduPersonScopedAffiliation"] = "member@southbank.example"
    with slapd.as_administrator() as connection:
        name = f"cn={os.urandom(4).hex()},{slapd.directory.people_dn}"
        assert connection.add(name, ["inetOrgPerson", "eduPerson"], attributes), connection.result
    browser = simulation.browser()
    page = browser.submit(type_in(simulation, browser, username, "pass word ü"), having="SAMLResponse")
    assert page.status == 200
    assert "The reading room" in page.text


def test_while_the_directory_hangs_people_are_asked_to_come_back_soon(
    simulation: Simulation, slapd: RunningSlapd
) -> None:
    browser = simulation.browser()
    form = simulation.to_login_page(browser, "library", SOUTHBANK)
    typed = {"username": "dora", "password": "dora-tunes-lasers"}
    with slapd.held():
        begun = time.monotonic()
        page = browser.submit(form, typed, having="password")
        assert time.monotonic() - begun < 4
        assert page.status == 503
        assert "takes too long to answer" in page.text
        assert "It is not about your password." in page.text
    page = browser.submit(browser.submit(form, typed, having="password"), having="SAMLResponse")
    assert "The reading room" in page.text


def test_a_directory_that_hangs_after_it_was_used_is_slow_too(simulation: Simulation, slapd: RunningSlapd) -> None:
    simulation.log_in(simulation.browser(), "library", "dora")
    form = simulation.to_login_page(browser := simulation.browser(), "library", SOUTHBANK)
    with slapd.held():
        page = browser.submit(form, {"username": "dora", "password": "dora-tunes-lasers"}, having="password")
        assert (page.status, "takes too long to answer" in page.text) == (503, True)


def test_a_directory_that_was_killed_is_down_and_found_again_once_it_is_back(
    simulation: Simulation, slapd: RunningSlapd
) -> None:
    simulation.log_in(simulation.browser(), "library", "dora")
    form = simulation.to_login_page(browser := simulation.browser(), "library", SOUTHBANK)
    typed = {"username": "dora", "password": "dora-tunes-lasers"}
    slapd.stop(signal.SIGKILL)
    page = browser.submit(form, typed, having="password")
    assert page.status == 503
    assert "be reached at the moment" in page.text
    assert "Please try again in a few minutes." in page.text
    slapd.start()
    page = browser.submit(browser.submit(form, typed, having="password"), having="SAMLResponse")
    assert "The reading room" in page.text


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"ca_file": "other"}, "ldap.certificate", "could not be trusted, so nothing was sent to it"),
        ({"servers": "127.0.0.2"}, "ldap.host_name", "could not be trusted, so nothing was sent to it"),
        ({"bind_dn": "cn=somebody,dc=southbank,dc=example"}, "ldap.bind_account", "does not let this service in"),
        ({"base_dn": "ou=elsewhere,dc=southbank,dc=example"}, "ldap.base_dn", "could not be searched"),
        ({"start_tls": False, "bind_dn": None, "password_file": None}, "ldap.tls", "A protected connection"),
        ({"start_tls": False}, "ldap.tls", "A protected connection"),
        ({"principal_attribute": "telephoneNumber"}, "ldap.no_principal", "is not complete"),
    ],
)
def test_what_is_wrong_with_the_directory_is_told_without_details(
    prepared: tuple[Path, RunningSlapd], changes: dict[str, object], code: str, words: str
) -> None:
    state, slapd = prepared
    if changes.get("ca_file") == "other":
        other = DemoAuthority(state / "other-ca")
        other.prepare(now=datetime.now(UTC))
        changes = {"ca_file": str(other.certificate)}
    if changes.get("servers") == "127.0.0.2":
        # Another address that leads to the same place; the certificate does not name it.
        slapd.stop()
        command = [*slapd.directory.command()]
        command[command.index("-h") + 1] = (
            f"ldap://127.0.0.1:{slapd.directory.port} ldap://127.0.0.2:{slapd.directory.port}"
        )
        with slapd.log.open("ab") as log:
            slapd.process = subprocess.Popen(command, stderr=log)
        time.sleep(0.5)
        changes = {"servers": [f"ldap://127.0.0.2:{slapd.directory.port}"]}
    change_directory(state, **changes)
    for simulation in simulated(state):
        page = type_in(simulation, simulation.browser(), "dora", "dora-tunes-lasers")
        assert page.status == 503, page.text
        assert words in page.text
        for detail in ("127.0.0", "southbank.example,", "cn=", "ou="):
            assert detail not in page.text
        [line] = simulation.events("refused", service="southbank-idp")
        assert line["code"] == code


def test_two_entries_with_one_name_let_nobody_in(simulation: Simulation, slapd: RunningSlapd) -> None:
    with slapd.as_administrator() as connection:
        connection.add(f"cn=dora,{slapd.directory.people_dn}", ["inetOrgPerson"], {"uid": "dora", "sn": "D"})
    page = type_in(simulation, simulation.browser(), "dora", "dora-tunes-lasers")
    assert page.status == 503
    assert "more than one entry for you" in page.text
    [line] = simulation.events("refused", service="southbank-idp")
    assert line["code"] == "ldap.ambiguous"
    assert f"cn=dora,{slapd.directory.people_dn}" in line["found"]


def test_somebody_who_was_marked_as_left_can_not_log_in_and_only_her_password_learns_why(
    simulation: Simulation, slapd: RunningSlapd
) -> None:
    with slapd.as_administrator() as connection:
        connection.modify(slapd.person("dora"), {"employeeType": [(ldap3.MODIFY_REPLACE, ["left"])]})
    stranger = type_in(simulation, simulation.browser(), "dora", "somebody-elses-guess")
    assert (stranger.status, WRONG in stranger.text) == (401, True)
    herself = type_in(simulation, simulation.browser(), "dora", "dora-tunes-lasers")
    assert (herself.status, "This account is switched off." in herself.text) == (401, True)
    assert [line["reason"] for line in simulation.events("login_failed")] == ["wrong_password", "disabled"]


def test_when_her_entry_goes_away_her_session_and_what_is_said_about_her_end(
    simulation: Simulation, slapd: RunningSlapd
) -> None:
    browser = simulation.browser()
    simulation.log_in(browser, "library", "dora")
    idp = simulation.layout.idp_url(SOUTHBANK)
    assert "Signed in as" in browser.get(f"{idp}/").text
    with slapd.as_administrator() as connection:
        connection.search(slapd.person("dora"), "(objectClass=*)", ldap3.BASE, attributes=["entryUUID"])
        principal = connection.entries[0].entryUUID.value.strip("{}")
        authority = authority_of(simulation)
        request = ReleaseRequest(principal, LIBRARY, simulation.clock.now())
        assert {attribute.name for attribute in authority.release(request).attributes} == {"eduPersonScopedAffiliation"}
        connection.delete(slapd.person("dora"))
    with pytest.raises(Missing) as caught:
        authority.release(request)
    assert caught.value.code == "aa.unknown_principal"
    assert "Nobody is signed in" in browser.get(f"{idp}/").text
    slapd.stop()
    with pytest.raises(Unavailable) as unavailable:
        authority.release(request)
    assert unavailable.value.code == "ldap.down"


def authority_of(simulation: Simulation) -> Authority:
    """The Attribute Authority of the second home, without a wire."""
    settings = load_settings(simulation.layout.directory("southbank") / "aa.yaml", AttributeAuthoritySettings)
    log = simulation.log("southbank-aa")
    return make_authority(settings, watched_registry(settings.trust, simulation.clock, log), log)


def test_the_reader_may_read_people_and_change_nothing(slapd: RunningSlapd) -> None:
    directory = slapd.directory
    server = ldap3.Server(HOST, port=directory.port, get_info=ldap3.NONE)
    password = directory.reader_password.read_text()
    connection = ldap3.Connection(server, directory.reader_dn, password, auto_bind=ldap3.AUTO_BIND_TLS_BEFORE_BIND)
    connection.search(directory.people_dn, "(uid=dora)", attributes=["uid", "userPassword"])
    assert connection.entries[0].entry_attributes_as_dict.get("uid") == ["dora"]
    assert not connection.entries[0].entry_attributes_as_dict.get("userPassword")
    assert not connection.modify(slapd.person("dora"), {"sn": [(ldap3.MODIFY_REPLACE, ["X"])]})
    assert not connection.delete(slapd.person("dora"))
    connection.search(directory.suffix, "(cn=nobody)", attributes=["cn"])
    assert connection.entries == []
    connection.unbind()


def slapd_of(demo: RunningDemo) -> psutil.Process:
    [found] = [child for child in psutil.Process(demo.process.pid).children() if child.name() == "slapd"]
    return found


def gone(process: psutil.Process) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def enters(demo: RunningDemo, username: str, password: str) -> bool:
    transport = HttpTransport()
    browser = Browser(transport)
    home = demo.ready["idp"][1]
    page = browser.submit(browser.get(demo.ready["sp"][0]["url"]), {"choice": home["entity_id"]}, having="choice")
    page = browser.submit(page, {"username": username, "password": password}, having="password")
    if page.status == 200:
        page = browser.submit(page, having="SAMLResponse")
    transport.close()
    return page.status == 200


def test_the_demo_starts_its_slapd_keeps_changed_people_and_ends_it_with_itself(tmp_path: Path) -> None:
    demo = RunningDemo(tmp_path)
    try:
        slapd = slapd_of(demo)
        settings = yaml.safe_load((demo.state / "southbank" / "ldap.yaml").read_text())
        port = int(settings["servers"][0].rpartition(":")[2])
        assert {connection.laddr.ip for connection in slapd.net_connections() if connection.status == "LISTEN"} == {
            HOST
        }
        assert enters(demo, "dora", "dora-tunes-lasers")
        here = demo.state / "southbank" / "ldap"
        with administrator(port, "cn=administrator,dc=southbank,dc=example", here) as connection:
            connection.modify(
                "uid=dora,ou=people,dc=southbank,dc=example",
                {"userPassword": [(ldap3.MODIFY_REPLACE, ["changed by hand"])]},
            )
        assert "people in LDAP" in demo.output.read_text()
        assert (demo.state / "logs" / "southbank-slapd.log").read_text().count("MOD") > 0
    finally:
        demo.stop()
    assert gone(slapd)

    again = RunningDemo(tmp_path)
    try:
        assert enters(again, "dora", "changed by hand")
        assert not enters(again, "dora", "dora-tunes-lasers")
        slapd = slapd_of(again)
        again.process.kill()
        again.process.wait(timeout=10)
        assert gone(slapd)
    finally:
        if again.process.poll() is None:
            again.stop()


def test_the_search_of_the_health_check_is_answered(prepared: tuple[Path, RunningSlapd]) -> None:
    state, slapd = prepared
    people = load_settings(state / "southbank" / "ldap.yaml", LdapSettings).open()
    people.check()
    found = people.find_by(Compare("uid", b"dora"), ("displayName",))
    assert found is not None
    assert len(found.principal) == 36
    people.close()
    slapd.stop()
    with pytest.raises(Unavailable):
        people.check()
