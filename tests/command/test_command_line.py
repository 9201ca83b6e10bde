"""The commands of ``ostiary``: what they print, and how they say what is wrong."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ostiary.clock import SystemClock
from ostiary.command.cli import ostiary
from ostiary.command.plain_errors import plain_errors
from ostiary.command.resource import make_resource
from ostiary.command.serving import refuse_taken_port
from ostiary.command.wording import catalogue
from ostiary.config import ListenSettings
from ostiary.errors import ConfigurationError, Refusal, Unavailable
from ostiary.federation.keys import create_key_ring, load_key_ring
from ostiary.federation.model import Endpoint, Entity, IdpRole
from ostiary.federation.publish.documents import signed_aggregate
from ostiary.saml import names
from ostiary.web.log import make_log


def run(*arguments: str) -> Result:
    return CliRunner().invoke(ostiary, list(arguments), catch_exceptions=False)


def test_help_lists_every_command() -> None:
    text = run("--help").output
    for command in ("demo", "errors", "explain", "keys", "metadata", "people", "policy", "serve", "trace"):
        assert f"\n  {command}" in text


def test_what_is_wrong_reaches_the_terminal_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    message = "You are\x1b[2J\x9b1m suspended.\nReason: none.\rostiary: all is well"
    with pytest.raises(SystemExit), plain_errors():
        raise Refusal("voms.answered", expected="a certificate", found="\x1b]0;x\x07", message=message, server="vo:1")
    told = capsys.readouterr().err
    assert all(character == "\n" or character.isprintable() for character in told)
    assert "You are\\u001b[2J\\u009b1m suspended.\n            Reason: none.\n            ostiary: all is well" in told


def test_a_key_is_made_once_and_never_overwritten(tmp_path: Path) -> None:
    directory = tmp_path / "keys"
    assert run("keys", "create", str(directory), "--name", "home.example").exit_code == 0
    before = (directory / "current.key").read_bytes()
    again = run("keys", "create", str(directory), "--name", "home.example")
    assert again.exit_code == 1
    assert "key.exists" in again.stderr
    assert (directory / "current.key").read_bytes() == before
    assert (directory / "current.key").stat().st_mode & 0o777 == 0o600


def test_a_handle_key_is_made_once_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "handle.key"
    assert run("keys", "create-handle-key", str(path)).exit_code == 0
    assert len(path.read_bytes()) == 32
    assert run("keys", "create-handle-key", str(path)).exit_code == 1


@pytest.fixture
def aggregate(tmp_path: Path) -> Path:
    now = datetime.now(UTC)
    create_key_ring(tmp_path / "federation", "federation", now=now)
    ring = load_key_ring(tmp_path / "federation")
    sso = Endpoint(names.HTTP_REDIRECT, "https://home.example/sso")
    entity = Entity("https://home.example/idp", idp=IdpRole(keys=ring.published, single_sign_on=(sso,)))
    path = tmp_path / "federation.xml"
    path.write_bytes(
        signed_aggregate([entity], ring.signer, name="https://f.example", valid_until=now + timedelta(days=1))
    )
    return path


def test_good_metadata_is_listed(aggregate: Path) -> None:
    certificate = aggregate.parent / "federation" / "current.crt"
    listed = run("metadata", "verify", str(aggregate), "--certificate", str(certificate), "--list")
    assert listed.exit_code == 0
    assert listed.output.splitlines()[-2:] == [
        "https://home.example/idp  IdP  https://home.example/idp",
        "1 entity; signature and dates are good.",
    ]


def test_changed_metadata_is_refused_with_the_file_and_the_reason(aggregate: Path) -> None:
    certificate = aggregate.parent / "federation" / "current.crt"
    aggregate.write_bytes(aggregate.read_bytes().replace(b"home.example/sso", b"evil.example/sso"))
    refused = run("metadata", "verify", str(aggregate), "--certificate", str(certificate))
    assert refused.exit_code == 1
    assert str(aggregate) in refused.stderr
    assert "signature.wrong" in refused.stderr


def test_a_policy_with_a_mistyped_key_names_file_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "access.yaml"
    path.write_text("rules:\n  - id: members\n    paths: /\n    permti: {authenticated: true}\n")
    checked = run("policy", "check", "access", str(path))
    assert checked.exit_code == 1
    assert f"{path}, line 4" in checked.stderr
    assert "permti" in checked.stderr
    assert "permit" in checked.stderr


def test_a_good_policy_is_called_good(tmp_path: Path) -> None:
    path = tmp_path / "release.yaml"
    path.write_text("policies: []\n")
    assert run("policy", "check", "release", str(path)).output == f"good: {path}\n"


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("release", "use: research-and-scholarshp\n", ("line 1", "use[0]", "research-and-scholarship")),
        (
            "release",
            "policies:\n- id: p\n  for: {anyone: true}\n  when:\n    time: {from: 25:00, to: 6:00}\n  rules: [{permit: cn}]\n",
            ("line 5", "policies[0].when.time.from", "25:00"),
        ),
        ("precedence", "# all\npeople_may: [withold]\n", ("line 2", "people_may[0]", "withhold")),
    ],
)
def test_what_is_wrong_with_a_document_is_told_in_words(
    tmp_path: Path, kind: str, text: str, told: tuple[str, ...]
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    checked = run("policy", "check", kind, str(path))
    assert checked.exit_code == 1
    assert [part for part in (str(path), *told) if part not in checked.stderr] == []


def test_a_good_meta_policy_is_called_good(tmp_path: Path) -> None:
    path = tmp_path / "precedence.yaml"
    path.write_text("people_may: []\nnew_resources: [minimal]\n")
    assert run("policy", "check", "precedence", str(path)).output == f"good: {path}\n"


def test_the_list_of_errors_is_written_to_a_file_or_printed(tmp_path: Path) -> None:
    path = tmp_path / "errors.md"
    assert run("errors", "--write", str(path)).exit_code == 0
    assert path.read_text() == run("errors").output
    assert path.read_text().count("| `") == len(catalogue().error_codes)


@pytest.mark.parametrize("service", ["idp", "aa", "wayf", "sp"])
def test_a_broken_configuration_stops_a_service_before_it_listens(tmp_path: Path, service: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("entity_id: https://home.example/idp\npublic_url: http://home.example\nlistne: {port: 1}\n")
    more = {"idp": ["--authority", str(path)], "sp": ["--app", "members:app", "--port", "1"]}.get(service, [])
    stopped = run("serve", service, "--config", str(path), *more)
    assert stopped.exit_code == 1
    assert f"where:    {path}, line " in stopped.stderr
    # Every problem of the file at once: the mistyped key, and the public URL without TLS.
    assert "line 3" in stopped.stderr
    assert "listne" in stopped.stderr
    assert "line 2" in stopped.stderr
    assert "public_url" in stopped.stderr
    assert "Traceback" not in stopped.stderr


def test_an_application_that_is_wrapped_already_is_not_wrapped_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "twice.py").write_text(
        "from sp_shire import ShireMiddleware\n"
        "class Application:\n"
        "    wsgi_app = object.__new__(ShireMiddleware)\n"
        "    def __call__(self, environ, start_response): return []\n"
        "app = Application()\n"
        "wrapped = object.__new__(ShireMiddleware)\n"
    )
    monkeypatch.chdir(tmp_path)
    for name in ("twice:app", "twice:wrapped"):
        with pytest.raises(ConfigurationError) as refused:
            make_resource(tmp_path / "sp.yaml", name, log=make_log(SystemClock(), service="sp"))
        assert refused.value.code == "serve.already_protected"


def test_a_service_does_not_share_its_port_with_another_program() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = ListenSettings(port=taken.getsockname()[1])
        with pytest.raises(Unavailable) as refused:
            refuse_taken_port(listen)
        assert refused.value.code == "serve.port"
    refuse_taken_port(listen)
