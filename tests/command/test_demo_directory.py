"""The demo's private slapd, as far as that can be seen without one: what is written for it, and what happens where there is none."""

import base64
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import ostiary.command.demo.slapd as demo_slapd
from attribute_authority.settings import AttributeAuthoritySettings
from idp.settings import IdpSettings
from ostiary.command.demo.federation import prepare
from ostiary.command.demo.layout import Layout
from ostiary.command.demo.people import NORTHGATE, SOUTHBANK
from ostiary.command.demo.slapd import Slapd, prepare_directory
from ostiary.config import load_settings
from ostiary.ldap.settings import LdapSettings

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
# Notes what it is called with, keeps what it is given, and leaves a database behind where it is to add people.
OBEDIENT = """#!/bin/sh
here=$(dirname "$0")
echo "$@" >> "$here/calls"
cat > "$here/given.$3"
[ "$3" = 0 ] || touch "$5/../data.new/data.mdb"
"""
REFUSING = "#!/bin/sh\necho first line >&2\necho 'slapadd: permission denied by the system' >&2\nexit 1\n"


def install(directory: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of slapd."""
    directory.mkdir(exist_ok=True)
    program = directory / "slapd"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setattr(demo_slapd, "find_slapd", lambda: Slapd(program, Path("/schemas"), Path("/modules")))
    return directory


@pytest.fixture
def layout(state: Path) -> Layout:
    """Of a demo that was started before, so that keys need not be made."""
    return Layout(state, 20_000)


def decoded(ldif: str) -> list[str]:
    """The lines of an LDIF document with the values as they are meant."""

    def line(text: str) -> str:
        name, separator, value = text.partition(":: ")
        return f"{name}: {base64.b64decode(value).decode()}" if separator else text

    return [line(text) for text in ldif.splitlines()]


def test_without_slapd_the_demo_says_so_in_one_line(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_slapd, "find_slapd", lambda: None)
    assert prepare_directory(layout, NOW) == (
        None,
        "slapd is not installed, so Southbank Institute keeps its people in the embedded directory.",
    )


def test_a_slapd_that_may_not_work_here_is_done_without(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "bin", REFUSING, monkeypatch)
    directory, why_not = prepare_directory(layout, NOW)
    assert directory is None
    assert "slapadd: permission denied by the system" in why_not
    assert "\n" not in why_not


def test_the_people_are_written_once_and_all_else_at_each_start(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = install(tmp_path / "bin", OBEDIENT, monkeypatch)
    for _ in range(2):
        directory, _ = prepare_directory(layout, NOW)
        assert directory is not None
    calls = (program / "calls").read_text().splitlines()
    assert [re.findall(r"-n (\d)", call) for call in calls] == [["0"], ["0"], ["1"], ["0"], ["0"]]
    people = decoded((program / "given.1").read_text())
    assert "dn: uid=dora,ou=people,dc=southbank,dc=example" in people
    assert "displayName: Emil Éclair" in people
    assert people.count("objectClass: eduPerson") == len(SOUTHBANK.people)
    assert not any("dora-tunes-lasers" in line for line in people)
    configuration = decoded((program / "given.0").read_text())
    assert "olcSecurity: ssf=128" in configuration
    assert "olcDisallows: bind_anon" in configuration
    assert f"olcDbDirectory: {directory.directory / 'data'}" in configuration


def test_what_is_secret_can_be_read_by_nobody_else(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "bin", OBEDIENT, monkeypatch)
    directory, _ = prepare_directory(layout, NOW)
    assert directory is not None
    assert directory.directory.stat().st_mode & 0o777 == 0o700
    for file in (directory.reader_password, directory.administrator_password, directory.certificate.key):
        assert file.stat().st_mode & 0o777 == 0o600
    assert directory.command() == (
        str(tmp_path / "bin" / "slapd"),
        "-F",
        str(directory.directory / "config"),
        "-h",
        f"ldap://127.0.0.1:{layout.ldap_port}",
        "-d",
        "stats",
    )


def test_the_home_with_a_directory_is_told_where_its_people_are(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "bin", OBEDIENT, monkeypatch)
    directory, _ = prepare_directory(layout, NOW)
    prepare(layout, [], now=NOW, directory=directory)
    here = layout.directory(SOUTHBANK.key)
    idp, authority = (
        load_settings(here / "idp.yaml", IdpSettings),
        load_settings(here / "aa.yaml", AttributeAuthoritySettings),
    )
    assert idp.people.type == authority.people.type == "ldap"
    assert idp.people.directory == here / "ldap.yaml"
    assert [connector.type for connector in authority.resolver.connectors][:2] == ["ldap", "static"]
    settings = load_settings(here / "ldap.yaml", LdapSettings)
    assert (settings.start_tls, settings.base_dn) == (True, "ou=people,dc=southbank,dc=example")
    settings.open().close()
    assert load_settings(layout.directory(NORTHGATE.key) / "idp.yaml", IdpSettings).people.type == "embedded"


def test_without_a_directory_both_homes_keep_their_people_themselves(layout: Layout) -> None:
    prepare(layout, [], now=NOW)
    for home in (NORTHGATE, SOUTHBANK):
        here = layout.directory(home.key)
        assert load_settings(here / "idp.yaml", IdpSettings).people.type == "embedded"
        assert load_settings(here / "aa.yaml", AttributeAuthoritySettings).people.type == "embedded"
        assert not (here / "ldap.yaml").exists()
