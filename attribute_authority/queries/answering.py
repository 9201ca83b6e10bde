"""One query from its octets to the octets of its answer: proves, resolves, records, signs. What can't be recorded does not leave."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from attribute_authority.authority import rules_that_released
from attribute_authority.connectors.protocol import ConnectorFailed
from attribute_authority.queries.answers import failure, success
from attribute_authority.queries.caller import Caller
from attribute_authority.queries.encryption import recipient_for
from attribute_authority.queries.records import REFUSED, RELEASED, Once, QueryAudit, Write
from attribute_authority.queries.soap import QueryEndpoint, ReceivedQuery, Sender, prove_sender, read_query
from attribute_authority.queries.statuses import UNAVAILABLE, UNKNOWN_PRINCIPAL, Unsatisfiable
from attribute_authority.queries.subjects import NamedPeople, Subject, subject_of
from ostiary.config.derived import Derived
from ostiary.errors import OstiaryError, Refusal, Unavailable
from ostiary.federation.keys import KeyRing
from ostiary.federation.registry import Registry
from ostiary.handle import HandleKey
from ostiary.ports import AskedRequests, AttributeSource, Release, ReleaseRequest
from ostiary.saml.bindings import decode_soap, soap_fault
from ostiary.saml.protocol import Status, claimed_issuer
from ostiary.saml.xml import Element
from ostiary.web.log import Log, reference
from ostiary.web.short_way import Document

# What fits into an audit row, however many policies an organisation has.
_AUDITED: Final = 40
_AUDITED_LENGTH: Final = 50


@dataclass(frozen=True, slots=True, eq=False)
class Answering:
    """``registry``, ``key_ring`` and ``handle_keys`` give the snapshots of the moment; ``people`` finds those who are asked about by other
    names than handles, ``sources`` releases, ``once`` uses a query up with its row in the audit."""

    endpoint: QueryEndpoint
    registry: Callable[[], Registry]
    key_ring: Callable[[], KeyRing]
    handle_keys: Callable[[], Sequence[HandleKey]]
    sources: AttributeSource
    people: NamedPeople
    once: Once
    audit: QueryAudit
    asked_requests: AskedRequests
    log: Log
    _with_keys: Derived[QueryEndpoint] = field(init=False)

    def __post_init__(self) -> None:
        made = Derived(lambda keys: replace(self.endpoint, handle_keys=tuple(keys)))
        object.__setattr__(self, "_with_keys", made)

    def answer(self, data: bytes, caller: Caller, now: datetime) -> Document:
        """Raises `Refusal` for what is not proven, not fresh or not for this endpoint: nothing was released then, and the audit says so."""
        try:
            message = decode_soap(data)
        except Refusal as problem:
            return self._fault(problem)
        registry = self.registry()
        try:
            sender = prove_sender(message, caller.certificate, self.endpoint, registry, now)
        except Refusal as problem:
            self.audit.stranger_refused(problem, _claimed(message), now)
            raise
        try:
            return self._answered(sender, registry, caller, now)
        except Unsatisfiable as unsatisfiable:
            return self._refused(sender, unsatisfiable.status, unsatisfiable.problem, now)
        except _Replayed:
            raise
        except _NotRecorded as problem:
            return self._failed(sender, UNAVAILABLE, problem, now)
        except Refusal as problem:
            # Forged, expired, another requester's, nobody's: whoever asks can't tell them apart.
            return self._refused(sender, UNKNOWN_PRINCIPAL, problem, now)
        except Unavailable as problem:
            return self._refused(sender, UNAVAILABLE, problem, now)

    def _answered(self, sender: Sender, registry: Registry, caller: Caller, now: datetime) -> Document:
        endpoint = self._with_keys(self.handle_keys())
        received = read_query(sender, endpoint, registry, now)
        subject = subject_of(received, endpoint, self.people, now)
        # Before anything is found out about her: where the answer could not leave, nothing is to be in the log that it did.
        recipient = recipient_for(sender.issuer, endpoint.encryption, registry, now) if not sender.passed_on else None
        asked = _request(received, subject, caller, now)
        released = self.sources.release(asked)
        self._record(received, asked, self._facts(received, subject, released), now)
        signer = self.key_ring().signer
        return Document(success(received, released.attributes, endpoint, signer, now, recipient=recipient))

    def _refused(self, sender: Sender, status: Status, problem: OstiaryError, now: datetime) -> Document:
        """Every refusal is recorded; where the audit does not answer either, the log alone has it."""
        if sender.anonymous:
            # Anybody can send these.
            self.audit.stranger_refused(problem, sender.issuer, now)
            return self._failed(sender, status, problem, now)
        facts = {"requester": sender.requester, "query": sender.id, "code": problem.code}
        if isinstance(problem, ConnectorFailed):
            facts["connector"] = problem.connector
        try:
            self._use_up(sender, self.audit.row(REFUSED, facts, None, now), now)
        except Unavailable as unavailable:
            self.log.error("refusal_not_recorded", code=problem.code, problem=str(unavailable))
        return self._failed(sender, status, problem, now)

    def _failed(self, sender: Sender, status: Status, problem: OstiaryError, now: datetime) -> Document:
        self.log.info(
            "attribute_query_failed",
            requester=sender.requester,
            query=sender.id,
            code=problem.code,
            expected=problem.expected,
            found=problem.found,
        )
        return Document(failure(sender, status, self.endpoint, self.key_ring().signer, now))

    def _record(self, received: ReceivedQuery, asked: ReleaseRequest, facts: dict[str, object], now: datetime) -> None:
        """The audit row comes before the answer, in one transaction with what uses the query up."""
        row = self.audit.row(RELEASED, facts, asked.principal, now)

        def write(connection: Connection) -> None:
            row(connection)
            # Another authority remembers its own.
            if asked.authority == self.endpoint.authority_index:
                self.asked_requests.note(connection, asked, pushed=False)

        try:
            self._use_up(received.sender, write, now)
        except Unavailable as problem:
            raise _NotRecorded(problem.code, expected=problem.expected, found=problem.found) from None
        self.asked_requests.sweep(now)

    def _use_up(self, sender: Sender, write: Write, now: datetime) -> None:
        if self.once.record(sender.replay_key, write, expires=sender.replay_until, now=now):
            return
        problem = _Replayed("aa.query_replayed", expected="a query that was not answered before", found=sender.id)
        # Whoever heard it once can send it again and again.
        self.audit.stranger_refused(problem, sender.issuer, now)
        raise problem

    def _facts(self, received: ReceivedQuery, subject: Subject, released: Release) -> dict[str, object]:
        sender = received.sender
        elsewhere = subject.person.authority != self.endpoint.authority_index
        names = sorted({attribute.name for attribute in released.attributes})
        rules = rules_that_released(released.decision)
        return {
            **({"authority": subject.person.authority} if elsewhere else {}),
            **({"passed_on": True} if sender.passed_on else {}),
            **({"anonymous": True} if sender.anonymous else {}),
            **({"name_of": subject.made_for} if subject.made_for != sender.requester else {}),
            "requester": sender.requester,
            "query": sender.id,
            "attributes": [name[:_AUDITED_LENGTH] for name in names[:_AUDITED]],
            "rules": rules[:_AUDITED],
            **({"more_rules": len(rules) - _AUDITED} if len(rules) > _AUDITED else {}),
        }

    def _fault(self, problem: OstiaryError) -> Document:
        number = reference()
        self.log.info("soap_fault", reference=number, code=problem.code, expected=problem.expected, found=problem.found)
        return Document(soap_fault(problem, number), 500)


class _Replayed(Refusal):
    """A query that was answered before."""


class _NotRecorded(Unavailable):
    """The audit did not take the row, so it will not take another one."""


def _request(received: ReceivedQuery, subject: Subject, caller: Caller, now: datetime) -> ReleaseRequest:
    return ReleaseRequest(
        subject.person.principal,
        received.sender.requester,
        now,
        # Nobody in particular has no application domains.
        target=received.target if not received.sender.anonymous else None,
        wanted=received.wanted,
        authority=subject.person.authority,
        anonymous=received.sender.anonymous,
        # Who passes a query on does not say from where it came.
        network=caller.address if not received.sender.passed_on else None,
    )


def _claimed(message: Element) -> str | None:
    try:
        return claimed_issuer(message)
    except Refusal:
        return None
