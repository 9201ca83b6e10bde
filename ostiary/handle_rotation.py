"""Moves the handle keys of a directory on: the next one opens handles before it mints them, a retired one as long as handles live."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ostiary.config import read_private_file, write_private_file
from ostiary.errors import ConfigurationError
from ostiary.federation.rotation import alone, date, put_in_place, stamp
from ostiary.handle import KEY_BYTES, handle_key_files, load_handle_keys
from ostiary.rotation import NODES_LOOK, KeyState, State, Step, Waits, check_step, may_go, next_step


def waits_of_handles(handle_lifetime: timedelta) -> Waits:
    """All nodes, and the Attribute Authority, know a key before the first of them mints with it."""
    return Waits(NODES_LOOK, handle_lifetime + NODES_LOOK)


def create_handle_keys(directory: Path, *, now: datetime) -> None:
    """A directory with a first handle key. Raises `ConfigurationError` (``key.exists``) where there is one."""
    path = directory / "current.key"
    if path.exists():
        raise ConfigurationError("key.exists", file=path, expected="no key here yet", found="a key")
    directory.mkdir(parents=True, exist_ok=True)
    write_private_file(path, secrets.token_bytes(KEY_BYTES))
    date(path, now)


def handle_key_states(path: Path) -> tuple[KeyState, ...]:
    """The handle keys of a path that the configuration names, current first. Raises `ConfigurationError` as `load_handle_keys`."""
    found = []
    for file in handle_key_files(path):
        (key,) = load_handle_keys([file])
        since = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        found.append(KeyState(_state(file), since, key.id.hex(), "AES-256-GCM", file.name))
    return tuple(found)


def rotate_handle_keys(
    path: Path, waits: Waits, *, now: datetime, step: Step | None = None, force: bool = False
) -> tuple[Step, tuple[KeyState, ...]]:
    """As `ostiary.federation.rotation.rotate`, for a directory of handle keys.

    Raises `ConfigurationError` (``handle.single_file``) for a single file, which nothing can stand beside.
    """
    if not path.is_dir():
        raise ConfigurationError("handle.single_file", file=path, expected="a directory of handle keys", found="a file")
    with alone(path):
        before = handle_key_states(path)
        taken = step or next_step(before, waits).step
        check_step(taken, before, waits, now, force=force)
        current, following = path / "current.key", path / "next.key"
        match taken:
            case "prepare":
                put_in_place(following, secrets.token_bytes(KEY_BYTES), current, now)
            case "activate":
                put_in_place(path / f"retired-{stamp(now)}.key", read_private_file(current), current, now)
                following.replace(current)
                date(current, now)
            case "retire":
                for key in before:
                    if may_go(key, waits, now, force=force):
                        (path / key.file).unlink()
        return taken, handle_key_states(path)


def _state(file: Path) -> State:
    if file.name == "next.key":
        return "next"
    return "retired" if file.name.startswith("retired-") else "current"
