"""The managers' side of requests and invitations: what waits, and what is decided. `voms.requests` checks, does and tells."""

from flask import Blueprint, Response

from ostiary.errors import Denied, Refusal
from ostiary.x509.fqan import parse_fqan
from voms.administration.permissions import Permission
from voms.pages.forms import asked, attempt, filled, instant_typed, typed, when_typed
from voms.pages.frame import go_to, show, visit
from voms.people import MAXIMUM_REASON
from voms.requests.asked import MAXIMUM_REMARK, MAXIMUM_WISHES, Wish
from voms.requests.desk import RequestDesk
from voms.requests.invitations import Invitations

DESK = Blueprint("desk", __name__)

MAXIMUM_NAMES = 4_096
_HERE = "desk.requests"


@DESK.get("/requests")
def requests(problem: Refusal | None = None) -> Response:
    """What waits for her decision, invitations without an answer, and what has come to an end."""
    here = visit()
    with here.rights() as rights:
        if not rights.anywhere(Permission.REQUESTS_READ):
            raise Denied(
                "voms.not_allowed",
                expected="REQUESTS_READ",
                found=here.caller.by,
                group=here.root,
                permission="REQUESTS_READ",
            )
        whole = rights.allows(Permission.REQUESTS_READ, here.root)
        may_invite = rights.allows(Permission.REQUESTS_WRITE, here.root)
    desk = RequestDesk(here.vo.office)
    return show(
        "requests.html",
        _HERE,
        problem=problem,
        waiting=desk.waiting(here.caller, here.now),
        unconfirmed=desk.unconfirmed(here.caller, here.now) if whole else (),
        ended=desk.ended(here.caller, here.now),
        invitations=Invitations(here.vo.office).waiting(here.caller, here.now) if whole else (),
        may_invite=may_invite,
        root=here.root,
        link="",
        filled=filled() if problem is not None else {},
    )


@DESK.get("/request")
def one_request(problem: Refusal | None = None) -> Response:
    """One request, and how it may be decided."""
    here = visit()
    listed = RequestDesk(here.vo.office).one(here.caller, asked("id", 64), here.now)
    return show(
        "request.html",
        _HERE,
        problem=problem,
        listed=listed,
        one=listed.request,
        filled=filled() if problem is not None else {},
    )


@DESK.post("/request/<what>")
def decide(what: str) -> Response:
    """The decision about the request whose id stands in the query."""
    here, number = visit(), asked("id", 64)
    desk = RequestDesk(here.vo.office)

    def change() -> Response:
        match what:
            case "approve":
                desk.approve(here.caller, number, here.now, until=instant_typed("until"), when=when_typed("approve"))
            case "reject":
                desk.reject(here.caller, number, typed("reason", MAXIMUM_REASON), here.now)
            case "hand-over":
                note = typed("note", MAXIMUM_REMARK)
                desk.hand_over(here.caller, number, typed("to", 64), note, here.now)
            case _:
                raise Refusal("voms.no_such_change", expected="a decision", found=what[:40])
        return go_to("desk.requests", done=f"request_{what.replace('-', '_')}")

    return attempt(change, one_request)


@DESK.post("/invitation/<what>")
def invite(what: str) -> Response:
    """A new invitation, or the end of one."""
    here = visit()
    invitations = Invitations(here.vo.office)

    def change() -> Response:
        match what:
            case "send":
                wishes = _wishes(typed("groups", MAXIMUM_NAMES))
                invitations.invite(here.caller, typed("mail"), wishes, here.now, until=instant_typed("until"))
            case "withdraw":
                invitations.withdraw(here.caller, typed("invitation", 64), here.now)
            case _:
                raise Refusal("voms.no_such_change", expected="something that can be done", found=what[:40])
        return go_to("desk.requests", done=f"invitation_{what}")

    return attempt(change, requests)


def _wishes(text: str) -> tuple[Wish, ...]:
    """Groups and roles, one a line. Raises `Refusal` (``x509.fqan*``, ``voms.wishes``)."""
    names = text.replace(",", " ").split()
    if len(names) > MAXIMUM_WISHES:
        expected = f"at most {MAXIMUM_WISHES} groups and roles"
        raise Refusal("voms.wishes", expected=expected, found=len(names), maximum=MAXIMUM_WISHES)
    found = (parse_fqan(name) for name in names)
    return tuple(Wish(fqan.group, fqan.role) for fqan in found)
