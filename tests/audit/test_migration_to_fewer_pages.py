"""What stood in the trail, among the remembered requests and the used messages before they cost fewer pages is still there."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from attribute_authority.administration.requests import RememberedRequests
from attribute_authority.tables import MIGRATIONS as AUTHORITY
from attribute_authority.tables import release_request
from ostiary.audit import Break, ChainReport, erase_person
from ostiary.audit.tables import MIGRATIONS as AUDIT
from ostiary.ports import ReleaseRequest
from ostiary.storage.engine import reading, writing
from ostiary.storage.migrate import MIGRATIONS as STORAGE
from ostiary.storage.migrate import upgrade
from ostiary.storage.sql import SqlReplayStore
from tests.audit.test_audit_chain import NOON, check, close, write
from tests.databases import DATABASES, upgraded

LATER = ("audit_0002*", "aa_0003*", "storage_0003*", "__pycache__")
SP = "https://library.example/shar"


@pytest.mark.parametrize("database", sorted(DATABASES))
def test_what_was_written_before_is_sealed_replayed_and_forgotten_afterwards(database: str, tmp_path: Path) -> None:
    now, before = [STORAGE, AUDIT, AUTHORITY], []
    for number, directory in enumerate(now):
        before.append(tmp_path / str(number))
        shutil.copytree(directory, before[-1], ignore=shutil.ignore_patterns(*LATER))
    with upgraded(database, tmp_path, before) as engine:
        requests, replays = RememberedRequests(engine, keep=timedelta(days=1)), SqlReplayStore(engine)
        write(engine, 2)
        close(engine)
        write(engine, 3)
        with writing(engine) as connection:
            requests.note(connection, ReleaseRequest("p-1", SP, NOON), pushed=True)
            requests.note(connection, ReleaseRequest("p-2", SP, NOON), pushed=True)
        assert replays.first_use("one", expires=NOON + timedelta(minutes=5), now=NOON)

        upgrade(engine, now)

        assert check(engine) == ChainReport(sealed=2, waiting=3)
        assert [past.request.principal for past in requests.latest(9, authority=0)] == ["p-2", "p-1"]
        assert not replays.first_use("one", expires=NOON + timedelta(minutes=5), now=NOON)
        write(engine)
        close(engine, minutes=1)
        assert check(engine) == ChainReport(sealed=6, waiting=0)
        with writing(engine) as connection:
            erase_person(connection, "p-1", at=NOON, writer="w", actor="operator")
        with reading(engine) as connection:
            assert connection.execute(select(func.count()).select_from(release_request)).scalar_one() == 1
        with writing(engine) as connection:
            connection.execute(text("DELETE FROM audit_waiting"))
        assert check(engine).reason is Break.STRAY


def test_no_second_tree_of_pages_on_sqlite(tmp_path: Path) -> None:
    with upgraded("sqlite", tmp_path, [STORAGE, AUDIT, AUTHORITY]) as engine, reading(engine) as connection:
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        made: dict[str, str] = {row.name: row.sql for row in rows}
    for table in ("audit_waiting", "replay_entry"):
        assert made[table].rstrip().endswith("WITHOUT ROWID")
    assert [name for name in made if name.startswith(("ix_audit_event", "ix_release_request"))] == [
        "ix_audit_event_at",
        "ix_audit_event_subject",
    ]
