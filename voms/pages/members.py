"""The VO's members: searched, a page at a time, and new ones added. Who may see whom, the lists decide."""

from flask import Blueprint, Response

from ostiary.errors import Refusal
from ostiary.x509.certificate_names import CertificateNames
from voms.administration.permissions import Permission
from voms.browsing import MEMBER_STATES, list_roles, search_members
from voms.details import MAXIMUM_DETAIL, Details
from voms.identities import FederatedIdentity
from voms.pages.forms import asked, attempt, certificate_typed, filled, instant_typed, typed
from voms.pages.frame import go_to, show, visit, words

MEMBERS = Blueprint("members", __name__)

SHOWN = 50
MAXIMUM_IDENTITY = 1_024
DETAILS = ("given_name", "surname", "institution", "phone", "address", "mail")
_HERE = "members.found"


@MEMBERS.get("/members")
def found() -> Response:
    """Those who fit the search, within a group whose members she may see."""
    here = visit()
    text, group, role = asked("q"), asked("group") or here.root, asked("role")
    state = next((each for each in MEMBER_STATES if each == asked("state")), None)
    with here.rights() as rights:
        if role and not rights.allows(Permission.MEMBERSHIP_READ, group):
            rights.require(Permission.MEMBERSHIP_READ, group, role)
        else:
            rights.require(Permission.MEMBERSHIP_READ, group)
        personal = rights.allows(Permission.PERSONAL_INFO_READ, group)
        may_add = rights.allows(Permission.MEMBERSHIP_WRITE, here.root)
        sees_roles = rights.allows(Permission.CONTAINER_READ, here.root)
    roles = list_roles(here.vo.engine, here.vo.name).rows if sees_roles else ()
    page = search_members(
        here.vo.engine,
        here.vo.name,
        text,
        at=here.now,
        group=group,
        role=role or None,
        state=state,
        after=asked("after", 4_000) or None,
        most=SHOWN,
        personal=personal,
    )
    return show(
        "members.html",
        _HERE,
        page=page,
        searched=text,
        group=group,
        root=here.root,
        role=role,
        state=state or "",
        state_choices=[
            ("", words("vo.members.any_state")),
            *((each, words(f"vo.state.{each}")) for each in MEMBER_STATES),
        ],
        role_choices=[("", words("vo.members.any_role")), *((each.name, each.name) for each in roles)],
        may_add=may_add,
        first=not asked("after", 4_000),
    )


@MEMBERS.get("/members/add")
def form(problem: Refusal | None = None) -> Response:
    """The form for a new member."""
    here = visit()
    with here.rights() as rights:
        rights.require(Permission.MEMBERSHIP_WRITE, here.root)
        personal = rights.allows(Permission.PERSONAL_INFO_WRITE, here.root)
    values = filled() if problem is not None else {}
    return show("add_member.html", _HERE, problem=problem, details=DETAILS if personal else (), filled=values)


@MEMBERS.post("/members/add")
def add() -> Response:
    """The new member; then her page."""
    here = visit()

    def change() -> Response:
        known_by: list[CertificateNames | FederatedIdentity] = []
        if (names := certificate_typed("certificate", here.vo)) is not None:
            known_by.append(names)
        if (identity := identity_typed()) is not None:
            known_by.append(identity)
        if not known_by:
            raise Refusal("voms.known_by_nothing", expected="a certificate or an identity", found="neither")
        about = details_typed()
        member = here.desk.add_member(
            *known_by,
            kind="service" if typed("kind") == "service" else "person",
            until=instant_typed("until"),
            about=about if about != Details() else None,
        )
        return go_to("member.one_member", id=member, done="member_added")

    return attempt(change, form)


def identity_typed() -> FederatedIdentity | None:
    """The fields ``asserted_by``, ``attribute``, ``value``; None when all are empty. Raises `Refusal` (``voms.typed_identity``)."""
    parts = [typed(name, MAXIMUM_IDENTITY) for name in ("asserted_by", "attribute", "value")]
    if not (parts[0] or parts[2]):
        return None
    if not all(parts):
        raise Refusal("voms.typed_identity", expected="entityID, attribute and value", found="not all of them")
    return FederatedIdentity(*parts)


def details_typed() -> Details:
    """The fields of who she is."""
    return Details(*(typed(name, MAXIMUM_DETAIL) for name in DETAILS))
