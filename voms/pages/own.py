"""What people do for themselves: ask to join, prove their address, answer an invitation, see their membership, ask for more, sign the
policy, leave. `voms.requests` checks, does and tells; every page is about whoever looks at it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from flask import Blueprint, Response

from ostiary.errors import Denied, NotAuthenticated, OstiaryError, Refusal
from voms.details import Details
from voms.members import aup
from voms.members.aup import AupVersion
from voms.members.situation import State
from voms.memberships import Memberships
from voms.pages.forms import asked, attempt, certificate_typed, filled, ticked, typed
from voms.pages.frame import Visit, go_to, problem_text, show, visit
from voms.requests.applicants import Applicants
from voms.requests.asked import MAXIMUM_REMARK, MAXIMUM_WISHES, Asked, Wish, check_asked
from voms.requests.invitations import Invitations
from voms.requests.inviting import problems_of_answer
from voms.requests.kept import Invitation
from voms.requests.submitting import MAXIMUM_TOKEN, read_wish

OWN = Blueprint("requests", __name__)

_HERE: Final = "requests.mine"
_FIELDS: Final = ("given_name", "surname", "institution", "mail", "phone", "address")
_MAXIMUM_TYPED: Final = 400
_MAXIMUM_ID: Final = 64
# What belongs to one field of the form; all else stands on top of it.
_OF_FIELDS: Final = {
    "voms.remark": "remark",
    "voms.wishes": "wishes",
    "voms.request_group": "wishes",
    "voms.aup_not_agreed": "agreed",
    "voms.invited_mail": "mail",
}


@OWN.get("/me")
def mine(problem: Refusal | None = None) -> Response:
    """Her membership, and what became of all that she asked for; for a stranger, how to join."""
    here = visit()
    found = Applicants(here.vo.office).own(here.caller, here.now)
    open_join = any(each.kind == "join" and each.is_open for each in found)
    standing, policy = None, None
    if here.caller.member is not None:
        standing = Memberships(here.vo.engine, here.vo.name).of_member(here.caller.member, here.now)
        policy = _policy(here)
    return show(
        "mine.html",
        _HERE,
        problem=problem,
        caller=here.caller,
        standing=standing,
        situation=standing.situation if standing is not None else None,
        must_sign=standing is not None and standing.situation.state is State.AUP_DUE,
        policy=policy,
        found=found,
        may_apply=here.caller.member is None and not open_join and here.vo.settings.requests.joining == "open",
        waits=open_join,
    )


@OWN.post("/me/withdraw")
def withdraw() -> Response:
    """She takes back a request."""
    here = visit()

    def change() -> Response:
        Applicants(here.vo.office).withdraw(here.caller, typed("request", _MAXIMUM_ID), here.now)
        return go_to(_HERE, done="own_withdrawn")

    return attempt(change, mine)


@OWN.get("/apply")
def apply_form() -> Response:
    """The form for becoming a member, with what her home organisation told filled in."""
    here = visit()
    return _application(here, _told(here.details), {})


@OWN.post("/apply")
def apply() -> Response:
    """Sends it; a letter asks for the proof of the address."""
    here = visit()

    def change(form: Asked) -> Response:
        made = Applicants(here.vo.office).apply(here.caller, form, here.now)
        return show("sent.html", _HERE, mail=made.mail)

    return _sent(here, change, lambda errors, problem: _application(here, filled(), errors, problem), check_asked)


@OWN.get("/confirm")
def confirm_form(problem: Refusal | None = None) -> Response:
    """Where the link of the letter leads: looking at it changes nothing."""
    here = visit()
    request, token = asked("request", _MAXIMUM_ID), asked("token", MAXIMUM_TOKEN)
    found = Applicants(here.vo.office).to_confirm(here.caller, request, token, here.now)
    return show("confirm.html", _HERE, problem=problem, one=found, request=request, token=token)


@OWN.post("/confirm")
def confirm() -> Response:
    """The address is proven."""
    here = visit()
    request, token = typed("request", _MAXIMUM_ID), typed("token", MAXIMUM_TOKEN)
    Applicants(here.vo.office).confirm(here.caller, request, token, here.now)
    return go_to(_HERE, done="own_confirmed")


@OWN.get("/invitation")
def invitation_form() -> Response:
    """Where the link of an invitation leads: what is offered, and the form."""
    here = visit()
    invitation, token = asked("invitation", _MAXIMUM_ID), asked("token", MAXIMUM_TOKEN)
    found = Invitations(here.vo.office).look(invitation, token, here.now)
    known = replace(here.details, mail=found.mail)
    return _answer(here, found, token, _told(known), {})


@OWN.post("/invitation")
def accept() -> Response:
    """She becomes a member, or gets what was prepared."""
    here, invitations = visit(), Invitations(visit().vo.office)
    invitation, token = typed("invitation", _MAXIMUM_ID), typed("token", MAXIMUM_TOKEN)
    found = invitations.look(invitation, token, here.now)

    def change(form: Asked) -> Response:
        invitations.accept(here.caller, invitation, token, form, here.now)
        return go_to(_HERE, done="own_accepted")

    def problems(form: Asked) -> Mapping[str, OstiaryError]:
        return {} if here.caller.member is not None else problems_of_answer(found, form)

    return _sent(
        here,
        change,
        lambda errors, problem: _answer(here, found, token, filled(), errors, problem),
        problems,
        mail=found.mail,
    )


@OWN.get("/ask")
def ask_form(problem: Refusal | None = None, what: str = "") -> Response:
    """The forms of a member: a group or role, a further certificate, to leave. ``what``: in which of them something was wrong."""
    here = visit()
    return show(
        "ask.html",
        _HERE,
        problem=problem,
        member=here.caller.member,
        active=here.caller.member is not None and not here.caller.barred,
        filled=filled() if problem is not None else {},
        what=what,
        most=MAXIMUM_REMARK,
    )


@OWN.post("/ask/<what>")
def ask(what: str) -> Response:
    """Sends one of them."""
    here = visit()
    applicants = Applicants(here.vo.office)

    def change() -> Response:
        remark = typed("remark", MAXIMUM_REMARK * 2)
        match what:
            case "group":
                applicants.ask(here.caller, read_wish(here.vo.name, typed("wish")), remark, here.now)
            case "certificate":
                names = certificate_typed("certificate", here.vo)
                if names is None:
                    raise Refusal("voms.certificate_text", expected="a certificate", found="nothing")
                applicants.ask_certificate(here.caller, names, remark, here.now)
            case "leave":
                if not ticked("sure"):
                    raise Refusal("voms.not_sure", expected="the box is ticked", found="it is not")
                applicants.ask_to_leave(here.caller, remark, here.now)
            case _:
                raise Refusal("voms.no_such_change", expected="something to ask for", found=what[:40])
        return go_to(_HERE, done="own_asked")

    return attempt(change, lambda problem: ask_form(problem, what))


@OWN.get("/sign")
def sign_form(problem: Refusal | None = None) -> Response:
    """The policy in force, for a member to sign."""
    here = visit()
    _member_only(here)
    return show("sign.html", _HERE, problem=problem, policy=_policy(here))


@OWN.post("/sign")
def sign() -> Response:
    """She signs the version that she was shown."""
    here = visit()

    def change() -> Response:
        version = typed("version", _MAXIMUM_ID)
        if not ticked("agreed"):
            raise Refusal("voms.aup_not_agreed", expected=version, found="no box ticked")
        Applicants(here.vo.office).sign(here.caller, version, here.now)
        return go_to(_HERE, done="own_signed")

    return attempt(change, sign_form)


def _sent(
    here: Visit,
    change: Callable[[Asked], Response],
    again: Callable[[Mapping[str, OstiaryError], Refusal | None], Response],
    problems: Callable[[Asked], Mapping[str, OstiaryError]],
    *,
    mail: str = "",
) -> Response:
    """What ``change`` makes of the form that was sent, or the form ``again`` with what was wrong, each beside its field."""
    errors: dict[str, OstiaryError] = {}
    try:
        form = _form(here, mail)
        errors.update(problems(form))
        if not errors:
            return change(form)
        answer = again(errors, None)
        answer.status_code = 400
    except (Denied, NotAuthenticated):
        raise
    except Refusal as problem:
        field = _OF_FIELDS.get(problem.code)
        answer = again({field: problem}, None) if field is not None else again({}, problem)
        answer.status_code = problem.status
    return answer


def _form(here: Visit, mail: str) -> Asked:
    """``mail``: the proven address, where there is one."""
    values = {name: typed(name, _MAXIMUM_TYPED) for name in _FIELDS}
    if mail:
        values["mail"] = mail
    names = typed("wishes", MAXIMUM_WISHES * 256).replace(",", " ").split()
    if len(names) > MAXIMUM_WISHES:
        expected = f"at most {MAXIMUM_WISHES} groups and roles"
        raise Refusal("voms.wishes", expected=expected, found=len(names), maximum=MAXIMUM_WISHES)
    wishes: tuple[Wish, ...] = tuple(read_wish(here.vo.name, name) for name in names)
    version = typed("version", _MAXIMUM_ID)
    agreed = version if version and ticked("agreed") else None
    return Asked(Details(**values), typed("remark", MAXIMUM_REMARK * 2), wishes, agreed)


def _application(
    here: Visit,
    values: Mapping[str, str],
    errors: Mapping[str, OstiaryError],
    problem: Refusal | None = None,
) -> Response:
    return show(
        "apply.html",
        _HERE,
        problem=problem,
        values=values,
        errors={name: problem_text(each) for name, each in errors.items()},
        policy=_policy(here),
        caller=here.caller,
        joining=here.vo.settings.requests.joining,
        most=MAXIMUM_REMARK,
    )


def _answer(
    here: Visit,
    found: Invitation,
    token: str,
    values: Mapping[str, str],
    errors: Mapping[str, OstiaryError],
    problem: Refusal | None = None,
) -> Response:
    return show(
        "invitation.html",
        _HERE,
        problem=problem,
        one=found,
        token=token,
        values={**values, "mail": found.mail},
        errors={name: problem_text(each) for name, each in errors.items()},
        policy=_policy(here),
        caller=here.caller,
    )


def _policy(here: Visit) -> AupVersion | None:
    with here.rights() as rights:
        return aup.current_version(rights.connection, rights.vo, here.now)


def _member_only(here: Visit) -> None:
    if here.caller.member is None:
        raise Denied("voms.no_active_member", expected="a member", found="somebody else")


def _told(details: Details) -> Mapping[str, str]:
    return {name: getattr(details, name) for name in _FIELDS}
