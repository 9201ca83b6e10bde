"""Distinguished names as people write them (OpenSSL's one-line form or RFC 4514) in the form in which the VO's database has them. Pure."""

import re
from typing import Final

from cryptography import x509

from ostiary.errors import Refusal
from ostiary.x509 import oids
from ostiary.x509.names import normal_slash_form

MAXIMUM: Final = 2_000
_BY_SHORT_NAME: Final = {short: dotted for dotted, short in oids.SHORT_NAMES.items()}
_KEYS: Final = "|".join(sorted(map(re.escape, _BY_SHORT_NAME), key=len, reverse=True))
# A slash in a value (host/a.example) is no beginning: no known name and equals sign follow it.
_BEGINNING: Final = re.compile(rf"/(?=(?:{_KEYS}|[0-9]+(?:\.[0-9]+)+)=)")
_HEXADECIMAL: Final = re.compile(r"(?:\\x[0-9A-Fa-f]{2})+")


def written_name(text: str) -> str:
    """RFC 4514 of ``/C=ZZ/O=Example/CN=Ada`` or ``CN=Ada,O=Example,C=ZZ``. Raises `Refusal` (``voms.written_name``)."""
    try:
        if not 0 < len(text) <= MAXIMUM or not text.isprintable():
            raise ValueError("length or characters")
        name = _of_slash_form(text) if text.startswith("/") else x509.Name.from_rfc4514_string(text)
        if not list(name):
            raise ValueError("nothing in it")
        return name.rfc4514_string()
    except (ValueError, KeyError):
        expected = "/C=ZZ/O=Example/CN=Ada or CN=Ada,O=Example,C=ZZ"
        raise Refusal("voms.written_name", expected=expected, found=text[:200]) from None


def _of_slash_form(text: str) -> x509.Name:
    """One attribute for each part: names with several in one are too rare to guess at."""
    first, *parts = _BEGINNING.split(normal_slash_form(text))
    if first:
        raise ValueError("not a name from the beginning on")
    return x509.Name([_attribute(part) for part in parts])


def _attribute(part: str) -> x509.NameAttribute[str]:
    short, _, value = part.partition("=")
    dotted = _BY_SHORT_NAME.get(short, short)
    return x509.NameAttribute(x509.ObjectIdentifier(dotted), _HEXADECIMAL.sub(_decoded, value))


def _decoded(found: re.Match[str]) -> str:
    """Bytes that the one-line form writes as digits: UTF-8, or the name is not for this form."""
    return bytes.fromhex(found[0].replace("\\x", "")).decode("utf-8")
