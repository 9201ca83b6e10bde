"""Questions about the past, answered by `voms.history`: was she in it then, who could act so, what did somebody do, a member's history."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from flask import Blueprint, Response

from ostiary.errors import Refusal
from voms.administration.permissions import Permission
from voms.history import Past, Place, deeds, history_of
from voms.pages.forms import asked, instant_asked
from voms.pages.frame import Visit, show, visit

HISTORY = Blueprint("history", __name__)

SHOWN = 100
_HERE = "history.questions"


@HISTORY.get("/history")
def questions() -> Response:
    """The forms, and the answer to the one that was sent. Wants MEMBERSHIP_READ in the group in question, for what somebody did in the
    root, and ACL_READ there."""
    here, question = visit(), asked("question", 16)
    group, role = here.root, None
    if question in ("in", "who"):
        prefix = "" if question == "in" else "who_"
        group, role = asked(f"{prefix}group") or here.root, asked(f"{prefix}role") or None
    with here.rights() as rights:
        whole = rights.allows(Permission.MEMBERSHIP_READ, here.root)
        if question == "did":
            # What was changed of lists is told, too.
            rights.require(Permission.MEMBERSHIP_READ | Permission.ACL_READ, here.root)
        sees = bool(role) and rights.allows(Permission.MEMBERSHIP_READ, group, role)
        if not (sees or (not question and rights.anywhere(Permission.MEMBERSHIP_READ))):
            rights.require(Permission.MEMBERSHIP_READ, group)
    values: Mapping[str, object] = {}
    problem: Refusal | None = None
    try:
        match question:
            case "in":
                values = {"presence": _was_in(here, whole=whole)}
            case "who":
                values = {"actors": _who(here)}
            case "did":
                values = {"deeds": _did(here)}
    except Refusal as found:
        problem = found
    names = ("member", "group", "role", "at", "who_group", "who_role", "since", "until", "by", "from", "to")
    return show(
        "history.html",
        _HERE,
        status=problem.status if problem is not None else 200,
        problem=problem,
        question=question,
        filled={name: asked(name, 300) for name in names},
        root=here.root,
        **{"presence": None, "actors": None, "deeds": None, **values},
    )


@HISTORY.get("/member/history")
def of_member() -> Response:
    """All that ever became different for one member; for herself, and for who may see everybody."""
    here, member = visit(), asked("id", 64)
    with here.rights() as rights:
        herself = here.caller.member == member and not here.caller.barred
        if not herself:
            rights.require(Permission.MEMBERSHIP_READ, here.root)
        personal = herself or rights.allows(Permission.PERSONAL_INFO_READ, here.root)
    events = [
        event
        for event in history_of(here.vo.engine, here.vo.name, member)
        if personal or event.what not in ("identity", "details")
    ]
    return show("member_history.html", _HERE, member=member, events=events[::-1])


def _was_in(here: Visit, *, whole: bool) -> object:
    """``whole``: she may see all members; else she learns nothing more of somebody who was elsewhere."""
    found = Past(here.vo.engine, here.vo.name).was_in(
        asked("member", 64), asked("group") or here.root, instant_asked("at") or here.now, role=asked("role") or None
    )
    return found if whole or found.inside else replace(found, situation=None)


def _who(here: Visit) -> object:
    return Past(here.vo.engine, here.vo.name).who(
        asked("who_group") or here.root,
        _needed("since"),
        instant_asked("until") or here.now,
        role=asked("who_role") or None,
        after=asked("after", 64) or None,
        most=SHOWN,
    )


def _did(here: Visit) -> object:
    by = asked("by")
    before = None
    if asked("before", 64):
        at, _, serial = asked("before", 64).rpartition("~")
        before = _place(at, serial)
    since, until = instant_asked("from"), instant_asked("to")
    return deeds(
        here.vo.engine, here.vo.name, (by,) if by else None, since=since, until=until, before=before, most=SHOWN
    )


def _place(at: str, serial: str) -> Place:
    try:
        found = datetime.fromisoformat(at)
        if found.tzinfo is not None and serial.isascii() and serial.isdecimal() and len(serial) < 19:
            return Place(found.astimezone(UTC), int(serial))
    except (ValueError, OverflowError):
        pass
    raise Refusal("voms.page", expected="where the page before ended", found=at[:40])


def _needed(name: str) -> datetime:
    found = instant_asked(name)
    if found is None:
        raise Refusal("voms.typed_time", expected="2027-01-01T08:00", found="nothing")
    return found
