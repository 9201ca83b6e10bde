import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from ostiary.errors import ConfigurationError
from ostiary.storage import tables
from ostiary.storage.engine import reading, writing
from ostiary.storage.migrate import MIGRATIONS, pending, upgrade

ROOT = Path(__file__).parents[2]


@pytest.fixture
def engine(tmp_path: Path, opened: Callable[[str], Engine]) -> Engine:
    return opened(f"sqlite:///{tmp_path}/a.db")


def write_revision(directory: Path, name: str, down: str | None, body: str) -> None:
    directory.mkdir(exist_ok=True)
    labels = f"({directory.name!r},)" if down is None else "None"
    (directory / f"{name}.py").write_text(
        f"import sqlalchemy as sa\nfrom alembic import op\n\nrevision = {name!r}\ndown_revision = {down!r}\n"
        f"branch_labels = {labels}\ndepends_on = None\n\n\ndef upgrade() -> None:\n    {body}\n"
    )


def create(table: str) -> str:
    return f"op.create_table({table!r}, sa.Column('id', sa.Integer, primary_key=True))"


@pytest.fixture
def rooms(tmp_path: Path) -> list[Path]:
    first, second = tmp_path / "a room%1", tmp_path / "room2"
    write_revision(first, "one_0001", None, create("one"))
    write_revision(first, "one_0002", "one_0001", "op.add_column('one', sa.Column('name', sa.String(9)))")
    write_revision(second, "two_0001", None, create("two"))
    return [first, second]


def table_names(engine: Engine) -> set[str]:
    with reading(engine) as connection:
        return set(inspect(connection).get_table_names())


def test_the_branches_of_all_rooms_are_upgraded(engine: Engine, rooms: list[Path]) -> None:
    assert sorted(pending(engine, rooms)) == ["one_0001", "one_0002", "two_0001"]
    upgrade(engine, rooms)
    assert pending(engine, rooms) == []
    assert table_names(engine) == {"alembic_version", "one", "two"}


def test_what_is_pending_is_listed_in_the_order_of_its_application(engine: Engine, rooms: list[Path]) -> None:
    names = pending(engine, rooms)
    assert names.index("one_0001") < names.index("one_0002")


def test_upgrading_twice_changes_nothing(engine: Engine, rooms: list[Path]) -> None:
    upgrade(engine, rooms)
    with writing(engine) as connection:
        connection.execute(text("insert into one (id, name) values (1, 'x')"))
    upgrade(engine, rooms)
    with reading(engine) as connection:
        assert connection.execute(text("select name from one")).scalar_one() == "x"


def test_a_later_revision_and_a_later_room_are_added(engine: Engine, rooms: list[Path]) -> None:
    upgrade(engine, rooms[:1])
    write_revision(rooms[0], "one_0003", "one_0002", create("one_more"))
    assert sorted(pending(engine, rooms)) == ["one_0003", "two_0001"]
    upgrade(engine, rooms)
    assert table_names(engine) == {"alembic_version", "one", "one_more", "two"}


def test_a_failed_migration_leaves_nothing_behind(engine: Engine, rooms: list[Path]) -> None:
    write_revision(rooms[1], "two_0002", "two_0001", "raise RuntimeError('no')")
    with pytest.raises(RuntimeError):
        upgrade(engine, rooms)
    assert table_names(engine) == set()
    write_revision(rooms[1], "two_0002", "two_0001", create("two_more"))
    upgrade(engine, rooms)
    assert table_names(engine) == {"alembic_version", "one", "two", "two_more"}


def test_a_database_of_a_newer_release_is_refused(engine: Engine, rooms: list[Path]) -> None:
    upgrade(engine, rooms)
    (rooms[0] / "one_0002.py").unlink()
    with pytest.raises(ConfigurationError) as caught:
        upgrade(engine, rooms)
    assert caught.value.code == "storage.unknown_revision"
    with pytest.raises(ConfigurationError) as caught:
        pending(engine, rooms)
    assert caught.value.code == "storage.unknown_revision"


def test_a_location_that_is_missing_is_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        upgrade(engine, [MIGRATIONS, tmp_path / "none"])
    assert (caught.value.code, caught.value.file) == ("storage.migrations_missing", str(tmp_path / "none"))


def test_rows_left_without_their_parent_are_refused(engine: Engine, tmp_path: Path) -> None:
    body = (
        "op.execute('create table p (id integer primary key)')\n"
        "    op.execute('create table c (p integer references p)')\n"
        "    op.execute('insert into c values (7)')"
    )
    write_revision(tmp_path / "room", "r_0001", None, body)
    with pytest.raises(ConfigurationError) as caught:
        upgrade(engine, [tmp_path / "room"])
    assert (caught.value.code, caught.value.found) == ("storage.foreign_keys", "table c")
    assert table_names(engine) == set()


def test_foreign_keys_are_enforced_again_afterwards(engine: Engine, rooms: list[Path]) -> None:
    upgrade(engine, rooms)
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA foreign_keys")
        assert cursor.fetchone() == (1,)


def test_a_database_in_memory_is_upgraded_too(rooms: list[Path], opened: Callable[[str], Engine]) -> None:
    engine = opened("sqlite://")
    upgrade(engine, rooms)
    assert pending(engine, rooms) == []


def test_processes_that_start_at_once_all_succeed(tmp_path: Path) -> None:
    source = (
        "import sys\nfrom ostiary.storage.engine import open_engine\n"
        "from ostiary.storage.migrate import MIGRATIONS, pending, upgrade\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        f"engine = open_engine('sqlite:///{tmp_path}/a.db')\n"
        "upgrade(engine, [MIGRATIONS])\nprint(pending(engine, [MIGRATIONS]))\n"
    )
    command = [sys.executable, "-c", source]
    # Away from the checkout: nothing but the package itself is needed.
    processes = [
        subprocess.Popen(
            command,
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=60)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert answers == ["[]\n"] * 4


def test_the_migrations_of_the_stores_make_the_tables_of_the_stores(engine: Engine) -> None:
    upgrade(engine, [MIGRATIONS])
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_every_code_of_the_storage_has_its_text() -> None:
    package = ROOT / "ostiary"
    known = set(yaml.safe_load((package / "web" / "texts" / "en" / "storage.yaml").read_text())["errors"])
    files = [*(package / "storage").glob("*.py"), package / "config" / "private_files.py"]
    source = "".join(path.read_text() for path in files)
    assert {code for code in known if f'"{code}"' in source} == known
    assert source.count('"storage.') - source.count('"storage.unavailable"') >= len(known) - 1
