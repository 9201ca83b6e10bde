"""What somebody gets along with something: all groups above one that she joins, and the names by which lists mean a member. Only reads."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, or_, select

from ostiary.x509.fqan import Fqan
from voms.administration.who import Who
from voms.portions import portions
from voms.rows import groups_from
from voms.tables import vo, vo_group, vo_group_membership, vo_group_parent, vo_role, vo_role_assignment


def groups_over(connection: Connection, groups: Iterable[int]) -> set[int]:
    """The numbers of these groups and of all above them, on every path."""
    line = vo_group_parent
    found = set(groups)
    level = set(found)
    while level:
        over: set[int] = set()
        for some in portions(sorted(level)):
            over |= set(connection.execute(select(line.c.parent_id).where(line.c.group_id.in_(some))).scalars())
        level = over - found
        found |= level
    return found


def paths_of(connection: Connection, groups: Iterable[int]) -> list[str]:
    """The paths of groups, in the order of their bytes."""
    found: list[str] = []
    for some in portions(sorted(groups)):
        found += connection.execute(select(vo_group.c.path).where(vo_group.c.id.in_(some))).scalars()
    return sorted(found)


def inherits(connection: Connection, vo_id: int) -> bool:
    """Whether roles of this VO go to the members of groups below."""
    return bool(connection.execute(select(vo.c.inherits).where(vo.c.id == vo_id)).scalar_one())


def roles_of_member(connection: Connection, member: str) -> set[str]:
    """The names of the roles that she has in any group, at whatever times."""
    held = vo_role_assignment
    wanted = select(vo_role.c.name).join(held, held.c.role_id == vo_role.c.id).where(held.c.member_id == member)
    return set(connection.execute(wanted).scalars())


def roles_given_in(connection: Connection, groups: Iterable[int]) -> set[str]:
    """The names of the roles that anybody has in one of these groups, at whatever times."""
    held = vo_role_assignment
    found: set[str] = set()
    for some in portions(sorted(groups)):
        wanted = select(vo_role.c.name).join(held, held.c.role_id == vo_role.c.id).where(held.c.group_id.in_(some))
        found |= set(connection.execute(wanted.distinct()).scalars())
    return found


def keys_of_member(connection: Connection, vo_id: int, root: str, member: str) -> set[str]:
    """By what lists may mean a member, now or at another time of what she was given; rather too many than too few."""
    joined = vo_group_membership
    own = set(connection.execute(select(joined.c.group_id).where(joined.c.member_id == member)).scalars())
    paths = {root, *paths_of(connection, groups_over(connection, own))}
    held = vo_role_assignment
    assigned = (
        select(vo_group.c.path, vo_role.c.name)
        .join(held, held.c.group_id == vo_group.c.id)
        .join(vo_role, vo_role.c.id == held.c.role_id)
        .where(held.c.member_id == member)
    )
    fqans = {Fqan(path, role) for path, role in connection.execute(assigned)}
    if inherits(connection, vo_id):
        fqans |= {Fqan(path, fqan.role) for fqan in fqans for path in paths}
    return {Who.member(member).key, *(Who.fqan(fqan).key for fqan in (*map(Fqan, paths), *fqans))}


def keys_of_role(connection: Connection, vo_id: int, group: int, role: str) -> set[str]:
    """By what lists mean who has the role in this group, and in those below where it comes down."""
    groups = groups_from(connection, group) if inherits(connection, vo_id) else [group]
    return {Who.fqan(Fqan(path, role)).key for path in paths_of(connection, groups)}


def groups_throughout(connection: Connection, member: str, since: datetime, until: datetime | None) -> set[int]:
    """The numbers of the groups in which the member is during all of ``[since, until)``, each by one membership without pauses, and of
    all above those."""
    joined = vo_group_membership
    long_enough: ColumnElement[bool] = joined.c.valid_to.is_(None)
    if until is not None:
        long_enough = or_(long_enough, joined.c.valid_to >= until)
    wanted = select(joined.c.group_id).where(
        joined.c.member_id == member, joined.c.recurs.is_(None), joined.c.valid_from <= since, long_enough
    )
    return groups_over(connection, connection.execute(wanted).scalars())
