"""docs/what-leaves-about-me.md: its blocks are good configuration, and its tables say what the rules do."""

from pathlib import Path

import pytest
import yaml

from attribute_authority.settings import AttributeAuthoritySettings, PagesSettings
from ostiary.consent.settings import ConsentSettings
from ostiary.policy.release.precedence import Precedence, load_precedence
from tests.docs.followed_page import blocks_of, inline_code, text_of

PAGE = "what-leaves-about-me.md"


def test_its_blocks_are_good_configuration(tmp_path: Path) -> None:
    aa, precedence = blocks_of(PAGE)
    assert (aa.files(), precedence.files()) == (["aa.yaml"], ["precedence.yaml"])
    settings = yaml.safe_load(aa.text)
    assert settings.keys() <= AttributeAuthoritySettings.model_fields.keys()
    PagesSettings.model_validate(settings["pages"])
    path = tmp_path / settings["precedence"]
    path.write_text(precedence.text)
    assert load_precedence(path) == Precedence(never_release=frozenset({"employeeNumber"}))


@pytest.mark.parametrize(
    "written", [code for code in inline_code(PAGE) if code.startswith(("people_may: ", "new_resources: "))]
)
def test_each_line_of_its_table_can_be_written(written: str, tmp_path: Path) -> None:
    path = tmp_path / "precedence.yaml"
    path.write_text(written)
    assert load_precedence(path) != Precedence()


def test_its_modes_of_consent_are_those_that_there_are() -> None:
    assert "`mode: off` or `inform`" in text_of(PAGE)
    for code in inline_code(PAGE):
        if code.startswith("mode: "):
            ConsentSettings.model_validate({"mode": code.removeprefix("mode: ")})
