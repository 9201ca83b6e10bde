"""The SHAR: asks the Attribute Authority of a person's home organisation about her handle, and believes only a proven answer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from ostiary.attributes import Attributes
from ostiary.errors import Denied, Unavailable
from ostiary.federation.model import AaRole
from ostiary.saml import names
from ostiary.saml.assertion import NameId
from ostiary.saml.bindings import decode_soap, encode_soap
from ostiary.saml.decryption import Decryption
from ostiary.saml.encrypted_response import verify_response_that_may_be_encrypted
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import AttributeQuery, new_id
from ostiary.saml.signature import sign
from ostiary.saml.validate import Timing, accept_query_response


class SoapTransport(Protocol):
    """Posts one SOAP message and returns the answer's body."""

    def post(self, url: str, envelope: bytes) -> bytes:
        """Raises `Unavailable` (``shar.unreachable``) when there is no answer in time, or one that is too large."""
        ...


@dataclass(frozen=True, slots=True)
class Shar:
    """Asks in the name of ``entity_id``, signing with its key (SAML profiles 6), and opens answers that are encrypted for it with
    ``decrypting``."""

    entity_id: str
    signer: Signer
    transport: SoapTransport
    timing: Timing
    decrypting: tuple[RSAPrivateKey, ...] = ()

    def query(self, authority: str, role: AaRole, name_id: NameId, target: str | None, now: datetime) -> Attributes:
        """What the authority releases about this subject to us, for the application domain of ``target``.

        Raises `Denied` (``saml.status``) when the authority refuses, `Unavailable` when it does not answer, `Refusal` when the answer
        is not to be believed.
        """
        location = next((e.location for e in role.attribute_services if e.binding == names.SOAP), None)
        if location is None:
            raise Unavailable("shar.no_endpoint", expected="an AttributeService with the SOAP binding", found=authority)
        query = AttributeQuery(
            id=new_id(),
            issuer=self.entity_id,
            issue_instant=now,
            name_id=name_id,
            destination=location,
            target=target,
        )
        element = query.to_xml()
        sign(element, self.signer)
        answer = decode_soap(self.transport.post(location, encode_soap(element)))
        decryption = Decryption(self.entity_id, self.decrypting)
        proven = verify_response_that_may_be_encrypted(answer, role.signing_keys(), decryption)
        try:
            assertion = accept_query_response(
                proven, query, authority=authority, audience=self.entity_id, now=now, timing=self.timing
            )
        except Denied as refused:
            status = proven.envelope.status
            if status.code == names.RESPONDER and status.detail != names.REQUEST_DENIED:
                # SAML core 3.2.2.2: the trouble is on the authority's side and says nothing about the person.
                raise Unavailable("shar.unreachable", expected=refused.expected, found=refused.found) from None
            raise
        return assertion.attributes if assertion is not None else ()
