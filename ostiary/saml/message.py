"""What every protocol message has: ID, version, Issuer, Status, Extensions (SAML core 3.2). Reads form only; checks no rules."""

import os
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from ostiary.errors import Refusal
from ostiary.saml import names
from ostiary.saml.assertion import read_issuer, require_version
from ostiary.saml.outline import Outline, Row, row
from ostiary.saml.xml import Children, Element, child, qname, required_child, text_of, write_instant

# The first attributes of each message, in the order of `begin`.
MESSAGE_ATTRIBUTES: Final = ("ID", "IssueInstant", "Destination")
VERSION: Final = (("Version", "2.0"),)
MAXIMUM_STATUS_MESSAGE: Final = 500
ISSUER: Final = qname(names.SAML, "Issuer")
EXTENSIONS: Final = row(1, names.SAMLP, "Extensions")

_ISSUER: Final = row(1, names.SAML, "Issuer", text=True)
_STATUS: Final = row(1, names.SAMLP, "Status")
_STATUS_CODE: Final = row(2, names.SAMLP, "StatusCode", "Value")
_SECOND_STATUS_CODE: Final = row(3, names.SAMLP, "StatusCode", "Value")
_STATUS_MESSAGE: Final = row(2, names.SAMLP, "StatusMessage", text=True)


class Message(Protocol):
    """What `begin` writes of a message: a request or an answer."""

    @property
    def id(self) -> str: ...
    @property
    def issuer(self) -> str | None: ...
    @property
    def issue_instant(self) -> datetime: ...
    @property
    def destination(self) -> str | None: ...


class Status(NamedTuple):
    """SAML core 3.2.2.1. ``code`` is one of the four top-level codes, ``detail`` the second-level one."""

    code: str = names.SUCCESS
    detail: str | None = None
    message: str | None = None


SUCCEEDED: Final = Status()


def new_id() -> str:
    """A message or assertion ID: 160 random bits, an xs:ID (SAML core 1.3.4)."""
    return f"_{os.urandom(20).hex()}"


def begin(outline: Outline, first: Row, message: Message, *values: str | None) -> None:
    """The outermost element with `MESSAGE_ATTRIBUTES`, the ``values`` of further attributes, and the Issuer (SAML core 3.2.1, 3.2.2)."""
    own = message.id, write_instant(message.issue_instant), message.destination
    if message.issuer is None:
        outline.add(first, *own, *values)
    else:
        outline.add_all((first, _ISSUER), *own, *values, message.issuer)


def expect(element: Element, kind: str) -> Element:
    """The element, if it is a samlp: message of this kind and of SAML 2.0. Raises `Refusal` (``saml.other_message``, ``saml.version``)."""
    if element.tag != qname(names.SAMLP, kind):
        raise Refusal("saml.other_message", expected=f"samlp:{kind}", found=element.tag)
    require_version(element)
    return element


def claimed_issuer(element: Element) -> str | None:
    """Whose key to look for; not proven."""
    issuer = child(element, names.SAML, "Issuer")
    return read_issuer(issuer) if issuer is not None else None


def write_status(outline: Outline, status: Status) -> None:
    """Adds a samlp:Status below the outermost element."""
    outline.add_all((_STATUS, _STATUS_CODE), status.code)
    if status.detail is not None:
        outline.add(_SECOND_STATUS_CODE, status.detail)
    if status.message is not None:
        outline.add(_STATUS_MESSAGE, status.message)


def read_status(element: Element) -> Status:
    """The samlp:Status of an answer; its message is cut at `MAXIMUM_STATUS_MESSAGE` characters."""
    return status_of(required_child(element, names.SAMLP, "Status"))


def status_of(status: Element) -> Status:
    """What a samlp:Status says."""
    parts = Children(status)
    code, message = parts.one(_STATUS_CODE.tag), parts.one(_STATUS_MESSAGE.tag)
    if code is None:
        raise Refusal("xml.missing_element", expected="StatusCode", found="no StatusCode in Status")
    detail = child(code, names.SAMLP, "StatusCode") if len(code) else None
    return Status(
        code.get("Value", ""),
        detail.get("Value") if detail is not None else None,
        text_of(message)[:MAXIMUM_STATUS_MESSAGE] if message is not None else None,
    )
