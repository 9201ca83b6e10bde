"""``ostiary vo``: access-control lists: who may manage what."""

from pathlib import Path
from typing import Any, Final

import click

from ostiary.x509.fqan import Fqan, parse_fqan
from voms.administration.acl import AclEntry
from voms.administration.callers import owner_of_certificate
from voms.administration.desk import MANAGER
from voms.administration.permissions import parse_permissions, permissions_text
from voms.administration.who import Who, WhoKind
from voms.commands.certificate_files import names_of_file
from voms.commands.working import MEMBER_ID, VoCommand, Working, answer
from voms.directory import FederatedIdentity

_CONTEXT: Final = click.argument("context", metavar="GROUP_OR_ROLE")
_BELOW: Final = click.option("--below", is_flag=True, help="Also for the roles in the group, and all groups below.")
_DEFAULT: Final = click.option("--default", is_flag=True, help="The list that new groups below will get.")
_MARKS: Final = ("anyone", "authenticated", "unauthenticated")


def _who(command: Any) -> Any:
    command = click.option("--for-identity", nargs=3, metavar="ENTITY_ID ATTRIBUTE VALUE", help="Somebody by login.")(
        command
    )
    told = "A group, a role (/vo/group/Role=name), a member, a certificate, or: anyone, authenticated, unauthenticated."
    return click.option("--for", "who", metavar="WHO", help=told)(command)


@click.command("acl", cls=VoCommand)
@_CONTEXT
@_DEFAULT
@click.pass_obj
def acl(working: Working, context: str, default: bool) -> None:
    """The access-control list of /vo/group, or of /vo/group/Role=name."""
    place = parse_fqan(context)
    found = working.desk.acl(place.group, place.role, for_new_groups=default)
    facts = [
        {**entry.who.as_json(), "permissions": permissions_text(entry.permissions), "bits": int(entry.permissions)}
        for entry in found
    ]
    answer(facts, (f"{_shown(entry.who)}  {permissions_text(entry.permissions)}" for entry in found))


@click.command("set-acl-entry", cls=VoCommand)
@_CONTEXT
@click.argument("permissions")
@_who
@_BELOW
@_DEFAULT
@click.pass_obj
def set_acl_entry(
    working: Working,
    context: str,
    permissions: str,
    who: str | None,
    for_identity: tuple[str, str, str] | None,
    below: bool,
    default: bool,
) -> None:
    """Let somebody do PERMISSIONS (CONTAINER_READ, MEMBERSHIP_RW, ALL ... joined by |) in a group, or with a role in it."""
    entry = _entry(parse_fqan(context), _meant(working, who, for_identity), permissions, default)
    _check(below, default)
    working.desk.set_acl_entry(entry, below=below)
    _told(entry)


@click.command("remove-acl-entry", cls=VoCommand)
@_CONTEXT
@_who
@_BELOW
@_DEFAULT
@click.pass_obj
def remove_acl_entry(
    working: Working,
    context: str,
    who: str | None,
    for_identity: tuple[str, str, str] | None,
    below: bool,
    default: bool,
) -> None:
    """Take somebody out of a list."""
    entry = _entry(parse_fqan(context), _meant(working, who, for_identity), "NONE", default)
    _check(below, default)
    working.desk.remove_acl_entry(entry, below=below)
    _told(entry)


@click.command("add-manager", cls=VoCommand)
@click.argument("group")
@_who
@click.option("--permissions", default=permissions_text(MANAGER), help="What she may do.  [default: what is usual]")
@click.pass_obj
def add_manager(
    working: Working, group: str, who: str | None, for_identity: tuple[str, str, str] | None, permissions: str
) -> None:
    """Make somebody a manager of a GROUP, the roles in it and all groups below."""
    entry = _entry(parse_fqan(group), _meant(working, who, for_identity), permissions, False)
    working.desk.add_manager(entry.group, entry.who, entry.permissions)
    _told(entry)


def _entry(place: Fqan, who: Who, permissions: str, default: bool) -> AclEntry:
    return AclEntry(place.group, place.role, who, parse_permissions(permissions), default)


def _meant(working: Working, who: str | None, identity: tuple[str, str, str] | None) -> Who:
    """Whom the options mean: of a certificate its member, where it has one, and by whatever else she is known."""
    if (who is None) == (identity is None):
        raise click.UsageError("give --for or --for-identity")
    if identity is not None:
        return Who.identity(FederatedIdentity(*identity))
    text = who or ""
    if text in _MARKS:
        return Who.of_kind(WhoKind(text))
    if text.startswith(f"/{working.vo}/") or text == f"/{working.vo}":
        return Who.fqan(parse_fqan(text))
    if MEMBER_ID.fullmatch(text) or ("=" in text and not Path(text).exists()):
        return Who.member(working.member(text))
    names = names_of_file(Path(text))
    member = owner_of_certificate(working.engine, working.vo, names)
    return Who.member(member) if member is not None else Who.certificate(names)


def _check(below: bool, default: bool) -> None:
    if below and default:
        raise click.UsageError("the default list of a group has nothing below it")


def _told(entry: AclEntry) -> None:
    answer(
        {
            "group": entry.group,
            "role": entry.role,
            **entry.who.as_json(),
            "permissions": permissions_text(entry.permissions),
        }
    )


def _shown(who: Who) -> str:
    return f"{who.kind.value} {who.shown()}".rstrip()


COMMANDS: Final = (acl, set_acl_entry, remove_acl_entry, add_manager)
