"""What happens to the index when a process dies, the disk is full, the file is damaged, or several processes work at once."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest

from ostiary.errors import ConfigurationError, Refusal, TooLarge, Unavailable
from ostiary.federation.index import ApartLimits, MetadataIndex, index_document, index_document_apart
from tests.metadata_index.indexed_world import NOW, READING, World, entity, signed
from tests.saml.world import signer

A, B, C = (f"https://{name}.example/sp" for name in "abc")

# Writes over what is there, says so, and waits to be killed before the commit.
_DIES = """
import sys, time
from pathlib import Path
from ostiary.federation.index import MetadataIndex
with MetadataIndex.open(Path(sys.argv[1])).writing() as connection:
    connection.execute("PRAGMA cache_size = 2")
    connection.execute("DELETE FROM entity")
    connection.executemany("INSERT INTO document VALUES (?, zeroblob(9000))", [(n,) for n in range(1000, 1200)])
    print("written", flush=True)
    time.sleep(60)
"""


def environment() -> dict[str, str]:
    return dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))


def test_a_process_that_is_killed_while_it_writes_leaves_the_last_good_state(world: World) -> None:
    world.put(signed(entity(A), entity(B)))
    version = world.index.version()
    with subprocess.Popen(
        [sys.executable, "-c", _DIES, str(world.index.directory)], stdout=subprocess.PIPE, env=environment()
    ) as dying:
        if dying.stdout is None or dying.stdout.readline() != b"written\n":
            pytest.fail("it did not get so far")
        # Who reads does not wait for who writes.
        assert world.names() == [A, B]
        dying.send_signal(signal.SIGKILL)
    fresh = MetadataIndex.open(world.index.directory)
    assert (fresh.version(), world.names()) == (version, [A, B])
    assert world.put(signed(entity(A), entity(C))).added == 1
    assert world.names() == [A, C]


def test_another_process_does_the_same_and_says_what_was_refused(world: World) -> None:
    path = world.directory / "large.xml"
    path.write_bytes(signed(entity(A), entity(B)))
    version = world.index.version()
    indexed = index_document_apart(world.index, "federation", path, READING, NOW)
    assert (indexed.entities, indexed.valid_until) == (2, NOW.replace(day=29))
    assert world.index.version() > version
    assert world.names() == [A, B]
    path.write_bytes(signed(entity(C), by=signer("rsa", "stranger")))
    with pytest.raises(Refusal) as caught:
        index_document_apart(world.index, "federation", path, READING, NOW)
    assert caught.value.code == "signature.wrong"
    assert world.names() == [A, B]


def test_a_process_that_needs_too_much_memory_ends_and_nothing_changes(world: World) -> None:
    path = world.directory / "large.xml"
    path.write_bytes(signed(entity(A)) + b"<!--" + b"x" * 80_000_000 + b"-->")
    with pytest.raises(Refusal) as caught:
        index_document_apart(world.index, "federation", path, READING, NOW, ApartLimits(memory=170_000_000))
    assert caught.value.code == "metadata.indexing_ended"
    assert world.index.sources() == ()


def _child_that_first(does: str, world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The other process does this as it starts; gives the document for it."""
    before = world.directory / "before"
    before.mkdir()
    (before / "sitecustomize.py").write_text(
        f"import sys, time\nif 'ostiary.federation.index.apart' in sys.orig_argv: {does}"
    )
    monkeypatch.syspath_prepend(before)
    path = world.directory / "large.xml"
    path.write_bytes(signed(entity(A)))
    return path


def test_a_process_that_complains_at_length_holds_nobody_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _child_that_first("sys.stderr.write('x' * 200_000)", world, monkeypatch)
    assert index_document_apart(world.index, "federation", path, READING, NOW, ApartLimits(within=20)).entities == 1


def test_a_process_that_only_waits_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _child_that_first("time.sleep(60)", world, monkeypatch)
    with pytest.raises(Refusal) as caught:
        index_document_apart(world.index, "federation", path, READING, NOW, ApartLimits(within=0.2))
    assert caught.value.code == "metadata.indexing_ended"


def fill_the_disk(index: MetadataIndex) -> None:
    with index.writing() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        connection.execute("DELETE FROM entity")
        connection.executemany("INSERT INTO document VALUES (?, zeroblob(9000))", [(n,) for n in range(1000, 1100)])


def test_a_document_of_more_than_a_gigabyte_is_refused_before_it_is_read(world: World) -> None:
    world.put(signed(entity(A), entity(B)))
    huge = world.directory / "huge.xml"
    with huge.open("wb") as file:
        # Nothing of it takes room on the disk.
        file.truncate(1_073_741_825)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge) as refused:
            index_document(world.index, "federation", huge, READING, NOW)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (refused.value.code, refused.value.found) == ("xml.too_large", "1073741825 bytes")
    assert peak < 10_000_000
    assert world.names() == [A, B]


def test_a_full_disk_is_said_and_the_last_state_stays(world: World) -> None:
    world.put(signed(entity(A)))
    with pytest.raises(Unavailable) as caught:
        fill_the_disk(world.index)
    assert caught.value.code == "metadata.index_unwritable"
    assert "full" in caught.value.found
    assert world.names() == [A]


def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(ConfigurationError) as caught:
        MetadataIndex.open(shared)
    assert caught.value.code == "metadata.index_directory"
    assert caught.value.found.endswith("mode 0777")


def test_a_file_where_the_directory_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(ConfigurationError) as caught:
        MetadataIndex.open(tmp_path / "state")
    assert caught.value.code == "metadata.index_directory"


def test_the_files_are_private(world: World) -> None:
    world.put(signed(entity(A)))
    modes = {path.name: path.stat().st_mode & 0o777 for path in world.index.directory.iterdir()}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("damage", ["beginning", "middle", "text"])
def test_a_damaged_file_is_begun_anew(world: World, damage: str) -> None:
    document = signed(*(entity(f"https://{number}.example/sp", name="x" * 190) for number in range(60)))
    world.put(document)
    world.index.close()
    content = bytearray(world.index.path.read_bytes())
    if damage == "text":
        content = bytearray(b"no database at all, " * 500)
    else:
        start = 0 if damage == "beginning" else 4096 * 3
        content[start : start + 60_000] = b"\x5a" * min(60_000, len(content) - start)
    world.index.path.write_bytes(bytes(content))
    index = MetadataIndex.open(world.index.directory)
    # Whether the damage is met before it is repaired depends on where it is.
    with contextlib.suppress(Unavailable):
        world.names()
    index.close()
    # Whoever has the local copy indexes it again, in the same process or another.
    indexed = world.put(document)
    assert indexed.entities == 60
    assert len(world.names()) == 60


def test_another_form_of_the_index_is_a_file_of_its_own(world: World) -> None:
    world.put(signed(entity(A)))
    world.index.close()
    with sqlite3.connect(world.index.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    index = MetadataIndex.open(world.index.directory)
    assert index.source("federation") is None


def test_what_another_process_began_anew_is_noticed(world: World) -> None:
    world.put(signed(entity(A)))
    version = world.index.version()
    world.index.path.unlink()
    other = MetadataIndex.open(world.index.directory)
    assert other.source("federation") is None
    assert world.index.version() != version
    assert world.names() == []


def test_several_threads_and_indexes_work_at_once(world: World) -> None:
    world.put(signed(*(entity(f"https://{number}.example/sp") for number in range(30))))
    problems: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(20):
                registry = world.registry()
                assert registry.get("https://3.example/sp", NOW) is not None
                assert len(list(registry.summaries(NOW))) == 30
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    other = World(world.directory)
    for turn in range(5):
        other.put(signed(*(entity(f"https://{number}.example/sp", name=f"turn {turn}") for number in range(30))))
    for thread in threads:
        thread.join()
    assert problems == []
    assert next(world.registry().summaries(NOW)).name() == "turn 4"


def test_a_forked_process_opens_the_file_for_itself(world: World) -> None:
    world.put(signed(entity(A)))
    world.index.version()
    opened = world.index._opened
    world.index._opened = (1, *opened[1:]) if opened is not None else None
    assert world.names() == [A]
    assert world.index._opened == opened


def test_the_index_needs_no_sqlalchemy() -> None:
    code = "import sys, ostiary.federation.index; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=environment(), check=False).returncode == 0
