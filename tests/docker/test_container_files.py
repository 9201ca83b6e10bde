"""docker/ without a container engine: linters and the Compose Specification's schema, and the rules that we hold ourselves to."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from ostiary.clock import SystemClock
from ostiary.command.cli import ostiary
from ostiary.command.demo import wsgi
from ostiary.command.demo.authority import DemoAuthority
from ostiary.command.demo.layout import RESOURCES, Layout
from ostiary.command.demo.people import SOUTHBANK
from ostiary.command.demo.slapd import DemoDirectory, Slapd
from ostiary.command.demo.supervisor import services as services_of_the_demo
from ostiary.command.serving import load_application
from tests.docker.compose_file import COMPOSE_FILE, ComposeService, read_services
from tests.docker.image_file import DOCKERFILE, ROOT, ignored_by_the_build, read_stages

SERVICES = read_services()
LAYOUT = Layout(Path("/state"), 8400)
HADOLINT = ("hadolint",)
SCHEMA = ("check-jsonschema", "--quiet", "--builtin-schema", "vendor.compose-spec")
COMPOSE_LINT = (
    *("compose-lint", "check", "--quiet", "--no-env", "--fail-on", "low", "--strict-config"),
    *("--config", "docker/compose-lint.yaml"),
)
LINTERS = [(HADOLINT, "docker/Dockerfile"), (SCHEMA, "docker/compose.yaml"), (COMPOSE_LINT, "docker/compose.yaml")]
# Nobody else may write where its volumes are.
WRITERS = {
    "database-roles": {"state", "database-setup"},
    "postgres": {"database"},
    "prepare": {"state"},
    "slapd": {"state"},
}

every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def lint(command: Sequence[str], file: Path | str) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).parent / command[0]
    return subprocess.run([program, *command[1:], file], cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(("command", "file"), LINTERS, ids=[command[0] for command, _ in LINTERS])
def test_the_linter_finds_nothing_and_make_check_asks_it(command: tuple[str, ...], file: str) -> None:
    found = lint(command, file)
    assert found.returncode == 0, found.stdout + found.stderr
    check = (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    assert f"\t@$(BIN)/{' '.join(command)} {file}\n" in f"{check}\n"


@pytest.mark.parametrize(
    ("command", "line", "instead", "complaint"),
    [
        (HADOLINT, "USER 0:0", "ADD . /", "DL3020"),
        (SCHEMA, "read_only: true", "read_only: [1]", "read_only"),
        (COMPOSE_LINT, "cap_drop: [ALL]", "privileged: true", "CL-0002"),
    ],
    ids=["hadolint", "check-jsonschema", "compose-lint"],
)
def test_the_linter_would_find_something(
    tmp_path: Path, command: tuple[str, ...], line: str, instead: str, complaint: str
) -> None:
    original = DOCKERFILE if command == HADOLINT else COMPOSE_FILE
    text = original.read_text()
    assert line in text
    (tmp_path / original.name).write_text(text.replace(line, instead))
    found = lint([part for part in command if part != "--quiet"], tmp_path / original.name)
    assert found.returncode != 0
    assert complaint in found.stdout + found.stderr


@every_service
def test_a_service_gets_no_more_rights_than_it_needs(service: ComposeService) -> None:
    content = service.content
    assert content["read_only"] is True
    assert content["cap_drop"] == ["ALL"]
    assert "cap_add" not in content
    assert "privileged" not in content
    assert content["security_opt"] == ["no-new-privileges:true"]
    assert content["user"] == ("10001:10001" if service.is_ours else "999:999")
    assert content["tmpfs"] == ["/tmp:mode=1777,size=32m"]
    assert {"mem_limit", "pids_limit", "cpus"} <= content.keys()
    assert {name for name, (_, writable) in service.volumes.items() if writable} == WRITERS.get(service.name, set())


@every_service
def test_an_image_has_a_version(service: ComposeService) -> None:
    assert re.fullmatch(r"[a-z-]+:\d+[\w.-]*", service.content["image"])
    if service.is_ours:
        version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        assert service.content["image"].endswith(f":{version}")
        assert service.content["build"]["target"] in read_stages()


@every_service
def test_what_stays_is_started_again_and_asked_for_its_health(service: ComposeService) -> None:
    if service.ends:
        assert service.health is None
    else:
        assert service.content["restart"] == "unless-stopped"
        assert (service.health is None) == (service.name == "network")


@every_service
def test_no_password_stands_in_the_environment_or_in_a_command(service: ComposeService) -> None:
    told = [*service.command, *(service.health or ()), *service.environment, *service.environment.values()]
    assert [text for text in told if re.search("passw|secret|token", text, re.IGNORECASE)] == []


@every_service
def test_a_service_waits_for_those_whose_work_it_needs(service: ComposeService) -> None:
    for name, condition in service.needs.items():
        needed = SERVICES[name]
        done = "service_completed_successfully" if needed.ends else "service_healthy"
        assert condition == ("service_started" if name == "network" else done)


def test_every_volume_is_declared_and_none_is_left_over() -> None:
    declared = yaml.safe_load(COMPOSE_FILE.read_text())["volumes"]
    assert set(declared) == {name for service in SERVICES.values() for name in service.volumes}


def test_the_published_ports_are_those_of_the_demo_that_people_and_clients_use_on_loopback_only() -> None:
    published = {name: service.content["ports"] for name, service in SERVICES.items() if "ports" in service.content}
    ports = [port for port in LAYOUT.ports() if port != LAYOUT.ldap_port]
    assert published == {"network": [f"127.0.0.1:{port}:{port}" for port in ports]}


@pytest.mark.parametrize("wanted", services_of_the_demo(LAYOUT, SystemClock()), ids=lambda service: service.name)
def test_every_service_of_the_demo_is_there_with_its_probe(wanted: Any) -> None:
    assert SERVICES[wanted.name].health == ("ostiary", "healthy", wanted.probe)


def test_the_directory_is_started_as_the_demo_starts_it() -> None:
    slapd = Slapd(Path("slapd"), Path("/etc/ldap/schema"), None)
    authority = DemoAuthority(LAYOUT.directory("ca"))
    files = LAYOUT.directory(SOUTHBANK.key) / "ldap"
    directory = DemoDirectory(slapd, SOUTHBANK, files, LAYOUT.ldap_port, authority)
    assert SERVICES["slapd"].command == directory.command()
    assert SERVICES["slapd"].health == ("ostiary", "healthy", directory.url, "--ca", str(authority.certificate))


def test_the_database_server_and_the_directory_listen_on_loopback_only() -> None:
    assert "listen_addresses=127.0.0.1 -c port=8410" in SERVICES["postgres"].command[-1]
    assert "--postgresql 127.0.0.1:8410" in " ".join(SERVICES["prepare"].command)
    assert "ldap://127.0.0.1:8408" in SERVICES["slapd"].command


def ostiary_commands() -> list[tuple[str, ...]]:
    found = [words for service in SERVICES.values() for words in (service.command, service.health or ())]
    return [words[1:] for words in found if words[:1] == ("ostiary",)]


@pytest.mark.parametrize("words", ostiary_commands(), ids=" ".join)
def test_every_ostiary_command_is_one_with_files_that_prepare_writes(
    words: tuple[str, ...], state_template: Path
) -> None:
    """Parsed as click does it, which looks whether files exist; not carried out."""
    command: click.Command = ostiary
    left = [re.sub(r"^/state(?=/|$)", str(state_template), word) for word in words]
    while isinstance(command, click.Group):
        command = command.commands[left.pop(0)]
    context = command.make_context("command", left)
    assert context.params
    for value in context.params.values():
        if isinstance(value, Path) and value.is_relative_to(state_template):
            assert value.exists()


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.key)
def test_the_application_of_a_resource_is_found_by_its_name(resource: Any) -> None:
    command = SERVICES[resource.key].command
    name = command[command.index("--app") + 1]
    assert command[-4:] == ("--host", "0.0.0.0", "--port", str(LAYOUT.resource_port(resource)))
    assert load_application(name).test_client().get("/").status_code == 200  # type: ignore[attr-defined]


def test_there_is_no_other_application() -> None:
    with pytest.raises(AttributeError, match="cinema is none of library, instrument"):
        wsgi.cinema  # noqa: B018


def test_every_stage_starts_from_a_fixed_release_and_ends_as_nobody_in_particular() -> None:
    stages = read_stages()
    assert list(stages) == ["build", "runtime", "demo", "ostiary"]
    assert [stage.base for stage in stages.values()] == ["python:${PYTHON}", "python:${PYTHON}", "runtime", "runtime"]
    assert re.search(r"^ARG PYTHON=3\.\d+-slim-[a-z]+$", DOCKERFILE.read_text(), re.MULTILINE)
    assert stages["runtime"].all("USER") == ["10001:10001"]
    assert stages["demo"].all("USER")[-1] == "10001:10001"
    assert stages["ostiary"].instructions == ()
    assert stages["runtime"].all("ENTRYPOINT") == ['["ostiary"]']
    assert stages["runtime"].environment()["PYTHONDONTWRITEBYTECODE"] == "1"


def test_the_build_gets_what_the_wheel_is_made_of_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    made_of = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    copied = [source for rest in read_stages()["build"].all("COPY") for source in rest.split()[:-1]]
    assert sorted(copied) == sorted(
        [*made_of, "pyproject.toml", "README.md", "LICENSE", "requirements/build.lock", "requirements/image.lock"]
    )
    assert [source for source in copied if ignored_by_the_build(source) or not (ROOT / source).exists()] == []
    assert [
        path
        for path in (".git/config", ".venv/bin/python", ".demo/ca/ca.key", "tests/run.py", "ostiary/__pycache__/a.pyc")
        if not ignored_by_the_build(path)
    ] == []


def locked(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lines, re.MULTILINE))


def test_the_image_holds_what_the_services_need_in_the_versions_that_are_tested() -> None:
    image, run = locked("image.lock"), locked("run.lock")
    build = locked("build.lock")
    # Of what shares sessions: redis, and what it needs on the oldest Python.
    drivers = {"psycopg", "psycopg-binary", "pymysql", "redis", "async-timeout"}
    assert drivers <= image.keys()
    assert image.keys() - run.keys() == drivers
    assert {name: run[name] for name in (*image.keys() & run.keys(), *build)} == {
        name: (image | build)[name] for name in (*image.keys() & run.keys(), *build)
    }
    for name in ("image.lock", "build.lock"):
        text = (ROOT / "requirements" / name).read_text()
        assert "://" not in text
        assert text.count("\n    --hash=sha256:") >= len(locked(name))
