"""``ostiary vo gridmap``: a grid-map file of those who are members now, for software that knows no attribute certificates."""

import os
import re
from pathlib import Path
from typing import Any, Final

import click

from ostiary.errors import ConfigurationError
from ostiary.x509.bans import NO_BANS, load_ban_list
from ostiary.x509.fqan import Fqan
from voms.commands.working import FILE, VoCommand, Working, answer
from voms.gridmap.holders import holders
from voms.gridmap.lines import Mapping, gridmap, read_mapping

_LINE: Final = re.compile(r'"/[^"]+"\s+\S.*')
_TOLD: Final = "Who has this becomes that account (.name: a pool); may be repeated, the first that fits counts."


@click.command("gridmap", cls=VoCommand)
@click.option("--map", "maps", multiple=True, metavar="FQAN=ACCOUNT", help=_TOLD)
@click.option("--local", type=FILE, help="A file whose lines stand before all others, and in place of them.")
@click.option("--ban", type=FILE, help="A ban list; whom it names is left out.")
@click.option("--out", type=FILE, help="Where to write it, whole or not at all.")
@click.pass_obj
def write_gridmap(
    working: Working, maps: tuple[str, ...], local: Path | None, ban: Path | None, out: Path | None
) -> None:
    """The grid-map file of the VO at this moment: "name" account."""
    wanted = [read_mapping(text) for text in maps] or [Mapping(Fqan(f"/{working.vo}"), f".{working.vo}")]
    found = [(each, holders(working.engine, working.vo, each.fqan, working.now)) for each in wanted]
    lines = gridmap(found, bans=load_ban_list(ban) if ban is not None else NO_BANS)
    if local is not None:
        own = _local_lines(local)
        named = {_name(line) for line in own}
        lines = [*own, *(line for line in lines if _name(line) not in named)]
    facts: list[Any] = [{"name": _name(line), "account": line.rpartition('"')[2].strip()} for line in lines]
    if out is None:
        answer(facts, lines)
        return
    _write(out, "".join(f"{line}\n" for line in lines))
    answer(facts, [f"{len(lines)} lines in {out}"])


def _local_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeError) as error:
        raise ConfigurationError("voms.gridmap_file", file=path, expected="a readable file", found=error) from None
    found = []
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        if _LINE.fullmatch(line) is None:
            expected = '"/C=.../CN=..." account'
            raise ConfigurationError("voms.gridmap_file", file=path, line=number, expected=expected, found=line[:300])
        found.append(line)
    return found


def _name(line: str) -> str:
    return line[1 : line.rindex('"')]


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name[:100]}.{os.getpid()}")
    try:
        unfinished.write_text(text)
        unfinished.chmod(0o644)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise ConfigurationError(
            "voms.gridmap_file", file=path, expected="a directory that takes it", found=error.strerror
        ) from None


COMMANDS: Final = (write_gridmap,)
