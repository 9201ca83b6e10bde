"""The page about how a login begins: each block is valid where it says it goes, and does what the page says."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ostiary.config import load_settings
from ostiary.policy.access_document import load_access_policy
from sp_shire.login.asking import LOGINS_AT_MOST
from sp_shire.login.kept_forms import FORMS_AT_MOST
from sp_shire.login.settings import LoginSettings
from sp_shire.settings import ShireSettings
from tests.docs.followed_page import Block, blocks_of, inline_code, text_of
from tests.simulator import Simulation

PAGE = "login-at-a-resource.md"
BLOCKS = [block for block in blocks_of(PAGE) if block.language == "yaml"]
WAYS = ("discovery_url", "identity_provider", "discovery")


def settings_with(federation: Simulation, block: Block, directory: Path) -> ShireSettings:
    """The settings of a resource of the demo, with those of the page."""
    content: dict[str, Any] = yaml.safe_load((federation.layout.directory("library") / "sp.yaml").read_text())
    said = yaml.safe_load(block.text)
    if any(way in said for way in WAYS):
        content = {key: value for key, value in content.items() if key not in WAYS}
    path = federation.layout.directory("library") / f"{directory.name}.yaml"
    path.write_text(yaml.safe_dump({**content, **said}))
    try:
        return load_settings(path, ShireSettings)
    finally:
        path.unlink()


def test_every_block_names_its_file() -> None:
    assert [block.files() for block in BLOCKS] == [["sp.yaml"]] * 4 + [["access.yaml"]] + [["sp.yaml"]] * 3


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.files() == ["sp.yaml"]], ids=lambda one: one.heading
)
def test_settings_of_the_page_are_valid(federation: Simulation, tmp_path: Path, block: Block) -> None:
    settings = settings_with(federation, block, tmp_path)
    for key, value in yaml.safe_load(block.text).items():
        known = getattr(settings, key)
        if key == "login":
            assert {name: getattr(known, name) for name in value} == {
                name: tuple(one) if isinstance(one, list) else one for name, one in value.items()
            }
        else:
            assert known == (tuple(value) if isinstance(value, list) else value)


def test_the_access_rules_of_the_page_are_valid(tmp_path: Path) -> None:
    (block,) = (block for block in BLOCKS if block.files() == ["access.yaml"])
    (tmp_path / "access.yaml").write_text(block.text)
    assert load_access_policy([tmp_path / "access.yaml"]) is not None


def test_the_page_names_every_setting_of_logins_and_no_other() -> None:
    rows = {name for code in inline_code(PAGE) for name in [code] if name in LoginSettings.model_fields}
    in_blocks = {key for block in BLOCKS for key in yaml.safe_load(block.text).get("login", {})}
    assert rows | in_blocks == set(LoginSettings.model_fields)


def test_the_numbers_of_the_page_are_true() -> None:
    text = " ".join(text_of(PAGE).split())
    assert LoginSettings().keep_posted_forms == 256 * 1024
    assert "That holds for 256 KiB" in text
    assert f"at most {LOGINS_AT_MOST // 1024**2} MiB and {FORMS_AT_MOST} forms" in text


def test_the_element_of_the_page_is_what_the_resource_serves(federation: Simulation) -> None:
    (block,) = (block for block in blocks_of(PAGE) if block.language == "html")
    script = federation.browser().get(federation.handler("library", "widget.js"))
    assert '<script src="/ostiary/widget.js" defer></script>' in block.text
    assert 'customElements.define("ostiary-login"' in script.text
    assert "<ostiary-login " in block.text
