"""The messages of SAML 2.0 as tuples with names, as `ostiary.saml.assertion` has them, and their XML both ways (SAML core 3). Reads only
from a proof; checks no rules.
"""

from datetime import datetime
from typing import Final, NamedTuple

from ostiary.attributes import Attributes
from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.assertion import (
    Assertion,
    NameId,
    read_assertion,
    read_issuer,
    read_name_id,
    write_subject,
)
from ostiary.saml.attribute_names import read_attributes, write_attributes
from ostiary.saml.message import (
    EXTENSIONS,
    ISSUER,
    MESSAGE_ATTRIBUTES,
    SUCCEEDED,
    VERSION,
    Status,
    begin,
    claimed_issuer,
    expect,
    new_id,
    status_of,
    write_status,
)
from ostiary.saml.outline import Outline, Written, row
from ostiary.saml.signature import AnonymousMessage, Proof, SignedElement
from ostiary.saml.xml import (
    Children,
    Element,
    child,
    children,
    qname,
    read_boolean,
    read_instant,
    text_of,
)

__all__ = [
    "AttributeQuery",
    "AuthnRequest",
    "RequestedAuthnContext",
    "Response",
    "Status",
    "claimed_issuer",
    "new_id",
    "sole_assertion",
    "unproven_envelope",
]

# What this software writes: depth, name, attributes that vary.
ASSERTIONS: Final = (qname(names.SAML, "Assertion"), qname(names.SAML, "EncryptedAssertion"))
_AUTHN_REQUEST: Final = row(
    0,
    names.SAMLP,
    "AuthnRequest",
    *MESSAGE_ATTRIBUTES,
    "ForceAuthn",
    "IsPassive",
    "AssertionConsumerServiceURL",
    "AssertionConsumerServiceIndex",
    "ProtocolBinding",
    "AttributeConsumingServiceIndex",
    fixed=VERSION,
)
_ATTRIBUTE_QUERY: Final = row(0, names.SAMLP, "AttributeQuery", *MESSAGE_ATTRIBUTES, fixed=VERSION)
_RESPONSE: Final = row(0, names.SAMLP, "Response", *MESSAGE_ATTRIBUTES, "InResponseTo", fixed=VERSION)
_STATUS: Final = qname(names.SAMLP, "Status")
_SUBJECT: Final = qname(names.SAML, "Subject")
_NAME_ID_POLICY: Final = row(1, names.SAMLP, "NameIDPolicy", "Format", fixed=[("AllowCreate", "true")])
_REQUESTED_AUTHN_CONTEXT: Final = row(1, names.SAMLP, "RequestedAuthnContext", "Comparison")
_CLASS_REF: Final = row(2, names.SAML, "AuthnContextClassRef", text=True)
_TARGET: Final = row(2, names.OSTIARY_TARGET, "Target", text=True)


class RequestedAuthnContext(NamedTuple):
    """SAML core 3.3.2.2.1."""

    classes: tuple[str, ...]
    comparison: str = "exact"


class AuthnRequest(NamedTuple):
    """SAML core 3.4.1. ``attribute_index`` names one of the requester's AttributeConsumingServices; ``target`` is our own extension: the
    URL that the person wants to reach."""

    id: str
    issuer: str
    issue_instant: datetime
    destination: str | None = None
    acs_url: str | None = None
    acs_index: int | None = None
    protocol_binding: str | None = None
    nameid_format: str | None = None
    force_authn: bool = False
    is_passive: bool = False
    requested_context: RequestedAuthnContext | None = None
    target: str | None = None
    attribute_index: int | None = None

    def to_xml(self) -> Element:
        """The element, unsigned."""
        outline = Outline()
        begin(
            outline,
            _AUTHN_REQUEST,
            self,
            "true" if self.force_authn else None,
            "true" if self.is_passive else None,
            self.acs_url,
            None if self.acs_index is None else str(self.acs_index),
            self.protocol_binding,
            None if self.attribute_index is None else str(self.attribute_index),
        )
        _write_target(outline, self.target)
        outline.add(_NAME_ID_POLICY, self.nameid_format)
        if self.requested_context is not None:
            outline.add(_REQUESTED_AUTHN_CONTEXT, self.requested_context.comparison)
            for class_ref in self.requested_context.classes:
                outline.add(_CLASS_REF, class_ref)
        return outline.to_xml("samlp", "saml", *(("ostiary",) if self.target is not None else ()))

    @classmethod
    def from_proof(cls, proof: Proof) -> "AuthnRequest":
        """The request that was proven."""
        element = expect(proof.element, "AuthnRequest")
        get, parts = element.get, Children(element)
        index, attributes = get("AssertionConsumerServiceIndex"), get("AttributeConsumingServiceIndex")
        policy, context = parts.one(_NAME_ID_POLICY.tag), parts.one(_REQUESTED_AUTHN_CONTEXT.tag)
        issuer = parts.one(ISSUER)
        if issuer is None:
            raise Refusal("xml.missing_element", expected="Issuer", found="no Issuer in AuthnRequest")
        return cls(
            id=get("ID", ""),
            issuer=read_issuer(issuer),
            issue_instant=read_instant(get("IssueInstant", "")),
            destination=get("Destination"),
            acs_url=get("AssertionConsumerServiceURL"),
            acs_index=_read_index(index) if index is not None else None,
            protocol_binding=get("ProtocolBinding"),
            nameid_format=policy.get("Format") if policy is not None else None,
            force_authn=bool(read_boolean(get("ForceAuthn"))),
            is_passive=bool(read_boolean(get("IsPassive"))),
            requested_context=_read_requested_context(context) if context is not None else None,
            target=_read_target(parts.one(EXTENSIONS.tag)),
            attribute_index=_read_index(attributes) if attributes is not None else None,
        )


class AttributeQuery(NamedTuple):
    """SAML core 3.3.2.3. ``attributes`` None asks for everything; ``target`` is our own extension."""

    id: str
    issuer: str
    issue_instant: datetime
    name_id: NameId
    destination: str | None = None
    attributes: Attributes | None = None
    target: str | None = None

    def to_xml(self) -> Element:
        """The element, unsigned."""
        return self._outline().to_xml(*self._prefixes())

    def written(self) -> Written:
        """The same in canonical form."""
        return self._outline().written(*self._prefixes())

    def _outline(self) -> Outline:
        outline = Outline()
        begin(outline, _ATTRIBUTE_QUERY, self)
        _write_target(outline, self.target)
        write_subject(outline, self.name_id)
        if self.attributes:
            write_attributes(outline, 1, self.attributes)
        return outline

    def _prefixes(self) -> tuple[str, ...]:
        target = ("ostiary",) if self.target is not None else ()
        # Values that are asked for carry xsi:type="xs:string".
        return ("samlp", "saml", *target, *(("xs", "xsi") if self.attributes else ()))

    @classmethod
    def from_proof(cls, proof: Proof | AnonymousMessage) -> "AttributeQuery":
        """The query that was proven, or that anybody may have sent. Raises `Refusal` when its subject has no NameID."""
        element = expect(proof.element, "AttributeQuery")
        parts = Children(element)
        subject, issuer = parts.one(_SUBJECT), parts.one(ISSUER)
        if subject is None or issuer is None:
            missing = "Subject" if subject is None else "Issuer"
            raise Refusal("xml.missing_element", expected=missing, found=f"no {missing} in AttributeQuery")
        name_id = read_name_id(subject)
        if name_id is None:
            raise Refusal("xml.missing_element", expected="NameID", found="a Subject without NameID")
        return cls(
            id=element.get("ID", ""),
            issuer=read_issuer(issuer),
            issue_instant=read_instant(element.get("IssueInstant", "")),
            name_id=name_id,
            destination=element.get("Destination"),
            attributes=read_attributes(element, None) or None,
            target=_read_target(parts.one(EXTENSIONS.tag)),
        )


class Response(NamedTuple):
    """SAML core 3.2.2 and 3.3.3."""

    id: str
    issuer: str | None
    issue_instant: datetime
    status: Status = SUCCEEDED
    destination: str | None = None
    in_response_to: str | None = None
    assertions: tuple[Assertion, ...] = ()

    def to_xml(self, *assertions: Element) -> Element:
        """The element, unsigned; ``assertions`` are given as elements because they may be signed already."""
        element = self._outline().to_xml("samlp", "saml")
        for assertion in assertions:
            element.append(assertion)
        return element

    def written(self) -> Written:
        """The same in canonical form, without any assertion."""
        return self._outline().written("samlp", "saml")

    def _outline(self) -> Outline:
        outline = Outline()
        begin(outline, _RESPONSE, self, self.in_response_to)
        write_status(outline, self.status)
        return outline

    @classmethod
    def from_proof(cls, proof: SignedElement) -> "Response":
        """A response that was signed as a whole: its assertions are covered by that signature."""
        element = expect(proof.element, "Response")
        parts = Children(element)
        if parts.all(ASSERTIONS[1]):
            _refuse_encrypted(element)
        return _read_response(element, parts, tuple([read_assertion(found) for found in parts.all(ASSERTIONS[0])]))


def unproven_envelope(element: Element) -> Response:
    """What an unsigned samlp:Response claims about itself, without its assertions: good for refusing and for finding the key,
    for nothing else."""
    return _read_response(expect(element, "Response"), Children(element), ())


def sole_assertion(response: Element) -> Element | None:
    """The one assertion of a response, None if there is none. Encrypted ones are refused, and a second one anywhere in the document: only
    what the assertion itself holds (as saml:Advice, never read) is covered by whatever proves it."""
    everywhere = _all_assertions(response.getroottree().getroot())
    # What almost every response is: then nothing else can be anywhere.
    if len(everywhere) == 1 and everywhere[0].tag == ASSERTIONS[0] and everywhere[0].getparent() is response:
        return everywhere[0]
    _refuse_encrypted(response)
    found = list(response.iterchildren(ASSERTIONS[0]))
    count = len(everywhere)
    if len(found) > 1 or (count != len(found) and count != (len(_all_assertions(found[0])) if found else 0)):
        raise Refusal("saml.several_assertions", expected="one assertion, in its place", found=count)
    return found[0] if found else None


def _all_assertions(element: Element) -> list[Element]:
    return list(element.iter(*ASSERTIONS))


def _refuse_encrypted(response: Element) -> None:
    if next(children(response, names.SAML, "EncryptedAssertion"), None) is not None:
        raise Refusal("saml.encrypted", expected="an assertion in the clear", found="EncryptedAssertion")


def _read_response(element: Element, parts: Children, assertions: tuple[Assertion, ...]) -> Response:
    issuer, status = parts.one(ISSUER), parts.one(_STATUS)
    if status is None:
        raise Refusal("xml.missing_element", expected="Status", found="no Status in Response")
    return Response(
        id=element.get("ID", ""),
        issuer=read_issuer(issuer) if issuer is not None else None,
        issue_instant=read_instant(element.get("IssueInstant", "")),
        status=status_of(status),
        destination=element.get("Destination"),
        in_response_to=element.get("InResponseTo"),
        assertions=assertions,
    )


def _read_index(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 65535:
        raise Refusal("xml.schema", expected="an index from 0 to 65535", found=text[:20])
    return int(text)


def _read_requested_context(element: Element) -> RequestedAuthnContext:
    classes = tuple(text_of(found) for found in children(element, names.SAML, "AuthnContextClassRef"))
    return RequestedAuthnContext(classes, element.get("Comparison", "exact"))


def _write_target(outline: Outline, target: str | None) -> None:
    if target is not None:
        outline.add(EXTENSIONS)
        outline.add(_TARGET, target)


def _read_target(extensions: Element | None) -> str | None:
    target = child(extensions, names.OSTIARY_TARGET, "Target") if extensions is not None else None
    return text_of(target) if target is not None else None
