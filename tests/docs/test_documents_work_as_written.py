"""What the documents tell people to type: every file is taken from the page as it stands, every command is run."""

import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import urllib3
import yaml
from click.testing import CliRunner

from attribute_authority.resolver.settings import ResolverSettings
from attribute_authority.settings import AttributeAuthoritySettings
from idp.people import LdapPeopleSettings
from idp.settings import IdpSettings
from ostiary.command.cli import ostiary
from ostiary.command.demo.authority import CertificateFiles, DemoAuthority
from ostiary.command.home import open_vo
from ostiary.config import load_settings
from ostiary.federation.read import read_unsigned_local_metadata
from ostiary.ldap.settings import LdapSettings
from tests.docs.followed_page import write_federation
from tests.running_demo import RunningDemo

VO_PAGE = "docs/voms.md"
HOME_PAGE = "docs/run-a-home-organisation.md"
ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([".", str(ROOT)])}


def blocks(document: str, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall((ROOT / document).read_text()) if found == language]


def commands(document: str) -> list[str]:
    return [line.strip() for block in blocks(document, "sh") for line in block.splitlines() if line.strip()]


def as_of_today(text: str) -> str:
    """What the pages write as lying years ahead lies there on every day on which they are followed."""
    year = datetime.now(UTC).year
    return text.replace("2035-01-01T", f"{year + 9}-01-01T").replace("2036-01-01T", f"{year + 10}-01-01T")


def run(command: str, directory: Path) -> str:
    words = shlex.split(as_of_today(command))
    assert words[0] == "ostiary"
    with contextlib.chdir(directory):
        finished = CliRunner().invoke(ostiary, words[1:], catch_exceptions=False)
    assert finished.exit_code == 0, f"{command}\n{finished.output}"
    return finished.stdout


def serve_until_it_answers(
    command: str, directory: Path, port: int, path: str, headers: dict[str, str]
) -> tuple[int, str]:
    """Runs a ``serve`` command on another port than the document's and asks it one question."""
    words = [str(port) if word in ("8080", "8501", "8502") else word for word in shlex.split(command)]
    with (directory / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ostiary.command", *words[1:]],
            cwd=directory,
            env=ENVIRONMENT,
            stdout=output,
            stderr=output,
        )
    pool = urllib3.PoolManager(retries=False, timeout=5)
    try:
        for _ in range(400):
            assert process.poll() is None, (directory / "output").read_text()
            try:
                answer = pool.request("GET", f"http://127.0.0.1:{port}{path}", headers=headers, redirect=False)
                return answer.status, answer.headers.get("Location", "")
            except urllib3.exceptions.HTTPError:
                time.sleep(0.05)
        raise AssertionError((directory / "output").read_text())
    finally:
        pool.clear()
        process.terminate()
        process.wait(timeout=20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def federation(tmp_path: Path) -> Path:
    """A directory with ``federation.xml`` and ``federation.crt``, as a federation hands them out."""
    write_federation(tmp_path)
    return tmp_path


def test_a_home_organisation_is_set_up_by_following_the_page(federation: Path) -> None:
    page = "docs/run-a-home-organisation.md"
    for name, text in zip(["idp.yaml", "aa.yaml", "release.yaml"], blocks(page, "yaml")[:3], strict=True):
        with_free_port = re.sub(r"listen: \{port: \d+\}", lambda _: f"listen: {{port: {free_port()}}}", text)
        (federation / name).write_text(with_free_port)
    (federation / "alice.password").write_text("a password of Alice's\n")
    (federation / "alice.password").chmod(0o600)
    found = commands(page)
    serving = [command for command in found if command.startswith("ostiary serve")]
    output = {command: run(command, federation) for command in found if command not in serving}
    [entity] = read_unsigned_local_metadata(
        next(text for command, text in output.items() if " metadata home " in command).encode()
    )
    assert entity.idp is not None
    assert entity.aa is not None
    assert "alice" in next(text for command, text in output.items() if command.endswith(" list"))
    assert len(serving) == 2
    for command in serving:
        config = "idp.yaml" if " idp " in command else "aa.yaml"
        port = int(re.findall(r"listen: \{port: (\d+)\}", (federation / config).read_text())[0])
        assert serve_until_it_answers(command, federation, port, "/health", {})[0] == 200


def test_its_people_are_in_a_directory_by_following_the_page(federation: Path) -> None:
    idp, authority, release, directory, idp_people, authority_people = blocks(HOME_PAGE, "yaml")
    (federation / "idp.yaml").write_text(idp + idp_people)
    (federation / "aa.yaml").write_text(authority.partition("resolver:")[0] + release_of(authority) + authority_people)
    (federation / "release.yaml").write_text(release)
    (federation / "ldap.yaml").write_text(directory)
    ca = DemoAuthority(federation / "ca")
    ca.prepare(now=datetime.now(UTC))
    (federation / "ldap-ca.pem").write_bytes(ca.certificate.read_bytes())
    (federation / "ldap.password").write_text("a long one\n")
    (federation / "ldap.password").chmod(0o600)
    for command in commands(HOME_PAGE)[:2]:
        run(command, federation)
    settings = load_settings(federation / "idp.yaml", IdpSettings)
    assert isinstance(settings.people, LdapPeopleSettings)
    assert settings.people.directory == federation / "ldap.yaml"
    assert load_settings(settings.people.directory, LdapSettings).open().principal_attribute == "entryUUID"
    resolver = load_settings(federation / "aa.yaml", AttributeAuthoritySettings).resolver
    assert [connector.names() for connector in resolver.connectors] == [
        frozenset({"displayName", "eduPersonScopedAffiliation", "mailOfTheUniversity"})
    ]
    [entity] = read_unsigned_local_metadata(
        run("ostiary metadata home --config idp.yaml --authority aa.yaml", federation).encode()
    )
    assert entity.aa is not None


def release_of(authority: str) -> str:
    """The line of ``aa.yaml`` that stands after the resolver."""
    return next(line for line in authority.splitlines(keepends=True) if line.startswith("release_policies:"))


def test_what_happens_is_seen_by_following_the_page(tmp_path: Path, demo: RunningDemo) -> None:
    (tmp_path / ".demo").symlink_to(demo.state)
    (tmp_path / "alice.password").write_text("alice-opens-doors\n")
    (tmp_path / "alice.password").chmod(0o600)
    library, instrument = (entry["url"] for entry in demo.ready["sp"])
    told = []
    for written in commands("docs/see-what-happens.md"):
        command = written.replace("http://127.0.0.1:8405/library/", library)
        command = command.replace("http://127.0.0.1:8406/instrument/", instrument)
        words = shlex.split(command)
        with contextlib.chdir(tmp_path):
            finished = CliRunner().invoke(ostiary, words[1:], catch_exceptions=False)
        refused = "--user bob" in command and words[1] == "trace"
        assert finished.exit_code == (1 if refused else 0), f"{command}\n{finished.output}"
        told.append(finished.stdout)
    assert len(told) == 11
    assert "Refused with HTTP 403" in told[1]
    outcome = re.compile("urn:x-ostiary:demo:instrument:operate +(released|withheld)")
    assert "agrees to what localhost" in told[3]
    assert [outcome.findall(text) for text in told[4:6]] == [["withheld"], ["released"]]
    assert len(list((tmp_path / "messages").iterdir())) == 4


def test_a_vo_is_run_by_following_the_page(tmp_path: Path) -> None:
    config, connector = blocks(VO_PAGE, "yaml")
    port = free_port()
    (tmp_path / "voms.yaml").write_text(config.replace("15000", str(port)))
    now = datetime.now(UTC)
    authority = DemoAuthority(tmp_path)
    authority.prepare(now=now)
    host = CertificateFiles(tmp_path / "host.pem", tmp_path / "host.key")
    ada = CertificateFiles(tmp_path / "ada.pem", tmp_path / "ada.key")
    authority.issue(host, "voms.example.org", now=now, hosts=("voms.example.org",))
    authority.issue(ada, "Ada Adams", now=now)
    authority.publish([], now=now)
    told = {
        command: run(command, tmp_path) for command in commands(VO_PAGE) if command.startswith("ostiary vo --config")
    }
    shown = next(text for command, text in told.items() if command.endswith("show ada.pem"))
    ends = as_of_today("  until 2036-01-01T00:00:00Z\n")
    roles = f"/example/data/Role=reader{ends}/example/data/raw/Role=reader{ends}"
    assert f"/example/data/raw\n{roles}nickname = ada\n" in shown
    assert len(told) == 19
    assert "CN=Ada Adams,O=Ostiary Demo,C=ZZ" in told["ostiary vo --config voms.yaml list-members"]
    (tmp_path / "vomses").write_text(
        told["ostiary vo --config voms.yaml vomses"].replace('"voms.example.org" "', '"127.0.0.1" "')
    )
    lsc = tmp_path / "vomsdir" / "example" / "voms.example.org.lsc"
    lsc.parent.mkdir(parents=True)
    lsc.write_text(told["ostiary vo --config voms.yaml lsc"])
    process = subprocess.Popen(
        [sys.executable, "-m", "ostiary.command", *shlex.split(serving(VO_PAGE)[0])[1:]], cwd=tmp_path, env=ENVIRONMENT
    )
    try:
        await_port(port, process)
        run(
            "ostiary proxy init --voms example:/example/data/Role=reader --bits ec --cert ada.pem --key ada.key"
            " --certdir certificates --vomsdir vomsdir --vomses vomses --out proxy.pem",
            tmp_path,
        )
    finally:
        process.terminate()
        process.wait(timeout=20)
    # The Attribute Authority that the page sets up knows the same by the name that was linked.
    (tmp_path / "resolver.yaml").write_text(
        yaml.safe_dump(
            {
                "connectors": [
                    {
                        "type": "static",
                        "name": "people",
                        "everybody": {"eduPersonPrincipalName": ["ada@home.example.org"]},
                    },
                    yaml.safe_load(connector),
                ],
                "definitions": [{"attribute": "isMemberOf"}],
            }
        )
    )
    resolver = load_settings(tmp_path / "resolver.yaml", ResolverSettings).resolver(
        "https://home.example.org/idp", open_vo
    )
    [member_of] = resolver.resolve("p1", datetime.now(UTC)).attributes
    resolver.close()
    assert "/example/data/Role=reader" in member_of.texts()


def test_the_demos_vo_gives_what_the_page_says(tmp_path: Path, demo: RunningDemo) -> None:
    (tmp_path / ".demo").symlink_to(demo.state)
    made, shown, gone = [run(command, tmp_path) for command in commands(VO_PAGE) if " proxy " in command]
    assert "Created proxy in proxy.pem." in made
    assert "attribute : /microscopy/imaging/Role=operator/Capability=NULL" in shown
    assert gone == "Removed proxy.pem\n"


def serving(page: str) -> list[str]:
    return [command for command in commands(page) if command.startswith("ostiary serve")]


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        assert process.poll() is None
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
            return
        time.sleep(0.05)
    raise AssertionError("nothing listens")


def test_every_make_task_that_the_documents_name_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    named = {
        task
        for page in pages
        for task in re.findall(r"\bmake ([a-z0-9-]+)\b(?=`| *$| ARGS)", page.read_text(), re.MULTILINE)
    }
    assert {"demo", "test", "e2e", "interop", "bench", "check"} <= named
    for task in named:
        assert re.search(rf"^{task}:.*## ", makefile, re.MULTILINE), f"make {task} is not a task"


def test_every_page_with_commands_has_a_test_that_runs_them() -> None:
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} | {"README.md"}
    with_commands = {page for page in pages if commands(page)}
    only_make = {page for page in with_commands if all(command.startswith("make ") for command in commands(page))}
    assert only_make == {"README.md", "docs/demo.md"}
    assert {page for page in with_commands - only_make if not page.startswith("docs/idp-")} == {
        "docs/reverse-proxy.md",
        "docs/acceptance-and-access.md",
        "docs/application-domains.md",
        "docs/programs-with-certificates.md",
        "docs/protect-a-django-application.md",
        "docs/protect-a-fastapi-application.md",
        "docs/protect-a-flask-application.md",
        "docs/protect-your-application.md",
        "docs/see-what-happens.md",
        "docs/several-attribute-authorities.md",
        "docs/administer-release.md",
        "docs/attribute-queries.md",
        "docs/coming-from-shibboleth.md",
        "docs/coming-from-voms-admin.md",
        "docs/discovery.md",
        "docs/metadata.md",
        "docs/forward-auth.md",
        "docs/release-policies.md",
        "docs/voms-members.md",
        "docs/voms-administer.md",
        "docs/voms-pages.md",
        "docs/voms-history.md",
        "docs/voms-clients.md",
        "docs/voms-service.md",
        "docs/voms-tokens.md",
        CONTAINERS_PAGE,
        HOME_PAGE,
        VO_PAGE,
    }


def test_what_the_demo_page_gives_the_demo_are_options_that_it_has() -> None:
    options = {option for command in commands("docs/demo.md") for option in re.findall(r"--[a-z-]+", command)}
    assert options == {"--ready", "--base-port", "--state"}
    told = CliRunner().invoke(ostiary, ["demo", "--help"]).stdout
    assert all(option in told for option in options)


CONTAINERS_PAGE = "docs/containers.md"
ENGINE = "needs a container engine; tests/e2e/test_compose_commands.py runs what it would start"
# These alone are not run. Whoever adds a command to the page gives it a test or a reason.
NOT_RUN = {
    "docker compose -f docker/compose.yaml up --build --detach --wait": ENGINE,
    "docker compose -f docker/compose.yaml logs prepare": ENGINE,
    "docker compose -f docker/compose.yaml exec voms ostiary proxy init": ENGINE,
    "docker compose -f docker/compose.yaml down": ENGINE,
    "docker compose -f docker/compose.yaml down --volumes": ENGINE,
    "docker build -f docker/Dockerfile -t ostiary:0.1.0 .": ENGINE + ", and carries out the build stage",
}


def test_the_commands_for_containers_are_those_that_can_not_be_run_here_and_name_what_there_is() -> None:
    found = [re.sub(r"(?<= proxy init) .*", "", command) for command in commands(CONTAINERS_PAGE)]
    assert sorted(found) == sorted(NOT_RUN)
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    assert {"prepare", "voms"} <= compose["services"].keys()
    assert (ROOT / "docker" / "Dockerfile").is_file()


def test_the_credential_of_the_containers_page_is_made_by_its_command(tmp_path: Path, demo: RunningDemo) -> None:
    [command] = [command for command in commands(CONTAINERS_PAGE) if " proxy init " in command]
    inside = command[command.index("ostiary ") :].replace("/state/", f"{demo.state}/")
    told = run(inside.replace("/tmp/proxy.pem", str(tmp_path / "proxy.pem")), tmp_path)
    assert "Created proxy in" in told
    assert (tmp_path / "proxy.pem").stat().st_mode & 0o777 == 0o600


def test_the_service_of_the_containers_page_is_a_good_compose_file_that_starts_a_home(
    federation: Path, tmp_path: Path
) -> None:
    [text] = blocks(CONTAINERS_PAGE, "yaml")
    (tmp_path / "compose.yaml").write_text(text)
    checker = Path(sys.executable).parent / "check-jsonschema"
    checked = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", tmp_path / "compose.yaml"], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    service = yaml.safe_load(text)["services"]["idp"]
    # As the other page writes the configuration, here with a port of the test's own.
    port = free_port()
    for name, document in zip(["idp.yaml", "aa.yaml", "release.yaml"], blocks(HOME_PAGE, "yaml")[:3], strict=True):
        (federation / name).write_text(document.replace("listen: {port: 8501}", f"listen: {{port: {port}}}"))
    for command in commands(HOME_PAGE)[:2]:
        run(command, federation)
    words = [word.replace("/etc/ostiary/", "") for word in service["command"]]
    answer = serve_until_it_answers(shlex.join(["ostiary", *words]), federation, port, "/health", {})
    assert answer[0] == 200
    assert service["healthcheck"]["test"][1:] == ["ostiary", "healthy", "http://127.0.0.1:8501/health"]
