"""Single logout: LogoutRequest and LogoutResponse as frozen dataclasses (SAML core 3.7), and the profile's rules (profiles 4.4).

Knows no sessions: which of them a request ends is for the session authority to find out. No I/O, no clock, no keys.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.assertion import NameId, name_id_of, read_issuer, read_name_id, write_name_id
from ostiary.saml.message import (
    EXTENSIONS,
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
from ostiary.saml.xml import Element, child, children, read_instant, required_child, text_of, write_instant

MAXIMUM_SESSION_INDEXES: Final = 100
MAXIMUM_SESSION_INDEX: Final = 1_024
MAXIMUM_REASON: Final = 1_024

PARTIAL_LOGOUT: Final = Status(names.SUCCESS, names.PARTIAL_LOGOUT)
"""The status of a session authority that did not reach every participant (core 3.7.3.2)."""

_LOGOUT_REQUEST: Final = row(
    0, names.SAMLP, "LogoutRequest", *MESSAGE_ATTRIBUTES, "NotOnOrAfter", "Reason", fixed=VERSION
)
_LOGOUT_RESPONSE: Final = row(0, names.SAMLP, "LogoutResponse", *MESSAGE_ATTRIBUTES, "InResponseTo", fixed=VERSION)
_ASYNCHRONOUS: Final = row(2, names.ASLO, "Asynchronous")
_SESSION_INDEX: Final = row(1, names.SAMLP, "SessionIndex", text=True)

Decrypt = Callable[[Element], Element]
"""From a saml:EncryptedID to the saml:NameID in it; see `ostiary.saml.decryption.decrypt_name_id`."""


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """SAML core 3.7.1. No ``session_indexes`` means: all sessions of this subject. ``asynchronous``: the requester wants no answer
    (Asynchronous Single Logout Profile Extension)."""

    id: str
    issuer: str
    issue_instant: datetime
    name_id: NameId
    session_indexes: tuple[str, ...] = ()
    destination: str | None = None
    not_on_or_after: datetime | None = None
    reason: str | None = None
    asynchronous: bool = False

    def to_xml(self, encrypted_id: Element | None = None) -> Element:
        """The element, unsigned; ``encrypted_id`` (a saml:EncryptedID) stands where the NameID would."""
        outline = Outline()
        end = write_instant(self.not_on_or_after) if self.not_on_or_after is not None else None
        begin(outline, _LOGOUT_REQUEST, self, end, self.reason)
        if self.asynchronous:
            outline.add(EXTENSIONS)
            outline.add(_ASYNCHRONOUS)
        write_name_id(outline, self.name_id, depth=1)
        for index in self.session_indexes:
            outline.add(_SESSION_INDEX, index)
        element = outline.to_xml("samlp", "saml", *(("aslo",) if self.asynchronous else ()))
        if encrypted_id is not None:
            element.replace(required_child(element, names.SAML, "NameID"), encrypted_id)
        return element

    @classmethod
    def from_proof(cls, proof: Authenticated, decrypt: Decrypt | None = None) -> "LogoutRequest":
        """The request that was proven; ``decrypt`` opens an EncryptedID.

        Raises `Refusal`: ``saml.encrypted`` (without ``decrypt``), ``xml.missing_element`` (no NameID), ``logout.too_long`` (more
        session indexes, or longer ones, than anybody has), and whatever ``decrypt`` raises.
        """
        element = expect(proof.element, "LogoutRequest")
        extensions = child(element, names.SAMLP, "Extensions")
        end = element.get("NotOnOrAfter")
        indexes = tuple(text_of(found) for found in children(element, names.SAMLP, "SessionIndex"))
        reason = element.get("Reason")
        if len(indexes) > MAXIMUM_SESSION_INDEXES or any(len(index) > MAXIMUM_SESSION_INDEX for index in indexes):
            raise Refusal(
                "logout.too_long",
                expected=f"{MAXIMUM_SESSION_INDEXES} session indexes of {MAXIMUM_SESSION_INDEX} characters at most",
                found=f"{len(indexes)}, the longest of {max(map(len, indexes))} characters",
            )
        if reason is not None and len(reason) > MAXIMUM_REASON:
            raise Refusal("logout.too_long", expected=f"a Reason of {MAXIMUM_REASON} characters", found=len(reason))
        return cls(
            id=element.get("ID", ""),
            issuer=read_issuer(required_child(element, names.SAML, "Issuer")),
            issue_instant=read_instant(element.get("IssueInstant", "")),
            name_id=_read_subject(element, decrypt),
            session_indexes=indexes,
            destination=element.get("Destination"),
            not_on_or_after=read_instant(end) if end is not None else None,
            reason=reason,
            asynchronous=extensions is not None and child(extensions, names.ASLO, "Asynchronous") is not None,
        )


@dataclass(frozen=True, slots=True)
class LogoutResponse:
    """SAML core 3.7.2."""

    id: str
    issuer: str
    issue_instant: datetime
    in_response_to: str | None
    status: Status = SUCCEEDED
    destination: str | None = None

    def to_xml(self) -> Element:
        """The element, unsigned."""
        outline = Outline()
        begin(outline, _LOGOUT_RESPONSE, self, self.in_response_to)
        write_status(outline, self.status)
        return outline.to_xml("samlp", "saml")

    @classmethod
    def from_proof(cls, proof: Authenticated) -> "LogoutResponse":
        """The answer that was proven."""
        element = expect(proof.element, "LogoutResponse")
        return cls(
            id=element.get("ID", ""),
            issuer=read_issuer(required_child(element, names.SAML, "Issuer")),
            issue_instant=read_instant(element.get("IssueInstant", "")),
            in_response_to=element.get("InResponseTo"),
            status=read_status(element),
            destination=element.get("Destination"),
        )


def check_logout_request(
    request: LogoutRequest,
    *,
    issuer: str,
    location: str,
    front_channel: bool,
    now: datetime,
    timing: Timing = DEFAULT_TIMING,
) -> None:
    """SAML profiles 4.4.4.1. ``issuer``: the entity whose keys proved it; ``location``: the URL that received it; ``front_channel``: it
    came through the browser, so it has to say where it goes.

    Raises `Refusal` (``saml.issuer``, ``saml.destination``, ``saml.too_old``, ``saml.from_the_future``, ``saml.expired``).
    """
    same("saml.issuer", issuer, request.issuer)
    same("saml.destination", location, request.destination, optional=not front_channel)
    check_issue_instant(request.issue_instant, now, timing)
    check_not_over(request, now, timing)


def check_logout_response(
    response: LogoutResponse,
    *,
    request: str,
    issuer: str,
    location: str,
    front_channel: bool,
    now: datetime,
    timing: Timing = DEFAULT_TIMING,
) -> bool:
    """SAML profiles 4.4.4.2. ``request``: the ID of our LogoutRequest to ``issuer``. Returns whether everybody was logged out: False for
    a partial logout.

    Raises `Denied` (``saml.status``) when the other side could not end the session, `Refusal` (``saml.issuer``, ``saml.destination``,
    ``saml.in_response_to``, ``saml.too_old``, ``saml.from_the_future``) when it is not the answer to that request.
    """
    same("saml.issuer", issuer, response.issuer)
    same("saml.destination", location, response.destination, optional=not front_channel)
    same("saml.in_response_to", request, response.in_response_to)
    check_issue_instant(response.issue_instant, now, timing)
    return check_logout_status(response.status)


def check_not_over(request: LogoutRequest, now: datetime, timing: Timing = DEFAULT_TIMING) -> None:
    """The request may still be acted upon (``saml.expired``; core 3.7.1)."""
    if request.not_on_or_after is not None and now - timing.skew >= request.not_on_or_after:
        theirs, ours = write_instant(request.not_on_or_after), write_instant(now)
        raise Refusal(
            "saml.expired", expected=f"valid at {ours}", found=f"NotOnOrAfter {theirs}", theirs=theirs, ours=ours
        )


def check_logout_status(status: Status) -> bool:
    """Whether all are logged out; False for PartialLogout, below whatever top-level code; else `Denied` (``saml.status``; core 3.7.3.2)."""
    if status.detail == names.PARTIAL_LOGOUT:
        return False
    check_status(status)
    return True


def _read_subject(element: Element, decrypt: Decrypt | None) -> NameId:
    encrypted = child(element, names.SAML, "EncryptedID")
    if encrypted is not None and decrypt is not None:
        return name_id_of(decrypt(encrypted))
    name_id = read_name_id(element)
    if name_id is None:
        raise Refusal("xml.missing_element", expected="NameID", found="a LogoutRequest without NameID")
    return name_id
