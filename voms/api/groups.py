"""Groups and roles."""

from typing import Annotated

from pydantic import Field

from voms.administration.permissions import Permission
from voms.api.routing import Call
from voms.api.values import After, Description, Most, Nothing, Path, Recurring, RoleName, Search, Shape, Validity
from voms.browsing import list_groups, list_roles
from voms.viewing import SetAttribute, see_group


class ListQuery(Shape):
    """A search, a page at a time: ``after`` is that of the page before."""

    search: Search = ""
    below: Annotated[Path | None, Field(description="Only those directly below this group.")] = None
    after: After | None = None
    most: Most = 100


class RolesQuery(Shape):
    """A search, a page at a time."""

    search: Search = ""
    after: After | None = None
    most: Most = 100


class PathQuery(Shape):
    """Which group."""

    path: Path


class ParentQuery(Shape):
    """Which group, and which one above it."""

    path: Path
    parent: Path


class ListedGroup(Shape):
    """``below``: how many groups stand directly below it."""

    path: str
    description: str
    optional: bool
    below: int


class Groups(Shape):
    """Those that the caller may see. A page may have fewer than were asked for; ``after`` null: it was the last."""

    groups: tuple[ListedGroup, ...]
    after: str | None


class Attribute(Validity):
    """A generic attribute. ``role``: of whom has that role in the group in question."""

    name: str
    value: str
    role: str | None = None

    @classmethod
    def of(cls, found: SetAttribute) -> "Attribute":
        """Of what is set."""
        recurs = Recurring.of(found.recurs) if found.recurs is not None else None
        return cls(
            name=found.name, value=found.value, role=found.role, since=found.since, until=found.until, recurs=recurs
        )


class Group(Shape):
    """``parents``: the groups directly above; ``attributes``: null for who may not see them."""

    path: str
    description: str
    optional: bool
    parents: tuple[str, ...]
    attributes: tuple[Attribute, ...] | None


class NewGroup(Shape):
    """A group below one that is there. ``optional``: stated only when asked for."""

    path: Path
    description: Description = ""
    optional: bool = False


class GroupChange(Shape):
    """What is null stays."""

    description: Description | None = None
    optional: bool | None = None


class NewRole(Shape):
    """A role that can be given in any group."""

    name: RoleName
    description: Description = ""


class Roles(Shape):
    """By name."""

    roles: tuple[NewRole, ...]
    after: str | None


def groups(call: Call[ListQuery, Nothing]) -> Groups:
    """Groups by their paths. Only those in which the caller has CONTAINER_READ."""
    desk, query = call.desk, call.query
    with desk.looking() as rights:
        if query.below is not None:
            rights.require(Permission.CONTAINER_READ, query.below)
        # The others are left out by the question already: where a page ends would name them.
        whole = rights.allows(Permission.ALL, desk.root)
        only = None if whole else rights.groups_with(Permission.CONTAINER_READ)
        page = list_groups(
            desk.engine, desk.vo, query.search, below=query.below, only=only, after=query.after, most=query.most
        )
        shown = [each for each in page.rows if rights.allows(Permission.CONTAINER_READ, each.path)]
    listed = (
        ListedGroup(path=each.path, description=each.description, optional=each.optional, below=each.below)
        for each in shown
    )
    return Groups(groups=tuple(listed), after=page.after)


def group(call: Call[PathQuery, Nothing]) -> Group:
    """One group. Wants CONTAINER_READ there, for its attributes ATTRIBUTES_READ."""
    with call.desk.looking() as rights:
        found = see_group(rights, call.query.path)
    attributes = None if found.attributes is None else tuple(Attribute.of(each) for each in found.attributes)
    return Group(
        path=found.path,
        description=found.description,
        optional=found.optional,
        parents=found.parents,
        attributes=attributes,
    )


def add_group(call: Call[Nothing, NewGroup]) -> NewGroup:
    """A new group. Wants CONTAINER_WRITE in the one above it."""
    wanted = call.body
    call.desk.add_group(wanted.path, description=wanted.description, optional=wanted.optional)
    return wanted


def change_group(call: Call[PathQuery, GroupChange]) -> None:
    """Another description, or whether it is stated only when asked for. Wants CONTAINER_WRITE there."""
    call.desk.change_group(call.query.path, description=call.body.description, optional=call.body.optional)


def remove_group(call: Call[PathQuery, Nothing]) -> None:
    """Ends a group and all that it gave. Wants CONTAINER_WRITE there and above."""
    call.desk.remove_group(call.query.path)


def add_parent(call: Call[ParentQuery, Nothing]) -> None:
    """A further group directly above. Wants CONTAINER_WRITE in both, and MEMBERSHIP_WRITE where people come in and for roles that come
    down."""
    call.desk.add_parent(call.query.path, call.query.parent)


def remove_parent(call: Call[ParentQuery, Nothing]) -> None:
    """Takes a further group above away. Wants CONTAINER_WRITE in both."""
    call.desk.remove_parent(call.query.path, call.query.parent)


def roles(call: Call[RolesQuery, Nothing]) -> Roles:
    """The VO's roles. Wants CONTAINER_READ in the root."""
    desk, query = call.desk, call.query
    desk.require(Permission.CONTAINER_READ)
    page = list_roles(desk.engine, desk.vo, query.search, after=query.after, most=query.most)
    return Roles(
        roles=tuple(NewRole(name=each.name, description=each.description) for each in page.rows), after=page.after
    )


def add_role(call: Call[Nothing, NewRole]) -> NewRole:
    """A new role. Wants CONTAINER_WRITE in the root."""
    call.desk.add_role(call.body.name, description=call.body.description)
    return call.body


def remove_role(call: Call[Nothing, Nothing]) -> None:
    """Ends a role, and that anybody has it. Wants CONTAINER_WRITE in the root, and no less for the role than in its groups."""
    call.desk.remove_role(call.path["role"])
