"""The attribute query, which no browser sees: asked once more with the resource's own key, by the resource's own code, and shown.

Asks only about the handle of a Response that was accepted, and only where the resource itself had to ask.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from ostiary.attributes import Attributes
from ostiary.command.trace.examine import Examiner
from ostiary.command.trace.messages import Message
from ostiary.command.trace.request_checks import query_checks, undecodable
from ostiary.command.trace.response_checks import answer_checks
from ostiary.errors import OstiaryError
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.saml.bindings import ReceivedMessage, decode_soap
from ostiary.saml.decryption import Decryption
from ostiary.saml.keys import Signer
from ostiary.saml.protocol import AttributeQuery
from ostiary.saml.signature import verify_element
from ostiary.saml.validate import AcceptedResponse, Timing
from sp_shire.shar.query import Shar, SoapTransport


@dataclass(frozen=True, slots=True)
class ResourceKey:
    """The resource whose operator traces: its entityID, its key, and the way to Attribute Authorities; ``always_asks``: whatever a Response
    brings."""

    entity_id: str
    signer: Signer
    transport: SoapTransport
    decrypting: tuple[RSAPrivateKey, ...] = ()
    always_asks: bool = False


@dataclass(frozen=True, slots=True)
class BackChannel:
    """``told`` is a key of the catalogue (``trace.back_channel``). ``messages`` are query and answer where they were exchanged;
    ``attributes`` what was released; ``error`` why it failed."""

    told: str
    authority: str = ""
    resource: str = ""
    messages: tuple[Message, ...] = ()
    attributes: Attributes = ()
    error: OstiaryError | None = None


class _Recording:
    """A transport that keeps what it carries."""

    def __init__(self, inner: SoapTransport) -> None:
        self._inner = inner
        self.url = ""
        self.query = b""
        self.answer = b""

    def post(self, url: str, envelope: bytes, *, within: float | None = None) -> bytes:
        self.url, self.query = url, envelope
        self.answer = self._inner.post(url, envelope, within=within)
        return self.answer


class BackChannelAsker:
    """Asks as the resource does. ``key`` None: the operator's key is not at hand, and the back channel stays unseen."""

    def __init__(
        self, key: ResourceKey | None, examiner: Examiner, timing: Timing, now: Callable[[], datetime]
    ) -> None:
        self._key = key
        self._examiner = examiner
        self._timing = timing
        self._now = now

    def after(self, accepted: AcceptedResponse, target: str, number: int) -> BackChannel:
        """What is to be said of the back channel after a Response; messages are counted from ``number``."""
        registry, key, issuer, now = self._examiner.registry, self._key, accepted.issuer, self._now()
        if accepted.assertion.attributes and (key is None or not key.always_asks):
            return BackChannel("pushed", issuer)
        if key is None or registry is None:
            return BackChannel("invisible", issuer)
        if key.entity_id != self._examiner.audience:
            return BackChannel("other_resource", issuer, key.entity_id)
        role = registry.aa(issuer, now)
        if role is None:
            return BackChannel("no_authority", issuer)
        recording = _Recording(key.transport)
        shar = Shar(key.entity_id, key.signer, recording, self._timing, key.decrypting)
        try:
            attributes = shar.ask(issuer, role, accepted.name_id, now, target=target).attributes
        except OstiaryError as error:
            return BackChannel(
                "failed", issuer, key.entity_id, self._messages(recording, registry, issuer, number), (), error
            )
        return BackChannel(
            "asked", issuer, key.entity_id, self._messages(recording, registry, issuer, number), attributes
        )

    def _messages(self, recording: _Recording, registry: Registry, authority: str, number: int) -> tuple[Message, ...]:
        """Query and answer with their checks, as far as they came."""
        if not recording.query:
            return ()
        now = self._now()
        query = _decoded(number, recording.url, recording.query)
        role = registry.sp(self._examiner.audience, now)
        asking = query.element
        if asking is None:
            return (query,)
        checks = query_checks(asking, recording.url, registry, now, self._timing)
        query = Message(number, "soap", recording.url, query.received, None, checks)
        answer = _decoded(number + 1, recording.url, recording.answer) if recording.answer else None
        asked = registry.aa(authority, now)
        if answer is None or answer.element is None or role is None or asked is None:
            return (query,) if answer is None else (query, answer)
        try:
            sent = AttributeQuery.from_proof(verify_element(asking, role.signing_keys()))
        except OstiaryError:
            # The query's own checks say what is wrong with it.
            return query, answer
        audience = self._examiner.audience
        decryption = Decryption(audience, self._key.decrypting) if self._key is not None else None
        told = answer_checks(answer.element, sent, authority, asked, audience, now, self._timing, decryption)
        return query, Message(number + 1, "soap", recording.url, answer.received, None, told)


def _decoded(number: int, url: str, envelope: bytes) -> Message:
    try:
        element = decode_soap(envelope)
    except OstiaryError as error:
        return Message(number, "soap", url, None, error, undecodable(error, names.SOAP))
    return Message(number, "soap", url, ReceivedMessage(element, None, names.SOAP))
