"""Client certificates that a web server in front passes on in a header. Says nothing of whether that server is to be trusted."""

import base64
import binascii
import re
from typing import Final
from urllib.parse import unquote_to_bytes

_MAXIMUM_HEADER: Final = 60_000
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_BASE64: Final = re.compile(r":?([A-Za-z0-9+/]{16,}={0,2}):?")


def certificates_in(given: str) -> tuple[bytes, ...]:
    """The certificates (DER, the person's own first) in a header: percent-encoded or plain PEM, or base64 of DER, in colons (RFC 9440
    2.2) or without; none where it can't be read."""
    if len(given) > _MAXIMUM_HEADER:
        return ()
    encoded = _BASE64.fullmatch(given.strip())
    try:
        if encoded is not None:
            return (base64.b64decode(encoded[1], validate=True),)
        bodies = _PEM.findall(unquote_to_bytes(given.encode("latin-1")))
        # Line ends may have become spaces or tabs on the way.
        return tuple(base64.b64decode(b"".join(body.split()), validate=True) for body in bodies)
    except (binascii.Error, UnicodeError):
        return ()


def chain_in(certificate: str, rest: str = "") -> tuple[bytes, ...]:
    """The chain (DER, the client's own certificate first) from two headers: its own, and the others (RFC 9440 2.3: each in colons, with
    commas between; or as `certificates_in` reads them).

    None at all where either can't be read as a whole, or where the first has more than one: of two, one may be what the client itself sent
    in the header, to which the web server added its own.
    """
    own = certificates_in(certificate)
    if len(own) != 1 or len(rest) > _MAXIMUM_HEADER:
        return ()
    others: list[bytes] = []
    for part in rest.split(",") if rest.strip() else ():
        found = certificates_in(part)
        if not found:
            return ()
        others += found
    return tuple(dict.fromkeys((*own, *others)))
