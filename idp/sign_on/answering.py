"""Makes the answer to a sign-on that nothing stands in the way of: attributes, name, signature and encryption as the SP may have them.

Nothing leaves that is not in the audit, nor any session of an SP that a logout would not reach.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from flask import Response
from sqlalchemy import Engine

from idp.identifiers.name_ids import NameIds, Subject
from idp.login.contexts import Achieved
from idp.partners import PartnerRules
from idp.sessions.session import Sessions, SsoSession
from idp.settings import IdpSettings
from idp.sign_on.outgoing import Outgoing, carries_own_signature
from idp.sign_on.requests import Rules, WaitingRequest
from idp.sign_on.responses import Answer, Protection, login_response, status_response
from idp.sign_on.steps import Visit
from ostiary import audit
from ostiary.attributes import Attributes
from ostiary.config.derived import Derived
from ostiary.errors import NotAuthenticated
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Entity
from ostiary.federation.recipients import recipient_of
from ostiary.federation.signing_choice import signer_for
from ostiary.ports import NOTHING_ASKED, AskedRequests, ReleaseRequest
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.encryption import Recipient
from ostiary.saml.protocol import Status, new_id
from ostiary.storage.engine import writing
from ostiary.web.service import shell

# What of the attributes' names fits into an audit row.
_AUDITED_NAMES: Final = 40
_AUDITED_LENGTH: Final = 50

_NO_KEY: Final = Status(names.RESPONDER, names.REQUEST_DENIED)


@dataclass(frozen=True, slots=True)
class Partner:
    """What the settings say about one SP. ``rules`` are those of the Handle Service for it; ``sends_attributes``: in the Response."""

    rules: Rules
    special: PartnerRules
    sends_attributes: bool

    @classmethod
    def of(cls, settings: IdpSettings, sp: Entity) -> "Partner":
        """By the snapshots of the moment."""
        return cls(settings.rules_for(sp), settings.partner(sp), settings.sends_attributes_to(sp))


@dataclass(frozen=True, slots=True, eq=False)
class Answering:
    """``settings`` and ``key_ring`` give the snapshots of the moment; ``writer`` names the service in the audit of ``engine``;
    ``asked_requests`` remembers what the Attribute Authority was asked."""

    settings: Callable[[], IdpSettings]
    key_ring: Callable[[], KeyRing]
    name_ids: NameIds
    sessions: Sessions
    outgoing: Outgoing
    engine: Engine
    writer: str
    asked_requests: AskedRequests = NOTHING_ASKED
    _partners: Derived[Partner] = field(default_factory=lambda: Derived(Partner.of), init=False)
    _recipients: Derived[Recipient | None] = field(default_factory=lambda: Derived(_recipient), init=False)

    def refuse(self, asked: WaitingRequest, sp: Entity, status: Status, now: datetime) -> Response:
        """A Response without an assertion; needs no session."""
        shell().log.info("refused_in_response", requester=asked.sp, request=asked.request_id, status=status.detail)
        partner = self._partners(self.settings(), sp)
        signer = signer_for(self.key_ring().signer, sp.sp, partner.special.signing_algorithm)
        message = status_response(
            asked,
            status,
            rules=partner.rules,
            signer=signer if carries_own_signature(asked.binding) else None,
            now=now,
        )
        return self.outgoing.send(asked, sp, message, signer=signer, now=now)

    def answer(
        self, visit: Visit, sp: Entity, session: SsoSession, context: Achieved, *, before: Callable[[], None]
    ) -> Response:
        """The Response with its assertion. ``before`` is done when everything is found out, before anything leaves.

        Raises `Unavailable` when something can't be found out, `Refusal` (``encryption.nothing_fits``), `NotAuthenticated`
        (``session.ended``) where the session ended meanwhile.
        """
        asked, now, partner = visit.asked, visit.now, self._partners(self.settings(), sp)
        rules, special = partner.rules, partner.special
        recipient = self._recipients(sp, special)
        attributes: Attributes = visit.release().attributes if partner.sends_attributes else ()
        if recipient is None and special.encrypt == "required":
            before()
            return self.refuse(asked, sp, _NO_KEY, now)
        subject = Subject(session.principal, session.authority, min(now + rules.handle_lifetime, session.ends))
        name_id = self.name_ids.name_id_for(subject, sp, asked.name_id_policy, now, override=special.name_id_format)
        before()
        if isinstance(name_id, Status):
            return self.refuse(asked, sp, name_id, now)
        # Random, so two SPs can't find out from it that they know the same person.
        index = new_id()
        request = visit.request if partner.sends_attributes else None
        self._keep(asked, session, context, name_id, index, attributes, request, now)
        ends = session.ends if special.session_lifetime is None else min(session.ends, now + special.session_lifetime)
        signer = signer_for(self.key_ring().signer, sp.sp, special.signing_algorithm)
        message = login_response(
            asked,
            Answer(name_id, index, context.context_class, context.authn_instant, ends, attributes),
            Protection(
                signer,
                *_signed(sp, special, asked.binding),
                recipient,
                written=asked.binding == names.HTTP_POST,
            ),
            rules=rules,
            now=now,
        )
        return self.outgoing.send(asked, sp, message, signer=signer, now=now)

    def _keep(
        self,
        asked: WaitingRequest,
        session: SsoSession,
        context: Achieved,
        name_id: NameId,
        index: str,
        attributes: Attributes,
        request: ReleaseRequest | None,
        now: datetime,
    ) -> None:
        sent = [attribute.name[:_AUDITED_LENGTH] for attribute in attributes[:_AUDITED_NAMES]]
        facts = {
            "for": asked.sp,
            "request": asked.request_id,
            "context": context.context_class,
            "attributes": sent,
        }
        with writing(self.engine) as connection:
            # What no logout would reach does not leave. A program's session is its own: there is none to end here.
            if session.id and not self.sessions.note_participant(
                session.id, asked.sp, name_id, index, now, connection=connection
            ):
                raise NotAuthenticated("session.ended", expected="a session", found="one that was ended meanwhile")
            audit.record(
                connection,
                at=now,
                writer=self.writer,
                actor=session.principal,
                action="handle.minted",
                subject=session.principal,
                facts=facts,
            )
            if request is not None:
                self.asked_requests.note(connection, request, pushed=True)
        self.asked_requests.sweep(now)


def _recipient(sp: Entity, special: PartnerRules) -> Recipient | None:
    """To whom the assertion is encrypted; None where it is not."""
    if special.encrypt == "never" or sp.sp is None:
        return None
    return recipient_of(sp.entity_id, sp.sp, allow_cbc_for_this_partner=special.allow_cbc_for_this_partner)


def _signed(sp: Entity, special: PartnerRules, binding: str) -> tuple[bool, bool]:
    """Whether the Response, and whether the assertion, carries a signature of its own."""
    if not carries_own_signature(binding):
        return False, True
    wanted = sp.sp is not None and sp.sp.want_assertions_signed
    return special.signs_response, special.signs_assertion or wanted
