"""HTTP-Artifact: artifacts of type 0x0004, the two messages that resolve them, and their rules (SAML bindings 3.6, core 3.5).

Keeps no artifacts: whoever issues them remembers each handle, for whom it is, and that it is used once.
"""

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import quote_plus

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.assertion import read_issuer
from ostiary.saml.message import (
    MESSAGE_ATTRIBUTES,
    SUCCEEDED,
    VERSION,
    Status,
    begin,
    expect,
    read_status,
    write_status,
)
from ostiary.saml.outline import Outline, row
from ostiary.saml.signature import Authenticated
from ostiary.saml.validate import DEFAULT_TIMING, Timing, check_issue_instant, check_status, same
from ostiary.saml.xml import Element, qname, read_instant, required_child, text_of

ARTIFACT_LENGTH: Final = 60
"""Characters of an artifact in base64."""

_TYPE_CODE: Final = b"\x00\x04"
_BYTES: Final = 44
_HANDLE_BYTES: Final = 20
_RESOLVE: Final = row(0, names.SAMLP, "ArtifactResolve", *MESSAGE_ATTRIBUTES, fixed=VERSION)
_ARTIFACT: Final = row(1, names.SAMLP, "Artifact", text=True)
_RESPONSE: Final = row(0, names.SAMLP, "ArtifactResponse", *MESSAGE_ATTRIBUTES, "InResponseTo", fixed=VERSION)
# What may stand before the message that an ArtifactResponse carries.
_ENVELOPE: Final = frozenset(
    (
        qname(names.SAML, "Issuer"),
        qname(names.DS, "Signature"),
        qname(names.SAMLP, "Extensions"),
        qname(names.SAMLP, "Status"),
    )
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """An artifact (SAML bindings 3.6.4.2): ``source_id`` names who issued it, ``endpoint_index`` where it is resolved, ``handle`` the
    message."""

    source_id: bytes
    endpoint_index: int
    handle: bytes

    def __str__(self) -> str:
        octets = _TYPE_CODE + self.endpoint_index.to_bytes(2) + self.source_id + self.handle
        return base64.b64encode(octets).decode("ascii")


def source_id(entity_id: str) -> bytes:
    """SHA-1 of the entityID, 20 bytes: a name, not a protection (SAML bindings 3.6.4.2)."""
    return hashlib.sha1(entity_id.encode("utf-8"), usedforsecurity=False).digest()


def new_artifact(entity_id: str, endpoint_index: int) -> Artifact:
    """An artifact that nobody can guess, issued by ``entity_id``, to be resolved at its ArtifactResolutionService of this index."""
    return Artifact(source_id(entity_id), endpoint_index, secrets.token_bytes(_HANDLE_BYTES))


def parse_artifact(text: str) -> Artifact:
    """An artifact as it was received, not yet believed. Raises `Refusal` (``artifact.form``) for anything but type 0x0004."""
    octets = b""
    # White space within would make two spellings of one artifact.
    if len(text) == ARTIFACT_LENGTH and text.isascii():
        try:
            octets = base64.b64decode(text, validate=True)
        except binascii.Error:
            octets = b""
    if len(octets) != _BYTES or not octets.startswith(_TYPE_CODE) or base64.b64encode(octets) != text.encode():
        raise Refusal("artifact.form", expected="an artifact of type 0x0004", found=text[:80])
    return Artifact(octets[4:24], int.from_bytes(octets[2:4]), octets[24:])


def encode_artifact(location: str, artifact: Artifact, relay_state: str | None = None) -> str:
    """The URL that carries the artifact (SAML bindings 3.6.3.1)."""
    state = f"&RelayState={quote_plus(relay_state)}" if relay_state is not None else ""
    return f"{location}{'&' if '?' in location else '?'}SAMLart={quote_plus(str(artifact))}{state}"


@dataclass(frozen=True, slots=True)
class ArtifactResolve:
    """SAML core 3.5.1: asks for the message that ``artifact`` stands for."""

    id: str
    issuer: str
    issue_instant: datetime
    artifact: str
    destination: str | None = None

    def to_xml(self) -> Element:
        """The element, unsigned."""
        outline = Outline()
        begin(outline, _RESOLVE, self)
        outline.add(_ARTIFACT, self.artifact)
        return outline.to_xml("samlp", "saml")

    @classmethod
    def from_proof(cls, proof: Authenticated) -> "ArtifactResolve":
        """The request that was proven."""
        element = expect(proof.element, "ArtifactResolve")
        return cls(
            id=element.get("ID", ""),
            issuer=read_issuer(required_child(element, names.SAML, "Issuer")),
            issue_instant=read_instant(element.get("IssueInstant", "")),
            artifact=text_of(required_child(element, names.SAMLP, "Artifact")),
            destination=element.get("Destination"),
        )


@dataclass(frozen=True, slots=True)
class ArtifactResponse:
    """SAML core 3.5.2, without the message that it carries: see `carried`. The issuer answers Success without a message for an artifact
    that it does not know, that was used, or that was for somebody else (core 3.5.3)."""

    id: str
    issuer: str
    issue_instant: datetime
    in_response_to: str | None
    status: Status = SUCCEEDED
    destination: str | None = None

    def to_xml(self, message: Element | None = None) -> Element:
        """The element, unsigned; ``message`` is given as an element because it may be signed already."""
        outline = Outline()
        begin(outline, _RESPONSE, self, self.in_response_to)
        write_status(outline, self.status)
        element = outline.to_xml("samlp", "saml")
        if message is not None:
            element.append(message)
        return element

    @classmethod
    def from_proof(cls, proof: Authenticated) -> "ArtifactResponse":
        """The answer that was proven."""
        return unproven_answer(proof.element)


def unproven_answer(element: Element) -> ArtifactResponse:
    """What an unsigned samlp:ArtifactResponse claims about itself: good for refusing, and for nothing else."""
    element = expect(element, "ArtifactResponse")
    return ArtifactResponse(
        id=element.get("ID", ""),
        issuer=read_issuer(required_child(element, names.SAML, "Issuer")),
        issue_instant=read_instant(element.get("IssueInstant", "")),
        in_response_to=element.get("InResponseTo"),
        status=read_status(element),
        destination=element.get("Destination"),
    )


def carried(proof: Authenticated) -> Authenticated | None:
    """The message in a proven ArtifactResponse, None if it carries none: what proves the whole proves what stands in it (SAML bindings
    3.6.5.2). A signature of its own can be verified in place."""
    found = carried_element(proof.element)
    return replace(proof, element=found) if found is not None else None


def carried_element(answer: Element) -> Element | None:
    """The message in an ArtifactResponse, which nothing proves but its own signature; None if there is none."""
    found = [one for one in expect(answer, "ArtifactResponse") if one.tag not in _ENVELOPE]
    if len(found) > 1:
        raise Refusal("xml.unexpected_element", expected="one message", found=f"{len(found)} elements")
    return found[0] if found else None


def check_artifact_resolve(
    resolve: ArtifactResolve,
    *,
    issuer: str,
    entity_id: str,
    location: str,
    now: datetime,
    timing: Timing = DEFAULT_TIMING,
) -> Artifact:
    """Who asks is who proved it, it is meant for this place, and it is not old. ``entity_id``: who we are; ``location``: our
    ArtifactResolutionService. Returns the artifact: its handle is to be looked up, together with ``issuer``.

    Raises `Refusal` (``saml.issuer``, ``saml.destination``, ``saml.too_old``, ``saml.from_the_future``, ``artifact.form``,
    ``artifact.other_issuer``).
    """
    same("saml.issuer", issuer, resolve.issuer)
    same("saml.destination", location, resolve.destination, optional=True)
    check_issue_instant(resolve.issue_instant, now, timing)
    artifact = parse_artifact(resolve.artifact)
    check_artifact_of(artifact, entity_id)
    return artifact


def check_artifact_of(artifact: Artifact, entity_id: str) -> None:
    """The artifact was issued by this entity (``artifact.other_issuer``; bindings 3.6.4.2)."""
    if artifact.source_id != source_id(entity_id):
        raise Refusal("artifact.other_issuer", expected=f"an artifact of {entity_id}", found=artifact.source_id.hex())


def check_artifact_response(
    response: ArtifactResponse,
    *,
    resolve: ArtifactResolve,
    issuer: str,
    now: datetime,
    timing: Timing = DEFAULT_TIMING,
) -> None:
    """The answer to our own ``resolve`` by ``issuer``, who issued the artifact (SAML core 3.5.3).

    Raises `Denied` (``saml.status``) when the other side refuses, `Refusal` (``saml.issuer``, ``saml.in_response_to``,
    ``saml.too_old``, ``saml.from_the_future``) when it is not the answer to that request.
    """
    same("saml.issuer", issuer, response.issuer)
    same("saml.in_response_to", resolve.id, response.in_response_to)
    check_issue_instant(response.issue_instant, now, timing)
    check_status(response.status)
