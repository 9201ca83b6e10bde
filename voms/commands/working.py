"""What every command of ``ostiary vo`` works with, and how it answers: in words, or with ``--json`` as one JSON document.

A group that others add commands to is a `VoGroup`: each of its commands then takes ``--json`` by itself.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
from sqlalchemy import Engine, select

from ostiary.errors import Missing, Refusal
from ostiary.storage.engine import reading
from voms.administration.callers import OPERATOR, owner_of_certificate
from voms.administration.desk import Desk
from voms.commands.certificate_files import names_of_file
from voms.exchange.written_names import written_name
from voms.memberships import Memberships
from voms.settings import VomsSettings
from voms.standing import End, Standing
from voms.tables import vo, vo_member_certificate

FILE: Final = click.Path(dir_okay=False, path_type=Path)
MEMBER_ARGUMENT: Final = click.argument("member", metavar="CERTIFICATE_OR_ID")
MEMBER_ID: Final = re.compile(r"[0-9a-f]{32}")
_AS_JSON: Final = "voms.commands.as_json"


@dataclass(frozen=True, slots=True)
class Working:
    """One VO, at the moment of the command; whoever runs it may do everything. ``config``: the file that the settings came from."""

    config: Path
    settings: VomsSettings
    engine: Engine
    memberships: Memberships
    now: datetime

    @property
    def desk(self) -> Desk:
        """Where changes are asked for."""
        return Desk(self.engine, self.settings.vo, OPERATOR, self.now)

    @property
    def vo(self) -> str:
        """The VO's name."""
        return self.settings.vo

    def member(self, text: str) -> str:
        """The id of whom a certificate file, an id, or the name in a certificate (``/C=ZZ/O=Example/CN=Ada``) means, in whatever state she
        is. Raises `Missing` (``voms.no_member``), `Refusal` (``voms.several_members``)."""
        if MEMBER_ID.fullmatch(text):
            return text
        if not Path(text).exists() and "=" in text:
            return self._named(written_name(text))
        names = names_of_file(Path(text))
        found = owner_of_certificate(self.engine, self.vo, names)
        if found is None:
            raise Missing("voms.no_member", expected="a member of this VO", found=names.subject)
        return found

    def _named(self, subject: str) -> str:
        """By the subject alone: two CAs may have given it to two people."""
        link = vo_member_certificate
        wanted = select(link.c.member_id).distinct().join(vo, vo.c.id == link.c.vo_id)
        with reading(self.engine) as connection:
            found = connection.execute(wanted.where(vo.c.name == self.vo, link.c.subject == subject)).scalars().all()
        if len(found) > 1:
            raise Refusal("voms.several_members", expected="one member", found=len(found))
        if not found:
            raise Missing("voms.no_member", expected="a member of this VO", found=subject)
        return str(found[0])

    def standing(self, text: str) -> Standing:
        """What a member has now. Raises `Missing` (``voms.no_member``)."""
        found = self.memberships.of_member(self.member(text), self.now)
        if found is None:
            raise Missing("voms.no_member", expected="a member of this VO", found=text)
        return found


class VoCommand(click.Command):
    """A command with ``--json``, which `answer` looks at."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params.append(_json_option())


class VoGroup(click.Group):
    """A group of such commands: it gives ``--json`` to each that has none."""

    command_class = VoCommand

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        if not isinstance(cmd, click.Group) and not any("--json" in each.opts for each in cmd.params):
            cmd.params.append(_json_option())
        super().add_command(cmd, name)


def answer(facts: Mapping[str, Any] | list[Any], lines: Iterable[str] = ()) -> None:
    """Tells the outcome: ``facts`` with ``--json`` (instants become ISO 8601 in UTC), else ``lines``."""
    if click.get_current_context().meta.get(_AS_JSON):
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False, default=_plain))
        return
    for line in lines:
        click.echo(line)


def pages(page: Callable[[str | None], Any]) -> Iterator[Any]:
    """Every row of a list that comes in pages (`voms.browsing.Page`): ``page`` gives that after a place."""
    place: str | None = None
    while True:
        found = page(place)
        yield from found.rows
        place = found.after
        if place is None:
            return


def until_text(end: End) -> str:
    """How lines say when something ends."""
    return f"  until {end:%Y-%m-%dT%H:%M:%SZ}" if end is not None else ""


def _json_option() -> click.Option:
    return click.Option(
        ["--json"], is_flag=True, expose_value=False, callback=_remember, help="For programs: one JSON document."
    )


def _remember(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.meta[_AS_JSON] = True


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    raise TypeError(f"{type(value).__name__} is not JSON")
