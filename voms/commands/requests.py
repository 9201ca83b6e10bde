"""``ostiary vo requests ...`` and ``ostiary vo invite ...``: what people ask for and what is decided, and whom the VO asks to join."""

from datetime import datetime
from typing import Any, Final

import click

from ostiary.clock import StandingClock
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue
from voms.administration.callers import OPERATOR
from voms.commands.working import MEMBER_ARGUMENT, VoGroup, Working, answer
from voms.grant_options import Holds, instant, when
from voms.periods import When
from voms.requests.asked import Request, Wish
from voms.requests.desk import RequestDesk
from voms.requests.invitations import Invitations
from voms.requests.kept import Invitation
from voms.requests.office import Office
from voms.requests.opening import open_office
from voms.requests.submitting import read_wish
from voms.service import TEXTS

_REQUEST: Final = click.argument("request", metavar="ID")


@click.group("requests", cls=VoGroup)
def requests() -> None:
    """What people ask for: to join, a group, a role, a further certificate, to leave."""


@requests.command("list")
@click.option("--ended", is_flag=True, help="The latest that have come to an end.")
@click.option("--unconfirmed", is_flag=True, help="Those whose mail address is not proven yet.")
@click.pass_obj
def list_requests(working: Working, ended: bool, unconfirmed: bool) -> None:
    """Those that wait for a decision, the oldest first."""
    desk = RequestDesk(_office(working))
    if ended:
        found = desk.ended(OPERATOR, working.now)
    elif unconfirmed:
        found = desk.unconfirmed(OPERATOR, working.now)
    else:
        found = tuple(each.request for each in desk.waiting(OPERATOR, working.now))
    answer([_facts(each) for each in found], (_line(each) for each in found))


@requests.command("show")
@_REQUEST
@click.pass_obj
def show(working: Working, request: str) -> None:
    """All that is known of one request."""
    facts = _facts(RequestDesk(_office(working)).one(OPERATOR, request, working.now).request)
    answer(facts, (f"{name}: {_text(value)}" for name, value in facts.items() if value not in (None, "", [], {})))


@requests.command("approve")
@_REQUEST
@click.option(
    "--only", "wishes", multiple=True, metavar="GROUP_OR_ROLE", help="Of what an applicant wishes; repeatable."
)
@click.option("--no-groups", is_flag=True, help="Membership alone.")
@when
@click.pass_obj
def approve(working: Working, request: str, wishes: tuple[str, ...], no_groups: bool, holds: Holds) -> None:
    """Grant it. For a membership --until says when it ends; for a group or a role all times count."""
    chosen = tuple(read_wish(working.vo, each) for each in wishes) if wishes or no_groups else None
    granted = RequestDesk(_office(working)).approve(
        OPERATOR, request, working.now, until=holds.until, when=When(**holds.parts()), wishes=chosen
    )
    given = [wish.text() for wish in granted.wishes]
    answer({"request": request, "member": granted.member, "granted": given}, [granted.member, *given])


@requests.command("reject")
@_REQUEST
@click.argument("reason")
@click.pass_obj
def reject(working: Working, request: str, reason: str) -> None:
    """Refuse it, for a REASON that the applicant is told."""
    RequestDesk(_office(working)).reject(OPERATOR, request, reason, working.now)
    answer({"request": request, "reason": reason})


@requests.command("hand-over")
@_REQUEST
@MEMBER_ARGUMENT
@click.option("--note", default="", help="What to tell that manager.")
@click.pass_obj
def hand_over(working: Working, request: str, member: str, note: str) -> None:
    """Ask a member who may decide this request to do so."""
    to = working.member(member)
    RequestDesk(_office(working)).hand_over(OPERATOR, request, to, note, working.now)
    answer({"request": request, "handed_to": to})


@click.group("invite", cls=VoGroup)
def invite() -> None:
    """Ask people to join, with groups and roles prepared for them."""


@invite.command("send")
@click.argument("mail")
@click.option("--with", "wishes", multiple=True, metavar="GROUP_OR_ROLE", help="What waits for her; repeatable.")
@click.option("--until", metavar="ISO_TIME", help="When the membership will end.")
@click.option("--print", "printed", is_flag=True, help="Send no letter; print the link, which is a secret.")
@click.pass_obj
def send(working: Working, mail: str, wishes: tuple[str, ...], until: str | None, printed: bool) -> None:
    """Invite whoever reads the letters to MAIL."""
    found = [read_wish(working.vo, each) for each in wishes]
    made, link = Invitations(_office(working)).invite(
        OPERATOR, mail, found, working.now, until=instant(until), send=not printed
    )
    facts: dict[str, Any] = _invitation_facts(made)
    if printed:
        facts["link"] = link
    answer(facts, [link if printed else made.id])


@invite.command("list")
@click.pass_obj
def list_invitations(working: Working) -> None:
    """Those without an answer, the oldest first."""
    found = Invitations(_office(working)).waiting(OPERATOR, working.now)
    lines = (
        f"{each.id}  {each.mail}  until {each.expires_at:%Y-%m-%dT%H:%M:%SZ}  {_wishes(each.wishes)}" for each in found
    )
    answer([_invitation_facts(each) for each in found], (line.rstrip() for line in lines))


@invite.command("withdraw")
@click.argument("invitation", metavar="ID")
@click.pass_obj
def withdraw(working: Working, invitation: str) -> None:
    """Make the link of an invitation worth nothing."""
    Invitations(_office(working)).withdraw(OPERATOR, invitation, working.now)
    answer({"invitation": invitation})


def _office(working: Working) -> Office:
    clock = StandingClock(working.now)
    log = make_log(clock, service="vo", style="console")
    return open_office(working.settings, working.engine, Catalogue.load(TEXTS), clock.now, log)


def _facts(request: Request) -> dict[str, Any]:
    asked, details = request.asked, request.asked.details
    return {
        "request": request.id,
        "kind": request.kind,
        "state": request.state,
        "member": request.member,
        "known_by": request.applicant.shown() or None,
        "name": details.name or None,
        "institution": details.institution or None,
        "phone": details.phone or None,
        "address": details.address or None,
        "mail": request.mail or None,
        "wishes": [wish.text() for wish in asked.wishes],
        "certificate": asked.certificate.subject if asked.certificate is not None else None,
        "remark": asked.remark or None,
        "policy": asked.aup,
        "submitted": request.submitted_at,
        "ends": request.expires_at,
        "handed_to": request.handed_to,
        "decided_by": request.decided_by,
        "decided": request.decided_at,
        "reason": request.reason,
    }


def _line(request: Request) -> str:
    who = request.asked.details.name or request.applicant.shown() or request.member or ""
    about = _wishes(request.asked.wishes) or (request.asked.certificate.subject if request.asked.certificate else "")
    parts = (request.id, f"{request.submitted_at:%Y-%m-%d}", request.kind, request.state, who, about)
    return "  ".join(part for part in parts if part)


def _invitation_facts(made: Invitation) -> dict[str, Any]:
    return {
        "invitation": made.id,
        "mail": made.mail,
        "wishes": [wish.text() for wish in made.wishes],
        "until": made.until,
        "expires": made.expires_at,
        "by": made.by,
    }


def _wishes(wishes: tuple[Wish, ...]) -> str:
    return ", ".join(wish.text() for wish in wishes)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    # What an applicant wrote in a line of its own shall not look like a line of ours.
    return "\n  ".join(str(value).splitlines())


COMMANDS: Final = (requests, invite)
