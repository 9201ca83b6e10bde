"""HTTP-Artifact at the resource (SAML bindings 3.6): fetches the Response behind an artifact from the home organisation that issued it.

Goes nowhere but to ArtifactResolutionServices in metadata. Accepts no Response: see `answers`.
"""

import threading
from datetime import datetime
from typing import Final

from ostiary.errors import Refusal, TooMany, Unavailable
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import Endpoint, IdpRole
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.artifact import (
    Artifact,
    ArtifactResolve,
    ArtifactResponse,
    carried,
    carried_element,
    check_artifact_response,
    parse_artifact,
    unproven_answer,
)
from ostiary.saml.bindings import decode_soap, encode_soap
from ostiary.saml.keys import TrustedKey
from ostiary.saml.message import new_id
from ostiary.saml.signature import SignedElement, has_signature, sign, verify_element
from ostiary.saml.soap_transport import SoapTransport
from ostiary.saml.validate import Timing
from ostiary.saml.xml import Element, qname
from sp_shire.login.answers import Received
from sp_shire.settings import ShireSettings

AT_ONCE: Final = 16
"""How many artifacts one process resolves at the same time: strangers can make them up, and each is a message to a home organisation."""
_SOON: Final = 5


class ArtifactResolver:
    """``transport`` bounds how long an answer may take and how large it may be."""

    def __init__(self, settings: ShireSettings, transport: SoapTransport) -> None:
        self._entity_id = settings.entity_id
        self._transport = transport
        self._timing = Timing(skew=settings.clock_skew)
        self._free = threading.BoundedSemaphore(AT_ONCE)

    def fetch(self, text: str, registry: Registry, keys: KeyRing, now: datetime) -> Received:
        """The Response behind the artifact ``text``, asked for with a signed ArtifactResolve (SAML core 3.5, profiles 5).

        An answer that is signed proves what it carries; in one that is not, the Response has to be signed itself. Raises `Refusal`
        (``artifact.form``, ``sp.unknown_idp``, ``sp.artifact_endpoint``, ``sp.artifact_gone``, ``saml.*``, ``signature.*``, ``soap.*``),
        `Denied` (``saml.status``), `Unavailable` (``sp.artifact_unreachable``) or `TooMany` (``sp.artifact_busy``).
        """
        artifact = parse_artifact(text)
        issuer, role = _issuer_of(artifact, registry, now)
        endpoint = _endpoint_of(artifact, role, issuer)
        resolve = ArtifactResolve(new_id(), self._entity_id, now, text, endpoint.location)
        message = resolve.to_xml()
        sign(message, keys.signer)
        answer = decode_soap(self._exchanged(endpoint.location, encode_soap(message)))
        return self._opened(answer, resolve, issuer, role.signing_keys(), now)

    def _exchanged(self, location: str, envelope: bytes) -> bytes:
        if not self._free.acquire(blocking=False):
            raise TooMany("sp.artifact_busy", retry_after=_SOON, expected=f"at most {AT_ONCE} at once", found="more")
        try:
            return self._transport.post(location, envelope)
        except Unavailable as problem:
            raise Unavailable("sp.artifact_unreachable", expected=problem.expected, found=problem.found) from None
        finally:
            self._free.release()

    def _opened(
        self,
        answer: Element,
        resolve: ArtifactResolve,
        issuer: str,
        keys: tuple[TrustedKey, ...],
        now: datetime,
    ) -> Received:
        if answer.tag != qname(names.SAMLP, "ArtifactResponse"):
            raise Refusal("saml.other_message", expected="samlp:ArtifactResponse", found=str(answer.tag)[:200])
        proof = verify_element(answer, keys) if has_signature(answer) else None
        said = ArtifactResponse.from_proof(proof) if proof is not None else unproven_answer(answer)
        check_artifact_response(said, resolve=resolve, issuer=issuer, now=now, timing=self._timing)
        inside = carried(proof) if proof is not None else None
        message = inside.element if inside is not None else carried_element(answer)
        if message is None:
            raise Refusal("sp.artifact_gone", expected="a Response", found="an answer without a message")
        if message.tag != qname(names.SAMLP, "Response"):
            raise Refusal("saml.other_message", expected="samlp:Response", found=str(message.tag)[:200])
        held = SignedElement(message, proof.key, proof.algorithm) if proof is not None else None
        return Received(message, "acs/artifact", issuer, held)


def _issuer_of(artifact: Artifact, registry: Registry, now: datetime) -> tuple[str, IdpRole]:
    entity = registry.by_source_id(artifact.source_id, now)
    role = registry.idp(entity.entity_id, now) if entity is not None else None
    if entity is None or role is None:
        expected = "an artifact of a home organisation that this resource knows"
        raise Refusal("sp.unknown_idp", expected=expected, found=f"SourceID {artifact.source_id.hex()}")
    return entity.entity_id, role


def _endpoint_of(artifact: Artifact, role: IdpRole, issuer: str) -> Endpoint:
    endpoint = role.artifact_resolver(artifact.endpoint_index)
    if endpoint is None:
        expected = f"an ArtifactResolutionService with index {artifact.endpoint_index} in metadata"
        raise Refusal("sp.artifact_endpoint", expected=expected, found=f"none at {issuer}")
    return endpoint
