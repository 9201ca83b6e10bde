"""A database of the release before archives keeps what it holds, and its history; the migrated schema is that of the code."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData, Table, insert, inspect, select

from ostiary import audit
from ostiary.audit.tables import MIGRATIONS as AUDIT_MIGRATIONS
from ostiary.storage.engine import open_engine, reading, writing
from ostiary.storage.migrate import MIGRATIONS as STORAGE_MIGRATIONS
from ostiary.storage.migrate import upgrade
from ostiary.storage.types import UtcDateTime
from ostiary.x509.certificate_names import CertificateNames
from tests.databases import DATABASES, emptied
from voms.directory import VoDirectory
from voms.history import Past, deeds, history_of
from voms.memberships import Memberships
from voms.people import FederatedIdentity
from voms.tables import ARCHIVES, metadata
from voms.tables import MIGRATIONS as VOMS_MIGRATIONS

BEGIN = datetime(2025, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ADA, BOB = "a" * 32, "b" * 32
NAMES = CertificateNames("CN=Ada,C=ZZ", "CN=CA,C=ZZ")
ADAS = FederatedIdentity("https://home.example/idp", "eduPersonPrincipalName", "ada@home.example")
SHARED = [STORAGE_MIGRATIONS, AUDIT_MIGRATIONS]


class Before:
    """The VO as the release before wrote it: each change a day after the other."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        found = MetaData()
        found.reflect(connection)
        for table in found.tables.values():
            for column in table.columns:
                if column.name.endswith(("_at", "_from", "_to")):
                    column.type = UtcDateTime()
        self.tables: dict[str, Table] = dict(found.tables)
        self.at = BEGIN
        self._numbers: dict[str, int] = {}

    def event(self, action: str, subject: str | None = None, **facts: object) -> dict[str, Any]:
        self.at += DAY
        told = {"vo": "old", **facts}
        serial = audit.record(
            self._connection, at=self.at, writer="voms", actor="operator", action=action, subject=subject, facts=told
        )
        return {"serial": serial, "at": self.at}

    def add(self, to: str, event: dict[str, Any], ended: dict[str, Any] | None = None, /, **values: object) -> int:
        table = self.tables[to]
        row = {**values, "created_serial": event["serial"], "created_at": event["at"]}
        if "live" in table.c:
            row["live"] = True if ended is None else None
        if ended is not None:
            row |= {"deleted_serial": ended["serial"], "deleted_at": ended["at"]}
        if "id" not in row:
            self._numbers[to] = row["id"] = self._numbers.get(to, 0) + 1
        self._connection.execute(insert(table).values(**row))
        return self._numbers.get(to, 0)


def write_before(connection: Connection) -> None:
    """Days: 1 created; 2 group; 3 role; 4 Ada; 5 joins; 6 role; 7 suspended; 8 restored; 9 Bob; 10 he joins; 11 he leaves; 12 attribute;
    13 inheritance off; 14 he is suspended; 15 group gone; 16 Ada's identity; a certificate was issued."""
    old = Before(connection)
    created = old.event("vo.created", inherits=True)
    number = old.add("vo", created, name="old", inherits=False)
    root = old.add("vo_group", created, vo_id=number, path="/old", description="", optional=False)
    made = old.event("vo.group_added", group="/old/data")
    data = old.add("vo_group", made, vo_id=number, path="/old/data", description="Data", optional=True)
    old.add("vo_group_parent", made, group_id=data, parent_id=root)
    role = old.add("vo_role", old.event("vo.role_added", role="pilot"), vo_id=number, name="pilot")
    came = old.event("vo.member_added", ADA)
    old.add("vo_member", came, id=ADA, vo_id=number, valid_from=came["at"], valid_to=came["at"] + 3_650 * DAY)
    known = {"names_key": NAMES.key, "subject": NAMES.subject, "issuer": NAMES.issuer}
    old.add("vo_member_certificate", came, vo_id=number, member_id=ADA, **known)
    joined = old.event("vo.group_joined", ADA, group="/old/data")
    old.add("vo_group_membership", joined, member_id=ADA, group_id=data, valid_from=joined["at"])
    given = old.event("vo.role_assigned", ADA, group="/old/data", role="pilot")
    of_role = {"member_id": ADA, "group_id": data, "role_id": role, "valid_from": given["at"]}
    old.add("vo_role_assignment", given, **of_role, recurs=None)
    old.event("vo.member_suspended", ADA)
    old.event("vo.member_restored", ADA)
    bob = old.event("vo.member_added", BOB)
    reason = {"suspended_reason": "A lost key."}
    old.add("vo_member", bob, id=BOB, vo_id=number, valid_from=bob["at"], valid_to=None, **reason)
    bobs, left = (
        old.event("vo.group_joined", BOB, group="/old/data"),
        old.event("vo.group_left", BOB, group="/old/data"),
    )
    old.add("vo_group_membership", bobs, left, member_id=BOB, group_id=data, valid_from=bobs["at"])
    told = old.event("vo.attribute_set", ADA, attribute="nickname")
    old.add("vo_attribute", told, vo_id=number, member_id=ADA, name="nickname", value="ada")
    old.event("vo.inheritance_changed", inherits=False)
    old.event("vo.member_suspended", BOB)
    gone = old.event("vo.group_removed", group="/old/gone")
    old.add("vo_group", made, gone, vo_id=number, path="/old/gone", description="", optional=False)
    linked = old.event("vo.identity_linked", ADA)
    named = {"asserted_by": ADAS.asserted_by, "attribute": ADAS.attribute, "value": ADAS.value}
    old.add("vo_member_identity", linked, vo_id=number, member_id=ADA, identity_key=ADAS.key, **named)
    old.event("vo.certificate_issued", ADA, fqans=["/old"])


@pytest.fixture(params=sorted(DATABASES), scope="module")
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The database of the release before, after the upgrade; what tests change in it, they change on day 40."""
    tmp_path = tmp_path_factory.mktemp("migrated")
    before = tmp_path / "before"
    before.mkdir()
    for path in sorted(VOMS_MIGRATIONS.glob("voms_000[12]_*.py")):
        shutil.copy(path, before)
    url = DATABASES[request.param](tmp_path)
    engine = open_engine(url) if request.param == "sqlite" else emptied(url)
    upgrade(engine, [*SHARED, before])
    with writing(engine) as connection:
        write_before(connection)
    upgrade(engine, [*SHARED, VOMS_MIGRATIONS])
    yield engine
    engine.dispose()


def on(days: float) -> datetime:
    return BEGIN + days * DAY


def test_what_members_have_is_what_they_had(migrated: Engine) -> None:
    memberships = Memberships(migrated, "old")
    for standing in (memberships.of_certificate(NAMES, on(30)), memberships.of_identity(ADAS, on(30))):
        assert standing is not None
        assert standing.member == ADA
        assert [fqan.short() for fqan in standing.fqans()] == ["/old", "/old/data", "/old/data/Role=pilot"]
        assert standing.optional == frozenset({"/old/data"})
        assert [(value.name, value.value) for value in standing.attributes] == [("nickname", "ada")]
        assert standing.suspended is None
    bob = memberships.of_member(BOB, on(30))
    assert bob is not None
    assert (bob.suspended, sorted(bob.groups)) == ("A lost key.", ["/old"])


def test_its_history_is_kept_also_what_was_overwritten(migrated: Engine) -> None:
    past = Past(migrated, "old")
    assert [past.was_in(BOB, "/old/data", on(days)).inside for days in (9.5, 10, 10.5, 11)] == [
        False,
        True,
        True,
        False,
    ]
    assert [past.was_in(ADA, "/old/data", on(days), role="pilot").acted for days in (6, 7, 7.5, 8)] == [
        *(True, False, False, True)
    ]
    assert [past.was_in(BOB, "/old", on(days)).acted for days in (9, 13.9, 14, 30)] == [True, True, False, False]
    [actor] = past.who("/old/data", on(0), on(30), role="pilot").actors
    assert actor.spans == ((on(6), on(7)), (on(8), on(30)))
    told = [(event.at, event.what, event.turn, event.by) for event in history_of(migrated, "old", BOB)]
    assert told == [
        (on(9), "membership", "began", "operator"),
        (on(10), "group", "began", "operator"),
        (on(11), "group", "ended", "operator"),
        (on(14), "membership", "changed", "operator"),
    ]


def test_every_change_of_the_vo_is_found_by_who_made_it_and_nothing_else(migrated: Engine) -> None:
    found = deeds(migrated, "old", ["operator"], until=on(40)).deeds
    assert len(found) == 16
    assert (found[0].action, found[-1].action) == ("vo.identity_linked", "vo.created")
    assert found[-3].facts == {"vo": "old", "role": "pilot"}
    with reading(migrated) as connection:
        archive = ARCHIVES["vo"]
        [row] = connection.execute(select(archive.c.inherits, archive.c.created_at, archive.c.deleted_at)).all()
    assert tuple(row) == (True, on(1), on(13))


def test_no_number_is_given_again(migrated: Engine) -> None:
    directory = VoDirectory(migrated, "old")
    directory.add_group("/old/new", at=on(40), by="operator")
    directory.join(ADA, "/old/new", at=on(40), by="operator")
    with reading(migrated) as connection:
        tables = metadata.tables
        wanted = select(tables["vo_group"].c.id).where(tables["vo_group"].c.path == "/old/new")
        assert connection.execute(wanted).scalar_one() == 4
        newest = select(tables["vo_group_membership"].c.id).where(tables["vo_group_membership"].c.created_at == on(40))
        assert connection.execute(newest).scalar_one() == 3


def test_the_migrated_schema_is_that_of_the_code(migrated: Engine) -> None:
    def ours(name: str | None, kind: str, parents: object) -> bool:
        return kind != "table" or name in metadata.tables

    with reading(migrated) as connection:
        options = {"include_name": ours, "compare_type": True}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    assert found == []
    seen = inspect(migrated)
    for table in metadata.sorted_tables:
        indexes = {tuple(each["column_names"]) for each in seen.get_indexes(table.name) if not each.get("unique")}
        assert {tuple(column.name for column in each.columns) for each in table.indexes} <= indexes
