"""Reads and writes files that hold secrets (DESIGN rule 6); refuses one that other users of the machine could read."""

import os
import secrets
import stat
from pathlib import Path

from ostiary.errors import ConfigurationError

MAX_BYTES = 1024 * 1024


def read_private_file(path: str | Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a file that holds a secret.

    It must be a regular file, and either belong to the user that runs this process with mode 0600 or stricter, or to
    root with at most 0640. A symlink may lead to it (Kubernetes and certbot do so): what is checked is the file that
    was opened. Raises `ConfigurationError`, which never holds any of the content.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            _check(os.fstat(file.fileno()), path)
            data = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise ConfigurationError("config.private_file_missing", file=path, expected="a file") from error
    except OSError as error:
        raise ConfigurationError(
            "config.private_file_unreadable", file=path, expected="a readable file", found=error.strerror
        ) from error
    if len(data) > max_bytes:
        raise ConfigurationError("config.private_file_too_large", file=path, expected=f"at most {max_bytes} bytes")
    return data


def read_password(path: str | Path) -> str:
    """The password in a private file of one line. Raises `ConfigurationError` as `read_private_file`, and ``storage.password_file``."""
    content = read_private_file(path, max_bytes=4096)
    try:
        password = content.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ConfigurationError("storage.password_file", file=path, expected="UTF-8 text") from error
    if not password or "\n" in password:
        raise ConfigurationError("storage.password_file", file=path, expected="one line with the password")
    return password


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a FIFO must not hang the start.
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _check(status: os.stat_result, path: str | Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError("config.private_file_unreadable", file=path, expected="a regular file")
    mode = stat.S_IMODE(status.st_mode)
    service = os.geteuid()
    if status.st_uid == 0:
        allowed = 0o640
    elif status.st_uid == service:
        allowed = 0o600
    else:
        raise ConfigurationError(
            "config.private_file_owner",
            file=path,
            expected=f"owner {service} or 0 (root)",
            found=f"owner {status.st_uid}",
        )
    if mode & ~allowed:
        raise ConfigurationError(
            "config.private_file_mode", file=path, expected=f"mode {allowed:04o} or stricter", found=f"mode {mode:04o}"
        )


def write_private_file(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path`` with mode 0600 from the first byte, whole or not at all; an older file is replaced.

    Raises `ConfigurationError` when the directory does not take it.
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                # A umask may have taken the owner's own rights.
                os.fchmod(descriptor, 0o600)
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.replace(unfinished, path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise ConfigurationError(
            "config.private_file_unwritable",
            file=path,
            expected="a directory that takes the file",
            found=error.strerror,
        ) from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def key_of_file(path: Path, content: bytes, *, code: str, length: int = 32) -> bytes:
    """The key in the content of a private file: ``length`` octets as they are, or in hexadecimal digits.

    Raises `ConfigurationError` with this ``code`` for anything else.
    """
    if len(content) == length:
        return content
    text = content.strip()
    if len(text) == 2 * length:
        try:
            return bytes.fromhex(text.decode("ascii"))
        except ValueError:
            pass
    raise ConfigurationError(
        code,
        file=path,
        expected=f"{length} bytes or {2 * length} hexadecimal digits",
        found=f"{len(content)} bytes of another form",
    )
