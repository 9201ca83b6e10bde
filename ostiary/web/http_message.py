"""One HTTP/1 request from bytes, and one answer to bytes (RFC 9112), strict where readers could differ. No sockets, no clock.

More lenient than the RFC in one respect only, because grid clients need it: lines may end in a bare LF.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote_to_bytes

from ostiary.errors import Refusal, TooLarge

_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_LINE_END: Final = re.compile(rb"\r?\n")
_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e\x80-\xff]+) HTTP/1\.([0-9])")
# Blanks around the value are stripped afterwards: looked for here, they would take time in the square of the line.
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\x21-\x7e\x80-\xff \t]*)")
_ABSOLUTE: Final = re.compile(rb"https?://[^/?#]+", re.IGNORECASE)
_STATUS: Final = re.compile(r"[2-5][0-9]{2} [\x20-\x7e]{0,100}")
_MAXIMUM_LENGTH_DIGITS: Final = 12
# Said once in a request; two of them could be read differently by two readers.
_ONCE: Final = frozenset({"host", "content-length", "content-type", "transfer-encoding", "expect"})
# What belongs to the connection is the listener's to say.
_OWN_FIELDS: Final = frozenset({"connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"})


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body. ``path`` is percent-decoded, ``query`` as received; both are bytes as latin-1 (PEP 3333)."""

    method: str
    path: str
    query: str
    version: str
    fields: Mapping[str, str]
    content_length: int

    @property
    def waits_for_continue(self) -> bool:
        """RFC 9110 10.1.1: the client sends the body only after an interim answer."""
        return self.fields.get("expect", "").lower() == "100-continue" and self.version == "HTTP/1.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` as WSGI has it (``200 OK``), header fields in order, the whole body.

    Raises `ValueError` for a status or field that could break out of its line.
    """

    status: str
    fields: Sequence[tuple[str, str]]
    body: bytes

    def __post_init__(self) -> None:
        if _STATUS.fullmatch(self.status) is None:
            raise ValueError(f"not an HTTP status: {self.status[:60]!r}")
        for name, value in self.fields:
            if _FIELD.fullmatch(f"{name}: {value}".encode("latin-1")) is None:
                raise ValueError(f"not an HTTP header field: {name[:60]!r}")


def end_of_head(data: bytes | bytearray, searched: int) -> int | None:
    """Where the head ends that ``data`` begins with, None when it goes on. The first ``searched`` bytes were looked at before."""
    found = _END_OF_HEAD.search(data, max(0, searched - 3))
    return found.end() if found else None


def parse_head(data: bytes, *, line_bytes: int, fields: int) -> Head:
    """A head up to and with its empty line.

    Raises `Refusal` (``listener.request_line``, ``listener.field``, ``listener.framing``) or `TooLarge` (``listener.line``,
    ``listener.fields``).
    """
    first, *lines = _LINE_END.split(_END_OF_HEAD.sub(b"", data, count=1))
    for line in (first, *lines):
        if len(line) > line_bytes:
            raise TooLarge("listener.line", expected=f"lines of at most {line_bytes} bytes", found=f"{len(line)} bytes")
    if len(lines) > fields:
        raise TooLarge("listener.fields", expected=f"at most {fields} header fields", found=len(lines))
    matched = _REQUEST_LINE.fullmatch(first)
    if matched is None:
        raise Refusal("listener.request_line", expected="METHOD target HTTP/1.1", found=_shown(first))
    target = matched[2]
    if absolute := _ABSOLUTE.match(target):
        target = target[absolute.end() :]
        target = target if target.startswith(b"/") else b"/" + target
    if not target.startswith(b"/"):
        raise Refusal("listener.request_line", expected="a path that starts with /", found=_shown(target))
    path, _, query = target.partition(b"?")
    read = _read_fields(lines)
    return Head(
        method=matched[1].decode("ascii"),
        path=unquote_to_bytes(path).decode("latin-1"),
        query=query.decode("latin-1"),
        version=f"HTTP/1.{'0' if matched[3] == b'0' else '1'}",
        fields=read,
        content_length=_content_length(read),
    )


def _read_fields(lines: Sequence[bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        matched = _FIELD.fullmatch(line)
        if matched is None:
            raise Refusal("listener.field", expected="Name: value", found=_shown(line))
        name, value = matched[1].decode("ascii").lower(), matched[2].strip(b" \t").decode("latin-1")
        if name in found:
            if name in _ONCE:
                raise Refusal("listener.field", expected=f"{name} at most once", found="several")
            value = f"{found[name]}, {value}"
        found[name] = value
    return found


def _content_length(fields: Mapping[str, str]) -> int:
    if "transfer-encoding" in fields:
        raise Refusal("listener.framing", expected="Content-Length", found="Transfer-Encoding")
    text = fields.get("content-length", "0")
    if not (text.isascii() and text.isdecimal()) or len(text) > _MAXIMUM_LENGTH_DIGITS:
        raise Refusal("listener.framing", expected="a length in bytes", found=text[:60])
    return int(text)


def environ_fields(head: Head) -> dict[str, str]:
    """The header fields under their WSGI names. One with an underscore is left out: it could pass for one with a hyphen."""
    found: dict[str, str] = {}
    for name, value in head.fields.items():
        if "_" not in name:
            key = name.upper().replace("-", "_")
            found[key if name in ("content-type", "content-length") else f"HTTP_{key}"] = value
    return found


def plain_answer(status: int, text: str) -> Answer:
    """A short answer in plain text."""
    fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
    ]
    return Answer(f"{status} {HTTPStatus(status).phrase}", fields, f"{text}\n".encode())


def write_answer(answer: Answer, *, date: str, head_only: bool = False) -> bytes:
    """The octets of an answer after which the connection closes: always HTTP/1.1 with Content-Length, never chunked."""
    lines = [f"HTTP/1.1 {answer.status}", f"Date: {date}"]
    lines += [f"{name}: {value}" for name, value in answer.fields if name.lower() not in _OWN_FIELDS]
    if not answer.status.startswith(("1", "204", "304")):
        declared = [value for name, value in answer.fields if name.lower() == "content-length"]
        lines.append(f"Content-Length: {declared[0] if head_only and declared else len(answer.body)}")
    lines.append("Connection: close")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return head.encode("latin-1") + (b"" if head_only else answer.body)


def _shown(line: bytes) -> str:
    return line[:200].decode("latin-1")
