"""docker/compose.yaml without containers: the image's environment is built by the Dockerfile's own commands, and then every service runs
with its own command and health check, in the order of the file, beside a real PostgreSQL and a real slapd.

Exchanged are only: where volumes and programs are, the ports, and the address to listen on (loopback, as nothing stands in front here).
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ostiary.command.demo.databases import PARTS
from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import HOMES, NORTHGATE, SOUTHBANK, DemoHome
from tests.browser import Answer, Browser, HttpTransport, forms_of
from tests.database_servers import as_system_user, postgresql_programs
from tests.docker.compose_file import ComposeService, read_services
from tests.docker.image_file import build_environment, read_stages
from tests.running_demo import free_base_port
from tests.simulator import agree

pytestmark = pytest.mark.e2e

START_SECONDS = 90
STOP_SECONDS = 30
PORTS = range(8400, 8411)


@dataclass
class Composition:
    """The running services of the file. ``directory`` holds the volumes, each under its name, and one log for each service."""

    directory: Path
    programs: Path
    base_port: int
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        return Layout(self.directory / "state", self.base_port)

    def up(self) -> None:
        for service in read_services().values():
            self.start(service)
            self.wait(service)

    def start(self, service: ComposeService) -> None:
        for volume in service.volumes:
            place = self.directory / volume
            if not place.exists():
                place.mkdir(mode=0o700 if volume == "state" else 0o755)
                if volume == "database" and os.geteuid() == 0:
                    shutil.chown(place, "postgres", "postgres")
        with self.log(service).open("ab") as log:
            self.running[service.name] = subprocess.Popen(
                self.here(service, service.command),
                cwd=self.directory,
                env=self.environment(service),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Everything else runs as whoever runs the tests.
                **(as_system_user("postgres") if service.name == "postgres" else {}),
            )

    def wait(self, service: ComposeService) -> None:
        """Until it has ended well, or its health check says so."""
        process = self.running[service.name]
        deadline = time.monotonic() + START_SECONDS
        if service.ends:
            if process.wait(START_SECONDS):
                raise RuntimeError(f"{service.name} failed:\n{self.log(service).read_text()}")
            del self.running[service.name]
        while not service.ends and service.health is not None:
            told = self.ask(service)
            if told.returncode == 0:
                return
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{service.name} is not healthy: {told.stderr}\n{self.log(service).read_text()}")
            time.sleep(0.2)

    def ask(self, service: ComposeService) -> "subprocess.CompletedProcess[str]":
        """Its health check, once."""
        assert service.health is not None
        return subprocess.run(
            self.here(service, service.health),
            cwd=self.directory,
            env=self.environment(service),
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """A command of the image beside the services."""
        return subprocess.run(
            [self.programs / command[0], *command[1:]], cwd=self.directory, capture_output=True, text=True, timeout=60
        )

    def here(self, service: ComposeService, command: tuple[str, ...]) -> list[str]:
        return [self.exchanged(service, word) for word in command]

    def exchanged(self, service: ComposeService, text: str) -> str:
        for volume, (place, _) in service.volumes.items():
            text = re.sub(rf"(?<![\w/]){place}(?![\w-])", str(self.directory / volume), text)
        for port in PORTS:
            text = re.sub(rf"\b{port}\b", str(self.base_port + port - PORTS.start), text)
        return text.replace("0.0.0.0", "127.0.0.1")

    def environment(self, service: ComposeService) -> dict[str, str]:
        """As little as a container has: no variable of the machine's."""
        image = read_stages()["runtime"].environment() if service.is_ours else {}
        servers = [] if service.is_ours else [postgresql_programs()]
        places = [self.programs, *servers, "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        own = {name: self.exchanged(service, value) for name, value in service.environment.items()}
        return {**image, **own, "PATH": os.pathsep.join(map(str, places))}

    def log(self, service: ComposeService) -> Path:
        return self.directory / f"{service.name}.log"

    def down(self) -> None:
        """Stops what runs, the last first; each by its own process id."""
        for process in reversed(self.running.values()):
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def composition() -> Iterator[Composition]:
    # Not below pytest's directory, which the user postgres may not enter.
    directory = Path(tempfile.mkdtemp(prefix="ostiary-compose-"))
    directory.chmod(0o755)
    try:
        made = Composition(directory, build_environment(directory / "image"), free_base_port(len(PORTS)))
        try:
            made.up()
            yield made
        finally:
            made.down()
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def browser() -> Iterator[Browser]:
    transport = HttpTransport()
    yield Browser(transport)
    transport.close()


def log_in(browser: Browser, page: str, home: DemoHome, username: str) -> Answer:
    password = next(person.password for person in home.people if person.username == username)
    answer = browser.submit(browser.get(page), {"choice": home.entity_id}, having="choice")
    answer = browser.submit(answer, {"username": username, "password": password}, having="password")
    if any(form.has("shown") for form in forms_of(answer)):
        answer = agree(browser, answer)
    return browser.submit(answer, having="SAMLResponse")


def open_database(composition: Composition, role: str, database: str, password: str) -> "psycopg.Connection[Any]":
    port = composition.base_port + 10
    return psycopg.connect(host="127.0.0.1", port=port, user=role, dbname=database, password=password)


def password_of(composition: Composition, part: str) -> str:
    return composition.layout.database_password(part).read_text()


def written(state: Path) -> dict[Path, tuple[int, int]]:
    """Every file of the state but those of the one service that may write there while the others run."""
    files = {path: path.stat() for path in state.rglob("*") if path.is_file()}
    return {
        path: (found.st_mtime_ns, found.st_size)
        for path, found in files.items()
        if not path.is_relative_to(state / "southbank" / "ldap")
    }


def test_everything_that_stays_is_running_and_healthy(composition: Composition) -> None:
    services = read_services()
    assert list(composition.running) == [name for name, service in services.items() if not service.ends]
    assert [name for name, process in composition.running.items() if process.poll() is not None] == []
    asked = [service for service in services.values() if service.health is not None]
    assert len(asked) == 11
    assert {service.name: composition.ask(service).returncode for service in asked} == {
        service.name: 0 for service in asked
    }


@pytest.mark.parametrize(("home", "username"), [(NORTHGATE, "alice"), (SOUTHBANK, "dora")], ids=["alice", "dora"])
def test_somebody_of_each_home_enters_the_library(
    composition: Composition, browser: Browser, home: DemoHome, username: str
) -> None:
    before = written(composition.layout.state)
    library = f"http://127.0.0.1:{composition.base_port + 5}"
    page = log_in(browser, f"{library}/library/", home, username)
    assert (page.status, page.url) == (200, f"{library}/library/")
    session = json.loads(browser.get(f"{library}/ostiary/session?format=json").body)
    assert session["idp"] == home.entity_id
    assert written(composition.layout.state) == before


def test_the_role_in_the_vo_opens_the_microscope(composition: Composition, browser: Browser) -> None:
    instrument = f"http://127.0.0.1:{composition.base_port + 6}/instrument/"
    assert log_in(browser, instrument, SOUTHBANK, "emil").status == 200


def test_a_member_gets_a_credential_of_the_vo(composition: Composition) -> None:
    state, proxy = composition.layout.state, composition.directory / "proxy.pem"
    place = ("--certdir", f"{state}/ca/certificates", "--vomsdir", f"{state}/voms/vomsdir")
    made = composition.run(
        *("ostiary", "proxy", "init", "--voms", "microscopy:/microscopy/imaging/Role=operator"),
        *("--cert", f"{state}/voms/people/member.pem", "--key", f"{state}/voms/people/member.key"),
        *(*place, "--vomses", f"{state}/voms/vomses", "--out", str(proxy)),
    )
    assert made.returncode == 0, made.stderr
    told = composition.run("ostiary", "proxy", "info", "--file", str(proxy), "--fqan", *place)
    assert told.stdout.splitlines()[0] == "/microscopy/imaging/Role=operator/Capability=NULL"


def test_what_is_kept_is_in_postgresql_and_each_part_opens_its_own_database_only(composition: Composition) -> None:
    assert list(composition.layout.state.rglob("*.db")) == []
    with open_database(composition, "northgate", "northgate", password_of(composition, "northgate")) as connection:
        names = connection.execute("SELECT login_name FROM person ORDER BY login_name").fetchall()
    assert [name for (name,) in names] == ["alice", "bob", "carol"]
    assert (*(home.key for home in HOMES), "voms") == PARTS
    for database in ("southbank", "voms"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            open_database(composition, "northgate", database, password_of(composition, "northgate"))
    for role in ("northgate", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            open_database(composition, role, "northgate", password_of(composition, "voms"))


def test_no_password_of_the_database_server_is_in_a_log_or_in_its_volumes(composition: Composition) -> None:
    passwords = [password_of(composition, part).encode() for part in PARTS]
    logs = [path.read_bytes() for path in composition.directory.glob("*.log")]
    assert len(logs) == 14
    volumes = [composition.directory / "database-setup", composition.directory / "database"]
    kept = [path.read_bytes() for volume in volumes for path in volume.rglob("*") if path.is_file()]
    assert [password for password in passwords if any(password in content for content in (*logs, *kept))] == []


def test_the_health_check_of_a_service_that_is_stopped_fails_until_it_is_started_again(
    composition: Composition,
) -> None:
    for name in ("slapd", "library", "voms"):
        service = read_services()[name]
        composition.running[name].terminate()
        assert composition.running[name].wait(STOP_SECONDS) in (0, -15)
        told = composition.ask(service)
        assert (told.returncode, "healthy.silent" in told.stderr) == (1, True)
        composition.start(service)
        composition.wait(service)


def test_what_prepares_may_run_again_beside_the_running_services(composition: Composition, browser: Browser) -> None:
    passwords = [password_of(composition, part) for part in PARTS]
    for service in read_services().values():
        if service.ends:
            composition.start(service)
            composition.wait(service)
    assert [password_of(composition, part) for part in PARTS] == passwords
    library = f"http://127.0.0.1:{composition.base_port + 5}/library/"
    assert log_in(browser, library, NORTHGATE, "bob").status == 200
