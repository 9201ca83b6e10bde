"""``ostiary vo import`` from a MariaDB as VOMS-Admin leaves it (BIT columns, Latin-1), into each database that we run on."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, select, text

from ostiary.command.vo_service import MIGRATIONS
from ostiary.errors import OstiaryError, Unavailable
from ostiary.storage.engine import open_engine, reading, writing
from ostiary.storage.migrate import upgrade
from ostiary.x509.certificate_names import CertificateNames
from tests.database_servers import running_mariadb, running_postgresql
from tests.databases import emptied
from tests.voms_administration.site import NOW, Site, make_site
from tests.voms_import.old_server import CREATED, SIGNED, OldServer, make
from voms.memberships import Memberships
from voms.tables import vo_member_details

pytestmark = pytest.mark.e2e

ISSUER = "CN=HV Test CA,O=HV Test,C=ZZ"
ADA = CertificateNames("CN=Ada Adams,O=HV Test,C=ZZ", ISSUER)
MANY = 20_000
MOST_SECONDS = 60


@pytest.fixture(scope="module")
def old_url() -> Iterator[str]:
    """The old database, on a MariaDB of its own."""
    with running_mariadb() as url:
        engine = open_engine(url)
        make(engine)
        engine.dispose()
        yield url


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def new_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Where the VO will be; None: in a file."""
    servers = {"postgresql": running_postgresql, "mariadb": running_mariadb}
    with ExitStack() as stack:
        yield stack.enter_context(servers[request.param]()) if request.param in servers else None


@pytest.fixture
def site(tmp_path: Path, old_url: str, new_url: str | None) -> Iterator[Site]:
    made = make_site(tmp_path)
    write_settings(tmp_path, old_url)
    if new_url is not None:
        engine = emptied(new_url)
        upgrade(engine, MIGRATIONS)
        made = replace(made, engine=engine)
    made.told("create")
    yield made
    made.engine.dispose()


def write_settings(directory: Path, old_url: str) -> None:
    url = make_url(old_url)
    password = directory / "old.password"
    password.touch(mode=0o600)
    password.write_text(f"{url.password}\n")
    plain = f"{url.drivername}://{url.username}@{url.host}:{url.port}/{url.database}"
    (directory / "old.yaml").write_text(f"url: {plain}\npassword_file: old.password\ntime_zone: Europe/Rome\n")


@pytest.fixture
def old(old_url: str) -> Iterator[Engine]:
    engine = open_engine(old_url)
    yield engine
    engine.dispose()


def test_a_vo_comes_over_whole_after_a_dry_run(site: Site) -> None:
    tried = site.json("import old.yaml --dry-run")
    assert site.json("count-members") == {"members": 0}
    report = site.json("import old.yaml")
    assert {**report, "written": False} == tried
    counts = ("groups", "members", "suspended_members", "certificates", "suspended_certificates", "role_assignments")
    assert [report["taken"][each] for each in counts] == [3, 2, 1, 3, 1, 2]
    assert (report["taken"]["acl_entries"], report["taken"]["signatures"]) == (18, 2)
    ada = Memberships(site.engine, "example").of_certificate(ADA, NOW)
    assert ada is not None
    assert [each.short() for each in ada.fqans()] == [
        "/example",
        "/example/data",
        "/example/data/raw",
        "/example/Role=VO-Admin",
        "/example/data/Role=pilot",
    ]
    assert ada.groups["/example"] == datetime(2027, 6, 1, 10, tzinfo=UTC)
    assert ada.ends == datetime(2027, 3, 21, 16, 49, 50, tzinfo=UTC)
    [acl] = [each for each in site.json("acl /example/data") if each["kind"] == "authenticated"]
    assert acl["bits"] == 5
    with reading(site.engine) as connection:
        found = connection.execute(
            select(vo_member_details.c.institution).where(vo_member_details.c.surname == "Adams")
        )
        assert found.scalar_one() == "Université"
    error = site.run("import old.yaml").exception
    assert isinstance(error, OstiaryError)
    assert error.code == "voms.import_not_empty"


def test_a_password_that_is_wrong_is_told_without_it(site: Site) -> None:
    (site.directory / "old.password").write_text("not-the-password\n")
    error = site.run("import old.yaml").exception
    assert isinstance(error, Unavailable)
    assert "not-the-password" not in f"{error} {error.found}"
    assert site.json("count-members") == {"members": 0}


def test_many_members_come_over_in_seconds(site: Site, old: Engine) -> None:
    numbers = range(100, 100 + MANY)
    with writing(old) as connection:
        server = OldServer(connection)
        person = {"creation_time": CREATED, "email_address": "", "suspended": 0}
        server.row("usr", *({"userid": number, **person} for number in numbers))
        server.row(
            "certificate",
            *(
                {
                    "id": 10**7 + number,
                    "creation_time": CREATED,
                    "subject_string": f"/C=ZZ/O=HV Test/CN=User {number}",
                    "suspended": 0,
                    "ca_id": 1,
                    "usr_id": number,
                }
                for number in numbers
            ),
        )
        joined = [(number, group) for number in numbers for group in (1, 2)]
        server.row(
            "m",
            *({"mapping_id": 10**7 + at, "gid": group, "userid": number} for at, (number, group) in enumerate(joined)),
        )
        signed = {"aup_version_id": 2, "valid": 1, "last_acceptance_date": SIGNED}
        server.row("aup_acc_record", *({"id": 10**7 + number, "usr_id": number, **signed} for number in numbers))
    try:
        begun = time.monotonic()
        report = site.json("import old.yaml")
        assert time.monotonic() - begun < MOST_SECONDS
        assert report["taken"]["members"] == MANY + 2
        assert report["taken"]["group_memberships"] == MANY + 2
        assert report["taken"]["signatures"] == MANY + 2
        names = CertificateNames(f"CN=User {99 + MANY},O=HV Test,C=ZZ", ISSUER)
        last = Memberships(site.engine, "example").of_certificate(names, NOW)
        assert last is not None
        assert sorted(last.groups) == ["/example", "/example/data"]
    finally:
        with writing(old) as connection:
            for statement in (
                "DELETE FROM usr WHERE userid >= 100",
                "DELETE FROM certificate WHERE id >= 10000000",
                "DELETE FROM m WHERE mapping_id >= 10000000",
                "DELETE FROM aup_acc_record WHERE id >= 10000000",
            ):
                connection.execute(text(statement))
