"""ostiary policy import-shibboleth, ostiary attributes import-shibboleth: what they print and write, and what they refuse."""

from pathlib import Path
from typing import get_args

import pytest
import yaml
from click.testing import CliRunner, Result

from attribute_authority.shibboleth.connectors import RemarkReason
from attribute_authority.shibboleth.formula import Reason
from ostiary.command.cli import ostiary

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "attribute_authority" / "shibboleth" / "fixtures"
FILTER = str(FIXTURES / "attribute-filter.xml")
OLD_FILTER = str(FIXTURES / "attribute-filter-v2.xml")
RESOLVER = str(FIXTURES / "attribute-resolver.xml")

A_PROGRAM = "it is a program, and programs are not translated"
NO_PATTERN = "no pattern means the same ((?=admin).*, because of (?=)"
DENIED_MORE = "What it would deny is denied without this condition."


def call(*words: str) -> Result:
    return CliRunner().invoke(ostiary, words, catch_exceptions=False)


def test_policies_are_printed_and_the_list_is_told_beside_them() -> None:
    ran = call("policy", "import-shibboleth", FILTER)

    assert ran.exit_code == 0
    assert yaml.safe_load(ran.stdout)["policies"][0]["id"] == "everybody"
    assert ran.stderr.splitlines() == [
        f"{FILTER}: 6 policies, which became 10.",
        "Names and scopes of attributes are taken to be as standards have them. --resolver attribute-resolver.xml says for certain.",
        "Not translated; nothing more is released because of it:",
        f"line 76: Script, policy by script, displayName: {A_PROGRAM}. What it would permit stays.",
        f"line 76: Script, policy by script, uid: {A_PROGRAM}. {DENIED_MORE}",
        f"line 81: ValueRegex, policy by script, uid: {NO_PATTERN}. {DENIED_MORE}",
    ]


def test_what_is_missing_makes_a_strict_import_fail() -> None:
    assert call("policy", "import-shibboleth", FILTER, "--strict").exit_code == 1
    assert call("attributes", "import-shibboleth", RESOLVER, "--strict").exit_code == 1


def test_options_say_what_the_file_does_not(tmp_path: Path) -> None:
    output = tmp_path / "release.yaml"

    ran = call(
        *("policy", "import-shibboleth", OLD_FILTER, "-o", str(output), "--strict"),
        *("--resolver", str(FIXTURES / "attribute-resolver-v2.xml"), "--principal-name", "uid"),
        *("--group", "urn:mace:federation.example=https://federation.example"),
    )

    assert (ran.exit_code, ran.stdout) == (0, "")
    assert ran.stderr.splitlines()[1:] == ["Everything was translated.", f"Written to {output}."]
    assert yaml.safe_load(output.read_text())["policies"][0]["rules"] == [{"permit": "mail"}]


def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    output = tmp_path / "release.yaml"
    output.write_text("mine")

    ran = call("policy", "import-shibboleth", FILTER, "-o", str(output))

    assert ran.exit_code == 1
    assert "aa.shibboleth_exists" in ran.stderr
    assert output.read_text() == "mine"


def test_properties_fill_the_file_of_the_resolver(tmp_path: Path) -> None:
    properties = tmp_path / "idp.properties"
    properties.write_text("! comment\nidp.scope=uni.example\n\n")

    ran = call("attributes", "import-shibboleth", RESOLVER, "--properties", str(properties))

    definitions = yaml.safe_load(ran.stdout)["resolver"]["definitions"]
    assert {
        "attribute": "eduPersonScopedAffiliation",
        "from": "eduPersonAffiliation",
        "scope": "uni.example",
    } in definitions


@pytest.mark.parametrize(
    ("content", "words", "line", "code"),
    [
        ('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>', ("policy",), ", line 1", "xml.doctype"),
        ("<x>", ("attributes",), ", line 1", "xml.not_well_formed"),
        ("\n<x/>", ("policy",), ", line 2", "aa.shibboleth_root"),
        ("\n<x/>", ("attributes",), ", line 2", "aa.shibboleth_root"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    content: str, words: tuple[str, ...], line: str, code: str, tmp_path: Path
) -> None:
    file = tmp_path / "file.xml"
    file.write_text(content)

    ran = call(*words, "import-shibboleth", str(file))

    assert (ran.exit_code, ran.stdout) == (1, "")
    assert f"{file}{line}" in ran.stderr
    assert f"code:     {code}" in ran.stderr


def test_broken_options_are_refused(tmp_path: Path) -> None:
    properties = tmp_path / "p"
    properties.write_text("a = b\nnothing\n")

    assert "aa.shibboleth_group" in call("policy", "import-shibboleth", FILTER, "--group", "x").stderr
    broken = call("attributes", "import-shibboleth", RESOLVER, "--properties", str(properties)).stderr
    assert "aa.shibboleth_properties" in broken
    assert "line 2" in broken


def test_every_reason_has_its_text() -> None:
    texts = yaml.safe_load((ROOT / "ostiary/command/texts/en/shibboleth.yaml").read_text())["pages"]["shibboleth"]

    assert set(texts["reason"]) == set(get_args(Reason))
    assert set(texts["resolver_reason"]) == set(get_args(RemarkReason))
