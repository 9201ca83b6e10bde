"""saml:Assertion as a tuple with names, and its XML both ways (SAML core 2). Reads only what a proof owns; checks no rules.

Each message makes several of them: a frozen dataclass takes five times as long to make.
"""

from datetime import datetime
from typing import Final, NamedTuple

from ostiary.attributes import Attributes
from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.attribute_names import read_attributes, write_attributes
from ostiary.saml.outline import Outline, Written, row
from ostiary.saml.signature import SignedElement
from ostiary.saml.xml import (
    Children,
    Element,
    child,
    qname,
    read_instant,
    required_child,
    text_of,
    write_instant,
)

# What this software writes: depth, name, attributes that vary.
_ASSERTION: Final = row(0, names.SAML, "Assertion", "ID", "IssueInstant", fixed=[("Version", "2.0")])
_ISSUER: Final = row(1, names.SAML, "Issuer", text=True)
_SUBJECT: Final = row(1, names.SAML, "Subject")
_NAME_ID: Final = tuple(
    row(depth, names.SAML, "NameID", "Format", "NameQualifier", "SPNameQualifier", text=True) for depth in range(3)
)
_NAMED_SUBJECT: Final = (_SUBJECT, _NAME_ID[2])
_CONFIRMATION: Final = row(2, names.SAML, "SubjectConfirmation", "Method")
_CONFIRMATION_DATA: Final = row(
    3, names.SAML, "SubjectConfirmationData", "NotBefore", "NotOnOrAfter", "Recipient", "InResponseTo"
)
_CONDITIONS: Final = row(1, names.SAML, "Conditions", "NotBefore", "NotOnOrAfter")
_AUDIENCE_RESTRICTION: Final = row(2, names.SAML, "AudienceRestriction")
_AUDIENCE: Final = row(3, names.SAML, "Audience", text=True)
_AUTHN_STATEMENT: Final = row(1, names.SAML, "AuthnStatement", "AuthnInstant", "SessionIndex", "SessionNotOnOrAfter")
_AUTHN_CONTEXT: Final = row(2, names.SAML, "AuthnContext")
_CLASS_REF: Final = row(3, names.SAML, "AuthnContextClassRef", text=True)
_ATTRIBUTE_STATEMENT: Final = row(1, names.SAML, "AttributeStatement")
# Those of types stand in values.
_PREFIXES: Final = ("saml", "xs", "xsi")
_ENCRYPTED_ID: Final = qname(names.SAML, "EncryptedID")

_KNOWN_CONDITIONS: Final = frozenset(
    qname(names.SAML, name) for name in ("AudienceRestriction", "OneTimeUse", "ProxyRestriction")
)


class NameId(NamedTuple):
    """SAML core 2.2.3."""

    value: str
    format: str = names.UNSPECIFIED_NAMEID
    name_qualifier: str | None = None
    sp_name_qualifier: str | None = None


class Confirmation(NamedTuple):
    """SAML core 2.4.1.1, with its SubjectConfirmationData."""

    method: str
    recipient: str | None = None
    not_on_or_after: datetime | None = None
    not_before: datetime | None = None
    in_response_to: str | None = None


class Conditions(NamedTuple):
    """SAML core 2.5.1. ``audiences``: one tuple for each AudienceRestriction; every one of them must be met."""

    not_before: datetime | None = None
    not_on_or_after: datetime | None = None
    audiences: tuple[tuple[str, ...], ...] = ()


class AuthnStatement(NamedTuple):
    """SAML core 2.7.2."""

    authn_instant: datetime
    session_index: str | None = None
    session_not_on_or_after: datetime | None = None
    context_class: str | None = None


class Assertion(NamedTuple):
    """SAML core 2.3.3."""

    id: str
    issuer: str
    issue_instant: datetime
    name_id: NameId | None = None
    confirmations: tuple[Confirmation, ...] = ()
    conditions: Conditions | None = None
    authn_statements: tuple[AuthnStatement, ...] = ()
    attributes: Attributes = ()

    def to_xml(self) -> Element:
        """The element, self-contained, unsigned."""
        return self._outline().to_xml(*_PREFIXES)

    def written(self) -> Written:
        """The same in canonical form."""
        return self._outline().written(*_PREFIXES)

    def _outline(self) -> Outline:
        outline = Outline()
        outline.add_all((_ASSERTION, _ISSUER), self.id, write_instant(self.issue_instant), self.issuer)
        if self.name_id is not None:
            write_subject(outline, self.name_id)
        elif self.confirmations:
            outline.add(_SUBJECT)
        for confirmation in self.confirmations:
            _write_confirmation(outline, confirmation)
        if self.conditions is not None:
            _write_conditions(outline, self.conditions)
        for statement in self.authn_statements:
            _write_authn_statement(outline, statement)
        if self.attributes:
            outline.add(_ATTRIBUTE_STATEMENT)
            write_attributes(outline, 2, self.attributes)
        return outline

    @classmethod
    def from_proof(cls, proof: SignedElement) -> "Assertion":
        """The assertion that was itself signed. Raises `Refusal` for anything that this software does not understand."""
        return read_assertion(proof.element)


def read_assertion(element: Element) -> Assertion:
    """An assertion inside an element that a proof owns. Called by `Assertion.from_proof` and `Response.from_proof` only."""
    if element.tag != _ASSERTION.tag:
        raise Refusal("xml.missing_element", expected="saml:Assertion", found=element.tag)
    require_version(element)
    parts = Children(element)
    if (issuer_element := parts.one(_ISSUER.tag)) is None:
        raise Refusal("xml.missing_element", expected="Issuer", found="no Issuer in Assertion")
    issuer = read_issuer(issuer_element)
    name_id, confirmations = _read_subject(parts.one(_SUBJECT.tag))
    conditions = parts.one(_CONDITIONS.tag)
    statements = tuple([_read_authn_statement(found) for found in parts.all(_AUTHN_STATEMENT.tag)])
    attributes: Attributes = ()
    for statement in parts.all(_ATTRIBUTE_STATEMENT.tag):
        attributes += read_attributes(statement, issuer)
    return Assertion(
        id=element.get("ID", ""),
        issuer=issuer,
        issue_instant=read_instant(element.get("IssueInstant", "")),
        name_id=name_id,
        confirmations=confirmations,
        conditions=_read_conditions(conditions) if conditions is not None else None,
        authn_statements=statements,
        attributes=attributes,
    )


def require_version(element: Element) -> None:
    """SAML core 2.3.3, 3.2.1: ``Version`` is 2.0. Raises `Refusal` (``saml.version``)."""
    if element.get("Version") != "2.0":
        raise Refusal("saml.version", expected="SAML 2.0", found=element.get("Version"))


def read_issuer(element: Element) -> str:
    """An entityID (SAML profiles 4.1.4.2: Format absent or ``entity``). Raises `Refusal` (``saml.issuer_format``)."""
    # Almost none has an attribute: one question takes the place of three.
    if element.keys() and (
        element.get("Format", names.ENTITY) != names.ENTITY
        or element.get("NameQualifier")
        or element.get("SPNameQualifier")
    ):
        raise Refusal("saml.issuer_format", expected="an entityID without qualifiers", found=element.get("Format"))
    return text_of(element)


def write_name_id(outline: Outline, name_id: NameId, depth: int) -> None:
    """Adds a saml:NameID: as it is (``depth`` 0), or inside the outermost element (1)."""
    outline.add(_NAME_ID[depth], name_id.format, name_id.name_qualifier, name_id.sp_name_qualifier, name_id.value)


def write_subject(outline: Outline, name_id: NameId) -> None:
    """Adds a saml:Subject with a NameID to the outermost element."""
    outline.add_all(_NAMED_SUBJECT, name_id.format, name_id.name_qualifier, name_id.sp_name_qualifier, name_id.value)


def read_name_id(subject: Element) -> NameId | None:
    """The NameID of a Subject, or of another element that holds one; None if it has none. Raises `Refusal` (``saml.encrypted``) for an
    EncryptedID."""
    return _name_id_in(Children(subject))


def _name_id_in(parts: Children) -> NameId | None:
    if parts.one(_ENCRYPTED_ID) is not None:
        raise Refusal("saml.encrypted", expected="a NameID in the clear", found="EncryptedID")
    element = parts.one(_NAME_ID[0].tag)
    return name_id_of(element) if element is not None else None


def name_id_element(name_id: NameId) -> Element:
    """A saml:NameID on its own, to be encrypted."""
    outline = Outline()
    write_name_id(outline, name_id, depth=0)
    return outline.to_xml("saml")


def name_id_of(element: Element) -> NameId:
    """What a saml:NameID says."""
    return NameId(
        text_of(element),
        element.get("Format", names.UNSPECIFIED_NAMEID),
        element.get("NameQualifier"),
        element.get("SPNameQualifier"),
    )


def _write_confirmation(outline: Outline, confirmation: Confirmation) -> None:
    outline.add_all(
        (_CONFIRMATION, _CONFIRMATION_DATA),
        confirmation.method,
        _written(confirmation.not_before),
        _written(confirmation.not_on_or_after),
        confirmation.recipient,
        confirmation.in_response_to,
    )


def _read_subject(subject: Element | None) -> tuple[NameId | None, tuple[Confirmation, ...]]:
    if subject is None:
        return None, ()
    parts = Children(subject)
    confirmations = []
    for element in parts.all(_CONFIRMATION.tag):
        data = child(element, names.SAML, "SubjectConfirmationData")
        confirmations.append(
            Confirmation(
                method=element.get("Method", ""),
                recipient=data.get("Recipient") if data is not None else None,
                not_on_or_after=_get_instant(data, "NotOnOrAfter"),
                not_before=_get_instant(data, "NotBefore"),
                in_response_to=data.get("InResponseTo") if data is not None else None,
            )
        )
    return _name_id_in(parts), tuple(confirmations)


def _write_conditions(outline: Outline, conditions: Conditions) -> None:
    outline.add(_CONDITIONS, _written(conditions.not_before), _written(conditions.not_on_or_after))
    for audiences in conditions.audiences:
        outline.add_all((_AUDIENCE_RESTRICTION, *[_AUDIENCE] * len(audiences)), *audiences)


def _read_conditions(element: Element) -> Conditions:
    """SAML core 2.5.1.1: a condition that is not understood makes the assertion unusable."""
    audiences = []
    for found in element:
        tag = found.tag
        if tag not in _KNOWN_CONDITIONS:
            raise Refusal("saml.unknown_condition", expected="conditions that SAML 2.0 core defines", found=tag)
        if tag == _AUDIENCE_RESTRICTION.tag:
            audiences.append(tuple([text_of(audience) for audience in found if audience.tag == _AUDIENCE.tag]))
    return Conditions(
        not_before=_get_instant(element, "NotBefore"),
        not_on_or_after=_get_instant(element, "NotOnOrAfter"),
        audiences=tuple(audiences),
    )


def _write_authn_statement(outline: Outline, statement: AuthnStatement) -> None:
    instant, end = write_instant(statement.authn_instant), _written(statement.session_not_on_or_after)
    rows = (_AUTHN_STATEMENT, _AUTHN_CONTEXT, _CLASS_REF)
    outline.add_all(rows, instant, statement.session_index, end, statement.context_class or names.PASSWORD)


def _read_authn_statement(element: Element) -> AuthnStatement:
    context = required_child(element, names.SAML, "AuthnContext")
    class_ref = child(context, names.SAML, "AuthnContextClassRef")
    return AuthnStatement(
        authn_instant=read_instant(element.get("AuthnInstant", "")),
        session_index=element.get("SessionIndex"),
        session_not_on_or_after=_get_instant(element, "SessionNotOnOrAfter"),
        context_class=text_of(class_ref) if class_ref is not None else None,
    )


def _written(at: datetime | None) -> str | None:
    return write_instant(at) if at is not None else None


def _get_instant(element: Element | None, name: str) -> datetime | None:
    text = element.get(name) if element is not None else None
    return read_instant(text) if text is not None else None
