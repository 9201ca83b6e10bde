import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ostiary.config import Holder, ListenSettings, Sources, load_settings
from ostiary.errors import ConfigurationError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def seconds(number: float) -> datetime:
    return NOON + timedelta(seconds=number)


def make(file: Path) -> Holder[ListenSettings]:
    return Holder(lambda sources: load_settings(file, ListenSettings, sources=sources), every=timedelta(seconds=5))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "listen.yaml"
    path.write_text("port: 1\n")
    return path


def test_a_broken_file_stops_the_start(file: Path) -> None:
    file.write_text("prot: 1\n")
    with pytest.raises(ConfigurationError):
        make(file)


def test_a_changed_file_is_swapped_in_by_poll(file: Path) -> None:
    holder = make(file)
    first = holder.value
    file.write_text("port: 22\n")
    assert holder.poll(seconds(0)) is None
    assert holder.value.port == 22
    assert first.port == 1
    assert holder.version == 2


def test_the_files_are_looked_at_only_every_so_often(file: Path) -> None:
    holder = make(file)
    holder.poll(seconds(0))
    file.write_text("port: 22\n")
    holder.poll(seconds(4.9))
    assert holder.value.port == 1
    holder.poll(seconds(5))
    assert holder.value.port == 22


def test_an_unchanged_file_is_not_read_again(file: Path) -> None:
    loads = []

    def load(sources: Sources) -> int:
        sources.note(file)
        loads.append(1)
        return len(loads)

    holder = Holder(load, every=timedelta(seconds=1))
    for second in range(10):
        holder.poll(seconds(second))
    assert (holder.value, holder.version) == (1, 1)


def test_a_broken_change_keeps_the_old_snapshot_and_is_told_once(file: Path) -> None:
    holder = make(file)
    file.write_text("port: broken\n")
    problem = holder.poll(seconds(0))
    assert isinstance(problem, ConfigurationError)
    assert (problem.file, problem.line, problem.key) == (str(file), 1, "port")
    assert (holder.value.port, holder.version) == (1, 1)
    assert holder.problem is problem
    assert holder.poll(seconds(5)) is None
    assert holder.problem is problem


def test_a_repaired_file_is_noticed(file: Path) -> None:
    holder = make(file)
    file.write_text("port: broken\n")
    holder.poll(seconds(0))
    file.write_text("port: 333\n")
    assert holder.poll(seconds(5)) is None
    assert holder.value.port == 333
    assert holder.problem is None


def test_a_file_that_was_removed_keeps_the_old_snapshot_and_its_return_is_noticed(file: Path) -> None:
    holder = make(file)
    file.unlink()
    assert holder.poll(seconds(0)) is not None
    assert holder.value.port == 1
    file.write_text("port: 4\n")
    assert holder.poll(seconds(5)) is None
    assert holder.value.port == 4


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_noticed(file: Path) -> None:
    holder = make(file)
    before = file.stat()
    other = file.with_name("new")
    other.write_text("port: 7\n")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(other, file)
    holder.poll(seconds(0))
    assert holder.value.port == 7


def test_reload_raises_the_problem_and_keeps_the_old_snapshot(file: Path) -> None:
    holder = make(file)
    file.write_text("port: broken\n")
    with pytest.raises(ConfigurationError):
        holder.reload()
    assert holder.value.port == 1
    file.write_text("port: 5\n")
    assert holder.reload().port == 5


def test_a_broken_first_file_does_not_hide_a_later_change_of_the_second(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    for path in (first, second):
        path.write_text("port: 1\n")

    def load(sources: Sources) -> tuple[int, int]:
        return (
            load_settings(first, ListenSettings, sources=sources).port,
            load_settings(second, ListenSettings, sources=sources).port,
        )

    holder = Holder(load, every=timedelta(seconds=1))
    first.write_text("x: 1\n")
    assert holder.poll(seconds(0)) is not None
    second.write_text("port: 22\n")
    assert holder.poll(seconds(1)) is not None


def test_a_file_added_to_a_noted_directory_is_noticed(tmp_path: Path) -> None:
    def load(sources: Sources) -> tuple[str, ...]:
        sources.note(tmp_path)
        return tuple(sorted(path.name for path in tmp_path.iterdir()))

    os.utime(tmp_path, ns=(1, 1))
    holder = Holder(load)
    (tmp_path / "new.yaml").touch()
    holder.poll(seconds(0))
    assert holder.value == ("new.yaml",)


def test_a_change_while_it_is_read_is_seen_at_the_next_look(file: Path) -> None:
    def load(sources: Sources) -> int:
        port = load_settings(file, ListenSettings, sources=sources).port
        if port == 1:
            file.write_text("port: 22\n")
        return port

    holder = Holder(load, every=timedelta(seconds=1))
    assert holder.value == 1
    holder.poll(seconds(0))
    assert holder.value == 22


def test_poll_does_not_wait_while_another_thread_loads(file: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def load(sources: Sources) -> int:
        sources.note(file)
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            go_on.wait(10)
        return 1

    holder = Holder(load)
    thread = threading.Thread(target=holder.reload)
    thread.start()
    assert inside.wait(10)
    assert holder.poll(seconds(0)) is None
    assert holder.value == 1
    go_on.set()
    thread.join()
    assert holder.version == 2


def test_a_defect_in_reading_keeps_what_is_in_force_too(tmp_path: Path) -> None:
    path = tmp_path / "value"
    path.write_text("1")

    def load(sources: Sources) -> int:
        return int(sources.note(path).read_text())

    holder = Holder(load, every=timedelta(seconds=1))
    path.write_text("not a number")
    now = datetime(2026, 11, 22, tzinfo=UTC)
    problem = holder.poll(now)
    assert problem is not None
    assert problem.code == "config.unreadable"
    assert holder.value == 1
    assert holder.poll(now + timedelta(seconds=2)) is None


def test_a_look_that_is_asked_for_does_not_wait_for_its_turn(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def load(sources: Sources) -> str:
        return sources.note(path).read_text()

    now = datetime(2026, 11, 22, tzinfo=UTC)
    holder = Holder(load, every=timedelta(hours=1))
    holder.poll(now)
    path.write_text("newer")
    holder.poll(now)
    assert holder.value == "old"
    holder.look_now()
    holder.poll(now)
    assert holder.value == "newer"


def test_what_is_watched_is_looked_at_when_it_is_due_and_each_problem_is_told_once(file: Path) -> None:
    now, told = [0.0], []
    holder = make(file)
    current = holder.watched(lambda: seconds(now[0]), lambda problem: told.append(problem.code))
    assert current().port == 1
    file.write_text("port: 22\n")
    now[0] = 4.9
    assert current().port == 1
    now[0] = 5
    assert current().port == 22
    file.write_text("prot: 3\n")
    now[0] = 10
    assert [current().port, current().port, len(told)] == [22, 22, 1]
    file.write_text("port: 333\n")
    assert current().port == 22
    holder.look_now()
    assert [current().port, len(told)] == [333, 1]
