"""The SHAR: asks an Attribute Authority about a person, and believes only a proven answer."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from ostiary.attributes import Attributes, make_attribute
from ostiary.errors import Denied, Refusal, Unavailable
from ostiary.federation.model import AaRole
from ostiary.saml import names
from ostiary.saml.assertion import Assertion, NameId
from ostiary.saml.decryption import Decryption
from ostiary.saml.encrypted_response import verify_response_that_may_be_encrypted
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import AttributeQuery, new_id
from ostiary.saml.signature import write_signed
from ostiary.saml.soap import decode_soap, encode_soap_written
from ostiary.saml.soap_transport import ConnectionDied
from ostiary.saml.validate import Timing, accept_query_response
from ostiary.saml.xml import Element
from sp_shire.shar.breaker import Breakers, Limits


class SoapTransport(Protocol):
    """Posts one SOAP message and returns the answer's body."""

    def post(self, url: str, envelope: bytes, *, within: float | None = None) -> bytes:
        """Waits ``within`` seconds, or its own time limit where that is shorter. Raises `Unavailable` (``shar.unreachable``) when there is
        no answer in time, or one that is too large; as `ConnectionDied` when the connection ended before an answer began."""
        ...


class Answer(NamedTuple):
    """What an authority releases; ``until``: how long it says that this may be used (exclusive), None when it does not say."""

    attributes: Attributes
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Effort:
    """``seconds`` for one question, ``retries`` after connections that died before an answer began."""

    seconds: float = 5.0
    retries: int = 1


@dataclass(frozen=True, slots=True)
class Shar:
    """Asks in the name of ``entity_id``, signing with its key (SAML profiles 6), and opens answers that are encrypted for it with
    ``decrypting``. ``breakers`` remember which authorities do not answer; ``monotonic`` tells seconds that pass;
    ``allow_cbc_from`` are the authorities whose answers may be encrypted by CBC where they are signed over the ciphertext."""

    entity_id: str
    signer: Signer
    transport: SoapTransport
    timing: Timing
    decrypting: tuple[RSAPrivateKey, ...] = ()
    effort: Effort = Effort()
    breakers: Breakers = field(default_factory=lambda: Breakers(Limits()))
    monotonic: Callable[[], float] = time.monotonic
    allow_cbc_from: tuple[str, ...] = ()

    def ask(
        self,
        authority: str,
        role: AaRole,
        name_id: NameId,
        now: datetime,
        *,
        target: str | None = None,
        wanted: Sequence[str] = (),
    ) -> Answer:
        """What the authority releases about this subject to us, for the application domain of ``target``; only the attributes ``wanted``
        (by friendly name), where any are named. Its endpoints are asked in the order of its metadata until one answers.

        Raises `Denied` (``saml.status``) when the authority refuses, `Unavailable` when it does not answer (``shar.unreachable``,
        ``shar.no_endpoint``) or has not for a while (``shar.paused``), `Refusal` when the answer is not to be believed.
        """
        locations = [one.location for one in role.attribute_services if one.binding == names.SOAP]
        if not locations:
            raise Unavailable("shar.no_endpoint", expected="an AttributeService with the SOAP binding", found=authority)
        if not self.breakers.admits(authority, now):
            again = self.breakers.asks_again_at(authority, now)
            raise Unavailable("shar.paused", expected=f"no question before {again.isoformat()}", found=authority)
        answers = False
        try:
            assertion = self._from_any(locations, _Question(authority, role, name_id, now, target, tuple(wanted)))
            answers = True
        except Refusal:
            # Whatever it says, it is there.
            answers = True
            raise
        finally:
            if answers:
                self.breakers.answered(authority)
            else:
                self.breakers.failed(authority, now)
        if assertion is None:
            return Answer((), None)
        return Answer(assertion.attributes, _usable_until(assertion))

    def _from_any(self, locations: Sequence[str], question: "_Question") -> Assertion | None:
        deadline = self.monotonic() + self.effort.seconds
        problem: Unavailable | None = None
        for place, location in enumerate(locations):
            # One that hangs leaves time for those after it.
            until = self.monotonic() + (deadline - self.monotonic()) / (len(locations) - place)
            for _ in range(1 + self.effort.retries):
                left = until - self.monotonic()
                if problem is not None and left <= 0:
                    break
                try:
                    return self._asked(location, question, left)
                except ConnectionDied as died:
                    problem = died
                except Unavailable as down:
                    problem = down
                    break
        raise problem or Unavailable("shar.unreachable", expected="an answer", found="none")

    def _asked(self, location: str, question: "_Question", seconds: float) -> Assertion | None:
        # A new message each time: an authority that has seen one answers no copy of it.
        query = question.query(self.entity_id, location)
        envelope = encode_soap_written(write_signed(query.written(), None, self.signer))
        answer = _message(self.transport.post(location, envelope, within=seconds))
        decryption = Decryption(
            self.entity_id, self.decrypting, allow_cbc_for_this_partner=question.authority in self.allow_cbc_from
        )
        proven = verify_response_that_may_be_encrypted(answer, question.role.signing_keys(), decryption)
        try:
            return accept_query_response(
                proven,
                query,
                authority=question.authority,
                audience=self.entity_id,
                now=question.now,
                timing=self.timing,
            )
        except Denied as refused:
            status = proven.envelope.status
            if status.code == names.RESPONDER and status.detail != names.REQUEST_DENIED:
                # SAML core 3.2.2.2: the trouble is on the authority's side and says nothing about the person.
                raise Unavailable("shar.unreachable", expected=refused.expected, found=refused.found) from None
            raise


class _Question(NamedTuple):
    authority: str
    role: AaRole
    name_id: NameId
    now: datetime
    target: str | None
    wanted: tuple[str, ...]

    def query(self, issuer: str, destination: str) -> AttributeQuery:
        return AttributeQuery(
            id=new_id(),
            issuer=issuer,
            issue_instant=self.now,
            name_id=self.name_id,
            destination=destination,
            attributes=tuple(make_attribute(name, ()) for name in self.wanted) or None,
            target=self.target,
        )


def _message(answer: bytes) -> Element:
    """The message in the answer. What is no SOAP envelope with a SAML message comes from something that stands in the authority's place."""
    try:
        return decode_soap(answer)
    except Refusal as problem:
        raise Unavailable("shar.unreachable", expected="a SAML message in a SOAP envelope", found=problem) from None


def _usable_until(assertion: Assertion) -> datetime | None:
    """SAML core 2.5.1.2 and 2.7.2."""
    ends = [statement.session_not_on_or_after for statement in assertion.authn_statements]
    if assertion.conditions is not None:
        ends.append(assertion.conditions.not_on_or_after)
    return min(filter(None, ends), default=None)
