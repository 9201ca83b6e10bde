"""What people type into the forms of the pages, read and bounded. Decides no right; what can't be read is refused with its error."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Final

from cryptography import x509
from flask import Response

from ostiary.errors import Denied, NotAuthenticated, Refusal
from ostiary.web import incoming
from ostiary.web.csrf import FIELD
from ostiary.web.forms import Fields, optional
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.names import issuer_bytes, slash_form_of
from voms.pages.visitors import ServedVo
from voms.periods import ALWAYS, Recurrence, When, recurrence

MAXIMUM_NAME: Final = 255
MAXIMUM_PEM: Final = 32_768


def asked(name: str, most: int = MAXIMUM_NAME) -> str:
    """A parameter of the query, without spaces around it; empty when absent. Raises `Refusal` (``http.parameter_*``)."""
    return (optional(incoming.query(), name, max_length=most) or "").strip()


def typed(name: str, most: int = MAXIMUM_NAME) -> str:
    """A field of the form that was sent, without spaces around it; empty when absent. Raises `Refusal` (``http.parameter_*``)."""
    return (optional(incoming.form(), name, max_length=most) or "").strip()


def ticked(name: str) -> bool:
    """Whether a box was ticked."""
    return name in incoming.form()


def filled() -> Mapping[str, str]:
    """All that was typed, to fill in the form again; nothing where none was sent."""
    return _texts(incoming.form())


def _texts(fields: Fields) -> Mapping[str, str]:
    return {field.name: field.value for field in fields if field.name != FIELD}


def instant_typed(name: str) -> datetime | None:
    """A moment by UTC, as ``datetime-local`` and ``date`` fields send it; None when it is empty. Raises `Refusal` (``voms.typed_time``)."""
    return _as_utc(typed(name, 40))


def instant_asked(name: str) -> datetime | None:
    """The same from the query."""
    return _as_utc(asked(name, 40))


def when_typed(prefix: str) -> When:
    """The fields ``<prefix>_since`` and ``_until``, and ``_rule``, ``_first``, ``_duration``, ``_zone``, ``_except`` of what recurs.

    Raises `Refusal` (``voms.typed_time``, ``voms.typed_recurrence``, ``voms.recurrence``)."""
    since, until = instant_typed(f"{prefix}_since"), instant_typed(f"{prefix}_until")
    recurs = _recurrence(prefix)
    return ALWAYS if (since, until, recurs) == (None, None, None) else When(since, until, recurs)


def _recurrence(prefix: str) -> Recurrence | None:
    rule, first, duration = (typed(f"{prefix}_{name}", 500) for name in ("rule", "first", "duration"))
    if not (rule or first or duration):
        return None
    if not (rule and first and duration):
        raise Refusal("voms.typed_recurrence", expected="rule, first time and duration", found="not all of them")
    days = typed(f"{prefix}_except", 4_000).replace(",", " ").split()
    zone = typed(f"{prefix}_zone", 64) or "UTC"
    return recurrence(_local(first), zone, duration.upper(), rule, tuple(_midnight(day) for day in days))


def certificate_typed(name: str, vo: ServedVo) -> CertificateNames | None:
    """Whom the certificate (PEM) in a field names; None when it is empty. Whom no CA of the VO's directory vouches for could never connect.
    Raises `Refusal` (``voms.typed_certificate``, ``voms.unknown_ca``)."""
    text = typed(name, MAXIMUM_PEM)
    if not text:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
    except ValueError as error:
        raise Refusal("voms.typed_certificate", expected="a certificate, PEM", found=error) from None
    if not vo.trust().named(issuer_bytes(certificate)):
        issuer = slash_form_of(issuer_bytes(certificate))
        raise Refusal("voms.unknown_ca", expected="a CA of the certificates directory", found=issuer, issuer=issuer)
    return CertificateNames.of(certificate)


def number_typed(name: str, empty: int | None = None) -> int | None:
    """Whole digits; ``empty`` when nothing was typed. Raises `Refusal` (``voms.typed_number``)."""
    text = typed(name, 9)
    if not text:
        return empty
    if not (text.isascii() and text.isdecimal()):
        raise Refusal("voms.typed_number", expected="a whole number", found=text)
    return int(text)


def attempt(change: Callable[[], Response], again: Callable[[Refusal], Response]) -> Response:
    """What ``change`` answers, or the form ``again`` with what was wrong in it. Who may not do it is told so on a page of its own."""
    try:
        return change()
    except (Denied, NotAuthenticated):
        raise
    except Refusal as problem:
        answer = again(problem)
        answer.status_code = problem.status
        return answer


def _as_utc(text: str) -> datetime | None:
    if not text:
        return None
    found = _local(text.removesuffix("Z"))
    return found.replace(tzinfo=UTC)


def _local(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        raise Refusal("voms.typed_time", expected="2027-01-01T08:00", found=text)
    return found


def _midnight(day: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(day), datetime.min.time())
    except ValueError:
        raise Refusal("voms.typed_time", expected="days such as 2026-12-25", found=day) from None
