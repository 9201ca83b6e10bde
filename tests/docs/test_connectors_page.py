"""docs/connectors.md: its blocks are a configuration that is accepted, and its tables say what the settings do."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from attribute_authority.connectors.groups import How
from attribute_authority.connectors.keys import AskedConnectorSettings
from attribute_authority.connectors.settings import ConnectorSettings, sources_of
from attribute_authority.resolver.settings import ResolverSettings
from ostiary.config import DatabaseSettings, load_settings, write_private_file
from ostiary.ldap.settings import LdapSettings
from ostiary.ports import VoMemberships
from tests.docs.followed_page import blocks_of, text_of

PAGE = "connectors.md"
HOME = "run-a-home-organisation.md"
NAMES = "displayName eppn isMemberOf costCentre libraryCard accessRight o eduPersonEntitlement"


def no_vo(_: DatabaseSettings, name: str) -> VoMemberships:
    class Nobody:
        def names_of(self, *_: object) -> tuple[str, ...]:
            return ()

        def close(self) -> None: ...

    assert name == "example"
    return Nobody()


def connectors() -> list[dict[str, Any]]:
    """Of every block, in their order."""
    found = []
    for block in blocks_of(PAGE):
        if block.language == "yaml":
            assert block.files() == ["aa.yaml"]
            found += yaml.safe_load(block.text)["resolver"]["connectors"]
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What the page expects to be there."""
    [directory] = [
        block.text for block in blocks_of(HOME) if block.language == "yaml" and block.text.startswith("servers:")
    ]
    (tmp_path / "ldap.yaml").write_text(directory)
    for file in ("ldap-ca.pem", "cards-ca.pem", "personnel.db", "yesterday.db"):
        (tmp_path / file).touch()
    for file in ("ldap.password", "personnel.password", "cards.token"):
        write_private_file(tmp_path / file, b"secret\n")
    return tmp_path


def test_the_blocks_of_the_page_make_one_configuration(home: Path) -> None:
    written = {"connectors": connectors(), "definitions": [{"attribute": name} for name in NAMES.split()]}
    (home / "resolver.yaml").write_text(yaml.safe_dump(written))
    settings = load_settings(home / "resolver.yaml", ResolverSettings)
    assert load_settings(home / "ldap.yaml", LdapSettings).base_dn == "ou=people,dc=example,dc=org"
    kinds = {connector.type for connector in settings.connectors}
    assert kinds == {"ldap", "sql", "http", "vo", "static"}
    told = {connector.name for connector in settings.connectors}
    assert told >= {"directory", "groups", "personnel", "card-office", "example-vo", "organisation", "entitlements"}
    # What needs no driver and no certificate is set up, too.
    local = [each for each in settings.connectors if each.name in ("personnel-copy", "organisation", "example-vo")]
    for source in sources_of(local, "https://home.example.org/idp", no_vo):
        source.close()


def test_every_kind_of_connector_is_on_the_page() -> None:
    union, _ = get_args(ConnectorSettings)
    kinds = {get_args(each.model_fields["type"].annotation)[0] for each in get_args(union)}
    rows = set(re.findall(r"^\| \[?`([a-z]+)`", text_of(PAGE).partition("## A directory")[0], re.MULTILINE))
    assert rows == kinds
    ways = set(re.findall(r"^\| `([a-z_]+)` \| (?:any|servers|Active)", text_of(PAGE), re.MULTILINE))
    assert ways == set(get_args(How))


def test_what_is_said_about_keys_that_are_left_out_is_so() -> None:
    fields = AskedConnectorSettings.model_fields
    table = text_of(PAGE).partition("These keys are the same")[2].partition("A whole resolution")[0]
    named = {name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named == set(fields) - {"name"}
    defaults = {name: field.default for name, field in fields.items() if name != "name"}
    assert defaults == {
        "required": True,
        "time_limit": timedelta(seconds=2),
        "cache_age": None,
        "cache_size": 10_000,
        "serve_when_down": None,
        "pause": timedelta(seconds=10),
        "failover": (),
    }
