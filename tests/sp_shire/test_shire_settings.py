"""A configuration that can't be used stops the start and names file, line and key."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ostiary.config import load_settings
from ostiary.errors import ConfigurationError
from sp_shire.assembly import make_shire
from sp_shire.settings import ShireSettings
from tests.simulator import MovableClock


@pytest.fixture
def config(state: Path) -> Path:
    return state / "library" / "sp.yaml"


def changed(config: Path, key: str, value: object) -> None:
    """Sets one key, given with dots; the file keeps its order."""
    content: dict[str, Any] = yaml.safe_load(config.read_text())
    *path, last = key.split(".")
    place: Any = content
    for step in path:
        place = place[int(step)] if step.isdigit() else place.setdefault(step, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    config.write_text(yaml.safe_dump(content, sort_keys=False))


def line_of(config: Path, key: str) -> int:
    """Where a key stands in the file, read without the code under test."""
    node: Any = yaml.compose(config.read_text())
    line = 0
    for step in key.replace("[", ".").replace("]", "").split("."):
        if step.isdigit():
            node = node.value[int(step)]
            line = node.start_mark.line
        else:
            name, node = next((name, value) for name, value in node.value if name.value == step)
            line = name.start_mark.line
    return int(line) + 1


def start(config: Path) -> None:
    make_shire(config, clock=MovableClock())


def test_the_configuration_as_it_is_starts(config: Path) -> None:
    start(config)


@pytest.mark.parametrize(
    ("key", "value", "code", "named"),
    [
        ("public_url", "ftp://library.example", "config.public_url", "public_url"),
        ("public_url", "http://library.example", "config.public_url_http", "public_url"),
        ("public_url", "https://library.example/?a=b", "config.public_url", "public_url"),
        ("protected", [], "config.wrong_value", "protected"),
        ("protected", "/library", "config.wrong_value", "protected"),
        ("protected", ["library"], "config.wrong_value", "protected[0]"),
        ("protected", ["/library", "/a/../b"], "sp.protected", "protected[1]"),
        ("protected", ["/library//shelf"], "sp.protected", "protected[0]"),
        ("protected", ["/library?x"], "config.wrong_value", "protected[0]"),
        ("handler_path", "/", "config.wrong_value", "handler_path"),
        ("handler_path", "/..", "sp.protected", "handler_path"),
        ("handler_path", "/a/./b", "sp.protected", "handler_path"),
        ("handler_path", "ostiary", "config.wrong_value", "handler_path"),
        ("identity_provider", "https://northgate.example/idp", "config.one_of", "identity_provider"),
        ("workers", 2, "config.store_needed", "workers"),
        ("workers", 0, "config.wrong_value", "workers"),
        ("workers", "many", "config.wrong_value", "workers"),
        ("store", {"url": "sqlite:///a.db", "password": "x"}, "config.mistyped_key", "store.password"),
        ("store", {"url": "mongodb://x"}, "config.database_url", "store.url"),
        ("store", {"url": "postgresql://u:secret@db/x"}, "config.database_password", "store.url"),
        ("sessions.lifetime", 8, "config.duration", "sessions.lifetime"),
        ("sessions.lifetime", "0s", "config.duration", "sessions.lifetime"),
        ("sessions.idle", "an hour", "config.duration", "sessions.idle"),
        ("sessions", {"attributes": "2h", "attributes_at_most": "1h"}, "config.order", "sessions.attributes_at_most"),
        ("query_timeout", "-1s", "config.duration", "query_timeout"),
        ("environ", {"mail": "HTTP_MAIL"}, "config.environ_name", "environ"),
        ("environ", {"mail": "http-mail"}, "config.environ_name", "environ"),
        ("environ", {"mail": "REMOTE_USER"}, "config.environ_name", "environ"),
        ("environ", {"mail": "path-info"}, "config.environ_name", "environ"),
        ("environ", {"mail": "ostiary.person"}, "config.environ_name", "environ"),
        ("environ", {"mail": "cookie"}, "config.environ_name", "environ"),
        ("environ", {"mail": "Host"}, "config.environ_name", "environ"),
        ("environ", {"mail": "x", "displayName": "x"}, "config.environ_name", "environ"),
        ("environ", {"mail": "a b"}, "config.wrong_value", "environ.mail"),
        ("trust.keys", "nowhere", "config.path_directory", "trust.keys"),
        ("trust.metadata.0.file", "nowhere.xml", "config.path_file", "trust.metadata[0].file"),
        ("tls_authorities", "nowhere.pem", "config.path_file", "tls_authorities"),
        ("show_attribute_values", "perhaps", "config.wrong_value", "show_attribute_values"),
        ("protect", ["/library"], "config.mistyped_key", "protect"),
        ("favourite_colour", "blue", "config.unknown_key", "favourite_colour"),
        ("display.name", "", "config.wrong_value", "display.name"),
    ],
)
def test_a_wrong_setting_is_named_with_file_line_and_key(
    config: Path, key: str, value: object, code: str, named: str
) -> None:
    changed(config, key, value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(config, ShireSettings)
    error = refused.value
    assert (error.code, error.file, error.key) == (code, str(config), named)
    assert error.line == line_of(config, named)
    assert error.expected
    assert "secret" not in str(error)


@pytest.mark.parametrize("key", ["entity_id", "public_url", "display", "trust", "accept", "access"])
def test_a_missing_key_is_named(config: Path, key: str) -> None:
    changed(config, key, None)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(config, ShireSettings)
    assert (refused.value.code, refused.value.file, refused.value.key) == ("config.missing_key", str(config), key)
    assert refused.value.line is not None


def test_neither_a_discovery_service_nor_a_home_is_refused(config: Path) -> None:
    changed(config, "discovery_url", None)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(config, ShireSettings)
    error = refused.value
    assert (error.code, error.file, error.line) == ("config.one_of", str(config), 1)
    assert error.expected == "one of discovery_url, discovery, identity_provider"


def test_several_workers_with_a_common_store_are_accepted(config: Path) -> None:
    changed(config, "workers", 4)
    changed(config, "store", {"url": "sqlite:///sessions.db"})
    settings = load_settings(config, ShireSettings)
    assert settings.workers == 4
    assert settings.store is not None
    assert settings.store.url == f"sqlite:///{config.parent / 'sessions.db'}"


@pytest.mark.parametrize("kind", ["accept", "access"])
@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (None, "config.file_missing", None),
        ("rules:\n  - id: x\n   wrong: y\n", "config.not_yaml", 3),
        ("rules: nothing\n", "config.wrong_value", 1),
        ("\nruels: []\n", "config.mistyped_key", 2),
    ],
    ids=["missing", "not YAML", "no list", "mistyped"],
)
def test_a_policy_that_can_not_be_used_stops_the_start_and_is_named(
    config: Path, kind: str, content: str | None, code: str, line: int | None
) -> None:
    policy = config.parent / "policy.yaml"
    if content is not None:
        policy.write_text(content)
    changed(config, kind, ["policy.yaml"])
    with pytest.raises(ConfigurationError) as refused:
        start(config)
    assert (refused.value.code, refused.value.file, refused.value.line) == (code, str(policy), line)


def test_metadata_that_nobody_vouches_for_stops_the_start(config: Path) -> None:
    changed(config, "trust.metadata.0.trusted_certificates", [])
    with pytest.raises(ConfigurationError) as refused:
        start(config)
    assert refused.value.code == "metadata.untrusted_file"


def test_a_private_key_that_others_may_read_stops_the_start(config: Path) -> None:
    key = config.parent / "keys" / "current.key"
    key.chmod(0o644)
    with pytest.raises(ConfigurationError) as refused:
        start(config)
    assert refused.value.file == str(key)


def test_below_a_public_path_the_first_page_is_below_it_too(config: Path) -> None:
    from sp_shire.addresses import Addresses
    from sp_shire.login.targets import Targets
    from sp_shire.messages import Request

    changed(config, "public_url", "https://campus.example/books")
    settings = load_settings(config, ShireSettings)
    assert Targets(Addresses(settings)).of(Request("GET", "/books/ostiary/login")) == "/books/library"
