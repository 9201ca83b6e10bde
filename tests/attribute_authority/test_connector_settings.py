"""What every connector has in its configuration: time limit, cache, stand-ins, order; and what is told when it can't work."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from attribute_authority.connectors.database import with_limits
from attribute_authority.connectors.guarded import Care, GuardedSource
from attribute_authority.connectors.settings import sources_of
from attribute_authority.resolver.resolver import Resolver
from attribute_authority.resolver.settings import ResolverSettings
from ostiary.config import DatabaseSettings, load_settings
from ostiary.errors import ConfigurationError, OstiaryError, Unavailable
from ostiary.ports import VoMemberships
from tests.ldap_directory import MemoryDirectory
from tests.ldap_server import LdapServer, listening, silent

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ISSUER = "https://idp.uni.example"


def no_vo(_: DatabaseSettings, name: str) -> VoMemberships:
    raise AssertionError(name)


def load(directory: Path, connectors: str, names: str = "") -> ResolverSettings:
    definitions = ", ".join(f"{{attribute: {name}}}" for name in names.split())
    (directory / "aa.yaml").write_text(f"connectors:\n{connectors}\ndefinitions: [{definitions}]\ncache_age: 0s\n")
    return load_settings(directory / "aa.yaml", ResolverSettings)


def told(resolver: Resolver, principal: str = "p1") -> dict[str, tuple[str, ...]]:
    return {attribute.name: attribute.texts() for attribute in resolver.resolve(principal, NOW).attributes}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "people.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            CREATE TABLE staff (id, number, description);
            INSERT INTO staff VALUES ('p1', 7, 'from the database'), ('p2', 8, NULL), ('p3', 9, 'x'), ('p3', 10, 'x');
            CREATE TABLE room (number INTEGER, room);
            INSERT INTO room VALUES (7, 'B 12'), (7, 'B 13'), (8, 'C 1');
            """
        )
    return path


STAFF = """
  - type: sql
    name: staff
    database: {{url: 'sqlite:///{file}'}}
    query: SELECT number AS employeeNumber, description FROM staff WHERE id = :principal
    columns: {{employeeNumber: employeeNumber, description: description}}
    {more}"""
ROOMS = """
  - type: sql
    name: rooms
    database: {url: 'sqlite:///people.sqlite'}
    query: SELECT room FROM room WHERE number = :number
    parameters: {number: employeeNumber}
    columns: {room: roomNumber}"""
SPARE = "\n  - {type: static, name: spare, everybody: {description: [spare]}}"


def staff(more: str = "", file: str = "people.sqlite") -> str:
    return STAFF.format(more=more, file=file)


def test_one_database_is_asked_by_what_another_one_found(tmp_path: Path, database: Path) -> None:
    resolver = load(tmp_path, staff() + ROOMS, "roomNumber").resolver(ISSUER, no_vo)
    assert told(resolver) == {"roomNumber": ("B 12", "B 13")}
    assert told(resolver, "p2") == {"roomNumber": ("C 1",)}
    assert told(resolver, "p4") == {}
    # Two numbers: it is not clear whose room is meant.
    with pytest.raises(Unavailable) as unclear:
        told(resolver, "p3")
    assert unclear.value.code == "aa.connector_parameter"
    assert unclear.value.found == "2 values (connector rooms)"
    resolver.close()


def test_a_query_may_ask_by_the_principal_and_by_what_was_found(tmp_path: Path, database: Path) -> None:
    both = ROOMS.replace("WHERE number = :number", "WHERE number = :number AND :principal = 'p1'")
    resolver = load(tmp_path, staff() + both, "roomNumber").resolver(ISSUER, no_vo)
    assert told(resolver) == {"roomNumber": ("B 12", "B 13")}
    assert told(resolver, "p2") == {}
    resolver.close()


def test_a_connector_that_stands_in_is_asked_in_the_place_of_the_other_and_not_else(
    tmp_path: Path, database: Path
) -> None:
    settings = load(tmp_path, staff("failover: [spare]") + SPARE, "description")
    resolver = settings.resolver(ISSUER, no_vo)
    assert told(resolver) == {"description": ("from the database",)}
    assert told(resolver, "p2") == {}
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DROP TABLE staff")
        connection.commit()
    resolution = resolver.resolve("p1", NOW)
    assert [attribute.texts() for attribute in resolution.attributes] == [("spare",)]
    [note] = resolution.notes
    assert (note.reason, note.source) == ("connector_failover", "staff")
    assert note.detail.startswith("spare answered instead: storage.unavailable")
    resolver.close()


def test_values_are_joined_in_the_order_in_which_connectors_are_written(tmp_path: Path, database: Path) -> None:
    before, after = (load(tmp_path, text, "description") for text in (SPARE + staff(), staff() + SPARE))
    orders = []
    for settings in (before, after):
        resolver = settings.resolver(ISSUER, no_vo)
        orders.append(told(resolver)["description"])
        resolver.close()
    assert orders == [("spare", "from the database"), ("from the database", "spare")]


def test_the_settings_of_care_reach_the_source(tmp_path: Path, database: Path) -> None:
    more = "cache_age: 1m\n    cache_size: 5\n    serve_when_down: 1h\n    pause: 3s\n    required: false"
    [source, _] = sources_of(load(tmp_path, staff(more) + SPARE).connectors, ISSUER, no_vo)
    assert isinstance(source, GuardedSource)
    assert source._care == Care(timedelta(minutes=1), 5, timedelta(hours=1), timedelta(seconds=3))
    assert (source.name, source.required, source.names) == ("staff", False, {"employeeNumber", "description"})
    source.close()


@pytest.mark.parametrize(
    ("connectors", "code", "key"),
    [
        (staff("failover: [staff]"), "aa.failover", "connectors[0].failover"),
        (staff("failover: [nobody]"), "aa.failover", "connectors[0].failover"),
        (staff("failover: [spare, spare]") + SPARE, "aa.failover", "connectors[0].failover"),
        (staff("failover: [rooms]") + ROOMS + "\n    failover: [spare]" + SPARE, "aa.failover", "connectors[0].failover"),
        (staff("failover: [rooms]") + ROOMS, "aa.connector_order", "connectors[0]"),
        (ROOMS + staff(), "aa.connector_order", "connectors[0]"),
        (staff("cache_age: 1h\n    serve_when_down: 1h"), "aa.serve_when_down", "connectors[0].serve_when_down"),
        (staff("serve_when_down: 0s"), "config.duration", "connectors[0].serve_when_down"),
        (staff("time_limit: 0s"), "config.duration", "connectors[0].time_limit"),
        (staff("cache_size: 0"), "config.wrong_value", "connectors[0].cache_size"),
        (staff("failover: spare"), "config.wrong_value", "connectors[0].failover"),
        (staff("parameters: {number: x}"), "aa.query_parameters", "connectors[0]"),
        (ROOMS.replace("{number:", "{principal:").replace(":number", ":principal"), "aa.query_parameters", "connectors[0]"),
        (ROOMS.replace("{number:", "{num ber:"), "config.wrong_value", 'connectors[0].parameters["num ber"]'),
        (SPARE.replace("everybody", "serve_when_down: 1h, everybody"), "config.unknown_key", "connectors[0].serve_when_down"),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_work_is_refused(
    tmp_path: Path, database: Path, connectors: str, code: str, key: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, connectors)
    assert (refused.value.code, refused.value.key) == (code, key)
    assert refused.value.line is not None


# Databases of other kinds: one that SQLAlchemy gets to know here.


class Elsewhere(SQLiteDialect_pysqlite):
    """A kind of database that this software has never heard of."""

    name = "elsewhere"
    supports_statement_cache = True

    def do_begin(self, dbapi_connection: Any) -> None:
        """Other drivers begin a transaction with every statement."""
        dbapi_connection.execute("BEGIN")


@pytest.fixture
def elsewhere(database: Path) -> Iterator[Path]:
    registry.register("elsewhere", __name__, "Elsewhere")
    registry.impls["elsewhere"] = lambda: Elsewhere
    yield database
    del registry.impls["elsewhere"]


def in_another(file: Path, query: str, **more: str) -> str:
    keys = "".join(f"\n    {key}: {value}" for key, value in more.items())
    return f"\n  - type: sql\n    name: staff\n    database: {{url: 'elsewhere:///{file}'}}\n    query: {query}{keys}"


def test_a_database_of_any_kind_can_be_asked(tmp_path: Path, elsewhere: Path) -> None:
    query = "SELECT description FROM staff WHERE id = :principal"
    resolver = load(tmp_path, in_another(elsewhere, query), "description").resolver(ISSUER, no_vo)
    assert told(resolver) == {"description": ("from the database",)}
    assert told(resolver, "p1' OR '1'='1") == {}
    resolver.close()


def test_what_a_database_of_another_kind_lets_be_written_is_undone(tmp_path: Path, elsewhere: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, in_another(elsewhere, "DELETE FROM staff WHERE id = :principal"), "description")
    assert (refused.value.code, refused.value.key) == ("aa.query_reads", "connectors[0]")
    # Such a thing can hide behind the first word.
    query = "WITH x AS (SELECT 1) DELETE FROM staff WHERE id = :principal RETURNING description"
    resolver = load(tmp_path, in_another(elsewhere, query), "description").resolver(ISSUER, no_vo)
    assert told(resolver) == {"description": ("from the database",)}
    resolver.close()
    with closing(sqlite3.connect(elsewhere)) as connection:
        assert connection.execute("SELECT count(*) FROM staff").fetchone() == (4,)


def test_a_database_of_another_kind_that_hangs_costs_the_time_limit(tmp_path: Path, elsewhere: Path) -> None:
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000)"
        " SELECT count(*) AS description FROM n WHERE :principal = :principal"
    )
    settings = load(tmp_path, in_another(elsewhere, endless), "description")
    short = settings.connectors[0].model_copy(update={"time_limit": timedelta(milliseconds=50)})
    [source] = sources_of([short], ISSUER, no_vo)
    assert isinstance(source, GuardedSource)
    with pytest.raises(Unavailable) as slow:
        source.ask("p1", NOW, [])
    assert slow.value.code == "aa.connector_slow"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("oracle+oracledb://ostiary:secret@db.example.org/hr", "config.database_password"),
        ("mssql+pyodbc://?odbc_connect=DRIVER%3Dx%3BPWD%3Dsecret", "config.database_password"),
        ("oracle://ostiary@db.example.org/hr?password=secret", "config.database_password"),
        ("postgresql://ostiary:secret@db.example.org/hr", "config.database_password"),
        ("nothing", "config.database_url"),
        ("", "config.database_url"),
        ("sqlite://", "config.database_url"),
    ],
)
def test_a_url_without_a_database_or_with_a_password_is_refused(tmp_path: Path, url: str, code: str) -> None:
    text = f"\n  - {{type: sql, name: s, database: {{url: '{url}'}}, query: 'SELECT :principal AS x'}}"
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, text)
    assert (refused.value.code, refused.value.key) == (code, "connectors[0].database.url")
    assert "secret" not in str(refused.value)


def test_a_kind_of_database_without_its_driver_is_named_at_the_start(tmp_path: Path) -> None:
    text = "\n  - {type: sql, name: s, database: {url: 'unheardof://a@b/c'}, query: 'SELECT :principal AS x'}"
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, text).resolver(ISSUER, no_vo)
    assert refused.value.code == "storage.driver"


@pytest.mark.parametrize(
    ("url", "limits"),
    [
        (
            "postgresql+psycopg://a@b/c",
            "connect_timeout=3&keepalives_count=3&keepalives_idle=5&keepalives_interval=2",
        ),
        ("postgresql+psycopg://a@b/c?keepalives_idle=60", "keepalives_idle=60&connect_timeout=3&keepalives_count=3"),
        ("mariadb+pymysql://a@b/c", "connect_timeout=3&read_timeout=4&write_timeout=4"),
        ("sqlite:////srv/vo.db", ""),
        ("oracle+oracledb://a@b/c", ""),
    ],
)
def test_a_server_is_reached_and_waited_for_within_bounds(url: str, limits: str) -> None:
    limited = with_limits(DatabaseSettings.model_construct(url=url), timedelta(seconds=3)).url
    before, _, after = limited.partition("?")
    assert before == url.partition("?")[0]
    assert set(after.split("&")) >= set(limits.split("&"))
    assert bool(after) is bool(limits)


# Directories.

PEOPLE = "\n  - {{type: ldap, name: people, directory: ldap.yaml, attributes: [description]{more}}}"


def ldap_file(directory: Path, *servers: str) -> None:
    (directory / "ldap.yaml").write_text(f"servers: {list(servers)}\nbase_dn: ou=people,dc=example,dc=org\n")


def test_the_next_server_is_asked_in_the_same_question_and_the_first_is_told_of(tmp_path: Path) -> None:
    directory = MemoryDirectory()
    directory.add("ada", description="from the second")
    reported: list[OstiaryError] = []
    with listening(silent) as first, listening(LdapServer(directory).talk) as second:
        ldap_file(tmp_path, first.url(), second.url())
        settings = load(tmp_path, PEOPLE.format(more=", time_limit: 2s"), "description")
        resolver = settings.resolver(ISSUER, no_vo, reported.append)
        assert told(resolver, "id-of-ada") == {"description": ("from the second",)}
        resolver.close()
    assert [problem.code for problem in reported] == ["ldap.slow"]


def test_groups_are_asked_for_as_they_are_configured(tmp_path: Path) -> None:
    directory = MemoryDirectory()
    ada = directory.add("ada")
    directory.add("staff", dn="cn=staff,ou=people,dc=example,dc=org", member=ada.dn, cn="staff")
    directory.add(
        "all", dn="cn=all,ou=people,dc=example,dc=org", member="cn=staff,ou=people,dc=example,dc=org", cn="all"
    )
    with listening(LdapServer(directory).talk) as listener:
        ldap_file(tmp_path, listener.url())
        groups = ", groups: {how: member, named_by: cn, prefix: 'urn:g:', filter: '(cn=*)', name: groups}"
        settings = load(tmp_path, PEOPLE.format(more=groups), "groups")
        resolver = settings.resolver(ISSUER, no_vo)
        assert told(resolver, "id-of-ada") == {"groups": ("urn:g:staff", "urn:g:all")}
        resolver.close()


@pytest.mark.parametrize(
    ("more", "code", "key"),
    [
        ("how: nested", "config.wrong_value", "connectors[0].groups.how"),
        ("how: member, base: groups", "ldap.dn", "connectors[0].groups.base"),
        ("how: member, filter: 'cn=x'", "ldap.filter", "connectors[0].groups.filter"),
        ("how: member, depth: 0", "config.wrong_value", "connectors[0].groups.depth"),
        ("how: member, prefix: 'a b'", "config.wrong_value", "connectors[0].groups.prefix"),
        ("named_by: cn", "config.missing_key", "connectors[0].groups.how"),
    ],
)
def test_groups_that_cannot_be_found_are_refused(tmp_path: Path, more: str, code: str, key: str) -> None:
    ldap_file(tmp_path, "ldap://localhost")
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, PEOPLE.format(more=f", groups: {{{more}}}"))
    assert (refused.value.code, refused.value.key) == (code, key)
