"""SOAP 1.1 around SAML messages (SAML bindings 3.2): envelopes in and out, header blocks, faults. Proves nothing about what is inside."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from ostiary.errors import OstiaryError, Refusal
from ostiary.saml import names
from ostiary.saml.schema import check_schema
from ostiary.saml.xml import Element, add, make, parse_xml, qname, read_boolean, to_bytes

NEXT_ACTOR: Final = "http://schemas.xmlsoap.org/soap/actor/next"
MUST_UNDERSTAND: Final = qname(names.SOAP11, "mustUnderstand")
ACTOR: Final = qname(names.SOAP11, "actor")
_ENVELOPE, _HEADER, _BODY, _FAULT = (qname(names.SOAP11, name) for name in ("Envelope", "Header", "Body", "Fault"))
_BEGIN: Final = b'<soap11:Envelope xmlns:soap11="%s"><soap11:Body>' % names.SOAP11.encode()
_END: Final = b"</soap11:Body></soap11:Envelope>"


class Envelope(NamedTuple):
    """What came in a SOAP envelope: the ``blocks`` of its header, and its one ``message``, schema-checked, in place."""

    blocks: tuple[Element, ...]
    message: Element


def encode_soap(message: Element, blocks: Sequence[Element] = ()) -> bytes:
    """A SOAP 1.1 envelope around the message (SAML bindings 3.2.2), with these ``blocks`` in its header."""
    envelope = make(names.SOAP11, "Envelope")
    if blocks:
        add(envelope, names.SOAP11, "Header").extend(blocks)
    add(envelope, names.SOAP11, "Body").append(message)
    return to_bytes(envelope)


def encode_soap_written(document: bytes) -> bytes:
    """The same around a message that is written already, without declaration, as a document of its own."""
    return b"".join((_BEGIN, document, _END))


def decode_soap(data: bytes) -> Element:
    """The one message in the body of a SOAP 1.1 envelope, in place. Raises `Refusal` (``soap.envelope``, ``soap.fault``, ``xml.*``).

    A header block that must be understood is refused: none is (SOAP 1.1 4.2.3).
    """
    return decode_envelope(data).message


def decode_envelope(data: bytes, understood: Collection[str] = ()) -> Envelope:
    """An envelope with its header; ``understood``: the names (in lxml's notation) of the blocks that may have to be understood.
    Otherwise as `decode_soap`."""
    envelope = parse_xml(data)
    if envelope.tag != _ENVELOPE:
        raise Refusal("soap.envelope", expected="a SOAP 1.1 Envelope", found=str(envelope.tag)[:200])
    headers: list[Element] = []
    bodies: list[Element] = []
    for part in envelope:
        if part.tag == _BODY:
            bodies.append(part)
        elif part.tag == _HEADER:
            headers.append(part)
    if len(headers) > 1:
        raise Refusal("soap.envelope", expected="at most one Header", found=f"{len(headers)} headers")
    blocks = tuple(headers[0]) if headers else ()
    for block in blocks:
        if read_boolean(block.get(MUST_UNDERSTAND)) and block.tag not in understood:
            raise Refusal("soap.envelope", expected="no header that must be understood", found=str(block.tag)[:200])
    if len(bodies) != 1 or len(bodies[0]) != 1:
        raise Refusal("soap.envelope", expected="one Body with one message", found=f"{len(bodies)} bodies")
    message = bodies[0][0]
    if message.tag == _FAULT:
        reason = message.findtext("faultstring") or ""
        raise Refusal("soap.fault", expected="an answer", found=f"SOAP fault: {reason[:200]}")
    check_schema(message, "protocol")
    return Envelope(blocks, message)


def soap_fault(error: OstiaryError, reference: str) -> bytes:
    """A SOAP 1.1 Fault (4.4): the sender is told the error's code and the reference number, no details."""
    envelope = make(names.SOAP11, "Envelope")
    fault = add(add(envelope, names.SOAP11, "Body"), names.SOAP11, "Fault")
    for name, text in (
        ("faultcode", "soap11:Client" if error.status < 500 else "soap11:Server"),
        ("faultstring", f"{error.code} (reference {reference})"),
    ):
        element = fault.makeelement(name)
        element.text = text
        fault.append(element)
    return to_bytes(envelope)
