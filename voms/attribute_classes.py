"""The names that generic attributes of a VO may be expected to have: what they mean, and whether each value is one member's alone."""

import re
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from ostiary.errors import Missing, Refusal
from voms.changes import Change
from voms.tables import vo_attribute, vo_attribute_class

_NAME: Final = re.compile(r"[!-~]{1,255}")
MAXIMUM_DESCRIPTION: Final = 500


@dataclass(frozen=True, slots=True)
class AttributeClass:
    """``unique``: no two members have the same value."""

    name: str
    description: str
    unique: bool


def add_attribute_class(change: Change, name: str, *, description: str = "", unique: bool = False) -> None:
    """A new one. Raises `Refusal` (``voms.attribute_class``; ``voms.value_taken`` where ``unique`` and two members have the same value)."""
    if _NAME.fullmatch(name) is None or len(description) > MAXIMUM_DESCRIPTION or not description.isprintable():
        raise Refusal("voms.attribute_class", expected="a name without spaces", found=name[:80])
    if unique:
        held = vo_attribute
        twice = (
            select(held.c.value)
            .where(held.c.vo_id == change.vo, held.c.name == name, held.c.member_id.is_not(None))
            .group_by(held.c.value)
            .having(func.count(held.c.member_id.distinct()) > 1)
        )
        if change.connection.execute(twice.limit(1)).first() is not None:
            raise Refusal("voms.value_taken", expected="values that differ", found=name, name=name)
    change.add(vo_attribute_class, vo_id=change.vo, name=name, description=description, unique_values=unique)


def remove_attribute_class(change: Change, name: str) -> None:
    """Ends it and all attributes of that name. Raises `Missing` (``voms.no_attribute_class``)."""
    if change.end(vo_attribute_class, vo_id=change.vo, name=name) == 0:
        raise Missing(
            "voms.no_attribute_class", expected="an attribute class of this VO", found=name[:80], name=name[:80]
        )
    change.end(vo_attribute, vo_id=change.vo, name=name)


def attribute_classes(connection: Connection, vo_id: int) -> tuple[AttributeClass, ...]:
    """All, by name."""
    kept = vo_attribute_class
    wanted = select(kept.c.name, kept.c.description, kept.c.unique_values).where(kept.c.vo_id == vo_id)
    return tuple(AttributeClass(*row) for row in connection.execute(wanted.order_by(kept.c.name)))
