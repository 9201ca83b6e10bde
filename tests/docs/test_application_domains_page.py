"""docs/application-domains.md: its settings are taken as they stand, its commands are run."""

from pathlib import Path

import yaml
from click.testing import CliRunner

from ostiary.command.cli import ostiary
from ostiary.config import load_settings
from ostiary.federation.read import read_unsigned_local_metadata
from sp_shire.applications import domains_of
from sp_shire.settings import ApplicationSettings, ShireSettings
from tests.docs.followed_page import blocks_of, inline_code, run

PAGE = "application-domains.md"


def test_what_it_says_about_a_host_with_two_more_applications_is_true(state: Path) -> None:
    directory = state / "library"
    settings = directory / "sp.yaml"
    (block,) = (block for block in blocks_of(PAGE) if block.language == "yaml")
    settings.write_text(f"{settings.read_text()}\n{block.text}")
    commands = [line for block in blocks_of(PAGE) if block.language == "sh" for line in block.lines()]
    whole, lab = (read_unsigned_local_metadata(run(command, directory).encode())[0] for command in commands)
    assert (whole.entity_id, lab.entity_id) == ("https://library.example/shar", "https://lab.example.org/shar")
    assert whole.sp is not None
    assert [one.index for one in whole.sp.attribute_consuming] == [0, 1]
    assert [domain.handler_path for domain in domains_of(load_settings(settings, ShireSettings))] == [
        "/archive/ostiary",
        "/lab/ostiary",
    ]


def test_its_table_names_every_setting(state: Path) -> None:
    named = set(inline_code(PAGE))
    assert set(ApplicationSettings.model_fields) - named == {"name", "path"}


def test_an_application_that_is_not_there_is_named(state: Path) -> None:
    found = CliRunner().invoke(
        ostiary, ["metadata", "sp", "--config", str(state / "library" / "sp.yaml"), "--application", "attic"]
    )
    assert found.exit_code != 0
    assert "no application domain of that name" in found.output


def test_its_settings_are_the_ones_of_the_schema() -> None:
    (block,) = (block for block in blocks_of(PAGE) if block.language == "yaml")
    assert [one["name"] for one in yaml.safe_load(block.text)["applications"]] == ["archive", "lab"]
