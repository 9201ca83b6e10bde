"""The managers' side: requests that wait, and what is decided of them. Each decision is checked against the lists, done, recorded in one
transaction, and told by mail afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Final

from ostiary.errors import Denied, Missing, Refusal
from ostiary.storage.engine import reading
from voms.administration.callers import Caller
from voms.administration.permissions import Permission
from voms.administration.rights import Rights, rights_of
from voms.changes import Change, changing
from voms.memberships import Memberships
from voms.periods import ALWAYS, When
from voms.requests import deciding
from voms.requests.asked import Request, Wish, remark_problem
from voms.requests.deciders import (
    addresses_of,
    callers_of_member,
    may_decide,
    place_of,
    require_to_admit,
    require_to_be,
    require_to_give,
)
from voms.requests.deciding import Granted, Others
from voms.requests.kept import ended, request_of, waiting
from voms.requests.letters import REQUESTS_PATH
from voms.requests.office import Office
from voms.requests.states import State
from voms.rows import vo_number
from voms.tables import vo_request

_READ: Final = Permission.REQUESTS_READ
_WRITE: Final = Permission.REQUESTS_WRITE


@dataclass(frozen=True, slots=True)
class Listed:
    """A request as one caller sees it; ``decidable``: she may decide it. ``for_her``: it was handed to her."""

    request: Request
    decidable: bool
    for_her: bool


class RequestDesk:
    """What managers do with requests in one VO. Methods raise `Denied` (``voms.not_allowed``, ``voms.more_than_own``), `Missing`
    (``voms.no_request``), `Unavailable`."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def waiting(self, caller: Caller, now: datetime) -> tuple[Listed, ...]:
        """Those that wait for a decision and that she may see; first what was handed to her, then the oldest."""
        with reading(self._office.engine) as connection:
            number = vo_number(connection, self._office.vo)
            rights = rights_of(connection, number, caller, now)
            found = [
                self._listed(each, rights) for each in waiting(connection, number, now) if self._sees(each, rights)
            ]
        return tuple(sorted(found, key=lambda each: not each.for_her))

    def ended(self, caller: Caller, now: datetime, *, most: int = 100) -> tuple[Request, ...]:
        """The latest that have come to an end and that she may see."""
        with reading(self._office.engine) as connection:
            number = vo_number(connection, self._office.vo)
            rights = rights_of(connection, number, caller, now)
            seen = (each for each in ended(connection, number, now) if self._sees(each, rights))
            return tuple(islice(seen, most))

    def unconfirmed(self, caller: Caller, now: datetime) -> tuple[Request, ...]:
        """Applications whose address is not proven; for who may see requests of the whole VO."""
        with reading(self._office.engine) as connection:
            number = vo_number(connection, self._office.vo)
            rights = rights_of(connection, number, caller, now)
            state: State = "submitted"
            return tuple(each for each in waiting(connection, number, now, state=state) if self._sees(each, rights))

    def one(self, caller: Caller, request: str, now: datetime) -> Listed:
        """One request. Raises `Missing` (``voms.no_request``) also where she may not see it."""
        with reading(self._office.engine) as connection:
            number = vo_number(connection, self._office.vo)
            found = request_of(connection, number, request).as_of(now)
            rights = rights_of(connection, number, caller, now)
            if not self._sees(found, rights):
                raise Missing("voms.no_request", expected="a request that she may see", found=request[:40])
            return self._listed(found, rights)

    def approve(
        self,
        caller: Caller,
        request: str,
        now: datetime,
        *,
        until: datetime | None = None,
        when: When = ALWAYS,
        wishes: Sequence[Wish] | None = None,
    ) -> Granted:
        """Grants what was asked for; for a group or role ``when``, for a membership till ``until`` (None: as the configuration says).

        ``wishes``: of the groups and roles that an applicant named, those that she gets along with the membership; None: each group that
        the caller may give, while other groups and all roles become requests of their own. Raises also `Refusal` (``voms.request_state``,
        ``voms.already_member``, ``voms.certificate_known``, ``voms.validity``), `Missing` (``voms.no_*``).
        """
        office = self._office
        seen = self.one(caller, request, now).request
        action, facts = "vo.request_approved", {"request": request, "kind": seen.kind}
        with changing(
            office.engine, office.vo, action, at=now, by=caller.by, subject=seen.subject, facts=facts
        ) as change:
            found = request_of(change.connection, change.vo, request, locked=True).as_of(now)
            rights = rights_of(change.connection, change.vo, caller, now)
            if found.kind == "join":
                granted = self._admit(change, rights, found, until, wishes)
            else:
                granted = self._grant(change, rights, found, when)
        given = ", ".join(wish.text() for wish in granted.wishes) or f"/{office.vo}"
        office.tell_applicant("left" if found.kind == "leave" else "approved", found, given=given)
        for waits in granted.waits:
            office.tell_deciders(waits, now)
        return granted

    def reject(self, caller: Caller, request: str, reason: str, now: datetime) -> Request:
        """Refuses what was asked for; the applicant is told the reason. Raises also `Refusal` (``voms.request_state``, ``voms.reason``)."""
        office = self._office
        seen = self.one(caller, request, now).request
        action, facts = "vo.request_rejected", {"request": request, "kind": seen.kind}
        with changing(
            office.engine, office.vo, action, at=now, by=caller.by, subject=seen.subject, facts=facts
        ) as change:
            found = request_of(change.connection, change.vo, request, locked=True).as_of(now)
            rights = rights_of(change.connection, change.vo, caller, now)
            rights.require(_WRITE, *place_of(change.name, found))
            deciding.reject(change, found, reason)
        office.tell_applicant("rejected", found, reason=reason)
        return found

    def hand_over(self, caller: Caller, request: str, to: str, note: str, now: datetime) -> Request:
        """Asks another member to decide, who is told so with the ``note``; others who may decide still can.

        Raises also `Refusal` (``voms.hand_over``) for a member who may not decide this, ``voms.remark``, ``voms.request_state``.
        """
        office = self._office
        seen = self.one(caller, request, now).request
        if (problem := remark_problem(note)) is not None:
            raise problem
        standing = Memberships(office.engine, office.vo).of_member(to, now)
        facts = {"request": request, "to": to}
        with changing(
            office.engine, office.vo, "vo.request_handed_over", at=now, by=caller.by, subject=seen.subject, facts=facts
        ) as change:
            found = request_of(change.connection, change.vo, request, locked=True).as_of(now)
            rights_of(change.connection, change.vo, caller, now).require(_WRITE, *place_of(change.name, found))
            if found.state != "confirmed":
                raise Refusal("voms.request_state", expected="confirmed", found=found.state, state=found.state)
            others = callers_of_member(change.connection, to, standing)
            if not any(
                may_decide(rights_of(change.connection, change.vo, each, now), change.name, found, _READ | _WRITE)
                for each in others
            ):
                raise Refusal("voms.hand_over", expected="a member who may decide this", found=to)
            change.alter(vo_request, {"handed_to": to}, id=found.id)
            addresses = addresses_of(change.connection, (to,))
        link = office.letters.link(REQUESTS_PATH)
        office.letters.tell("handed_over", addresses.values(), request=request, link=link, note=note)
        return replace(found, handed_to=to)

    def _admit(
        self, change: Change, rights: Rights, found: Request, until: datetime | None, wishes: Sequence[Wish] | None
    ) -> Granted:
        require_to_admit(rights, change.name)
        chosen: list[Wish] = []
        others: list[Wish] = []
        for wish in found.asked.wishes:
            try:
                require_to_give(rights, change, found.id, wish)
            except Denied:
                if wishes is not None and wish in wishes:
                    raise
                if wishes is None:
                    others.append(wish)
            except Missing:
                continue
            else:
                if wishes is not None and wish in wishes:
                    chosen.append(wish)
                elif wishes is None:
                    # Nobody gets a role by having slipped it into her application.
                    (chosen if wish.role is None else others).append(wish)
        lasts, later = self._office.settings.membership_lasts, change.at + self._office.settings.decide_within
        end = until if until is not None or lasts is None else change.at + lasts
        requests = [(self._office.make_id(), wish) for wish in others]
        return deciding.approve_join(change, found, chosen, Others(requests, later), until=end)

    def _grant(self, change: Change, rights: Rights, found: Request, when: When) -> Granted:
        rights.require(_WRITE, *place_of(change.name, found))
        if found.wish is not None and found.member is not None:
            require_to_give(rights, change, found.member, found.wish, when)
        if found.asked.certificate is not None and found.member is not None:
            require_to_be(rights, change, found.member, found.asked.certificate)
        return deciding.approve_more(change, found, when)

    def _sees(self, request: Request, rights: Rights) -> bool:
        return may_decide(rights, self._office.vo, request, _READ)

    def _listed(self, request: Request, rights: Rights) -> Listed:
        hers = request.handed_to is not None and request.handed_to == rights.caller.member
        return Listed(request, may_decide(rights, self._office.vo, request, _WRITE), hers)
