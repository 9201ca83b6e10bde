"""The first page of a VO: who you are there, and where to go. Tells strangers nothing but that."""

from flask import Blueprint, Response

from voms.administration.permissions import Permission
from voms.browsing import count_members
from voms.pages.frame import show, visit

OVERVIEW = Blueprint("overview", __name__)

_SHOWN = ("groups.all_groups", "members.found", "desk.requests", "history.questions")


@OVERVIEW.get("/")
def start() -> Response:
    """Where she stands, how she is known, and what she may look at."""
    here = visit()
    with here.rights() as rights:
        counts = None
        if rights.allows(Permission.MEMBERSHIP_READ, here.root):
            counts = count_members(here.vo.engine, here.vo.name, at=here.now)
    caller = here.caller
    return show(
        "start.html",
        "overview.start",
        caller=caller,
        standing=caller.standing,
        counts=counts,
        manages=[endpoint for endpoint in _SHOWN if endpoint in here.sees],
    )
