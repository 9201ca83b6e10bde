"""The acceptable-use policy: its versions, and new ones. Signing is the members' own page."""

from flask import Blueprint, Response

from ostiary.errors import Refusal
from voms.administration.permissions import Permission
from voms.members import aup
from voms.members.desk import WRITES
from voms.pages.forms import attempt, filled, instant_typed, number_typed, ticked, typed
from voms.pages.frame import go_to, show, visit

POLICY = Blueprint("policy", __name__)


@POLICY.get("/policy")
def versions(problem: Refusal | None = None) -> Response:
    """Every version, for whom the root group is open."""
    here = visit()
    with here.rights() as rights:
        rights.require(Permission.CONTAINER_READ, here.root)
        known = aup.versions(rights.connection, rights.vo)
        current = aup.current_version(rights.connection, rights.vo, here.now)
        may_write = rights.allows(WRITES, here.root)
    return show(
        "policy.html",
        "overview.start",
        problem=problem,
        known=known,
        current=current,
        may_write=may_write,
        sign_again=aup.DEFAULT_SIGN_AGAIN,
        grace=aup.DEFAULT_GRACE,
        filled=filled() if problem is not None else {},
    )


@POLICY.post("/policy/<what>")
def change_versions(what: str) -> Response:
    """A new version, or the end of one."""
    desk = visit().desk

    def change() -> Response:
        version = typed("version", 64)
        match what:
            case "add":
                with desk.acting("vo.aup_added", facts={"version": version}) as acting:
                    acting.require(WRITES)
                    aup.add_version(
                        acting.change,
                        version,
                        url=typed("url", aup.MAXIMUM_URL) or None,
                        text=typed("text", aup.MAXIMUM_TEXT) or None,
                        sign_again_days=number_typed("sign_again"),
                        grace_days=number_typed("grace", 0) or 0,
                        in_force_from=instant_typed("in_force_from"),
                    )
            case "remove":
                if not ticked("sure"):
                    raise Refusal("voms.not_sure", expected="the box is ticked", found="it is not")
                with desk.acting("vo.aup_removed", facts={"version": version}) as acting:
                    acting.require(WRITES)
                    aup.remove_version(acting.change, version)
            case _:
                raise Refusal(
                    "voms.no_such_change", expected="something that can be done with a policy", found=what[:40]
                )
        return go_to("policy.versions", done="changed")

    return attempt(change, versions)
