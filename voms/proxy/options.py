"""How the options of the original clients are written: with one hyphen or two, from a file (``-conf``), times as ``H:M``."""

import difflib
import re
import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from ostiary.errors import ConfigurationError, Refusal
from voms.proxy.separate import read_bounded

FILE: Final = click.Path(dir_okay=False, path_type=Path)
DIRECTORY: Final = click.Path(file_okay=False, path_type=Path)
ANYTHING: Final = click.Path(path_type=Path)

_MAX_CONF: Final = 64 * 1024
_TIME: Final = re.compile(r"([0-9]{1,5}):([0-9]{1,2})")
_CONF: Final = ("-conf", "--conf")

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def spelled(*names: str) -> tuple[str, ...]:
    """An option's names with one hyphen and with two."""
    return tuple(f"{hyphens}{name}" for name in names for hyphens in ("-", "--"))


def option(*names: str, to: str | None = None, **settings: Any) -> Callable[[Decorated], Decorated]:
    """A click option of these names in either spelling; ``to``: the parameter's own name, the first option's if None."""
    return click.option(*spelled(*names), to or names[0].replace("-", "_"), **settings)


def without_effect(*names: str, takes: bool = False, why: str) -> Callable[[Decorated], Decorated]:
    """An option that scripts give and that nothing depends on here; ``takes``: a value follows it."""
    settings: dict[str, Any] = {} if takes else {"is_flag": True}
    return click.option(*spelled(*names), expose_value=False, hidden=True, help=why, **settings)


class OriginalCommand(click.Command):
    """Takes options from files, as the original: each line an option, its value after a space or an equals sign."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the content of each ``-conf FILE`` in its place."""
        whole: list[str] = []
        waiting = iter(args)
        for word in waiting:
            name, equals, value = word.partition("=")
            if name in _CONF:
                whole += options_of(Path(value if equals else next(waiting, "")))
            else:
                whole.append(word)
        self._check_names(ctx, whole)
        return super().parse_args(ctx, whole)

    def _check_names(self, ctx: click.Context, words: list[str]) -> None:
        """A misspelt ``-name`` is none of several one-letter options."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        known = {name: each for each in options for name in each.opts}
        waiting = iter(words)
        for word in waiting:
            name, equals, _ = word.partition("=")
            if name in known:
                if not equals and not known[name].is_flag:
                    next(waiting, None)
            elif name == "--":
                return
            elif name.startswith("-") and len(name) > 1:
                raise click.NoSuchOption(name, possibilities=difflib.get_close_matches(name, known), ctx=ctx)


def options_of(path: Path) -> list[str]:
    """The command line that a file stands for; ``#`` begins a comment. A file may not name another. Raises `ConfigurationError`
    (``voms.conf_file``)."""
    words: list[str] = []
    try:
        lines = read_bounded(path, _MAX_CONF, "voms.conf_file").decode().splitlines()
        for number, line in enumerate(lines, start=1):
            parts = shlex.split(line, comments=True)
            if not parts:
                continue
            name, equals, value = parts[0].partition("=")
            name = name if name.startswith("-") else f"-{name}"
            if name in _CONF:
                raise ConfigurationError(
                    "voms.conf_file", file=path, line=number, expected="another option", found=name
                )
            words += [name, *([value] if equals else []), *parts[1:]]
    except ValueError as error:
        raise ConfigurationError("voms.conf_file", file=path, expected="options, one a line", found=error) from None
    return words


def duration(text: str) -> timedelta:
    """``H:M``. Raises `Refusal` (``voms.duration``)."""
    matched = _TIME.fullmatch(text)
    if matched is None or int(matched[2]) > 59 or text.strip("0:") == "":
        raise Refusal("voms.duration", expected="hours:minutes, for instance 12:00", found=text)
    return timedelta(hours=int(matched[1]), minutes=int(matched[2]))


def version_and_usage(command: Decorated) -> Decorated:
    """``-version`` and the original's other spellings of ``--help``."""
    command = click.version_option(None, "-version", "--version", package_name="ostiary")(command)
    return click.help_option("-help", "--help", "-usage", "--usage")(command)


def trust_options(command: Decorated) -> Decorated:
    """Where trust is configured."""
    command = option("vomsdir", type=DIRECTORY, help="The directory of trusted VO services (LSC files).")(command)
    return option("certdir", type=DIRECTORY, help="The directory of trusted CAs.")(command)
