"""Another Attribute Authority of the same organisation, asked over SOAP in the name of a requester.

The query is the organisation's own, signed with its key, about a handle that was made for the requester: the owning authority opens it for
that requester and no other, applies its own release policies, and signs its answer (docs/decisions/0017).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from attribute_authority.authority import FindRequester
from ostiary.attributes import Attributes
from ostiary.errors import Denied, Missing, Refusal, Unavailable
from ostiary.handle import HandleKey, mint
from ostiary.policy.release import ReleaseDecision, Requester, Verdict, as_she_wishes
from ostiary.ports import AttributeSource, PersonalChoices, Release, ReleaseRequest
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.keys import Signer, TrustedKey
from ostiary.saml.protocol import AttributeQuery, new_id
from ostiary.saml.signature import write_signed
from ostiary.saml.soap import decode_soap, encode_soap_written
from ostiary.saml.soap_transport import SoapTransport
from ostiary.saml.validate import DEFAULT_TIMING, Timing, accept_query_response, verify_response

HANDLE_LIFETIME: Final = timedelta(minutes=10)
RULE: Final = "its own policies"
"""What stands for the rules of another authority, whose policy is called by its index."""


@dataclass(frozen=True, slots=True)
class RemoteAuthority:
    """Implements `ostiary.ports.AttributeSource`. ``entity_id`` is the organisation's, ``location`` where the owning authority of index
    ``authority`` takes queries, ``answer_keys`` are those with which it signs; ``signer`` and ``handle_keys`` give the keys of the moment,
    ``personal_choices`` are those that are kept here: the owner need not know them."""

    entity_id: str
    authority: int
    location: str
    answer_keys: Sequence[TrustedKey]
    signer: Callable[[], Signer]
    handle_keys: Callable[[], Sequence[HandleKey]]
    transport: SoapTransport
    find_requester: FindRequester
    personal_choices: PersonalChoices | None = None
    timing: Timing = DEFAULT_TIMING

    def release(self, request: ReleaseRequest) -> Release:
        """What the owner lets leave, and the person's own choice after it. Which of its rules decided stays with the owner.

        Raises `Missing` (``aa.unknown_principal``) when the owner does not speak of this person, `Unavailable` (``soap.unreachable``,
        ``aa.authority_failed``) when it does not answer, can't, or answers what is not to be believed.
        """
        if request.wanted == () or request.anonymous:
            # On the wire a query without attributes asks for all of them; and for nobody in particular no handle can be made.
            return Release((), self._decision(()))
        query = self._query(request)
        envelope = encode_soap_written(write_signed(query.written(), None, self.signer()))
        answer = self.transport.post(self.location, envelope)
        try:
            proven = verify_response(decode_soap(answer), self.answer_keys)
            if not proven.signed_response:
                raise Refusal("signature.missing", expected="a signed Response", found="none")
            assertion = accept_query_response(
                proven,
                query,
                authority=self.entity_id,
                audience=self.entity_id,
                now=request.at,
                timing=self.timing,
            )
        except Denied as refused:
            if proven.envelope.status.detail == names.UNKNOWN_PRINCIPAL:
                raise Missing("aa.unknown_principal", expected=refused.expected, found=refused.found) from None
            raise self._failed(refused) from None
        except Refusal as problem:
            raise self._failed(problem) from None
        attributes = assertion.attributes if assertion is not None else ()
        decision = self._as_she_chose(request, self._decision(attributes))
        return Release(decision.attributes, decision)

    def _decision(self, attributes: Attributes) -> ReleaseDecision:
        policy = f"authority {self.authority}"
        return ReleaseDecision(
            attributes,
            tuple(
                Verdict(attribute.name, value, True, policy, RULE, "permit")
                for attribute in attributes
                for value in attribute.values
            ),
        )

    def _as_she_chose(self, request: ReleaseRequest, decision: ReleaseDecision) -> ReleaseDecision:
        if self.personal_choices is None or not decision.attributes:
            return decision
        requester = self.find_requester(request.requester, request.at)
        if requester is None:
            requester = Requester(request.requester, known=False)
        wish = self.personal_choices.wish(request.principal, requester, request.at)
        return as_she_wishes(decision, wish) if wish is not None else decision

    def _query(self, request: ReleaseRequest) -> AttributeQuery:
        handle = mint(
            self.handle_keys()[0],
            principal=request.principal,
            requester=request.requester,
            expires=request.at + HANDLE_LIFETIME,
            authority=self.authority,
        )
        return AttributeQuery(
            id=new_id(),
            issuer=self.entity_id,
            issue_instant=request.at,
            # Core 8.3.7: for whom the name was made, and so whose the question is.
            name_id=NameId(handle, names.TRANSIENT, self.entity_id, request.requester),
            destination=self.location,
            attributes=request.wanted,
            target=request.target,
        )

    def _failed(self, problem: Refusal) -> Unavailable:
        found = f"authority {self.authority} at {self.location}: {problem}"
        return Unavailable("aa.authority_failed", expected="an answer to be believed", found=found)


@dataclass(frozen=True, slots=True)
class SeveralAuthorities:
    """Implements `ostiary.ports.AttributeSource`: each request goes to the authority that knows the person."""

    sources: Mapping[int, AttributeSource]

    def release(self, request: ReleaseRequest) -> Release:
        """As the authority answers. Raises as it does, and `Missing` (``aa.no_such_authority``) where no authority has that index."""
        source = self.sources.get(request.authority)
        if source is None:
            known = ", ".join(str(index) for index in sorted(self.sources))
            raise Missing("aa.no_such_authority", expected=f"one of {known}", found=request.authority)
        return source.release(request)
