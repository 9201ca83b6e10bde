"""docs/metadata.md, "Metadata out", as it is written: the service of that configuration, and the commands around it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from ostiary.command.metadata_service import make_metadata
from ostiary.federation.keys import create_key_ring, load_key_ring
from ostiary.federation.publish.documents import unsigned_entity
from ostiary.federation.read import read_signed_metadata
from ostiary.web.log import make_log
from tests.docs.followed_page import blocks_of, run
from tests.metadata_service.conftest import home, resource

PAGE = "metadata.md"


class _Now:
    def now(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The configuration of the page, with members, and without the source that is elsewhere."""
    [text] = [block.text for block in blocks_of(PAGE) if block.files() == ["metadata.yaml"]]
    told = yaml.safe_load(text)
    assert [next(iter(source)) for source in told["trust"]["metadata"]] == ["directory", "url"]
    del told["trust"]["metadata"][1]
    (tmp_path / "metadata.yaml").write_text(yaml.safe_dump(told))
    (tmp_path / "members").mkdir()
    for name, entity in (("one", home(1)), ("two", resource(1))):
        (tmp_path / "members" / f"{name}.xml").write_bytes(unsigned_entity(entity))
    create_key_ring(tmp_path / "keys", "metadata.federation.example", now=datetime.now(UTC))
    return tmp_path


def test_the_service_of_the_page_publishes_and_answers_at_the_addresses_of_the_page(directory: Path) -> None:
    run("ostiary metadata aggregate --config metadata.yaml", directory)
    log = make_log(_Now(), service="metadata")
    app = make_metadata(directory / "metadata.yaml", clock=_Now(), log=log, on_timer=False)
    client, base = app.test_client(), "https://metadata.federation.example"
    signer = load_key_ring(directory / "keys").signer
    for path, number in (
        ("/all.xml", 2),
        ("/all/entities", 2),
        ("/role/idp.xml", 1),
        ("/entities", 2),
        ("/entities/https%3A%2F%2Fidp1.example%2Fsaml", 1),
        ("/all/entities/https%3A%2F%2Fsp1.example%2Fsaml", 1),
    ):
        answer = client.get(path, base_url=base, buffered=True)
        assert answer.status_code == 200, path
        assert len(read_signed_metadata(answer.data, [signer.public], now=datetime.now(UTC))) == number
    assert client.get("/health", base_url=base).status_code == 200


def test_a_file_is_signed_as_the_page_says(directory: Path) -> None:
    [command] = [
        line for block in blocks_of(PAGE) if block.language == "sh" for line in block.lines() if "metadata sign" in line
    ]
    (directory / "partners.xml").write_bytes(unsigned_entity(home(2)))
    run(command, directory)
    signer = load_key_ring(directory / "keys").signer
    signed = (directory / "partners-signed.xml").read_bytes()
    assert len(read_signed_metadata(signed, [signer.public], now=datetime.now(UTC))) == 1
