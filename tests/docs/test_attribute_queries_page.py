"""docs/attribute-queries.md, followed over the home organisation of docs/run-a-home-organisation.md."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from attribute_authority.queries import statuses, subjects
from attribute_authority.queries.records import REFUSED, RELEASED, STRANGERS_ROWS
from attribute_authority.settings import QUERY_PATH, AttributeAuthoritySettings
from ostiary.config import load_settings
from ostiary.saml import names
from ostiary.saml.protocol import Status
from ostiary.web.texts import Catalogue
from tests.docs.followed_page import READ_ONCE, blocks_of, check_start, follow, inline_code, make_home, run, text_of
from tests.x509 import authorities

PAGE = "attribute-queries.md"
# Configuration of another web server; tests/attribute_authority/test_who_may_ask.py sends what it would send.
WEB_SERVER = "listen 8443 ssl;"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What docs/run-a-home-organisation.md makes, and the certificate of a web server in front."""
    monkeypatch.setattr(Catalogue, "load", READ_ONCE)
    make_home(tmp_path)
    (tmp_path / "front-end.crt").write_bytes(authorities.pem(authorities.root("/CN=aa.home.example.org").certificate))
    return tmp_path


def test_the_page_can_be_followed_from_top_to_bottom(home: Path) -> None:
    headings: list[str] = []

    def check(directory: Path, heading: str) -> None:
        headings.append(heading)
        load_settings(directory / "aa.yaml", AttributeAuthoritySettings)

    follow(PAGE, home, {}, check)
    assert len(headings) == 9
    # With everything that the page says in one file.
    check_start(home)
    metadata = run("ostiary metadata home --config idp.yaml --authority aa.yaml", home)
    assert f'Location="https://aa.home.example.org:8443{QUERY_PATH}"' in metadata
    assert names.X509_SUBJECT_NAME in metadata
    assert subjects.PAIRWISE_ID_FORMAT in metadata


def test_every_block_says_what_it_is(home: Path) -> None:
    others = [block.text.splitlines()[0] for block in blocks_of(PAGE) if block.language not in ("yaml", "sh")]
    assert others == [WEB_SERVER]
    assert QUERY_PATH in text_of(PAGE)


@pytest.mark.parametrize("kind", ["back channel", "web server"])
def test_both_ways_to_have_a_back_channel_are_accepted_alone(home: Path, kind: str) -> None:
    [own, front] = [
        yaml.safe_load(block.text)["back_channel"]
        for block in blocks_of(PAGE)
        if block.language == "yaml" and "back_channel" in block.text
    ]
    assert ("listen" in own, "from_front_end" in front) == (True, True)
    configuration = yaml.safe_load((home / "aa.yaml").read_text())
    (home / "aa-tls").mkdir()
    for name in ("current.crt", "current.key"):
        (home / "aa-tls" / name).write_bytes((home / "keys" / name).read_bytes())
    configuration["back_channel"] = own if kind == "back channel" else front
    (home / "aa.yaml").write_text(yaml.safe_dump(configuration))
    settings = load_settings(home / "aa.yaml", AttributeAuthoritySettings)
    assert settings.query_location == f"https://aa.home.example.org:8443{QUERY_PATH}"


def test_the_names_and_numbers_of_the_page_are_those_of_the_code() -> None:
    code = inline_code(PAGE)
    formats = {
        names.TRANSIENT,
        names.PERSISTENT,
        subjects.PAIRWISE_ID_FORMAT,
        subjects.SUBJECT_ID_FORMAT,
        names.X509_SUBJECT_NAME,
    }
    assert {word for word in code if re.search(r"nameid-format|attribute:(pairwise|subject)-id", word)} == formats
    assert {RELEASED, REFUSED} <= set(code)
    assert f"at most {STRANGERS_ROWS} become rows" in text_of(PAGE)
    assert f'xmlns="{names.OSTIARY_TARGET}"' in text_of(PAGE)
    assert f'xmlns="{names.SAML1P}"' in text_of(PAGE)
    keys = {key for block in blocks_of(PAGE) if block.language == "yaml" for key in yaml.safe_load(block.text)}
    assert keys <= set(AttributeAuthoritySettings.model_fields)


def said(status: Status) -> str:
    return ", ".join(f"`{code.rpartition(':')[2]}`" for code in (status.code, status.detail) if code is not None)


def test_the_table_of_statuses_has_each_of_them() -> None:
    told: Callable[[Status], bool] = lambda status: f"| {said(status)}" in text_of(PAGE)  # noqa: E731
    every = [found for found in vars(statuses).values() if isinstance(found, Status)]
    assert len(every) == 5
    assert [status for status in every if not told(status)] == []
