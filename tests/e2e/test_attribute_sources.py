"""Connectors at real sources: two slapds, PostgreSQL, MariaDB and Samba's Active Directory. What they say, that they are only read, and
that the time limit holds when they hang, are killed, or were restarted."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from sqlalchemy import create_engine, text

from attribute_authority.resolver.resolver import Resolution, Resolver
from attribute_authority.resolver.settings import ResolverSettings
from ostiary.command.demo.authority import DemoAuthority
from ostiary.command.demo.people import SOUTHBANK
from ostiary.command.demo.slapd import DemoDirectory, find_slapd
from ostiary.command.home import open_vo
from ostiary.config import load_settings, write_private_file
from ostiary.errors import OstiaryError, Unavailable
from ostiary.ldap.filters import Compare
from ostiary.ldap.settings import LdapSettings
from tests.database_servers import running_mariadb, running_postgresql
from tests.e2e.running_slapd import RunningSlapd, hold
from tests.e2e.samba_dc import BASE, RIGHT, SambaDc
from tests.running_demo import free_base_port

pytestmark = pytest.mark.e2e

NOW = datetime.now(UTC)
ISSUER = "https://idp.example.org"
PEOPLE = "ou=people,dc=southbank,dc=example"
GROUPS = f"ou=groups,{PEOPLE}"
DORA = f"uid=dora,{PEOPLE}"


@contextmanager
def opened(directory: Path, connectors: list[dict[str, object]], *names: str) -> Iterator[Resolver]:
    """A resolver of these connectors, as a configuration file has them; ``names`` are the attributes. It remembers nothing."""
    definitions = [{"attribute": name} for name in names]
    file = directory / "resolver.yaml"
    file.write_text(yaml.safe_dump({"connectors": connectors, "definitions": definitions, "cache_age": "0s"}))
    reported: list[OstiaryError] = []
    resolver = load_settings(file, ResolverSettings).resolver(ISSUER, open_vo, reported.append)
    try:
        yield resolver
    finally:
        resolver.close()


def told(resolution: Resolution) -> dict[str, tuple[str, ...]]:
    return {attribute.name: attribute.texts() for attribute in resolution.attributes}


def refused(resolver: Resolver, principal: str = "p1") -> tuple[str, float]:
    """The code of the problem, and the seconds that it took."""
    begun = time.monotonic()
    with pytest.raises(Unavailable) as problem:
        resolver.resolve(principal, NOW)
    return problem.value.code, time.monotonic() - begun


# Two slapds with the same people.


@pytest.fixture(scope="module")
def slapds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningSlapd, RunningSlapd]]:
    """The second one calls dora by another name, so that it can be told who answered."""
    program = find_slapd()
    assert program is not None
    directory = tmp_path_factory.mktemp("slapds")
    authority = DemoAuthority(directory / "ca")
    running = []
    try:
        for name in ("one", "two"):
            made = DemoDirectory(program, SOUTHBANK, directory / name, free_base_port(1), authority)
            if running:
                # One account for both.
                made.directory.mkdir()
                for file in ("reader.password", "administrator.password"):
                    write_private_file(made.directory / file, (running[0].directory.directory / file).read_bytes())
            made.write(datetime.now(UTC))
            slapd = RunningSlapd(made)
            running.append(slapd)
            _fill(slapd, name)
        yield running[0], running[1]
    finally:
        for slapd in running:
            if slapd.process.poll() is None:
                slapd.stop()


def _fill(slapd: RunningSlapd, name: str) -> None:
    bob = f"uid=nobody-else,{PEOPLE}"
    groups = {
        "staff": [DORA, f"cn=circle,{GROUPS}"],
        "all": [f"cn=staff,{GROUPS}", bob],
        "circle": [f"cn=all,{GROUPS}"],
        "a (b) * c": [f"cn=all,{GROUPS}"],
        "others": [bob],
    }
    with slapd.as_administrator() as connection:
        assert connection.modify(DORA, {"description": [("MODIFY_REPLACE", [f"from {name}"])]}), connection.result
        assert connection.add(GROUPS, ["organizationalUnit"]), connection.result
        for group, members in groups.items():
            assert connection.add(f"cn={group},{GROUPS}", ["groupOfNames"], {"member": members}), connection.result


def ldap_file(directory: Path, *slapds: RunningSlapd, name: str = "ldap.yaml", **changes: object) -> str:
    content = slapds[0].directory.settings() | {"servers": [slapd.directory.url for slapd in slapds], **changes}
    (directory / name).write_text(yaml.safe_dump({**content, "principal_attribute": "uid"}))
    return name


def people(**more: object) -> dict[str, object]:
    return {"type": "ldap", "name": "people", "directory": "ldap.yaml", "attributes": ["description"], **more}


@pytest.fixture
def first(slapds: tuple[RunningSlapd, RunningSlapd]) -> Iterator[RunningSlapd]:
    """The first slapd; runs again afterwards, whatever was done to it."""
    yield slapds[0]
    if slapds[0].process.poll() is not None:
        slapds[0].start()


def test_groups_in_groups_are_found_and_a_circle_ends(
    tmp_path: Path, slapds: tuple[RunningSlapd, RunningSlapd]
) -> None:
    ldap_file(tmp_path, slapds[0])
    groups = {"how": "member", "base": GROUPS, "named_by": "cn", "prefix": "urn:g:"}
    with opened(tmp_path, [people(groups=groups)], "description", "isMemberOf") as resolver:
        found = told(resolver.resolve("dora", NOW))
        assert found["description"] == ("from one",)
        assert found["isMemberOf"][:2] == ("urn:g:staff", "urn:g:all")
        assert set(found["isMemberOf"][2:]) == {"urn:g:circle", "urn:g:a (b) * c"}
        assert told(resolver.resolve("nobody-here", NOW)) == {}
    only = {**groups, "filter": "(|(cn=staff)(cn=all))", "named_by": "dn", "prefix": ""}
    with opened(tmp_path, [people(groups=only)], "isMemberOf") as resolver:
        assert told(resolver.resolve("dora", NOW)) == {"isMemberOf": (f"cn=staff,{GROUPS}", f"cn=all,{GROUPS}")}
    for bound, code in (({"depth": 1}, "aa.connector_groups"), ({"most": 2}, "aa.connector_groups")):
        with opened(tmp_path, [people(groups={**groups, **bound})], "isMemberOf") as resolver:
            assert refused(resolver, "dora")[0] == code
    with opened(tmp_path, [people(groups={**groups, "base": f"ou=none,{PEOPLE}"})], "isMemberOf") as resolver:
        assert refused(resolver, "dora")[0] == "ldap.base_dn"


def test_a_directory_that_hangs_costs_its_time_limit_and_later_no_time(tmp_path: Path, first: RunningSlapd) -> None:
    ldap_file(tmp_path, first)
    with opened(tmp_path, [people(time_limit="1s", required=False)], "description") as resolver:
        assert told(resolver.resolve("dora", NOW)) == {"description": ("from one",)}
        with first.held():
            seconds = []
            for _ in range(5):
                begun = time.monotonic()
                [note] = resolver.resolve("dora", NOW).notes
                seconds.append(time.monotonic() - begun)
                assert (note.reason, note.source) == ("connector_failed", "people")
            assert max(seconds) < 1.5
            assert seconds[3] < 0.1
            assert "aa.connector_resting" in note.detail


def test_the_next_server_answers_when_one_is_killed_in_the_middle_of_a_question(
    tmp_path: Path, slapds: tuple[RunningSlapd, RunningSlapd], first: RunningSlapd
) -> None:
    ldap_file(tmp_path, *slapds)
    with opened(tmp_path, [people(time_limit="6s")], "description") as resolver:
        hold(first.process.pid)
        killer = threading.Timer(0.5, first.process.kill)
        killer.start()
        begun = time.monotonic()
        assert told(resolver.resolve("dora", NOW)) == {"description": ("from two",)}
        assert 0.4 < time.monotonic() - begun < 3
        killer.join()
        first.process.wait(timeout=10)
        assert told(resolver.resolve("dora", NOW)) == {"description": ("from two",)}


def test_the_next_server_answers_in_the_same_question_when_one_hangs(
    tmp_path: Path, slapds: tuple[RunningSlapd, RunningSlapd], first: RunningSlapd
) -> None:
    ldap_file(tmp_path, *slapds)
    with opened(tmp_path, [people(time_limit="4s")], "description") as resolver:
        assert told(resolver.resolve("dora", NOW)) == {"description": ("from one",)}
        with first.held():
            begun = time.monotonic()
            assert told(resolver.resolve("dora", NOW)) == {"description": ("from two",)}
            assert time.monotonic() - begun < 4


def test_a_connector_with_another_directory_stands_in(
    tmp_path: Path, slapds: tuple[RunningSlapd, RunningSlapd], first: RunningSlapd
) -> None:
    ldap_file(tmp_path, first)
    ldap_file(tmp_path, slapds[1], name="copy.yaml")
    connectors = [people(failover=["copy"]), people(name="copy", directory="copy.yaml")]
    with opened(tmp_path, connectors, "description") as resolver:
        assert told(resolver.resolve("dora", NOW)) == {"description": ("from one",)}
        first.stop(signal.SIGKILL)
        resolution = resolver.resolve("dora", NOW)
        assert told(resolution) == {"description": ("from two",)}
        [note] = resolution.notes
        assert (note.reason, note.source) == ("connector_failover", "people")
        assert note.detail.startswith("copy answered instead: ldap.")
        first.start()
        again = resolver.resolve("dora", NOW)
        assert (told(again), again.notes) == ({"description": ("from one",)}, ())


# Databases.

SCHEMA = (
    "CREATE TABLE staff (id VARCHAR(40), number INTEGER, mail VARCHAR(80))",
    "INSERT INTO staff VALUES ('p1', 7, 'ada@uni.example'), ('p1', 7, 'countess@uni.example'), ('p2', 8, NULL)",
)


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL, with password, of a real database with some people in it."""
    with (running_postgresql if request.param == "postgresql" else running_mariadb)() as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            for statement in SCHEMA:
                connection.execute(text(statement))
        engine.dispose()
        yield url


def staff(directory: Path, url: str, query: str, **more: object) -> dict[str, object]:
    before, _, after = url.partition("@")
    start, _, password = before.rpartition(":")
    secret = directory / "database.password"
    if not secret.exists():
        write_private_file(secret, password.encode())
    where = {"url": f"{start}@{after}", "password_file": "database.password"}
    return {"type": "sql", "name": "staff", "database": where, "query": query, "time_limit": "1s", **more}


def asking(url: str, postgresql: str, mariadb: str) -> str:
    """What this kind of database understands, as a query about somebody."""
    return f"SELECT {postgresql if url.startswith('postgresql') else mariadb} AS description, :principal AS p"


def test_a_database_tells_several_values_and_nothing_of_others(tmp_path: Path, database: str) -> None:
    query = "SELECT mail, number FROM staff WHERE id = :principal ORDER BY mail"
    with opened(tmp_path, [staff(tmp_path, database, query)], "mail", "number") as resolver:
        expected = {"mail": ("ada@uni.example", "countess@uni.example"), "number": ("7",)}
        assert told(resolver.resolve("p1", NOW)) == expected
        assert told(resolver.resolve("p2", NOW)) == {"number": ("8",)}
        for nobody in ("p3", "p1' OR '1'='1", "%", "p1; DROP TABLE staff"):
            assert told(resolver.resolve(nobody, NOW)) == {}
    with opened(tmp_path, [staff(tmp_path, database, query, max_rows=1)], "mail") as resolver:
        assert refused(resolver)[0] == "aa.connector_too_many_rows"


def test_a_database_is_asked_by_what_another_one_found(tmp_path: Path, database: str) -> None:
    first = staff(
        tmp_path,
        database,
        "SELECT number FROM staff WHERE id = :principal",
        name="first",
        columns={"number": "staff_number"},
    )
    second = staff(tmp_path, database, "SELECT mail FROM staff WHERE number = :n", columns={"mail": "mail"})
    with opened(tmp_path, [first, {**second, "parameters": {"n": "staff_number"}}], "mail") as resolver:
        assert told(resolver.resolve("p1", NOW)) == {"mail": ("ada@uni.example", "countess@uni.example")}
        assert told(resolver.resolve("p3", NOW)) == {}


def test_nothing_can_be_written_there(tmp_path: Path, database: str) -> None:
    queries = [
        "INSERT INTO staff VALUES (:principal, 9, 'eve@uni.example')",
        "DELETE FROM staff WHERE id = :principal",
        "UPDATE staff SET id = 'x' WHERE id = :principal",
    ]
    if database.startswith("postgresql"):
        queries.append("WITH new AS (DELETE FROM staff WHERE id = :principal RETURNING mail) SELECT mail FROM new")
    for query in queries:
        with opened(tmp_path, [staff(tmp_path, database, query)], "mail") as resolver:
            # The second time the connection is one that was kept.
            for _ in range(2):
                assert refused(resolver)[0] in ("aa.connector_failed", "storage.unavailable")
    engine = create_engine(database)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM staff WHERE id IN ('p1', 'p2')")).scalar() == 3
    engine.dispose()


def test_a_query_that_takes_too_long_is_given_up_by_the_server(tmp_path: Path, database: str) -> None:
    with opened(
        tmp_path, [staff(tmp_path, database, asking(database, "pg_sleep(10)", "SLEEP(10)"), pause="0s")], "mail"
    ) as resolver:
        for _ in range(2):
            _, seconds = refused(resolver)
            assert 0.8 < seconds < 2
        time.sleep(0.5)
    engine = create_engine(database)
    running = (
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(10)%' AND pid != pg_backend_pid()"
        if database.startswith("postgresql")
        else "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"
    )
    with engine.connect() as connection:
        assert connection.execute(text(running)).scalar() == 0
    engine.dispose()


def test_a_server_that_stands_still_costs_its_time_limit_and_no_thread_for_ever(tmp_path: Path, database: str) -> None:
    query = staff(tmp_path, database, asking(database, "pg_backend_pid()", "@@pid_file"), pause="0s")
    with opened(tmp_path, [query], "description") as resolver:
        where = told(resolver.resolve("p1", NOW))["description"][0]
        process = int(where) if where.isdigit() else int(Path(where).read_text())
        hold(process)
        try:
            code, seconds = refused(resolver)
            assert code == "aa.connector_slow"
            assert seconds < 1.5
            deadline = time.monotonic() + 10
            while any(thread.name == "connector" for thread in threading.enumerate()):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            os.kill(process, signal.SIGCONT)
        assert told(resolver.resolve("p1", NOW))["description"]


def test_a_connection_that_the_server_closed_is_made_anew_within_the_same_question(
    tmp_path: Path, database: str
) -> None:
    query = "SELECT mail FROM staff WHERE id = :principal ORDER BY mail"
    with opened(tmp_path, [staff(tmp_path, database, query)], "mail") as resolver:
        before = told(resolver.resolve("p1", NOW))
        engine = create_engine(database)
        with engine.connect() as connection:
            if database.startswith("postgresql"):
                others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid() AND datname IS NOT NULL"
                connection.execute(text(others))
            else:
                mine = connection.execute(text("SELECT CONNECTION_ID()")).scalar()
                for (other,) in connection.execute(text("SELECT id FROM information_schema.processlist")).all():
                    if other != mine:
                        connection.execute(text(f"KILL {other}"))
        engine.dispose()
        assert told(resolver.resolve("p1", NOW)) == before


# Active Directory.


@pytest.mark.skipif(os.geteuid() != 0, reason="samba listens on port 389 alone, which needs root")
def test_active_directory_tells_nested_groups_in_each_way(tmp_path: Path) -> None:
    dc = SambaDc(tmp_path / "dc")
    try:
        for name in ("reader", "ada"):
            dc.add(name)
        for group in ("staff", "all", "world"):
            dc.tool("group", "add", group)
        for group, member in (("staff", "ada"), ("all", "staff"), ("world", "all"), ("staff", "world")):
            dc.tool("group", "addmembers", group, member)
        write_private_file(tmp_path / "reader.password", RIGHT.encode())
        file = {
            "servers": [f"ldaps://{dc.host}"],
            "ca_file": str(dc.ca),
            "bind_dn": f"CN=reader,CN=Users,{BASE}",
            "password_file": "reader.password",
            "base_dn": BASE,
            "principal_attribute": "objectGUID",
            "principal_encoding": "hex",
        }
        (tmp_path / "ldap.yaml").write_text(yaml.safe_dump(file))
        directory = load_settings(tmp_path / "ldap.yaml", LdapSettings).open()
        found = directory.find_by(Compare("sAMAccountName", b"ada"), ())
        directory.close()
        assert found is not None
        nested = {}
        for how in ("matching_rule", "token_groups", "member", "member_of"):
            groups = {"how": how, "named_by": "sAMAccountName"}
            with opened(tmp_path, [people(attributes=[], groups=groups)], "isMemberOf") as resolver:
                nested[how] = set(told(resolver.resolve(found.principal, NOW))["isMemberOf"])
        walked = {"staff", "all", "world"}
        assert nested["member"] == nested["member_of"] == nested["matching_rule"] == walked
        # The primary group is among the security identifiers alone.
        assert nested["token_groups"] >= {*walked, "Domain Users"}
    finally:
        dc.stop()
