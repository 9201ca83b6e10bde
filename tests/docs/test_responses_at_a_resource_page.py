"""docs/responses-at-a-resource.md: its blocks make a configuration, and its tables and numbers are those of the code."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from ostiary.federation.publish.about import ContactSettings
from ostiary.saml.ecp import PAOS_HEADER, PAOS_TYPE
from ostiary.saml.encryption_methods import GCM_BITS, OUR_METHODS
from ostiary.saml.xml import MESSAGE
from sp_shire.login.artifacts import WAITS
from sp_shire.login.consumers import CONSUMERS
from sp_shire.login.paos import LISTED_AT_MOST
from sp_shire.login.resolving import AT_ONCE
from sp_shire.settings import AnswerBinding, ShireSettings
from tests.docs.followed_page import blocks_of, inline_code, text_of
from tests.resource_settings import wiki_settings

PAGE = "responses-at-a-resource.md"


def settings_with(directory: Path, content: dict[str, Any]) -> ShireSettings:
    return wiki_settings(directory, **content)


def blocks() -> list[tuple[str, dict[str, Any]]]:
    """The first line of each block for the resource, and what it says."""
    return [
        (block.text.partition("\n")[0], yaml.safe_load(block.text))
        for block in blocks_of(PAGE)
        if block.files() == ["sp.yaml"]
    ]


def test_its_blocks_make_one_configuration(tmp_path: Path) -> None:
    assert len(blocks()) == 4
    settings = settings_with(tmp_path, {key: value for _, content in blocks() for key, value in content.items()})
    assert settings.allow_aes_cbc_from_legacy_partners == ("https://old.example.org/idp",)
    assert [contact.kind for contact in settings.published.contacts] == ["technical", "security"]


def test_what_it_writes_out_is_what_holds_when_it_is_left_out(tmp_path: Path) -> None:
    plain = settings_with(tmp_path, {})
    defaults = [content for first, content in blocks() if first == "# sp.yaml"]
    assert len(defaults) == 2
    written = settings_with(tmp_path, {key: value for content in defaults for key, value in content.items()})
    assert written.model_dump() == plain.model_dump()
    published = next(content for first, content in blocks() if "published" in content)["published"]
    assert settings_with(tmp_path, {"published": {"valid_for": published["valid_for"]}}) == plain


def test_its_table_names_every_way_in() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| `([\w/]+)` \| (\d+) \|", text_of(PAGE), re.MULTILINE)
    assert rows == [(name, one.handler, str(one.first_index)) for name, one in CONSUMERS.items()]
    assert tuple(name for name, *_ in rows) == get_args(AnswerBinding)


def test_its_headers_are_those_of_a_program() -> None:
    [block] = [block for block in blocks_of(PAGE) if block.language == "text"]
    assert f"PAOS: {PAOS_HEADER}" in block.lines()
    assert f"Accept: text/html, {PAOS_TYPE}" in block.lines()


def test_its_numbers_are_those_of_the_code() -> None:
    text = " ".join(text_of(PAGE).split())
    assert f"a process fetches {AT_ONCE} at once" in text
    assert f"for {WAITS.seconds // 60} minutes" in text
    assert f"Up to {LISTED_AT_MOST} home organisations" in text
    assert ("a quarter of a megabyte" in text, MESSAGE.max_bytes) == (True, 256 * 1024)


def test_its_methods_and_kinds_are_those_of_the_code() -> None:
    data = [f"AES-{GCM_BITS[one.algorithm]}-GCM" for one in OUR_METHODS if one.algorithm in GCM_BITS]
    assert f"| data | {', '.join(data)} |" in text_of(PAGE)
    for kind in get_args(ContactSettings.model_fields["kind"].annotation):
        assert kind in inline_code(PAGE)


@pytest.mark.parametrize("key", ["answers_by", "allow_aes_cbc_from_legacy_partners", "allow_unsolicited_from"])
def test_what_it_names_are_settings(key: str) -> None:
    assert key in ShireSettings.model_fields
    assert key in text_of(PAGE)
