"""The connector for directories: names, several values, bytes, entries that are not there; and the settings of connector and people."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from attribute_authority.connectors.ldap import LdapConnector
from attribute_authority.connectors.sources import Source
from attribute_authority.resolver.resolver import Resolver
from attribute_authority.resolver.settings import ResolverSettings
from attribute_authority.settings import AttributeAuthoritySettings, LdapPeopleSettings
from ostiary.config import DocumentError, load_settings
from ostiary.errors import Unavailable
from ostiary.ldap.people import LdapPeople
from ostiary.ldap.settings import LdapSettings
from tests.ldap_directory import BASE, MemoryDirectory
from tests.ldap_server import LdapServer, listening

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def directory() -> MemoryDirectory:
    filled = MemoryDirectory()
    filled.add(
        "ada",
        mail=["ada@example.org", "al@example.org", "ada@example.org", ""],
        cn="Ada Lovelace",
        jpegPhoto=b"\xff\xd8",
    )
    return filled  # fmt: skip


def connector(directory: MemoryDirectory, names: dict[str, str], *, binary: tuple[str, ...] = ()) -> LdapConnector:
    settings = LdapSettings.model_validate({"servers": ["ldap://localhost"], "base_dn": BASE})
    return LdapConnector(LdapPeople(directory, settings), names, binary=binary)


def test_values_are_given_in_their_order_under_the_names_that_were_chosen(directory: MemoryDirectory) -> None:
    names = {"mail": "mail", "CN": "displayName", "telephoneNumber": "telephoneNumber"}
    assert connector(directory, names).attributes("id-of-ada", NOW) == {
        "mail": ("ada@example.org", "al@example.org"),
        "displayName": ("Ada Lovelace",),
    }


def test_two_attributes_may_go_under_one_name(directory: MemoryDirectory) -> None:
    assert connector(directory, {"cn": "names", "uid": "names"}).attributes("id-of-ada", NOW) == {
        "names": ("Ada Lovelace", "ada")
    }


@pytest.mark.parametrize("principal", ["id-of-eve", "", "an embedded principal of before", "*"])
def test_somebody_without_an_entry_has_no_attributes(directory: MemoryDirectory, principal: str) -> None:
    assert connector(directory, {"mail": "mail"}).attributes(principal, NOW) == {}


def test_bytes_are_given_in_base64_where_they_are_expected(directory: MemoryDirectory) -> None:
    found = connector(directory, {"jpegPhoto": "photo"}, binary=("JPEGPHOTO",)).attributes("id-of-ada", NOW)
    assert found == {"photo": ("/9g=",)}


@pytest.mark.parametrize("value", [b"\xff\xd8", b"a\x00b", b"x" * 20_001])
def test_a_value_that_is_no_text_or_too_long_is_never_left_out_in_silence(value: bytes) -> None:
    directory = MemoryDirectory()
    directory.add("ada", description=value)
    with pytest.raises(Unavailable) as caught:
        connector(directory, {"description": "description"}).attributes("id-of-ada", NOW)
    assert caught.value.code == "aa.connector_value"
    assert "description" in caught.value.expected


def test_a_directory_that_is_down_fails_the_query_or_is_noted(directory: MemoryDirectory) -> None:
    directory.failing = Unavailable("ldap.down", expected="a server", found="none")
    source = connector(directory, {"mail": "mail"})
    with pytest.raises(Unavailable):
        Resolver([Source("people", source)], [], issuer="https://idp.example").resolve("id-of-ada", NOW)
    optional = Resolver([Source("people", source, required=False)], [], issuer="https://idp.example")
    assert [note.reason for note in optional.resolve("id-of-ada", NOW).notes] == ["connector_failed"]


LDAP = "servers: ['{url}']\nbase_dn: ou=people,dc=example,dc=org\n"
CONNECTORS = "connectors: [{{type: ldap, name: people, directory: ldap.yaml{more}}}]\ndefinitions: {definitions}\ncache_age: 0s\n"


def load(directory: Path, more: str, definitions: str = "[]", url: str = "ldap://localhost") -> ResolverSettings:
    (directory / "ldap.yaml").write_text(LDAP.format(url=url))
    (directory / "aa.yaml").write_text(CONNECTORS.format(more=more, definitions=definitions))
    return load_settings(directory / "aa.yaml", ResolverSettings)


def test_a_configuration_becomes_a_resolver_that_asks_the_directory(tmp_path: Path, directory: MemoryDirectory) -> None:
    more = ", attributes: [mail, jpegPhoto], rename: {cn: displayName}, binary: [jpegPhoto]"
    definitions = "[{attribute: mail}, {attribute: displayName}, {attribute: jpegPhoto}]"
    with listening(LdapServer(directory).talk) as listener:
        settings = load(tmp_path, more, definitions, listener.url())
        source = settings.connectors[0].connector()
        assert isinstance(source, LdapConnector)
        made = [entry.definition() for entry in settings.definitions]
        resolution = Resolver([Source("people", source)], made, issuer="https://idp.example").resolve("id-of-ada", NOW)
        source.close()
        assert {attribute.name: attribute.texts() for attribute in resolution.attributes} == {
            "mail": ("ada@example.org", "al@example.org"),
            "displayName": ("Ada Lovelace",),
            "jpegPhoto": ("/9g=",),
        }


@pytest.mark.parametrize(
    ("more", "definitions", "code", "key"),
    [
        ("", "[]", "aa.no_ldap_attributes", "connectors[0]"),
        (", attributes: [mail], binary: [cn]", "[]", "aa.ldap_binary", "connectors[0]"),
        (", attributes: [m ail]", "[]", "config.wrong_value", "connectors[0].attributes[0]"),
        (
            ", attributes: [cn], rename: {mail: m}",
            "[{attribute: mail}]",
            "aa.unknown_source",
            "definitions[0].attribute",
        ),
        (", attributes: [cn], servers: [x]", "[]", "config.unknown_key", "connectors[0].servers"),
    ],
)
def test_a_connector_that_cannot_work_is_refused(
    tmp_path: Path, more: str, definitions: str, code: str, key: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        load(tmp_path, more, definitions)
    assert (caught.value.code, caught.value.key) == (code, key)


def test_the_authority_asks_the_same_directory_who_is_active(tmp_path: Path, directory: MemoryDirectory) -> None:
    with listening(LdapServer(directory).talk) as listener:
        (tmp_path / "ldap.yaml").write_text(LDAP.format(url=listener.url()))
        settings = LdapPeopleSettings.model_validate(
            {"type": "ldap", "directory": "ldap.yaml"}, context={"directory": tmp_path}
        )
        people = settings.open(lambda _: None)
        assert people.is_active("id-of-ada")
        assert not people.is_active("id-of-eve")
        people.close()
    assert AttributeAuthoritySettings.model_fields["people"].default.type == "embedded"
