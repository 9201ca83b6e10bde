"""Forms that somebody sent when her session had run out: kept through the login, for the browser that sent them, once. Sends none of them:
that is up to her.
"""

import json
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ostiary.errors import Refusal
from ostiary.web.forms import FORM_TYPE, FormLimits, parse_form
from sp_shire.addresses import Addresses
from sp_shire.login.browser_mark import BrowserMark
from sp_shire.login.pending import PendingTable
from sp_shire.messages import Request

FORM_TIME: Final = timedelta(minutes=30)
FORMS_AT_MOST: Final = 32
"""So many forms of the largest size are kept at a time."""

MULTIPART: Final = "multipart/form-data"
_FIELDS: Final = 1000
_BOUNDARY: Final = re.compile(
    r"(?:^|;)\s*boundary=(?:\"([!-~ ]{1,70})\"|([!#-+\-.0-9:=?A-Z^_`a-z{|}~]{1,70}))\s*(?:;|$)", re.I
)
# What browsers write (HTML, "multipart/form-data encoding algorithm"): quotes, CR and LF stand percent-encoded in names.
_DISPOSITION: Final = re.compile(r'form-data; name="([^"\r\n]*)"(; filename="([^"\r\n]*)")?(?:;.*)?', re.I)


@dataclass(frozen=True, slots=True)
class KeptForm:
    """``target``: the path that it was sent to; ``multipart`` whether it goes that way again."""

    target: str
    fields: tuple[tuple[str, str], ...]
    multipart: bool


class KeptForms:
    """The forms of one resource. ``table`` is for them alone; ``largest`` in octets, 0: none is kept."""

    def __init__(self, table: PendingTable, addresses: Addresses, mark: BrowserMark, *, largest: int) -> None:
        self.largest: Final = largest
        self._table = table
        self._origin = addresses.origin
        self._mark = mark

    def is_own(self, request: Request) -> bool:
        """Whether a page of this very site sent it, as the browser says: no other site makes somebody send a form after a login."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        return (
            request.method == "POST"
            and (site is not None or origin is not None)
            and site in (None, "same-origin")
            and origin in (None, self._origin)
        )

    def fits(self, request: Request) -> bool:
        """Whether its body may be read to keep it: a form, of a size that it states."""
        length = request.headers.get("content-length", "")
        stated = length.isascii() and length.isdecimal() and len(length) <= 12
        return stated and 0 < int(length) <= self.largest and request.media_type in (FORM_TYPE, MULTIPART)

    def keep(self, request: Request, target: str, now: datetime) -> str | None:
        """Its number; the browser has its mark already. None for one that can't be kept: files, broken encodings."""
        form = self._read(request, target)
        if form is None:
            return None
        browser, _ = self._mark.of(request)
        number = secrets.token_urlsafe(16)
        content = json.dumps([form.target, form.fields, form.multipart, self._mark.digest(browser)]).encode()
        self._table.put(_key(number), content, remote=request.remote, now=now)
        return number

    def take(self, request: Request, number: str, now: datetime) -> KeptForm | None:
        """The form, once, for the browser that sent it."""
        kept = self._table.get(_key(number), now)
        if kept is None:
            return None
        target, fields, multipart, browser = json.loads(kept)
        if not self._mark.fits(request, browser) or self._table.take(_key(number), now) is None:
            return None
        return KeptForm(target, tuple((name, value) for name, value in fields), multipart)

    def _read(self, request: Request, target: str) -> KeptForm | None:
        # Of a body that broke off nothing is kept.
        if str(len(request.body)) != request.headers.get("content-length", "").lstrip("0") or not self.fits(request):
            return None
        if request.media_type == MULTIPART:
            parts = read_multipart(request.headers.get("content-type", ""), request.body)
            return KeptForm(target, parts, True) if parts is not None else None
        try:
            found = parse_form(request.headers.get("content-type"), request.body, FormLimits(self.largest, _FIELDS))
        except Refusal:
            return None
        return KeptForm(target, tuple((field.name, field.value) for field in found), False)


def read_multipart(content_type: str, body: bytes) -> tuple[tuple[str, str], ...] | None:
    """The fields of a form as ``multipart/form-data`` (RFC 7578) in UTF-8, as browsers write it. A file field in which nothing was chosen
    is left out. None for a form with a file, and for anything that is not written so."""
    found = _BOUNDARY.search(content_type.partition(";")[2])
    if found is None:
        return None
    boundary = b"\r\n--" + (found[1] or found[2]).encode()
    first, *parts = (b"\r\n" + body).split(boundary, _FIELDS + 2)
    if first or not parts or parts.pop() not in (b"--", b"--\r\n"):
        return None
    fields = [_read_part(part) for part in parts]
    if len(fields) > _FIELDS or any(field is None for field in fields):
        return None
    return tuple((name, value) for name, value in (field for field in fields if field) if name)


def _read_part(part: bytes) -> tuple[str, str] | None:
    """Name and value; an empty name for an empty file field."""
    head, blank, content = part.partition(b"\r\n\r\n")
    try:
        lines, value = head.decode().split("\r\n"), content.decode()
    except UnicodeDecodeError:
        return None
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    disposition = next((text for name, text in headers.items() if name.lower() == "content-disposition"), "")
    written = _DISPOSITION.fullmatch(disposition)
    if not blank or lines[0] or written is None or "\0" in value:
        return None
    if written[2] is not None:
        return None if written[3] or value else ("", "")
    name = written[1].replace("%0D", "\r").replace("%0A", "\n").replace("%22", '"')
    return (name, value) if name else None


def _key(number: str) -> str:
    return f"form {number}"
