"""The configuration of the ways to sign in: what is refused by key, and what each method opens as."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest

from idp.login.certificate import CertificateLogin
from idp.login.front_end import FrontEndLogin
from idp.login.in_turn import PasswordsInTurn
from idp.login.methods import PasswordLogin
from idp.login.opening import Means, open_login
from idp.settings import IdpSettings
from ostiary.clock import SystemClock
from ostiary.config import DocumentError, Sources, load_settings
from ostiary.errors import ConfigurationError
from ostiary.storage.memory import MemoryReplayStore
from ostiary.web.log import make_log
from tests.x509.authorities import root


@pytest.fixture
def files(configuration: Path) -> Path:
    """The directory of idp.yaml with everything that methods may name."""
    directory = configuration.parent
    (directory / "ca").mkdir()
    root().install(directory / "ca")
    for name, content in (
        ("http.keytab", "no keytab"),
        ("front.secret", "0123456789abcdef"),
        ("server.pem", ""),
        ("server.key", ""),
    ):
        (directory / name).write_text(content)
        (directory / name).chmod(0o600)
    (directory / "ldap.yaml").write_text("servers: [ldap://localhost]\nbase_dn: dc=example,dc=org\n")
    return directory


def written(files: Path, login: str) -> Path:
    path = files / "idp.yaml"
    path.write_text(f"{path.read_text()}\nlogin: {login}\n")
    return path


CERTIFICATE = "type: certificate, ca_directory: ca"
FRONT = "type: front_end, addresses: [127.0.0.1]"
KERBEROS = "type: kerberos, keytab: http.keytab"
PORT = "listen: {port: 1}, certificate: server.pem, key: server.key"


@pytest.mark.parametrize(
    ("login", "code", "key"),
    [
        ("{methods: []}", "config.wrong_value", "login.methods"),
        ("{methods: [{type: ntlm}]}", "config.wrong_value", "login.methods[0]"),
        (f"{{methods: [{{{FRONT}}}, {{{FRONT}}}]}}", "login.method_twice", "login"),
        ("{methods: [{type: front_end}]}", "config.trusts_everybody", "login.methods[0]"),
        ("{methods: [{type: front_end, addresses: [front]}]}", "config.network", "login.methods[0].addresses[0]"),
        ("{methods: [{type: front_end, addresses: [10.0.0.1/8]}]}", "config.network", "login.methods[0].addresses[0]"),
        (f"{{methods: [{{{FRONT}, secret_header: FrontSecret}}]}}", "config.secret_pair", "login.methods[0]"),
        (f"{{methods: [{{{FRONT}, header: Remote-User}}]}}", "config.header", "login.methods[0].header"),
        (f"{{methods: [{{{FRONT}, header: Remote_User}}]}}", "config.header", "login.methods[0].header"),
        (f"{{methods: [{{{FRONT}, pattern: '(.+)'}}]}}", "login.pattern", "login.methods[0].pattern"),
        (f"{{methods: [{{{FRONT}, pattern: '(?P<name>'}}]}}", "login.pattern", "login.methods[0].pattern"),
        (f"{{methods: [{{{FRONT}, login_name: ada}}]}}", "login.login_name", "login.methods[0].login_name"),
        (f"{{methods: [{{{FRONT}, login_name: '{{name}}{{other}}'}}]}}", "login.login_name", "login.methods[0].login_name"),
        (f"{{methods: [{{{CERTIFICATE}}}]}}", "login.certificate_source", "login.methods[0]"),
        (
            f"{{methods: [{{{CERTIFICATE}, registered: false, from_front_end: {{addresses: [127.0.0.1]}}}}]}}",
            "login.certificate_rules",
            "login.methods[0]",
        ),
        (f"{{methods: [{{{CERTIFICATE}, rules: [{{field: face}}]}}]}}", "config.wrong_value", "login.methods[0].rules[0].field"),
        ("{methods: [{type: certificate, ca_directory: none}]}", "config.path_directory", "login.methods[0].ca_directory"),
        (
            f"{{methods: [{{{CERTIFICATE}, port: {{public_url: 'http://localhost:1', {PORT}}}}}]}}",
            "login.certificate_port",
            "login.methods[0].port",
        ),
        (
            f"{{methods: [{{{CERTIFICATE}, port: {{public_url: 'https://localhost:1', {PORT}}}}}]}}",
            "login.certificate_host",
            "login",
        ),
        (f"{{methods: [{{{KERBEROS}}}]}}", "config.missing_key", "login.methods[0].realms"),
        (f"{{methods: [{{{KERBEROS}, realms: {{A.ORG: name}}}}]}}", "login.login_name", 'login.methods[0].realms["A.ORG"]'),
        (f"{{methods: [{{{KERBEROS}, realms: {{A.ORG: '{{name}}'}}, service: a}}]}}", "config.wrong_value", "login.methods[0].service"),
        (
            f"{{methods: [{{{KERBEROS}, realms: {{A.ORG: '{{name}}'}}, networks: [all]}}]}}",
            "config.network",
            "login.methods[0].networks[0]",
        ),
        ("{password_change_url: 'javascript:alert(1)'}", "login.web_address", "login.password_change_url"),
        ("{password_change_url: 'https://a@b/'}", "login.web_address", "login.password_change_url"),
        ("{password_change_url: /password}", "login.web_address", "login.password_change_url"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused_by_key(files: Path, login: str, code: str, key: str) -> None:
    with pytest.raises(DocumentError) as caught:
        load_settings(written(files, login), IdpSettings)
    assert (caught.value.code, caught.value.key) == (code, key)


def opened(files: Path, engine, login: str):
    settings = load_settings(written(files, login), IdpSettings)

    def watch(load):
        value = load(Sources())
        return lambda: value

    means = Means(
        engine,
        settings.password_hashing.passwords,
        lambda _: None,
        watch,
        MemoryReplayStore(),
        make_log(SystemClock(), service="idp"),
    )
    return open_login(settings.people, settings.login, means)


def test_without_settings_there_is_the_password_of_the_services_own_people(files: Path, engine) -> None:
    made = opened(files, engine, "{}")
    assert isinstance(made.login, PasswordLogin)
    assert made.ambient == ()


def test_methods_stand_in_the_order_of_the_configuration(files: Path, engine) -> None:
    certificate = f"{{{CERTIFICATE}, rules: [{{field: uid}}], from_front_end: {{addresses: [127.0.0.1]}}}}"
    made = opened(files, engine, f"{{methods: [{{{FRONT}}}, {certificate}, {{type: password}}]}}")
    assert [type(method) for method in made.ambient] == [FrontEndLogin, CertificateLogin]
    assert isinstance(made.login, PasswordLogin)


def test_a_further_directory_makes_two_in_turn(files: Path, engine) -> None:
    made = opened(
        files, engine, "{methods: [{type: password}, {type: password, people: {type: ldap, directory: ldap.yaml}}]}"
    )
    assert isinstance(made.login, PasswordsInTurn)
    assert made.embedded is not None


def test_without_a_password_method_nobody_logs_in_by_one_and_people_stay_known(files: Path, engine, directory) -> None:
    made = opened(files, engine, f"{{methods: [{{{FRONT}}}]}}")
    assert made.login is None
    assert not made.people.is_active("nobody")


@pytest.mark.parametrize("missing", ["gssapi", "idp.login.gss"])
def test_kerberos_without_its_library_says_which_extra_to_install(
    files: Path, engine, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delitem(sys.modules, "idp.login.gss", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigurationError) as caught:
        opened(files, engine, f"{{methods: [{{{KERBEROS}, realms: {{A.ORG: '{{name}}'}}}}]}}")
    assert (caught.value.code, caught.value.expected) == ("login.no_gssapi", "ostiary[kerberos]")


def test_limits_of_attempts_are_settings(files: Path) -> None:
    path = files / "idp.yaml"
    path.write_text(path.read_text() + "throttle: {longest_wait: 5m, for_new_addresses: 0, new_addresses: 10}\n")
    limits = load_settings(path, IdpSettings).throttle.limits()
    assert (limits.longest_wait, limits.for_new_addresses, limits.new_addresses) == (timedelta(minutes=5), 0, 10)
