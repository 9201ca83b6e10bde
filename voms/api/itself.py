"""The VO itself, and who asks."""

from typing import Annotated

from pydantic import Field

from voms.administration.permissions import Permission
from voms.api.routing import Call
from voms.api.values import AttributeName, MemberId, Nothing, Path, PermissionName, Shape, permission_names
from voms.browsing import MEMBER_STATES, count_members


class Caller(Shape):
    """Who asks. ``by``: as records name her; ``member``: her id, where she is a member; ``barred``: she is one, and may do nothing now."""

    by: str
    member: MemberId | None
    barred: bool
    groups: tuple[str, ...]
    roles: tuple[str, ...]
    permissions: Annotated[tuple[PermissionName, ...], Field(description="In the root group.")]


class Vo(Shape):
    """A VO as the caller sees it. ``members``: how many there are in each state; null for who may not see them."""

    name: str
    members: dict[str, int] | None
    caller: Caller


class Inheritance(Shape):
    """Whether what a group gives goes to the members of the groups below it."""

    inherits: bool


class AttributeClass(Shape):
    """A name that generic attributes may have. ``unique``: no two members have the same value."""

    name: AttributeName
    description: Annotated[str, Field(max_length=500)] = ""
    unique: bool = False


class AttributeClasses(Shape):
    """All of them, by name."""

    classes: tuple[AttributeClass, ...]


class Rights(Shape):
    """What the caller may do in a group, or with a role in it."""

    group: Path
    role: str | None
    permissions: tuple[PermissionName, ...]


class WhereQuery(Shape):
    """A group, or a role in it."""

    group: Path
    role: Annotated[str, Field(max_length=128)] | None = None


def look(call: Call[Nothing, Nothing]) -> Vo:
    """The VO, and who asks."""
    desk, standing = call.desk, call.caller.standing
    with desk.looking() as rights:
        own = rights.of(desk.root)
    counts = None
    if own & Permission.MEMBERSHIP_READ:
        found = count_members(desk.engine, desk.vo, at=desk.at)
        counts = {state: found[state] for state in MEMBER_STATES}
    return Vo(
        name=desk.vo,
        members=counts,
        caller=Caller(
            by=call.caller.by,
            member=call.caller.member,
            barred=call.caller.barred,
            groups=tuple(sorted(standing.groups)) if standing is not None else (),
            roles=tuple(sorted(fqan.short() for fqan in standing.roles)) if standing is not None else (),
            permissions=permission_names(own),
        ),
    )


def may(call: Call[WhereQuery, Nothing]) -> Rights:
    """What the caller may do in a group, or with a role in it."""
    with call.desk.looking() as rights:
        found = rights.of(call.query.group, call.query.role)
    return Rights(group=call.query.group, role=call.query.role, permissions=permission_names(found))


def set_inheritance(call: Call[Nothing, Inheritance]) -> None:
    """Says whether what a group gives goes to the members of the groups below it. Wants every permission in the root."""
    call.desk.set_inheritance(call.body.inherits)


def attribute_classes(call: Call[Nothing, Nothing]) -> AttributeClasses:
    """The names that generic attributes may have. Wants ATTRIBUTES_READ in the root."""
    found = call.desk.attribute_classes()
    listed = (AttributeClass(name=each.name, description=each.description, unique=each.unique) for each in found)
    return AttributeClasses(classes=tuple(listed))


def add_attribute_class(call: Call[Nothing, AttributeClass]) -> AttributeClass:
    """A new name for generic attributes. Wants ATTRIBUTES_WRITE in the root."""
    wanted = call.body
    call.desk.add_attribute_class(wanted.name, description=wanted.description, unique=wanted.unique)
    return wanted


def remove_attribute_class(call: Call[Nothing, Nothing]) -> None:
    """Ends such a name and all attributes that have it. Wants ATTRIBUTES_WRITE in the root."""
    call.desk.remove_attribute_class(call.path["name"])
