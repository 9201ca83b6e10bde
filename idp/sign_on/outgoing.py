"""How a Response goes out: by the binding of the SP's endpoint. What it says and who signs it was decided before."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flask import Response

from idp.sign_on.requests import WaitingRequest
from ostiary.federation.model import Entity
from ostiary.saml import names
from ostiary.saml.artifact import encode_artifact
from ostiary.saml.bindings import encode_post, encode_simple_sign, encode_written
from ostiary.saml.ecp import encode_ecp_response
from ostiary.saml.keys import Signer
from ostiary.saml.xml import Element
from ostiary.storage.artifacts import WaitingMessages
from ostiary.web.service import auto_post

# SAML bindings 3.2.3.2, 3.6.5.2: no cache on the way may keep an answer.
SOAP_HEADERS: Final = {"Cache-Control": "no-cache, no-store, must-revalidate, private", "Pragma": "no-cache"}


def carries_own_signature(binding: str) -> bool:
    """Whether the message's own ds:Signature is what proves it. SimpleSign signs the form around it instead (SimpleSign 2.5)."""
    return binding != names.HTTP_POST_SIMPLE_SIGN


@dataclass(frozen=True, slots=True, eq=False)
class Outgoing:
    """``artifacts`` keeps what an SP will fetch."""

    artifacts: WaitingMessages

    def send(
        self, asked: WaitingRequest, sp: Entity, message: Element | bytes, *, signer: Signer, now: datetime
    ) -> Response:
        """The page, redirect or envelope that carries ``message`` to where ``asked`` says; octets go by HTTP-POST only."""
        if isinstance(message, bytes):
            return self._by_post(asked, sp, encode_written(message))
        match asked.binding:
            case names.HTTP_ARTIFACT:
                artifact = self.artifacts.issue(message, sp.entity_id, now)
                # By GET: the artifact means nothing to anybody else (bindings 3.6.3).
                return Response(
                    status=303, headers={"Location": encode_artifact(asked.acs_url, artifact, asked.relay_state)}
                )
            case names.PAOS:
                envelope = encode_ecp_response(message, asked.acs_url, request_authenticated=asked.is_proven)
                return Response(envelope, headers=SOAP_HEADERS, content_type="text/xml; charset=utf-8")
            case names.HTTP_POST_SIMPLE_SIGN:
                signed = encode_simple_sign("SAMLResponse", message, signer=signer, relay_state=asked.relay_state)
                return self._page(asked, sp, list(signed.items()))
            case _:
                return self._by_post(asked, sp, encode_post(message))

    def _by_post(self, asked: WaitingRequest, sp: Entity, encoded: str) -> Response:
        state = [("RelayState", asked.relay_state)] if asked.relay_state is not None else []
        return self._page(asked, sp, [("SAMLResponse", encoded), *state])

    def _page(self, asked: WaitingRequest, sp: Entity, fields: list[tuple[str, str]]) -> Response:
        return auto_post(asked.acs_url, fields, destination=sp.name)
