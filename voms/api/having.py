"""What members have: groups, roles and generic attributes."""

from typing import Annotated, Self, TypeVar

from pydantic import Field, model_validator

from voms.api.routing import Call
from voms.api.values import AttributeName, MemberId, Nothing, Path, RoleName, Shape, Validity
from voms.grants import MAXIMUM_VALUE, Whose

ShapeT = TypeVar("ShapeT", bound=Shape)


class Joining(Validity):
    """A group, and when."""

    group: Path


class Moving(Validity):
    """Out of ``group``, into the group ``to``, and when."""

    group: Path
    to: Path


class RoleGiving(Validity):
    """A role in a group, and when."""

    group: Path
    role: RoleName


class GroupQuery(Shape):
    """Which group."""

    group: Path


class RoleQuery(Shape):
    """Which role in which group."""

    group: Path
    role: RoleName


class AttributeQuery(Shape):
    """Which attribute: of a ``member``, of a ``group``, or of who has the ``role`` in that group."""

    name: AttributeName
    member: MemberId | None = None
    group: Path | None = None
    role: RoleName | None = None

    @model_validator(mode="after")
    def _belongs_to_one(self) -> Self:
        self.whose()
        return self

    def whose(self) -> Whose:
        """Of whom or what it is. Raises ValueError for what is no one of them."""
        return Whose(self.member, self.group, self.role)


class Setting(AttributeQuery, Validity):
    """A generic attribute with its value, and when."""

    value: Annotated[str, Field(min_length=1, max_length=MAXIMUM_VALUE)]


def join(call: Call[Nothing, Joining]) -> None:
    """Puts a member into a group, and so into those above it. Wants MEMBERSHIP_WRITE there."""
    call.desk.join(call.path["member"], call.body.group, call.body.when())


def leave(call: Call[GroupQuery, Nothing]) -> None:
    """Takes a member out of a group, of those below it, and of her roles there. Wants MEMBERSHIP_WRITE there."""
    call.desk.leave(call.path["member"], call.query.group)


def move(call: Call[Nothing, Moving]) -> None:
    """Takes a member out of one group and puts her into another, at one stroke. Wants MEMBERSHIP_WRITE in both."""
    call.desk.move(call.path["member"], call.body.group, call.body.to, call.body.when())


def assign_role(call: Call[Nothing, RoleGiving]) -> None:
    """Gives a member a role in a group in which she is. Wants MEMBERSHIP_WRITE for the role there."""
    call.desk.assign_role(call.path["member"], call.body.group, call.body.role, call.body.when())


def dismiss_role(call: Call[RoleQuery, Nothing]) -> None:
    """Takes a role away. Wants MEMBERSHIP_WRITE for the role there."""
    call.desk.dismiss_role(call.path["member"], call.query.group, call.query.role)


def set_attribute(call: Call[Nothing, Setting]) -> None:
    """A generic attribute; replaces the value that it had there. Wants ATTRIBUTES_WRITE there, for a member's in the root."""
    wanted = call.body
    call.desk.set_attribute(wanted.name, wanted.value, wanted.whose(), wanted.when())


def remove_attribute(call: Call[AttributeQuery, Nothing]) -> None:
    """Takes a generic attribute away. Wants what setting it wants."""
    query = call.query
    call.desk.remove_attribute(query.name, query.whose())
