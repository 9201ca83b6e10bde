import os
from pathlib import Path

import pytest

from ostiary.config import read_private_file, write_private_file
from ostiary.errors import ConfigurationError

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def make(directory: Path, mode: int, owner: int | None = None) -> Path:
    path = directory / "key"
    path.write_bytes(b"secret")
    path.chmod(mode)
    if owner is not None:
        os.chown(path, owner, -1)
    return path


def refusal(path: Path) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read_private_file(path)
    assert "secret" not in str(caught.value)
    return caught.value


def as_user(monkeypatch: pytest.MonkeyPatch, user: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_only_its_owner_may_read_is_read(tmp_path: Path, mode: int) -> None:
    assert read_private_file(make(tmp_path, mode)) == b"secret"


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o660, 0o644, 0o700, 0o601, 0o666, 0o4600])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    error = refusal(make(tmp_path, mode))
    assert error.code == "config.private_file_mode"
    assert error.found == f"mode {mode:04o}"


@as_root
@pytest.mark.parametrize(("mode", "accepted"), [(0o600, True), (0o640, False), (0o620, False), (0o604, False)])
def test_a_file_of_the_service_is_for_the_service_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, accepted: bool
) -> None:
    path = make(tmp_path, mode, owner=NOBODY)
    as_user(monkeypatch, NOBODY)
    if accepted:
        assert read_private_file(path) == b"secret"
    else:
        assert refusal(path).expected == "mode 0600 or stricter"


@as_root
@pytest.mark.parametrize(
    ("mode", "accepted"), [(0o640, True), (0o440, True), (0o660, False), (0o644, False), (0o650, False)]
)
def test_a_file_of_root_may_be_read_by_one_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, accepted: bool
) -> None:
    path = make(tmp_path, mode, owner=0)
    as_user(monkeypatch, NOBODY)
    if accepted:
        assert read_private_file(path) == b"secret"
    else:
        assert refusal(path).expected == "mode 0640 or stricter"


@as_root
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    error = refusal(make(tmp_path, 0o600, owner=NOBODY))
    assert error.code == "config.private_file_owner"


def test_of_a_symlink_the_target_is_checked(tmp_path: Path) -> None:
    path = make(tmp_path, 0o600)
    link = tmp_path / "link"
    link.symlink_to(path)
    assert read_private_file(link) == b"secret"
    path.chmod(0o644)
    assert refusal(link).code == "config.private_file_mode"


def test_what_is_not_there_or_not_a_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none").code == "config.private_file_missing"
    assert refusal(tmp_path).code == "config.private_file_unreadable"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    assert refusal(fifo).code == "config.private_file_unreadable"


def test_a_file_may_have_the_largest_size_and_no_byte_more(tmp_path: Path) -> None:
    path = make(tmp_path, 0o600)
    assert read_private_file(path, max_bytes=6) == b"secret"
    with pytest.raises(ConfigurationError) as caught:
        read_private_file(path, max_bytes=5)
    assert caught.value.code == "config.private_file_too_large"


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_a_written_file_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_private_file(tmp_path / "key", b"secret")
    finally:
        os.umask(before)
    assert (tmp_path / "key").stat().st_mode & 0o7777 == 0o600
    assert read_private_file(tmp_path / "key") == b"secret"


def test_a_file_is_private_from_its_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    replace = os.replace

    def watched(source: Path, target: Path) -> None:
        modes.append(source.stat().st_mode & 0o7777)
        assert not target.exists()
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    write_private_file(tmp_path / "key", b"secret")
    assert modes == [0o600]


def test_writing_replaces_a_file_that_others_could_read(tmp_path: Path) -> None:
    make(tmp_path, 0o644)
    write_private_file(tmp_path / "key", b"newer")
    assert read_private_file(tmp_path / "key") == b"newer"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path, 0o600)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError) as caught:
        write_private_file(path, b"newer")
    assert (caught.value.code, caught.value.found) == ("config.private_file_unwritable", "No space left on device")
    assert path.read_bytes() == b"secret"
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        write_private_file(tmp_path / "none" / "key", b"x")
    assert caught.value.code == "config.private_file_unwritable"
