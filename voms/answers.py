"""Writes what the clients expect, to the byte where they depend on it: the REST answers and those of the legacy protocol. Pure.

Source: measured behaviour of vomsd 2.1 and its clients (docs/voms-protocol.md): the declaration must be there, base64 must hold line
breaks, and an error that ought to end a client's attempts holds one of the phrases that it looks for.
"""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from lxml import etree

from ostiary.errors import Missing, NotAuthenticated, OstiaryError, Refusal, Unavailable
from voms.selection import ORDER, SHORTENED, SUBSET, UNKNOWN_PARAMETER, Warned

_LEGACY_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789[]"
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_IN_XML: Final = re.compile("[^\n\t -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TO_LEGACY: Final = str.maketrans(_ALPHABET, _LEGACY_ALPHABET, "=\n")

Explain = Callable[[OstiaryError], str]
"""What the catalogue says was wrong, in one sentence."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as the clients know it: HTTP status, the REST protocol's code, the legacy protocol's number, and the text."""

    status: int
    code: str
    number: int
    message: str


def problem_of(error: OstiaryError, vo: str, explain: Explain) -> Problem:
    """The protocol's form of a refusal. The texts of the first three are the original's, which clients and test suites look for."""
    if error.code == "voms.unknown":
        return Problem(403, "NoSuchUser", 1001, f"{vo}: User unknown to this VO.")
    if error.code in ("voms.suspended", "voms.expired", "voms.aup_due"):
        return Problem(403, "SuspendedUser", 1004, f"User is currently suspended!\nSuspension reason: {error.found}")
    if error.code == "voms.not_held":
        return Problem(400, "BadRequest", 1001, f"{vo}: Unable to satisfy {error.params['command']} request!")
    if error.code == "voms.nothing_left":
        return Problem(400, "BadRequest", 1002, f"{vo}: {explain(error)}")
    if error.code.startswith("voms.request"):
        return Problem(400, "BadRequest", 1005, f"{vo}: {explain(error)}")
    if isinstance(error, NotAuthenticated) or error.code.startswith("x509."):
        # The C client shows the text of a refusal only when it holds one of a few phrases; "not active" is one.
        return Problem(403, "SuspendedUser", 1004, f"{vo}: This credential is not active here. {explain(error)}")
    if isinstance(error, Unavailable):
        return Problem(500, "InternalError", 1003, f"{vo}: {explain(error)}")
    if isinstance(error, Refusal) and not isinstance(error, Missing):
        return Problem(400, "BadRequest", 1006, f"{vo}: {explain(error)}")
    return Problem(500, "InternalError", 1006, f"{vo}: {explain(error)}")


def warning_text(warned: Warned, host: str, port: int) -> str:
    """A warning in the original's words; the Java client tells them apart by these."""
    where = f"{host}:{port}: "
    match warned.number:
        case number if number == ORDER:
            return f"{where}FQAN: {warned.about} is not the first selected!"
        case number if number == SHORTENED:
            return f"{where}The validity of this VOMS AC in your proxy is shortened to {warned.about} seconds!"
        case number if number == SUBSET:
            return f"{where}your certificate already contains attributes, only a subset of them can be issued."
        case number if number == UNKNOWN_PARAMETER:
            return f"{where}the parameter {warned.about} is unknown and was ignored."
    raise ValueError(warned.number)


def rest_certificate(der: bytes, warnings: Sequence[str]) -> bytes:
    """The REST answer that carries an attribute certificate."""
    root = etree.Element("voms")
    _add(root, "ac", _base64(der))
    for warning in warnings:
        _add(root, "warning", warning)
    return _document(root, b'<?xml version="1.0" encoding="UTF-8"?>')


def rest_problem(problem: Problem) -> bytes:
    """The REST answer that refuses."""
    root = etree.Element("voms")
    error = etree.SubElement(root, "error")
    _add(error, "code", problem.code)
    _add(error, "message", problem.message)
    return _document(root, b'<?xml version="1.0" encoding="UTF-8"?>')


def legacy_certificate(der: bytes, warnings: Sequence[tuple[int, str]], *, plain_base64: bool) -> bytes:
    """The legacy answer that carries an attribute certificate."""
    root = _legacy(warnings)
    _add(root, "ac", _base64(der) if plain_base64 else legacy_base64(der))
    return _document(root, _LEGACY_DECLARATION)


def legacy_list(fqans: Sequence[str], warnings: Sequence[tuple[int, str]], *, plain_base64: bool) -> bytes:
    """The legacy answer to ``N``: names, one a line, and no certificate."""
    root = _legacy(warnings)
    names = "".join(f"{fqan}\n" for fqan in fqans).encode()
    _add(root, "bitstr", _base64(names) if plain_base64 else legacy_base64(names))
    return _document(root, _LEGACY_DECLARATION)


def legacy_problem(problem: Problem) -> bytes:
    """The legacy answer that refuses; old parsers need its filler of a certificate."""
    root = _legacy([(problem.number, problem.message)])
    _add(root, "ac", "QQ==\n")
    return _document(root, _LEGACY_DECLARATION)


def legacy_base64(data: bytes) -> str:
    """base64 in the legacy protocol's own alphabet, without padding and line breaks."""
    return base64.b64encode(data).decode().translate(_TO_LEGACY)


_LEGACY_DECLARATION: Final = b'<?xml version="1.0" encoding = "US-ASCII"?>'


def _legacy(warnings: Sequence[tuple[int, str]]) -> etree._Element:
    root = etree.Element("vomsans")
    _add(root, "version", "3")
    if warnings:
        error = etree.SubElement(root, "error")
        for number, text in warnings:
            item = etree.SubElement(error, "item")
            _add(item, "number", str(number))
            _add(item, "message", text)
    return root


def _base64(data: bytes) -> str:
    """In lines of 64 characters: the C client reads one long line with its other alphabet."""
    encoded = base64.b64encode(data).decode()
    return "".join(f"{encoded[at : at + 64]}\n" for at in range(0, len(encoded), 64))


def _add(parent: etree._Element, name: str, text: str) -> None:
    # XML 1.0 has no control characters; what is found in a refused request may hold some.
    etree.SubElement(parent, name).text = _NOT_IN_XML.sub("?", text)


def _document(root: etree._Element, declaration: bytes) -> bytes:
    return declaration + etree.tostring(root, encoding="US-ASCII", xml_declaration=False)
