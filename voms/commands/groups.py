"""``ostiary vo``: groups, what stands above them, and roles."""

from functools import partial
from typing import Final

import click

from voms.browsing import FoundGroup, FoundRole, list_groups, list_roles
from voms.commands.working import VoCommand, Working, answer, pages


@click.command("add-group", cls=VoCommand)
@click.argument("group")
@click.option("--description", default="", help="What it is for.")
@click.option("--optional", is_flag=True, help="State it only when asked for.")
@click.pass_obj
def add_group(working: Working, group: str, description: str, optional: bool) -> None:
    """Make the GROUP /vo/name; the one above it must be there."""
    working.desk.add_group(group, description=description, optional=optional)
    answer({"group": group})


@click.command("remove-group", cls=VoCommand)
@click.argument("group")
@click.pass_obj
def remove_group(working: Working, group: str) -> None:
    """End a GROUP and all that it gave. Groups below it have to go first."""
    working.desk.remove_group(group)
    answer({"group": group})


@click.command("describe-group", cls=VoCommand)
@click.argument("group")
@click.argument("description")
@click.pass_obj
def describe_group(working: Working, group: str, description: str) -> None:
    """Say what a GROUP is for."""
    working.desk.change_group(group, description=description)
    answer({"group": group, "description": description})


@click.command("set-optional", cls=VoCommand)
@click.argument("group")
@click.option("--no", "always", is_flag=True, help="State it always.")
@click.pass_obj
def set_optional(working: Working, group: str, always: bool) -> None:
    """State the GROUP only when it is asked for."""
    working.desk.change_group(group, optional=not always)
    answer({"group": group, "optional": not always})


@click.command("add-parent", cls=VoCommand)
@click.argument("group")
@click.argument("parent")
@click.pass_obj
def add_parent(working: Working, group: str, parent: str) -> None:
    """Who is in GROUP shall be in PARENT, too. The name of GROUP stays."""
    working.desk.add_parent(group, parent)
    answer({"group": group, "parent": parent})


@click.command("remove-parent", cls=VoCommand)
@click.argument("group")
@click.argument("parent")
@click.pass_obj
def remove_parent(working: Working, group: str, parent: str) -> None:
    """Take back add-parent."""
    working.desk.remove_parent(group, parent)
    answer({"group": group, "parent": parent})


@click.command("list-groups", cls=VoCommand)
@click.option("--below", metavar="GROUP", help="Only those directly below this one.")
@click.option("--search", default="", metavar="WORDS", help="Only those with these words in path or description.")
@click.pass_obj
def groups(working: Working, below: str | None, search: str) -> None:
    """All groups, by their paths."""
    page = partial(list_groups, working.engine, working.vo, search, below=below, most=500)
    found: list[FoundGroup] = list(pages(lambda after: page(after=after)))
    facts = [
        {"group": each.path, "description": each.description, "optional": each.optional, "below": each.below}
        for each in found
    ]
    answer(facts, map(_group_line, found))


@click.command("add-role", cls=VoCommand)
@click.argument("role")
@click.option("--description", default="", help="What it is for.")
@click.pass_obj
def add_role(working: Working, role: str, description: str) -> None:
    """Make a ROLE, which can then be given in any group."""
    working.desk.add_role(role, description=description)
    answer({"role": role})


@click.command("remove-role", cls=VoCommand)
@click.argument("role")
@click.pass_obj
def remove_role(working: Working, role: str) -> None:
    """End a ROLE, and that anybody has it."""
    working.desk.remove_role(role)
    answer({"role": role})


@click.command("list-roles", cls=VoCommand)
@click.pass_obj
def roles(working: Working) -> None:
    """All roles, by name."""
    page = partial(list_roles, working.engine, working.vo, most=500)
    found: list[FoundRole] = list(pages(lambda after: page(after=after)))
    facts = [{"role": each.name, "description": each.description} for each in found]
    answer(facts, (_line(each.name, each.description) for each in found))


def _group_line(group: FoundGroup) -> str:
    return _line(group.path + ("  only when asked for" if group.optional else ""), group.description)


def _line(name: str, description: str) -> str:
    return f"{name}  {description}" if description else name


COMMANDS: Final = (
    add_group,
    remove_group,
    describe_group,
    set_optional,
    add_parent,
    remove_parent,
    groups,
    add_role,
    remove_role,
    roles,
)
