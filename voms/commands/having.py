"""``ostiary vo``: what members have in groups: membership and roles."""

from typing import Final

import click

from voms.commands.working import MEMBER_ARGUMENT, VoCommand, Working, answer
from voms.grant_options import Holds, when
from voms.periods import When


@click.command("join", cls=VoCommand)
@MEMBER_ARGUMENT
@click.argument("group")
@when
@click.pass_obj
def join(working: Working, member: str, group: str, holds: Holds) -> None:
    """Put a member into a GROUP, and so into those above it."""
    whose = working.member(member)
    working.desk.join(whose, group, When(**holds.parts()))
    answer({"member": whose, "group": group})


@click.command("leave", cls=VoCommand)
@MEMBER_ARGUMENT
@click.argument("group")
@click.pass_obj
def leave(working: Working, member: str, group: str) -> None:
    """Take a member out of a GROUP, of those below it, and of her roles there."""
    whose = working.member(member)
    working.desk.leave(whose, group)
    answer({"member": whose, "group": group})


@click.command("move", cls=VoCommand)
@MEMBER_ARGUMENT
@click.argument("group")
@click.argument("to")
@click.pass_obj
def move(working: Working, member: str, group: str, to: str) -> None:
    """Take a member out of GROUP and put her into another, for the times that she had."""
    whose = working.member(member)
    working.desk.move(whose, group, to)
    answer({"member": whose, "group": group, "to": to})


@click.command("assign-role", cls=VoCommand)
@MEMBER_ARGUMENT
@click.argument("group")
@click.argument("role")
@when
@click.pass_obj
def assign_role(working: Working, member: str, group: str, role: str, holds: Holds) -> None:
    """Give a member a ROLE in a GROUP."""
    whose = working.member(member)
    working.desk.assign_role(whose, group, role, When(**holds.parts()))
    answer({"member": whose, "group": group, "role": role})


@click.command("dismiss-role", cls=VoCommand)
@MEMBER_ARGUMENT
@click.argument("group")
@click.argument("role")
@click.pass_obj
def dismiss_role(working: Working, member: str, group: str, role: str) -> None:
    """Take a ROLE in a GROUP away."""
    whose = working.member(member)
    working.desk.dismiss_role(whose, group, role)
    answer({"member": whose, "group": group, "role": role})


COMMANDS: Final = (join, leave, move, assign_role, dismiss_role)
