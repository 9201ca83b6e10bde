import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attribute_authority.resolver.settings import ResolverSettings
from ostiary.config import DatabaseSettings, load_settings
from ostiary.errors import ConfigurationError, Unavailable
from ostiary.ports import VoMemberships

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STATIC = "connectors: [{type: static, name: fixed, everybody: {o: [University], mail: [a@b]}}]\n"


def no_vo(_database: DatabaseSettings, name: str) -> VoMemberships:
    raise AssertionError(f"nobody asked for the VO {name}")


def load(directory: Path, text: str) -> ResolverSettings:
    path = directory / "aa.yaml"
    path.write_text(text)
    return load_settings(path, ResolverSettings)


def test_a_configuration_becomes_a_resolver(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "people.sqlite")) as connection:
        connection.executescript(
            "CREATE TABLE t (id, name, value); INSERT INTO t VALUES ('p1', 'affiliation', 'member'), ('p1', 'uid', 'ada');"
        )
    settings = load(
        tmp_path,
        """
connectors:
  - type: sql
    name: people
    database: {url: 'sqlite:///people.sqlite'}
    query: SELECT name, value FROM t WHERE id = :principal
    name_column: name
    value_column: value
    time_limit: 5s
  - type: static
    name: fixed
    required: false
    everybody: {o: [University]}
    people: {p1: {mail: [ada@uni.example]}}
definitions:
  - {attribute: eduPersonScopedAffiliation, from: affiliation, scope: uni.example}
  - {attribute: eduPersonPrincipalName, from: uid, scope: uni.example, merge: first}
  - {attribute: o}
  - {attribute: mail}
cache_age: 0s
""",
    )
    resolution = settings.resolver("https://idp.uni.example", open_vo=no_vo).resolve("p1", NOW)
    assert {attribute.name: attribute.texts() for attribute in resolution.attributes} == {
        "eduPersonScopedAffiliation": ("member@uni.example",),
        "eduPersonPrincipalName": ("ada@uni.example",),
        "o": ("University",),
        "mail": ("ada@uni.example",),
    }
    assert settings.cache_age == timedelta(0)


SQL = "connectors: [{type: sql, name: s, database: {url: 'sqlite:///p.sqlite'}, "


@pytest.mark.parametrize(
    ("text", "code", "key"),
    [
        (STATIC + "definitions: [{attribute: mail, from: email}]", "aa.unknown_source", "definitions[0].from"),
        (STATIC + "definitions: [{attribute: cn}]", "aa.unknown_source", "definitions[0].attribute"),
        (
            STATIC + "definitions: [{attribute: a, from: b}, {attribute: b, from: a}]",
            "aa.definition_cycle",
            "definitions[0].from",
        ),
        (
            STATIC + "definitions: [{attribute: o}, {attribute: o, from: mail}]",
            "aa.duplicate_definition",
            "definitions[1].attribute",
        ),
        (STATIC + "definitions: [{attribute: o, scope: 'a@b'}]", "config.wrong_value", "definitions[0].scope"),
        (STATIC + "definitions: [{attribute: o, form: mail}]", "config.mistyped_key", "definitions[0].form"),
        (STATIC, "config.missing_key", "definitions"),
        (
            "connectors: [{type: static, name: a}, {type: static, name: a}]\ndefinitions: []",
            "aa.duplicate_connector",
            "",
        ),
        ("connectors: [{type: nis, name: a}]\ndefinitions: []", "config.wrong_value", "connectors[0]"),
        (
            "connectors: [{type: static, name: a, values: {}}]\ndefinitions: []",
            "config.unknown_key",
            "connectors[0].values",
        ),
        (SQL + "query: SELECT 1}]\ndefinitions: []", "aa.query_parameters", "connectors[0]"),
        (SQL + "query: 'SELECT :principal, :other'}]\ndefinitions: []", "aa.query_parameters", "connectors[0]"),
        (SQL + "query: 'SELECT :principal', name_column: a}]\ndefinitions: []", "aa.query_columns", "connectors[0]"),
        (
            SQL + "query: 'SELECT :principal', name_column: a, value_column: b, columns: {a: b}}]\ndefinitions: []",
            "aa.query_columns",
            "connectors[0]",
        ),
        (
            SQL + "query: 'SELECT :principal', time_limit: 0s}]\ndefinitions: []",
            "config.duration",
            "connectors[0].time_limit",
        ),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(tmp_path: Path, text: str, code: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, text)
    assert (refused.value.code, refused.value.key) == (code, key)


def test_a_cycle_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(
            tmp_path,
            STATIC + "definitions: [{attribute: a, from: b}, {attribute: b, from: c}, {attribute: c, from: b}]",
        )
    assert refused.value.found == "b -> c -> b"


def test_a_source_that_only_the_database_knows_may_have_any_name(tmp_path: Path) -> None:
    settings = load(tmp_path, SQL + "query: 'SELECT :principal AS x'}]\ndefinitions: [{attribute: cn, from: anything}]")
    assert settings.definitions[0].source == ("anything",)
    with pytest.raises(ConfigurationError):
        load(
            tmp_path,
            SQL + "query: 'SELECT :principal AS x', columns: {x: y}}]\ndefinitions: [{attribute: cn, from: x}]",
        )


def test_a_vo_is_asked_by_what_an_earlier_connector_found(tmp_path: Path) -> None:
    asked: list[tuple[str, ...]] = []

    class Vo:
        def names_of(self, asserted_by: str, attribute: str, value: str, at: datetime) -> tuple[str, ...]:
            asked.append((asserted_by, attribute, value))
            return ("/vo", "/vo/Role=pilot")

        def close(self) -> None:
            asked.append(("closed",))

    opened: list[tuple[str, str]] = []

    def open_vo(database: DatabaseSettings, name: str) -> VoMemberships:
        opened.append((database.url, name))
        return Vo()

    settings = load(
        tmp_path,
        """
connectors:
  - {type: static, name: fixed, people: {p1: {uid: [ada]}, p2: {uid: [a, b]}}}
  - {type: vo, name: club, vo: vo, database: {url: 'sqlite:////srv/vo.db'}, identity: uid, required: true}
definitions: [{attribute: isMemberOf}]
""",
    )
    resolver = settings.resolver("https://idp.uni.example", open_vo)
    (member_of,) = resolver.resolve("p1", NOW).attributes
    assert member_of.texts() == ("/vo", "/vo/Role=pilot")
    assert resolver.resolve("p3", NOW).attributes == ()
    with pytest.raises(Unavailable) as unclear:
        resolver.resolve("p2", NOW)
    assert unclear.value.code == "aa.vo_identity"
    resolver.close()
    assert opened == [("sqlite:////srv/vo.db", "vo")]
    assert asked == [("https://idp.uni.example", "uid", "ada"), ("closed",)]


def test_a_vo_that_does_not_answer_is_noted_and_the_rest_goes_on(tmp_path: Path) -> None:
    class Down:
        def names_of(self, asserted_by: str, attribute: str, value: str, at: datetime) -> tuple[str, ...]:
            raise Unavailable("storage.unavailable")

        def close(self) -> None: ...

    settings = load(
        tmp_path,
        """
connectors:
  - {type: static, name: fixed, everybody: {uid: [ada]}}
  - {type: vo, name: club, vo: vo, database: {url: 'sqlite:////srv/vo.db'}, identity: uid}
definitions: [{attribute: uid}, {attribute: isMemberOf}]
""",
    )
    resolution = settings.resolver("https://idp.uni.example", lambda *_: Down()).resolve("p1", NOW)
    assert [attribute.name for attribute in resolution.attributes] == ["uid"]
    assert [(note.reason, note.source) for note in resolution.notes] == [("connector_failed", "club")]
