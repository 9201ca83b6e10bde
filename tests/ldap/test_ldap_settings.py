"""``ldap.yaml``: what is refused before anything is sent, and by which words."""

import sys
from pathlib import Path

import pytest

from ostiary.config import DocumentError, load_settings
from ostiary.errors import ConfigurationError
from ostiary.ldap.settings import LdapSettings

GOOD = "servers: [ldaps://ldap.example.org]\nca_file: ca.pem\nbase_dn: ou=people,dc=example,dc=org\n"


def load(directory: Path, text: str) -> LdapSettings:
    (directory / "ca.pem").write_text("")
    (directory / "ldap.password").write_text("a secret\n")
    (directory / "ldap.password").chmod(0o600)
    (directory / "ldap.yaml").write_text(text)
    return load_settings(directory / "ldap.yaml", LdapSettings)


def problem(directory: Path, text: str) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        load(directory, text)
    return caught.value


def test_a_short_file_is_enough(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD)
    assert settings.principal_attribute == "entryUUID"
    assert settings.ca_file == tmp_path / "ca.pem"
    assert settings.connect_time_limit.total_seconds() == 3
    assert settings.time_limit.total_seconds() == 5


@pytest.mark.parametrize(
    "server",
    ["ldap://localhost", "ldap://127.0.0.1:1389", "ldap://[::1]:389/", "ldapi://%2Frun%2Fslapd%2Fldapi"],
)
def test_on_this_machine_no_tls_is_needed(tmp_path: Path, server: str) -> None:
    assert load(tmp_path, f"servers: ['{server}']\nbase_dn: dc=org\n").servers == (server.removesuffix("/"),)


def test_a_password_never_goes_over_the_network_in_the_open_unless_that_is_said(tmp_path: Path) -> None:
    plain = "servers: [ldaps://a.example.org, 'ldap://b.example.org:3890']\nca_file: ca.pem\nbase_dn: dc=org\n"
    refused = problem(tmp_path, plain)
    assert (refused.code, refused.found) == ("ldap.plain", "ldap://b.example.org:3890")
    assert len(load(tmp_path, plain + "allow_password_over_plain_ldap: true\n").servers) == 2
    with_tls = "servers: ['ldap://b.example.org']\nstart_tls: true\nca_file: ca.pem\nbase_dn: dc=org\n"
    assert load(tmp_path, with_tls).start_tls


@pytest.mark.parametrize(
    ("text", "code", "key"),
    [
        ("servers: []\nbase_dn: dc=org\n", "config.wrong_value", "servers"),
        ("servers: [ldaps://a]\nbase_dn: dc=org\n", "ldap.no_ca_file", ""),
        ("servers: [ldap://localhost]\nstart_tls: true\nbase_dn: dc=org\n", "ldap.no_ca_file", ""),
        ("servers: [ldaps://a]\nstart_tls: true\nca_file: ca.pem\nbase_dn: dc=org\n", "ldap.start_tls", ""),
        ("servers: ['ldapi://%2Fa']\nstart_tls: true\nca_file: ca.pem\nbase_dn: dc=org\n", "ldap.start_tls", ""),
        (GOOD + "bind_dn: cn=a,dc=org\n", "ldap.bind_pair", ""),
        (GOOD + "password_file: ldap.password\n", "ldap.bind_pair", ""),
        (GOOD + "active_filter: employeeType=left\n", "ldap.filter", "active_filter"),
        (GOOD + "principal_attribute: entry UUID\n", "config.wrong_value", "principal_attribute"),
        (GOOD + "principal_encoding: base64\n", "config.wrong_value", "principal_encoding"),
        (GOOD + "time_limit: 5\n", "config.duration", "time_limit"),
        (GOOD + "bind_password: secret\n", "config.mistyped_key", "bind_password"),
        (GOOD.replace("ou=people,dc=example,dc=org", "people"), "ldap.dn", "base_dn"),
        (GOOD.replace("ca.pem", "other.pem"), "config.path_file", "ca_file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_key(tmp_path: Path, text: str, code: str, key: str) -> None:
    found = problem(tmp_path, text)
    assert (found.code, found.key) == (code, key)
    assert found.file == str(tmp_path / "ldap.yaml")


@pytest.mark.parametrize(
    "server",
    [
        "ldap.example.org",
        "http://localhost",
        "ldaps://",
        "ldaps://a.example.org/dc=org??sub",
        "ldaps://user:secret@a.example.org",
        "ldaps://a.example.org:0",
        "ldaps://a.example.org:99999",
        "ldaps://a b",
        "ldapi://run",
        "ldap://[::1",
    ],
)
def test_what_is_no_address_of_a_directory_is_refused(tmp_path: Path, server: str) -> None:
    found = problem(tmp_path, f"servers: ['{server}']\nca_file: ca.pem\nbase_dn: dc=org\n")
    assert (found.code, found.key) == ("ldap.url", "servers[0]")
    assert "secret" not in found.found


def test_a_ca_file_without_a_certificate_is_refused_at_the_start(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD)
    with pytest.raises(ConfigurationError) as caught:
        settings.open()
    assert (caught.value.code, caught.value.file) == ("ldap.ca_file", str(tmp_path / "ca.pem"))


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [
        (b"a secret\n", 0o644, "config.private_file_mode"),
        (b"\nsecond line\n", 0o600, "ldap.password_file"),
        (b"secret \xe9\n", 0o600, "ldap.password_file"),
    ],
)
def test_a_password_file_that_others_read_or_that_is_empty_is_refused_at_the_start(
    tmp_path: Path, content: bytes, mode: int, code: str
) -> None:
    text = "servers: [ldap://localhost]\nbase_dn: dc=org\nbind_dn: cn=a,dc=org\npassword_file: ldap.password\n"
    settings = load(tmp_path, text)
    (tmp_path / "ldap.password").write_bytes(content)
    (tmp_path / "ldap.password").chmod(mode)
    with pytest.raises(ConfigurationError) as caught:
        settings.open()
    assert caught.value.code == code
    assert "secret" not in str(caught.value)


def test_without_the_library_the_start_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(tmp_path, "servers: [ldap://localhost]\nbase_dn: dc=org\n")
    for module in ("adapter", "connection"):
        monkeypatch.delitem(sys.modules, f"ostiary.ldap.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "ldap3", None)
    with pytest.raises(ModuleNotFoundError, match="ldap3"):
        settings.open()
