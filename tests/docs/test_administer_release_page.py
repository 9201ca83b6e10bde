"""docs/administer-release.md, followed over the home organisation of docs/run-a-home-organisation.md."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from attribute_authority.administration import desk, records, requests
from attribute_authority.service import TEXTS
from attribute_authority.settings import AttributeAuthoritySettings
from ostiary.config import load_document
from ostiary.policy.patterns import MAX_PATTERN_LENGTH
from ostiary.web.texts import Catalogue
from tests.docs.followed_page import READ_ONCE, blocks_of, check_start, follow, inline_code, make_home, run, text_of
from tests.x509 import authorities

PAGE = "administer-release.md"
HISTORY = "ostiary policy history --config aa.yaml"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What docs/run-a-home-organisation.md makes, with alice in it."""
    monkeypatch.setattr(Catalogue, "load", READ_ONCE)
    make_home(tmp_path)
    # An elliptic curve, for each start checks the primes of an RSA key.
    certificate, _ = authorities.root("/CN=home.example.org").write(tmp_path / "keys", "current")
    certificate.replace(tmp_path / "keys" / "current.crt")
    run("ostiary people --config idp.yaml create alice --no-password", tmp_path)
    run("ostiary people --config idp.yaml set-attribute alice displayName Alice", tmp_path)
    return tmp_path


def latest_change(home: Path) -> Mapping[str, str]:
    """Services have started with the policies by now."""
    check_start(home)
    return {"SERIAL": str(json.loads(run(f"{HISTORY} --json", home))[0]["serial"])}


def test_the_page_can_be_followed_from_top_to_bottom(home: Path) -> None:
    printed = follow(PAGE, home, {f"{HISTORY} --show SERIAL": latest_change})
    lint, explained, candidate, tried, changes, shown, of_people = printed.values()
    assert "1 policies looked at: 0 wrong" in lint
    assert "displayName" in explained
    assert "no rule permits it" in explained
    assert candidate.splitlines()[-2:] == lint.splitlines()[-2:]
    assert "No requests are remembered" in tried
    assert f"in place of {home / 'release.yaml'}" in tried.replace("\n", "") or "in place of release.yaml" in tried
    assert "release policies" in changes
    assert "first recorded state" in changes
    assert "What came into force at " in shown
    assert re.search(r"displayName:\s+Alice", of_people) or "Alice" in of_people
    assert "yes" in of_people


def test_every_block_says_what_it_is() -> None:
    assert {block.language for block in blocks_of(PAGE)} == {"yaml", "sh"}
    keys = {key for block in blocks_of(PAGE) if "aa.yaml" in block.files() for key in yaml.safe_load(block.text)}
    assert keys == {"administrators", "remember_requests"}
    assert keys <= set(AttributeAuthoritySettings.model_fields)


def test_the_table_of_findings_has_each_of_them_and_no_other() -> None:
    texts = load_document(TEXTS / "en" / "administration.yaml").data["pages"]["lint"]
    codes = set(texts) - {"level", "expected"}
    table = re.search(r"\| it finds .*?\n\n", text_of(PAGE), re.DOTALL)
    assert table is not None
    assert set(re.findall(r"`(\w+)`", table[0])) - {"only"} == codes


def test_the_names_and_numbers_of_the_page_are_those_of_the_code() -> None:
    actions = {f"{kind}.changed" for kind in records.KINDS} | {desk.LOOKED_AT, desk.TRIED_OUT, "person.attributes_set"}
    assert {word for word in inline_code(PAGE) if re.fullmatch(r"[a-z_]+\.[a-z_]+", word)} - {"aa.yaml"} == actions | {
        "idp.yaml"
    } - {"idp.yaml"}
    assert f"At most {requests.KEPT_AT_MOST:,} requests" in text_of(PAGE)
    assert f"more than {MAX_PATTERN_LENGTH} characters are refused" in text_of(PAGE)
    assert AttributeAuthoritySettings.model_fields["remember_requests"].default.days == 14
