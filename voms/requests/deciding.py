"""What a manager's decision about a request does, as part of an open `Change`. Whether she may decide was looked at before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ostiary.errors import Missing, Refusal
from voms import grants, people
from voms.changes import Change
from voms.details import set_details
from voms.members.aup import version_named
from voms.people import check_reason
from voms.periods import ALWAYS, When
from voms.requests.asked import Applicant, Asked, Request, Wish
from voms.requests.kept import decision, member_known_by, move, requests_by
from voms.requests.submitting import Asker, has, submit_wish
from voms.tables import vo_aup_signature


@dataclass(frozen=True, slots=True)
class Granted:
    """What became of an approval: whose it is, what she has now, and for what she now waits (with the ids of those requests)."""

    member: str
    wishes: tuple[Wish, ...] = ()
    waits: tuple[Request, ...] = ()


@dataclass(frozen=True, slots=True)
class Others:
    """What of an application the decider leaves to others: each wish with the id of the request that it becomes, and its end."""

    requests: Sequence[tuple[str, Wish]]
    expires_at: datetime


def approve_join(
    change: Change, request: Request, wishes: Sequence[Wish], others: Others, *, until: datetime | None = None
) -> Granted:
    """Makes the applicant a member till ``until``, with these of her wishes; ``others`` become requests of their own. Groups and roles that
    there are not, she does not get.

    Raises `Refusal` (``voms.request_state``, ``voms.already_member``, ``voms.validity``).
    """
    move(change, request, "approve", decision(change))
    given = make_member(change, request.id, request.applicant, request.asked, wishes, until, request.submitted_at)
    waits, asker = [], Asker(request.id, request.applicant)
    for number, wish in others.requests:
        try:
            lifetime = others.expires_at - change.at
            waits.append(
                submit_wish(change, number, asker, wish, request.asked.remark, lifetime=lifetime, limited=False)
            )
        except Refusal as problem:
            if problem.code not in ("voms.no_group", "voms.no_role", "voms.has_already", "voms.request_open"):
                raise
    return Granted(request.id, given, tuple(waits))


def make_member(
    change: Change,
    member: str,
    applicant: Applicant,
    asked: Asked,
    wishes: Sequence[Wish],
    until: datetime | None,
    signed_at: datetime,
) -> tuple[Wish, ...]:
    """A new member, by all that the applicant is known by, who signed the policy at ``signed_at``; the wishes that came true. Raises
    `Refusal` (``voms.already_member``, ``voms.validity``)."""
    if member_known_by(change.connection, change.vo, applicant) is not None:
        raise Refusal("voms.already_member", expected="somebody who is no member", found="a member", vo=change.name)
    if until is not None and until <= change.at:
        raise Refusal("voms.validity", expected=f"an end after {change.at.isoformat()}", found=until.isoformat())
    people.add_member(change, member, until=until)
    if applicant.certificate is not None:
        people.add_certificate(change, member, applicant.certificate)
    for identity in applicant.identities:
        people.link_identity(change, member, identity)
    set_details(change, member, asked.details)
    if asked.aup is not None:
        _signed(change, member, asked.aup, signed_at)
    return tuple(wish for wish in wishes if give(change, member, wish))


def give(change: Change, member: str, wish: Wish, when: When = ALWAYS) -> bool:
    """Puts the member into the group, and gives her the role there; False where that is not there (any more)."""
    try:
        if has(change, member, wish):
            return True
        if not grants.is_in(change, member, wish.group):
            grants.join(change, member, wish.group, when)
        if wish.role is not None:
            grants.assign_role(change, member, wish.group, wish.role, when)
    except Missing as problem:
        if problem.code not in ("voms.no_group", "voms.no_role"):
            raise
        return False
    return True


def approve_more(change: Change, request: Request, when: When = ALWAYS) -> Granted:
    """What a member asked for: a group or role ``when``, a certificate, or to leave.

    Raises `Refusal` (``voms.request_state``, ``voms.certificate_known``, ``voms.validity``), `Missing` (``voms.no_*``) for what has gone
    meanwhile, she herself among it.
    """
    move(change, request, "approve", decision(change))
    member = request.member
    if member is None:
        raise Missing("voms.no_member", expected="a member", found="nobody")
    if request.wish is not None:
        if not give(change, member, request.wish, when):
            raise Missing(
                "voms.no_group", expected="a group of this VO", found=request.wish.text(), group=request.wish.text()
            )
        return Granted(member, (request.wish,))
    if request.asked.certificate is not None:
        if member_known_by(change.connection, change.vo, Applicant(request.asked.certificate)) is not None:
            raise Refusal("voms.certificate_known", expected="a certificate of nobody", found="a member's")
        people.add_certificate(change, member, request.asked.certificate)
    if request.kind == "leave":
        for other in requests_by(change.connection, change.vo, (), member, only_open=True):
            move(change, other, "withdraw", decision(change))
        people.remove_member(change, member)
    return Granted(member)


def reject(change: Change, request: Request, reason: str) -> None:
    """It ends; the applicant is told why. Raises `Refusal` (``voms.request_state``, ``voms.reason``)."""
    check_reason(reason)
    move(change, request, "reject", decision(change, reason))


def _signed(change: Change, member: str, version: str, at: datetime) -> None:
    """What she agreed to with the form counts from then on; another version that is in force by now is for her to sign within its grace."""
    try:
        number = version_named(change.connection, change.vo, version).number
    except Missing:
        return
    change.add(vo_aup_signature, member_id=member, version_id=number, signed_at=at)
