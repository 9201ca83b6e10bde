"""``ostiary vo aup ...``: the acceptable-use policy, its versions and who signed it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from voms.commands.working import FILE, MEMBER_ARGUMENT, VoCommand, VoGroup, Working, answer
from voms.grant_options import instant
from voms.members import desk as life
from voms.members.acceptance import in_force
from voms.members.aup import DEFAULT_GRACE, DEFAULT_SIGN_AGAIN, AupVersion, version_named
from voms.members.lacking import Lacking
from voms.members.situation import Situation

_SIGN_AGAIN: Final = click.option(
    "--sign-again-days",
    type=int,
    default=DEFAULT_SIGN_AGAIN,
    show_default=True,
    help="For how many days a signature counts.",
)
_ONCE: Final = click.option("--sign-once", is_flag=True, help="A signature counts for good.")
_GRACE: Final = click.option(
    "--grace-days",
    type=int,
    default=DEFAULT_GRACE,
    show_default=True,
    help="For how many days somebody without a signature goes on.",
)


@click.group("aup", cls=VoGroup)
def aup() -> None:
    """The acceptable-use policy: what members sign, and again from time to time."""


@aup.command("add")
@click.argument("version")
@click.option("--url", metavar="URL", help="Where the policy stands.")
@click.option("--text", "text_file", type=FILE, help="A file with its text.")
@_SIGN_AGAIN
@_ONCE
@_GRACE
@click.option("--from", "begin", metavar="ISO_TIME", help="When it comes into force, if not now.")
@click.pass_obj
def add(
    working: Working,
    version: str,
    url: str | None,
    text_file: Path | None,
    sign_again_days: int,
    sign_once: bool,
    grace_days: int,
    begin: str | None,
) -> None:
    """Make a VERSION, which every member has to sign. Services sign nothing."""
    life.add_version(
        working.desk,
        version,
        url=url,
        text=_text_of(text_file),
        sign_again_days=None if sign_once else sign_again_days,
        grace_days=grace_days,
        in_force_from=instant(begin),
    )
    answer({"version": version})


@aup.command("change")
@click.argument("version")
@_SIGN_AGAIN
@_ONCE
@_GRACE
@click.pass_obj
def change(working: Working, version: str, sign_again_days: int, sign_once: bool, grace_days: int) -> None:
    """Give a VERSION other days. Its words stay: people have signed them."""
    days = None if sign_once else sign_again_days
    life.change_version(working.desk, version, sign_again_days=days, grace_days=grace_days)
    answer({"version": version})


@aup.command("remove")
@click.argument("version")
@click.pass_obj
def remove(working: Working, version: str) -> None:
    """End a VERSION and the signatures under it; the one before is then in force again."""
    life.remove_version(working.desk, version)
    answer({"version": version})


@aup.command("list")
@click.pass_obj
def list_versions(working: Working) -> None:
    """Every version; the one in force is marked."""
    known = life.versions(working.desk)
    present = in_force([each.terms for each in known], working.now)
    marked = [(each, present is not None and present.number == each.number) for each in known]
    answer([_facts(each, now) for each, now in marked], (_line(each, now) for each, now in marked))


@aup.command("show")
@click.argument("version")
@click.pass_obj
def show(working: Working, version: str) -> None:
    """The words of a VERSION, or where they stand."""
    with working.desk.looking() as rights:
        found = version_named(rights.connection, rights.vo, version)
    answer({**_facts(found, False), "text": found.text}, [found.text if found.text is not None else found.url or ""])


@aup.command("sign")
@MEMBER_ARGUMENT
@click.option("--version", metavar="VERSION", help="One that will come into force, if not the present one.")
@click.pass_obj
def sign(working: Working, member: str, version: str | None) -> None:
    """Record that a member signed, on paper for instance. Whom the missing signature had suspended goes on."""
    whose = working.member(member)
    signed = life.record_signature(working.desk, whose, version)
    answer({"member": whose, "version": signed}, [f"{whose} signed {signed}"])


@aup.command("ask")
@MEMBER_ARGUMENT
@click.pass_obj
def ask(working: Working, member: str) -> None:
    """Have a member sign anew, within the days of grace."""
    whose = working.member(member)
    life.ask_to_sign(working.desk, whose)
    answer({"member": whose})


@aup.command("signatures")
@MEMBER_ARGUMENT
@click.pass_obj
def signatures(working: Working, member: str) -> None:
    """What a member signed, and when last."""
    found = life.signatures(working.desk, working.member(member))
    lines = (f"{each.version}  {each.at:%Y-%m-%dT%H:%M:%SZ}" for each in found)
    answer([{"version": each.version, "signed_at": each.at} for each in found], lines)


@aup.command("missing")
@click.pass_obj
def missing(working: Working) -> None:
    """Everybody who has the policy to sign, and until when she goes on without."""
    found = list(_lacking(working))
    lines = (f"{each.member}  {_situation_line(each.situation)}" for each in found)
    answer([{"member": each.member, **_situation_facts(each.situation)} for each in found], lines)


@click.command("set-grace", cls=VoCommand)
@click.argument("days", type=int)
@click.pass_obj
def set_grace(working: Working, days: int) -> None:
    """For how many DAYS members go on after the end of their membership."""
    life.set_grace(working.desk, days)
    answer({"days": days})


@click.command("state", cls=VoCommand)
@MEMBER_ARGUMENT
@click.pass_obj
def state(working: Working, member: str) -> None:
    """Whether a member is active, suspended (by whom, why), expired, or has the policy to sign."""
    found = life.situation_of(working.desk, working.member(member))
    answer(_situation_facts(found), [_situation_line(found)])


def _text_of(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path} can't be read as UTF-8 text: {error}") from None


def _lacking(working: Working) -> Iterator[Lacking]:
    after: str | None = None
    while page := life.lacking(working.desk, after=after):
        yield from page
        after = page[-1].member


def _situation_facts(found: Situation) -> dict[str, object]:
    return {
        "state": found.state.value,
        "acts": found.acts,
        "since": found.since,
        "until": found.until,
        "code": found.code,
        "reason": found.reason,
        "by": found.by,
    }


def _facts(version: AupVersion, in_force_now: bool) -> dict[str, object]:
    return {
        "version": version.version,
        "url": version.url,
        "sign_again_days": version.sign_again_days,
        "grace_days": version.grace_days,
        "in_force_from": version.in_force_from,
        "in_force": in_force_now,
    }


def _line(version: AupVersion, in_force_now: bool) -> str:
    again = f"every {version.sign_again_days} days" if version.sign_again_days is not None else "once"
    place = version.url or "text"
    begin = f"{version.in_force_from:%Y-%m-%dT%H:%M:%SZ}"
    mark = "  in force" if in_force_now else ""
    return f"{version.version}  from {begin}  sign {again}, {version.grace_days} days of grace  {place}{mark}"


def _situation_line(found: Situation) -> str:
    parts = [found.state.value]
    if not found.acts:
        parts.append("gets nothing")
    for label, value in (("since", found.since), ("until", found.until)):
        if value is not None:
            parts.append(f"{label} {value:%Y-%m-%dT%H:%M:%SZ}")
    for label, text in (("by", found.by or ""), ("reason", found.reason)):
        if text:
            parts.append(f"{label}: {text}")
    return ", ".join(parts)


COMMANDS: Final = (aup, set_grace, state)
