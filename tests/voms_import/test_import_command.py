"""``ostiary vo import``: a whole VO of VOMS-Admin, taken over into an empty one, with a report; the old schema stands in SQLite here."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from ostiary.errors import ConfigurationError, Missing, OstiaryError, Refusal
from ostiary.storage.engine import open_engine, reading, writing
from ostiary.x509.certificate_names import CertificateNames
from tests.voms_administration.site import NOW, Site, make_site
from tests.voms_import.old_server import OldServer, make
from voms.administration.callers import NOBODY, caller_of_certificate
from voms.administration.permissions import Permission
from voms.administration.rights import rights_of
from voms.changes import changing
from voms.memberships import Memberships
from voms.rows import vo_number
from voms.tables import vo_change, vo_invitation, vo_member, vo_member_certificate, vo_member_details

ISSUER = "CN=HV Test CA,O=HV Test,C=ZZ"
ADA = CertificateNames("CN=Ada Adams,O=HV Test,C=ZZ", ISSUER)
BEN = CertificateNames("CN=Ben,O=HV Test,C=ZZ", ISSUER)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = make_site(tmp_path)
    (tmp_path / "old.yaml").write_text("url: sqlite:///old.db\ntime_zone: Europe/Amsterdam\n")
    return made


@pytest.fixture
def old(site: Site) -> Engine:
    engine = open_engine(f"sqlite:///{site.directory}/old.db")
    make(engine)
    return engine


def change(old: Engine, work: Callable[[OldServer], None]) -> None:
    with writing(old) as connection:
        work(OldServer(connection, 5_000))


def reasons(report: Any, kind: str) -> dict[str, list[str]]:
    return {each["code"]: each["what"] for each in report[kind]}


def test_a_vo_is_taken_over_and_gives_what_the_old_one_gave(site: Site, old: Engine) -> None:
    site.told("create")
    report = site.json("import old.yaml")
    assert report["written"] is True
    assert report["release"] == "3 3.8.1"
    assert report["taken"] == {
        "groups": 3,
        "roles": 2,
        "members": 2,
        "suspended_members": 1,
        "certificates": 3,
        "suspended_certificates": 1,
        "group_memberships": 2,
        "role_assignments": 2,
        "attribute_classes": 2,
        "attributes": 3,
        "acl_entries": 18,
        "policy_versions": 2,
        "signatures": 2,
    }
    ada = Memberships(site.engine, "example").of_certificate(ADA, NOW)
    assert ada is not None
    assert [each.short() for each in ada.fqans()] == [
        "/example",
        "/example/data",
        "/example/data/raw",
        "/example/Role=VO-Admin",
        "/example/data/Role=pilot",
    ]
    # Local times of the old server, in summer and in winter; the signature counts for a year.
    assert ada.groups["/example"] == datetime(2027, 6, 1, 10, tzinfo=UTC)
    assert ada.ends == datetime(2027, 3, 21, 16, 49, 50, tzinfo=UTC)
    assert [(each.name, each.value) for each in ada.attributes] == [("nickname", "ada")]
    given = {fqan.short(): [each.value for each in values] for fqan, values in ada.group_attributes.items()}
    assert given == {"/example/data": ["10"], "/example/data/Role=pilot": ["20"]}
    assert site.json("stats")["members"]["suspended"] == 1


def test_suspensions_come_with_their_codes_and_reasons(site: Site, old: Engine) -> None:
    site.told("create --no-inheritance")
    site.told("import old.yaml")
    ben = Memberships(site.engine, "example").of_certificate(BEN, NOW)
    assert ben is not None
    assert ben.suspended == "User membership has been suspended after a security incident."
    with reading(site.engine) as connection:
        codes = connection.execute(select(vo_member.c.suspended_code).order_by(vo_member.c.suspended_code)).scalars()
        assert sorted(code or "" for code in codes) == ["", "security_incident"]
        link = vo_member_certificate
        rows = connection.execute(select(link.c.subject, link.c.suspended_reason)).all()
    held = {row.subject: row.suspended_reason for row in rows}
    # Ben's went with him; restoring him restores it.
    assert held == {
        "CN=Ada Adams,O=HV Test,C=ZZ": None,
        "CN=Ada at home,O=HV Test,C=ZZ": "Key copied.",
        "CN=Ben,O=HV Test,C=ZZ": None,
    }
    site.told("restore ben.pem")
    site.told("aup sign ben.pem")
    restored = Memberships(site.engine, "example").of_certificate(BEN, NOW)
    assert restored is not None
    assert restored.suspended is None


def test_details_are_taken_over_in_one_line_each(site: Site, old: Engine) -> None:
    site.told("create")
    report = site.json("import old.yaml")
    assert reasons(report, "changed")["detail"] == ["/C=ZZ/O=HV Test/CN=Ada Adams (1): address"]
    with reading(site.engine) as connection:
        row = connection.execute(select(vo_member_details).where(vo_member_details.c.surname == "Adams")).one()
    assert (row.given_name, row.institution, row.address) == ("Ada", "Université", "1 Road Town")
    assert (row.mail, row.phone) == ("ada@example.org", "+31 20")
    assert [each["member"] for each in site.json("list-members --search universite")] == [row.member_id]


def test_strangers_may_read_only_because_the_old_lists_said_so(site: Site, old: Engine) -> None:
    site.told("create")
    stranger = CertificateNames("CN=Stranger,O=Other,C=ZZ", "CN=Other CA,O=Other,C=ZZ")

    def may_read() -> tuple[bool, bool]:
        with reading(site.engine) as connection:
            number = vo_number(connection, "example")
            caller = caller_of_certificate(site.engine, "example", stranger, NOW)
            asked = Permission.MEMBERSHIP_READ, "/example/data"
            known = rights_of(connection, number, caller, NOW).allows(*asked)
            return known, rights_of(connection, number, NOBODY, NOW).allows(*asked)

    assert may_read() == (False, False)
    site.told("import old.yaml")
    assert may_read() == (True, False)


def test_the_role_that_managed_the_old_vo_manages_this_one(site: Site, old: Engine) -> None:
    site.told("create")
    site.told("import old.yaml")
    with reading(site.engine) as connection:
        caller = caller_of_certificate(site.engine, "example", ADA, NOW)
        rights = rights_of(connection, vo_number(connection, "example"), caller, NOW)
        assert rights.of("/example/data/raw", "pilot") == Permission.ALL


def test_nothing_comes_down_in_an_imported_vo(site: Site, old: Engine) -> None:
    site.told("create")
    changed = reasons(site.json("import old.yaml"), "changed")
    assert changed["inheritance"] == ["example"]
    ada = Memberships(site.engine, "example").of_certificate(ADA, NOW)
    assert ada is not None
    assert "/example/data/raw/Role=pilot" not in {each.short() for each in ada.fqans()}


def test_a_dry_run_tells_the_same_and_keeps_nothing(site: Site, old: Engine) -> None:
    site.told("create --no-inheritance")
    tried = site.json("import old.yaml --dry-run")
    assert tried["written"] is False
    assert site.json("count-members") == {"members": 0}
    with reading(site.engine) as connection:
        changes = len(connection.execute(select(vo_change.c.serial)).all())
    report = site.json("import old.yaml")
    assert {**report, "written": False} == tried
    with reading(site.engine) as connection:
        assert len(connection.execute(select(vo_change.c.serial)).all()) == changes + 1


def test_a_second_import_is_refused(site: Site, old: Engine) -> None:
    site.told("create")
    site.told("import old.yaml")
    assert problem(site, "import old.yaml").code == "voms.import_not_empty"
    assert site.json("count-members") == {"members": 2}


@pytest.mark.parametrize(
    "before",
    [
        "add-member ada.pem",
        "add-group /example/data",
        "add-role pilot",
        "add-attribute-class nickname",
        "set-acl-entry /example CONTAINER_READ --for authenticated",
        "aup add 1 --url https://example.org/aup",
    ],
)
def test_a_vo_in_which_something_was_done_is_not_imported_into(site: Site, old: Engine, before: str) -> None:
    site.told("create")
    site.told(before)
    assert problem(site, "import old.yaml --dry-run").code == "voms.import_not_empty"


def test_nor_is_a_vo_into_which_somebody_was_invited(site: Site, old: Engine) -> None:
    site.told("create")
    invitation = {"id": "1" * 32, "secret_key": "2" * 64, "mail": "a@example.org", "grants": "[]", "expires_at": NOW}
    with changing(site.engine, "example", "vo.invited", at=NOW, by="operator") as made:
        made.add(vo_invitation, vo_id=made.vo, **invitation)
    assert problem(site, "import old.yaml").code == "voms.import_not_empty"


def problem(site: Site, command: str) -> OstiaryError:
    error = site.run(command).exception
    assert isinstance(error, OstiaryError)
    return error


def test_a_vo_that_is_not_there_is_not_made_silently(site: Site, old: Engine) -> None:
    found = problem(site, "import old.yaml")
    assert isinstance(found, Missing)
    assert found.code == "voms.no_vo"


def test_the_database_of_another_vo_is_refused(site: Site, old: Engine) -> None:
    site.told("create")
    with writing(old) as connection:
        connection.execute(text("UPDATE `groups` SET dn = replace(dn, '/example', '/other')"))
    found = problem(site, "import old.yaml")
    assert (found.code, found.expected, found.found) == ("voms.import_other_vo", "/example", "/other")


@pytest.mark.parametrize(
    ("statement", "lacking"),
    [("DROP TABLE acl2", "no table acl2"), ("ALTER TABLE usr DROP COLUMN end_time", "no usr.end_time")],
)
def test_another_schema_is_refused(site: Site, old: Engine, statement: str, lacking: str) -> None:
    site.told("create")
    with writing(old) as connection:
        connection.execute(text(statement))
    found = problem(site, "import old.yaml")
    assert isinstance(found, Refusal)
    assert (found.code, found.found) == ("voms.import_schema", lacking)


def test_later_releases_tables_may_be_absent(site: Site, old: Engine) -> None:
    site.told("create")
    with writing(old) as connection:
        for statement in ("DROP TABLE managers", "DROP TABLE audit_event", "ALTER TABLE usr DROP COLUMN orgdb_id"):
            connection.execute(text(statement))
    assert site.json("import old.yaml")["taken"]["members"] == 2


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ("url: mariadb+pymysql://voms:secret@127.0.0.1/voms_example\n", "url"),
        ("url: sqlite:///old.db\ntime_zone: Amsterdam/Europe\n", "time_zone"),
        ("url: sqlite:///old.db\npassword: secret\n", "password"),
    ],
)
def test_settings_that_are_wrong_are_told_by_their_key(site: Site, old: Engine, settings: str, key: str) -> None:
    site.told("create")
    (site.directory / "old.yaml").write_text(settings)
    found = problem(site, "import old.yaml")
    assert isinstance(found, ConfigurationError)
    assert found.key == key
    assert "secret" not in str(found)


def test_the_words_of_the_policy_come_from_a_file_where_its_address_is_of_no_use(site: Site, old: Engine) -> None:
    site.told("create")
    (site.directory / "aup.txt").write_text("Be nice.\n")
    report = site.json("import old.yaml --policy-text aup.txt")
    assert "version_address" not in reasons(report, "changed")
    first, second = site.json("aup list")
    assert (first["version"], first["url"]) == ("1.0", "https://example.org/aup-1")
    assert (second["version"], second["in_force"], second["sign_again_days"]) == ("2.0", True, 365)


def test_without_it_the_report_says_what_people_would_see(site: Site, old: Engine) -> None:
    site.told("create")
    report = site.json("import old.yaml")
    assert reasons(report, "changed")["version_address"] == ["2.0: file:/etc/voms-admin/aup.txt"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe"])
def test_a_text_of_the_policy_that_is_none_is_refused(site: Site, old: Engine, content: bytes) -> None:
    site.told("create")
    (site.directory / "aup.txt").write_bytes(content)
    assert problem(site, "import old.yaml --policy-text aup.txt").code == "voms.import_text"


def test_people_read_the_report_in_words(site: Site, old: Engine) -> None:
    site.told("create --no-inheritance")
    change(old, lambda server: [server.member(1, 77, each) for each in range(40, 70)])
    told = site.told("import old.yaml")
    assert "From VOMS-Admin (version 3 3.8.1), taken over:" in told
    assert "  The user, group or role of this membership is missing (30)\n    m: usr 1, groups 77, roles 40\n" in told
    assert "    ... and 10 more (--json lists all)\n" in told
    assert told.endswith("Written.\n")
