"""docs/coming-from-shibboleth.md: its commands run on files of a Shibboleth IdP; the Attribute Authority takes what they write."""

import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from attribute_authority.resolver.settings import ResolverSettings
from attribute_authority.shibboleth.rule_types import RULE_TYPES
from ostiary.command.cli import ostiary
from ostiary.config import load_settings
from tests.docs.followed_page import ROOT, blocks_of, inline_code, run

PAGE = "coming-from-shibboleth.md"
FIXTURES = ROOT / "tests" / "attribute_authority" / "shibboleth" / "fixtures"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("attribute-filter.xml", "attribute-resolver.xml"):
        shutil.copy(FIXTURES / name, tmp_path)
    (tmp_path / "idp.properties").write_text("# scopes\nidp.scope = uni.example\n")
    (tmp_path / "ldap.yaml").write_text("servers: [ldap://localhost]\nbase_dn: dc=uni,dc=example\n")
    return tmp_path


def test_its_commands_write_what_a_service_takes(home: Path) -> None:
    for block in blocks_of(PAGE):
        for command in block.lines() if block.language == "sh" else ():
            run(command, home)

    section = yaml.safe_load((home / "resolver.yaml").read_text())["resolver"]
    (home / "section.yaml").write_text(yaml.safe_dump(section))
    assert len(load_settings(home / "section.yaml", ResolverSettings).definitions) == 10
    assert len(yaml.safe_load((home / "release.yaml").read_text())["policies"]) == 10


def test_the_list_looks_as_it_says(home: Path) -> None:
    words = next(block for block in blocks_of(PAGE) if block.language == "sh").lines()[0].split()[1:4]

    ran = CliRunner().invoke(
        ostiary,
        [*words[:2], str(home / words[2]), "--properties", str(home / "idp.properties")],
        catch_exceptions=False,
    )

    shown = next(block for block in blocks_of(PAGE) if block.language == "text").lines()
    assert ran.exit_code == 0
    assert shown[:-1] == [line.replace(f"{home}/", "") for line in ran.stderr.splitlines()][: len(shown) - 1]


def test_every_type_of_rule_that_is_translated_is_in_the_table() -> None:
    told = set(inline_code(PAGE))

    # The pattern's variant of a type stands for itself where it is named at all.
    unnamed = {"Outbound", "Inbound", "AuthenticationMethodRegex", "PrincipalNameRegex"}
    assert RULE_TYPES - unnamed <= told
