"""Reads a page of the documents as an administrator does, from top to bottom: headings, files, commands; and does what it says."""

import contextlib
import functools
import itertools
import re
import shlex
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, Final

import yaml
from click.testing import CliRunner
from flask import Flask

from ostiary.clock import SystemClock
from ostiary.command.back_channel import make_back_channel
from ostiary.command.certificate_port import make_certificate_port
from ostiary.command.cli import ostiary
from ostiary.command.home import make_home_authority, make_home_idp
from ostiary.federation.keys import create_key_ring, load_key_ring
from ostiary.federation.model import Endpoint, Entity, IdpRole
from ostiary.federation.publish.documents import signed_aggregate
from ostiary.saml import names
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue

ROOT: Final = Path(__file__).parents[2]
_BLOCK: Final = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_NAMED: Final = re.compile(r"[\w./-]+\.yaml\b")
_INLINE: Final = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")

HOME_PAGE: Final = "run-a-home-organisation.md"
# The texts of the packages, which no page changes; most of the time that a start takes goes into reading them.
READ_ONCE: Final = functools.cache(Catalogue.load)

Scene = Callable[[Path], Mapping[str, str]]
"""What happens in between, in the directory of the home organisation; answers with what stands in place of words of the command."""


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text without indentation, and the heading that it stands under."""

    language: str
    text: str
    heading: str

    def lines(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.strip()]

    def files(self) -> list[str]:
        """The files that its first line says it is for."""
        first = self.text.partition("\n")[0]
        return _NAMED.findall(first) if first.startswith("# ") else []


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text()


def blocks_of(page: str) -> list[Block]:
    text = text_of(page)
    # A comment in a block is no heading.
    outside = _BLOCK.sub(lambda found: " " * len(found[0]), text)
    headings = [(found.start(), found[1]) for found in _HEADING.finditer(outside)]

    def heading(at: int) -> str:
        return next((name for start, name in reversed(headings) if start < at), "")

    return [Block(found[2], textwrap.dedent(found[3]), heading(found.start())) for found in _BLOCK.finditer(text)]


def inline_code(page: str) -> list[str]:
    """What stands between single backquotes, outside of blocks."""
    return _INLINE.findall(_BLOCK.sub("", text_of(page)))


def run(command: str, directory: Path) -> str:
    """Runs a command of ``ostiary``; it has to succeed. Returns what it prints."""
    words = shlex.split(command, comments=True)
    if words[0] != "ostiary":
        raise AssertionError(f"not a command of ostiary: {command}")
    with contextlib.chdir(directory):
        finished = CliRunner().invoke(ostiary, words[1:], catch_exceptions=False)
    if finished.exit_code != 0:
        raise AssertionError(f"{command}\n{finished.output}")
    return finished.stdout


def write_federation(directory: Path) -> None:
    """``federation.xml`` and ``federation.crt``, as a federation hands them out."""
    now = datetime.now(UTC)
    create_key_ring(directory / "federation", "federation", now=now)
    ring = load_key_ring(directory / "federation")
    idp = IdpRole(keys=ring.published, single_sign_on=(Endpoint(names.HTTP_REDIRECT, "https://other.example/sso"),))
    someone = Entity("https://other.example/idp", idp=idp)
    document = signed_aggregate(
        [someone], ring.signer, name="https://federation.example", valid_until=now + timedelta(days=1)
    )
    (directory / "federation.xml").write_bytes(document)
    (directory / "federation.crt").write_bytes((directory / "federation" / "current.crt").read_bytes())


def make_home(directory: Path) -> None:
    """What docs/run-a-home-organisation.md makes: keys, configuration, policies, a database."""
    write_federation(directory)
    page = blocks_of(HOME_PAGE)
    files = [block for block in page if block.language == "yaml"]
    for name, block in zip(["idp.yaml", "aa.yaml", "release.yaml"], files, strict=False):
        (directory / name).write_text(block.text)
    for command in next(block for block in page if block.language == "sh").lines():
        run(command, directory)


def put_into(configuration: Path, addition: Mapping[str, Any]) -> None:
    """What a block says about a file replaces what the file says under the same keys; connectors and definitions of a resolver come
    after those that are there."""
    document = yaml.safe_load(configuration.read_text())
    resolver = document.get("resolver", {})
    document.update(addition)
    if "resolver" in addition:
        document["resolver"] = {
            key: [*resolver.get(key, []), *addition["resolver"].get(key, [])] for key in ("connectors", "definitions")
        }
    configuration.write_text(yaml.safe_dump(document))


@contextlib.contextmanager
def started(home: Path) -> Iterator[tuple[Flask, Flask]]:
    """Identity provider and Attribute Authority as ``ostiary serve`` makes them of ``idp.yaml`` and ``aa.yaml``."""
    clock = SystemClock()
    log = make_log(clock, service="home", stream=StringIO())
    with contextlib.chdir(home):
        idp = make_home_idp(Path("idp.yaml"), Path("aa.yaml"), clock=clock, log=log)
        yield idp, make_home_authority(Path("aa.yaml"), clock=clock, log=log)


def check_start(home: Path) -> None:
    """Raises what ``ostiary serve`` would print."""
    with started(home):
        pass


def check_serves(command: str, home: Path) -> None:
    """Makes what a ``serve`` command serves, without a process and a port. Raises what it would print."""
    words = shlex.split(command)[2:]
    options = {name.removeprefix("--"): home / value for name, value in itertools.pairwise(words) if name[:2] == "--"}
    make = {
        "idp": make_home_idp,
        "aa": make_home_authority,
        "idp-certificates": make_certificate_port,
        "aa-back-channel": make_back_channel,
    }[words[0]]
    paths = [options[name] for name in ("config", "authority") if name in options]
    clock = SystemClock()
    make(*paths, clock=clock, log=make_log(clock, service="home", stream=StringIO()))  # type: ignore[operator]


def follow(
    page: str,
    home: Path,
    scenes: Mapping[str, Scene],
    check: Callable[[Path, str], None] = lambda home, _: check_start(home),
) -> dict[str, str]:
    """Follows the page: puts its files there, runs its commands, and has what is configured checked where a section ends (``check`` is
    given its heading). Before a command that is in ``scenes`` its scene happens. Returns what the commands printed."""
    printed: dict[str, str] = {}
    blocks = blocks_of(page)
    for number, block in enumerate(blocks):
        rest = blocks[number + 1 :]
        if block.language == "yaml":
            _put(block, home)
        elif block.language == "csv":
            (home / _table_of(rest)).write_text(block.text)
        elif block.language == "sh":
            for command in block.lines():
                if command.startswith("ostiary serve "):
                    check_serves(command, home)
                else:
                    printed[command] = run(_filled_in(command, scenes.get(command, _nothing)(home)), home)
        if _configures(block) and not any(_configures(later) and later.heading == block.heading for later in rest):
            check(home, block.heading)
    return printed


def _put(block: Block, home: Path) -> None:
    files = block.files()
    if not files:
        raise AssertionError(f"a block under {block.heading!r} does not say in its first line which file it is for")
    for name in files:
        if name in ("idp.yaml", "aa.yaml"):
            put_into(home / name, yaml.safe_load(block.text))
        else:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(block.text)


def _configures(block: Block) -> bool:
    return block.language == "yaml"


def _table_of(rest: Sequence[Block]) -> str:
    """The file that the next commands read."""
    found = re.search(r"\S+\.csv", next(block.text for block in rest if block.language == "sh"))
    if found is None:
        raise AssertionError("no command reads the table")
    return found[0]


def _nothing(_home: Path) -> Mapping[str, str]:
    return {}


def _filled_in(command: str, words: Mapping[str, str]) -> str:
    for written, meant in words.items():
        command = command.replace(written, meant)
    return command
