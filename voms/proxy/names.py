"""The names of the original commands, put where somebody asks for them: small programs that start ours. Replaces nothing of others'."""

import os
import shlex
import sys
from pathlib import Path
from typing import Final

from ostiary.errors import ConfigurationError

NAMES: Final = ("init", "info", "destroy")
_MARK: Final = "# Made by: ostiary proxy install-names"
_START: Final = "import sys; from ostiary.command import main; sys.argv[:1] = ['ostiary', 'proxy', {name!r}]; main()"


def install_names(directory: Path) -> tuple[Path, ...]:
    """Writes ``voms-proxy-init``, ``-info`` and ``-destroy`` into an existing directory, mode 0755; those made earlier are replaced.

    Raises `ConfigurationError`: ``voms.name_taken`` (there is another program of that name), ``voms.name_unwritable``.
    """
    paths = tuple(directory / f"voms-proxy-{name}" for name in NAMES)
    try:
        for path in paths:
            if os.path.lexists(path) and not _is_ours(path):
                raise ConfigurationError("voms.name_taken", file=path, expected="no other program", found="one")
        for name, path in zip(NAMES, paths, strict=True):
            _write(path, f'#!/bin/sh\n{_MARK}\nexec {_command(name)} "$@"\n')
    except OSError as error:
        raise ConfigurationError(
            "voms.name_unwritable", file=directory, expected="a directory that takes files", found=error.strerror
        ) from None
    return paths


def _command(name: str) -> str:
    # -P: nothing of the current directory is taken for a module.
    return shlex.join([sys.executable, "-P", "-c", _START.format(name=name)])


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return _MARK.encode() in file.read(200)


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text)
    unfinished.chmod(0o755)
    unfinished.replace(path)
