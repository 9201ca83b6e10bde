"""saml:Assertion as a frozen dataclass, and its XML both ways (SAML core 2). Reads only what a proof owns; checks no rules."""

from dataclasses import dataclass
from datetime import datetime

from ostiary.attributes import Attributes
from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.attribute_names import read_attributes, write_attributes
from ostiary.saml.signature import SignedElement
from ostiary.saml.xml import (
    Element,
    add,
    child,
    children,
    make,
    qname,
    read_instant,
    required_child,
    text_of,
    write_instant,
)


@dataclass(frozen=True, slots=True)
class NameId:
    """SAML core 2.2.3."""

    value: str
    format: str = names.UNSPECIFIED_NAMEID
    name_qualifier: str | None = None
    sp_name_qualifier: str | None = None


@dataclass(frozen=True, slots=True)
class Confirmation:
    """SAML core 2.4.1.1, with its SubjectConfirmationData."""

    method: str
    recipient: str | None = None
    not_on_or_after: datetime | None = None
    not_before: datetime | None = None
    in_response_to: str | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """SAML core 2.5.1. ``audiences``: one tuple for each AudienceRestriction; every one of them must be met."""

    not_before: datetime | None = None
    not_on_or_after: datetime | None = None
    audiences: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class AuthnStatement:
    """SAML core 2.7.2."""

    authn_instant: datetime
    session_index: str | None = None
    session_not_on_or_after: datetime | None = None
    context_class: str | None = None


@dataclass(frozen=True, slots=True)
class Assertion:
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
        element = make(
            names.SAML,
            "Assertion",
            "xs",
            "xsi",
            ID=self.id,
            Version="2.0",
            IssueInstant=write_instant(self.issue_instant),
        )
        add(element, names.SAML, "Issuer", self.issuer)
        if self.name_id is not None or self.confirmations:
            subject = add(element, names.SAML, "Subject")
            if self.name_id is not None:
                write_name_id(subject, self.name_id)
            for confirmation in self.confirmations:
                _write_confirmation(subject, confirmation)
        if self.conditions is not None:
            _write_conditions(element, self.conditions)
        for statement in self.authn_statements:
            _write_authn_statement(element, statement)
        if self.attributes:
            write_attributes(add(element, names.SAML, "AttributeStatement"), self.attributes)
        return element

    @classmethod
    def from_proof(cls, proof: SignedElement) -> "Assertion":
        """The assertion that was itself signed. Raises `Refusal` for anything that this software does not understand."""
        return read_assertion(proof.element)


def read_assertion(element: Element) -> Assertion:
    """An assertion inside an element that a proof owns. Called by `Assertion.from_proof` and `Response.from_proof` only."""
    if element.tag != qname(names.SAML, "Assertion"):
        raise Refusal("xml.missing_element", expected="saml:Assertion", found=element.tag)
    require_version(element)
    issuer = read_issuer(required_child(element, names.SAML, "Issuer"))
    name_id, confirmations = _read_subject(child(element, names.SAML, "Subject"))
    conditions = child(element, names.SAML, "Conditions")
    statements = tuple(_read_authn_statement(found) for found in children(element, names.SAML, "AuthnStatement"))
    attributes: Attributes = ()
    for statement in children(element, names.SAML, "AttributeStatement"):
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
    if (
        element.get("Format", names.ENTITY) != names.ENTITY
        or element.get("NameQualifier")
        or element.get("SPNameQualifier")
    ):
        raise Refusal("saml.issuer_format", expected="an entityID without qualifiers", found=element.get("Format"))
    return text_of(element)


def write_name_id(parent: Element, name_id: NameId) -> None:
    """Adds a saml:NameID."""
    element = add(parent, names.SAML, "NameID", name_id.value, Format=name_id.format)
    if name_id.name_qualifier is not None:
        element.set("NameQualifier", name_id.name_qualifier)
    if name_id.sp_name_qualifier is not None:
        element.set("SPNameQualifier", name_id.sp_name_qualifier)


def read_name_id(subject: Element) -> NameId | None:
    """The NameID of a Subject, None if it has none. Raises `Refusal` (``saml.encrypted``) for an EncryptedID."""
    if child(subject, names.SAML, "EncryptedID") is not None:
        raise Refusal("saml.encrypted", expected="a NameID in the clear", found="EncryptedID")
    element = child(subject, names.SAML, "NameID")
    if element is None:
        return None
    return NameId(
        text_of(element),
        element.get("Format", names.UNSPECIFIED_NAMEID),
        element.get("NameQualifier"),
        element.get("SPNameQualifier"),
    )


def _write_confirmation(subject: Element, confirmation: Confirmation) -> None:
    element = add(subject, names.SAML, "SubjectConfirmation", Method=confirmation.method)
    data = add(element, names.SAML, "SubjectConfirmationData")
    _set_instant(data, "NotBefore", confirmation.not_before)
    _set_instant(data, "NotOnOrAfter", confirmation.not_on_or_after)
    if confirmation.recipient is not None:
        data.set("Recipient", confirmation.recipient)
    if confirmation.in_response_to is not None:
        data.set("InResponseTo", confirmation.in_response_to)


def _read_subject(subject: Element | None) -> tuple[NameId | None, tuple[Confirmation, ...]]:
    if subject is None:
        return None, ()
    confirmations = []
    for element in children(subject, names.SAML, "SubjectConfirmation"):
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
    return read_name_id(subject), tuple(confirmations)


def _write_conditions(assertion: Element, conditions: Conditions) -> None:
    element = add(assertion, names.SAML, "Conditions")
    _set_instant(element, "NotBefore", conditions.not_before)
    _set_instant(element, "NotOnOrAfter", conditions.not_on_or_after)
    for audiences in conditions.audiences:
        restriction = add(element, names.SAML, "AudienceRestriction")
        for audience in audiences:
            add(restriction, names.SAML, "Audience", audience)


def _read_conditions(element: Element) -> Conditions:
    """SAML core 2.5.1.1: a condition that is not understood makes the assertion unusable."""
    known = {qname(names.SAML, name) for name in ("AudienceRestriction", "OneTimeUse", "ProxyRestriction")}
    unknown = [found.tag for found in element if found.tag not in known]
    if unknown:
        raise Refusal("saml.unknown_condition", expected="conditions that SAML 2.0 core defines", found=unknown[0])
    return Conditions(
        not_before=_get_instant(element, "NotBefore"),
        not_on_or_after=_get_instant(element, "NotOnOrAfter"),
        audiences=tuple(
            tuple(text_of(audience) for audience in children(restriction, names.SAML, "Audience"))
            for restriction in children(element, names.SAML, "AudienceRestriction")
        ),
    )


def _write_authn_statement(assertion: Element, statement: AuthnStatement) -> None:
    element = add(assertion, names.SAML, "AuthnStatement", AuthnInstant=write_instant(statement.authn_instant))
    if statement.session_index is not None:
        element.set("SessionIndex", statement.session_index)
    _set_instant(element, "SessionNotOnOrAfter", statement.session_not_on_or_after)
    context = add(element, names.SAML, "AuthnContext")
    add(context, names.SAML, "AuthnContextClassRef", statement.context_class or names.PASSWORD)


def _read_authn_statement(element: Element) -> AuthnStatement:
    context = required_child(element, names.SAML, "AuthnContext")
    class_ref = child(context, names.SAML, "AuthnContextClassRef")
    return AuthnStatement(
        authn_instant=read_instant(element.get("AuthnInstant", "")),
        session_index=element.get("SessionIndex"),
        session_not_on_or_after=_get_instant(element, "SessionNotOnOrAfter"),
        context_class=text_of(class_ref) if class_ref is not None else None,
    )


def _set_instant(element: Element, name: str, at: datetime | None) -> None:
    if at is not None:
        element.set(name, write_instant(at))


def _get_instant(element: Element | None, name: str) -> datetime | None:
    text = element.get(name) if element is not None else None
    return read_instant(text) if text is not None else None
