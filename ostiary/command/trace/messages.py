"""Finds SAML messages in what a browser sends, and decodes them with the services' own bindings. Proves nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

from lxml import etree

from ostiary.command.trace.check import Check
from ostiary.errors import OstiaryError
from ostiary.saml import names
from ostiary.saml.bindings import Parameter, ReceivedMessage, decode_post, decode_redirect
from ostiary.saml.xml import Element

Carrier = Literal["redirect", "post", "soap"]


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """A message as it went over the wire. ``received`` None: it could not be decoded, and ``error`` says why. ``sent_to`` is the address
    without its query."""

    number: int
    carrier: Carrier
    sent_to: str
    received: ReceivedMessage | None
    error: OstiaryError | None = None
    checks: tuple[Check, ...] = ()

    @property
    def kind(self) -> str:
        """The name of its element."""
        return etree.QName(self.received.element).localname if self.received is not None else "?"

    @property
    def element(self) -> Element | None:
        """Its root, None where it could not be decoded."""
        return self.received.element if self.received is not None else None


def carried_by(method: str, url: str, fields: Sequence[tuple[str, str]]) -> tuple[Carrier, Parameter] | None:
    """Whether a request carries a message: in its query (bindings 3.4) or in its form (3.5)."""
    if method == "POST":
        names_sent = {name for name, _ in fields}
        return next((("post", p) for p in _PARAMETERS if p in names_sent), None)
    query = f"&{urlsplit(url).query}"
    return next((("redirect", p) for p in _PARAMETERS if f"&{p}=" in query), None)


def decoded(
    number: int, carrier: Carrier, parameter: Parameter, url: str, fields: Sequence[tuple[str, str]]
) -> Message:
    """The message that `carried_by` found. Never raises: what can't be decoded is told by its error."""
    sent_to = url.partition("?")[0] if carrier == "redirect" else url
    try:
        if carrier == "redirect":
            received = decode_redirect(urlsplit(url).query.encode("ascii", "replace"), parameter)
        else:
            values = dict(fields)
            received = decode_post(values[parameter], values.get("RelayState"))
    except OstiaryError as error:
        return Message(number, carrier, sent_to, None, error)
    return Message(number, carrier, sent_to, received)


def binding_of(carrier: Carrier) -> str:
    """The binding's URN."""
    return {"redirect": names.HTTP_REDIRECT, "post": names.HTTP_POST, "soap": names.SOAP}[carrier]


def query_of(url: str) -> dict[str, str]:
    """The parameters of an address, the first of each name; none where it can't be read."""
    try:
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return {}
    return dict(reversed(pairs))


_PARAMETERS: Final[tuple[Parameter, ...]] = ("SAMLRequest", "SAMLResponse")
