"""``ostiary vo``: generic attributes of members, groups, and roles in groups, and the classes that say what their names mean."""

from collections.abc import Callable
from typing import Any, Final

import click

from voms.commands.working import VoCommand, Working, answer, until_text
from voms.grant_options import Holds, when
from voms.grants import Whose
from voms.periods import When


def _whose(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say whose an attribute is."""
    for option in (
        click.option("--role", help="With --group: for those who have the role there."),
        click.option("--group"),
        click.option("--member", metavar="CERTIFICATE_OR_ID"),
    ):
        command = option(command)
    return command


@click.command("set-attribute", cls=VoCommand)
@click.argument("name")
@click.argument("value")
@_whose
@when
@click.pass_obj
def set_attribute(
    working: Working, name: str, value: str, member: str | None, group: str | None, role: str | None, holds: Holds
) -> None:
    """A generic attribute (a capability, for instance) of a member, a group, or a role in a group."""
    whose = _of(working, member, group, role)
    working.desk.set_attribute(name, value, whose, When(**holds.parts()))
    answer({"name": name, "value": value, **_facts(whose)})


@click.command("remove-attribute", cls=VoCommand)
@click.argument("name")
@_whose
@click.pass_obj
def remove_attribute(working: Working, name: str, member: str | None, group: str | None, role: str | None) -> None:
    """Take back set-attribute."""
    whose = _of(working, member, group, role)
    working.desk.remove_attribute(name, whose)
    answer({"name": name, **_facts(whose)})


@click.command("list-attributes", cls=VoCommand)
@_whose
@click.pass_obj
def list_attributes(working: Working, member: str | None, group: str | None, role: str | None) -> None:
    """The generic attributes that are set for a member, a group, or a role in a group; what comes down to them is not among them."""
    found = working.desk.attributes(_of(working, member, group, role))
    facts = [{"name": each.name, "value": each.value, "since": each.since, "until": each.until} for each in found]
    answer(facts, (f"{each.name} = {each.value}{until_text(each.until)}" for each in found))


@click.command("add-attribute-class", cls=VoCommand)
@click.argument("name")
@click.option("--description", default="", help="What it means.")
@click.option("--unique", is_flag=True, help="No two members may have the same value.")
@click.pass_obj
def add_attribute_class(working: Working, name: str, description: str, unique: bool) -> None:
    """Say what attributes called NAME mean."""
    working.desk.add_attribute_class(name, description=description, unique=unique)
    answer({"name": name, "unique": unique})


@click.command("remove-attribute-class", cls=VoCommand)
@click.argument("name")
@click.pass_obj
def remove_attribute_class(working: Working, name: str) -> None:
    """End a class, and every attribute of that NAME."""
    working.desk.remove_attribute_class(name)
    answer({"name": name})


@click.command("list-attribute-classes", cls=VoCommand)
@click.pass_obj
def attribute_classes(working: Working) -> None:
    """All classes, by name."""
    found = working.desk.attribute_classes()
    facts = [{"name": each.name, "description": each.description, "unique": each.unique} for each in found]
    lines = (f"{each.name}{'  unique' if each.unique else ''}  {each.description}".rstrip() for each in found)
    answer(facts, lines)


def _of(working: Working, member: str | None, group: str | None, role: str | None) -> Whose:
    if (member is None) == (group is None) or (role is not None and group is None):
        raise click.UsageError("give --member, or --group, or --group and --role")
    return Whose(working.member(member) if member is not None else None, group, role)


def _facts(whose: Whose) -> dict[str, Any]:
    return {"member": whose.member, "group": whose.group, "role": whose.role}


COMMANDS: Final = (
    set_attribute,
    remove_attribute,
    list_attributes,
    add_attribute_class,
    remove_attribute_class,
    attribute_classes,
)
