"""docs/voms-service.md as it stands: its configuration and its commands, in their order."""

import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from cryptography import x509

from ostiary.clock import SystemClock
from ostiary.command.vo_service import upgrade_vo
from sp_shire.certificates.settings import CertificateSettings
from tests.x509.authorities import Extra, private_key, root
from voms.commands.group import vo_commands
from voms.several import load_vos

PAGE = (Path(__file__).parents[2] / "docs" / "voms-service.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    now = datetime.now(UTC)
    lifetimes = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=900)}
    authority = root(**lifetimes)  # type: ignore[arg-type]
    (tmp_path / "certificates").mkdir()
    authority.install(tmp_path / "certificates")
    local = [Extra(x509.SubjectAlternativeName([x509.DNSName("voms.example.org")]))]
    for name, subject in (("host", "voms.example.org"), ("new", "voms 2027"), ("ada", "Ada")):
        key = private_key("ec", f"service page {name}")
        made = authority.issue(f"/C=ZZ/O=HV Test/CN={subject}", key=key, extra=local, **lifetimes)  # type: ignore[arg-type]
        made.write(tmp_path, name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_do_what_the_page_says(site: Path) -> None:
    configuration = next(text for language, text in BLOCKS if language == "yaml" and text.startswith("# voms.yaml"))
    (site / "voms.yaml").write_text(configuration)
    assert [(each.vo, each.longest_lifetime) for each in load_vos(site / "voms.yaml")] == [
        ("physics", timedelta(hours=24)),
        ("biology", timedelta(hours=12)),
    ]
    told = []
    for line in (line for language, text in BLOCKS if language == "sh" for line in text.splitlines()):
        words = shlex.split(line)
        assert words[:2] == ["ostiary", "vo"]
        done = CliRunner().invoke(vo_commands(prepare=upgrade_vo, clock=SystemClock()), words[2:])
        assert (done.exit_code, done.exception) == (0, None), line
        told.append((line, done.output))
    chains = [output.count("NEXT CHAIN") for line, output in told if line.endswith(" lsc")]
    assert chains == [0, 1]
    shown = next(output for line, output in told if line.endswith("certificate show"))
    assert shown.startswith("in use: /C=ZZ/O=HV Test/CN=voms 2027\n")
    assert "previous: /C=ZZ/O=HV Test/CN=voms.example.org\n" in shown


def test_the_resource_takes_the_setting_as_it_is_written(tmp_path: Path) -> None:
    text = next(text for language, text in BLOCKS if language == "yaml" and text.startswith("# sp.yaml"))
    content = {"ca_directory": str(tmp_path), **yaml.safe_load(text)}
    settings = CertificateSettings.model_validate(content, context={"directory": tmp_path})
    assert [(each.vo, each.required, each.refresh) for each in settings.vo_status] == [
        ("physics", True, timedelta(minutes=1))
    ]
