"""The VO's groups and roles: looked through, made, changed and ended. Which of it somebody may do, the lists decide at the desk."""

from flask import Blueprint, Response

from ostiary.errors import Refusal
from voms.administration.permissions import Permission
from voms.administration.reach import inherits
from voms.administration.rights import Rights
from voms.browsing import FoundGroup, Page, list_groups, list_roles
from voms.grants import Whose
from voms.pages.forms import asked, attempt, filled, ticked, typed, when_typed
from voms.pages.frame import go_to, names_of, show, visit
from voms.viewing import see_group

GROUPS = Blueprint("groups", __name__)

MAXIMUM_DESCRIPTION = 1_000
MAXIMUM_VALUE = 4_096
_HERE = "groups.all_groups"


@GROUPS.get("/groups")
def all_groups() -> Response:
    """Those that she may see: by a search, or a page at a time."""
    here, text = visit(), asked("q")
    with here.rights() as rights:
        only = _seen_by(rights, here.root)
        sees_roles = rights.allows(Permission.CONTAINER_READ, here.root)
        found = _visible(
            list_groups(here.vo.engine, here.vo.name, text, only=only, after=asked("after", 2_000) or None), rights
        )
    return show(
        "groups.html",
        _HERE,
        searched=text,
        found=found,
        sees_roles=sees_roles,
        nothing_visible=only is not None and not only,
    )


def _seen_by(rights: Rights, root: str) -> frozenset[str] | None:
    """The groups that the caller may see. None for who may do everything in the root: the lists of thousands of groups would name her, so
    each group is looked at when it is shown."""
    return None if rights.allows(Permission.ALL, root) else rights.groups_with(Permission.CONTAINER_READ)


def _visible(page: Page[FoundGroup], rights: Rights) -> Page[FoundGroup]:
    return Page(tuple(each for each in page.rows if rights.allows(Permission.CONTAINER_READ, each.path)), page.after)


@GROUPS.get("/group")
def one_group(problem: Refusal | None = None) -> Response:
    """One group: where it stands, what it gives, what may be done with it."""
    here = visit()
    path = asked("path") or here.root
    with here.rights() as rights:
        seen = see_group(rights, path)
        may = rights.of(path)
        above = rights.of(path.rpartition("/")[0] or here.root)
        only = _seen_by(rights, here.root)
        inherited = inherits(rights.connection, rights.vo)
        below = _visible(
            list_groups(here.vo.engine, here.vo.name, below=path, only=only, after=asked("after", 2_000) or None),
            rights,
        )
    roles = list_roles(here.vo.engine, here.vo.name)
    return show(
        "group.html",
        _HERE,
        problem=problem,
        seen=seen,
        below=below,
        role_choices=[("", ""), *((each.name, each.name) for each in roles.rows)],
        may=names_of(may),
        may_end=path != here.root and bool(above & Permission.CONTAINER_WRITE),
        is_root=path == here.root,
        inherited=inherited,
        everything=may == Permission.ALL,
        filled=filled() if problem is not None else {},
    )


@GROUPS.post("/group/<what>")
def change_group(what: str) -> Response:
    """What was asked for on the page of a group, whose path stands in the query."""
    desk, path = visit().desk, asked("path") or visit().root

    def change() -> Response:
        match what:
            case "add":
                made = f"{path}/{typed('name')}"
                about = typed("description", MAXIMUM_DESCRIPTION)
                desk.add_group(made, description=about, optional=ticked("optional"))
                return go_to("groups.one_group", path=made, done="group_added")
            case "change":
                desk.change_group(
                    path, description=typed("about", MAXIMUM_DESCRIPTION), optional=ticked("group_optional")
                )
            case "inheritance":
                desk.set_inheritance(ticked("inherits"))
            case "add-parent":
                desk.add_parent(path, typed("parent"))
            case "remove-parent":
                desk.remove_parent(path, typed("parent"))
            case "set-attribute":
                whose = Whose(group=path, role=typed("attribute_role") or None)
                value = typed("attribute_value", MAXIMUM_VALUE)
                desk.set_attribute(typed("attribute_name"), value, whose, when_typed("attribute"))
            case "remove-attribute":
                desk.remove_attribute(typed("attribute_name"), Whose(group=path, role=typed("attribute_role") or None))
            case "remove":
                if not ticked("sure"):
                    raise Refusal("voms.not_sure", expected="the box is ticked", found="it is not")
                desk.remove_group(path)
                return go_to("groups.one_group", path=path.rpartition("/")[0], done="group_removed")
            case _:
                raise Refusal(
                    "voms.no_such_change", expected="something that can be done with a group", found=what[:40]
                )
        return go_to("groups.one_group", path=path, done="changed")

    return attempt(change, one_group)


@GROUPS.get("/roles")
def roles(problem: Refusal | None = None) -> Response:
    """All roles, for whom the root group is open."""
    here = visit()
    with here.rights() as rights:
        rights.require(Permission.CONTAINER_READ, here.root)
        may_write = rights.allows(Permission.CONTAINER_WRITE, here.root)
        may_see_lists = rights.allows(Permission.ACL_READ, here.root)
    text = asked("q")
    found = list_roles(here.vo.engine, here.vo.name, text, after=asked("after", 2_000) or None)
    return show(
        "roles.html",
        _HERE,
        problem=problem,
        searched=text,
        found=found,
        role_choices=[("", ""), *((each.name, each.name) for each in found.rows)],
        may_write=may_write,
        may_see_lists=may_see_lists,
        root=here.root,
        filled=filled() if problem is not None else {},
    )


@GROUPS.post("/roles/<what>")
def change_roles(what: str) -> Response:
    """A new role, or the end of one."""
    desk = visit().desk

    def change() -> Response:
        match what:
            case "add":
                desk.add_role(typed("role"), description=typed("description", MAXIMUM_DESCRIPTION))
                return go_to("groups.roles", done="role_added")
            case "remove":
                if not ticked("sure"):
                    raise Refusal("voms.not_sure", expected="the box is ticked", found="it is not")
                desk.remove_role(typed("ended_role"))
                return go_to("groups.roles", done="role_removed")
            case _:
                raise Refusal("voms.no_such_change", expected="something that can be done with a role", found=what[:40])

    return attempt(change, roles)
