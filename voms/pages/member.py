"""One member's page: by what she is known, where she stands, what she has, and every change of that. The lists decide at the desk."""

from flask import Blueprint, Response

from ostiary.errors import Refusal
from ostiary.x509.certificate_names import CertificateNames
from voms.administration.permissions import Permission
from voms.browsing import list_roles
from voms.grants import Whose
from voms.members.aup import ask_to_sign
from voms.memberships import Memberships
from voms.pages.forms import asked, attempt, certificate_typed, filled, instant_typed, ticked, typed, when_typed
from voms.pages.frame import Visit, go_to, names_of, show, visit, words
from voms.pages.groups import MAXIMUM_VALUE
from voms.pages.members import DETAILS, MAXIMUM_IDENTITY, details_typed, identity_typed
from voms.people import MAXIMUM_REASON, SuspensionCode
from voms.viewing import see_member

MEMBER = Blueprint("member", __name__)

_HERE = "members.found"
_CODES: tuple[SuspensionCode, ...] = ("other", "security_incident")


@MEMBER.get("/member")
def one_member(problem: Refusal | None = None) -> Response:
    """All that may be seen of her, and the forms for what may be done."""
    here, member = visit(), asked("id")
    with here.rights() as rights:
        seen = see_member(rights, here.root, member, here.now)
        may = rights.of(here.root)
        # Who may do everything would be named by the lists of all groups; at the desk each is looked at anyway.
        everything = rights.allows(Permission.ALL, here.root)
        writable = None if everything else rights.groups_with(Permission.MEMBERSHIP_WRITE)
        sees_roles = rights.allows(Permission.CONTAINER_READ, here.root)
    roles = list_roles(here.vo.engine, here.vo.name).rows if sees_roles else ()
    joined = {given.group for given in seen.groups}
    values = dict(filled()) if problem is not None else {}
    if seen.details is not None:
        values = {**{name: getattr(seen.details, name) for name in DETAILS}, **values}
    return show(
        "member.html",
        _HERE,
        problem=problem,
        seen=seen,
        standing=Memberships(here.vo.engine, here.vo.name).of_member(member, here.now),
        may=names_of(may),
        herself=here.caller.member == member,
        writes_everywhere=writable is None,
        writable=writable or frozenset(),
        may_join=writable is None or bool(writable - joined - {here.root}),
        to_join=sorted((writable or frozenset()) - joined - {here.root})[:500],
        role_choices=[(each.name, each.name) for each in roles],
        details=DETAILS,
        code_choices=[(code, words(f"vo.suspension.{code}")) for code in _CODES],
        root=here.root,
        filled=values,
    )


@MEMBER.post("/member/<what>")
def change_member(what: str) -> Response:
    """What was asked for on the page of the member, whose id stands in the query."""
    here, member = visit(), asked("id")

    def change() -> Response:
        if what == "remove":
            _require_sure()
            here.desk.remove_member(member)
            return go_to("members.found", done="member_removed")
        if not (_known_by(here, member, what) or _life(here, member, what) or _held(here, member, what)):
            raise Refusal("voms.no_such_change", expected="something that can be done with a member", found=what[:40])
        return go_to("member.one_member", id=member, done="changed")

    return attempt(change, one_member)


def _known_by(here: Visit, member: str, what: str) -> bool:
    desk = here.desk
    match what:
        case "add-certificate":
            names = certificate_typed("certificate", here.vo)
            if names is None:
                raise Refusal("voms.typed_certificate", expected="a certificate, PEM", found="nothing")
            desk.add_certificate(member, names)
        case "remove-certificate":
            desk.remove_certificate(member, _names())
        case "suspend-certificate":
            desk.suspend_certificate(member, _names(), typed("reason", MAXIMUM_REASON))
        case "restore-certificate":
            desk.restore_certificate(member, _names())
        case "link" | "unlink":
            identity = identity_typed()
            if identity is None:
                raise Refusal("voms.typed_identity", expected="entityID, attribute and value", found="nothing")
            (desk.link_identity if what == "link" else desk.unlink_identity)(member, identity)
        case _:
            return False
    return True


def _life(here: Visit, member: str, what: str) -> bool:
    desk = here.desk
    match what:
        case "suspend":
            code = next((each for each in _CODES if each == typed("code")), _CODES[0])
            desk.suspend(member, typed("suspend_reason", MAXIMUM_REASON), code)
        case "restore":
            desk.restore(member)
        case "end":
            desk.set_end(member, instant_typed("end"))
        case "details":
            desk.set_details(member, details_typed())
        case "ask-to-sign":
            with desk.acting("vo.aup_asked", subject=member) as acting:
                acting.require(Permission.MEMBERSHIP_WRITE)
                ask_to_sign(acting.change, member)
        case _:
            return False
    return True


def _held(here: Visit, member: str, what: str) -> bool:
    desk, group, role = here.desk, typed("group"), typed("role")
    match what:
        case "join":
            desk.join(member, typed("join_group"), when_typed("join"))
        case "leave":
            desk.leave(member, group)
        case "move":
            desk.move(member, group, typed("move_to"))
        case "assign":
            desk.assign_role(member, typed("assign_group"), typed("assign_role"), when_typed("assign"))
        case "dismiss":
            desk.dismiss_role(member, group, role)
        case "set-attribute":
            value = typed("attribute_value", MAXIMUM_VALUE)
            desk.set_attribute(typed("attribute_name"), value, Whose(member), when_typed("attribute"))
        case "remove-attribute":
            desk.remove_attribute(typed("attribute_name"), Whose(member))
        case _:
            return False
    return True


def _names() -> CertificateNames:
    return CertificateNames(typed("subject", MAXIMUM_IDENTITY * 2), typed("issuer", MAXIMUM_IDENTITY * 2))


def _require_sure() -> None:
    if not ticked("sure"):
        raise Refusal("voms.not_sure", expected="the box is ticked", found="it is not")
