"""Invitations, as managers send them and as people answer: checked against the lists, done, recorded, and told by mail afterwards."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from ostiary.errors import Denied, Missing, OstiaryError, Refusal
from ostiary.storage.engine import reading
from voms.administration.callers import Caller
from voms.administration.permissions import Permission
from voms.administration.rights import rights_of
from voms.changes import Change, changing
from voms.members import aup
from voms.requests import inviting
from voms.requests.applicants import agreed_to_present
from voms.requests.asked import Asked, Wish
from voms.requests.deciders import addresses_of, callers_recorded_as, require_to_admit, require_to_give
from voms.requests.deciding import Granted
from voms.requests.kept import Invitation, invitation_of, invitations, member_known_by
from voms.requests.letters import INVITATION_PATH, REQUESTS_PATH
from voms.requests.office import Office, applicant_of
from voms.requests.submitting import new_token
from voms.rows import vo_number


class Invitations:
    """Those of one VO. Methods raise `Unavailable`."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def invite(
        self,
        caller: Caller,
        mail: str,
        wishes: Sequence[Wish],
        now: datetime,
        *,
        until: datetime | None = None,
        send: bool = True,
    ) -> tuple[Invitation, str]:
        """Invites whoever reads the letters to ``mail``; the invitation, and the address of the page on which it is answered. Not ``send``:
        the caller hands that address over herself.

        Raises `Denied` (``voms.not_allowed``, ``voms.more_than_own``) where the caller could not approve as much, and as
        `inviting.invite`; `Unavailable` (``voms.no_mail``, ``mail.unavailable``): then there is no invitation.
        """
        office = self._office
        if send:
            office.letters.open_mailer()
        invitation, token, expires = office.make_id(), new_token(), now + office.settings.invitation_lasts
        facts = {"invitation": invitation, "grants": [wish.text()[:255] for wish in wishes[:20]]}
        link = office.letters.link(INVITATION_PATH, invitation=invitation, token=token)
        with changing(
            office.engine, office.vo, "vo.invitation_made", at=now, by=caller.by, subject=invitation, facts=facts
        ) as change:
            rights = rights_of(change.connection, change.vo, caller, now)
            require_to_admit(rights, change.name)
            for wish in wishes:
                require_to_give(rights, change, invitation, wish)
            made = inviting.invite(change, invitation, token, mail, wishes, expires_at=expires, until=until)
        if send:
            groups = ", ".join(wish.text() for wish in wishes) or f"/{office.vo}"
            about = {"groups": groups, "days": max(1, office.settings.invitation_lasts.days)}
            try:
                ways = "\n\n".join(office.letters.ways(INVITATION_PATH, invitation=invitation, token=token))
                office.letters.send("invitation", mail, ways=ways, **about)
            except OstiaryError:
                self.withdraw(caller, invitation, now)
                raise
        return made, link

    def waiting(self, caller: Caller, now: datetime) -> tuple[Invitation, ...]:
        """Those without an answer; for who may see requests of the whole VO. Raises `Denied` (``voms.not_allowed``)."""
        with reading(self._office.engine) as connection:
            number = vo_number(connection, self._office.vo)
            rights = rights_of(connection, number, caller, now)
            rights.require(Permission.REQUESTS_READ, f"/{self._office.vo}")
            return invitations(connection, number, now)

    def withdraw(self, caller: Caller, invitation: str, now: datetime) -> None:
        """Ends an invitation. Raises `Denied` (``voms.not_allowed``), `Missing` (``voms.no_invitation``)."""
        office, facts = self._office, {"invitation": invitation[:40]}
        with changing(
            office.engine,
            office.vo,
            "vo.invitation_withdrawn",
            at=now,
            by=caller.by,
            subject=invitation[:40],
            facts=facts,
        ) as change:
            rights = rights_of(change.connection, change.vo, caller, now)
            rights.require(Permission.REQUESTS_WRITE, f"/{office.vo}")
            found = invitation_of(change.connection, change.vo, invitation, locked=True)
            inviting.withdraw_invitation(change, found)

    def look(self, invitation: str, token: str, now: datetime) -> Invitation:
        """The invitation of a letter. Raises `Refusal` (``voms.invitation``)."""
        with reading(self._office.engine) as connection:
            number = vo_number(connection, self._office.vo)
            return inviting.invited(connection, number, invitation, token, now)

    def accept(self, caller: Caller, invitation: str, token: str, asked: Asked, now: datetime) -> Granted:
        """The caller becomes a member, or has more as one: what who invited her may still give. Who did is told.

        Raises `Denied` (``voms.nobody``), `Refusal` (``voms.invitation``, also where who invited her may do so no longer;
        ``voms.aup_not_agreed``, and as `inviting.accept`).
        """
        office, applicant = self._office, applicant_of(caller)
        if not applicant.keys:
            raise Denied("voms.nobody", expected="a certificate or a login", found="nobody")
        facts = {"invitation": invitation[:40]}
        subject = caller.member or invitation[:40]
        inviters = callers_recorded_as(office.engine, office.vo, self.look(invitation, token, now).by, now)
        with changing(
            office.engine, office.vo, "vo.invitation_accepted", at=now, by=caller.by, subject=subject, facts=facts
        ) as change:
            found = inviting.invited(change.connection, change.vo, invitation, token, now, locked=True)
            member = member_known_by(change.connection, change.vo, applicant)
            if member is None:
                agreed_to_present(aup.current_version(change.connection, change.vo, now), asked)
            granted = inviting.accept(change, _still_offered(change, found, inviters, member), applicant, asked)
            addresses = addresses_of(change.connection, (found.by,))
        to = (*office.settings.tell, *addresses.values())
        office.letters.tell("invitation_accepted", to, member=granted.member, link=office.letters.link(REQUESTS_PATH))
        return granted


def _still_offered(change: Change, found: Invitation, inviters: Sequence[Caller], member: str | None) -> Invitation:
    """With the wishes that who invited could grant now, to whoever answers. Raises `Refusal` (``voms.invitation``) where she could not
    even admit anybody any more: she may have been removed because of what she prepared."""
    every = [rights_of(change.connection, change.vo, each, change.at) for each in inviters]
    if not any(_may(require_to_admit, rights, change.name) for rights in every):
        raise Refusal("voms.invitation", expected="one of somebody who may invite", found=found.by)
    to = member or found.id
    wishes = (wish for wish in found.wishes if any(_may(require_to_give, rights, change, to, wish) for rights in every))
    return replace(found, wishes=tuple(wishes))


def _may(requirement: Callable[..., None], *arguments: object) -> bool:
    try:
        requirement(*arguments)
    except (Denied, Missing):
        return False
    return True
