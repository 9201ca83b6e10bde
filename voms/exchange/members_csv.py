"""A table of members as a CSV file (RFC 4180, UTF-8) and its lines as data, each looked at by itself. Knows no database.

Columns, in any order, by the names in the first line; what is not there or empty says nothing: ``subject`` and ``issuer`` of a certificate,
``asserted_by``, ``attribute`` and ``value`` of a name at a home organisation (each line needs one of the two), ``kind``, ``until``, the
columns of `Details`, ``groups`` (groups and roles, with spaces between) and ``attributes`` (name=value, with semicolons between).
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from ostiary.errors import OstiaryError, Refusal
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.fqan import Fqan, parse_fqan
from voms.details import Details, problems_of
from voms.exchange.written_names import written_name
from voms.grant_options import instant
from voms.identities import FederatedIdentity
from voms.people import Kind

MAXIMUM_BYTES: Final = 20_000_000
MAXIMUM_LINES: Final = 100_000
_MAXIMUM_CELL: Final = 8_000
_NAMES: Final = ("subject", "issuer")
_IDENTITY: Final = ("asserted_by", "attribute", "value")
_DETAILS: Final = tuple(field.name for field in fields(Details))
COLUMNS: Final = (*_NAMES, *_IDENTITY, "kind", "until", *_DETAILS, "groups", "attributes")


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One member as the file has her. ``line``: where (1 is the first line of the file); ``until``: None says nothing; ``about``: None
    where no column of it is filled in."""

    line: int
    names: CertificateNames | None = None
    identity: FederatedIdentity | None = None
    kind: Kind = "person"
    until: datetime | None = None
    about: Details | None = None
    fqans: tuple[Fqan, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()

    @property
    def known_by(self) -> tuple[CertificateNames | FederatedIdentity, ...]:
        """What finds her: at least one."""
        return tuple(each for each in (self.names, self.identity) if each is not None)


@dataclass(frozen=True, slots=True)
class WrongLine:
    """A line that can't be used, and why."""

    line: int
    problem: OstiaryError


def read_lines(data: bytes) -> Iterator[MemberLine | WrongLine]:
    """The lines of a file, one after the other. Raises `Refusal` (``voms.csv``) for what is no such table at all."""
    if len(data) > MAXIMUM_BYTES:
        raise Refusal("voms.csv", expected=f"at most {MAXIMUM_BYTES} bytes", found=len(data))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal("voms.csv", expected="UTF-8", found=f"byte {error.start}") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [cell.strip().lower() for cell in next(rows, [])]
    except csv.Error as error:
        raise Refusal("voms.csv", expected="a table with commas", found=error) from None
    unknown = [column for column in columns if column not in COLUMNS]
    if not columns or unknown or len(set(columns)) != len(columns):
        found = ", ".join(unknown or columns)[:200] or "nothing"
        raise Refusal("voms.csv", expected=f"names of columns in the first line: {', '.join(COLUMNS)}", found=found)
    return _lines(rows, columns)


def _lines(rows: Iterator[list[str]], columns: Sequence[str]) -> Iterator[MemberLine | WrongLine]:
    number = 1
    while True:
        number += 1
        try:
            cells = next(rows, None)
            if cells is None:
                return
            if number > MAXIMUM_LINES:
                raise Refusal("voms.csv", expected=f"at most {MAXIMUM_LINES} lines", found="more")
            if any(cell.strip() for cell in cells):
                yield _line(number, cells, columns)
        except csv.Error as error:
            # Where a quote has no end, nobody knows what the rest means.
            yield WrongLine(number, Refusal("voms.csv_line", expected="a table with commas", found=error))
            return
        except Refusal as problem:
            yield WrongLine(number, problem)
            if number > MAXIMUM_LINES:
                return


def _line(number: int, cells: Sequence[str], columns: Sequence[str]) -> MemberLine:
    if len(cells) != len(columns):
        raise Refusal("voms.csv_line", expected=f"{len(columns)} cells", found=len(cells))
    told = {column: cell.strip() for column, cell in zip(columns, cells, strict=True) if cell.strip()}
    for column, cell in told.items():
        if len(cell) > _MAXIMUM_CELL or not cell.isprintable():
            raise Refusal("voms.csv_line", expected="visible characters, not too many", found=column)
    names, identity = _together(told, _NAMES), _together(told, _IDENTITY)
    if not names and not identity:
        raise Refusal("voms.csv_line", expected="subject and issuer, or asserted_by, attribute and value", found="none")
    return MemberLine(
        line=number,
        names=CertificateNames(*map(written_name, names)) if names else None,
        identity=FederatedIdentity(*identity) if identity else None,
        kind=_kind(told.get("kind", "person")),
        until=instant(told.get("until")),
        about=_about(told),
        fqans=tuple(parse_fqan(text) for text in told.get("groups", "").split()),
        attributes=tuple(_pair(text) for text in told.get("attributes", "").split(";") if text.strip()),
    )


def _together(told: dict[str, str], wanted: Sequence[str]) -> tuple[str, ...]:
    found = tuple(told[column] for column in wanted if column in told)
    if found and len(found) != len(wanted):
        raise Refusal("voms.csv_line", expected=" and ".join(wanted), found="only some of them")
    return found


def _kind(text: str) -> Kind:
    match text.lower():
        case "person":
            return "person"
        case "service":
            return "service"
    raise Refusal("voms.csv_line", expected="person or service", found=text[:80])


def _about(told: dict[str, str]) -> Details | None:
    known = {name: told[name] for name in _DETAILS if name in told}
    if not known:
        return None
    about = Details(**known)
    for problem in problems_of(about).values():
        raise problem
    return about


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.strip().partition("=")
    if not name or not equals or not value:
        raise Refusal("voms.csv_line", expected="name=value", found=text[:80])
    return name, value
