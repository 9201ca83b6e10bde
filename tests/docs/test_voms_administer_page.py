"""docs/voms-administer.md as it stands: its commands in their order, its table of people, and what they lead to."""

import json
from pathlib import Path

import pytest

from tests.docs.test_documents_work_as_written import as_of_today, blocks, commands, run
from tests.docs.vo_of_the_page import make_vo
from voms.administration.permissions import SINGLE

PAGE = "docs/voms-administer.md"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The VO of docs/voms.md with Ada in it, and the files that the page names."""
    [table] = blocks(PAGE, "csv")
    (tmp_path / "people.csv").write_text(as_of_today(table))
    before = ("create", "add-group /example/data", "add-member ada.pem")
    make_vo(tmp_path, {"ada": "Ada", "ben": "Ben"}, before)
    return tmp_path


def test_every_command_of_the_page_does_what_it_says(directory: Path) -> None:
    found = [command for command in commands(PAGE) if command.startswith("ostiary vo --config voms.yaml ")]
    told = [(command.removeprefix("ostiary vo --config voms.yaml "), run(command, directory)) for command in found]
    said = dict(told)
    assert said["acl /example/data"].splitlines()[0] == "role /example/Role=VO-Admin  ALL"
    assert [line.split(" ")[0] for line in said["acl /example/data"].splitlines()] == ["role", "member", "role"]
    assert (
        said["acl /example/data --default"] == said["acl /example/data/fresh"] == "role /example/Role=VO-Admin  ALL\n"
    )
    assert "CN=Ben" in said["list-members --search becker"]
    assert said["count-members"] == "2\n"
    assert said["import-members people.csv --dry-run"].endswith(
        "2 added, 0 changed, 0 unchanged, 0 refused. Nothing was written.\n"
    )
    assert said["import-members people.csv"].endswith("2 added, 0 changed, 0 unchanged, 0 refused. Written.\n")
    assert said['list-attributes --member "/C=ZZ/O=Example/CN=Cleo"'] == "nickname = cleo\n"
    assert said["list-attribute-classes"] == "nickname  unique  Name on the cluster\n"
    assert json.loads(said["show ben.pem --json"])["details"]["institution"] == "Southbank University"


def test_the_page_explains_every_permission() -> None:
    text = (ROOT / PAGE).read_text()
    assert [each.name for each in SINGLE if f"`{each.name}`" not in text] == []
