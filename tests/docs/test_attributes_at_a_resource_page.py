"""docs/attributes-at-a-resource.md: its blocks are configurations that are accepted, and its tables say what the settings do."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from attribute_authority.queries.settings import (
    CertificateNamesSettings,
    ExternalNamesSettings,
    PrincipalNamesSettings,
)
from attribute_authority.resolver.settings import ResolverSettings
from idp.accounts.directory import ATTRIBUTE_QUERY
from ostiary.config import write_private_file
from ostiary.policy.acceptance_document import load_acceptance_policy
from ostiary.saml.xml import MESSAGE
from sp_shire.settings import ShireSettings
from sp_shire.shar.settings import (
    AttributesFrom,
    BreakerSettings,
    Down,
    DownSettings,
    FurtherAuthoritySettings,
    QuerySettings,
)
from tests.docs.followed_page import blocks_of, inline_code, text_of
from tests.resource_settings import wiki_settings

PAGE = "attributes-at-a-resource.md"
REQUESTED = [{"name": "isMemberOf"}]


def of_file(name: str) -> list[dict[str, Any]]:
    return [
        yaml.safe_load(block.text) for block in blocks_of(PAGE) if block.language == "yaml" and block.files() == [name]
    ]


def rows(*heading: str) -> list[list[str]]:
    """The table under these headings, without its head."""
    for table in re.findall(r"(?:^\|.*\n)+", text_of(PAGE), re.MULTILINE):
        head, _, *body = [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines()]
        if head == list(heading):
            found: list[list[str]] = body
            return found
    raise AssertionError(f"no table under {heading}")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_private_file(tmp_path / "status.token", b"0123456789abcdef0123456789abcdef\n")
    return tmp_path


def settings_with(place: Path, **changes: Any) -> ShireSettings:
    return wiki_settings(place, **{"requested_attributes": REQUESTED, **changes})


def test_the_blocks_for_the_resource_make_one_configuration(place: Path) -> None:
    blocks = of_file("sp.yaml")
    assert len(blocks) == 6
    settings = settings_with(place, **{key: value for block in blocks for key, value in block.items()})
    assert settings.status.token() == b"0123456789abcdef0123456789abcdef"
    assert [one.name_id_format for one in settings.aggregation] == ["urn:oid:1.3.6.1.4.1.5923.1.1.1.6"]


def test_what_the_page_writes_out_is_what_holds_when_it_is_left_out(place: Path) -> None:
    plain = settings_with(place)
    written = settings_with(
        place, **{k: v for block in of_file("sp.yaml") for k, v in block.items() if k not in ("aggregation", "status")}
    )
    assert written.model_dump() == plain.model_dump()
    assert plain.query == QuerySettings(timeout=timedelta(seconds=5), retries=1, breaker=BreakerSettings(failures=5))
    assert plain.down == DownSettings(login="refuse", renewal="go_on")
    assert (plain.sessions.attributes, plain.sessions.attributes_at_most) == (timedelta(minutes=30), timedelta(hours=2))


def test_every_way_and_every_name_is_in_a_table() -> None:
    ways = [
        re.findall(r"`(\w+)`", row[0])[0]
        for row in rows("`attributes_from`", "with the login (push)", "asked for (pull)")
    ]
    assert ways == list(get_args(AttributesFrom))
    assert [row[0] for row in rows("", "`refuse`", "`go_on`")] == ["`login`", "`renewal`"]
    assert set(get_args(Down)) == {"refuse", "go_on"}
    for subject, written in rows("`subject`", "NameID format"):
        name = re.findall(r"`([^`]+)`", subject)[0]
        assert FurtherAuthoritySettings(authority="https://a.example", subject=name).name_id_format == written.strip(
            "`"
        )


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"more than {MESSAGE.max_bytes // 1024} KiB" in text_of(PAGE)
    assert {"/ostiary/session", "/ostiary/refresh", "/ostiary/status", "query_timeout"} <= set(inline_code(PAGE))


def test_both_ways_at_once_may_be_written_as_one_word(place: Path) -> None:
    assert settings_with(place, when_authority_is_down="go_on").down == DownSettings(login="go_on", renewal="go_on")
    assert settings_with(place, query_timeout="7s").query_time == timedelta(seconds=7)


def test_the_acceptance_rule_is_one(place: Path) -> None:
    [block] = [block for block in blocks_of(PAGE) if block.files() == ["accept.yaml"]]
    (place / "accept.yaml").write_text(block.text)
    policy = load_acceptance_policy([place / "accept.yaml"])
    assert [rule.id for rule in policy.rules] == ["tide"]


def test_the_authority_that_speaks_for_a_vo_is_configured_so(tmp_path: Path) -> None:
    [block] = of_file("aa.yaml")
    assert CertificateNamesSettings.model_validate(block["certificate_names"]).rules[0].login_name_of(
        "CN=ada,O=Home,C=DE"
    ) == ("ada@home.example.org")
    wiki = ("https://wiki.example.org/shar",)
    assert PrincipalNamesSettings.model_validate(block["principal_names"]).requesters == wiki
    assert ExternalNamesSettings.model_validate(block["external_names"]).requesters == wiki
    resolver = ResolverSettings.model_validate(block["resolver"], context={"directory": tmp_path})
    assert [connector.name for connector in resolver.connectors] == ["members", "tide"]
    assert block["resolver"]["connectors"][0]["query"] == ATTRIBUTE_QUERY
