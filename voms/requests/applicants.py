"""The applicants' side: what somebody can ask for by herself, prove, look at and take back. Every call is about the caller alone."""

from datetime import datetime

from ostiary.errors import Denied, Missing, Refusal
from ostiary.storage.engine import reading
from ostiary.x509.certificate_names import CertificateNames
from voms.administration.callers import Caller
from voms.changes import changing
from voms.members import aup
from voms.requests import submitting
from voms.requests.asked import Applicant, Asked, Request, Wish
from voms.requests.kept import request_of, requests_by
from voms.requests.letters import CONFIRM_PATH
from voms.requests.office import Office, applicant_of
from voms.requests.submitting import Asker, new_token
from voms.rows import vo_number


class Applicants:
    """What people do themselves in one VO. Methods raise `Denied` (``voms.nobody``) for a caller who has proved nothing, `Unavailable`."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def apply(self, caller: Caller, asked: Asked, now: datetime) -> Request:
        """Somebody wants to become a member; a letter asks her to prove her address.

        Raises `Denied` (``voms.only_invited``), `Refusal` (``voms.aup_not_agreed``, and as `submitting.submit_join`), `TooMany`,
        `Unavailable` (also ``mail.unavailable``: then she may try again, which replaces this one).
        """
        office, applicant = self._office, _known(caller)
        if office.settings.joining != "open":
            raise Denied("voms.only_invited", expected="an invitation", found="an application", vo=office.vo)
        office.letters.open_mailer()
        request, token, lifetime = office.make_id(), new_token(), office.settings.confirm_within
        action, facts = "vo.request_submitted", {"request": request, "kind": "join"}
        with changing(
            office.engine, office.vo, action, at=now, by=caller.by, subject=request, facts=facts, alone=True
        ) as change:
            agreed_to_present(aup.current_version(change.connection, change.vo, now), asked)
            made = submitting.submit_join(change, request, applicant, asked, lifetime=lifetime, token=token)
        link = office.letters.link(
            CONFIRM_PATH, certificate=applicant.certificate is not None, request=request, token=token
        )
        # Nothing that she typed: the letter may go to somebody else.
        office.letters.send("confirm", made.mail, link=link, days=max(1, lifetime.days))
        return made

    def to_confirm(self, caller: Caller, request: str, token: str, now: datetime) -> Request:
        """What the link in the letter is about. Raises `Refusal` (``voms.confirm_link``), also where somebody else applied."""
        with reading(self._office.engine) as connection:
            number = vo_number(connection, self._office.vo)
            found = submitting.with_token(connection, number, request, token, now)
        return _hers(found, caller)

    def confirm(self, caller: Caller, request: str, token: str, now: datetime) -> Request:
        """Her address is proven; the managers are told. Raises as `to_confirm`."""
        office = self._office
        self.to_confirm(caller, request, token, now)
        action, facts = "vo.request_confirmed", {"request": request, "kind": "join"}
        with changing(office.engine, office.vo, action, at=now, by=caller.by, subject=request, facts=facts) as change:
            made = submitting.confirm(change, request, token, lifetime=office.settings.decide_within)
        office.tell_deciders(made, now)
        return made

    def ask(self, caller: Caller, wish: Wish, remark: str, now: datetime) -> Request:
        """A member wants a group, or a role in one. Raises `Denied` (``voms.no_active_member``), and as `submitting.submit_wish`."""
        member = _active(caller)
        office, request = self._office, self._office.make_id()
        kind = "group" if wish.role is None else "role"
        facts = {"request": request, "kind": kind, "group": wish.group[:255], "role": (wish.role or "")[:128]}
        with changing(
            office.engine, office.vo, "vo.request_submitted", at=now, by=caller.by, subject=member, facts=facts
        ) as change:
            lifetime, asker = office.settings.decide_within, Asker(member, applicant_of(caller))
            made = submitting.submit_wish(change, request, asker, wish, remark, lifetime=lifetime)
        office.tell_deciders(made, now)
        return made

    def ask_certificate(self, caller: Caller, names: CertificateNames, remark: str, now: datetime) -> Request:
        """A member wants to be known by one more certificate. Raises as `ask`, and `Refusal` (``voms.certificate_known``)."""
        member = _active(caller)
        office, request = self._office, self._office.make_id()
        facts = {"request": request, "kind": "certificate"}
        with changing(
            office.engine, office.vo, "vo.request_submitted", at=now, by=caller.by, subject=member, facts=facts
        ) as change:
            lifetime, asker = office.settings.decide_within, Asker(member, applicant_of(caller))
            made = submitting.submit_certificate(change, request, asker, names, remark, lifetime=lifetime)
        office.tell_deciders(made, now)
        return made

    def ask_to_leave(self, caller: Caller, remark: str, now: datetime) -> Request:
        """A member, in whatever state, wants to be one no longer. Raises `Denied` (``voms.no_active_member``), `Refusal`."""
        member = _member(caller)
        office, request = self._office, self._office.make_id()
        facts = {"request": request, "kind": "leave"}
        with changing(
            office.engine, office.vo, "vo.request_submitted", at=now, by=caller.by, subject=member, facts=facts
        ) as change:
            lifetime, asker = office.settings.decide_within, Asker(member, applicant_of(caller))
            made = submitting.submit_leave(change, request, asker, remark, lifetime=lifetime)
        office.tell_deciders(made, now)
        return made

    def own(self, caller: Caller, now: datetime) -> tuple[Request, ...]:
        """All that she asked for, the newest first."""
        keys = applicant_of(caller).keys
        if not keys and caller.member is None:
            return ()
        with reading(self._office.engine) as connection:
            number = vo_number(connection, self._office.vo)
            return tuple(each.as_of(now) for each in requests_by(connection, number, keys, caller.member))

    def withdraw(self, caller: Caller, request: str, now: datetime) -> Request:
        """She takes back what she asked for. Raises `Missing` (``voms.no_request``) where it is not hers, `Refusal`
        (``voms.request_state``)."""
        office = self._office
        if request not in {each.id for each in self.own(caller, now)}:
            raise Missing("voms.no_request", expected="a request of one's own", found=request[:40])
        facts = {"request": request}
        subject = caller.member or request
        with changing(
            office.engine, office.vo, "vo.request_withdrawn", at=now, by=caller.by, subject=subject, facts=facts
        ) as change:
            found = request_of(change.connection, change.vo, request, locked=True).as_of(now)
            submitting.withdraw(change, found)
        return found

    def sign(self, caller: Caller, version: str, now: datetime) -> str:
        """A member accepts the policy in force, which is to be the ``version`` that she was shown. Returns it.

        Raises `Denied` (``voms.no_active_member``) for who is none, `Refusal` (``voms.aup_superseded``), `Missing` (``voms.no_aup``).
        """
        member = _member(caller)
        office, facts = self._office, {"version": version[:64]}
        with changing(
            office.engine, office.vo, "vo.aup_signed", at=now, by=caller.by, subject=member, facts=facts
        ) as change:
            return aup.sign(change, member, version)


def agreed_to_present(version: aup.AupVersion | None, asked: Asked) -> None:
    """Raises `Refusal` (``voms.aup_not_agreed``) where the form does not agree to the version in force."""
    wanted = version.version if version is not None else None
    if asked.aup != wanted:
        raise Refusal("voms.aup_not_agreed", expected=wanted or "no policy", found=asked.aup or "nothing agreed to")


def _known(caller: Caller) -> Applicant:
    applicant = applicant_of(caller)
    if not applicant.keys:
        raise Denied("voms.nobody", expected="a certificate or a login", found="nobody")
    return applicant


def _member(caller: Caller) -> str:
    if caller.member is None:
        raise Denied("voms.no_active_member", expected="a member", found="somebody else")
    return caller.member


def _active(caller: Caller) -> str:
    member = _member(caller)
    if caller.barred:
        raise Denied("voms.no_active_member", expected="an active member", found="one who is suspended or expired")
    return member


def _hers(found: Request, caller: Caller) -> Request:
    if not set(found.applicant.keys) & set(applicant_of(caller).keys):
        raise Refusal("voms.confirm_link", expected="who applied", found="somebody else")
    return found
