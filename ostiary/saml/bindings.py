"""The browser's bindings of SAML 2.0: HTTP-Redirect, HTTP-POST and HTTP-POST-SimpleSign, encoding and bounded decoding (SAML bindings
3.4, 3.5; SAMLv2.0 HTTP POST "SimpleSign" binding, CS 02).

Decoding yields a parsed but unproven message; `prove` turns it into a proof. SOAP stands in `soap`, artifacts in `artifact`.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple
from urllib.parse import quote_plus, unquote_to_bytes

from ostiary.errors import Refusal, TooLarge
from ostiary.saml import names
from ostiary.saml.keys import ECDSA_ALGORITHMS, RSA_ALGORITHMS, Signer, TrustedKey
from ostiary.saml.schema import check_schema
from ostiary.saml.signature import SignedForm, SignedMessage, SignedQuery, verify_element
from ostiary.saml.soap import decode_soap, encode_soap, soap_fault
from ostiary.saml.strict_base64 import strict_base64
from ostiary.saml.xml import MESSAGE, Element, parse_xml, to_bytes

__all__ = [
    "MAXIMUM_RELAY_STATE",
    "Parameter",
    "ReceivedMessage",
    "decode_post",
    "decode_redirect",
    "decode_simple_sign",
    "decode_soap",
    "encode_post",
    "encode_redirect",
    "encode_simple_sign",
    "encode_soap",
    "prove",
    "read_relay_state",
    "soap_fault",
    "verify_form",
    "verify_query",
]

Parameter = Literal["SAMLRequest", "SAMLResponse"]

MAXIMUM_QUERY: Final = 65_536
MAXIMUM_RELAY_STATE: Final = 1_024
MAXIMUM_PARAMETERS: Final = 100
MAXIMUM_SIGNATURE: Final = 4_096
MAXIMUM_ALGORITHM: Final = 200
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SIGNATURE_ALGORITHMS: Final = frozenset(RSA_ALGORITHMS) | frozenset(ECDSA_ALGORITHMS)
# As almost everybody encodes them, so that nothing is to be decoded.
_AS_SENT: Final = {quote_plus(algorithm): algorithm for algorithm in _SIGNATURE_ALGORITHMS}


class ReceivedMessage(NamedTuple):
    """A message as it arrived, schema-checked, proven by nobody. ``signed_octets`` are those that the detached signature of a query or form
    covers."""

    element: Element
    relay_state: str | None
    binding: str
    signed_octets: bytes | None = None
    signature: bytes | None = None
    signature_algorithm: str | None = None


def encode_redirect(
    location: str,
    parameter: Parameter,
    message: Element,
    *,
    relay_state: str | None = None,
    signer: Signer | None = None,
) -> str:
    """The URL that carries ``message`` (SAML bindings 3.4.4.1): raw DEFLATE, base64, signed over the query's octets if asked."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflated = compressor.compress(to_bytes(message)) + compressor.flush()
    query = f"{parameter}={quote_plus(base64.b64encode(deflated))}"
    if relay_state is not None:
        query += f"&RelayState={quote_plus(relay_state)}"
    if signer is not None:
        query += f"&SigAlg={quote_plus(signer.algorithm)}"
        query += f"&Signature={quote_plus(base64.b64encode(signer.sign(query.encode('ascii'))))}"
    return f"{location}{'&' if '?' in location else '?'}{query}"


def decode_redirect(query: bytes, parameter: Parameter) -> ReceivedMessage:
    """A message from the octets of a query string as received.

    Raises `Refusal` (``http.parameter_missing``, ``http.parameter_repeated``, ``binding.encoding``, ``binding.base64``,
    ``binding.deflate``, ``xml.*``) or `TooLarge`.
    """
    if len(query) > MAXIMUM_QUERY:
        raise TooLarge(
            "binding.too_large", expected=f"a query of at most {MAXIMUM_QUERY} bytes", found=f"{len(query)} bytes"
        )
    raw = _raw_parameters(query)
    if parameter not in raw:
        raise Refusal("http.parameter_missing", expected=parameter, found="no such parameter", name=parameter)
    if "SAMLEncoding" in raw and unquote_to_bytes(raw["SAMLEncoding"]) != names.DEFLATE.encode():
        raise Refusal("binding.encoding", expected=names.DEFLATE, found="another SAMLEncoding")
    element = parse_xml(_inflate(_from_base64(_unquote(raw[parameter]))))
    check_schema(element, "protocol")
    relay_state = read_relay_state(_unquote(raw["RelayState"])) if "RelayState" in raw else None
    if "Signature" not in raw:
        return ReceivedMessage(element, relay_state, names.HTTP_REDIRECT)
    if "SigAlg" not in raw:
        raise Refusal("http.parameter_missing", expected="SigAlg beside Signature", found="no SigAlg", name="SigAlg")
    # Bindings 3.4.4.1: the octets are those that were received, in this order, whatever else the query holds.
    state = f"&RelayState={raw['RelayState']}" if "RelayState" in raw else ""
    signed = f"{parameter}={raw[parameter]}{state}&SigAlg={raw['SigAlg']}"
    return ReceivedMessage(
        element,
        relay_state,
        names.HTTP_REDIRECT,
        signed.encode("ascii"),
        _from_base64(_unquote(raw["Signature"])),
        _AS_SENT.get(raw["SigAlg"]) or _unquote(raw["SigAlg"]).decode("ascii", "replace"),
    )


def verify_query(message: ReceivedMessage, keys: Sequence[TrustedKey]) -> SignedQuery:
    """The detached signature of a Redirect message. Raises `Refusal` (``signature.*``)."""
    key, algorithm = _verify_detached(message, keys)
    return SignedQuery(message.element, key, algorithm, message.relay_state)


def verify_form(message: ReceivedMessage, keys: Sequence[TrustedKey]) -> SignedForm:
    """The detached signature of a SimpleSign message (SimpleSign 2.5.1). Raises `Refusal` (``signature.*``)."""
    key, algorithm = _verify_detached(message, keys)
    return SignedForm(message.element, key, algorithm, message.relay_state)


def prove(message: ReceivedMessage, keys: Sequence[TrustedKey]) -> SignedMessage:
    """The signature of a message in the form that its binding wants: detached (Redirect, SimpleSign), else inside the XML.

    Raises `Refusal` (``signature.*``), also for a message without signature.
    """
    if message.binding == names.HTTP_REDIRECT:
        return verify_query(message, keys)
    if message.signature is not None:
        return verify_form(message, keys)
    return verify_element(message.element, keys)


def _verify_detached(message: ReceivedMessage, keys: Sequence[TrustedKey]) -> tuple[TrustedKey, str]:
    algorithm = message.signature_algorithm
    if message.signed_octets is None or message.signature is None or algorithm is None:
        raise Refusal("signature.missing", expected="a Signature parameter", found="no Signature parameter")
    if algorithm not in _SIGNATURE_ALGORITHMS and not any(key.allows(algorithm) for key in keys):
        raise Refusal(
            "signature.algorithm", expected="a signature algorithm of SHA-256 strength or better", found=algorithm[:200]
        )
    if not keys:
        raise Refusal("signature.no_key", expected="a signing key in the sender's metadata", found="none")
    for key in keys:
        if key.verify(algorithm, message.signature, message.signed_octets):
            return key, algorithm
    raise Refusal(
        "signature.wrong",
        expected=f"a signature by one of {len(keys)} keys",
        found="a signature that none of them verifies",
    )


def encode_post(message: Element) -> str:
    """The value of the form field (SAML bindings 3.5.4)."""
    return encode_written(to_bytes(message))


def encode_written(document: bytes) -> str:
    """The same of a message that is written already."""
    return base64.b64encode(document).decode("ascii")


def decode_post(value: str, relay_state: str | None) -> ReceivedMessage:
    """A message from a form field. Raises `Refusal` (``binding.base64``, ``xml.*``) or `TooLarge` before anything is parsed."""
    return _from_form(_octets(value), relay_state, names.HTTP_POST)


def encode_simple_sign(
    parameter: Parameter, message: Element, *, signer: Signer, relay_state: str | None = None
) -> dict[str, str]:
    """The fields of the form (SimpleSign 2.5.1): the signature covers the octets before base64, nothing is escaped."""
    octets = to_bytes(message)
    signature = signer.sign(_form_octets(parameter, octets, relay_state, signer.algorithm))
    fields: dict[str, str] = {parameter: base64.b64encode(octets).decode("ascii")}
    if relay_state is not None:
        fields["RelayState"] = relay_state
    return fields | {"SigAlg": signer.algorithm, "Signature": base64.b64encode(signature).decode("ascii")}


def decode_simple_sign(
    parameter: Parameter,
    value: str,
    *,
    relay_state: str | None = None,
    signature: str | None = None,
    algorithm: str | None = None,
) -> ReceivedMessage:
    """A message from the fields ``parameter``, RelayState, Signature and SigAlg of a form; any KeyInfo there is ignored.

    Raises `Refusal` (``http.parameter_missing``, ``binding.base64``, ``xml.*``) or `TooLarge` before anything is parsed.
    """
    octets = _octets(value)
    message = _from_form(octets, relay_state, names.HTTP_POST_SIMPLE_SIGN)
    if signature is None:
        return message
    if algorithm is None:
        raise Refusal("http.parameter_missing", expected="SigAlg beside Signature", found="no SigAlg", name="SigAlg")
    if len(signature) > MAXIMUM_SIGNATURE or len(algorithm) > MAXIMUM_ALGORITHM:
        raise TooLarge("binding.too_large", expected=f"a signature of {MAXIMUM_SIGNATURE} bytes", found="more")
    return message._replace(
        signed_octets=_form_octets(parameter, octets, message.relay_state, algorithm),
        signature=_from_base64(signature.encode("ascii", "replace")),
        signature_algorithm=algorithm,
    )


def _form_octets(parameter: Parameter, message: bytes, relay_state: str | None, algorithm: str) -> bytes:
    state = b"" if relay_state is None else b"&RelayState=" + relay_state.encode("utf-8")
    return b"".join((parameter.encode(), b"=", message, state, b"&SigAlg=", algorithm.encode("utf-8", "replace")))


def _octets(value: str) -> bytes:
    if len(value) > MESSAGE.max_bytes * 4 // 3 + 8192:
        raise TooLarge(
            "binding.too_large", expected=f"at most {MESSAGE.max_bytes} bytes", found=f"{len(value)} characters"
        )
    return _from_base64(value.encode("ascii", "replace"))


def _from_form(octets: bytes, relay_state: str | None, binding: str) -> ReceivedMessage:
    element = parse_xml(octets)
    check_schema(element, "protocol")
    checked = read_relay_state(relay_state.encode("utf-8", "surrogatepass")) if relay_state is not None else None
    return ReceivedMessage(element, checked, binding)


def _raw_parameters(query: bytes) -> dict[str, str]:
    """Name (decoded) to value (as received). A name that stands twice, in whatever spelling, is refused."""
    try:
        text = query.decode("ascii")
    except UnicodeDecodeError:
        raise Refusal("binding.encoding", expected="an ASCII query string", found="other octets") from None
    found: dict[str, str] = {}
    pairs = [pair for pair in text.split("&", MAXIMUM_PARAMETERS + 1) if pair]
    if len(pairs) > MAXIMUM_PARAMETERS:
        raise Refusal("http.too_many_parameters", expected=f"at most {MAXIMUM_PARAMETERS} parameters", found="more")
    for pair in pairs:
        name, _, value = pair.partition("=")
        if "%" in name or "+" in name:
            name = _unquote(name).decode("utf-8", "replace")
        if name in found:
            raise Refusal("http.parameter_repeated", expected="each parameter once", found=name[:100], name=name[:100])
        found[name] = value
    return found


def _unquote(raw: str) -> bytes:
    spaced = raw.replace("+", " ")
    # All that a browser encodes of base64. One pass for each takes less than half the time; what each gives is part of no other.
    octets = spaced.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
    return unquote_to_bytes(spaced) if "%" in octets else octets.encode()


def _from_base64(value: bytes) -> bytes:
    try:
        return strict_base64(value)
    except binascii.Error:
        raise Refusal("binding.base64", expected="base64", found="other characters or a wrong length") from None


def _inflate(data: bytes) -> bytes:
    """Raw DEFLATE (RFC 1951) with a cap on what comes out, so that a bomb costs no more than an ordinary message."""
    decompressor = zlib.decompressobj(-15)
    try:
        inflated = decompressor.decompress(data, MESSAGE.max_bytes + 1)
    except zlib.error as error:
        raise Refusal("binding.deflate", expected="raw DEFLATE (RFC 1951)", found=error) from None
    if len(inflated) > MESSAGE.max_bytes:
        raise TooLarge("binding.too_large", expected=f"at most {MESSAGE.max_bytes} bytes inflated", found="more")
    if not decompressor.eof or decompressor.unused_data:
        raise Refusal("binding.deflate", expected="one complete DEFLATE stream", found="a cut or continued one")
    return inflated


def read_relay_state(value: bytes) -> str:
    """A RelayState. Bindings 3.4.3 says 80 bytes; real peers send whole URLs, so the cap is `MAXIMUM_RELAY_STATE`. It is echoed, never
    followed. Raises `Refusal` (``http.parameter_too_long``, ``binding.encoding``)."""
    if len(value) > MAXIMUM_RELAY_STATE:
        raise Refusal(
            "http.parameter_too_long",
            expected=f"at most {MAXIMUM_RELAY_STATE} bytes",
            found=len(value),
            name="RelayState",
            maximum=MAXIMUM_RELAY_STATE,
        )
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal("binding.encoding", expected="UTF-8", found="other octets in RelayState") from None
    if _CONTROL.search(text) is not None:
        raise Refusal("binding.encoding", expected="no control characters", found="control characters in RelayState")
    return text
