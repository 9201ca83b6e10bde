"""``ostiary vo history ...``: who was in a group, who could act in a role, what somebody did, and all that ever became of a member."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from voms.commands.certificate_files import names_of_file
from voms.commands.working import MEMBER_ARGUMENT, MEMBER_ID, VoGroup, Working, answer
from voms.grant_options import instant
from voms.history import Actor, Deed, Deeds, Event, Ground, Past, Place, Presence, deeds, history_of, known_as
from voms.history.json_form import actors_json, deeds_json, events_json, instant_text, plain, presence_json
from voms.history.reports import Actors
from voms.history.spans import MOMENT

_ID: Final = re.compile(r"operator|(?:certificate|person):[0-9a-f]{16}")
_SHOWN: Final = 50
_FROM: Final = click.option("--from", "since", metavar="ISO_TIME", help="From when on.")
_TO: Final = click.option("--to", "until", metavar="ISO_TIME", help="Until when; now, if nothing is said.")
_ROLE: Final = click.option("--role", help="In this role there.")


@click.group("history", cls=VoGroup)
def history() -> None:
    """The VO as it was."""


@history.command("was-in")
@MEMBER_ARGUMENT
@click.argument("group")
@_ROLE
@click.option("--at", "moment", metavar="ISO_TIME", help="When; now, if nothing is said.")
@click.pass_obj
def was_in(working: Working, member: str, group: str, role: str | None, moment: str | None) -> None:
    """Whether a member was in a GROUP at an instant, and through which grants."""
    at = instant(moment) or working.now
    past = Past(working.engine, working.vo)
    found = past.was_in(_member_then(working, past, member, at), group, at, role=role)
    answer(presence_json(found), _presence(found))


@history.command("who")
@click.argument("group")
@_ROLE
@click.option("--from", "since", metavar="ISO_TIME", help="From when on; this day in UTC, if nothing is said.")
@_TO
@click.option("--most", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="How many members.")
@click.pass_obj
def who(working: Working, group: str, role: str | None, since: str | None, until: str | None, most: int) -> None:
    """Who could act as a member of a GROUP, or in a role there, between two instants, and when."""
    end = instant(until) or working.now
    begin = instant(since) or (end - MOMENT).replace(hour=0, minute=0, second=0, microsecond=0)
    past, found, after = Past(working.engine, working.vo), list[Actor](), None
    while len(found) < most:
        page = past.who(group, begin, end, role=role, after=after, most=min(most - len(found), 1_000))
        found += page.actors
        after = page.after
        if after is None:
            break
    answer(actors_json(Actors(tuple(found), after)), _actors(found, after))


@history.command("by")
@click.argument("who", metavar="CERTIFICATE_OR_ID")
@_FROM
@_TO
@click.option(
    "--most", type=click.IntRange(1, 100_000), default=100, show_default=True, help="How many, the newest first."
)
@click.pass_obj
def by(working: Working, who: str, since: str | None, until: str | None, most: int) -> None:
    """What somebody changed: "operator" is the command line; else a member, or whose certificate it is."""
    ids = _ids(working, who)
    found, before = list[Deed](), None
    while len(found) < most:
        page = _page(working, ids, since, until, before, most - len(found))
        found += page.deeds
        before = page.before
        if before is None:
            break
    answer(deeds_json(Deeds(tuple(found), before)), map(_deed, found))


@history.command("member")
@MEMBER_ARGUMENT
@_FROM
@_TO
@click.pass_obj
def member_history(working: Working, member: str, since: str | None, until: str | None) -> None:
    """Everything that became different for a member, also for one who was removed."""
    whose = _member_ever(working, member)
    found = history_of(working.engine, working.vo, whose, since=instant(since), until=instant(until))
    answer(events_json(found), map(_event, found))


COMMANDS: Final = (history,)


def _member_then(working: Working, past: Past, text: str, at: datetime) -> str:
    """By a certificate: who had it at that time."""
    return past.holder(names_of_file(Path(text)), at) if Path(text).exists() else working.member(text)


def _member_ever(working: Working, text: str) -> str:
    if Path(text).exists():
        return Past(working.engine, working.vo).latest_holder(names_of_file(Path(text)))
    return working.member(text)


def _ids(working: Working, text: str) -> tuple[str, ...]:
    if _ID.fullmatch(text):
        return (text,)
    if MEMBER_ID.fullmatch(text) or not Path(text).exists():
        return known_as(working.engine, working.vo, working.member(text))
    names = names_of_file(Path(text))
    own = f"certificate:{names.key[:16]}"
    owners = Past(working.engine, working.vo).holders(names)
    return tuple(
        dict.fromkeys((own, *(each for owner in owners for each in known_as(working.engine, working.vo, owner))))
    )


def _page(
    working: Working, ids: tuple[str, ...], since: str | None, until: str | None, before: Place | None, most: int
) -> Deeds:
    begin, end = instant(since), instant(until)
    return deeds(working.engine, working.vo, ids, since=begin, until=end, before=before, most=min(most, 500))


def _presence(found: Presence) -> Iterator[str]:
    place = found.group if found.role is None else f"{found.group}/Role={found.role}"
    yield f"{'yes' if found.inside else 'no'}  {found.member}  {place}  at {instant_text(found.at)}"
    state = found.situation
    if state is None:
        yield "no member then"
    elif not state.acts:
        by_whom = f"  by {state.by}" if state.by is not None else ""
        yield f"could not act: {state.state.value}{by_whom}  {state.reason}"
    yield from map(_ground, found.grounds)


def _actors(found: list[Actor], after: str | None) -> Iterator[str]:
    for actor in found:
        yield "  ".join((actor.member, *actor.certificates))
        for begin, end in actor.spans[:_SHOWN]:
            yield f"  {instant_text(begin)} to {instant_text(end)}"
        if len(actor.spans) > _SHOWN:
            yield f"  and {len(actor.spans) - _SHOWN} more times (--json tells them all)"
        yield from map(_ground, actor.grounds)
    if after is not None:
        yield "There are more: --most."


def _ground(found: Ground) -> str:
    place = found.group if found.role is None else f"{found.group}/Role={found.role}"
    line = f"  {place}  granted {instant_text(found.at)} by {found.by} ({found.serial})"
    if found.ended_at is not None:
        line += f", ended {instant_text(found.ended_at)} by {found.ended_by} ({found.ended_serial})"
    return line


def _deed(found: Deed) -> str:
    about = f"  {found.member}" if found.member is not None else ""
    facts = {name: value for name, value in found.facts.items() if name != "vo" and value is not None}
    return f"{found.serial}  {instant_text(found.at)}  {found.by}  {found.action}{about}{_facts(facts)}"


def _event(found: Event) -> str:
    before = f"  before:{_facts(plain(found.before))}" if found.before else ""
    facts = _facts(plain(found.facts))
    return f"{found.serial}  {instant_text(found.at)}  {found.by}  {found.what} {found.turn}{facts}{before}"


def _facts(facts: Mapping[str, Any]) -> str:
    return "".join(f"  {name}={value}" for name, value in facts.items())
